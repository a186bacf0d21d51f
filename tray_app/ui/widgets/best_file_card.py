"""The file of a repository that suits this computer best, with a button. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout

from tray_app.ui.presenters.offers import OfferAction, offer_label, offer_pieces
from tray_app.ui.style import MEDIUM, SMALL, TIGHT, Type, Variant, set_type, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.badge import Badge
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import ElidedLabel, small_label, text_label

if TYPE_CHECKING:
    from tray_app.ui.presenters.hub import Sight
    from tray_app.ui.presenters.offers import OfferRow

_STEPS = 1000


class BestFileCard(Card):
    """Its button downloads the file, then loads it, then opens the page where it can be used."""

    acted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.row: OfferRow | None = None
        self._sight: Sight | None = None
        self._badge, self._verdict = Badge(), Badge()
        self.title = ElidedLabel()
        set_type(self.title, Type.TITLE)
        self.show_urgent(urgent=True)
        self.facts = small_label()
        self.note = text_label()
        self.sight = QCheckBox()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)  # the facts say it
        self.bar.setRange(0, _STEPS)
        self.button = QPushButton()
        set_variant(self.button, Variant.PRIMARY)
        self.button.clicked.connect(self.acted)
        top = QHBoxLayout()
        top.setSpacing(SMALL)
        top.addWidget(self._badge)
        top.addWidget(self._verdict)
        top.addStretch()
        words = QVBoxLayout()
        words.setSpacing(TIGHT)
        words.addLayout(top)
        for widget in (self.title, self.facts, self.bar, self.note, self.sight):
            words.addWidget(widget)
        line = QHBoxLayout(self)
        line.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        line.setSpacing(MEDIUM)
        line.addLayout(words, 1)
        line.addWidget(self.button)
        self.hide()

    @property
    def projector(self) -> str:
        """The address of the projector to download, too; empty without one."""
        return self._sight.address if self._sight and self.sight.isChecked() else ""

    def show_row(self, row: OfferRow | None, sight: Sight | None) -> None:
        """Show this file, or none; with `sight`, its projector can be downloaded, too."""
        self.setVisible(row is not None)
        anew = row is not None and (self.row is None or self.row.key != row.key)
        self.row = row
        if row is None:
            return
        self._badge.show_word(tr("Recommended for this computer"))
        verdict = row.verdict
        if verdict:
            self._verdict.show_word(f"{verdict.sign} {verdict.text}", verdict.tone)
        self._verdict.setVisible(verdict is not None)
        self.title.show_text(row.title)
        shown = [piece.text for piece in offer_pieces(row) if piece is not verdict]
        self.facts.setText(" · ".join(shown))
        self.note.setText(row.note)
        self.note.setVisible(bool(row.note))
        self.bar.setVisible(row.permille is not None)
        self.bar.setValue(row.permille or 0)
        self.bar.setAccessibleName(row.title)
        self._offer_sight(row, sight, anew=anew)
        label = offer_label(row, tr)
        self.button.setText(label)
        self.button.setVisible(bool(label))
        self.button.setAccessibleName(tr("{action}: {name}").format(action=label, name=row.title))
        self.setAccessibleName(row.title)
        said = (verdict.text if verdict else "", *shown, row.note)
        self.setAccessibleDescription("\n".join(filter(None, said)))

    def _offer_sight(self, row: OfferRow, sight: Sight | None, *, anew: bool) -> None:
        self._sight = sight
        self.sight.setVisible(sight is not None and row.action is OfferAction.DOWNLOAD)
        if sight is not None:
            self.sight.setText(tr("With pictures: + {size}").format(size=sight.size))
        if anew:
            self.sight.setChecked(sight is not None)
