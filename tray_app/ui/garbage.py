"""Collects Python's garbage on the thread of the windows alone. GUI thread.

Garbage may hold widgets and menus, and Python by itself collects it on whichever thread happens to allocate.
A widget that goes on another thread than Qt's ends the process, or takes others' menus with it.

`freeze_gc` may be called from any thread.
"""

from __future__ import annotations

import gc
import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtCore import QObject
    from PySide6.QtWidgets import QWidget

_LOOK_MS = 3000


class GarbageTimer(QTimer):
    """Collects when Python itself would, but on this thread alone: its own collector is off from now on."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent, interval=_LOOK_MS, timerType=Qt.TimerType.VeryCoarseTimer)
        gc.disable()
        self.timeout.connect(collect_if_due)
        self.start()


def collect_if_due() -> None:
    """Collect the oldest generation of which enough has come together since the last time."""
    due = [made > enough for made, enough in zip(gc.get_count(), gc.get_threshold(), strict=True)]
    for generation in (2, 1, 0):
        if due[generation]:
            gc.collect(generation)
            return


def freeze_gc() -> None:
    """What has been imported and built stays for good: do not go through it again and again.

    A full collection takes 70 ms, in which no thread of Python runs.
    """
    gc.freeze()


def import_once(module: str) -> None:
    """Import what plots, once; there is no need ever to look for garbage in it."""
    if module not in sys.modules:
        importlib.import_module(module)
        freeze_gc()


@contextmanager
def widgets_stay() -> Iterator[None]:
    """No widget is deleted meanwhile: Qt crashes if one goes while it walks through all of them.

    One that nobody else refers to goes with its last reference, or when garbage is collected.
    """
    was_on = gc.isenabled()
    gc.disable()
    widgets = QApplication.allWidgets()
    try:
        yield
    finally:
        widgets.clear()
        if was_on:
            gc.enable()


def delete_plot(plot: QWidget) -> None:
    """Delete a plot, soon and wholly.

    Plots refer to themselves in circles, and menus that no window owns are part of them. They are collected
    here: done by chance on another thread, that would end the process.
    """
    plot.destroyed.connect(lambda: QTimer.singleShot(0, gc.collect))
    plot.deleteLater()
