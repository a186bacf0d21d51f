"""Keeps Python's garbage collector from holding up clicks, and from deleting widgets elsewhere. GUI thread.

`freeze_gc` may be called from any thread.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

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
def nothing_collected() -> Iterator[None]:
    """While Qt goes through a list of all widgets: one of them that is deleted meanwhile ends the process.

    Widgets that refer to each other in a circle, as a test or an error leaves them, may be collected whenever
    Python runs, and it runs in the widgets that Qt comes across.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def delete_plot(plot: QWidget) -> None:
    """Delete a plot, soon and wholly.

    Plots refer to themselves in circles, and menus that no window owns are part of them. They are collected
    here: done by chance on another thread, that would end the process.
    """
    plot.destroyed.connect(lambda: QTimer.singleShot(0, gc.collect))
    plot.deleteLater()
