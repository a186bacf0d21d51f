"""Starts Qt and the desktop, and ends them cleanly. GUI thread."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from tray_app import __version__
from tray_app.settings.schema import AUTO
from tray_app.system.environment import adopt_clean_environment
from tray_app.system.heap import give_back
from tray_app.system.host import detect_system
from tray_app.ui import icons
from tray_app.ui.desktop import Desktop
from tray_app.ui.garbage import GarbageTimer, freeze_gc
from tray_app.ui.languages import Languages
from tray_app.ui.look import Look
from tray_app.ui.presenters.formatting import error_text
from tray_app.ui.signals import SignalWatch
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.errors import AppError
    from tray_app.ui.app_protocol import AppProtocol

BACKGROUND = "--background"
# Together five seconds, in which people expect an app to quit.
_CLOSE_TIMEOUT_S = 4.5
_OPERATIONS_TIMEOUT_S = 0.5


def run_tray(app: AppProtocol, argv: Sequence[str]) -> int:
    """Run the tray app until a person, a signal or the session ends it; the exit code.

    `--background` in `argv` starts without a window; anything else in it is a model that the person wants to
    have. `app` is closed at the end.
    """
    qt = QApplication(["powerinfer-tray"])
    adopt_clean_environment()
    qt.setApplicationName("powerinfer-tray")
    qt.setApplicationDisplayName("PowerInfer Tray")
    qt.setApplicationVersion(__version__)
    qt.setDesktopFileName("powerinfer-tray")
    qt.setWindowIcon(icons.app_icon())
    Look(qt, app.host.system)
    desktop = Desktop(qt, app)
    signals = SignalWatch(desktop.quit)
    desktop.start(background=BACKGROUND in argv)
    for source in argv:
        if source != BACKGROUND:
            desktop.show_window(source)
    freeze_gc()
    desktop.bridge.afterwards(_settle)
    GarbageTimer(qt)
    try:
        return qt.exec()
    finally:
        signals.close()
        desktop.leave()
        app.close(_CLOSE_TIMEOUT_S)  # which also ends what the operations still wait for
        desktop.bridge.close(_OPERATIONS_TIMEOUT_S)


def _settle() -> None:
    """After the start: exclude what it has created from garbage collection, and free unused memory."""
    freeze_gc()
    give_back()


def show_failure(error: AppError) -> None:
    """Show why the app cannot start, until the person closes the message."""
    from PySide6.QtWidgets import QMessageBox

    qt = QApplication(["powerinfer-tray"])
    qt.setApplicationDisplayName("PowerInfer Tray")
    Look(qt, detect_system(sys.platform))
    languages = Languages()
    languages.use(AUTO)
    box = QMessageBox(QMessageBox.Icon.Critical, "PowerInfer Tray", tr.said(error.texts[0]))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(error_text(error, tr))
    box.exec()
