"""Whether Qt can open the display that the environment names; if not, it ends the process. For Linux only."""

from __future__ import annotations

import ctypes
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def display_answers(environ: Mapping[str, str]) -> bool:
    """Whether a Wayland or X display answers and lets this person in; takes about a millisecond.

    True as well where only Qt can tell: if a platform is chosen for it, or the library for X is missing.
    """
    return bool(environ.get("QT_QPA_PLATFORM")) or _wayland_answers(environ) or _x_answers(environ)


def _wayland_answers(environ: Mapping[str, str]) -> bool:
    name = environ.get("WAYLAND_DISPLAY")
    if not name:
        return False
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(Path(environ.get("XDG_RUNTIME_DIR", "")) / name))
        except OSError:
            return False
    return True


def _x_answers(environ: Mapping[str, str]) -> bool:
    name = environ.get("DISPLAY")
    if not name:
        return False
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    # Never null: what went wrong is asked of it, and it is to be closed in any case.
    connection = ctypes.c_void_p(xcb.xcb_connect(name.encode(), None))
    failed: int = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return not failed
