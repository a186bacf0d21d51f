"""Starts a program that cannot outlive this process, however this process dies. Any thread.

On Linux the kernel ends the program with the *thread* that started it, so that thread must live as long as
the program. On Linux and macOS programs are started through `trampoline.py` (a `preexec_fn` is unsafe in a
process with threads); on Windows they are put into a job, see `windows_job.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tray_app.system import trampoline
from tray_app.system.host import System
from tray_app.system.process import descendants, own_command, read_batches
from tray_app.system.windows_job import JobLauncher, Kernel32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.system.child import Child, Launch, Launcher


def launcher_for(system: System) -> Launcher:
    """The launcher for a system."""
    match system:
        case System.WINDOWS:
            return JobLauncher(Kernel32())
        case System.MACOS:
            return PosixLauncher(trampoline.KEEP)
        case System.LINUX:
            return PosixLauncher(trampoline.BIND)


class PosixLauncher:
    """Starts programs through the trampoline, each as the leader of a session of its own.

    So Ctrl-C in the app's terminal reaches only the app, and a program's descendants can be found.
    """

    def __init__(self, how: str) -> None:
        self._how = how

    def launch(self, launch: Launch) -> Child:
        """Start a program. The trampoline prints its errors to the child's output and exits with a code."""
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
    """While an ended process is not collected, its id and group are not given to another, so signals cannot
    hit a stranger.

    Only `wait` collects it, with the lock held, after the last signal; without `waitid`, a moment before
    that.
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
        # PermissionError: macOS does not permit to signal an ended process.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
