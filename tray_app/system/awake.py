"""Keeps the machine from falling asleep by itself while something runs: one small way for each system.

Entered and left on one thread. A person can still put the machine to sleep, on Linux by the lid, or by the
menu with a question. Where the system offers no way, nothing is done: that must not keep anybody from
downloading.
"""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tray_app.system.environment import child_environment
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_log = logging.getLogger(__name__)

# By their full paths: the PATH may lead elsewhere.
_INHIBIT, _CAT = "/usr/bin/systemd-inhibit", "/bin/cat"
_CAFFEINATE = "/usr/bin/caffeinate"

# winbase.h
_ES_CONTINUOUS = 0x80000000
_ES_SYSTEM_REQUIRED = 0x00000001


def keep_awake_on(system: System) -> Callable[[], AbstractContextManager[None]]:
    """What keeps this kind of machine awake as long as it is entered."""
    match system:
        case System.LINUX:
            return lambda: while_running(linux_command())
        case System.MACOS:
            return lambda: while_running(macos_command())
        case System.WINDOWS:
            return lambda: execution_required(_set_execution_state)


def linux_command() -> list[str]:
    """Holds logind's lock until its input ends: that is when we let go of it, or have died.

    `idle` stops logind itself, `sleep` the desktops that watch for idleness on their own and then ask logind.
    """
    return [_INHIBIT, "--what=sleep:idle", "--who=PowerInfer Tray", "--why=Download", _CAT]


def macos_command() -> list[str]:
    """Prevents idle sleep for as long as we live."""
    return [_CAFFEINATE, "-i", "-w", str(os.getpid())]


@contextmanager
def while_running(command: list[str]) -> Iterator[None]:
    """Have `command` run for as long as the block; that it cannot be started is only logged."""
    holder = None
    try:
        holder = subprocess.Popen(
            command,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError as exc:
        _log.info("The machine may fall asleep: %s: %s", command[0], exc)
    try:
        yield
    finally:
        if holder:
            holder.kill()  # it may have inherited from whoever started us that it ignores SIGTERM
            holder.communicate()  # closes its input, which ends whatever it has started


@contextmanager
def execution_required(set_state: Callable[[int], int]) -> Iterator[None]:
    """Windows counts the wishes of each thread, until the thread ends or takes its wish back."""
    if not set_state(_ES_CONTINUOUS | _ES_SYSTEM_REQUIRED):
        _log.info("The machine may fall asleep: Windows refused")
    try:
        yield
    finally:
        set_state(_ES_CONTINUOUS)


def _set_execution_state(flags: int) -> int:
    if sys.platform == "win32":
        return int(ctypes.WinDLL("kernel32").SetThreadExecutionState(ctypes.c_uint(flags)))
    raise OSError("only Windows has execution states")
