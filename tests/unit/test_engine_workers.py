"""Several processes behind the face of one supervisor: how well the engine is, and what each one is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from tests.fakes.app import make_plan
from tests.fakes.scripted_supervisor import ScriptedSupervisor
from tray_app.engine.lifecycle import State
from tray_app.engine.workers import WorkerGroup
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.engine_id import MAIN_ENGINE, EngineId, RunId

if TYPE_CHECKING:
    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.engine.supervisor import Supervisor

BROKEN = EngineError(ErrorCode.ENGINE_CRASHED, "The engine has crashed")


class Group:
    """A group whose supervisors are in a test's hands."""

    def __init__(self) -> None:
        self.made: list[ScriptedSupervisor] = []
        self.group = WorkerGroup(MAIN_ENGINE, self._make)
        self.announced: list[EngineSnapshot] = []
        self.group.changed.connect(self.announced.append)

    def _make(self, engine_id: EngineId) -> Supervisor:
        self.made.append(ScriptedSupervisor(engine_id))
        return cast("Supervisor", self.made[-1])

    def become(self, *states: State) -> EngineSnapshot:
        for supervisor, state in zip(self.made, states, strict=True):
            supervisor.becomes(state, BROKEN if state in (State.FAILED, State.BACKOFF) else None)
        return self.group.snapshot()


def plan(workers: int) -> LaunchPlan:
    return replace(make_plan(), workers=workers)


def test_one_process_is_shown_as_it_is() -> None:
    one = Group()
    one.group.ensure(plan(1))
    assert one.become(State.READY) is one.made[0].snapshot()
    assert one.announced == [one.made[0].snapshot()]
    assert [each.id for each in one.made] == [MAIN_ENGINE]


def test_each_process_has_a_name_of_its_own() -> None:
    three = Group()
    three.group.ensure(plan(3))
    assert [str(each.id) for each in three.made] == ["main", "main-worker2", "main-worker3"]
    longest = EngineId.of_model("x" * 100).worker(64)
    assert len({longest, EngineId.of_model("x" * 101).worker(64)}) == 2


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ((State.LOADING, State.READY), State.READY),
        ((State.READY, State.FAILED), State.READY),
        ((State.BACKOFF, State.READY), State.READY),
        ((State.FAILED, State.LOADING), State.LOADING),
        ((State.FAILED, State.BACKOFF), State.BACKOFF),
        ((State.WAITING, State.FAILED), State.WAITING),
        ((State.FAILED, State.FAILED), State.FAILED),
        ((State.STOPPED, State.STOPPING), State.STOPPING),
        ((State.STOPPED, State.STOPPED), State.STOPPED),
    ],
)
def test_the_engine_is_as_well_as_its_best_process(states: tuple[State, State], whole: State) -> None:
    two = Group()
    two.group.ensure(plan(2))
    assert two.become(*states).state is whole
    assert two.announced[-1] == two.group.snapshot()


def test_what_is_shown_leads_to_a_process_that_answers_and_tells_why_another_has_ended() -> None:
    two = Group()
    two.group.ensure(plan(2))
    shown = two.become(State.BACKOFF, State.READY)
    assert shown.run_id == two.made[1].snapshot().run_id
    assert [each.state for each in shown.processes] == [State.BACKOFF, State.READY]
    assert shown.failure is BROKEN


def test_a_suspicion_reaches_the_process_that_it_is_about() -> None:
    two = Group()
    two.group.ensure(plan(2))
    two.group.check(RunId(MAIN_ENGINE.worker(2), 1))
    two.group.check(RunId(EngineId("another"), 1))
    assert [each.checked for each in two.made] == [[], [RunId(MAIN_ENGINE.worker(2), 1)]]


def test_a_plan_for_fewer_ends_the_others_and_one_for_more_brings_them_back() -> None:
    group = Group()
    group.group.ensure(plan(2))
    group.become(State.READY, State.READY)
    group.group.ensure(plan(1))
    assert [each.wanted for each in group.made] == [plan(1), None]
    alone = group.become(State.READY, State.STOPPED)
    assert alone == group.made[0].snapshot()
    group.group.ensure(plan(3))
    assert [each.wanted for each in group.made] == [plan(3)] * 3


def test_a_stop_reaches_all_and_is_over_when_all_have_ended() -> None:
    two = Group()
    two.group.ensure(plan(2))
    two.become(State.READY, State.READY)
    two.group.stop()
    assert [each.wanted for each in two.made] == [None, None]
    two.made[0].has_heard = False
    assert not two.group.has_heard
    two.made[0].becomes(State.STOPPED)
    assert (two.group.has_heard, two.group.snapshot().state) == (True, State.STOPPING)
    two.made[1].becomes(State.STOPPED)
    assert two.group.snapshot().state is State.STOPPED
