"""Requests that come while the engine gets ready wait for it; those that nothing will answer do not."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from msgspec.structs import replace
from openai import OpenAI

from tests.fakes.apps import DEADLINE_S, ready, real_app, wait_for_state
from tests.fakes.errors import coded
from tests.fakes.gateways import get, post
from tests.fakes.launches import fake_plan
from tests.fakes.supervisors import quick_pool
from tray_app.app.served_models import OneModel
from tray_app.app.server import Server, ServerDelays
from tray_app.app.server_status import ServerState
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.lifecycle import RestartPolicy, State
from tray_app.errors import AppError, ErrorCode
from tray_app.gateway.upstream import Unavailable
from tray_app.models.header import Purpose
from tray_app.settings.keystore import KeyStore
from tray_app.settings.schema import Settings
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tray_app.app.root import App
    from tray_app.app.start_job import StartJob
    from tray_app.app.status import AppStatus
    from tray_app.engine.launch_plan import LaunchPlan

BODY = {"input": "x"}
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def held_up(app: App) -> Iterator[psutil.Process]:
    """The app's next engine, which stands still while it loads, until it is resumed or the block ends."""
    caught: list[psutil.Process] = []
    loading = threading.Event()

    def catch(status: AppStatus) -> None:
        if status.engine.state is State.LOADING and status.engine.pid and not caught:
            caught.append(psutil.Process(status.engine.pid))
            caught[0].suspend()
            loading.set()

    app.changed.connect(catch)
    app.start_server()
    assert loading.wait(DEADLINE_S)
    app.changed.disconnect(catch)
    try:
        yield caught[0]
    finally:
        caught[0].resume()


def wait_for_requests(app: App, count: int) -> None:
    """Until so many requests are in the gateway."""
    wait_until(lambda: app.status().traffic.active == count)


