"""Names of processes for people: the program (or this app), and the service that runs it. Any thread."""

from __future__ import annotations

import contextlib
import re
import sys
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNKNOWN_PROGRAM = "another program"
THIS_APP = "another PowerInfer Tray"
_OWN_NAMES = frozenset({"powerinfer-tray", "powerinfer-tray-app", "powerinfer tray"})
_MODULE = "tray_app"
_SERVICE = re.compile(r"/([^/\n]+\.service)(?:/|$)", re.MULTILINE)
_OF_A_SESSION = re.compile(r"^(user@\d+|app-.*)\.service$")
"""Units in which a desktop runs the person's own programs; these are not services."""


def program_name(pid: int | None) -> str:
    """The name of a process's program; `THIS_APP` for a copy of this app, `UNKNOWN_PROGRAM` if it is
    unknown.
    """
    if not pid:
        return UNKNOWN_PROGRAM
    try:
        process = psutil.Process(pid)
        name = process.name()
    except psutil.Error:
        return UNKNOWN_PROGRAM
    return THIS_APP if is_this_app(name, _command_line(process)) else name


def is_this_app(name: str, command: Sequence[str]) -> bool:
    """Whether a process with this name and command line is this app, however it was installed."""
    if _stem(name) in _OWN_NAMES:
        return True
    if not _stem(name).startswith("python"):
        return False
    arguments = command[1:]
    script = next((word for word in arguments if not word.startswith("-")), "")
    return ("-m", _MODULE) in pairwise(arguments) or _stem(script) in _OWN_NAMES


def service_of(pid: int) -> str | None:
    """The service of the system that runs a process; None for programs that a person has started."""
    if sys.platform == "win32":
        return service_among(psutil.win_service_iter(), pid)
    try:
        return service_in_cgroup(Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):  # macOS, or a process that has ended
        return None


def service_in_cgroup(text: str) -> str | None:
    """The innermost systemd service in the text of `/proc/PID/cgroup`; None for programs of a session."""
    units = [unit for unit in _SERVICE.findall(text) if not _OF_A_SESSION.match(unit)]
    return units[-1] if units else None


def service_among(services: Iterable[Any], pid: int) -> str | None:
    """The Windows service that a process runs; None if there is none, or if Windows does not tell.

    `services` are psutil's; both the iteration and reading one of them may be refused.
    """
    with contextlib.suppress(OSError):
        for service in services:
            with contextlib.suppress(OSError, psutil.Error):
                if service.pid() == pid:
                    return str(service.name())
    return None


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _stem(word: str) -> str:
    path = PureWindowsPath(word)  # accepts both kinds of separators
    return (path.stem if path.suffix.lower() == ".exe" else path.name).lower()
