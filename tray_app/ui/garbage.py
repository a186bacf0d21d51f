"""Keeps Python's garbage collector from holding up clicks, and from deleting menus elsewhere. GUI thread.

`freeze_gc` may be called from any thread.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QWidget


def freeze_gc() -> None:
    """What has been imported and built stays for good: do not go through it again and again.

    A full collection takes 70 ms, in which no thread of Python runs. It may have been off until now.
    """
    gc.freeze()
    gc.enable()


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
