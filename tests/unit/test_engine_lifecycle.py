from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.fakes.launches import fake_plan
from tray_app.engine.diagnosis import Failure
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import (
    Answered,
    Await,
    Due,
    EngineFsm,
    Ensure,
    Event,
    Exited,
    Kill,
    RestartPolicy,
    Spawn,
    Spawned,
    State,
    Stop,
    Terminate,
    WakeLater,
    step,
)
from tray_app.errors import EngineError, ErrorCode

A, B = fake_plan("--a"), fake_plan("--b")
CRASH = Failure(EngineError(ErrorCode.ENGINE_CRASHED, "crash"), permanent=False)
DRIVE = Path("/media/zoe/USB/some.gguf")
UNPLUGGED = Failure(EngineError(ErrorCode.DRIVE_NOT_CONNECTED, "unplugged"), permanent=False, absent=DRIVE)
HOPELESS = Failure(EngineError(ErrorCode.ENGINE_ENDED, "hopeless"), permanent=True)


@dataclass
class World:
    """A machine with a clock and the processes that its effects make."""

    machine: EngineFsm = field(default_factory=EngineFsm)
    now_s: float = 0
    alive: set[int] = field(default_factory=set)
    wake: WakeLater | None = None
    awaited: Await | None = None
    asked_to_end: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)

    def take(self, event: Event) -> None:
        if isinstance(event, Exited):
            self.alive.discard(event.run)
        self.machine, effects = step(self.machine, event, self.now_s)
        for effect in effects:
            match effect:
                case Spawn(run, plan):
                    assert not self.alive, "a second engine"
                    assert plan == self.machine.plan
                    self.alive.add(run)
                case Terminate(run):
                    self.asked_to_end.add(run)
                case Kill(run):
                    self.killed.add(run)
                case WakeLater():
                    self.wake = effect
                case Await():
                    self.awaited = effect

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
    world = World(now_s=1_000_000)  # some days after the machine was switched on
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
    asked_s = ready.now_s
    ready.take(Stop())
    ready.pass_time()
    assert ready.killed == {1}
    assert ready.now_s - asked_s == RestartPolicy().grace_s


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


def test_what_went_wrong_is_remembered_until_the_engine_is_ready_again(ready: World) -> None:
    for failure in (CRASH, UNPLUGGED):
        ready.crash(failure)
        ready.take(Due(ready.machine.run))
        assert (ready.machine.state, ready.machine.failure) == (State.STARTING, failure)
        ready.make_ready()
        assert ready.machine.failure is None


def test_an_end_is_heard_once(ready: World) -> None:
    ready.crash()
    before = ready.machine
    ready.crash(HOPELESS)
    assert ready.machine is before


def test_a_stop_forgets_all_but_the_policy_and_the_number_of_the_run() -> None:
    policy = RestartPolicy(grace_s=1.5)
    world = World(EngineFsm(policy))
    world.take(Ensure(A))
    world.crash()
    world.take(Stop())
    assert world.machine == EngineFsm(policy, run=1)


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
    ready.now_s = ready.machine.restarts_s[0] + RestartPolicy().window_s
    ready.crash()
    assert ready.machine.state is State.BACKOFF
    assert len(ready.machine.restarts_s) == 4


def test_a_model_that_is_gone_with_its_drive_is_waited_for_outside_the_budget(ready: World) -> None:
    for _ in range(20):
        ready.crash(UNPLUGGED)
        assert (ready.machine.state, ready.alive) == (State.WAITING, set())
        assert ready.awaited == Await(ready.machine.run, DRIVE)
        ready.take(Due(ready.machine.run))
        ready.make_ready()
    assert ready.machine.restarts_s == ()


@pytest.mark.parametrize("plan", [A, B])
def test_a_wish_and_a_stop_end_the_waiting(ready: World, plan: LaunchPlan) -> None:
    ready.crash(UNPLUGGED)
    ready.take(Ensure(plan))
    assert (ready.machine.state, ready.machine.plan) == (State.STARTING, plan)
    ready.crash(UNPLUGGED)
    ready.take(Stop())
    ready.take(Due(2))
    assert (ready.machine.state, ready.alive) == (State.STOPPED, set())


def test_jitter_changes_the_delay() -> None:
    world = World(EngineFsm(RestartPolicy(jitter=lambda delay_s: delay_s * 1.5)))
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


REPLACEABLE = replace(A, engine=replace(A.engine, replaceable=True))
PORT_TAKEN = Failure(EngineError(ErrorCode.ENGINE_PORT_TAKEN, "port"), permanent=False)
KILLED = Failure(EngineError(ErrorCode.ENGINE_KILLED, "killed"), permanent=False)


def started(plan: LaunchPlan) -> World:
    world = World()
    world.take(Ensure(plan))
    world.take(Spawned(world.machine.run))
    return world


def test_an_engine_that_another_can_replace_is_given_up_when_it_fails_to_load() -> None:
    world = started(REPLACEABLE)
    world.crash()
    assert world.machine.state is State.FAILED
    insisted_on = started(A)
    insisted_on.crash()
    assert insisted_on.machine.state is State.BACKOFF


def test_while_others_compute_the_same_model_a_process_is_restarted_as_ever() -> None:
    world = started(replace(REPLACEABLE, workers=2))
    world.crash()
    assert world.machine.state is State.BACKOFF


