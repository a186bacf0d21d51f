"""However the app dies, no engine outlives it."""

import contextlib
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fakes.processes import processes_with
from tests.fakes.program import gone, running
from tray_app.system.paths import resources
from tray_app.system.ports import free_port

KILLS = 12  # more of them: tests/benchmarks/soak.py
LONGEST_S = 2.5  # from the start of Python to some time after READY


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose path, seen on a command line, tells that a process belongs to this test."""
    return Path(shutil.copy(resources() / "test-model" / "test.gguf", tmp_path / "marker.gguf"))


@pytest.mark.timeout(180)
def test_kill_9_at_any_moment_leaves_no_process(model: Path) -> None:
    chance = random.Random(9)  # noqa: S311 - the same moments each time
    for number in range(KILLS):
        with running("serve", "--model", str(model), "--port", str(free_port())) as program:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.process.wait(LONGEST_S * (number + chance.random()) / KILLS)
            program.process.kill()

            assert gone(processes_with(str(model)))


def test_kill_9_of_a_ready_app_takes_the_engine_with_it(model: Path) -> None:
    with running("serve", "--model", str(model), "--port", str(free_port())) as program:
        program.line_with("Ready")
        (engine,) = [process for process in processes_with(str(model)) if process.pid != program.process.pid]
        program.process.kill()

        assert gone([engine])


def test_the_engines_death_is_noticed_and_mended(model: Path) -> None:
    with running("serve", "--model", str(model), "--port", str(free_port())) as program:
        program.line_with("Ready")
        (engine,) = [process for process in processes_with(str(model)) if process.pid != program.process.pid]
        engine.kill()

        program.line_with("is restarting")
        program.line_with("Ready")
