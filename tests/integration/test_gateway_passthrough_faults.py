"""What clients see of an OpenAI-speaking engine that refuses, pings, or breaks off."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.fakes.gateways import gateway_to, get, post
from tests.fakes.relay import relay
from tests.fakes.remote_server import KEY, remote_server
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.gateway.limits import SLICE_BYTES
from tray_app.gateway.openai import as_base64
from tray_app.gateway.upstream import Upstream

LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
BROKEN = b'{"error":{"message":"Something broke","type":"server_error","code":500}}'
STREAM = "text/event-stream"
PROMPT = {"prompt": "Hi"}
VECTOR = b'{"data":[{"index":0,"embedding":[0.6,0.8]}],"usage":{"prompt_tokens":2,"total_tokens":2}}'


def test_an_engine_that_still_loads_is_asked_again_later() -> None:
    with engine_that_answers(LOADING, status=503) as engine, gateway_to(engine) as url:
        response = post(f"{url}/completions", PROMPT)
    assert (response.status_code, response.json()["error"]["message"]) == (503, "Loading model")
    assert int(response.headers["Retry-After"]) > 0


def test_a_failure_of_the_engine_is_not_called_ours() -> None:
    with engine_that_answers(BROKEN, status=500) as engine, gateway_to(engine) as url:
        response = post(f"{url}/completions", PROMPT)
    assert (response.status_code, response.json()["error"]["message"]) == (502, "Something broke")


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("body", [b"", b"<html>File Not Found</html>", b"[]"])
def test_an_answer_that_makes_no_sense_is_an_error(status: int, body: bytes) -> None:
    with engine_that_answers(body, status=status) as engine, gateway_to(engine) as url:
        response = post(f"{url}/completions", PROMPT)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "engine_answer")


def test_an_answer_that_breaks_off_is_a_reason_to_try_again() -> None:
    with engine_that_answers(b'{"object":', missing_bytes=9) as engine, gateway_to(engine) as url:
        assert post(f"{url}/completions", PROMPT).status_code == 503


def test_a_kept_connection_that_the_engine_ends_is_not_the_clients_trouble() -> None:
    with engine_that_answers(VECTOR, hangs_up_on_second=True) as engine, gateway_to(engine) as url:
        answers = [post(f"{url}/embeddings", {"input": "x"}).status_code for _ in range(5)]
    assert answers == [200] * 5


def test_a_large_body_takes_no_thread_of_the_engine_after_its_answer() -> None:
    with engine_that_answers(VECTOR) as engine, relay(urlsplit(engine.base_url).port) as between:
        there = replace(engine, context_size=0, base_url=f"http://127.0.0.1:{between.port}")
        with gateway_to(there) as url:
            sizes = (1, 2 * SLICE_BYTES)
            assert [post(f"{url}/embeddings", {"input": "x" * size}).status_code for size in sizes] == [
                200
            ] * 2
    small, large = (sent.lower().partition(b"\r\n\r\n")[0] for sent in between.from_clients)
    assert (b"connection: keep-alive" in small, b"connection: close" in large) == (True, True)


@pytest.mark.parametrize(("wanted", "status"), [(2, 200), (3, 400), (0, 400), ("2", 400)])
@pytest.mark.parametrize("vector", [[0.6, 0.8], as_base64([0.6, 0.8])])
def test_only_the_native_number_of_dimensions_is_given(wanted: object, status: int, vector: object) -> None:
    body = json.dumps({"data": [{"index": 0, "embedding": vector}]}).encode()
    with engine_that_answers(body) as engine, gateway_to(engine) as url:
        response = post(f"{url}/embeddings", {"input": "x", "dimensions": wanted})
    assert response.status_code == status, response.text
    if status == 400:
        assert response.json()["error"]["param"] == "dimensions"


def test_a_remote_servers_refusal_of_our_key_is_not_blamed_on_the_clients() -> None:
    body = b'{"error":{"message":"Incorrect API key","type":"auth"}}'
    with engine_that_answers(body, status=401) as engine, gateway_to(engine) as url:
        response = post(f"{url}/embeddings", {"input": "x"})
    assert (response.status_code, "Incorrect API key" in response.text) == (502, True)


def test_a_remote_server_is_asked_with_its_key_at_its_address_for_its_own_model() -> None:
    with remote_server("/api") as remote:
        base_url = remote.url.removesuffix("/api")
        upstream = Upstream(
            base_url,
            speaks_openai=True,
            model_id="llama3-8b",
            model_name="llama3:8b",
            api_path="/api",
            models=("llama3:8b", "embedder"),
            key=KEY,
        )
        with gateway_to(upstream, native_routes=True) as url:
            offered = [card["id"] for card in get(f"{url}/models").json()["data"]]
            told = [
                post(f"{url}/embeddings", {"input": "x", "model": model, "dimensions": 2}).json()["model"]
                for model in ("", "embedder", "llama3-8b", "gpt-9")
            ]
            native = post(url.replace("/v1", "/tokenize"), {"content": "x"}).status_code
            read = get(url.replace("/v1", "/props")).status_code
    assert offered == ["llama3-8b", "embedder"]
    assert told == ["llama3-8b", "embedder", "llama3-8b", "gpt-9"]
    assert [body["model"] for _, body in remote.seen] == ["llama3:8b", "embedder", "llama3:8b", "llama3:8b"]
    assert {path for path, _ in remote.seen} == {"/api/embeddings"}
    assert {body["dimensions"] for _, body in remote.seen} == {2}
    assert (native, read) == (404, 404)


def test_pings_are_left_out_and_letters_escaped() -> None:
    stream = (
        ': ping\n\ndata: {"text":"é 🦊","model":"/home/me/x.gguf"}\n\n: ping\n\ndata: [DONE]\n\n'.encode()
    )
    with engine_that_answers(stream, content_type=STREAM) as engine, gateway_to(engine) as url:
        event, done, nothing = post(f"{url}/completions", PROMPT).content.split(b"\n\n")
    assert event == rb'data: {"text":"\u00e9 \ud83e\udd8a","model":"tiny"}'
    assert (done, nothing) == (b"data: [DONE]", b"")


def test_a_stream_that_breaks_off_ends_with_an_error() -> None:
    stream = b'data: {"text":"a"}\n\ndata: {"te'
    with (
        engine_that_answers(stream, content_type=STREAM, missing_bytes=9) as engine,
        gateway_to(engine) as url,
    ):
        first, error, nothing = post(f"{url}/completions", PROMPT).content.split(b"\n\n")
    assert json.loads(first[6:])["text"] == "a"
    assert json.loads(error[6:])["error"]["code"] == "engine_unavailable"
    assert nothing == b""


def counted(url: str, *names: str) -> list[int]:
    """What the gateway has counted so far."""
    lines = get(url.replace("/v1", "/metrics")).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines)
    return [int(values[f"powerinfer_tray_{name}_total"]) for name in names]


def test_an_error_of_the_engine_within_a_stream_has_the_shape_that_clients_read() -> None:
    stream = b'data: {"text":"a"}\n\ndata: ' + BROKEN + b"\n\n"
    with engine_that_answers(stream, content_type=STREAM) as engine, gateway_to(engine, metrics=True) as url:
        _, error, nothing = post(f"{url}/completions", PROMPT).content.split(b"\n\n")
        assert counted(url, "request_errors", "completion_tokens") == [1, 1]
    assert json.loads(error[6:])["error"] == {
        "message": "Something broke", "type": "server_error", "param": None, "code": None
    }  # fmt: skip
    assert nothing == b""


def test_usage_that_is_told_with_each_event_is_counted_once() -> None:
    told = (None, *({"prompt_tokens": 7, "completion_tokens": made} for made in (1, 2, 3)))
    stream = b"".join(b"data: %s\n\n" % json.dumps({"text": "a", "usage": one}).encode() for one in told)
    with engine_that_answers(stream, content_type=STREAM) as engine, gateway_to(engine, metrics=True) as url:
        assert post(f"{url}/completions", PROMPT).status_code == 200
        assert counted(url, "prompt_tokens", "completion_tokens") == [7, 3]


@pytest.mark.parametrize("usage", ["null", "{}", '{"prompt_tokens":null}', '"none"', '{"prompt_tokens":"2"}'])
def test_an_answer_is_good_whatever_its_usage_says(usage: str) -> None:
    body = f'{{"data":[{{"index":0,"embedding":[0.6,0.8]}}],"usage":{usage}}}'.encode()
    with engine_that_answers(body) as engine, gateway_to(engine) as url:
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200


def test_nothing_is_sent_on_to_where_a_remote_server_points() -> None:
    with (
        engine_that_answers(VECTOR) as other,
        engine_that_answers(b"{}", status=307, location=f"{other.base_url}/v1/embeddings") as engine,
        gateway_to(engine) as url,
    ):
        response = post(f"{url}/embeddings", {"input": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (502, "engine_answer")


def test_a_stream_of_nothing_is_an_error() -> None:
    with engine_that_answers(b"", content_type=STREAM) as engine, gateway_to(engine) as url:
        assert post(f"{url}/completions", PROMPT).status_code == 502
