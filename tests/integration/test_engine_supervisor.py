"""The supervisor with real processes: the fake engine, that misbehaves as it is told."""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import psutil
import pytest
import requests

from tests.fakes.errors import coded
from tests.fakes.gateways import gateway_to
from tests.fakes.gateways import post as ask_gateway
from tests.fakes.launches import fake_plan
from tests.fakes.logged import logged
from tests.fakes.processes import all_ended, halt
from tests.fakes.remote_server import KEY, RemoteServer, remote_server
from tests.fakes.supervisors import (
    QUICK,
    SupervisedEngine,
    join_checks,
    quick_supervisor,
    until,
    until_back,
)
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.engine.lifecycle import RestartPolicy, State
from tray_app.engine.remote_engine import offered_models
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.system.engine_id import MAIN_ENGINE, RunId

SETTLED = {State.READY, State.FAILED, State.STOPPED}
TIMEOUT_S = 20
STOP_LIMIT_S = 5
SLOW_RESTART = RestartPolicy(restart_delays_s=(60,))

MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeSupervisor]:
    made: list[Supervisor] = []

    def make_supervisor(
        policy: RestartPolicy = QUICK, quiet_limit_s: float = 120, **clocks: Callable[[], float]
    ) -> Supervisor:
        made.append(quick_supervisor(tmp_path, policy, quiet_limit_s, None, MAIN_ENGINE, **clocks))
        return made[-1]

    yield make_supervisor
    for one in made:
        one.close()


def run(supervisor: Supervisor, plan: LaunchPlan, states: set[State] = SETTLED) -> EngineSnapshot:
    supervisor.ensure(plan)
    return supervisor.wait_for(states, TIMEOUT_S)


def embed(engine: EngineSnapshot) -> requests.Response:
    return requests.post(f"{engine.base_url}/embedding", json={"content": "x"}, timeout=TIMEOUT_S)


def failure_code(snapshot: EngineSnapshot) -> ErrorCode:
    assert snapshot.state is State.FAILED, snapshot
    assert snapshot.failure
    return snapshot.failure.code


@pytest.mark.parametrize("kind", [EngineKind.POWERINFER, EngineKind.LLAMA_SERVER])
def test_an_engine_is_ready_when_it_answers(make: MakeSupervisor, kind: EngineKind) -> None:
    supervisor = make()
    snapshot = run(supervisor, fake_plan("--load-delay", "0.3", kind=kind))
    assert snapshot.state is State.READY
    assert snapshot.base_url
    assert snapshot.address
    props = requests.get(f"{snapshot.base_url}/props", headers=snapshot.address.headers, timeout=5)
    assert props.status_code == 200
    printed = [line.text for line in supervisor.lines.since(0)]
    assert "loading" in printed
    assert any(f"--port {snapshot.address.port}" in line for line in printed)


def test_every_change_is_announced(make: MakeSupervisor) -> None:
    supervisor = make()
    seen: list[State] = []
    supervisor.changed.connect(lambda snapshot: seen.append(snapshot.state))
    run(supervisor, fake_plan())
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    supervisor.close()
    changes = [state for state, _ in groupby(seen)]
    assert changes == [State.STARTING, State.LOADING, State.READY, State.STOPPING, State.STOPPED]


def test_a_request_that_changes_nothing_is_announced_when_it_was_heard(make: MakeSupervisor) -> None:
    supervisor = make()
    snapshot = run(supervisor, fake_plan())
    heard: queue.SimpleQueue[bool] = queue.SimpleQueue()
    supervisor.changed.connect(lambda _: heard.put(supervisor.has_heard))
    supervisor.check(RunId(supervisor.id, snapshot.run - 1))
    while not heard.get(timeout=TIMEOUT_S):
        pass  # of what came before
    supervisor.ensure(fake_plan())
    while not heard.get(timeout=TIMEOUT_S):
        pass
    assert supervisor.snapshot() == snapshot


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
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert loading.pid
    assert not psutil.pid_exists(loading.pid)


