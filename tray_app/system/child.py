"""Starts a program that cannot outlive this process, however this process dies. Any thread.

On Linux the kernel watches the *thread* that started the program: it must live as long as the program. There
and on macOS programs are started through `trampoline.py` (a `preexec_fn` is unsafe in a process with
threads); on Windows they are put into a job, see `windows_job.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from tray_app.system import trampoline
from tray_app.system.host import System
from tray_app.system.process import descendants, own_command, read_batches
from tray_app.system.windows_job import JobLauncher, Kernel32

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start: a program by its full path with its arguments, its environment, and where it runs."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


class Child(Protocol):
    """A program that was started. Different threads may call its methods."""

    @property
    def pid(self) -> int:
        """The process to watch."""

    @property
    def executable(self) -> Path:
        """What was asked for: the program that the process, or the one that it keeps, runs once it is up."""

    def batches(self) -> Iterator[list[str]]:
        """Everything it prints, in as many lines at once as have come, until it closes its output.

        For one reader.
        """

    def wait(self) -> int:
        """Its exit code (negative for a signal), once it has ended and its descendants are ended too."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it and its descendants at once."""


def lines_of(child: Child) -> Iterator[str]:
    """What a program prints, one line after the other. For its one reader."""
    return chain.from_iterable(child.batches())


class Launcher(Protocol):
    """Starts programs."""

    def launch(self, launch: Launch) -> Child:
        """Start a program; `OSError` if not even that is possible."""


def launcher_for(system: System) -> Launcher:
    """The launcher that keeps this module's promise on a system."""
    match system:
        case System.WINDOWS:
            return JobLauncher(Kernel32())
        case System.MACOS:
            return PosixLauncher(trampoline.KEEP)
        case System.LINUX:
            return PosixLauncher(trampoline.BIND)


class PosixLauncher:
    """Starts programs through the trampoline, each as the leader of a session of its own.

    So Ctrl-C in the app's terminal is the app's business alone, and a program's descendants can be found.
    """

    def __init__(self, how: str) -> None:
        self._how = how

    def launch(self, launch: Launch) -> Child:
        """Start a program. What goes wrong in the trampoline is printed there and ends in its exit code."""
        command = own_command("exec-child", trampoline.__file__, "-I", "-S")
        process = subprocess.Popen(
            (*command, self._how, str(os.getpid()), *launch.argv),
            cwd=launch.cwd,
            env=launch.env,
            stdin=subprocess.PIPE if self._how == trampoline.KEEP else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return _PosixChild(process, Path(launch.argv[0]).resolve())


class _PosixChild:
    """An ended process that is not yet collected keeps its number and its group, so signals hit nobody else.

    Only `wait` collects, and under the lock, after the last signal; without `waitid` it does a moment before.
    """

    def __init__(self, process: subprocess.Popen[bytes], executable: Path) -> None:
        self._process = process
        self.pid = process.pid
        self.executable = executable
        self._lock = threading.Lock()
        self._collected = False

    def batches(self) -> Iterator[list[str]]:
        return read_batches(self._process)

    def wait(self) -> int:
        if hasattr(os, "waitid"):  # on macOS since Python 3.13
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        with self._lock:
            self._collected = True
            self._kill_group()
            code = self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        return code

    def terminate(self) -> None:
        with self._lock:
            if not self._collected:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        with self._lock:
            if self._collected:
                return
            strays = descendants(self.pid)  # also those that left the group
            self._kill_group()
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                stray.kill()

    def _kill_group(self) -> None:
        # PermissionError: macOS does not permit to signal the dead.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
