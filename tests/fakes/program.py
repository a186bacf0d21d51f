"""Runs `powerinfer-tray` as a person does: a process of its own, its output line by line."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil

from tray_app.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 60.0
COMMAND = (sys.executable, "-m", "tray_app")


def powerinfer_tray(
    *arguments: str, text: str = "", timeout_s: float = DEADLINE_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `text` is what it can read."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout_s,
        check=False,
    )


def command_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, for what it does and prints: to start one takes a second."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(list(arguments))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


class RunningProgram:
    """A `powerinfer-tray` that goes on until it is ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._seen: list[str] = []
        self._reader = threading.Thread(target=self._read, name="program-output")
        self._reader.start()

    def line_with(self, text: str) -> str:
        """The next line that contains `text`; fails with all output if the program ends before it comes."""
        while (line := self._lines.get(timeout=DEADLINE_S)) is not None:
            self._seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r} in:\n{''.join(self._seen)}")

    def lines_with(self, *texts: str) -> None:
        """Until each of these texts has come, in whatever order; fails as `line_with`."""
        missing = set(texts)
        while missing:
            line = self.line_with("")
            missing = {text for text in missing if text not in line}

    def rest(self) -> str:
        """All that it still prints, after it has ended."""
        return "".join(iter(self._lines.get, None))

    def descendants(self) -> list[psutil.Process]:
        """The processes below it now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """End it, however it stands."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)


@contextlib.contextmanager
def running(*arguments: str, ignoring: str = "") -> Iterator[RunningProgram]:
    """`powerinfer-tray ARGUMENTS`, ended with the block; by a parent that ignores signals, as `INT HUP`."""
    parent = ("/bin/sh", "-c", f'trap "" {ignoring}; exec "$@"', "sh") if ignoring else ()
    process = subprocess.Popen(
        [*parent, *COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    program = RunningProgram(process)
    try:
        yield program
    finally:
        program.close()


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of these processes end within the deadline."""
    return not psutil.wait_procs(processes, timeout=DEADLINE_S)[1]
