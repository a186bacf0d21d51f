"""The menu of a model's row, and the keys for its entries. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from tray_app.ui.presenters.model_list import action_label, menu_of
from tray_app.ui.presenters.models import ModelAction
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

    from tray_app.ui.presenters.models import ModelRow

_KEYS = {ModelAction.REMOVE: "Del", ModelAction.INFORM: "Alt+Return"}
"""Keys of the list, which its menus show."""


class ModelActions(QObject):
    """What can be done with the model of a row."""

    wanted = Signal(object)
    """A `ModelAction`."""

    def __init__(self, rows: QWidget) -> None:
        super().__init__(rows)
        self.menu = QMenu(rows)
        self.menu.setAccessibleName(tr("Model"))
        self.actions = {action: self._made(action) for action in ModelAction}
        for action in _KEYS:
            rows.addAction(self.actions[action])

    def permit(self, row: ModelRow | None) -> None:
        """Enable the keys for what the current row permits."""
        permitted = {action for group in menu_of(row) for action in group} if row else set()
        for action in _KEYS:
            self.actions[action].setEnabled(action in permitted)

    def open(self, row: ModelRow, point: QPoint) -> None:
        """Show the menu of a row at a point of the screen, in pixels."""
        self.fill(row)
        self.menu.popup(point)

    def fill(self, row: ModelRow) -> None:
        """Fill the menu with what this row permits."""
        self.menu.clear()
        for group in menu_of(row):
            if self.menu.actions():
                self.menu.addSeparator()
            self.menu.addActions([self.actions[action] for action in group])

    def _made(self, action: ModelAction) -> QAction:
        made = QAction(action_label(action, tr), self)
        if action in _KEYS:
            made.setShortcut(QKeySequence(_KEYS[action]))
            made.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        made.triggered.connect(lambda: self.wanted.emit(action))
        return made