def test_one_that_is_not_restarted_tries_other_ports_and_not_for_ever() -> None:
    world = World(EngineFsm(policy=RestartPolicy(restart_delays_s=())))
    world.take(Ensure(A))
    world.take(Spawned(world.machine.run))
    for _ in range(3):
        world.crash(PORT_TAKEN)
        assert world.machine.state is State.BACKOFF
        world.pass_time()
        world.take(Spawned(world.machine.run))
    world.crash(PORT_TAKEN)
    assert (world.machine.state, world.machine.failure) == (State.FAILED, PORT_TAKEN)


def test_one_that_is_not_restarted_after_a_crash_is_not_after_another_port_either() -> None:
    world = World(EngineFsm(policy=RestartPolicy(restart_delays_s=())))
    world.take(Ensure(A))
    world.take(Spawned(world.machine.run))
    world.crash(PORT_TAKEN)
    world.pass_time()
    world.make_ready()
    world.crash()
    assert world.machine.state is State.FAILED


@pytest.mark.parametrize("failure", [PORT_TAKEN, KILLED])
def test_what_comes_from_outside_while_it_loads_is_no_reason_to_replace_it(failure: Failure) -> None:
    world = started(REPLACEABLE)
    world.crash(failure)
    assert world.machine.state is State.BACKOFF


@pytest.mark.parametrize("failure", [CRASH, KILLED])
def test_an_engine_that_another_can_replace_is_given_up_when_it_crashes_again(failure: Failure) -> None:
    world = started(REPLACEABLE)
    world.make_ready()
    world.crash(failure)
    assert world.machine.state is State.BACKOFF
    world.pass_time()
    world.make_ready()
    world.crash(failure)
    assert (world.machine.state, world.machine.failure) == (State.FAILED, failure)


def test_crashes_with_a_steady_run_between_them_are_each_the_first() -> None:
    world = started(REPLACEABLE)
    for _ in range(3):
        world.make_ready()
        world.now_s += RestartPolicy().steady_s
        world.crash()
        assert world.machine.state is State.BACKOFF
        world.pass_time()


class Life(RuleBasedStateMachine):
    """Any sequence of wishes, of what happens to the engine that lives, and of old news."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.wish: LaunchPlan | None = None

    @property
    def state(self) -> State:
        return self.world.machine.state

    @rule(plan=st.sampled_from([A, B]))
    def ensure(self, plan: LaunchPlan) -> None:
        self.wish = plan
        self.world.take(Ensure(plan))

    @rule()
    def stop(self) -> None:
        self.wish = None
        self.world.take(Stop())

    @precondition(lambda self: self.world.alive)
    @rule(happening=st.sampled_from([Spawned, Answered]))
    def go_on(self, happening: type[Spawned | Answered]) -> None:
        self.world.take(happening(self.world.machine.run))

    @precondition(lambda self: self.world.alive)
    @rule(failure=st.sampled_from([CRASH, CRASH, HOPELESS, UNPLUGGED]))
    def exit(self, failure: Failure) -> None:
        self.world.crash(failure)

    @precondition(lambda self: self.world.wake)
    @rule()
    def wake(self) -> None:
        self.world.pass_time()

    @rule(elapsed_s=st.floats(0, 400))
    def wait(self, elapsed_s: float) -> None:
        self.world.now_s += elapsed_s

    @precondition(lambda self: self.world.machine.run > 0)
    @rule(data=st.data(), happening=st.sampled_from([Spawned, Answered, Due]))
    def hear_old_news(self, data: st.DataObject, happening: type[Spawned | Answered | Due]) -> None:
        run = data.draw(st.integers(0, self.world.machine.run - 1))
        for event in (happening(run), Exited(run, HOPELESS)):
            before = self.world.machine
            self.world.take(event)
            assert self.world.machine is before

    @rule()
    def settle(self) -> None:
        """Everything goes well from here: the last wish comes true, unless a failure stands in its way."""
        for _ in range(6):
            self._go_well()
        if self.wish is None:
            assert self.state is State.STOPPED
        elif self.state is State.FAILED:
            assert self.world.machine.failure
        else:
            assert (self.state, self.world.machine.plan) == (State.READY, self.wish)

    def _go_well(self) -> None:
        run = self.world.machine.run
        match self.state:
            case State.STARTING:
                self.world.take(Spawned(run))
            case State.LOADING:
                self.world.take(Answered(run))
            case State.STOPPING:
                self.world.crash()
            case State.BACKOFF | State.WAITING:
                self.world.take(Due(run))
            case State.STOPPED | State.READY | State.FAILED:
                pass

    @invariant()
    def an_engine_lives_exactly_while_the_state_says_so(self) -> None:
        lifeless = {State.STOPPED, State.BACKOFF, State.WAITING, State.FAILED}
        assert len(self.world.alive) == (self.state not in lifeless)

    @invariant()
    def restarts_stay_within_the_budget(self) -> None:
        assert len(self.world.machine.restarts_s) <= len(RestartPolicy().restart_delays_s)

    def teardown(self) -> None:
        """However it stands, Stop ends in STOPPED, with the help of a kill if need be."""
        self.world.take(Stop())
        for run in set(self.world.alive):
            self.world.pass_time()
            assert run in self.world.killed
            self.world.crash()
        assert (self.state, self.world.alive) == (State.STOPPED, set())


TestLife = Life.TestCase
