"""Apps that are started at the same instant, each a process of its own, on one home."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.fakes.program import COMMAND, powerinfer_tray
from tray_app.errors import AppError
from tray_app.gateway.client import find_running
from tray_app.system.instance import Role

TIMEOUT_S = 30
STARTS = 3

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="an offscreen Qt on Windows shows no errors")


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
        running = find_running(private_home / "state")
        assert running
        assert stays.poll() is None
        assert powerinfer_tray("quit").returncode == 0
        assert stays.wait(TIMEOUT_S) == 0


def test_a_role_is_had_by_one_and_free_again_when_it_is_given_back(tmp_path: Path) -> None:
    one, other = Role(tmp_path / "state", "tray"), Role(tmp_path / "state", "tray")
    assert one.take()
    assert not other.take()
    one.give_back()
    assert other.take()
    other.give_back()


def test_a_role_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(AppError, match="cannot be written"):
        Role(tmp_path / "state", "tray")
    (tmp_path / "tray.lock").mkdir()
    with pytest.raises(AppError, match="cannot be written"):
        Role(tmp_path, "tray").take()


def test_a_program_that_is_killed_leaves_its_role_to_others(tmp_path: Path) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from tray_app.system.instance import Role;"
        "role = Role(Path(sys.argv[1]), 'tray'); print(role.take(), flush=True); threading.Event().wait()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        role = Role(tmp_path, "tray")
        assert not role.take()
        holder.kill()
    assert role.take()
    role.give_back()
