from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.launches import fake_plan
from tray_app.engine.diagnosis import Failure
from tray_app.engine.lifecycle import (
    Answered,
    Due,
    Ensure,
    Event,
    Exited,
    Kill,
    Machine,
    Policy,
    Spawn,
    Spawned,
    State,
    Stop,
    Terminate,
    WakeLater,
    step,
)
from tray_app.errors import EngineError

A, B = fake_plan("--a"), fake_plan("--b")
CRASH = Failure(EngineError("crash"), permanent=False)
HOPELESS = Failure(EngineError("hopeless"), permanent=True)


@dataclass
class World:
    """A machine with a clock and the processes that its effects make."""

    machine: Machine = field(default_factory=Machine)
    now_s: float = 0
    alive: set[int] = field(default_factory=set)
    wake: WakeLater | None = None
    asked_to_end: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)

    def take(self, event: Event) -> None:
        if isinstance(event, Exited):
            self.alive.discard(event.run)
        self.machine, effects = step(self.machine, event, self.now_s)
        for effect in effects:
            match effect:
                case Spawn(run):
                    assert not self.alive, "a second engine"
                    self.alive.add(run)
                case Terminate(run):
                    self.asked_to_end.add(run)
                case Kill(run):
                    self.killed.add(run)
                case WakeLater():
                    self.wake = effect

    def pass_time(self) -> None:
        assert self.wake
        self.now_s += self.wake.delay_s
        self.take(Due(self.wake.run))

    def make_ready(self) -> None:
        self.take(Spawned(self.machine.run))
        self.take(Answered(self.machine.run))

    def crash(self, failure: Failure = CRASH) -> None:
        self.take(Exited(self.machine.run, failure))


@pytest.fixture
def ready() -> World:
    world = World()
    world.take(Ensure(A))
    world.make_ready()
    return world


def test_an_engine_becomes_ready_by_answering() -> None:
    world = World()
    states = []
    for event in (Ensure(A), Spawned(1), Answered(1)):
        world.take(event)
        states.append(world.machine.state)
    assert states == [State.STARTING, State.LOADING, State.READY]


def test_the_same_plan_again_changes_nothing(ready: World) -> None:
    before = ready.machine
    ready.take(Ensure(fake_plan("--a")))
    assert ready.machine is before


def test_another_plan_ends_the_running_engine_before_it_starts(ready: World) -> None:
    ready.take(Ensure(B))
    assert ready.machine.state is State.STOPPING
    assert ready.asked_to_end == {1}
    ready.take(Exited(1, CRASH))
    assert (ready.machine.state, ready.machine.plan, ready.alive) == (State.STARTING, B, {2})


def test_the_last_wish_during_stopping_counts(ready: World) -> None:
    ready.take(Stop())
    ready.take(Ensure(A))
    ready.take(Ensure(B))
    ready.take(Stop())
    ready.take(Exited(1, CRASH))
    assert (ready.machine.state, ready.machine.plan) == (State.STOPPED, None)


def test_an_engine_that_does_not_end_when_asked_is_killed(ready: World) -> None:
    ready.take(Stop())
    ready.pass_time()
    assert ready.killed == {1}
    assert ready.now_s == Policy().grace_s


def test_restarts_wait_longer_each_time_until_the_budget_is_spent(ready: World) -> None:
    delays = []
    while True:
        ready.crash()
        if ready.machine.state is State.FAILED:
            break
        assert ready.wake
        delays.append(ready.wake.delay_s)
        ready.pass_time()
        ready.make_ready()
    assert delays == [1, 2, 4, 8, 16]
    assert ready.machine.failure is CRASH


def test_an_engine_that_ran_steadily_has_all_restarts_again(ready: World) -> None:
    ready.crash()
    ready.pass_time()
    ready.make_ready()
    ready.now_s += 60
    ready.crash()
    assert ready.wake == WakeLater(2, 1)


def test_restarts_older_than_the_window_are_forgotten(ready: World) -> None:
    for _ in range(5):
        ready.crash()
        ready.pass_time()
    ready.now_s += 300
    ready.crash()
    assert ready.machine.state is State.BACKOFF


def test_jitter_changes_the_delay() -> None:
    world = World(Machine(Policy(jitter=lambda delay_s: delay_s * 1.5)))
    world.take(Ensure(A))
    world.crash()
    assert world.wake == WakeLater(1, 1.5)


def test_a_permanent_failure_is_not_tried_again(ready: World) -> None:
    ready.crash(HOPELESS)
    assert (ready.machine.state, ready.machine.failure) == (State.FAILED, HOPELESS)


def test_a_person_may_try_again_after_a_failure(ready: World) -> None:
    ready.crash(HOPELESS)
    ready.take(Ensure(A))
    assert (ready.machine.state, ready.machine.run, ready.machine.failure) == (State.STARTING, 2, None)


def test_stop_cancels_a_restart(ready: World) -> None:
    ready.crash()
    ready.take(Stop())
    ready.pass_time()
    assert (ready.machine.state, ready.alive) == (State.STOPPED, set())


def test_another_plan_during_backoff_starts_at_once(ready: World) -> None:
    ready.crash()
    ready.take(Ensure(B))
    assert (ready.machine.state, ready.machine.plan, ready.machine.restarts_s) == (State.STARTING, B, ())


def test_news_of_an_older_run_changes_nothing(ready: World) -> None:
    ready.take(Ensure(B))
    ready.take(Exited(1, CRASH))
    before = ready.machine
    for event in (Spawned(1), Answered(1), Exited(1, HOPELESS), Due(1)):
        ready.take(event)
    assert ready.machine is before


runs = st.integers(0, 8)
wishes = st.sampled_from([Ensure(A), Ensure(B), Stop()])
news = st.one_of(
    runs.map(Spawned),
    runs.map(Answered),
    runs.map(Due),
    st.builds(Exited, runs, st.sampled_from([CRASH, HOPELESS])),
)


@given(st.lists(st.tuples(st.one_of(wishes, news), st.floats(0, 100))))
def test_for_any_events_at_most_one_engine_lives_and_stop_ends_in_stopped(
    history: list[tuple[Event, float]],
) -> None:
    world = World()
    for event, elapsed_s in history:
        if isinstance(event, Exited) and event.run not in world.alive:
            before = world.machine
            world.take(event)  # a process exits once: this is old news
            assert world.machine is before
            continue
        world.now_s += elapsed_s
        world.take(event)
        assert bool(world.alive) == (world.machine.state not in {State.STOPPED, State.BACKOFF, State.FAILED})
    world.take(Stop())
    for run in set(world.alive):
        world.pass_time()
        assert run in world.killed
        world.take(Exited(run, CRASH))
    assert (world.machine.state, world.alive) == (State.STOPPED, set())
