"""What clients see of an OpenAI-speaking engine that refuses, pings, or breaks off."""

from __future__ import annotations

import json

import pytest

from tests.fakes.gateways import gateway_to, post
from tests.fakes.scripted_engine import engine_that_answers

LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
BROKEN = b'{"error":{"message":"Something broke","type":"server_error","code":500}}'
STREAM = "text/event-stream"
PROMPT = {"prompt": "Hi"}


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


def test_a_stream_of_nothing_is_an_error() -> None:
    with engine_that_answers(b"", content_type=STREAM) as engine, gateway_to(engine) as url:
        assert post(f"{url}/completions", PROMPT).status_code == 502