def wait_for_waiting(app: App, count: int) -> None:
    """Until so many requests wait for the engine: some time after they have come, as they are read first."""
    wait_until(lambda: len(app._pool._main.waiting) == count)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Until the app says so; it tells nobody of each request."""
    tick = threading.Event()
    for _ in range(500):
        if is_so():
            return
        tick.wait(0.02)
    raise AssertionError("It never became so.")


def test_clients_that_never_retry_get_their_answer_once_the_model_is_loaded() -> None:
    with real_app() as app, held_up(app) as engine, ThreadPoolExecutor(4) as clients:
        url = app.status().server.base_url
        assert url
        client = OpenAI(base_url=url, api_key="none", max_retries=0)
        asked: list[Any] = [
            clients.submit(client.embeddings.create, model="test", input="x"),
            clients.submit(client.completions.create, model="test", prompt="Once", max_tokens=3),
            clients.submit(post, f"{url}/chat/completions", CHAT),
        ]
        wait_for_requests(app, 3)
        health = get(url.replace("/v1", "/health"))
        assert (health.status_code, health.headers["Retry-After"]) == (503, "2")
        states = {each["id"]: each["meta"]["state"] for each in get(f"{url}/models").json()["data"]}
        assert states == {"test": "loading"}

        engine.resume()

        vector, text, chat = (each.result(DEADLINE_S) for each in asked)
        assert len(vector.data[0].embedding) == 64
        assert text.choices
        assert chat.status_code == 200
        client.close()


def test_a_client_that_leaves_frees_its_place() -> None:
    with real_app() as app, held_up(app):
        port = app.status().server.port
        assert port
        head = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        body = b'{"input": "' + b"x" * 1_000_000 + b'"}'
        for number in (1, 2, 3):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                wait_for_requests(app, 1)
            wait_for_requests(app, 0)
            assert app.status().traffic.requests == number


def test_a_start_that_is_called_off_ends_the_waiting() -> None:
    with real_app() as app, held_up(app), ThreadPoolExecutor(1) as clients:
        asked = clients.submit(post, f"{app.status().server.base_url}/embeddings", BODY)
        wait_for_waiting(app, 1)
        app.stop_server()
        refused = asked.result(DEADLINE_S)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, ErrorCode.START_CALLED_OFF)


def test_requests_wait_while_a_crashed_engine_is_started_again() -> None:
    with real_app() as app:
        pid = ready(app).status().engine.pid
        psutil.Process(pid).kill()
        wait_for_state(app, ServerState.RESTARTING)
        assert post(f"{app.status().server.base_url}/embeddings", BODY).status_code == 200


@pytest.mark.parametrize("change", ["apply", "restart"])
def test_requests_wait_while_the_server_restarts_because_somebody_wishes_it(change: str) -> None:
    with real_app() as app, ThreadPoolExecutor(4) as clients:
        url = f"{ready(app).status().server.base_url}/embeddings"
        left = threading.Event()
        app.changed.connect(lambda status: left.set() if status.engine.state is not State.READY else None)
        if change == "apply":
            app.apply(replace(app.store.current, threads=2))
        else:
            app.restart_server()
        assert left.wait(DEADLINE_S)
        answers = list(clients.map(lambda _: post(url, BODY).status_code, range(4)))
        assert answers == [200] * 4
        assert app.status().engine.run == 2


@contextmanager
def serving_fake(
    folder: Path,
    *plans: LaunchPlan,
    policy: RestartPolicy,
    on_demand: bool = False,
    delays: ServerDelays | None = None,
) -> Iterator[Server]:
    """The server with an engine that does as the plan of each start says; the last one goes for all later."""
    pool = quick_pool(folder, policy)
    settings = Settings(port=free_port(), start_on_demand=on_demand)
    left = list(plans)

    def make_plan(start: StartJob | None) -> LaunchPlan:  # noqa: ARG001  see `Planner`
        return left.pop(0) if len(left) > 1 else left[0]

    serving = Server(
        pool,
        OneModel(),
        settings=lambda: settings,
        settings_of=lambda _: settings,
        secrets=KeyStore(folder, {}),
        plan=make_plan,
        announce=lambda: None,
        delays=delays,
    )
    try:
        yield serving
    finally:
        serving.stop()
        pool.close()


@pytest.mark.parametrize("on_demand", [True, False])
def test_when_the_start_fails_all_who_wait_learn_why_and_who_comes_later_too(
    tmp_path: Path, *, on_demand: bool
) -> None:
    plan = fake_plan("--load-delay", "0.5", "--fail", kind=EngineKind.LLAMA_SERVER)
    policy = RestartPolicy(restart_delays_s=(0.2,))
    with (
        serving_fake(tmp_path, plan, policy=policy, on_demand=on_demand) as serving,
        ThreadPoolExecutor(8) as clients,
    ):
        serving.start()
        url = f"{serving.snapshot()[0].base_url}/embeddings"
        answers = list(clients.map(lambda _: post(url, BODY), range(8)))
        late = post(url, BODY)
        server, pool = serving.snapshot()
        engine = pool.main.engine

    assert server.state is ServerState.FAILED
    assert engine.failure
    assert [answer.status_code for answer in (*answers, late)] == [503] * 9
    assert {answer.json()["error"]["code"] for answer in (*answers, late)} == {engine.failure.code}
    assert all(engine.failure.title in answer.text for answer in (*answers, late))
    assert 0 < int(late.headers["Retry-After"]) <= 60


CRASHES = fake_plan("--fail", "--exit-code", "3", kind=EngineKind.LLAMA_SERVER)
WORKS = fake_plan(kind=EngineKind.LLAMA_SERVER)
ONE_RESTART = RestartPolicy(restart_delays_s=(0.05,))
AT_ONCE = ServerDelays(try_again_s=0)


def given_up(serving: Server) -> str:
    """Start it until it is given up; where programs ask it."""
    serving.start()
    with pytest.raises(AppError):
        serving.wait_until_ready(DEADLINE_S)
    server, pool = serving.snapshot()
    engine = pool.main.engine
    assert (server.state, engine.run) == (ServerState.FAILED, 2)
    return f"{server.base_url}/embeddings"


def test_an_engine_that_was_given_up_is_tried_again_for_a_request_that_comes_later(tmp_path: Path) -> None:
    with (
        serving_fake(tmp_path, CRASHES, WORKS, policy=ONE_RESTART, delays=AT_ONCE) as serving,
        ThreadPoolExecutor(4) as clients,
    ):
        url = given_up(serving)
        assert get(url.replace("embeddings", "models")).status_code == 503  # who only looks starts nothing
        assert serving.snapshot()[0].state is ServerState.FAILED
        assert [answer.status_code for answer in clients.map(lambda _: post(url, BODY), range(4))] == [
            200
        ] * 4
        assert serving.snapshot()[1].main.engine.run == 3


def test_not_before_the_time_has_come(tmp_path: Path) -> None:
    with serving_fake(tmp_path, CRASHES, WORKS, policy=ONE_RESTART) as serving:
        refused = post(given_up(serving), BODY)
        assert refused.status_code == 503
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert serving.snapshot()[1].main.engine.run == 2


def test_a_persons_stop_wins_over_trying_again(tmp_path: Path) -> None:
    with serving_fake(tmp_path, CRASHES, WORKS, policy=ONE_RESTART, delays=AT_ONCE) as serving:
        given_up(serving)
        serving.stop()
        late = serving.acquire("", Purpose.CHAT)  # of a request that came just before
        assert isinstance(late, Unavailable)
        assert serving.snapshot()[1].main.engine.run == 2


def test_a_cause_that_stays_is_not_tried_again(tmp_path: Path) -> None:
    stays = fake_plan("--say", "error: unknown argument: --x", "--fail", kind=EngineKind.LLAMA_SERVER)
    with serving_fake(tmp_path, stays, WORKS, policy=ONE_RESTART, delays=AT_ONCE) as serving:
        serving.start()
        with pytest.raises(AppError):
            serving.wait_until_ready(DEADLINE_S)
        refused = post(f"{serving.snapshot()[0].base_url}/embeddings", BODY)
        assert (refused.status_code, refused.headers.get("Retry-After")) == (503, None)
        assert refused.json()["error"]["code"] == ErrorCode.ENGINE_ARGUMENT_UNKNOWN
        assert "--x" in refused.text
        assert serving.snapshot()[1].main.engine.run == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--exit-code", "-11"), ErrorCode.ENGINE_CRASHED),
        (("--exit-code", "-9"), ErrorCode.ENGINE_KILLED),
        (("--exit-code", "3"), ErrorCode.ENGINE_ENDED),
        (("--say", "std::bad_alloc"), ErrorCode.NOT_ENOUGH_MEMORY),
        (("--say", "failed to open x.gguf: No such file"), ErrorCode.MODEL_FILE_MISSING),
    ],
)
def test_clients_get_the_code_of_what_the_engine_died_of(
    tmp_path: Path, options: tuple[str, ...], code: ErrorCode
) -> None:
    plan = fake_plan("--fail", *options, kind=EngineKind.LLAMA_SERVER)
    with serving_fake(tmp_path, plan, policy=RestartPolicy(restart_delays_s=())) as serving:
        serving.start()
        with pytest.raises(AppError, check=coded(code)):
            serving.wait_until_ready(DEADLINE_S)
        url = serving.snapshot()[0].base_url
        answers = post(f"{url}/embeddings", BODY), get(f"{url}/models")
        assert [answer.json()["error"]["code"] for answer in answers] == [code] * 2


def test_clients_of_a_server_that_sleeps_or_loads_get_the_code_for_it(tmp_path: Path) -> None:
    plan = fake_plan("--hang", kind=EngineKind.LLAMA_SERVER)
    with serving_fake(tmp_path, plan, policy=RestartPolicy()) as serving:
        serving.stand_by()
        url = f"{serving.snapshot()[0].base_url}/models"
        assert get(url).json()["error"]["code"] == ErrorCode.SERVER_ASLEEP
        serving.start()
        assert get(url).json()["error"]["code"] == ErrorCode.SERVER_NOT_READY


def test_an_engine_that_loads_slowly_answers_all_who_have_waited(tmp_path: Path) -> None:
    plan = fake_plan("--load-delay", "1.5", kind=EngineKind.LLAMA_SERVER)
    with serving_fake(tmp_path, plan, policy=RestartPolicy()) as serving, ThreadPoolExecutor(32) as clients:
        serving.start()
        url = f"{serving.snapshot()[0].base_url}/embeddings"
        answers = list(clients.map(lambda _: post(url, BODY).status_code, range(32)))
    assert answers == [200] * 32


def test_no_more_requests_wait_than_are_admitted(tmp_path: Path) -> None:
    plan = fake_plan("--hang", kind=EngineKind.LLAMA_SERVER)
    with serving_fake(tmp_path, plan, policy=RestartPolicy()) as serving:
        serving.start()
        server, _ = serving.snapshot()
        head = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        sockets = [socket.create_connection(("127.0.0.1", server.port or 0)) for _ in range(128)]
        try:
            for each in sockets:
                each.sendall(head + b'Content-Length: 13\r\n\r\n{"input":"x"}')
            while serving.traffic().active < 128:
                threading.Event().wait(0.02)
            one_too_many = post(f"{server.base_url}/embeddings", BODY)
        finally:
            for each in sockets:
                each.close()
    assert (one_too_many.status_code, one_too_many.headers["Retry-After"] != "") == (429, True)


def test_an_engine_that_is_being_started_is_not_put_to_sleep(tmp_path: Path) -> None:
    plan = fake_plan(kind=EngineKind.LLAMA_SERVER)
    begun, go_on = threading.Event(), threading.Event()
    now_s = [0.0]
    pool = quick_pool(tmp_path, clock=lambda: now_s[0])
    settings = Settings(port=free_port(), idle_minutes=1)
    go_on.set()

    def make_plan(start: StartJob | None) -> LaunchPlan:
        assert start
        begun.set()
        assert go_on.wait(DEADLINE_S)
        return plan

    serving = Server(
        pool,
        OneModel(),
        settings=lambda: settings,
        settings_of=lambda _: settings,
        secrets=KeyStore(tmp_path, {}),
        plan=make_plan,
        announce=lambda: None,
    )
    try:
        serving.start()
        serving.wait_until_ready(DEADLINE_S)
        begun.clear()
        go_on.clear()
        with ThreadPoolExecutor(1) as people:
            again = people.submit(serving.start)
            assert begun.wait(DEADLINE_S)
            now_s[0] += 100
            serving.unload_idle()
            assert serving.snapshot()[0].state is ServerState.READY
            go_on.set()
            again.result(DEADLINE_S)
        serving.wait_until_ready(DEADLINE_S)
        now_s[0] += 100
        serving.unload_idle()
        assert serving.snapshot()[0].state is ServerState.ASLEEP
    finally:
        serving.stop()
        pool.close()
