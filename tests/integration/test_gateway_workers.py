"""One engine with several processes, each of which works on one request at a time, as clients see it."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.gateways import FixedBackend, behind, gateway_to, post
from tests.fakes.powerinfer_server import powerinfer_server, vector_of
from tray_app.gateway.powerinfer import turns as turns_module
from tray_app.gateway.powerinfer.turns import Turns
from tray_app.gateway.upstream import Upstream, Worker
from tray_app.system.engine_id import MAIN_ENGINE, RunId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer

PATIENCE_S = 10.0
PROMPT = {"prompt": "once upon", "max_tokens": 5}
TEXTS = [f"text {number}" for number in range(20)]
RUNS = (RunId(MAIN_ENGINE, 3), RunId(MAIN_ENGINE.worker(2), 1))


@pytest.fixture
def first() -> Iterator[PowerInferServer]:
    with powerinfer_server() as server:
        yield server


@pytest.fixture
def second() -> Iterator[PowerInferServer]:
    with powerinfer_server() as server:
        yield server


@pytest.fixture
def backend(first: PowerInferServer, second: PowerInferServer) -> FixedBackend:
    return FixedBackend(worked_on_by(first, second))


@pytest.fixture
def url(backend: FixedBackend) -> Iterator[str]:
    with gateway_to(backend) as base_url:
        yield base_url


def worked_on_by(*servers: PowerInferServer) -> Upstream:
    workers = tuple(Worker(server.base_url, run) for server, run in zip(servers, RUNS, strict=False))
    return replace(behind(servers[0]), workers=workers)


def unit(text: str) -> Any:
    vector = vector_of(text)
    return pytest.approx([value / math.hypot(*vector) for value in vector])


def embedded(*servers: PowerInferServer) -> list[str]:
    return sorted(body["content"] for server in servers for body in server.bodies("/embedding"))


def test_requests_are_worked_on_at_the_same_time_each_by_one_process(
    first: PowerInferServer, second: PowerInferServer, url: str
) -> None:
    first.hold_at = second.hold_at = 0
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(post, f"{url}/completions", PROMPT) for _ in range(2)]
        assert first.holding.wait(PATIENCE_S)
        assert second.holding.wait(PATIENCE_S)
        first.release()
        second.release()
        assert {each.result(PATIENCE_S).status_code for each in asked} == {200}
    assert not first.said_busy.is_set()
    assert not second.said_busy.is_set()


def test_a_list_is_spread_and_two_of_its_texts_are_always_worked_on_at_once(
    first: PowerInferServer, second: PowerInferServer, url: str
) -> None:
    both = threading.Barrier(2)

    def together(text: str) -> object:
        both.wait(PATIENCE_S)
        return vector_of(text)

    first.vector = second.vector = together
    answer = post(f"{url}/embeddings", {"input": TEXTS}).json()
    assert [item["embedding"] for item in answer["data"]] == [unit(text) for text in TEXTS]
    assert len(first.bodies("/embedding")) == len(second.bodies("/embedding")) == len(TEXTS) / 2


@pytest.mark.parametrize("form", ["float", "base64"])
def test_the_answers_keep_their_order_however_the_processes_take_turns(
    first: PowerInferServer, second: PowerInferServer, url: str, form: str
) -> None:
    alone = post(f"{url}/embeddings", {"input": TEXTS, "encoding_format": form}).json()
    last_is_done = threading.Event()

    def late(text: str) -> object:
        if text == TEXTS[0]:
            assert last_is_done.wait(PATIENCE_S)
        elif text == TEXTS[-1]:
            last_is_done.set()
        return vector_of(text)

    first.vector = second.vector = late
    answer = post(f"{url}/embeddings", {"input": TEXTS, "encoding_format": form}).json()
    assert answer == alone
    assert [item["index"] for item in answer["data"]] == list(range(len(TEXTS)))


def test_texts_that_were_cut_are_told_in_order(
    first: PowerInferServer, second: PowerInferServer, url: str
) -> None:
    long_is_done = threading.Event()

    def late(text: str) -> object:
        if text.startswith("a "):
            assert long_is_done.wait(PATIENCE_S)
        else:
            long_is_done.set()
        return vector_of(text)

    first.vector = second.vector = late
    body = {"input": ["a " * 100, "short", "b " * 100], "truncate": True}
    assert post(f"{url}/embeddings", body).json()["usage"]["truncated"] == [0, 2]


def test_an_error_of_one_text_ends_the_work_on_the_others(
    first: PowerInferServer, second: PowerInferServer, backend: FixedBackend, url: str
) -> None:
    held, goes_on = threading.Event(), threading.Event()

    def vector(text: str) -> object:
        if text == TEXTS[0]:
            held.set()
            goes_on.wait(PATIENCE_S)
        elif text == TEXTS[1]:
            assert held.wait(PATIENCE_S)
            return [0.0] * 8
        return vector_of(text)

    first.vector = second.vector = vector
    refused = post(f"{url}/embeddings", {"input": TEXTS})
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "embedding_all_zeros")
    backend.wait_for_leases(0)
    goes_on.set()
    assert embedded(first, second) == TEXTS[:2]
    assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200


def test_a_client_that_leaves_ends_the_work_on_its_list(
    first: PowerInferServer, second: PowerInferServer, backend: FixedBackend, url: str
) -> None:
    both, goes_on = threading.Barrier(3), threading.Event()

    def vector(text: str) -> object:
        both.wait(PATIENCE_S)
        goes_on.wait(PATIENCE_S)
        return vector_of(text)

    first.vector = second.vector = vector
    body, address = json.dumps({"input": TEXTS}).encode(), urlsplit(url)
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        client.sendall(head.encode() + body)
        both.wait(PATIENCE_S)
    backend.wait_for_leases(0)
    first.vector = second.vector = vector_of
    goes_on.set()
    assert embedded(first, second) == TEXTS[:2]
    assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200


def test_a_process_that_dies_takes_one_request_with_it_and_those_that_wait_get_the_other(
    first: PowerInferServer,
    second: PowerInferServer,
    backend: FixedBackend,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns_module, "_AVOIDED_S", 3600)  # else as long as the slowest machine needs
    first.hold_at, first.die_at = 0, 1
    second.hold_at = 0
    with ThreadPoolExecutor(10) as clients:
        dies = clients.submit(post, f"{url}/completions", PROMPT)
        assert first.holding.wait(PATIENCE_S)
        lives = clients.submit(post, f"{url}/completions", PROMPT)
        assert second.holding.wait(PATIENCE_S)
        wait = [clients.submit(post, f"{url}/embeddings", {"input": text}) for text in TEXTS[:8]]
        backend.wait_for_leases(10)
        first.release()
        error = dies.result(PATIENCE_S)
        assert (error.status_code, error.json()["error"]["code"]) == (503, "engine_unavailable")
        second.release()
        assert {each.result(PATIENCE_S).status_code for each in (lives, *wait)} == {200}
    assert sorted(TEXTS[:8]) == embedded(second)


def test_the_process_that_is_silent_is_suspected_alone(
    first: PowerInferServer, second: PowerInferServer, backend: FixedBackend
) -> None:
    first.hold_at = second.hold_at = 0
    with gateway_to(backend, silence_limit_s=0.05) as url, ThreadPoolExecutor(2) as clients:
        one = clients.submit(post, f"{url}/completions", PROMPT)
        assert backend.suspected.get(timeout=PATIENCE_S) == RUNS[0]
        other = clients.submit(post, f"{url}/completions", PROMPT)
        assert second.holding.wait(PATIENCE_S)
        first.release()
        assert one.result(PATIENCE_S).status_code == 200
        while not backend.suspected.empty():
            backend.suspected.get()
        assert backend.suspected.get(timeout=PATIENCE_S) == RUNS[1]
        second.release()
        assert other.result(PATIENCE_S).status_code == 200


ENGINE = Upstream("", speaks_openai=False, model_id="bamboo", model_name="Bamboo")
A, B = Worker("http://a", RUNS[0]), Worker("http://b", RUNS[1])


def test_turns_come_in_order_and_who_leaves_keeps_nobody_waiting() -> None:
    async def play() -> list[str]:
        turns = Turns()
        order: list[str] = []
        leave = asyncio.Event()

        async def work(name: str, *workers: Worker) -> None:
            async with turns.turn(replace(ENGINE, workers=workers)) as process:
                order.append(f"{name}{process.base_url[-1]}")
                await leave.wait()

        async with asyncio.TaskGroup() as group:
            names = [group.create_task(work("1", A, B)), group.create_task(work("2", A))]
            names.append(group.create_task(work("3", A, B)))
            await asyncio.sleep(0)
            names += [group.create_task(work(name, A, B)) for name in "456"]
            await asyncio.sleep(0)
            assert order == ["1a", "3b"]  # the second may have the first process only
            names[3].cancel()
            names[1].cancel()
            await asyncio.sleep(0)
            names[0].cancel()  # who is given its place leaves in the same moment
            await asyncio.sleep(0)
            names[4].cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            leave.set()
        return order

    assert asyncio.run(play()) == ["1a", "3b", "6a"]
