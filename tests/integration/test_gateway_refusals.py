"""Whose fault a refusal is: what the client did wrong is 400 with the reason; 502 is left for the engine."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateways import gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.remote_server import KEY, NAMES, remote_server
from tests.fakes.scripted_engine import engine_that_answers
from tests.fakes.tiny_models import write_bert
from tray_app.gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.remote_server import RemoteServer

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
# One that knows tools: for those that do not, llama.cpp takes no notice of what is called with what.
TEMPLATE = (
    "{%- if tools %}<|im_start|>system\n<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}</tools>\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>\n'
    "{%- endif %}{%- for m in messages %}{%- if m.role == 'nobody' %}"
    "{{ raise_exception('Nobody may speak') }}{%- endif %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{%- if m.tool_calls %}{%- for c in m.tool_calls %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>'
    "{%- endfor %}{%- endif %}<|im_end|>\n{%- endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}"
)


def part(kind: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": kind, kind: {"url": "data:;base64,AA", "data": "AA"}}]}]


def called(call: object) -> dict[str, Any]:
    return {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [call]}], "tools": [TOOL]}


def with_arguments(arguments: object) -> dict[str, Any]:
    return called({"id": "1", "type": "function", "function": {"name": "look", "arguments": arguments}})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with llamacpp(chat_template=TEMPLATE) as engine, gateway_to(engine, native_routes=True) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def encoder_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = write_bert(tmp_path_factory.mktemp("models") / "encoder.gguf")
    with llamacpp(model, pooling="mean", context_size=256) as engine, gateway_to(engine) as base_url:
        yield base_url


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"messages": part("image_url")}, "messages", "reads only text"),
        ({"messages": part("input_audio")}, "messages", "does not support sound or video"),
        ({"messages": part("video_url")}, "messages", "does not support sound or video"),
        ({"messages": [{"content": "Hi"}]}, "messages", "messages[0] is missing 'role'"),
        ({"messages": [USER, {"role": 5, "content": "x"}]}, "messages", "messages[1].role must be a string"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages", "'text'"),
        (
            {"messages": [{**USER, "name": 5}]},
            "messages",
            "messages[0].name must be a string, but is a number",
        ),
        ({"messages": []}, "messages", "at least one message"),
        ({"messages": None}, "messages", "required"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, None, "Nobody may speak"),
        (called({"id": "1", "function": {"name": "look"}}), "messages", "is missing 'type'"),
        (called({"type": "function"}), "messages", "is missing 'function'"),
        (called(5), "messages", "must be an object"),
        (with_arguments(""), "messages", "tool_calls[0].function.arguments must be"),
        (with_arguments("{"), "messages", "tool_calls[0].function.arguments must be"),
        ({"tools": [{"type": "custom", "name": "x"}]}, "tools", "tools[0].type is 'custom'"),
        ({"tools": [{"type": "", "function": {"name": "x"}}]}, "tools", "tools[0].type is ''"),
        ({"tools": [TOOL, {"type": "web_search"}]}, "tools", "tools[1].type is 'web_search'"),
        ({"tools": [{"type": "function", "name": "x"}]}, "tools", "tools[0] is missing 'function'"),
        ({"tools": {"a": TOOL}}, "tools", "must be a list"),
        ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools", "name must be a string"),
        ({"reasoning_format": "x"}, "reasoning_format", "Unknown reasoning format"),
        ({"grammar": "x", "json_schema": {}}, "json_schema", "Cannot use both"),
        ({"grammar": "no grammar"}, "grammar", "grammar"),
        ({"n": 5}, "n", "from 1 to 4, but is 5"),
        ({"temperature": "hot"}, "temperature", "must be number"),
    ],
)
def test_what_is_wrong_with_a_chat_is_the_clients_fault(
    url: str, body: dict[str, Any], param: str | None, words: str, stream: bool
) -> None:
    response = post(
        f"{url}/chat/completions", {"messages": [USER], "max_tokens": 2, "stream": stream, **body}
    )
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert words in error["message"]
    assert "json.exception" not in error["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("chat/completions", {"messages": [USER]}), ("completions", {"prompt": "Hi"})],
)
def test_an_encoder_says_that_it_cannot_write(encoder_url: str, path: str, body: dict[str, Any]) -> None:
    for more in ({}, {"stream": True}, {"n": 2}):
        response = post(f"{encoder_url}/{path}", {**body, **more})
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "unsupported_model")
        assert "/v1/embeddings" in error["message"]
    assert post(f"{encoder_url}/embeddings", {"input": "Hi"}).status_code == 200


def test_what_the_engines_own_routes_cannot_read_is_the_clients_fault_too(url: str) -> None:
    tokens = post(url.replace("/v1", "/detokenize"), {"tokens": [99999]})
    messages = post(url.replace("/v1", "/apply-template"), {"messages": [{"content": "x"}]})
    prompt = post(url.replace("/v1", "/completion"), {"prompt": "fox " * 600})
    assert [one.status_code for one in (tokens, messages, prompt)] == [400] * 3
    assert prompt.json()["error"]["code"] == "context_length_exceeded"


def test_options_that_nobody_has_set_count_as_absent(url: str) -> None:
    message = {**USER, "name": None, "tool_calls": None, "tool_call_id": None, "reasoning_content": None}
    tool = {"type": "function", "function": {"name": "look", "description": None, "parameters": None}}
    body = {
        "messages": [{**message, "content": "null"}],
        "tools": [tool],
        "response_format": {"type": "text", "schema": None},
        **dict.fromkeys(("n", "stop", "reasoning_format", "grammar", "stream", "temperature", "logit_bias")),
    }
    assert post(f"{url}/chat/completions", {**body, "max_tokens": 2}).status_code == 200
    assert post(f"{url}/embeddings", {"input": "x", "encoding_format": None}).status_code == 200


@pytest.mark.parametrize("stop", ["", [""], []])
def test_an_empty_stop_text_stops_nothing(url: str, stop: object) -> None:
    body = {"messages": [USER], "max_tokens": 3, "stop": stop, "logit_bias": {"2": -100}}
    answer = post(f"{url}/chat/completions", body).json()
    assert answer["usage"]["completion_tokens"] == 3
    assert answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    "reason",
    ["Something broke", "Compute error.", "Invalid input batch.", "failed to process speculative batch"],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": [USER]}),
        ("completions", {"prompt": "x"}),
        ("embeddings", {"input": "x"}),
    ],
)
def test_what_the_engine_cannot_do_for_anybody_is_its_own_fault(
    path: str, body: dict[str, Any], reason: str
) -> None:
    answer = json.dumps({"error": {"code": 500, "message": reason, "type": "server_error"}}).encode()
    with engine_that_answers(answer, status=500) as engine, gateway_to(engine) as url:
        response = post(f"{url}/{path}", body)
    assert (response.status_code, response.json()["error"]["message"]) == (502, reason)


def test_a_context_that_others_have_filled_is_a_reason_to_try_again() -> None:
    answer = b'{"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}}'
    with engine_that_answers(answer, status=500) as engine, gateway_to(engine) as url:
        response = post(f"{url}/completions", {"prompt": "x"})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")


@pytest.fixture
def remote() -> Iterator[RemoteServer]:
    with remote_server() as server:
        yield server


@pytest.fixture
def remote_url(remote: RemoteServer) -> Iterator[str]:
    base_url = remote.url.removesuffix("/v1")
    upstream = Upstream(base_url, True, "llama3-8b", NAMES[0], models=NAMES, key=KEY)
    with gateway_to(upstream) as url:
        yield url


REASONS = [
    ('{"error": "context length exceeded"}', "context length exceeded", None),
    ('{"error": {"message": "no such thing", "param": "model", "code": "x"}}', "no such thing", "model"),
    ('{"detail": "Not Found"}', "Not Found", None),
    ('{"detail": [{"loc": ["body", "input"], "msg": "required"}]}', "input: required", "input"),
    ('{"detail": {"error": "busy"}}', "busy", None),
    ('{"object": "error", "message": "too long", "param": null, "code": 400}', "too long", None),
    ('[{"error": {"code": 400, "message": "API key not valid"}}]', "API key not valid", None),
    ("<html>Payload Too Large</html>", "The remote server answered with status ", None),
    ("", "The remote server answered with status ", None),
]


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429])
@pytest.mark.parametrize(("body", "reason", "param"), REASONS)
def test_a_remote_servers_refusal_keeps_its_status_and_its_reason(
    remote: RemoteServer, remote_url: str, status: int, body: str, reason: str, param: str | None
) -> None:
    remote.refusal, remote.retry_after = (status, body), "7"
    for path, asked in (("embeddings", {"input": "x"}), ("chat/completions", {"messages": [USER]})):
        response = post(f"{remote_url}/{path}", asked)
        error = response.json()["error"]
        assert (response.status_code, response.headers["Retry-After"]) == (status, "7")
        assert error["message"].startswith(reason)
        assert error["param"] == param


@pytest.mark.parametrize(("status", "told"), [(500, 502), (501, 502), (504, 502), (503, 503), (200, 502)])
def test_a_remote_servers_failure_keeps_its_reason(
    remote: RemoteServer, remote_url: str, status: int, told: int
) -> None:
    remote.refusal = status, '{"error": "Unexpected endpoint or method. (POST /v1/x)"}'
    for path, asked in (("embeddings", {"input": "x"}), ("chat/completions", {"messages": [USER]})):
        response = post(f"{remote_url}/{path}", asked)
        assert response.status_code == told
        assert response.json()["error"]["message"] == "Unexpected endpoint or method. (POST /v1/x)"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("30", "30"),
        ("1.5", "2"),
        ("0", "0"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "0"),
        ("soon", "2"),
        ("nan", "2"),
    ],
)
def test_when_a_remote_server_wants_to_be_asked_again_is_told(
    remote: RemoteServer, remote_url: str, said: str, told: str
) -> None:
    remote.refusal, remote.retry_after = (503, '{"error": "busy"}'), said
    assert post(f"{remote_url}/embeddings", {"input": "x"}).headers["Retry-After"] == told


def test_a_date_when_a_remote_server_wants_to_be_asked_again_is_told_in_seconds(
    remote: RemoteServer, remote_url: str
) -> None:
    in_an_hour = f"{datetime.now(UTC) + timedelta(hours=1):%a, %d %b %Y %H:%M:%S} GMT"
    remote.refusal, remote.retry_after = (503, '{"error": "busy"}'), in_an_hour
    seconds = post(f"{remote_url}/embeddings", {"input": "x"}).headers["Retry-After"]
    assert 3500 < int(seconds) <= 3600


@pytest.mark.parametrize("end", ["data: [DONE]", "data: [DONE]\n", ": bye\n\ndata: [DONE]\r\n\r\n"])
@pytest.mark.parametrize(
    "alive", [": ping\n\n", "data:\n\n", "event: keep-alive\ndata: \n\n", "\n\n", "data: null\n\n"]
)
def test_a_remote_stream_may_keep_itself_alive_and_end_without_a_newline(alive: str, end: str) -> None:
    stream = f'{alive}data: {{"choices":[{{"index":0,"text":"a"}}]}}\n\n{alive}{end}'.encode()
    with (
        engine_that_answers(stream, content_type="text/event-stream") as engine,
        gateway_to(engine) as url,
    ):
        events = post(f"{url}/completions", {"prompt": "x", "stream": True}).content.split(b"\n\n")
    assert json.loads(events[0].removeprefix(b"data: "))["choices"] == [{"index": 0, "text": "a"}]
    assert events[1:] == [b"data: [DONE]", b""]
