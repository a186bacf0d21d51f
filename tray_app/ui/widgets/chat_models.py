"""The menu of the models that can chat. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QMenu

from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.ui.presenters.chat import ChatModels


class ModelsMenu(QMenu):
    """Lets a person choose the model that answers."""

    chosen = Signal(str)
    """The id of a model; empty for the default one."""
    more_wanted = Signal()

    def add(self, label: str, model_id: str, *, checked: bool) -> None:
        """Add a model."""
        action = self.addAction(label.replace("&", "&&"), lambda: self.chosen.emit(model_id))
        action.setCheckable(True)
        action.setChecked(checked)


def models_menu(parent: QWidget, models: ChatModels, chosen: str) -> ModelsMenu:
    """A menu with the models, and an entry to get more."""
    menu = ModelsMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if models.usual:
        name = tr.said(models.name_of(models.usual))
        menu.add(tr("Default: {model}").format(model=name), "", checked=not chosen)
        menu.addSeparator()
    for each in models.models:
        menu.add(tr.said(each.name), each.id, checked=each.id == chosen)
    menu.addSeparator()
    menu.addAction(tr("Get More Models…"), menu.more_wanted.emit)
    return menu


def open_above(menu: QMenu, button: QWidget) -> None:
    """Open a menu above its button, which is at the bottom of the window."""
    size = menu.sizeHint()
    menu.popup(button.mapToGlobal(QPoint(button.width() - size.width(), -size.height())))
