"""However the app dies, no engine is left."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import doomed_app
from tests.fakes.processes import all_ended, processes_with
from tray_app.engine.lifecycle import State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux' way; see test_child.py for macOS'")

MOMENTS = 10
LAST_MOMENT_S = 0.5  # after it begins to start the engine, which is ready after 0.3 s


def start_app(folder: Path, token: str) -> subprocess.Popen[str]:
    options = ("--load-delay", "0.2", "--token", token)
    command = [sys.executable, doomed_app.__file__, "supervisor", str(folder), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def await_state(app: subprocess.Popen[str], state: State) -> None:
    assert app.stdout
    while app.stdout.readline().strip() != state:
        assert app.poll() is None


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killing_the_app_at_any_moment_leaves_no_engine(tmp_path: Path, moment: int) -> None:
    token = f"orphan-{tmp_path}"
    with start_app(tmp_path, token) as app:
        await_state(app, State.STARTING)
        with contextlib.suppress(subprocess.TimeoutExpired):
            app.wait(LAST_MOMENT_S * moment / MOMENTS)
        app.kill()
    assert all_ended(processes_with(token))
    assert processes_with(token) == []


def test_killing_the_app_while_it_serves_leaves_no_engine(tmp_path: Path) -> None:
    token = f"orphan-{tmp_path}"
    with start_app(tmp_path, token) as app:
        await_state(app, State.READY)
        assert len(processes_with(token)) == 2
        app.kill()
    assert all_ended(processes_with(token))
    assert processes_with(token) == []
