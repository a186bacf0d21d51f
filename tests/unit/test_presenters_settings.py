from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.app import (
    make_engine,
    make_host,
    make_loaded,
    make_model,
    make_plan,
    make_snapshot,
    make_status,
    with_engines,
)
from tests.fakes.languages import ENGLISH
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import HOST, LaunchPlan, plan_remote
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, ModelError
from tray_app.settings.fields import FIELDS
from tray_app.settings.schema import Settings
from tray_app.settings.value_text import parse_value, value_text
from tray_app.system.host import Host, System
from tray_app.ui.presenters.engine_names import ENGINES, engine_title
from tray_app.ui.presenters.settings import (
    GROUPS,
    automatic_context,
    command_line,
    consequence,
    doubts,
    group_title,
    read_draft,
    refusals,
    reload_consequence,
)

POWERINFER = make_engine(EngineKind.POWERINFER, "--vram-budget", "--n-gpu-layers", "--model")
MAC = make_host(system=System.MACOS, machine="arm64")


def test_every_group_of_the_schema_has_a_tab_with_a_title() -> None:
    assert {field.group for field in FIELDS} == set(GROUPS)
    assert all(group_title(group, ENGLISH) for group in GROUPS)
    assert all(engine_title(engine, ENGLISH) for engine in ENGINES)


@pytest.mark.parametrize("value", [("--flash-attn", "a b", "c'd"), (), "x y", "auto"])
def test_a_value_is_shown_as_it_would_be_typed(value: object) -> None:
    name = "extra_arguments" if isinstance(value, tuple) else "model"

    assert parse_value(name, value_text(value)) == value


def test_a_draft_changes_only_what_was_touched() -> None:
    base = Settings(port=9000, temperature=0.2)

    new, problems = read_draft(base, {"ctx_size": 4096, "extra_arguments": "--mlock -x 'a b'"}, ENGLISH)

    assert problems == {}
    expected = Settings(port=9000, temperature=0.2, ctx_size=4096, extra_arguments=("--mlock", "-x", "a b"))
    assert new == expected


def test_all_problems_are_told_at_once_each_at_its_field() -> None:
    draft = {"extra_arguments": "'open", "engine": "my-server", "models_folder": "models", "port": 8081}

    new, problems = read_draft(Settings(), draft, ENGLISH)

    assert problems.keys() == {"extra_arguments", "engine", "models_folder"}
    assert all(problems.values())
    assert new == Settings(port=8081)


def test_a_text_that_no_system_could_take_is_a_problem_at_its_field() -> None:
    draft = {"extra_arguments": "--alias a\0b", "models_folder": "/models\0", "remote_url": "http://a\0"}

    new, problems = read_draft(Settings(), draft, ENGLISH)

    assert problems.keys() == draft.keys()
    assert new == Settings()


@pytest.mark.parametrize("engine", ["auto", "powerinfer", "llama.cpp", "/opt/my server/server", "~/server"])
def test_an_engine_is_a_name_or_a_full_path(engine: str) -> None:
    new, problems = read_draft(Settings(), {"engine": engine}, ENGLISH)

    assert (new.engine, problems) == (engine, {})


@pytest.mark.parametrize("folder", ["", "/data/models", "~/models"])
def test_the_models_folder_is_a_full_path_or_the_usual_one(folder: str) -> None:
    assert read_draft(Settings(), {"models_folder": folder}, ENGLISH)[1] == {}


def test_what_stands_in_the_way_of_a_start_is_told_at_its_field() -> None:
    engine, model = (
        EngineError(ErrorCode.ENGINE_NOT_FOUND, "There is no engine at /nowhere"),
        ModelError(ErrorCode.MODEL_NOT_FOUND, "There is no model x"),
    )

    assert doubts(Settings(engine="/nowhere"), engine, ENGLISH) == {
        "engine": "There is no engine at /nowhere"
    }
    assert doubts(Settings(model="x"), model, ENGLISH) == {"model": "There is no model x"}


def test_what_no_field_can_help_is_told_at_none() -> None:
    assert (
        doubts(
            Settings(),
            EngineError(ErrorCode.POWERINFER_NOT_FOUND, "No PowerInfer engine was found"),
            ENGLISH,
        )
        == {}
    )
    assert doubts(Settings(), ModelError(ErrorCode.MODEL_NOT_CHOSEN, "No model is chosen"), ENGLISH) == {}
    assert doubts(Settings(engine="/opt/server"), make_plan(), ENGLISH) == {}


