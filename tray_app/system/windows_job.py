"""On Windows, starts programs that cannot outlive this process: in a job that ends its members with its
handle.

Only this process has the handle, so the system closes it when this process ends in any way. Used by
`launcher.py`; any thread. See “Job Objects” in Microsoft's documentation.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from tray_app.system.environment import bundle_folder, system_libraries
from tray_app.system.process import read_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.system.child import Launch

_CREATE_SUSPENDED = 0x4
_CREATE_NO_WINDOW = 0x0800_0000
_EXTENDED_LIMIT_INFORMATION = 9
_KILL_ON_JOB_CLOSE = 0x2000
_SET_QUOTA_AND_TERMINATE = 0x0100 | 0x0001
_EXIT_CODE = 1


class Jobs(Protocol):
    """The system's calls for jobs; each raises `OSError` if it is refused."""

    def create(self) -> int:
        """A handle of a new job that ends its members when the handle closes."""

    def assign(self, job: int, pid: int) -> None:
        """Make a process a member; its later child processes become members too."""

    def terminate(self, job: int) -> None:
        """End all members."""

    def close(self, job: int) -> None:
        """Close the handle."""


class JobLauncher:
    """Starts programs, each in a job of its own."""

    def __init__(
        self,
        jobs: Jobs,
        start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
        resume: Callable[[int], None] = lambda pid: psutil.Process(pid).resume(),
    ) -> None:
        self._jobs = jobs
        self._start = start
        self._resume = resume

    def launch(self, launch: Launch) -> JobChild:
        """Start a program, suspended until it is in its job, so that all its descendants are members."""
        job = self._jobs.create()
        try:
            with system_libraries(bundle_folder()):
                process = self._start(
                    launch.argv,
                    cwd=launch.cwd,
                    env=launch.env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    creationflags=_CREATE_SUSPENDED | _CREATE_NO_WINDOW,
                )
            self._admit(process, job)
        except OSError:
            self._jobs.close(job)
            raise
        return JobChild(process, Path(launch.argv[0]).resolve(), job, self._jobs)

    def _admit(self, process: subprocess.Popen[bytes], job: int) -> None:
        try:
            self._jobs.assign(job, process.pid)
            self._resume(process.pid)
        except (OSError, psutil.Error) as exc:
            with process:
                process.kill()
            raise OSError(f"The program cannot be tied to this app: {exc}") from exc


class JobChild:
    """A program in a job."""

    def __init__(self, process: subprocess.Popen[bytes], executable: Path, job: int, jobs: Jobs) -> None:
        self._process = process
        self.pid = process.pid
        self.executable = executable
        self._jobs = jobs
        self._job: int | None = job
        self._lock = threading.Lock()

    def batches(self) -> Iterator[list[str]]:
        """Everything it prints."""
        return read_batches(self._process)

    def wait(self) -> int:
        """Wait for its exit code; closing the job then ends its descendants."""
        code = self._process.wait()
        with self._lock:
            if self._job is not None:
                self._jobs.close(self._job)
            self._job = None
        return code

    def kill(self) -> None:
        """End all members of the job."""
        with self._lock:
            if self._job is not None:
                self._jobs.terminate(self._job)

    terminate = kill
    """Same as `kill`: a program without a window cannot be asked to end."""


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("per_process_user_time_limit", ctypes.c_int64),
        ("per_job_user_time_limit", ctypes.c_int64),
        ("limit_flags", ctypes.c_uint32),
        ("minimum_working_set_size", ctypes.c_size_t),
        ("maximum_working_set_size", ctypes.c_size_t),
        ("active_process_limit", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory_limit", ctypes.c_size_t),
        ("job_memory_limit", ctypes.c_size_t),
        ("peak_process_memory_used", ctypes.c_size_t),
        ("peak_job_memory_used", ctypes.c_size_t),
    )


class Kernel32:
    """`Jobs` with kernel32; `library`: a fake in tests."""

    def __init__(self, library: Any = None) -> None:
        self._library = library or _load_kernel32()

    def create(self) -> int:
        """A new job with kill-on-close."""
        job = self._call("CreateJobObjectW", None, None)
        limits = _ExtendedLimits()
        limits.basic.limit_flags = _KILL_ON_JOB_CLOSE
        self._call(
            "SetInformationJobObject",
            ctypes.c_void_p(job),
            _EXTENDED_LIMIT_INFORMATION,
            ctypes.byref(limits),
            ctypes.sizeof(limits),
        )
        return job

    def assign(self, job: int, pid: int) -> None:
        """Make a process a member."""
        process = self._call("OpenProcess", _SET_QUOTA_AND_TERMINATE, 0, pid)
        try:
            self._call("AssignProcessToJobObject", ctypes.c_void_p(job), ctypes.c_void_p(process))
        finally:
            self.close(process)

    def terminate(self, job: int) -> None:
        """End all members."""
        self._call("TerminateJobObject", ctypes.c_void_p(job), _EXIT_CODE)

    def close(self, job: int) -> None:
        """Close a handle."""
        self._call("CloseHandle", ctypes.c_void_p(job))

    def _call(self, name: str, *arguments: object) -> int:
        answer: int | None = getattr(self._library, name)(*arguments)
        if not answer:
            raise OSError(f"Windows refused {name}{_reason()}")
        return answer


def _load_kernel32() -> Any:
    if sys.platform == "win32":
        library = ctypes.WinDLL("kernel32", use_last_error=True)
        for function in (library.CreateJobObjectW, library.OpenProcess):
            function.restype = ctypes.c_void_p  # a handle has 64 bits
        return library
    raise OSError("Jobs exist on Windows alone.")


def _reason() -> str:
    """The system's message for the last error, in the person's language."""
    if sys.platform == "win32":
        return f": {ctypes.WinError(ctypes.get_last_error()).strerror}"
    return ""
