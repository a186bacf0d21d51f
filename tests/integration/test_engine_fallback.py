"""An installed engine that fails with a model: another one goes on, visibly, and there is a way back.

The installed engines are programs that print what real ones print, and compute with the app's own llama.cpp.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
from openai import OpenAI

from tests.fakes.apps import DEADLINE_S, ready, real_app, wait_for_status
from tests.fakes.builds import PROVEN, make_build
from tests.fakes.errors import coded
from tests.fakes.fake_llama_server import Mode, llama_server
from tests.fakes.program import command_here, running
from tests.fakes.several_models import DIMENSIONS, install_models
from tests.fakes.tiny_models import CHAT_DIMENSIONS
from tray_app.app.server_status import ServerState
from tray_app.engine.builds.build import BackEnd
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.app.root import App
    from tray_app.app.status import AppStatus
    from tray_app.engine.builds.build import InstalledBuild, SetAside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the installed engines are scripts")


def install(store: EngineStore, back_end: BackEnd, mode: Mode) -> InstalledBuild:
    """An engine that was proven, and faster than the built-in one."""
    with store.new_folder() as folder:
        program = folder / "llama-server"
        program.write_text(llama_server(mode))
        program.chmod(0o755)
        build = make_build(back_end, program=program, speed=2.0, verdicts=PROVEN)
        return store.add(folder, build)


def embed(app: App, model: str = "") -> list[float]:
    base_url, key = app._server.access()
    with OpenAI(base_url=base_url, api_key=key or "none", max_retries=0, timeout=DEADLINE_S) as client:
        return client.embeddings.create(model=model, input="Hello").data[0].embedding


def engine_of(status: AppStatus, model_id: str = "test") -> str | None:
    """The installed build that a model runs on; empty for the engine that comes with the app."""
    engine = status.pool.of(model_id)
    if engine is None or engine.engine.state is not State.READY:
        return None
    plan = engine.engine.plan
    assert isinstance(plan, LaunchPlan)
    return plan.engine.build.id if plan.engine.build else ""


def set_aside_in(app: App) -> SetAside:
    """The only engine that is set aside, as soon as one is."""
    wait_for_status(app, lambda _: bool(app.engine_store.set_asides()))
    (aside,) = app.engine_store.set_asides()
    return aside


def kill_and_wait(app: App, expected: str) -> None:
    """End the engine from outside, as the system would, and wait until one is there again."""
    before = app.status().engine
    assert before.pid
    psutil.Process(before.pid).kill()
    wait_for_status(app, lambda now: now.engine.run > before.run and engine_of(now) == expected)


def test_an_installed_engine_is_used_and_has_served() -> None:
    with real_app() as app:
        build = install(app.engine_store, BackEnd.CUDA, Mode.CUDA)
        ready(app)
        assert engine_of(app.status()) == build.id
        assert len(embed(app)) == DIMENSIONS["test"]
        (told,) = app.status().pool.engines
        assert isinstance(told.told, LaunchPlan)
        assert told.told.engine.devices
        assert app.status().notices == ()


def test_one_that_does_not_load_leads_to_the_built_in_engine_and_requests_get_their_answers() -> None:
    with real_app() as app:
        build = install(app.engine_store, BackEnd.CPU, Mode.CRASH_AT_LOAD)
        ready(app)  # although it fails: another one takes its place
        assert engine_of(app.status()) == ""
        assert len(embed(app)) == DIMENSIONS["test"]
        aside = set_aside_in(app)
        assert (aside.build_id, aside.model_id) == (build.id, "test")
        assert aside.reason.startswith("The engine crashed")
        (notice,) = app.status().notices
        assert (notice.build_id, notice.error.code) == (build.id, ErrorCode.ENGINE_SET_ASIDE)
        assert notice.error.fix is Fix.ALLOW_ENGINE
        assert notice.error.message == aside.reason
        assert f"engines allow {build.id}" in notice.error.hint
        assert app.status().problems == ()


def test_serve_goes_on_with_the_built_in_engine(private_home: Path) -> None:
    build = install(EngineStore(private_home / "engines"), BackEnd.CPU, Mode.CRASH_AT_LOAD)
    with running("serve", "--model", "test", "--port", str(free_port())) as program:
        program.lines_with("Ready: ", f"is not using the engine {build.id}")
        assert program.interrupt() == 0


def test_serve_ends_when_no_engine_can_run_the_model(private_home: Path) -> None:
    models = private_home / "models"
    install_models(models)
    whole = (models / "digits.gguf").read_bytes()
    (models / "digits.gguf").write_bytes(whole.replace(b"blk.0.ffn_up", b"blk.0.ffn_xx"))
    install(EngineStore(private_home / "engines"), BackEnd.CPU, Mode.CRASH_AT_LOAD)
    ended = command_here("serve", "--model", "digits", "--port", str(free_port()))
    assert ended.returncode == 1
    assert "Error: " in ended.stderr


def test_one_that_is_killed_twice_is_set_aside_and_may_try_again() -> None:
    with real_app() as app:
        build = install(app.engine_store, BackEnd.CUDA, Mode.CUDA)
        ready(app)
        kill_and_wait(app, build.id)
        assert app.engine_store.set_asides() == ()
        kill_and_wait(app, "")
        assert len(embed(app)) == DIMENSIONS["test"]
        assert set_aside_in(app).build_id == build.id

        app.engines.allow_again(build.id)
        wait_for_status(app, lambda status: engine_of(status) == build.id)
        assert app.status().notices == ()
        assert len(embed(app)) == DIMENSIONS["test"]


def test_requests_for_other_models_wait_for_the_built_in_engine(private_home: Path) -> None:
    install_models(private_home / "models")
    with real_app() as app, ThreadPoolExecutor() as pool:
        app.change_own("test", engine="llama.cpp")
        build = install(app.engine_store, BackEnd.CPU, Mode.CRASH_AT_LOAD)
        ready(app)
        answers = list(pool.map(lambda _: embed(app, "digits"), range(4)))
        assert {len(each) for each in answers} == {CHAT_DIMENSIONS}
        assert engine_of(app.status(), "digits") == ""
        assert set_aside_in(app).model_id == "digits"
        assert [each.build_id for each in app.status().notices] == [build.id]


def test_a_named_engine_that_fails_is_not_replaced_and_the_hint_says_what_to_do() -> None:
    with real_app(engine="llama.cpp-cpu") as app:
        install(app.engine_store, BackEnd.CPU, Mode.CRASH_AT_LOAD)
        app.start_server()
        wait_for_status(app, lambda status: status.engine.state is State.BACKOFF)
        failure = app.status().engine.failure
        assert failure
        assert failure.code is ErrorCode.ENGINE_CRASHED
        assert failure.hint.endswith(
            "Or set “Engine” to auto, so that another engine is used when this one fails."
        )
        assert app.engine_store.set_asides() == ()


def test_a_named_engine_that_is_not_installed_is_an_error_with_the_command() -> None:
    with real_app(engine="llama.cpp-vulkan") as app:
        with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)) as refused:
            app.start_server()
        assert "powerinfer-tray engines install" in refused.value.hint


def test_a_file_that_no_engine_can_load_is_held_against_none(private_home: Path) -> None:
    models = private_home / "models"
    install_models(models)
    whole = (models / "digits.gguf").read_bytes()
    (models / "digits.gguf").write_bytes(whole.replace(b"blk.0.ffn_up", b"blk.0.ffn_xx"))
    with real_app(model="digits") as app:
        install(app.engine_store, BackEnd.CPU, Mode.CRASH_AT_LOAD)
        with pytest.raises(EngineError):
            ready(app)
        assert app.engine_store.set_asides() == ()


def test_an_engine_whose_files_change_while_it_runs_is_not_started_again() -> None:
    with real_app() as app:
        build = install(app.engine_store, BackEnd.CUDA, Mode.CUDA)
        ready(app)
        build.program.write_text(build.program.read_text() + "# another")
        kill_and_wait(app, "")
        aside = set_aside_in(app)
        assert "changed since it was installed" in aside.reason
        wait_for_status(app, lambda status: status.server.state is ServerState.READY)
