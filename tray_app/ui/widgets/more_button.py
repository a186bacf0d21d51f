"""The button “…” at the end of a row: all that can be done with it besides the first thing. GUI thread."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton

from tray_app.ui.style import Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr


class MoreButton(QPushButton):
    """How it looks and is called; its menu, which also opens by the Menu key, is of who shows it."""

    def __init__(self) -> None:
        super().__init__()
        set_variant(self, Variant.QUIET)
        set_symbol(self, "ellipsis")
        self.speak_of("")

    def speak_of(self, name: str) -> None:
        """Say whose actions these are."""
        self.setToolTip(tr("More"))
        self.setAccessibleName(tr("More: {name}").format(name=name) if name else tr("More"))
