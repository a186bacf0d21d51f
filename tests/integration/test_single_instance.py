"""Apps that are started at the same instant, each a process of its own, on one home."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.fakes.errors import coded
from tests.fakes.program import COMMAND, powerinfer_tray, running
from tests.fakes.relay import Relay, relay
from tray_app.errors import AppError, ErrorCode
from tray_app.gateway.control.client import find_running
from tray_app.gateway.control.controlfile import FILE_NAME, ControlFile
from tray_app.system.ports import free_port
from tray_app.system.single_instance import SingleInstanceLock

TIMEOUT_S = 30
STARTS = 3

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="an offscreen Qt on Windows shows no errors")


@pytest.fixture
def free() -> int:
    return free_port()


@contextmanager
def tray() -> Iterator[subprocess.Popen[str]]:
    """A tray app on a desktop that nobody sees."""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "DISPLAY": ":none"}
    with subprocess.Popen(COMMAND, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ended_first(apps: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """All but one of the apps, once they have ended."""
    ended: list[subprocess.Popen[str]] = []
    while len(ended) < len(apps) - 1:
        for app in apps:
            if app not in ended:
                try:
                    app.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
                ended.append(app)
    return ended


def test_of_apps_started_at_the_same_instant_one_stays_and_the_others_show_it(private_home: Path) -> None:
    with ExitStack() as stack:
        apps = [stack.enter_context(tray()) for _ in range(STARTS)]
        ended = ended_first(apps)
        assert [app.returncode for app in ended] == [0] * (STARTS - 1)
        (stays,) = [app for app in apps if app not in ended]
        assert find_running(private_home / "state")
        assert stays.poll() is None
        assert powerinfer_tray("quit").returncode == 0
        assert stays.wait(TIMEOUT_S) == 0


@pytest.fixture
def left_behind(private_home: Path, free: int) -> Iterator[tuple[Relay, Path, bytes]]:
    """An app was killed; who has its port now, its file, and what was in that."""
    with running("serve", "--model", "test", "--port", str(free)) as program:
        program.line_with("Ready")
        path = private_home / "state" / FILE_NAME
        told = msgspec.json.decode(path.read_bytes(), type=ControlFile)
        program.process.kill()
        program.process.wait()
    with relay() as impostor:
        stale = msgspec.json.encode(msgspec.structs.replace(told, port=impostor.port))
        path.write_bytes(stale)
        yield impostor, path, stale


def test_after_a_kill_who_has_the_port_is_told_nothing_and_commands_go_on(
    left_behind: tuple[Relay, Path, bytes], free: int
) -> None:
    impostor, path, stale = left_behind
    assert "Not running" in powerinfer_tray("status").stdout
    path.write_bytes(stale)
    assert "dimensions" in powerinfer_tray("embed", "my secret text").stdout
    path.write_bytes(stale)
    with running("serve", "--model", "test", "--port", str(free)) as program:
        program.line_with("Ready")
        assert "ready" in powerinfer_tray("status").stdout
        assert program.interrupt() == 0
    path.write_bytes(stale)
    with tray() as app:
        while find_running(path.parent) is None:
            assert app.poll() is None
        assert powerinfer_tray("quit").returncode == 0
        assert app.wait(TIMEOUT_S) == 0
    assert impostor.from_clients == []


def test_a_lock_that_all_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "tray.lock").touch(mode=0o644)
    lock = SingleInstanceLock(tmp_path, "tray")
    assert lock.acquire()
    lock.release()
    assert stat.S_IMODE((tmp_path / "tray.lock").stat().st_mode) == 0o600


def test_another_program_that_holds_the_lock_is_told_and_no_app_starts_beside_it(private_home: Path) -> None:
    lock = SingleInstanceLock(private_home / "state", "control")
    assert lock.acquire()
    commands = (("status",), ("serve", "--model", "test"), ("embed", "text"))
    with ThreadPoolExecutor(len(commands)) as people:  # each of them waits for a while
        results = list(people.map(lambda command: powerinfer_tray(*command), commands))
    for done in results:
        assert (done.returncode, done.stdout) == (1, "")
        assert "PowerInfer Tray cannot be reached" in done.stderr
        assert "control.lock" in done.stderr
        assert "Traceback" not in done.stderr
    lock.release()


def test_the_lock_is_held_by_one_and_free_again_when_it_is_released(tmp_path: Path) -> None:
    one, other = (
        SingleInstanceLock(tmp_path / "state", "tray"),
        SingleInstanceLock(tmp_path / "state", "tray"),
    )
    assert one.acquire()
    assert not other.acquire()
    one.release()
    assert other.acquire()
    other.release()


def test_a_lock_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(AppError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        SingleInstanceLock(tmp_path / "state", "tray")
    (tmp_path / "tray.lock").mkdir()
    with pytest.raises(AppError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        SingleInstanceLock(tmp_path, "tray").acquire()


def test_a_program_that_is_killed_leaves_its_lock_to_others(tmp_path: Path) -> None:
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from tray_app.system.single_instance import SingleInstanceLock\n"
        "lock = SingleInstanceLock(Path(sys.argv[1]), 'tray'); print(lock.acquire(), flush=True)\n"
        "threading.Event().wait()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        lock = SingleInstanceLock(tmp_path, "tray")
        assert not lock.acquire()
        holder.kill()
    assert lock.acquire()
    lock.release()
