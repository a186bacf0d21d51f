"""The Windows launcher with fakes of the system's calls, and on Windows (or Wine) with the real ones."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes import doomed_app
from tests.fakes.processes import all_ended
from tray_app.system.child import Launch, lines_of
from tray_app.system.process import descendants
from tray_app.system.windows_job import JobLauncher, Kernel32

JOB = 2**40 + 8  # handles have 64 bits
PROCESS = 2**40 + 12
SLEEP = "import threading; print('up', flush=True); threading.Event().wait()"

real = pytest.mark.skipif(sys.platform != "win32", reason="Windows' own jobs")


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


@real
def test_a_program_runs_in_its_folder_and_tells_its_exit_code(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), sys.argv[1]); sys.exit(7)"
    argv = (sys.executable, "-X", "utf8", "-c", code, "two 太郎")
    child = JobLauncher(Kernel32()).launch(Launch(argv, os.environ, tmp_path))
    assert list(lines_of(child)) == [f"{tmp_path} two 太郎"]
    assert child.wait() == 7


@real
def test_kill_ends_descendants_too(tmp_path: Path) -> None:
    fork = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
    argv = (sys.executable, "-c", fork + SLEEP)
    child = JobLauncher(Kernel32()).launch(Launch(argv, os.environ, tmp_path))
    lines = lines_of(child)
    assert [next(lines), next(lines)] == ["up", "up"]
    family = descendants(child.pid)
    child.kill()
    assert child.wait() == 1
    assert family
    assert all_ended(family)
    list(lines)


@real
def test_the_program_ends_when_the_app_is_killed(tmp_path: Path) -> None:
    app = [sys.executable, doomed_app.__file__, "job", sys.executable, "-c", SLEEP]
    with subprocess.Popen(app, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as parent:
        assert parent.stdout
        pid, said = parent.stdout.readline().split()
        engine = psutil.Process(int(pid))
        parent.kill()
    assert said == "up"
    assert all_ended([engine])
