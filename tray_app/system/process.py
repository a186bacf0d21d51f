"""Small questions about processes: what they print, use and start, and how to start our own. Any thread."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tray_app.phrases import visible
from tray_app.system.environment import bundle_folder, engine_environment, system_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES = 65_536
_MOST_ANSWER_BYTES = 1_000_000
"""llama-server's help, the longest of those that are asked for, has 60,000."""
_LONGEST_LINE_BYTES = 16_384
_RETURNS = re.compile(r"\r+\n?")
"""Ends of lines, and what bars of progress write over themselves with."""
_ESCAPE_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\n\x07\x1b]*(?:\x07|\x1b\\)?)")


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What a program and those it started have used so far, and the memory that they hold now."""

    cpu_s: float
    read_bytes: int
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """What a program has printed, without what is harmful, and how it ended.

    Negative for a signal, as `subprocess` has it.
    """

    exit_code: int
    text: str


def ask(argv: tuple[str, ...], timeout_s: float) -> ProgramOutput:
    """Run a program to its end, in a folder of its own, for it may leave a log where it runs.

    A program that prints more than a megabyte is ended there. `OSError` if it cannot be started,
    `subprocess.TimeoutExpired` if it goes on for longer.
    """
    # What cannot be removed is the answer of no program.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with system_libraries(bundle_folder()):
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=engine_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        text = bytearray()
        reader = threading.Thread(target=_read_beginning, args=(process, text), name="ask", daemon=True)
        began_s = time.monotonic()
        reader.start()
        reader.join(timeout_s)
        try:
            # What it has started may keep its output open: who is asked has ended all the same.
            exit_code = process.wait(max(0.0, timeout_s - (time.monotonic() - began_s)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    return ProgramOutput(exit_code, _clean(bytes(text)))


def _read_beginning(process: subprocess.Popen[bytes], text: bytearray) -> None:
    """Add to `text` what a process prints; end one that prints more than anybody reads."""
    stdout = process.stdout
    assert isinstance(stdout, io.BufferedReader)  # noqa: S101  `ask` asks for a pipe
    with stdout:
        while some := stdout.read1(_READ_BYTES):
            text += some
            if len(text) > _MOST_ANSWER_BYTES:
                process.kill()
                return


def read_batches(process: subprocess.Popen[bytes]) -> Iterator[list[str]]:
    """What a process prints, as lines of text, as many at once as have come, until it closes its output.

    Without escape codes and line ends; what is no UTF-8 is replaced, what is harmful made visible (see
    `phrases`), a line that is too long comes in pieces.
    A process that floods its output must not wait for us, so nothing is done line by line that can be done
    for all of them.
    """
    stdout = process.stdout
    assert isinstance(stdout, io.BufferedReader)  # noqa: S101  all launchers ask for a pipe
    with stdout:
        begun = b""
        while some := stdout.read1(_READ_BYTES):
            *whole, begun = (begun + some).split(b"\n")
            if len(begun) >= _LONGEST_LINE_BYTES:
                whole.append(begun)
                begun = b""
            if whole:
                yield _as_text(whole)
        if begun:
            yield _as_text([begun])


def _as_text(lines: list[bytes]) -> list[str]:
    return [line.rstrip() for line in _clean(b"\n".join(lines)).split("\n")]


def _clean(printed: bytes) -> str:
    text = printed.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPE_CODES.sub("", text)
    if "\r" in text:
        text = _RETURNS.sub("\n", text.rstrip("\r"))
    return visible(text)


def descendants(pid: int) -> list[psutil.Process]:
    """The processes that a process has started, and those that they have."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def usage(pid: int) -> ProcessUsage:
    """What a process and its descendants have used; nothing for one that has ended."""
    cpu_s, read_bytes, memory_bytes = 0.0, 0, 0
    with contextlib.suppress(psutil.Error, OSError):  # OSError: too many files are open to look
        for process in (psutil.Process(pid), *descendants(pid)):
            with contextlib.suppress(psutil.Error, OSError):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory_bytes += process.memory_info().rss
                if hasattr(process, "io_counters"):  # not on macOS
                    read_bytes += process.io_counters().read_bytes
    return ProcessUsage(cpu_s, read_bytes, memory_bytes)


def listens(pid: int, host: str, port: int) -> bool:
    """Whether a process or one that it has started listens there; also if the system does not tell."""
    try:
        process = psutil.Process(pid)
        # Those that it has started are looked for only if need be: that takes ten times as long.
        return _has_listener(process, host, port) or any(
            _has_listener(each, host, port) for each in descendants(pid)
        )
    except (OSError, psutil.Error):
        return True


def _has_listener(process: psutil.Process, host: str, port: int) -> bool:
    sockets = process.net_connections("tcp4")
    return any(each.status == psutil.CONN_LISTEN and tuple(each.laddr) == (host, port) for each in sockets)


def own_command(role: str, script: str, *python_options: str) -> tuple[str, ...]:
    """The command that starts another process of this app, in a `role` that `__main__` knows.

    `script` does the same job when run by its path, which works from any folder, installed or not. A frozen
    app is its own interpreter and has no scripts.
    """
    if getattr(sys, "frozen", False):
        return (_program_with_output(), role)
    return (sys.executable, *python_options, script)


def _program_with_output() -> str:
    """The full path of this frozen app: on Windows that for terminals; the other is mute."""
    if sys.platform == "win32":
        return str(Path(sys.executable).with_name("powerinfer-tray.exe"))
    return sys.executable
