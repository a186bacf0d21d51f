"""Engines on files with the names that people give them, and what a run leaves behind."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.launches import PC, fake_plan
from tests.fakes.program import gone, running
from tray_app.engine.finding import EngineFinder
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.models.library import Library, builtin_model
from tray_app.settings.schema import Settings
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 30.0


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = Supervisor(launcher_for(detect_system(sys.platform)), tmp_path / "state", tmp_path / "logs")
    yield one
    one.close()


def long_folder(parent: Path) -> Path:
    """A folder whose full path has 250 characters."""
    rest = 250 - len(str(parent)) - 1
    names = ["長い名前 " * 8] * (rest // 41)
    return parent.joinpath(*names, "x" * (rest - 41 * len(names)))


@pytest.mark.parametrize(
    "name",
    ["my model.gguf", "竹 モデル.gguf", 'quote\'s "$HOME" & more.gguf', "long.gguf", "gr\udcf6n.gguf"],
)
def test_the_real_engine_serves_a_model_wherever_it_lies(
    name: str, supervisor: Supervisor, tmp_path: Path
) -> None:
    if sys.platform == "win32" and '"' in name:
        pytest.skip("Windows has no such names")
    if sys.platform != "linux" and not name.isprintable():
        pytest.skip("other systems have no such names")
    folder = long_folder(tmp_path) if name == "long.gguf" else tmp_path / "models"
    folder.mkdir(parents=True)
    shutil.copy(builtin_model(), folder / name)
    embedded = EngineFinder(PC).embedded()
    assert embedded
    model = Library(folder, (), builtin_model()).find(name)

    supervisor.ensure(plan_launch(Settings(threads=1), model, embedded, PC))

    snapshot = supervisor.wait_for({State.READY, State.FAILED}, TIMEOUT_S)
    assert snapshot.state is State.READY, snapshot.failure


def test_an_engine_runs_in_a_folder_of_its_own_that_goes_with_it(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.ensure(fake_plan())
    assert supervisor.wait_for({State.READY}, TIMEOUT_S).state is State.READY
    (folder,) = (tmp_path / "state" / "engine-runs").iterdir()
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert not folder.exists()


def test_the_folder_of_an_app_that_was_killed_is_removed_by_the_next(private_home: Path) -> None:
    folders = private_home / "state" / "engine-runs"
    with running("serve", "--model", "test", "--port", str(free_port())) as killed:
        killed.line_with("Ready")
        (left,) = folders.iterdir()
        killed.process.kill()
        assert gone(killed.descendants())
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.line_with("Ready")
        assert left not in folders.iterdir()
