"""llama.cpp itself, seen through the gateway."""

from __future__ import annotations

import json
import math
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.gateways import gateway_to, get, post
from tests.fakes.llamacpp import CONTEXT_SIZE, llamacpp
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.upstream import Upstream

CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}


@pytest.fixture(scope="module")
def engine() -> Iterator[Upstream]:
    with llamacpp() as upstream:
        yield upstream


@pytest.fixture
def url(engine: Upstream) -> Iterator[str]:
    with gateway_to(engine) as base_url:
        yield base_url


def test_the_curl_of_the_instructions_gets_a_vector(url: str) -> None:
    response = post(f"{url}/embeddings", {"input": "The quick brown fox jumps over the lazy dog."})
    answer = response.json()
    assert response.status_code == 200
    assert math.hypot(*answer["data"][0]["embedding"]) == pytest.approx(1)
    assert answer["model"] == "tiny"
    assert answer["usage"]["prompt_tokens"] > 1


def test_the_engines_permission_for_every_web_page_is_not_passed_on(url: str) -> None:
    response = post(f"{url}/embeddings", {"input": "x"})
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [("chat/completions", CHAT), ("completions", {"prompt": "Hi", "max_tokens": 4})],
)
def test_any_model_is_accepted_and_echoed_and_the_real_one_named_where_none_is(
    url: str, path: str, body: dict[str, object]
) -> None:
    for model, told in (("", "tiny"), (None, "tiny"), (5, "tiny"), ("gpt-4o-mini", "gpt-4o-mini")):
        assert post(f"{url}/{path}", {**body, "model": model}).json()["model"] == told


def test_with_native_routes_what_is_spelled_as_one_is_the_engines_own(engine: Upstream) -> None:
    body = {"input": "one"}
    with gateway_to(engine, native_routes=True) as url:
        root = url.removesuffix("/v1")
        native = post(f"{root}/embeddings", body).json()
        others = [
            post(f"{root}{path}", body).json() for path in ("/v1/embeddings", "/embeddings/", "//embeddings")
        ]
        props = get(f"{root}/v1/props/")
    assert isinstance(native, list)  # llama.cpp's own shape: arrays in arrays
    assert [len(answer["data"]) for answer in others] == [1, 1, 1]
    assert props.status_code == 200


def test_tokens_are_refused_here_too(url: str) -> None:
    response = post(f"{url}/embeddings", {"input": [[1, 2]]})
    assert response.status_code == 400
    assert "check_embedding_ctx_length=False" in response.json()["error"]["message"]


def test_a_text_that_does_not_fit_is_refused_with_the_numbers(url: str) -> None:
    response = post(f"{url}/embeddings", {"input": "x " * 3 * CONTEXT_SIZE})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert str(CONTEXT_SIZE) in error["message"]


def test_the_engines_refusals_have_the_shape_that_clients_read(url: str) -> None:
    response = post(f"{url}/chat/completions", {**CHAT, "temperature": "hot"})
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert "temperature" in response.json()["error"]["message"]


@pytest.mark.parametrize(("name", "value"), [("echo", True), ("suffix", "and so on"), ("best_of", 2)])
def test_what_the_engine_takes_no_notice_of_is_refused(url: str, name: str, value: object) -> None:
    response = post(f"{url}/completions", {"prompt": "Hi", "max_tokens": 4, name: value})
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)


def test_several_prompts_and_several_answers_come_back(url: str) -> None:
    for body in ({"prompt": ["Hi", "Ho"]}, {"prompt": "Hi", "n": 2}):
        answer = post(f"{url}/completions", {"max_tokens": 4, **body}).json()
        assert [choice["index"] for choice in answer["choices"]] == [0, 1]


def test_a_body_that_is_no_object_is_refused(url: str) -> None:
    assert post(f"{url}/completions", [1]).status_code == 400


VALUES = st.none() | st.booleans() | st.integers(-3, 40) | st.floats() | st.text(max_size=8) | st.just([1])
FIELDS = ("input", "prompt", "messages", "temperature", "stop", "stream", "n", "model", "user", "dimensions")


def test_no_body_makes_the_gateway_fail(url: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from(("embeddings", "completions", "chat/completions")),
        st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
    )
    def attempt(path: str, fields: dict[str, object]) -> None:
        body = {"input": "x", "prompt": "x", **CHAT, **fields}
        assert post(f"{url}/{path}", body).status_code in {200, 400}

    attempt()
    assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200


def test_clients_at_once_get_what_they_would_get_alone(url: str) -> None:
    texts = [f"text number {index}" for index in range(10)]

    def vectors(_: int) -> list[list[float]]:
        answers = [post(f"{url}/embeddings", {"input": text}).json() for text in texts]
        return [answer["data"][0]["embedding"] for answer in answers]

    alone = vectors(0)
    with ThreadPoolExecutor(16) as clients:
        for one in clients.map(vectors, range(16)):
            for got, expected in zip(one, alone, strict=True):
                assert got == pytest.approx(expected, abs=2e-3)  # batches differ in the last digits


def test_each_event_arrives_on_its_own_in_ascii(url: str) -> None:
    body = json.dumps({**CHAT, "max_tokens": 30, "stream": True}).encode()
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, chunks = answer.partition(b"\r\n\r\n")
    assert b"text/event-stream" in head
    lines = chunks.split(b"\r\n")
    events = lines[1:-3:2]  # between their sizes; the last size is 0
    assert len(events) > 10
    assert all(
        event.startswith(b"data: ") and event.endswith(b"\n\n") and event.isascii() for event in events
    )
    assert all(json.loads(event[6:])["model"] == "tiny" for event in events[:-1])
    assert events[-1] == b"data: [DONE]\n\n"


def test_the_settings_temperature_is_for_requests_that_name_none(engine: Upstream) -> None:
    def text(url: str, **temperature: float | None) -> str:
        answer = post(f"{url}/completions", {"prompt": "Hi", "max_tokens": 20, **temperature}).json()
        return str(answer["choices"][0]["text"])

    frozen, boiling = (replace(engine, temperature=degrees) for degrees in (0.0, 2.0))
    with gateway_to(frozen) as cold, gateway_to(boiling) as hot:
        greedy = text(cold)
        assert text(cold, temperature=None) == greedy
        assert text(hot, temperature=0.0) == greedy
        assert text(hot) != greedy
        assert text(cold, temperature=2.0) != greedy


def test_a_model_that_ranks_is_asked_for_no_embedding(engine: Upstream) -> None:
    nowhere = replace(engine, base_url="http://127.0.0.1:9", purpose=Purpose.RERANK)
    with gateway_to(nowhere) as base_url:
        refused = post(f"{base_url}/embeddings", {"input": "Hello"})

    assert refused.status_code == 400  # 503 had it been asked
    error = refused.json()["error"]
    assert (error["param"], error["code"]) == ("model", "model_not_supported")
    assert "is a reranker" in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embeddings", {"input": "hello " * CONTEXT_SIZE}),
        ("completions", {"prompt": "hello " * CONTEXT_SIZE}),
        ("chat/completions", {"messages": [{"role": "user", "content": "hello " * CONTEXT_SIZE}]}),
    ],
)
def test_what_is_too_long_is_told_with_numbers_and_the_setting(
    url: str, path: str, body: dict[str, object]
) -> None:
    refused = post(f"{url}/{path}", body)

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "context_length_exceeded")
    assert f"the context size of {CONTEXT_SIZE}" in error["message"]
    assert "“Context size” (ctx_size)" in error["message"]
