from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import (
    make_engine,
    make_host,
    make_loaded,
    make_sleeping,
    make_snapshot,
    make_status,
    with_engines,
)
from tests.fakes.languages import ENGLISH
from tray_app.app.server_status import ServerState, ServerStatus
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode
from tray_app.gateway.counters import Traffic
from tray_app.models.header import Purpose
from tray_app.settings.schema import Settings
from tray_app.system.drives import DriveGoneError
from tray_app.ui.presenters.engine_names import engine_text
from tray_app.ui.presenters.engines import (
    Standing,
    engine_views,
    loaded_purposes,
    models_memory,
    server_facts,
    standing,
    with_measures,
)
from tray_app.ui.presenters.status import IconShape, announcement, shape_of, state_line

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.ui.presenters.engines import EngineView

NOW_S = 1000.0
GIB = 2**30
NO_MEMORY = EngineError(
    ErrorCode.NOT_ENOUGH_MEMORY, "There is not enough memory", "It needs 5 GiB.", "Choose a smaller one."
)


def views(status: AppStatus) -> tuple[EngineView, ...]:
    return engine_views(status, make_host(), NOW_S, ENGLISH)


def view_of(engine: EngineStatus) -> EngineView:
    """The row of a model beside the chosen one."""
    return views(with_engines(make_status(State.READY), engine))[1]


def test_the_chosen_model_alone_has_its_row_too() -> None:
    assert [view.state for view in views(make_status(State.READY))] == ["Ready"]
    assert [view.state for view in views(make_status())] == ["Not loaded"]
    assert views(make_status(model_name=None)) == ()


def test_there_is_a_bar_as_soon_as_a_model_is_loaded() -> None:
    assert len(models_memory(make_status(State.LOADING), ENGLISH)) == 1
    assert models_memory(make_status(), ENGLISH) == ()


def test_the_server_says_how_long_it_is_up_how_often_it_was_asked_and_what_computes() -> None:
    embeds = make_loaded("Tiny", since_s=NOW_S - 60)
    status = with_engines(make_sleeping(), embeds)

    facts = server_facts(replace(status, traffic=Traffic(requests=12_345)), make_host(), NOW_S, ENGLISH)

    assert facts == ("Up for 1 min", "12,345 requests", "CPU")
    assert server_facts(make_sleeping(), make_host(), NOW_S, ENGLISH) == ()


def test_what_can_be_asked_for_is_what_the_models_are_for_that_are_ready() -> None:
    embeds = make_loaded("Tiny")
    assert isinstance(embeds.told, LaunchPlan)
    embeds = replace(embeds, told=replace(embeds.told, purpose=Purpose.EMBEDDING))

    assert loaded_purposes(with_engines(make_sleeping(), embeds)) == {Purpose.EMBEDDING}
    both = with_engines(make_status(State.READY), embeds)
    assert loaded_purposes(both) == {Purpose.EMBEDDING, Purpose.CHAT}
    assert loaded_purposes(make_sleeping()) == frozenset()


def test_of_several_models_the_chosen_one_stands_first() -> None:
    chosen, other = views(with_engines(make_status(State.READY), make_loaded("Tiny")))

    assert (chosen.name, chosen.chosen, chosen.model_id) == ("Bamboo 7B Q4_0", True, "bamboo")
    assert (other.name, other.chosen, other.model_id) == ("Tiny", False, "tiny")


