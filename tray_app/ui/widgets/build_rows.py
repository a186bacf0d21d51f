"""A row for each engine, with what can be done with it. GUI thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.presenters.builds import action_label, action_name
from tray_app.ui.presenters.tone import Tone
from tray_app.ui.style import MEDIUM, SMALL, TIGHT
from tray_app.ui.texts import tr
from tray_app.ui.widgets.badge import Badge, SymbolChip
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import small_label, text_label
from tray_app.ui.widgets.more_button import MoreButton

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QContextMenuEvent

    from tray_app.ui.presenters.builds import BuildRow, EngineAction

_FIXED_SPACE = "\N{NO-BREAK SPACE}"
_SHORT = 24


class BuildRows(QWidget):
    """The rows; the Tab key reaches them after `before`."""

    wanted = Signal(object, object)
    """An `EngineAction`, and the `BuildRow` of the engine."""

    def __init__(self, name: str, before: QWidget) -> None:
        super().__init__()
        self.last = before
        """The last widget in them that the Tab key reaches."""
        self._before = before
        self.setAccessibleName(name)
        self.rows: dict[str, RowWidget] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SMALL)

    def show_rows(self, rows: Sequence[BuildRow]) -> None:
        """Show these. A row that stays keeps its widget, and so the focus."""
        by_key = {row.id or row.title: row for row in rows}
        for key in [key for key in self.rows if key not in by_key]:
            gone = self.rows.pop(key)
            self._column.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        for key in by_key.keys() - self.rows.keys():
            self.rows[key] = RowWidget(self)
        self.rows = {key: self.rows[key] for key in by_key}
        self.last = self._before
        for place, (key, row) in enumerate(by_key.items()):
            widget = self.rows[key]
            self._column.removeWidget(widget)
            self._column.insertWidget(place, widget)
            widget.show_row(row)
            for control in widget.controls():
                self.setTabOrder(self.last, control)
                self.last = control


class RowWidget(Card):
    """One engine: symbol, name, state and facts, and at the right what can be done."""

    def __init__(self, rows: BuildRows) -> None:
        super().__init__(rows)
        self._rows = rows
        self._row: BuildRow | None = None
        self.device = SymbolChip()
        self.name = text_label(bold=True)
        self.state = Badge()
        self.facts = small_label()
        self.warnings = text_label()
        self.buttons: dict[EngineAction, QPushButton] = {}
        self.more_button = MoreButton()
        self._menu = QMenu(self)
        self.more_button.setMenu(self._menu)
        title = QHBoxLayout()
        title.setSpacing(SMALL)
        title.addWidget(self.name, 1)
        title.addWidget(self.state, alignment=Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(TIGHT)
        words.addLayout(title)
        for label in (self.facts, self.warnings):
            words.addWidget(label)
        words.addStretch()
        self._actions = QHBoxLayout()
        self._actions.setSpacing(TIGHT)
        self._actions.addWidget(self.more_button)
        line = QHBoxLayout(self)
        line.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        line.setSpacing(MEDIUM)
        line.addWidget(self.device, alignment=Qt.AlignmentFlag.AlignTop)
        line.addLayout(words, 1)
        line.addLayout(self._actions)

    def controls(self) -> tuple[QWidget, ...]:
        """What the Tab key reaches, in this order."""
        return (self.name, self.warnings, *self.buttons.values(), self.more_button)

    def show_row(self, row: BuildRow) -> None:
        """Show another state of this engine."""
        before, self._row = self._row, row
        # Lines should break between facts, but a long fact must not make the window wider.
        facts = tuple(
            fact.replace(" ", _FIXED_SPACE) if len(fact) <= _SHORT else fact
            for fact in (*row.details, row.origin)
        )
        self.device.show_symbol("gpu" if row.graphics else "cpu", active=row.tone is Tone.GOOD)
        self.name.setText(row.title)
        self.state.show_word(row.state, row.tone)
        self.facts.setText(f"{_FIXED_SPACE}· ".join(filter(None, facts)))
        self.warnings.setText("\n".join(row.warnings))
        self.warnings.setVisible(bool(row.warnings))
        if before is None or (before.actions, before.more) != (row.actions, row.more):
            self._offer(row)
        for button in self.buttons.values():
            button.setAccessibleName(action_name(button.text(), row.title, tr))
        self.more_button.speak_of(row.title)
        self.setAccessibleName(row.title)
        said = (row.state, *row.details, *row.warnings, row.origin)
        self.setAccessibleDescription("\n".join(filter(None, said)))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu."""
        if not self._menu.isEmpty():
            self._menu.popup(event.globalPos())

    def _offer(self, row: BuildRow) -> None:
        for action in [each for each in self.buttons if each not in row.actions]:
            button = self.buttons.pop(action)
            self._actions.removeWidget(button)
            button.hide()
            button.deleteLater()
        for place, action in enumerate(row.actions):
            if action not in self.buttons:
                self.buttons[action] = QPushButton(action_label(action, tr), self)
                self.buttons[action].clicked.connect(lambda _=False, action=action: self._want(action))
            self._actions.removeWidget(self.buttons[action])
            self._actions.insertWidget(place, self.buttons[action])
            self.buttons[action].show()
        self._menu.clear()
        for action in row.more:
            self._menu.addAction(action_label(action, tr), partial(self._want, action))
        self.more_button.setVisible(bool(row.more))

    def _want(self, action: EngineAction) -> None:
        self._rows.wanted.emit(action, self._row)
