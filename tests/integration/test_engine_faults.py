"""What can befall an engine, with real processes: the fake engine, and llama.cpp where that matters."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests

from tests.fakes.gateways import gateway_to
from tests.fakes.gateways import post as ask_gateway
from tests.fakes.launches import fake_plan, llamacpp_plan
from tests.fakes.processes import all_ended
from tests.fakes.supervisors import SupervisedEngine, quick_supervisor, until, until_back
from tray_app.engine import run as run_module
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import RestartPolicy, State
from tray_app.engine.output import file_name
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import ErrorCode, Fix
from tray_app.system import ports

TIMEOUT_S = 20
STOP_LIMIT_S = 5
SPAM_PER_S = 200_000

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and links")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = quick_supervisor(tmp_path, RestartPolicy(restart_delays_s=(0.05, 0.05)))
    yield one
    one.close()


def run(supervisor: Supervisor, plan: LaunchPlan, state: State = State.READY) -> EngineSnapshot:
    supervisor.ensure(plan)
    return supervisor.wait_for({state}, TIMEOUT_S)


def stop_within_the_limit(supervisor: Supervisor) -> None:
    began_s = time.monotonic()
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert time.monotonic() - began_s < STOP_LIMIT_S


def embed(snapshot: EngineSnapshot) -> requests.Response:
    return requests.post(f"{snapshot.base_url}/embedding", json={"content": "x"}, timeout=TIMEOUT_S)


@pytest.mark.parametrize("state", [State.LOADING, State.READY])
def test_an_engine_that_is_killed_is_back(supervisor: Supervisor, state: State) -> None:
    before = run(supervisor, fake_plan("--load-delay", "0.3"), state)
    psutil.Process(before.pid).kill()
    supervisor.wait_for({State.BACKOFF}, TIMEOUT_S)
    after = supervisor.wait_for({State.READY}, TIMEOUT_S)
    assert (after.run, after.restarts) == (before.run + 1, 1)
    assert embed(after).ok


def test_a_request_whose_engine_is_killed_gets_503_and_the_next_one_its_answer(
    supervisor: Supervisor,
) -> None:
    before = run(supervisor, fake_plan("--hang-at", "fatal"))
    with gateway_to(SupervisedEngine(supervisor)) as url, ThreadPoolExecutor(1) as client:
        fatal = client.submit(ask_gateway, f"{url}/embeddings", {"input": "fatal"})
        engine = psutil.Process(before.pid)
        while not any(one.status == psutil.CONN_ESTABLISHED for one in engine.net_connections()):
            time.sleep(0.01)  # until the request is there
        engine.kill()
        assert fatal.result(TIMEOUT_S).status_code == 503
        until_back(supervisor, before)
        assert ask_gateway(f"{url}/embeddings", {"input": "harmless"}).status_code == 200


def test_an_engine_that_crashes_soon_after_each_start_is_given_up(supervisor: Supervisor) -> None:
    snapshot = run(supervisor, fake_plan("--crash-after", "0.2", "--exit-code", "-11"), State.FAILED)
    assert (snapshot.run, snapshot.restarts) == (3, 2)
    assert snapshot.failure
    assert snapshot.failure.code is ErrorCode.ENGINE_CRASHED


@pytest.mark.alone
def test_a_flood_of_output_holds_up_neither_engine_nor_stop(supervisor: Supervisor, tmp_path: Path) -> None:
    snapshot = run(supervisor, fake_plan("--spam-lines", str(SPAM_PER_S)))
    first = supervisor.lines.count
    began_s = time.monotonic()
    while time.monotonic() - began_s < 1:
        assert embed(snapshot).ok
    rate = (supervisor.lines.count - first) / (time.monotonic() - began_s)
    assert rate > SPAM_PER_S / 2  # others use the processor too
    assert not any("\x1b" in line.text for line in supervisor.lines.since(first))
    stop_within_the_limit(supervisor)
    files = list((tmp_path / "logs").glob(f"{file_name(supervisor.id)}*"))
    assert len(files) <= 3
    assert sum(file.stat().st_size for file in files) < 20_000_000


@posix
def test_a_program_that_vanishes_while_it_runs_is_told_when_it_should_start_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    program = tmp_path / "engine"
    program.symlink_to(Path(sys.executable).resolve())
    plan = fake_plan()
    snapshot = run(supervisor, replace(plan, argv=(str(program), *plan.argv[1:])))
    program.unlink()
    assert embed(snapshot).ok
    psutil.Process(snapshot.pid).kill()
    failed = supervisor.wait_for({State.FAILED}, TIMEOUT_S)
    assert failed.failure
    assert (failed.failure.code, failed.failure.fix) == (
        ErrorCode.ENGINE_NOT_STARTED,
        Fix.CHOOSE_ENGINE,
    )
    assert failed.run == snapshot.run + 1


def test_a_port_that_is_taken_between_its_choice_and_its_use_is_chosen_anew(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = iter([other.getsockname()[1]])
        monkeypatch.setattr(run_module, "free_port", lambda: next(taken, None) or ports.free_port())
        supervisor.ensure(llamacpp_plan())
        stumbled = supervisor.wait_for({State.BACKOFF, State.FAILED}, TIMEOUT_S)
        assert stumbled.failure
        assert stumbled.failure.title == "The engine's port was taken by another program"
        supervisor.wait_for({State.READY}, TIMEOUT_S)


@posix
@pytest.mark.parametrize("plan", [fake_plan, llamacpp_plan])
def test_an_engine_that_is_halted_can_be_stopped(
    supervisor: Supervisor, plan: Callable[[], LaunchPlan]
) -> None:
    snapshot = run(supervisor, plan())
    process = psutil.Process(snapshot.pid)
    process.suspend()
    stop_within_the_limit(supervisor)
    assert all_ended([process])


@pytest.mark.parametrize("state", [State.STARTING, State.LOADING, State.READY, State.STOPPING, State.BACKOFF])
def test_wishes_that_change_in_any_state_end_in_the_last(supervisor: Supervisor, state: State) -> None:
    reached: list[State] = []

    def wish_anew(snapshot: EngineSnapshot) -> None:
        if snapshot.state is state and not reached:
            reached.append(state)
            supervisor.ensure(fake_plan("--second"))
            supervisor.stop()
            supervisor.ensure(fake_plan("--last"))

    supervisor.changed.connect(wish_anew)
    supervisor.ensure(fake_plan("--load-delay", "0.1"))
    if state in (State.STOPPING, State.BACKOFF):
        pid = supervisor.wait_for({State.READY}, TIMEOUT_S).pid
        supervisor.stop() if state is State.STOPPING else psutil.Process(pid).kill()
    last = fake_plan("--last")
    until(supervisor, lambda now: now.state is State.READY and now.plan == last)
    assert reached == [state]
