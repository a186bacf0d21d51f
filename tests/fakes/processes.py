"""Finding processes that are not children of the tests, and waiting for their end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.context import ForkServerContext  # Windows has none

FORKED = ["tests.integration.test_chats_killed", "tests.integration.test_download_killed"]
"""All files whose functions forked processes run."""


def forking() -> ForkServerContext:
    """Makes a new process in milliseconds: everything is imported already.

    All files get theirs from the same server, which the first of them starts.
    """
    if sys.platform == "win32":
        pytest.skip("Windows makes no process so fast; TerminateProcess leaves the same files")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(FORKED)
    return context


def processes_with(marker: str) -> list[psutil.Process]:
    """Those that have a word with `marker` in it on their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(marker in word for word in process.cmdline()):
                found.append(process)
    return found


def all_ended(processes: Iterable[psutil.Process], timeout_s: float = 10) -> bool:
    """Whether all processes have ended in time. One that nobody has collected yet has ended, too."""
    return all(_has_ended(process, timeout_s) for process in processes)


def _has_ended(process: psutil.Process, timeout_s: float) -> bool:
    if not hasattr(os, "pidfd_open"):
        return not psutil.wait_procs([process], timeout_s)[1]
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        try:
            return bool(select.select([descriptor], [], [], timeout_s)[0])
        finally:
            os.close(descriptor)
    return True


def halt(pid: int | None) -> psutil.Process:
    """Have a process stand still; it goes on for a moment after it has been told."""
    process = psutil.Process(pid)
    process.suspend()
    tick = threading.Event()
    while process.status() != psutil.STATUS_STOPPED:
        tick.wait(0.01)
    return process