def test_a_model_that_is_asked_says_what_it_takes_and_does() -> None:
    status = with_engines(make_status(State.READY), make_loaded("Tiny", kept=True, memory_bytes=3 * GIB // 2))
    asked = {"tiny": Traffic(requests=40, requests_per_s=3.4, tokens_per_s=812.6)}

    view = views(replace(status, traffic_of=asked))[1]

    assert (view.shape, view.state, view.kept) == ("●", "Ready", True)
    assert view.details == ("llama.cpp 1.2", "CPU", "1.5 GiB", "3.4 requests/s", "812.6 tokens/s")
    assert (view.can_load, view.can_unload) == (False, True)
    assert views(status)[1].details[-1] == "idle"


@pytest.mark.parametrize(
    ("engine", "shape", "state"),
    [
        (make_loaded("Tiny", State.LOADING, since_s=NOW_S - 7.5), "◐", "Loading … 7 s"),
        (make_loaded("Tiny", State.STOPPED, heard=False, since_s=NOW_S), "◐", "Loading … 0 s"),
        (make_loaded("Tiny", State.STOPPED, told=None, queued=True), "◐", "Waiting for memory …"),
        (make_loaded("Tiny", State.STOPPING, told=None), "○", "Being unloaded …"),
        (
            make_loaded("Tiny", State.BACKOFF, failure=NO_MEMORY),
            "◐",
            "Restarting: There is not enough memory",
        ),
        (make_loaded("Tiny", State.FAILED, failure=NO_MEMORY), "⚠", "Failed: There is not enough memory"),
    ],
)
def test_every_state_has_its_shape_and_its_words(engine: EngineStatus, shape: str, state: str) -> None:
    view = view_of(engine)

    assert (view.shape, view.state) == (shape, state)


def test_a_model_that_is_being_loaded_says_what_it_will_take_and_can_be_called_off() -> None:
    view = view_of(make_loaded("Tiny", State.LOADING, expected_bytes=2 * GIB, memory_bytes=None))

    assert view.details == ("llama.cpp 1.2", "CPU", "≈ 2.0 GiB")
    assert (view.can_load, view.can_unload) == (False, True)


def test_a_model_that_is_being_unloaded_is_left_alone() -> None:
    view = view_of(make_loaded("Tiny", State.STOPPING, told=None))

    assert (view.can_load, view.can_unload, view.kept) == (False, False, None)


def test_a_failed_model_says_why_and_can_be_loaded_again_or_dismissed() -> None:
    view = view_of(make_loaded("Tiny", State.FAILED, failure=NO_MEMORY))

    assert view.explanation == "There is not enough memory.\nIt needs 5 GiB.\nChoose a smaller one."
    assert (view.failed, view.can_load, view.can_unload) == (True, True, True)


@pytest.mark.parametrize(
    ("sleeping", "state"),
    [
        (make_sleeping(), "Asleep: a request starts it"),
        (make_sleeping(on_demand=False), "Not loaded"),
        (make_status(), "Not loaded"),
        (replace(make_status(), server=ServerStatus(ServerState.PREPARING)), "Preparing the start …"),
    ],
)
def test_a_chosen_model_that_is_not_loaded_keeps_its_row_beside_others(
    sleeping: AppStatus, state: str
) -> None:
    chosen = views(with_engines(sleeping, make_loaded("Tiny")))[0]

    assert (chosen.name, chosen.state, chosen.details) == ("Bamboo 7B Q4_0", state, ())
    assert (chosen.kept, chosen.can_unload) == (None, False)
    assert chosen.can_load is (state != "Preparing the start …")


def test_a_chosen_model_that_made_room_says_that_a_request_starts_it() -> None:
    status = with_engines(make_sleeping(on_demand=False), make_loaded("Tiny"), made_room=True)

    assert views(status)[0].state == "Asleep: a request starts it"


def test_what_an_engine_had_last_is_not_taken_for_the_model_that_is_chosen_now() -> None:
    status = with_engines(make_sleeping(), make_loaded("Tiny"), model_id="an-older-one")

    chosen = views(replace(status, model_name="Another Model"))[0]

    assert (chosen.name, chosen.model_id) == ("Another Model", "")


def test_without_a_chosen_model_there_are_only_the_others() -> None:
    assert [view.name for view in views(with_engines(make_status(model_name=None), make_loaded("Tiny")))] == [
        "Tiny"
    ]


@pytest.mark.parametrize("name", ["日本語モデル", "A" * 300, "<b>R&D</b>"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    assert view_of(make_loaded(name)).name == name


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (EngineKind.POWERINFER, "PowerInfer 1.2"),
        (EngineKind.LLAMA_CPP, "llama.cpp 1.2"),
        (EngineKind.LLAMA_SERVER, "llama-server 1.2"),
    ],
)
def test_an_engine_is_called_as_people_know_it(kind: EngineKind, title: str) -> None:
    assert engine_text(make_engine(kind), ENGLISH) == title
    assert engine_text(RemotePlan("http://box:8000/v1").engine, ENGLISH) == "A server on another computer"


def test_the_memory_of_all_models_is_one_bar() -> None:
    status = with_engines(
        make_status(State.READY), make_loaded("Tiny", memory_bytes=GIB), memory_bytes=4 * GIB
    )

    (bar,) = models_memory(status, ENGLISH)

    assert (bar.title, bar.summary) == ("Memory of all models", "5.0 GiB of 12.0 GiB that can be used")
    assert (bar.parts, bar.usable_bytes, bar.warning) == ((("", 5 * GIB),), 12 * GIB, "")


def test_a_model_that_is_being_loaded_counts_with_what_it_will_take() -> None:
    loading = make_loaded("Tiny", State.LOADING, memory_bytes=None, expected_bytes=2 * GIB)
    status = with_engines(make_status(State.READY), loading, memory_bytes=4 * GIB)

    (bar,) = models_memory(status, ENGLISH)

    assert bar.parts == (("Loaded", 4 * GIB), ("Being loaded", 2 * GIB))
    assert bar.summary == "6.0 GiB of 12.0 GiB that can be used"


def test_the_memory_of_graphics_cards_has_a_bar_of_its_own_also_for_one_model() -> None:
    status = with_engines(make_status(State.READY), memory_bytes=GIB, graphics_bytes=3 * GIB)
    status = replace(status, pool=replace(status.pool, graphics_budget_bytes=11 * GIB))

    main, graphics = models_memory(status, ENGLISH)

    assert main.summary == "1.0 GiB of 12.0 GiB that can be used"
    assert (graphics.title, graphics.parts) == ("Graphics memory", (("", 3 * GIB),))
    assert graphics.summary == "3.0 GiB of 11.0 GiB that can be used"


def test_a_model_that_is_being_loaded_onto_a_card_counts_there() -> None:
    loading = make_loaded("Tiny", State.LOADING, memory_bytes=None, expected_graphics_bytes=12 * GIB)
    status = with_engines(make_status(State.READY), loading, graphics_bytes=GIB)
    status = replace(status, pool=replace(status.pool, graphics_budget_bytes=11 * GIB))

    graphics = models_memory(status, ENGLISH)[1]

    assert graphics.parts == (("Loaded", GIB), ("Being loaded", 12 * GIB))
    assert graphics.warning == "This is more than they may take together."


def test_a_model_on_a_card_says_how_much_of_it_it_has() -> None:
    assert "3.0 GiB on the card" in view_of(make_loaded("Tiny", graphics_bytes=3 * GIB)).details


def test_a_look_tells_numbers_of_the_same_processes_and_no_states() -> None:
    traffic = {"tiny": Traffic(requests_per_s=1)}
    look = with_engines(
        make_status(State.READY),
        make_loaded("Tiny", memory_bytes=2 * GIB, graphics_bytes=3),
        memory_bytes=GIB,
    )
    now = with_engines(make_sleeping(), make_loaded("Tiny"), make_loaded("Other", memory_bytes=None))

    seen = with_measures(now, replace(look, traffic_of=traffic))

    assert [(each.memory_bytes, each.graphics_bytes) for each in seen.pool.others] == [
        (2 * GIB, 3),
        (None, None),
    ]
    assert seen.pool.main == now.pool.main
    assert (seen.server, seen.traffic_of) == (now.server, traffic)


def test_more_than_the_budget_is_told() -> None:
    status = with_engines(make_status(State.READY), make_loaded("Tiny"), memory_bytes=20 * GIB)

    (bar,) = models_memory(status, ENGLISH)

    assert bar.warning == "This is more than they may take together."


def test_a_drive_that_is_gone_counts_as_a_failure_of_its_model() -> None:
    assert standing(make_loaded("Tiny", State.WAITING)) is Standing.FAILED


@pytest.mark.parametrize(
    ("status", "shape", "line"),
    [
        (
            with_engines(make_status(State.READY), make_loaded("Tiny")),
            IconShape.SOLID,
            "Ready: 2 models loaded",
        ),
        (
            with_engines(make_status(State.READY), make_loaded("Tiny", State.LOADING)),
            IconShape.SOLID,
            "Ready — Bamboo 7B Q4_0",
        ),
        (with_engines(make_sleeping(), make_loaded("Tiny")), IconShape.SOLID, "Ready — Tiny"),
        (
            with_engines(make_sleeping(), make_loaded("Tiny"), make_loaded("Other")),
            IconShape.SOLID,
            "Ready: 2 models loaded",
        ),
        (
            with_engines(make_sleeping(), make_loaded("Tiny", State.LOADING, since_s=NOW_S - 3)),
            IconShape.ARC,
            "Loading Tiny … 3 s",
        ),
        (
            with_engines(make_sleeping(), make_loaded("Tiny", State.FAILED, failure=NO_MEMORY)),
            IconShape.MOON,
            "Asleep: a request starts it",
        ),
        (
            with_engines(
                make_status(State.FAILED, engine=make_snapshot(State.FAILED, failure=NO_MEMORY)),
                make_loaded("Tiny"),
            ),
            IconShape.BADGE,
            "Failed: There is not enough memory · 1 other model is ready",
        ),
        (
            with_engines(
                replace(
                    make_status(problem=DriveGoneError(Path("/media/USB"))),
                    server=ServerStatus(ServerState.WAITING),
                ),
                make_loaded("Tiny"),
                make_loaded("Other"),
            ),
            IconShape.BADGE,
            "Waiting: The drive “USB” is not connected · 2 other models are ready",
        ),
        (
            with_engines(make_sleeping(on_demand=False), made_room=True),
            IconShape.MOON,
            "Asleep: a request starts it",
        ),
    ],
)
def test_the_state_of_several_models_misleads_nobody(status: AppStatus, shape: IconShape, line: str) -> None:
    assert (shape_of(status), state_line(status, NOW_S, ENGLISH)) == (shape, line)


def test_a_screen_reader_hears_that_another_model_is_ready() -> None:
    one = make_status(State.READY, settings=Settings(model="bamboo"))
    two = with_engines(one, make_loaded("Tiny"))

    assert announcement(one, two, NOW_S, ENGLISH) == "Ready: 2 models loaded"
    assert announcement(two, one, NOW_S, ENGLISH) == "Ready — Bamboo 7B Q4_0"
    assert announcement(two, two, NOW_S, ENGLISH) == ""
