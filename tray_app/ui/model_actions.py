"""What can be done with the selected model: as buttons, as a menu at its row, as keys. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QPushButton

from tray_app.ui.presenters.models import ModelAction
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtWidgets import QTableView

_WITH_BUTTON = (
    ModelAction.USE,
    ModelAction.LOAD,
    ModelAction.UNLOAD,
    ModelAction.DOWNLOAD,
    ModelAction.PAUSE,
    ModelAction.RESUME,
    ModelAction.CANCEL,
)
_IN_MENU = (ModelAction.VERIFY, ModelAction.QUANTIZE, ModelAction.REVEAL, ModelAction.REMOVE)
_BY_ENTER = (ModelAction.USE, ModelAction.DOWNLOAD, ModelAction.RESUME)


class ModelActions(QObject):
    """The actions of a table of models. Buttons are there for what can be done now."""

    wanted = Signal(object)
    """A `ModelAction`."""

    def __init__(self, table: QTableView) -> None:
        super().__init__(table)
        self.actions = {action: QAction(label, self) for action, label in _labels().items()}
        for action, entry in self.actions.items():
            entry.triggered.connect(lambda _=False, action=action: self.wanted.emit(action))
        self.actions[ModelAction.REMOVE].setShortcut(QKeySequence.StandardKey.Delete)
        for entry in self.actions.values():
            entry.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        table.addActions(list(self.actions.values()))
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        table.activated.connect(self._activate)
        self.buttons = {action: QPushButton(self.actions[action].text()) for action in _WITH_BUTTON}
        for action, button in self.buttons.items():
            button.clicked.connect(lambda _=False, action=action: self.wanted.emit(action))
        self._menu = QMenu()
        self._menu.addActions([self.actions[action] for action in _IN_MENU])
        self.more_button = QPushButton(tr("&More"))
        self.more_button.setMenu(self._menu)

    def permit(self, actions: Collection[ModelAction]) -> None:
        """Let these be done, and no others."""
        for action, entry in self.actions.items():
            entry.setEnabled(action in actions)
        for action, button in self.buttons.items():
            button.setEnabled(action in actions)
            button.setVisible(action in actions)
        self.more_button.setVisible(any(action in actions for action in _IN_MENU))

    def _activate(self) -> None:
        """Enter, or a double click: what is most likely meant."""
        for action in _BY_ENTER:
            if self.actions[action].isEnabled():
                self.wanted.emit(action)
                return


def _labels() -> dict[ModelAction, str]:
    return {
        ModelAction.USE: tr("&Use"),
        ModelAction.LOAD: tr("&Load"),
        ModelAction.UNLOAD: tr("U&nload"),
        ModelAction.DOWNLOAD: tr("&Download…"),
        ModelAction.PAUSE: tr("&Pause"),
        ModelAction.RESUME: tr("&Resume"),
        ModelAction.CANCEL: tr("&Cancel"),
        ModelAction.VERIFY: tr("Verif&y"),
        ModelAction.QUANTIZE: tr("&Quantize…"),
        ModelAction.REVEAL: tr("Show in &Folder"),
        ModelAction.REMOVE: tr("Remo&ve…"),
    }
