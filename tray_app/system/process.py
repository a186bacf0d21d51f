"""Small questions about processes: what they print, use and start, and how to start our own. Any thread."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from tray_app.system.environment import bundle_folder, child_environment, system_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE_BYTES = 16_384
_ESCAPE_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program and those it started have used so far, and the memory that they hold now."""

    cpu_s: float
    read_bytes: int
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program has printed, and how it ended: negative for a signal, as `subprocess` has it."""

    exit_code: int
    text: str


def ask(argv: tuple[str, ...], timeout_s: float) -> Answer:
    """Run a program to its end, in a folder of its own, for it may leave a log where it runs.

    `OSError` if it cannot be started, `subprocess.TimeoutExpired` if it goes on for longer.
    """
    with tempfile.TemporaryDirectory() as folder, system_libraries(bundle_folder()):
        answer = subprocess.run(
            argv,
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
    return Answer(answer.returncode, answer.stdout.decode("utf-8", "replace"))


def read_lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What a process prints, as text, until it closes its output: without escape codes and line ends."""
    assert process.stdout is not None  # noqa: S101  both launchers ask for a pipe
    with process.stdout as output:
        while line := output.readline(_LONGEST_LINE_BYTES):
            yield _ESCAPE_CODES.sub("", line.decode("utf-8", "replace")).rstrip()


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that a process has started, and those that they have."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def usage(pid: int) -> Usage:
    """What a process and its descendants have used; nothing for one that has ended."""
    cpu_s, read_bytes, memory_bytes = 0.0, 0, 0
    with contextlib.suppress(psutil.Error):
        for process in (psutil.Process(pid), *descendants(pid)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory_bytes += process.memory_info().rss
                if hasattr(process, "io_counters"):  # not on macOS
                    read_bytes += process.io_counters().read_bytes
    return Usage(cpu_s, read_bytes, memory_bytes)


def own_command(role: str, script: str, *python_options: str) -> tuple[str, ...]:
    """The command that starts another process of this app, in a `role` that `__main__` knows.

    `script` does the same job when run by its path, which works from any folder, installed or not. A frozen
    app is its own interpreter and has no scripts.
    """
    if getattr(sys, "frozen", False):
        return (sys.executable, role)
    return (sys.executable, *python_options, script)
