"""The supervisor with real processes: the fake engine, that misbehaves as it is told."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.fakes.launches import fake_plan
from tests.fakes.processes import all_ended
from tray_app.engine.kinds import EngineKind
from tray_app.engine.lifecycle import Policy, State
from tray_app.engine.plan import LaunchPlan
from tray_app.engine.run import Patience
from tray_app.engine.supervisor import EngineSnapshot, Supervisor, Timing
from tray_app.system.child import launcher_for
from tray_app.system.host import detect_system

SETTLED = {State.READY, State.FAILED, State.STOPPED}
TIMEOUT_S = 20
QUICK = Policy(restart_delays_s=(0.05, 0.05), grace_s=0.5)
SLOW_RESTART = Policy(restart_delays_s=(60,))

MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeSupervisor]:
    made: list[Supervisor] = []

    def make_supervisor(policy: Policy = QUICK, quiet_limit_s: float = 120) -> Supervisor:
        timing = Timing(policy, Patience(look_every_s=0.1, quiet_limit_s=quiet_limit_s))
        launcher = launcher_for(detect_system(sys.platform))
        made.append(Supervisor(launcher, tmp_path / "state", tmp_path / "logs", timing=timing))
        return made[-1]

    yield make_supervisor
    for one in made:
        one.close()


def run(supervisor: Supervisor, plan: LaunchPlan, states: set[State] = SETTLED) -> EngineSnapshot:
    supervisor.ensure(plan)
    return supervisor.wait_for(states, TIMEOUT_S)


def failure_title(snapshot: EngineSnapshot) -> str:
    assert snapshot.state is State.FAILED, snapshot
    assert snapshot.failure
    return snapshot.failure.title


@pytest.mark.parametrize("kind", [EngineKind.POWERINFER, EngineKind.LLAMA_SERVER])
def test_an_engine_is_ready_when_it_answers(make: MakeSupervisor, kind: EngineKind) -> None:
    snapshot = run(make(), fake_plan("--load-delay", "0.3", kind=kind))
    assert snapshot.state is State.READY
    assert snapshot.base_url
    assert requests.get(f"{snapshot.base_url}/props", timeout=5).status_code == 200
    assert "loading" in snapshot.log
    assert any(f"--port {snapshot.port}" in line for line in snapshot.log)


def test_every_change_is_announced(make: MakeSupervisor) -> None:
    supervisor = make()
    seen: list[State] = []
    supervisor.changed.connect(lambda snapshot: seen.append(snapshot.state))
    run(supervisor, fake_plan())
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    supervisor.close()
    assert seen == [State.STARTING, State.LOADING, State.READY, State.STOPPING, State.STOPPED]


def test_the_same_plan_keeps_the_process_and_another_replaces_it(make: MakeSupervisor) -> None:
    supervisor = make()
    first = run(supervisor, fake_plan())
    assert run(supervisor, fake_plan()).pid == first.pid
    second = run(supervisor, fake_plan("--verbose"), {State.READY})
    assert second.run == first.run + 1
    assert first.pid
    assert not psutil.pid_exists(first.pid)


def test_stop_cancels_a_start(make: MakeSupervisor) -> None:
    supervisor = make()
    loading = run(supervisor, fake_plan("--load-delay", "60"), {State.LOADING})
    supervisor.stop()
    assert supervisor.wait_for({State.STOPPED}, TIMEOUT_S).state is State.STOPPED
    assert loading.pid
    assert not psutil.pid_exists(loading.pid)


def test_an_engine_that_ignores_sigterm_is_stopped_within_five_seconds(make: MakeSupervisor) -> None:
    supervisor = make(Policy())
    snapshot = run(supervisor, fake_plan("--ignore-sigterm", "--fork-child"))
    forked = next(int(line.split()[1]) for line in snapshot.log if line.startswith("child "))
    family = [psutil.Process(snapshot.pid), psutil.Process(forked)]
    started_s = time.monotonic()
    supervisor.stop()
    assert supervisor.wait_for({State.STOPPED}, TIMEOUT_S).state is State.STOPPED
    assert time.monotonic() - started_s < 5
    assert all_ended(family)


def test_a_crashed_engine_is_started_again(make: MakeSupervisor, tmp_path: Path) -> None:
    supervisor = make()
    first = run(supervisor, fake_plan())
    psutil.Process(first.pid).kill()
    supervisor.wait_for({State.BACKOFF}, TIMEOUT_S)
    second = supervisor.wait_for({State.READY}, TIMEOUT_S)
    assert (second.run, second.restarts, second.failure) == (2, 1, None)
    assert second.pid != first.pid
    assert len(list((tmp_path / "state").glob("engine-*.json"))) == 1


def test_an_engine_that_crashes_each_time_fails_with_its_last_lines(make: MakeSupervisor) -> None:
    snapshot = run(make(), fake_plan("--say", "the cat sat on it", "--fail", "--exit-code", "3"))
    assert failure_title(snapshot) == "The engine ended by itself"
    assert snapshot.failure
    assert "exit code 3. Its last lines:\nthe cat sat on it\nloading" in snapshot.failure.message
    assert snapshot.run == 3


def test_stop_cancels_a_restart(make: MakeSupervisor) -> None:
    supervisor = make(SLOW_RESTART)
    run(supervisor, fake_plan("--fail"), {State.BACKOFF})
    supervisor.stop()
    assert supervisor.wait_for({State.STOPPED}, TIMEOUT_S).state is State.STOPPED


@pytest.mark.parametrize(
    ("options", "title"),
    [
        (("--say", "error: unknown argument: --temp", "--fail"), "does not know the argument --temp"),
        (("--fail", "--exit-code", "-4"), "does not suit this processor"),
        (("--answer", "[0.5, null]"), "cannot make embeddings"),
        (("--answer", "[0, 0]"), "cannot make embeddings"),
    ],
)
def test_what_trying_again_would_not_mend_fails_at_once(
    make: MakeSupervisor, options: tuple[str, ...], title: str
) -> None:
    snapshot = run(make(), fake_plan(*options))
    assert title in failure_title(snapshot)
    assert snapshot.run == 1


def test_a_vanished_program_is_told(make: MakeSupervisor, tmp_path: Path) -> None:
    plan = fake_plan()
    gone = LaunchPlan(plan.engine, plan.model, (str(tmp_path / "gone"),), plan.context_size)
    snapshot = run(make(), gone)
    assert failure_title(snapshot) == "The engine could not be started"


def test_an_engine_that_does_nothing_any_more_is_ended(make: MakeSupervisor) -> None:
    supervisor = make(Policy(restart_delays_s=()), quiet_limit_s=1)
    assert failure_title(run(supervisor, fake_plan("--hang"))) == "The engine hangs"


def test_wishes_given_at_once_end_in_the_last(make: MakeSupervisor) -> None:
    supervisor = make()
    for number in range(20):
        supervisor.ensure(fake_plan("--number", str(number % 3)))
        supervisor.stop()
    snapshot = run(supervisor, fake_plan("--last"), {State.READY})
    assert snapshot.plan == fake_plan("--last")


def test_a_listener_that_fails_does_not_disturb(
    make: MakeSupervisor, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: EngineSnapshot) -> None:
        raise RuntimeError("a listener's defect")

    supervisor = make()
    supervisor.changed.connect(fail)
    assert run(supervisor, fake_plan()).state is State.READY
    assert "A listener has failed" in caplog.messages


def test_closing_leaves_no_process_thread_or_record(make: MakeSupervisor, tmp_path: Path) -> None:
    supervisor = make()
    snapshot = run(supervisor, fake_plan())
    assert snapshot.pid
    supervisor.close()
    supervisor.ensure(fake_plan())
    assert supervisor.snapshot().state is State.STOPPED
    assert not psutil.pid_exists(snapshot.pid)
    assert list((tmp_path / "state").glob("engine-*.json")) == []
    left = [one for one in threading.enumerate() if one.name.startswith(("engine-", "supervisor"))]
    for thread in left:
        thread.join(TIMEOUT_S)
    assert not any(thread.is_alive() for thread in left)
