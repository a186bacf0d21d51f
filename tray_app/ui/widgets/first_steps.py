"""Cards that offer a model each to someone who has chosen none. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.presenters.models import offer_size
from tray_app.ui.presenters.verdict import fit_reason, fit_shape, fit_word
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import SPACING, Card, text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.report import ModelReport
    from tray_app.models.catalog import CatalogEntry
    from tray_app.ui.presenters.models import ModelFacts


class FirstSteps(QWidget):
    """The model that comes with the app, and those that suit this machine."""

    chosen = Signal(object)
    """A `CatalogEntry`."""

    def __init__(self) -> None:
        super().__init__()
        self._cards = QHBoxLayout(self)
        self._cards.setContentsMargins(0, 0, 0, 0)
        self._offered: dict[CatalogEntry, str] = {}
        self.hide()

    def offer(self, facts: ModelFacts) -> None:
        """Make the cards, and make them anew when another engine or setting changes what fits."""
        builtin = [entry for entry in facts.catalog if entry.builtin]
        offered = {
            entry: _fit_text(facts.reports.get(entry.id))
            for entry in (*builtin, *(each.entry for each in facts.recommended))
        }
        if offered == self._offered:
            return
        self._offered = offered
        while item := self._cards.takeAt(0):
            if card := item.widget():
                card.deleteLater()
        for entry, fit in offered.items():
            self._cards.addWidget(_card(entry, fit, self._choose(entry)), 1)

    def show_if(self, *, wanted: bool) -> None:
        """Be there for someone who needs it, as soon as there is something to offer."""
        self.setVisible(wanted and bool(self._offered))

    def _choose(self, entry: CatalogEntry) -> Callable[[], None]:
        return lambda: self.chosen.emit(entry)


def _card(entry: CatalogEntry, fit: str, act: Callable[[], None]) -> Card:
    card = Card()
    button = QPushButton(tr("&Try it now") if entry.builtin else tr("Do&wnload and start"))
    button.setAccessibleDescription(tr.said(entry.name))
    button.clicked.connect(act)
    column = QVBoxLayout(card)
    column.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
    title = text_label(f"{tr.said(entry.name)} · {offer_size(entry, tr)}", bold=True)
    title.setWordWrap(False)
    note = text_label(tr.said(entry.note))
    note.setAlignment(Qt.AlignmentFlag.AlignTop)
    column.addWidget(title)
    column.addWidget(note)
    if fit:
        column.addWidget(text_label(fit))
    column.addStretch()
    column.addWidget(button, alignment=Qt.AlignmentFlag.AlignLeft)
    return card


def _fit_text(report: ModelReport | None) -> str:
    if report is None:
        return ""
    word = tr("{title}.").format(title=fit_word(report, tr))
    return f"{fit_shape(report)} {word} {fit_reason(report, tr)}"
