"""An app whose sparse model is computed by several processes: programs that behave as PowerInfer does."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from msgspec.structs import replace

from tests.fakes.apps import ready, wait_for_status
from tests.fakes.gateways import post
from tests.fakes.launches import FAKE_ENGINE
from tests.fakes.models import write_model
from tests.fakes.processes import processes_with
from tray_app.app.root import App
from tray_app.app.status import status_document
from tray_app.engine.lifecycle import State
from tray_app.settings.model_settings import with_own
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.app.status import AppStatus
    from tray_app.engine.snapshot import EngineSnapshot

DEADLINE_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the engine is a script")


@pytest.fixture
def app(private_home: Path) -> Iterator[App]:
    """An app with a sparse model for two processes, on a port of its own."""
    program = private_home / "server"
    program.write_text(
        '#!/bin/sh\nexec {} "$@"\n'.format(" ".join(f"'{word}'" for word in FAKE_ENGINE)), encoding="utf-8"
    )
    program.chmod(0o755)
    write_model(private_home / "models" / "sparse.gguf", sparse=True)
    private_home.joinpath("settings.toml").write_text(
        f"port = {free_port()}\nmodel = 'sparse'\nengine = '{program}'\n[models.sparse]\nworkers = 2\n",
        encoding="utf-8",
    )
    app = App(AppPaths.from_environment(os.environ), detect_host())
    yield app
    app.close()


def answering(status: AppStatus) -> list[EngineSnapshot]:
    return [each for each in status.engine.processes if each.state is State.READY]


def both_ready(app: App) -> tuple[EngineSnapshot, EngineSnapshot]:
    """Two processes, once both answer."""
    ready(app)
    wait_for_status(app, lambda status: len(answering(status)) == 2)
    first, second = answering(app.status())
    return first, second


def embeds(app: App) -> int:
    return post(f"{app.status().server.base_url}/embeddings", {"input": ["a", "b", "c"]}).status_code


def killed(process: EngineSnapshot) -> None:
    psutil.Process(process.pid).kill()


def test_each_process_has_an_address_a_record_and_a_log(app: App) -> None:
    first, second = both_ready(app)
    assert first.base_url != second.base_url
    assert embeds(app) == 200
    records = {path.name for path in app.paths.state.glob("engine-*.json")}
    assert records == {f"engine-{os.getpid()}-{name}.json" for name in ("main", "main-worker2")}
    for process, name in ((first, "engine.log"), (second, "engine-main-worker2.log")):
        assert process.address
        assert f"--port {process.address.port}" in (app.paths.logs / name).read_text("utf-8")


def test_the_memory_of_all_processes_is_told(app: App) -> None:
    pids = [each.pid for each in both_ready(app)]
    app._pool.measure()
    (row,) = status_document(app.status()).engines
    sizes = [psutil.Process(pid).memory_info() for pid in pids]
    assert row.memory_bytes
    assert row.memory_bytes > 1.2 * max(size.rss for size in sizes)
    assert row.memory_bytes <= 1.1 * sum(size.rss for size in sizes)
    assert row.pid == pids[0]
    usage = app.resource_usage()
    assert usage
    assert usage.pids == tuple(pids)


@pytest.mark.parametrize("number", [0, 1])
def test_one_that_is_killed_comes_back_while_the_other_answers(app: App, number: int) -> None:
    processes = both_ready(app)
    states: set[State] = set()
    app._pool.changed.connect(lambda engine: states.add(engine.state))
    killed(processes[number])
    wait_for_status(app, lambda status: len(answering(status)) == 1)
    assert answering(app.status()) == [processes[1 - number]]
    asked = 0
    while len(answering(app.status())) == 1:
        assert embeds(app) == 200
        asked += 1
    assert asked
    assert states == {State.READY}
    again = answering(app.status())
    assert [each.run for each in again] == [2 - number, 1 + number]
    assert app.status().engine.restarts == 1
    assert embeds(app) == 200


def test_a_stop_leaves_no_process(app: App, private_home: Path) -> None:
    both_ready(app)
    model = str(private_home / "models" / "sparse.gguf")
    assert len(processes_with(model)) == 2
    app.stop_server()
    wait_for_status(app, lambda status: status.engine.state is State.STOPPED)
    assert not processes_with(model)
    assert len(both_ready(app)) == 2


def test_a_change_of_the_number_restarts_that_model_alone(app: App, private_home: Path) -> None:
    settings = app.store.current
    write_model(private_home / "models" / "chosen.gguf", sparse=True)
    app.apply(with_own(replace(settings, model="chosen"), "chosen", {"workers": 1}))
    ready(app)
    app.load_model("sparse")
    chosen = app.status().engine
    wait_for_status(app, lambda status: len(answering_of(status, "sparse")) == 2)
    before = answering_of(app.status(), "sparse")

    app.apply(with_own(app.store.current, "sparse", {"workers": 3}))
    wait_for_status(app, lambda status: len(answering_of(status, "sparse")) == 3)
    assert {each.pid for each in before}.isdisjoint(each.pid for each in answering_of(app.status(), "sparse"))
    app.apply(with_own(app.store.current, "sparse", {"workers": 1}))
    wait_for_status(app, lambda status: len(answering_of(status, "sparse")) == 1)
    wait_for_status(app, lambda _: len(processes_with(str(private_home / "models" / "sparse.gguf"))) == 1)

    assert app.status().engine == chosen


def answering_of(status: AppStatus, model_id: str) -> list[EngineSnapshot]:
    engine = status.pool.of(model_id)
    return [each for each in engine.engine.processes if each.state is State.READY] if engine else []