def test_an_engine_that_ignores_sigterm_is_killed_when_its_grace_is_over(make: MakeSupervisor) -> None:
    supervisor = make()
    assert RestartPolicy().grace_s < STOP_LIMIT_S - 1  # the whole takes less than five seconds in use
    snapshot = run(supervisor, fake_plan("--ignore-sigterm", "--fork-child"))
    printed = (line.text for line in supervisor.lines.since(0))
    forked = next(int(line.split()[1]) for line in printed if line.startswith("child "))
    family = [psutil.Process(snapshot.pid), psutil.Process(forked)]
    started_s = time.monotonic()
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert time.monotonic() - started_s < STOP_LIMIT_S  # ten times that grace
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
    assert failure_code(snapshot) is ErrorCode.ENGINE_ENDED
    assert snapshot.failure
    assert snapshot.failure.message == "It stopped with exit code 3."
    assert snapshot.failure.evidence == ("the cat sat on it", "loading")
    assert snapshot.run == 3


@pytest.mark.warns("cannot be recorded")
def test_an_engine_whose_record_cannot_be_removed_can_be_stopped(
    make: MakeSupervisor, tmp_path: Path
) -> None:
    supervisor = make()
    run(supervisor, fake_plan())
    (record,) = (tmp_path / "state").glob("engine-*.json")
    record.unlink()
    record.mkdir()  # on Windows, a file that another program reads is as stubborn
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert run(supervisor, fake_plan()).state is State.READY


def test_a_folder_in_which_no_engine_can_run_is_told(make: MakeSupervisor, tmp_path: Path) -> None:
    supervisor = make()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "engine-runs").touch()
    snapshot = run(supervisor, fake_plan())
    assert failure_code(snapshot) is ErrorCode.FOLDER_NOT_WRITABLE
    assert snapshot.failure
    assert "engine-runs" in snapshot.failure.message
    assert snapshot.failure.fix is Fix.NONE


def test_stop_cancels_a_restart(make: MakeSupervisor) -> None:
    supervisor = make(SLOW_RESTART)
    run(supervisor, fake_plan("--fail"), {State.BACKOFF})
    supervisor.stop()
    supervisor.wait_for({State.STOPPED}, TIMEOUT_S)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--say", "error: unknown argument: --temp", "--fail"), ErrorCode.ENGINE_ARGUMENT_UNKNOWN),
        (("--fail", "--exit-code", "-4"), ErrorCode.ENGINE_NEEDS_NEWER_PROCESSOR),
        (("--answer", "[0.5, null]"), ErrorCode.MODEL_NOT_USABLE),
        (("--answer", "[0, 0]"), ErrorCode.MODEL_NOT_USABLE),
    ],
)
def test_what_trying_again_would_not_mend_fails_at_once(
    make: MakeSupervisor, options: tuple[str, ...], code: ErrorCode
) -> None:
    snapshot = run(make(), fake_plan(*options))
    assert failure_code(snapshot) is code
    assert snapshot.run == 1


def test_a_vanished_program_is_told(make: MakeSupervisor, tmp_path: Path) -> None:
    snapshot = run(make(), replace(fake_plan(), argv=(str(tmp_path / "gone"),)))
    assert failure_code(snapshot) is ErrorCode.ENGINE_NOT_STARTED


def looks_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    # Released with each look whether this file exists.
    looks, exists = threading.Semaphore(0), os.path.exists

    def look(path: str | Path) -> bool:
        if path == file:
            looks.release()
        return exists(path)

    monkeypatch.setattr(os.path, "exists", look)
    return looks


