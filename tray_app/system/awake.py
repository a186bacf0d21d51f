"""Keeps the machine from falling asleep by itself while something runs: one function for each system.

Entered and left on one thread. A person can still put the machine to sleep (on Linux by closing the lid, or
by the menu, which then asks). If the system offers no way, nothing happens: downloads work all the same.
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

# By their full paths: the PATH may have other programs of these names.
_INHIBIT, _CAT = "/usr/bin/systemd-inhibit", "/bin/cat"
_CAFFEINATE = "/usr/bin/caffeinate"

# winbase.h
_ES_CONTINUOUS = 0x80000000
_ES_SYSTEM_REQUIRED = 0x00000001


def keep_awake_on(system: System) -> Callable[[], AbstractContextManager[None]]:
    """A context manager that keeps a machine with this system awake."""
    match system:
        case System.LINUX:
            return lambda: while_running(linux_command())
        case System.MACOS:
            return lambda: while_running(macos_command())
        case System.WINDOWS:
            return lambda: execution_required(_set_execution_state)


def linux_command() -> list[str]:
    """The command that holds logind's lock until its input ends, which also happens when this process dies.

    `idle` keeps logind from sleeping; `sleep` is for desktops, which detect idleness themselves and then ask
    logind.
    """
    return [_INHIBIT, "--what=sleep:idle", "--who=PowerInfer Tray", "--why=Download", _CAT]


def macos_command() -> list[str]:
    """The command that prevents idle sleep while this process lives."""
    return [_CAFFEINATE, "-i", "-w", str(os.getpid())]


@contextmanager
def while_running(command: list[str]) -> Iterator[None]:
    """Run `command` during the block. If it cannot be started, that is only logged."""
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
            holder.kill()  # it may ignore SIGTERM, if this process inherited that
            holder.communicate()  # closes its input, which also ends its own child processes


@contextmanager
def execution_required(set_state: Callable[[int], int]) -> Iterator[None]:
    """Ask Windows to stay awake. Windows keeps the request until this thread ends or withdraws it."""
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
