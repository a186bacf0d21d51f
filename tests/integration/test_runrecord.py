import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.fakes import doomed_app
from tests.fakes.processes import all_ended
from tray_app.system import trampoline
from tray_app.system.engine_id import MAIN_ENGINE
from tray_app.system.runrecord import RunRecord, reap, remember

NEVER_S = -1000.0  # Linux counts from the start of the machine, so that a positive number may be now
SAY_AND_SLEEP = (
    *(sys.executable, "-I", "-S", "-c"),
    "import os, threading; print(os.getpid(), flush=True); threading.Event().wait()",
)
SLEEP = (sys.executable, "-I", "-S", "-c", "import threading; threading.Event().wait()")


class FakeChild:
    """Enough of a child to be recorded."""

    executable = Path(sys.executable).resolve()

    def __init__(self, pid: int) -> None:
        self.pid = pid


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as running:
        yield running
        running.kill()


def write(folder: Path, pid: int, **changes: object) -> Path:
    """The record of a process, whose owner is gone unless it is said otherwise."""
    path = remember(folder, MAIN_ENGINE, FakeChild(pid), 1234)  # type: ignore[arg-type]
    record = msgspec.json.decode(path.read_bytes(), type=RunRecord)
    changes = {"owner_created_s": NEVER_S} | changes
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(record, **changes)))
    return path


def test_what_a_dead_app_left_running_is_ended(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    path = write(tmp_path, process.pid)
    assert reap(tmp_path) == (process.pid,)
    assert process.poll() is not None
    assert not path.exists()


@pytest.mark.parametrize("set_by_s", [0, 3600, -3600])
def test_what_a_living_app_has_started_is_left_alone_also_when_the_clock_is_set(
    tmp_path: Path, process: subprocess.Popen[bytes], set_by_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = remember(tmp_path, MAIN_ENGINE, FakeChild(process.pid), 1234)  # type: ignore[arg-type]
    if sys.platform == "linux":  # where psutil reckons by the boot time, which moves with the clock
        booted_s = psutil.boot_time() + set_by_s
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted_s)
    assert reap(tmp_path) == ()
    assert process.poll() is None
    assert path.exists()


@pytest.mark.parametrize("change", [{"created_s": NEVER_S}, {"executable": "/opt/server"}])
def test_another_process_with_the_same_number_is_left_alone(
    tmp_path: Path, process: subprocess.Popen[bytes], change: dict[str, object]
) -> None:
    path = write(tmp_path, process.pid, **change)
    assert reap(tmp_path) == ()
    assert process.poll() is None
    assert not path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a program's keeper is POSIX's")
def test_an_engine_whose_keeper_was_killed_with_the_app_is_ended(tmp_path: Path) -> None:
    app = [sys.executable, doomed_app.__file__, "launcher", trampoline.KEEP, *SAY_AND_SLEEP]
    with subprocess.Popen(app, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        keeper, engine = (psutil.Process(int(pid)) for pid in parent.stdout.readline().split())
        path = write(tmp_path, keeper.pid)
        for process in (keeper, parent):
            process.kill()
    try:
        assert all_ended([keeper])
        assert engine.is_running()
        assert reap(tmp_path) == (engine.pid,)
        assert not engine.is_running()
        assert not path.exists()
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            engine.kill()


def test_a_record_that_cannot_be_removed_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "engine-1.json").mkdir()  # cannot be unlinked, like an open file on Windows
    assert reap(tmp_path) == ()


@pytest.mark.parametrize("content", [b"{", b'{"executable": "\xff"}'])
def test_a_damaged_record_is_thrown_away(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "engine-1.json"
    path.write_bytes(content)
    assert reap(tmp_path) == ()
    assert not path.exists()
