"""The button “…” at the end of a row, for a menu. GUI thread."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton

from tray_app.ui.style import Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr


class MoreButton(QPushButton):
    """Only the look and name of the button; the row makes the menu, which also opens by the menu key."""

    def __init__(self) -> None:
        super().__init__()
        set_variant(self, Variant.QUIET)
        set_symbol(self, "ellipsis")
        self.speak_of("")

    def speak_of(self, name: str) -> None:
        """Name the thing whose menu this is, for screen readers."""
        self.setToolTip(tr("More"))
        self.setAccessibleName(tr("More: {name}").format(name=name) if name else tr("More"))
