"""Processes: their output, usage and child processes, and the command of this app. Any thread."""

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
from typing import TYPE_CHECKING, Any

import psutil

from tray_app.phrases import visible
from tray_app.system.environment import bundle_folder, engine_environment, system_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

_READ_BYTES = 65_536
_MOST_ANSWER_BYTES = 1_000_000
"""The most output that is read; llama-server's help, the longest one, has 60,000 bytes."""
_LONGEST_LINE_BYTES = 16_384
_RETURNS = re.compile(r"\r+\n?")
"""Carriage returns: ends of lines, and used by progress bars to overwrite themselves."""
_ESCAPE_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\n\x07\x1b]*(?:\x07|\x1b\\)?)")


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Processor time and reads of a process and its descendants so far, and their present memory."""

    cpu_s: float
    read_bytes: int
    memory_bytes: int = 0
    private_bytes: int = 0
    """The part of this memory that is not shared with files or other processes, on systems that tell;
    otherwise the same."""


@dataclass(frozen=True, slots=True)
class ProgramOutput:
    """The output of a program, without harmful characters, and its exit code.

    Negative for a signal, as in `subprocess`.
    """

    exit_code: int
    text: str


def ask(argv: tuple[str, ...], timeout_s: float) -> ProgramOutput:
    """Run a program to its end, in a temporary folder, because it may write a log into its working folder.

    A program that prints more than a megabyte is killed. `OSError` if it cannot be started,
    `subprocess.TimeoutExpired` if it takes too long.
    """
    # That the folder cannot be removed is not an error of the program.
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
            # A child of the program may keep its output open; the program itself has ended.
            exit_code = process.wait(max(0.0, timeout_s - (time.monotonic() - began_s)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    return ProgramOutput(exit_code, _clean(bytes(text)))


def _read_beginning(process: subprocess.Popen[bytes], text: bytearray) -> None:
    """Add the output of a process to `text`; kill it if it prints too much."""
    stdout = process.stdout
    assert isinstance(stdout, io.BufferedReader)  # noqa: S101  `ask` asks for a pipe
    with stdout:
        while some := stdout.read1(_READ_BYTES):
            text += some
            if len(text) > _MOST_ANSWER_BYTES:
                process.kill()
                return


def read_batches(process: subprocess.Popen[bytes]) -> Iterator[list[str]]:
    """The output of a process until it ends, as lines of text, in batches of those that have arrived.

    Without escape codes and line ends. Invalid UTF-8 is replaced, harmful characters are made visible (see
    `phrases`), and a line that is too long comes in pieces. A process that prints a lot must not be slowed
    down, so the work is done for whole batches.
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
    """The child processes of a process, and their children."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def usage(pid: int) -> ProcessUsage:
    """The usage of a process and its descendants; zero if it has ended."""
    cpu_s, read_bytes, memory_bytes, private_bytes = 0.0, 0, 0, 0
    with contextlib.suppress(psutil.Error, OSError):  # OSError: too many files are open
        for process in (psutil.Process(pid), *descendants(pid)):
            with contextlib.suppress(psutil.Error, OSError):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                memory = process.memory_info()
                memory_bytes += memory.rss
                private_bytes += memory.rss - getattr(memory, "shared", 0)  # Linux tells
                if hasattr(process, "io_counters"):  # not on macOS
                    read_bytes += process.io_counters().read_bytes
    return ProcessUsage(cpu_s, read_bytes, memory_bytes, private_bytes)


def listens(pid: int, host: str, port: int) -> bool:
    """Whether a process or a descendant listens there; True also if the system does not tell."""
    try:
        process = psutil.Process(pid)
        # Descendants are listed only if needed: that takes ten times as long.
        if _has_listener(process, host, port) or any(
            _has_listener(each, host, port) for each in descendants(pid)
        ):
            return True
        return sys.platform == "win32" and _is_nobodys(host, port)
    except (OSError, psutil.Error):
        return True


def _has_listener(process: psutil.Process, host: str, port: int) -> bool:
    return any(_is_listener(each, host, port) for each in process.net_connections("tcp4"))


def _is_nobodys(host: str, port: int) -> bool:
    """Whether the system names no process for a listener: Windows always does, Wine never.

    Elsewhere, one without a name is another user's.
    """
    return any(_is_listener(each, host, port) and not each.pid for each in psutil.net_connections("tcp4"))


def _is_listener(connection: Any, host: str, port: int) -> bool:
    return connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) == (host, port)


def own_command(role: str, script: str, *python_options: str) -> tuple[str, ...]:
    """The command that starts another process of this app, in a `role` that `__main__` knows.

    `script` is the script for that role: run by its path, it works from any folder, installed or not. A
    frozen app has no scripts, and starts itself with the role.
    """
    if getattr(sys, "frozen", False):
        return (_program_with_output(), role)
    return (sys.executable, *python_options, script)


def _program_with_output() -> str:
    """The full path of this frozen app; on Windows that of the console program, which has output."""
    if sys.platform == "win32":
        return str(Path(sys.executable).with_name("powerinfer-tray.exe"))
    return sys.executable
