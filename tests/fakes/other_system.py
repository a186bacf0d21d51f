"""A pytest plugin that hides what only Linux or POSIX has, to see here whether tests load elsewhere."""

from __future__ import annotations

import os
import signal
import sys

_MODULES = ("dbus_fast", "fcntl", "grp", "pty", "pwd", "resource", "termios")
_OF_OS = ("fork", "getpgid", "killpg", "mkfifo", "pidfd_open", "setsid", "statvfs", "sync")
_SIGNALS = ("SIGCONT", "SIGHUP", "SIGKILL", "SIGSTOP", "SIGUSR1")


def pytest_collection() -> None:
    """From now on they are missing; what pytest itself needs of them has it already."""
    import asyncio  # noqa: F401 - these choose for themselves what they need of a system
    import multiprocessing.context  # noqa: F401
    import subprocess  # noqa: F401
    import tempfile  # noqa: F401

    import filelock  # noqa: F401

    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails now
    for module, names in ((os, _OF_OS), (signal, _SIGNALS)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
