"""The button «…» at the end of a row: all that can be done with it besides the first thing. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu, QPushButton

from tray_app.ui.style import Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint


class MoreButton(QPushButton):
    """Opens a menu, which the row also opens by the right mouse button and the Menu key."""

    def __init__(self) -> None:
        super().__init__()
        self.actions_menu = QMenu(self)
        self.setMenu(self.actions_menu)
        set_variant(self, Variant.QUIET)
        set_symbol(self, "ellipsis")
        self.speak_of("")

    def speak_of(self, name: str) -> None:
        """Say whose actions these are."""
        self.setToolTip(tr("More"))
        self.setAccessibleName(tr("More: {name}").format(name=name) if name else tr("More"))

    def popup(self, place: QPoint) -> None:
        """Open the menu there, if there is anything in it."""
        if not self.actions_menu.isEmpty():
            self.actions_menu.popup(place)