def test_a_drive_that_goes_away_is_waited_for_and_the_engine_is_back_with_it(
    make: MakeSupervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = tmp_path / "USB"
    drive.mkdir()
    file = drive / "model.gguf"
    file.touch()
    looks = looks_for(file, monkeypatch)
    supervisor = make()
    first = run(supervisor, fake_plan(path=file))
    drive.rename(tmp_path / "unplugged")
    psutil.Process(first.pid).kill()
    gone = supervisor.wait_for({State.WAITING}, TIMEOUT_S)
    assert gone.state is State.WAITING
    assert gone.failure
    assert gone.failure.title == "The folder “USB” is missing"
    for _ in range(4):
        assert looks.acquire(timeout=TIMEOUT_S)
    assert supervisor.snapshot() == gone
    (tmp_path / "unplugged").rename(drive)
    back = supervisor.wait_for({State.READY}, TIMEOUT_S)
    assert (back.run, back.restarts, back.failure) == (first.run + 1, 0, None)


def test_a_model_that_was_deleted_is_not_waited_for(make: MakeSupervisor, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.touch()
    supervisor = make()
    first = run(supervisor, fake_plan("--load", str(file), path=file))
    file.unlink()
    psutil.Process(first.pid).kill()
    assert failure_code(supervisor.wait_for({State.FAILED}, TIMEOUT_S)) is ErrorCode.MODEL_FILE_MISSING


def test_an_engine_that_does_nothing_any_more_is_ended(make: MakeSupervisor) -> None:
    supervisor = make(RestartPolicy(restart_delays_s=()), quiet_limit_s=1)
    assert failure_code(run(supervisor, fake_plan("--hang"))) is ErrorCode.ENGINE_HUNG


def hang(url: str) -> requests.Response:
    """Ask what makes the fake engine hang; it gets no answer until the engine is ended."""
    return requests.post(f"{url}/embedding", json={"content": "fatal"}, timeout=TIMEOUT_S)


def suspect_until_stopped(supervisor: Supervisor, snapshot: EngineSnapshot) -> EngineSnapshot:
    # As the gateway does: it suspects again and again, for at first the engine may still answer.
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        supervisor.check(snapshot.run_id)
        with suppress(TimeoutError):
            return supervisor.wait_for({State.BACKOFF}, 0.1)
    raise AssertionError(supervisor.snapshot())


@pytest.mark.warns("does not answer")
@pytest.mark.parametrize("spin", [(), ("--spin",)], ids=["doing nothing", "computing in vain"])
def test_an_engine_that_hangs_over_a_request_is_ended_and_started_again(
    make: MakeSupervisor, spin: tuple[str, ...]
) -> None:
    supervisor = make()
    snapshot = run(supervisor, fake_plan("--hang-at", "fatal", *spin))
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(hang, snapshot.base_url or "")
        stopped = suspect_until_stopped(supervisor, snapshot)
        assert isinstance(asked.exception(TIMEOUT_S), requests.ConnectionError)
    assert stopped.failure
    assert stopped.failure.code is ErrorCode.ENGINE_HUNG
    again = supervisor.wait_for({State.READY}, TIMEOUT_S)
    assert again.run == snapshot.run + 1
    assert embed(again).ok


@pytest.mark.warns("does not answer")
@pytest.mark.parametrize("spin", [(), ("--spin",)], ids=["doing nothing", "computing in vain"])
def test_the_request_over_which_an_engine_hangs_gets_503_and_the_next_one_its_answer(
    make: MakeSupervisor, spin: tuple[str, ...]
) -> None:
    supervisor = make()
    hung = run(supervisor, fake_plan("--hang-at", "fatal", *spin))
    with gateway_to(SupervisedEngine(supervisor), silence_limit_s=0.2) as url:
        fatal = ask_gateway(f"{url}/embeddings", {"input": "fatal"})
        until_back(supervisor, hung)
        following = ask_gateway(f"{url}/embeddings", {"input": "harmless"})
    assert (fatal.status_code, fatal.headers["Retry-After"]) == (503, "2")
    assert following.status_code == 200


@pytest.mark.warns("does not answer")
def test_an_engine_that_answers_is_left_alone_when_suspected(make: MakeSupervisor) -> None:
    supervisor = make()
    snapshot = run(supervisor, fake_plan())
    supervisor.check(snapshot.run_id)
    supervisor.check(RunId(supervisor.id, snapshot.run - 1))
    supervisor.wait_for({State.READY}, TIMEOUT_S)  # until both are taken
    join_checks()
    assert embed(snapshot).ok  # one that was ended could not
    assert supervisor.snapshot() == snapshot


class Night:
    """A clock that goes on while the machine sleeps, and a way to let it."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self._looks = threading.Semaphore(0)

    def __call__(self) -> float:
        self._looks.release()
        return time.monotonic() + self.slept_s

    def wait_for_looks(self, count: int) -> None:
        while self._looks.acquire(blocking=False):
            pass  # of before
        for _ in range(count):
            assert self._looks.acquire(timeout=TIMEOUT_S)


@pytest.mark.warns("does not answer")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_engine_that_does_not_answer_after_sleep_is_started_again(make: MakeSupervisor) -> None:
    night = Night()
    supervisor = make(wall_clock=night)
    before = run(supervisor, fake_plan())
    halt(before.pid)
    night.slept_s = 8 * 3600
    supervisor.wait_for({State.BACKOFF}, TIMEOUT_S)
    after = supervisor.wait_for({State.READY}, TIMEOUT_S)
    assert (after.run, after.state) == (before.run + 1, State.READY)


@pytest.mark.warns("does not answer")
def test_an_engine_that_answers_after_sleep_is_kept(
    make: MakeSupervisor,
) -> None:
    night = Night()
    supervisor = make(wall_clock=night)
    before = run(supervisor, fake_plan())
    with logged("has slept") as noticed:
        night.slept_s = 8 * 3600
        noticed.wait()
    night.wait_for_looks(2)  # the check has begun before the next one
    join_checks()
    assert embed(before).ok
    assert supervisor.snapshot() == before


def test_an_engine_that_loads_for_long_is_not_taken_for_one_that_has_slept(
    make: MakeSupervisor, caplog: pytest.LogCaptureFixture
) -> None:
    load, looks = Night(), Night()
    supervisor = make(clock=load, wall_clock=looks)
    run(supervisor, fake_plan("--load-delay", "0.3"), {State.LOADING})
    load.slept_s = looks.slept_s = 60
    supervisor.wait_for({State.READY}, TIMEOUT_S)
    looks.wait_for_looks(3)
    assert "has slept" not in caplog.text


@pytest.mark.warns("does not answer")
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_engine_that_is_halted_for_a_while_is_kept(make: MakeSupervisor) -> None:
    looks = Night()
    supervisor = make(wall_clock=looks)
    before = run(supervisor, fake_plan())
    process = halt(before.pid)
    looks.wait_for_looks(10)  # in half a second
    process.resume()
    assert embed(before).ok
    assert supervisor.snapshot() == before


def test_a_clock_that_is_set_back_disturbs_neither_restarts_nor_deadlines(make: MakeSupervisor) -> None:
    night = Night()
    supervisor = make(wall_clock=night)
    before = run(supervisor, fake_plan())
    night.slept_s = -86400
    psutil.Process(before.pid).kill()
    supervisor.wait_for({State.BACKOFF}, TIMEOUT_S)
    assert supervisor.wait_for({State.READY}, TIMEOUT_S).run == before.run + 1


def remote_plan(server: RemoteServer, model: str = "", key: str = KEY) -> RemotePlan:
    return RemotePlan(server.url, model, key)


def test_a_remote_server_is_ready_when_it_lists_its_models_and_has_no_process(make: MakeSupervisor) -> None:
    with remote_server() as server:
        supervisor = make()
        supervisor.ensure(remote_plan(server, "embedder"))
        snapshot = supervisor.wait_for(SETTLED, TIMEOUT_S)
        assert (snapshot.state, snapshot.pid, snapshot.base_url) == (State.READY, None, None)
        assert snapshot.models == ("embedder", "llama3:8b")
        assert KEY not in repr(snapshot)
        supervisor.stop()
        supervisor.wait_for({State.STOPPED}, TIMEOUT_S)


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (lambda server: remote_plan(server, key="wrong"), ErrorCode.REMOTE_KEY_REFUSED),
        (lambda server: remote_plan(server, "gpt-9"), ErrorCode.REMOTE_MODEL_NOT_FOUND),
        (lambda server: RemotePlan(f"{server.url}/x", key=KEY), ErrorCode.REMOTE_WITHOUT_MODELS),
    ],
)
def test_what_a_person_must_mend_at_a_remote_server_fails_at_once(
    make: MakeSupervisor, plan: Callable[[RemoteServer], RemotePlan], code: ErrorCode
) -> None:
    with remote_server() as server:
        supervisor = make()
        supervisor.ensure(plan(server))
        assert failure_code(supervisor.wait_for(SETTLED, TIMEOUT_S)) is code


def test_a_remote_server_without_a_list_of_models_is_used_with_the_model_of_the_settings() -> None:
    with remote_server() as server:
        server.has_models = False
        assert offered_models(remote_plan(server, "gpt-9")) == ("gpt-9",)
        with pytest.raises(EngineError, check=coded(ErrorCode.REMOTE_WITHOUT_MODELS)) as refused:
            offered_models(remote_plan(server))
    assert "Remote model" in str(refused.value.hint)


@pytest.mark.parametrize("body", [{"data": []}, {"models": [{"name": "x"}]}, [], "no JSON"])
def test_so_is_one_whose_list_cannot_be_read(body: object) -> None:
    with remote_server() as server:
        server.answer = lambda *_: (200, body)  # type: ignore[method-assign]
        assert offered_models(remote_plan(server, "gpt-9")) == ("gpt-9",)


def test_a_list_of_models_that_breaks_off_is_asked_for_again() -> None:
    with remote_server() as server:
        server.missing_bytes = 1
        with pytest.raises(ConnectionError):
            offered_models(remote_plan(server))


def test_a_refused_key_leads_to_its_field() -> None:
    with remote_server() as server, pytest.raises(EngineError) as refused:
        offered_models(remote_plan(server, key="wrong"))
    assert (refused.value.fix, refused.value.setting) == (Fix.SETTING, "remote")


@pytest.mark.parametrize("status", [503, 429])
def test_a_remote_server_that_goes_away_and_comes_back_is_used_again(
    make: MakeSupervisor, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote_server() as server:
        supervisor = make()
        supervisor.ensure(remote_plan(server))
        assert supervisor.wait_for(SETTLED, TIMEOUT_S).state is State.READY
        with monkeypatch.context() as away:
            away.setattr(server, "answer", lambda *_: (status, {}))
            gone = supervisor.wait_for({State.BACKOFF, State.FAILED}, TIMEOUT_S)
            assert gone.failure
            assert gone.failure.code is ErrorCode.REMOTE_NOT_RESPONDING
        assert supervisor.wait_for({State.READY}, TIMEOUT_S).failure is None


def test_another_engine_takes_the_place_of_a_remote_one(make: MakeSupervisor) -> None:
    with remote_server() as server:
        supervisor = make()
        supervisor.ensure(remote_plan(server))
        supervisor.wait_for(SETTLED, TIMEOUT_S)
        supervisor.ensure(fake_plan())
        until(supervisor, lambda now: now.state is State.READY and isinstance(now.plan, LaunchPlan))


def test_wishes_given_at_once_end_in_the_last(make: MakeSupervisor) -> None:
    supervisor = make()
    for number in range(20):
        supervisor.ensure(fake_plan("--number", str(number % 3)))
        supervisor.stop()
    snapshot = run(supervisor, fake_plan("--last"), {State.READY})
    assert snapshot.plan == fake_plan("--last")


@pytest.mark.warns("A listener has failed")
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
    left = [one for one in threading.enumerate() if one.name.startswith("engine-")]
    for thread in left:
        thread.join(TIMEOUT_S)
    assert not any(thread.is_alive() for thread in left)
