"""Collects Python's garbage on the GUI thread only. GUI thread.

Garbage may contain widgets and menus, and Python itself collects it on whichever thread happens to allocate.
Deleting a widget on another thread than Qt's ends the process, or deletes menus that are in use.

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
    """Collects when Python itself would, but on this thread; Python's own collector is off from now on."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent, interval=_LOOK_MS, timerType=Qt.TimerType.VeryCoarseTimer)
        gc.disable()
        self.timeout.connect(collect_if_due)
        self.start()


def collect_if_due() -> None:
    """Collect the oldest generation that has exceeded its threshold since the last time."""
    due = [made > enough for made, enough in zip(gc.get_count(), gc.get_threshold(), strict=True)]
    for generation in (2, 1, 0):
        if due[generation]:
            gc.collect(generation)
            return


def freeze_gc() -> None:
    """Exclude everything that exists now from later collections, since it stays anyway.

    A full collection takes 70 ms, during which no Python thread runs.
    """
    gc.freeze()


def import_once(module: str) -> None:
    """Import a module that plots, once, and exclude it from garbage collection."""
    if module not in sys.modules:
        importlib.import_module(module)
        freeze_gc()


@contextmanager
def widgets_stay() -> Iterator[None]:
    """Keep all widgets alive meanwhile: Qt crashes if one is deleted while it iterates over all of them.

    Otherwise one could be deleted with its last reference, or when garbage is collected.
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
    """Delete a plot soon, with everything that belongs to it.

    Plots are parts of reference cycles with menus that no window owns. They are collected here, since
    collecting them on another thread by chance would end the process.
    """
    plot.destroyed.connect(lambda: QTimer.singleShot(0, gc.collect))
    plot.deleteLater()
