"""Models that could be had, one below the other, each with the one thing to do with it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from tray_app.ui.presenters.offers import action_label
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import Card, small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.ui.presenters.offers import OfferRow

_FIXED_SPACE = "\N{NO-BREAK SPACE}"
_SHORT = 24


class OfferRows(QWidget):
    """A card for each row. The Tab key comes to them after `before`."""

    wanted = Signal(object)
    """The `OfferRow` whose button was pressed."""

    def __init__(self, name: str, before: QWidget) -> None:
        super().__init__()
        self.cards: dict[str, OfferCard] = {}
        """By the keys of their rows, in order."""
        self.last = before
        """Where the Tab key has been when it leaves them."""
        self._before = before
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SMALL)

    def show_rows(self, rows: Sequence[OfferRow]) -> None:
        """Show these. A row that stays is filled anew, so that the keyboard stays where it is."""
        by_key = {row.key: row for row in rows}
        if list(by_key) != list(self.cards):
            self._arrange(by_key)
        for key, row in by_key.items():
            self.cards[key].show_row(row)

    def _arrange(self, keys: Sequence[str] | dict[str, OfferRow]) -> None:
        for key in [key for key in self.cards if key not in keys]:
            gone = self.cards.pop(key)
            self._column.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        self.cards = {key: self.cards.get(key) or OfferCard(self) for key in keys}
        self.last = self._before
        for place, card in enumerate(self.cards.values()):
            self._column.removeWidget(card)
            self._column.insertWidget(place, card)
            for control in (card.title, card.button):
                self.setTabOrder(self.last, control)
                self.last = control


class OfferCard(Card):
    """One row: its title, below it what is known, at the right its button."""

    def __init__(self, rows: OfferRows) -> None:
        super().__init__(rows)
        self._rows = rows
        self.row: OfferRow | None = None
        self._shape = QLabel()
        self.title = text_label(bold=True)
        self._best = text_label()
        self._facts = small_label()
        self._note = text_label()
        self.button = QPushButton()
        self.button.clicked.connect(lambda: self._rows.wanted.emit(self.row))
        words = QVBoxLayout()
        words.setSpacing(2)
        for label in (self.title, self._best, self._facts, self._note):
            # A long name or path must not make the window wider than the screen.
            policy = label.sizePolicy()
            policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
            label.setSizePolicy(policy)
            words.addWidget(label)
        line = QHBoxLayout(self)
        line.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        line.setSpacing(SMALL)
        line.addWidget(self._shape, alignment=Qt.AlignmentFlag.AlignTop)
        line.addLayout(words, 1)
        line.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignVCenter)

    def show_row(self, row: OfferRow) -> None:
        """Show another state of this row."""
        if row == self.row:
            return
        self.row = row
        best = tr("★ Best for this computer") if row.best else ""
        # A line had better end between two facts, but a long one must not make the window wider.
        facts = tuple(
            fact.replace(" ", _FIXED_SPACE) if len(fact) <= _SHORT else fact
            for fact in filter(None, (row.state, *row.facts))
        )
        self._shape.setText(row.shape)
        self._shape.setAccessibleName(row.state)
        self.title.setText(row.title)
        self._best.setText(best)
        self._facts.setText(f"{_FIXED_SPACE}· ".join(facts))
        self._note.setText(row.note)
        for label in (self._shape, self._best, self._facts, self._note):
            label.setVisible(bool(label.text()))
        self.show_urgent(urgent=row.best)
        self.setAccessibleName(row.title)
        said = (best, row.state, *row.facts, row.note)
        self.setAccessibleDescription("\n".join(filter(None, said)))
        if row.action:
            label_of_action = action_label(row.action, tr)
            self.button.setText(label_of_action)
            self.button.setAccessibleName(
                tr("{action}: {name}").format(action=label_of_action.rstrip("…"), name=row.title)
            )
        self.button.setVisible(row.action is not None)
