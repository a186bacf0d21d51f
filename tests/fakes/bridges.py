"""Waiting for what the window has asked for, and ending a desktop that a test has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.desktop import Desktop

_LEVELS = 5
"""A layout that has changed asks the one around it, in the next round of events."""


def settle(qtbot: QtBot, bridge: Bridge) -> None:
    """Until no operation is under way, nor one that followed from it, and widgets show how they ended."""
    is_quiet = False
    while not is_quiet:
        ended: list[bool] = []
        bridge.afterwards(lambda ended=ended: ended.append(True))  # type: ignore[misc]
        is_quiet = bool(ended)  # at once: there was nothing to wait for
        qtbot.waitUntil(lambda ended=ended: bool(ended))  # type: ignore[misc]
    for _ in range(_LEVELS):
        QCoreApplication.processEvents()


def end_desktop(desktop: Desktop) -> None:
    """As when the app ends; and Qt, which goes on here, tells it nothing more."""
    desktop.leave()
    desktop.bridge.close(timeout_s=5)
    desktop.deleteLater()
