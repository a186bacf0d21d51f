"""A card with news, and buttons for what can be done about it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout

from tray_app.ui.presenters.builds import EngineAction, action_label, action_name
from tray_app.ui.style import MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce, give_up_focus
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    from PySide6.QtWidgets import QWidget

    from tray_app.phrases import Translate
    from tray_app.ui.presenters.card import CardView

_BAR_STEPS = 1000
_FIRST = (EngineAction.INSTALL, EngineAction.UPDATE)
"""The actions that most people want."""


class ActionCard(Card):
    """Shows one `CardView` at a time; hidden while there is none."""

    wanted = Signal(object, str)
    """One of the actions of the view, and its `build_id`."""

    def __init__(
        self, *, primary: bool = True, label: Callable[[Any, Translate], str] = action_label
    ) -> None:
        """`primary`: whether its main button is the primary one of the page.

        `label` gives the label of the button of an action.
        """
        super().__init__()
        self._primary = primary
        self._label = label
        self.title = text_label(bold=True)
        self.text = text_label()
        self.note = small_label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)  # the note says it
        self.buttons: dict[StrEnum, QPushButton] = {}
        self._row = QHBoxLayout()
        self._row.setSpacing(SMALL)
        self._row.addWidget(self.bar, 1)
        self._row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(SMALL)
        for widget in (self.title, self.text, self.note):
            column.addWidget(widget)
        column.addLayout(self._row)
        self.setFocusProxy(self.title)
        self._view: CardView | None = None
        self.hide()

    def show_view(self, view: CardView | None) -> None:
        """Show this; None hides the card."""
        before, self._view = self._view, view
        if view is None:
            give_up_focus(self)
            self.hide()
            return
        self.show()
        for label, words in ((self.title, view.title), (self.text, view.text), (self.note, view.note)):
            label.setText(words)
            label.setVisible(bool(words))
        self.show_urgent(urgent=view.urgent)
        self._show_bar(view)
        if before is None or before.actions != view.actions:
            self._offer(view.actions)
        for button in self.buttons.values():
            button.setAccessibleName(action_name(button.text(), view.title, tr))
        self.setAccessibleName(view.title)
        self.setAccessibleDescription("\n".join(filter(None, (view.text, view.note))))
        if before is None or before.title != view.title:
            announce(self, "\n".join(filter(None, (view.title, view.text))))

    def _show_bar(self, view: CardView) -> None:
        self.bar.setVisible(view.permille is not None or view.busy)
        self.bar.setRange(0, 0 if view.permille is None else _BAR_STEPS)
        self.bar.setValue(view.permille or 0)
        self.bar.setAccessibleName(view.title)
        self._row.setStretch(self._row.count() - 1, 0 if self.bar.isVisibleTo(self) else 1)

    def _offer(self, actions: tuple[StrEnum, ...]) -> None:
        """Show buttons for these; one that stays keeps the focus."""
        for action in [each for each in self.buttons if each not in actions]:
            button = self.buttons.pop(action)
            if button.hasFocus():
                self.setFocus()
            self._row.removeWidget(button)
            button.hide()
            button.deleteLater()
        last: QWidget = self.text
        for place, action in enumerate(actions):
            if action not in self.buttons:
                self.buttons[action] = self._button(action)
            button = self.buttons[action]
            self.setTabOrder(last, button)
            last = button
            self._row.removeWidget(button)
            self._row.insertWidget(1 + place, button)
            button.show()

    def _button(self, action: StrEnum) -> QPushButton:
        button = QPushButton(self._label(action, tr), self)
        if self._primary and action in _FIRST:
            set_variant(button, Variant.PRIMARY)
        button.clicked.connect(lambda: self._press(action))
        return button

    def _press(self, action: StrEnum) -> None:
        if self._view is not None:
            self.wanted.emit(action, self._view.build_id)