def test_a_setting_without_effect_says_why_also_before_the_engine_is_known() -> None:
    budget = "The engine that runs this model does not support a graphics memory limit."
    dense = replace(make_plan(), model=make_model(sparse=False))

    told = refusals(dense, make_host(gpu=True), ENGLISH)
    assert told["vram_budget"] == budget
    assert told.keys() == {"vram_budget", "workers"}
    assert refusals(None, make_host(gpu=True), ENGLISH) == {}
    assert refusals(EngineError(ErrorCode.ENGINE_ENDED, "none"), MAC, ENGLISH)["vram_budget"].startswith(
        "Apple silicon"
    )


def test_the_threads_of_a_sparse_model_cannot_be_set() -> None:
    sparse = replace(make_plan(), engine=replace(POWERINFER, flags=frozenset()))

    told = refusals(sparse, make_host(gpu=True), ENGLISH)

    assert told["threads"] == told["threads_batch"]
    assert told["threads"].startswith("PowerInfer gives wrong results for sparse models with several threads")


def test_a_remote_server_is_told_nothing() -> None:
    remote = plan_remote(Settings(remote_url="http://box:8000/v1"), "")

    assert refusals(remote, make_host(), ENGLISH)["ctx_size"] == ("The remote server decides this.")


def test_under_rosetta_the_hardware_counts_not_the_process() -> None:
    translated = Host(
        system=System.MACOS,
        machine="arm64",
        translated=True,
        physical_cores=8,
        logical_cores=8,
        memory_bytes=2**34,
        gpus=(),
    )

    assert refusals(None, translated, ENGLISH)["vram_budget"].startswith("Apple silicon")


def test_the_command_line_leaves_the_engines_port_open() -> None:
    line = command_line(make_plan())

    assert line.startswith("/opt/llama.cpp/server --model /models/bamboo.gguf --port PORT ")


def test_the_command_line_leaves_an_address_of_the_engines_own_open() -> None:
    plan = make_plan()

    line = command_line(replace(plan, argv=(*plan.argv, "--host", HOST)))

    assert line.endswith("--host ADDRESS")


def test_a_plan_that_differs_restarts_a_running_server() -> None:
    running = make_status(State.READY, engine=make_snapshot(State.READY, plan=make_plan()))
    new = Settings(model="bamboo", ctx_size=1024)

    assert consequence(running, new, make_plan(new), ENGLISH) == "The model will be loaded again."


def test_the_same_plan_changes_nothing_for_clients() -> None:
    running = make_status(State.READY, engine=make_snapshot(State.READY, plan=make_plan()))
    new = Settings(model="bamboo", temperature=0.1)

    assert consequence(running, new, make_plan(new), ENGLISH) == ""


def test_a_stopped_server_is_not_said_to_restart() -> None:
    assert (
        consequence(make_status(), Settings(ctx_size=1024), make_plan(Settings(ctx_size=1024)), ENGLISH) == ""
    )


def test_another_port_is_announced_where_clients_are_served() -> None:
    new = Settings(model="bamboo", port=9000)

    assert consequence(make_status(State.READY), new, None, ENGLISH) == "Apps must use port 9000."


def test_an_engine_that_could_not_start_again_is_announced() -> None:
    error = EngineError(ErrorCode.ENGINE_NOT_FOUND, "There is no engine at /nowhere")

    told = consequence(make_status(State.READY), Settings(model="bamboo"), error, ENGLISH)

    assert told == "The server cannot be started with these settings: There is no engine at /nowhere"


def test_a_context_of_auto_is_shown_with_what_it_comes_to() -> None:
    plan = make_plan(Settings())

    assert automatic_context(Settings(), plan, ENGLISH) == "4096 tokens for this model"
    assert automatic_context(Settings(ctx_size=1024), plan, ENGLISH) == ""
    assert automatic_context(Settings(), EngineError(ErrorCode.ENGINE_ENDED, "None"), ENGLISH) == ""
    assert automatic_context(Settings(), None, ENGLISH) == ""


def test_a_model_beside_the_chosen_one_is_loaded_again_if_its_plan_changes() -> None:
    tiny = make_loaded("Tiny")
    status = with_engines(make_status(State.READY), tiny)
    assert isinstance(tiny.told, LaunchPlan)
    changed = replace(tiny.told, context_size=512)

    assert reload_consequence(status, changed, ENGLISH) == "Tiny will be loaded again."
    assert reload_consequence(status, tiny.told, ENGLISH) == ""
    assert reload_consequence(make_status(State.READY), changed, ENGLISH) == ""
    assert reload_consequence(status, ModelError(ErrorCode.MODEL_NOT_FOUND, "x"), ENGLISH) == ""
    assert reload_consequence(status, replace(make_plan(), context_size=512), ENGLISH) == ""
