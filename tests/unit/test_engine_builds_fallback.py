"""What is held against a build that has failed with a model, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import make_model, make_snapshot
from tests.fakes.builds import FakeBuilds, make_build
from tray_app.engine.builds.build import BackEnd, SetAside
from tray_app.engine.builds.fallback import Fallbacks
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.lifecycle import State
from tray_app.engine.program import Engine
from tray_app.errors import EngineError, ErrorCode
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.engine.launch_plan import LaunchPlan

from tests.fakes.launches import PC

CUDA, CPU = make_build(BackEnd.CUDA), make_build(BackEnd.CPU)
CRASH = EngineError(ErrorCode.ENGINE_CRASHED, "The engine crashed", "It accessed invalid memory.")
REASON = "The engine crashed. It accessed invalid memory."


def plan_on(build: InstalledBuild | None) -> LaunchPlan:
    """A launch of the same model on this build, or on the engine that comes with the app."""
    kind = EngineKind.LLAMA_SERVER if build else EngineKind.LLAMA_CPP
    engine = Engine(kind, ("server",), build=build, replaceable=build is not None)
    return plan_launch(Settings(), make_model(sparse=False), engine, PC)


@pytest.fixture
def store() -> FakeBuilds:
    return FakeBuilds((CUDA, CPU))


@pytest.fixture
def fallbacks(store: FakeBuilds) -> Fallbacks:
    return Fallbacks(store)


def test_a_build_that_has_failed_is_not_used_at_once_and_for_good_when_another_engine_can(
    store: FakeBuilds, fallbacks: Fallbacks
) -> None:
    fallbacks.suspect(plan_on(CUDA), CRASH)
    aside = SetAside(CUDA.id, "bamboo", REASON)
    assert fallbacks.set_asides() == (aside,)
    assert store.aside == []
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(None)))
    assert store.aside == [aside]
    assert fallbacks.set_asides() == (aside,)


def test_what_no_engine_can_run_is_held_against_none(store: FakeBuilds, fallbacks: Fallbacks) -> None:
    fallbacks.suspect(plan_on(CUDA), CRASH)
    fallbacks.note(make_snapshot(State.FAILED, failure=CRASH, plan=plan_on(CUDA)))
    assert len(fallbacks.set_asides()) == 1
    fallbacks.note(make_snapshot(State.FAILED, failure=CRASH, plan=plan_on(None)))
    assert fallbacks.set_asides() == ()
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(None)))
    assert store.aside == []


def test_two_builds_that_fail_one_after_the_other_are_both_set_aside(
    store: FakeBuilds, fallbacks: Fallbacks
) -> None:
    fallbacks.suspect(plan_on(CUDA), CRASH)
    fallbacks.note(make_snapshot(State.FAILED, failure=CRASH, plan=plan_on(CPU)))
    fallbacks.suspect(plan_on(CPU), CRASH)
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(None)))
    assert [each.build_id for each in store.aside] == [CUDA.id, CPU.id]


def test_a_build_that_runs_the_model_after_all_is_not_set_aside(fallbacks: Fallbacks) -> None:
    fallbacks.suspect(plan_on(CUDA), CRASH)
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(CUDA)))
    assert fallbacks.set_asides() == ()


def test_other_models_and_other_states_say_nothing(store: FakeBuilds, fallbacks: Fallbacks) -> None:
    fallbacks.suspect(plan_on(CUDA), CRASH)
    other = replace(plan_on(None), model=make_model(file_name="other.gguf", sparse=False))
    fallbacks.note(make_snapshot(State.READY, plan=other))
    fallbacks.note(make_snapshot(State.LOADING, plan=plan_on(None)))
    fallbacks.note(make_snapshot(State.STOPPED))
    assert len(fallbacks.set_asides()) == 1
    assert store.aside == []


def test_the_built_in_engine_cannot_be_suspected(fallbacks: Fallbacks) -> None:
    fallbacks.suspect(plan_on(None), CRASH)
    assert fallbacks.set_asides() == ()


def test_a_build_that_runs_a_model_has_served(store: FakeBuilds, fallbacks: Fallbacks) -> None:
    fallbacks.note(make_snapshot(State.LOADING, plan=plan_on(CUDA)))
    assert store.served_ones == []
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(CUDA)))
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(None)))
    assert store.served_ones == [CUDA.id]


def test_an_engine_whose_files_have_changed_is_not_started(store: FakeBuilds, fallbacks: Fallbacks) -> None:
    changed = EngineError(ErrorCode.ENGINE_CHANGED, "It has changed")
    store.changed_ones = {CUDA.id: changed}
    with pytest.raises(EngineError) as refused:
        fallbacks.check_engine(plan_on(CUDA).engine)
    assert refused.value is changed
    fallbacks.check_engine(plan_on(CPU).engine)
    fallbacks.check_engine(plan_on(None).engine)


@pytest.mark.warns("cannot be kept")
def test_what_cannot_be_kept_is_no_reason_to_stop(store: FakeBuilds, fallbacks: Fallbacks) -> None:
    store.locked = EngineError(ErrorCode.ENGINES_LOCKED, "Another program has them")
    fallbacks.suspect(plan_on(CUDA), CRASH)
    fallbacks.note(make_snapshot(State.READY, plan=plan_on(None)))
    assert store.aside == []
