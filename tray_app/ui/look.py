"""Applies style, palette, style sheet and symbols, again whenever the system changes. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QDir, QObject, Qt

from tray_app.system.host import System
from tray_app.system.paths import resources
from tray_app.ui.garbage import widgets_stay
from tray_app.ui.style import colors, needs_contrast, own_palette, style_sheet
from tray_app.ui.symbols import renew_all

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication


class Look(QObject):
    """Follows the system between light and dark."""

    def __init__(self, qt: QApplication, system: System) -> None:
        super().__init__(qt)
        self._qt = qt
        self._own = system is System.LINUX
        QDir.setSearchPaths("symbols", [str(resources() / "icons" / "symbols")])
        if self._own:
            qt.setStyle("fusion")
        hints = qt.styleHints()
        # Queued: the system's palette comes together with its scheme.
        hints.colorSchemeChanged.connect(self._follow, Qt.ConnectionType.QueuedConnection)
        self._follow(hints.colorScheme())

    def wear(self, *, dark: bool) -> None:
        """Use our own palette, light or dark."""
        with widgets_stay():
            self._qt.setPalette(own_palette(dark=dark))
        self._dress()

    def _follow(self, scheme: Qt.ColorScheme) -> None:
        if self._own and not needs_contrast():  # else the system's own palette is the right one
            self.wear(dark=scheme is Qt.ColorScheme.Dark)
        else:
            self._dress()

    def _dress(self) -> None:
        sheet = style_sheet(colors(self._qt.palette()), own=self._own)
        if sheet != self._qt.styleSheet():
            with widgets_stay():
                self._qt.setStyleSheet(sheet)
            renew_all(self._qt)
