"""The Windows launcher with fakes of the system's calls: what it does, in which order."""

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tray_app.system.child import Launch, lines_of
from tray_app.system.windows_job import JobLauncher, Kernel32

JOB = 2**40 + 8  # handles have 64 bits
PROCESS = 2**40 + 12


class FakeKernel32:
    """Records calls with plain values; a call in `refused` fails as Windows' do, with 0."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int | None:
            self.calls.append((name, *(getattr(one, "value", one) for one in arguments)))
            answers = {"CreateJobObjectW": JOB, "OpenProcess": PROCESS}
            return 0 if name == self.refused else answers.get(name, 1)

        return call

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


def launcher(library: FakeKernel32) -> JobLauncher:
    def start(argv: tuple[str, ...], *, creationflags: int, **options: Any) -> subprocess.Popen[bytes]:
        library.calls.append(("start", creationflags))
        return subprocess.Popen(argv, **options)

    def resume(_: int) -> None:
        library.calls.append(("resume",))

    return JobLauncher(Kernel32(library), start, resume)


def launch(tmp_path: Path, code: str) -> Launch:
    return Launch((sys.executable, "-I", "-S", "-c", code), {}, tmp_path)


def test_a_program_runs_only_once_it_is_in_a_job_that_ends_with_its_handle(tmp_path: Path) -> None:
    library = FakeKernel32()
    child = launcher(library).launch(launch(tmp_path, "print('hello')"))
    assert list(lines_of(child)) == ["hello"]
    assert child.wait() == 0
    assert library.names == [
        "CreateJobObjectW",
        "SetInformationJobObject",
        "start",
        "OpenProcess",
        "AssignProcessToJobObject",
        "CloseHandle",
        "resume",
        "CloseHandle",
    ]
    _, job, information_class, limits, size = library.calls[1]
    assert (job, information_class, size) == (JOB, 9, ctypes.sizeof(limits._obj))
    assert limits._obj.basic.limit_flags == 0x2000
    assert library.calls[2][1] & 0x4  # suspended
    assert library.calls[4][1:] == (JOB, PROCESS)
    assert library.calls[-1][1] == JOB


def test_a_job_is_ended_as_a_whole_but_never_after_its_handle_is_closed(tmp_path: Path) -> None:
    library = FakeKernel32()
    child = launcher(library).launch(launch(tmp_path, ""))
    child.terminate()
    assert library.calls[-1][:2] == ("TerminateJobObject", JOB)
    list(lines_of(child))
    child.wait()
    child.kill()
    assert library.calls[-1] == ("CloseHandle", JOB)


def test_a_program_that_gets_into_no_job_is_not_left_running(tmp_path: Path) -> None:
    library = FakeKernel32(refused="AssignProcessToJobObject")
    started: list[subprocess.Popen[bytes]] = []

    def start(argv: tuple[str, ...], *, creationflags: int, **options: Any) -> subprocess.Popen[bytes]:
        assert creationflags
        started.append(subprocess.Popen(argv, **options))
        return started[0]

    with pytest.raises(OSError, match="AssignProcessToJobObject"):
        JobLauncher(Kernel32(library), start).launch(launch(tmp_path, "import time; time.sleep(60)"))
    assert started[0].returncode is not None
    assert library.calls[-1] == ("CloseHandle", JOB)
