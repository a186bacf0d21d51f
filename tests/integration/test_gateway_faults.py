"""What clients see of an engine that is busy, dies, answers nonsense, or is asked for nonsense."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

from tests.fakes.gateways import FixedBackend, behind, gateway_to, post
from tests.fakes.powerinfer_server import powerinfer_server, vector_of
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.concurrency import ConcurrencyLimit
from tray_app.gateway.powerinfer.client import Finished, PowerInfer, Sampling
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.system.engine_id import EngineId, RunId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer

PATIENCE_S = 10.0
RUN = RunId(EngineId("second"), 7)
PROMPT = {"prompt": "once upon", "max_tokens": 20}


@pytest.fixture
def engine() -> Iterator[PowerInferServer]:
    with powerinfer_server() as server:
        yield server


@pytest.fixture
def url(engine: PowerInferServer) -> Iterator[str]:
    with gateway_to(behind(engine)) as base_url:
        yield base_url


def error_of(response: requests.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_many_clients_at_once_get_their_own_vectors_one_after_the_other(
    engine: PowerInferServer, url: str
) -> None:
    texts = [f"text number {index}" for index in range(10)]
    serial = {}
    for text in texts:
        norm = math.hypot(*vector_of(text))
        serial[text] = [value / norm for value in vector_of(text)]

    def client(number: int) -> bool:
        """Asks for all texts, beginning with another one than its neighbours; half of them as one list."""
        order = texts[number % 10 :] + texts[: number % 10]
        bodies: list[Any] = [*order[:5], order[5:]]
        with requests.Session() as session:
            answers = [
                session.post(f"{url}/embeddings", json={"input": body}, timeout=60).json()["data"]
                for body in bodies
            ]
        vectors = [item["embedding"] for data in answers for item in data]
        return all(vector == pytest.approx(serial[text]) for text, vector in zip(order, vectors, strict=True))

    with ThreadPoolExecutor(24) as clients:
        assert all(clients.map(client, range(24)))
    assert len(engine.bodies("/embedding")) == 24 * 10
    assert not engine.said_busy.is_set()


@pytest.mark.parametrize(("path", "body"), [("embeddings", {"input": "x"}), ("completions", PROMPT)])
def test_a_busy_engine_is_asked_again_until_it_is_free(
    engine: PowerInferServer, url: str, path: str, body: object
) -> None:
    engine.hold_at = 0
    with ThreadPoolExecutor(2) as clients:
        clients.submit(post, engine.base_url + "/completion", {"prompt": "somebody else", "n_predict": 4})
        assert engine.holding.wait(PATIENCE_S)
        asked = clients.submit(post, f"{url}/{path}", body)
        assert engine.said_busy.wait(PATIENCE_S)
        engine.release()
        assert asked.result(PATIENCE_S).status_code == 200


def test_an_engine_that_stays_busy_is_given_up(engine: PowerInferServer) -> None:
    engine.hold_at = 0

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await PowerInfer(session, lambda _: None, silence_limit_s=10, busy_limit_s=0.05).embed(
                behind(engine), "x"
            )

    with ThreadPoolExecutor(1) as clients:
        clients.submit(post, engine.base_url + "/completion", {"prompt": "somebody else", "n_predict": 4})
        assert engine.holding.wait(PATIENCE_S)
        with pytest.raises(ApiError) as refused:
            asyncio.run(ask())
        engine.release()
    assert (refused.value.status, refused.value.code) == (503, "engine_busy")


def test_who_finds_the_house_full_is_told_when_to_come_back() -> None:
    house = ConcurrencyLimit(places=1)
    with house.slot(), pytest.raises(ApiError) as refused, house.slot():
        pass
    with house.slot():
        pass
    assert refused.value.status == 429
    assert refused.value.retry_after_s


@pytest.mark.parametrize("vector", [[], "x", None])
def test_a_vector_that_is_none_is_an_error_not_an_answer(
    engine: PowerInferServer, url: str, vector: object
) -> None:
    engine.vector = lambda _: vector
    response = post(f"{url}/embeddings", {"input": "x"})
    assert (response.status_code, error_of(response)["code"]) == (502, "engine_answer")


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        ([0.0] * 8, "embedding_all_zeros"),
        ([None] * 8, "embedding_not_finite"),
        ([0.5, None], "embedding_not_finite"),
        ([math.nan] * 8, "embedding_not_finite"),
        ([0.5, -math.inf], "embedding_not_finite"),
    ],
)
@pytest.mark.parametrize("form", ["float", "base64"])
def test_numbers_that_are_none_never_leave_the_gateway(
    engine: PowerInferServer, url: str, vector: list[float], code: str, form: str
) -> None:
    engine.vector = lambda text: vector if text == "zebra" else [0.5, 0.5]
    response = post(f"{url}/embeddings", {"input": ["a dog", "zebra"], "encoding_format": form})
    assert (response.status_code, error_of(response)["code"]) == (502, code)
    assert "index 1" in error_of(response)["message"]
    assert response.headers["x-should-retry"] == "false"


def test_an_engine_that_dies_is_a_reason_to_try_again(engine: PowerInferServer, url: str) -> None:
    engine.die_at = 2
    response = post(f"{url}/completions", PROMPT)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert error_of(response)["code"] == "engine_unavailable"
    assert post(f"{url}/embeddings", {"input": "x"}).status_code == 503


def test_a_stream_that_breaks_ends_with_an_error_and_without_done(engine: PowerInferServer, url: str) -> None:
    engine.die_at = 2
    events = post(f"{url}/completions", {**PROMPT, "stream": True}).text.split("\n\n")
    assert len(events) == 4
    assert json.loads(events[2].removeprefix("data: "))["error"]["code"] == "engine_unavailable"
    assert events[3] == ""


def test_an_engine_that_says_nothing_is_suspected_until_it_speaks(engine: PowerInferServer) -> None:
    engine.hold_at = 2
    suspected: list[RunId] = []

    def suspect(run: RunId) -> None:
        suspected.append(run)
        if len(suspected) == 2:
            engine.release()

    async def ask() -> list[object]:
        async with aiohttp.ClientSession() as session:
            server = PowerInfer(session, suspect, silence_limit_s=0.05)
            upstream = dataclasses.replace(behind(engine), run=RUN)
            return [piece async for piece in server.generate(upstream, "x", 5, Sampling(0.5), ())]

    assert isinstance(asyncio.run(ask())[-1], Finished)
    assert suspected == [RUN, RUN]


def test_the_gateway_tells_the_engine_room_which_run_is_silent(engine: PowerInferServer) -> None:
    engine.hold_at = 0
    backend = FixedBackend(dataclasses.replace(behind(engine), run=RUN))
    with gateway_to(backend, silence_limit_s=0.05) as url, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(post, f"{url}/completions", PROMPT)
        assert backend.suspected.get(timeout=PATIENCE_S) == RUN
        engine.release()
        assert asked.result(PATIENCE_S).status_code == 200


def test_a_client_that_leaves_a_stream_frees_the_engine(engine: PowerInferServer, url: str) -> None:
    engine.hold_at = 2
    with requests.Session() as session:
        response = session.post(f"{url}/completions", json={**PROMPT, "stream": True}, stream=True)
        assert next(response.iter_lines()).startswith(b"data: ")
        response.close()
    assert engine.client_left.wait(PATIENCE_S)
    engine.hold_at = None
    assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200


def test_a_client_that_hangs_up_before_its_answer_frees_the_engine(
    engine: PowerInferServer, url: str
) -> None:
    engine.hold_at = 2
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        body = json.dumps(PROMPT).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        assert engine.holding.wait(PATIENCE_S)
    assert engine.client_left.wait(PATIENCE_S)


def test_closing_the_gateway_ends_what_is_under_way(engine: PowerInferServer) -> None:
    engine.hold_at = 2
    gateway = Gateway(FixedBackend(behind(engine)), Rules)
    gateway.open(0)
    with ThreadPoolExecutor(1) as clients:
        asked = clients.submit(post, f"{gateway.base_url}/completions", PROMPT)
        assert engine.holding.wait(PATIENCE_S)
        gateway.close()
        assert isinstance(asked.exception(PATIENCE_S), requests.ConnectionError)
    assert engine.client_left.wait(PATIENCE_S)
