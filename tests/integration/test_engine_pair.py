"""Two supervisors in one process, each with a real llama.cpp: what befalls one is no matter of the other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from tests.fakes import doomed_app
from tests.fakes.launches import fake_plan, llamacpp_plan
from tests.fakes.processes import all_ended, halt, processes_with
from tests.fakes.supervisors import quick_supervisor, until, until_back
from tray_app.engine.lifecycle import RestartPolicy, State
from tray_app.models.library import builtin_model
from tray_app.system.engine_id import EngineId, RunId
from tray_app.system.runrecord import RunRecord, reap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.engine.supervisor import Supervisor

TIMEOUT_S = 60
FIRST, SECOND = EngineId("first"), EngineId("second")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Supervisor, Supervisor]]:
    """Both keep state and logs in the same folders."""
    slow_restart = RestartPolicy(restart_delays_s=(0.2, 60), grace_s=0.5)
    made = [quick_supervisor(tmp_path, slow_restart, engine_id=each) for each in (FIRST, SECOND)]
    yield made[0], made[1]
    for one in made:
        one.close()


def ready(*supervisors: Supervisor) -> list[EngineSnapshot]:
    for each in supervisors:
        each.ensure(llamacpp_plan())
    return [each.wait_for({State.READY}, TIMEOUT_S) for each in supervisors]


def records(folder: Path) -> set[str]:
    return {path.name for path in (folder / "state").glob("engine-*.json")}


def embed(engine: EngineSnapshot) -> requests.Response:
    assert engine.address
    return requests.post(
        f"{engine.base_url}/v1/embeddings",
        json={"input": "x"},
        headers=engine.address.headers,
        timeout=TIMEOUT_S,
    )


def test_each_engine_has_a_record_a_log_and_threads_of_its_own(
    pair: tuple[Supervisor, Supervisor], tmp_path: Path
) -> None:
    first, second = ready(*pair)
    pid = psutil.Process().pid
    assert records(tmp_path) == {f"engine-{pid}-first.json", f"engine-{pid}-second.json"}
    names = {thread.name for thread in threading.enumerate()}
    assert {"engine-first-supervisor", "engine-first-1-exit", "engine-second-1-exit"} <= names
    for engine, other in ((first, second), (second, first)):
        assert engine.address
        assert other.address
        log = (tmp_path / "logs" / f"engine-{engine.engine}.log").read_text("utf-8", "replace")
        assert f"--port {engine.address.port}" in log
        assert f"--port {other.address.port}" not in log


def test_stopping_one_leaves_the_others_record_and_process(
    pair: tuple[Supervisor, Supervisor], tmp_path: Path
) -> None:
    _, second = ready(*pair)
    pair[0].stop()
    pair[0].wait_for({State.STOPPED}, TIMEOUT_S)
    assert records(tmp_path) == {f"engine-{psutil.Process().pid}-second.json"}
    assert embed(second).ok
    assert pair[1].snapshot() == second


def test_one_that_prints_and_dies_does_not_explain_the_death_of_the_other(
    pair: tuple[Supervisor, Supervisor],
) -> None:
    (first,) = ready(pair[0])
    pair[1].ensure(fake_plan("--say", "the cat sat on it", "--fail", "--exit-code", "3"))
    until(pair[1], lambda now: now.state is State.BACKOFF and now.failure is not None)
    assert pair[0].snapshot() == first
    psutil.Process(first.pid).kill()
    died = until(pair[0], lambda now: now.failure is not None)
    assert died.failure
    assert "the cat sat on it" not in died.failure.evidence
    until_back(pair[0], first, TIMEOUT_S)


@pytest.mark.warns("does not answer")
@posix
def test_the_lines_of_one_are_no_sign_of_life_of_the_other(pair: tuple[Supervisor, Supervisor]) -> None:
    (first,) = ready(pair[0])
    pair[1].ensure(fake_plan("--spam-lines", "2000"))
    second = pair[1].wait_for({State.READY}, TIMEOUT_S)
    halt(first.pid)
    pair[0].check(first.run_id)
    died = until(pair[0], lambda now: now.failure is not None, TIMEOUT_S)
    assert died.failure
    assert died.failure.title == "The engine is not responding"
    assert pair[1].snapshot() == second


@posix
def test_a_suspicion_of_one_is_no_suspicion_of_the_other(pair: tuple[Supervisor, Supervisor]) -> None:
    first, second = ready(*pair)
    assert first.run == second.run == 1
    halt(first.pid)  # a look whether it hangs would take half a second
    pair[0].check(RunId(SECOND, 1))
    pair[0].wait_for({State.READY}, TIMEOUT_S)  # until that is taken
    assert not [one for one in threading.enumerate() if one.name == "engine-first-1-check"]


@contextmanager
def doomed_pair(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """An app with two llama.cpp that answer, and the model that their command lines name."""
    model = Path(shutil.copy(builtin_model(), folder / "marker.gguf"))
    command = [sys.executable, doomed_app.__file__, "pair", str(folder), str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout
        assert [app.stdout.readline().strip() for _ in range(2)] == ["ready", "ready"]
        yield app, model
        app.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux' way; see test_child.py for macOS'")
def test_kill_9_of_an_app_with_two_engines_leaves_none(tmp_path: Path) -> None:
    with doomed_pair(tmp_path) as (app, model):
        engines = [each for each in processes_with(str(model)) if each.pid != app.pid]
        assert len(engines) == 2
        app.kill()
        assert all_ended(engines)
    assert processes_with(str(model)) == []


@posix
def test_all_that_a_dead_app_has_left_is_ended(tmp_path: Path) -> None:
    """Where nothing ended them with the app: two records of one owner, who is gone."""
    sleeper = (sys.executable, "-I", "-S", "-c", "import threading; threading.Event().wait()")
    left = [subprocess.Popen(sleeper) for _ in range(2)]
    try:
        for process, engine in zip(left, (FIRST, SECOND), strict=True):
            created_s = psutil.Process(process.pid).create_time()
            if sys.platform == "linux":
                created_s -= psutil.boot_time()
            record = RunRecord(process.pid, created_s, str(Path(sys.executable).resolve()), 1, 1234567, 0.0)
            path = tmp_path / f"engine-1234567-{engine}.json"
            path.write_text(json.dumps({name: getattr(record, name) for name in RunRecord.__struct_fields__}))
        assert sorted(reap(tmp_path)) == sorted(process.pid for process in left)
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in left:
            process.kill()
            process.wait()


@pytest.mark.parametrize("name", ["", "../x", "a b", ".", "-x", "x" * 65, "a/b", "a\n"])
def test_what_cannot_be_part_of_a_files_name_is_no_engines_id(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be part"):
        EngineId(name)
