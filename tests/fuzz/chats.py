"""Targets that are APIs asked as chats, Anthropic's messages and OpenAI's responses: requests and answers."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.fakes.gateways import behind, gateway_to
from tests.fakes.played_chats import CALL, EVERYTHING, streamed_chat, whole_chat
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fuzz.gateway import BODY_WORDS, BROKEN_HTTP, JSON_VALUES, played_engine, port_of
from tests.fuzz.harness import Target, edited
from tests.fuzz.wire import REFUSALS, check_error, check_shape, request_line, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.powerinfer_server import PowerInferServer
    from tests.fuzz.gateway import PlayedEngine
    from tests.fuzz.wire import Answer

MESSAGES, COUNT, RESPONSES = "/v1/messages", "/v1/messages/count_tokens", "/v1/responses"
_PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
_CALLED = {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
_FORMAT = {"type": "json_schema", "name": "x", "schema": _SCHEMA}

VALID: dict[str, dict[str, Any]] = {
    MESSAGES: {
        "model": "tiny",
        "max_tokens": 3,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "h", "signature": ""}]},
            {"role": "user", "content": "y"},
        ],
    },
    RESPONSES: {
        "model": "tiny",
        "max_output_tokens": 3,
        "instructions": "s",
        "input": [
            {"role": "user", "content": "x"},
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "y"}]},
            {"role": "user", "content": [{"type": "input_text", "text": "z"}]},
        ],
    },
}
VALID[COUNT] = VALID[MESSAGES]
FIELDS: dict[str, dict[str, Any]] = {
    MESSAGES: {
        "messages": [{"role": "user", "content": [{"type": "image", "source": _PICTURE}, _CALLED]}],
        "system": "s",
        "stream": True,
        "stop_sequences": ["b", ""],
        "temperature": 0.5,
        "top_k": 5,
        "tools": [{"name": "f", "input_schema": _SCHEMA}],
        "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}},
        "mcp_servers": [],
        "metadata": {"user_id": "u"},
    },
    RESPONSES: {
        "input": [
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "1"}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,iV"}]},
        ],
        "stream": True,
        "temperature": 0.5,
        "tools": [{"type": "function", "name": "f", "parameters": _SCHEMA, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": _FORMAT},
        "reasoning": {"effort": "low"},
        "previous_response_id": None,
        "store": True,
        "background": False,
        "metadata": {"a": "b"},
    },
}
FIELDS[COUNT] = FIELDS[MESSAGES]
WORDS = (
    *BODY_WORDS,
    *(b'"stream":true,', b'"content":[', b'"type":"tool_result",', b'"type":"image",', b'"source":{},'),
    *(b'"role":"system",', b'"role":"tool",', b'"input":"x",', b'"input":[[]],', b'"text":null,'),
    *(b'"tool_choice":"required",', b'"tools":[{"type":"web_search"}],', b'"output":5,', b'"\\ud800"'),
)


def _request(path: str, fields: dict[str, Any]) -> bytes:
    return f"POST {path}\n\n{json.dumps({**VALID[path], **fields})}".encode()


def _changed(path: str) -> st.SearchStrategy[bytes]:
    names = st.sampled_from(sorted(FIELDS[path]))
    right = names.map(lambda name: (name, FIELDS[path][name]))
    fields = st.lists(right | st.tuples(names, JSON_VALUES), max_size=4).map(dict)
    return fields.map(partial(_request, path))


REQUESTS = st.one_of(
    *map(_changed, VALID),
    edited([_request(path, fields) for path in VALID for fields in ({}, FIELDS[path])], WORDS),
)


@contextmanager
def requests_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway before an engine that speaks OpenAI, and one before a PowerInfer server."""
    with (
        played_engine() as (engine, upstream),
        powerinfer_server() as server,
        gateway_to(upstream) as url,
        gateway_to(behind(server)) as translated,
    ):
        yield partial(check_request, (port_of(url), port_of(translated)), engine, server)


def check_request(
    ports: tuple[int, ...], engine: PlayedEngine, server: PowerInferServer, data: bytes
) -> None:
    """A success or a refusal in the form of the API that is asked, and never nonsense for an engine."""
    engine.nonsense.clear()
    server.seen.clear()
    for port in ports:
        answer = send(port, data)
        path = request_line(data)[1]
        if not path.startswith((MESSAGES, RESPONSES)):
            check_shape(answer, frozenset((200, 204)))
        elif answer.status in REFUSALS:
            check_refusal(path, answer)
        else:
            assert answer.status in (200, 204), answer
            check_success(answer)
    assert not engine.nonsense
    assert not server.dead.is_set()
    assert not server.hung


def check_refusal(path: str, answer: Answer) -> None:
    """An error in the form of the API at this path."""
    told = json.loads(answer.body or b"{}")
    if told.get("type") != "error" and (path not in (MESSAGES, COUNT) or answer.status in BROKEN_HTTP):
        check_error(answer)
    elif answer.body:  # nothing to HEAD
        assert told["type"] == "error", answer
        assert isinstance(told["error"]["type"], str)
        assert told["error"]["message"]


def check_success(answer: Answer) -> None:
    """JSON, or a stream of named events each of which is JSON."""
    if answer.content_type == "text/event-stream":
        for event in filter(None, answer.body.split(b"\n\n")):
            found = re.fullmatch(rb"event: ([a-z_.]+)\ndata: ([\x20-\x7e]+)", event)
            assert found, event
            assert json.loads(found[2])["type"] == found[1].decode()
    elif answer.body:
        assert isinstance(json.loads(answer.body), dict)


# Answers of engines: the content type on the first line, then the body.

ANSWERS = (
    b"text/event-stream\n" + streamed_chat(*EVERYTHING, finish="tool_calls"),
    b"text/event-stream\n" + streamed_chat({"content": "a"}, finish="length"),
    b"text/event-stream\n" + streamed_chat({"content": "a"}, finish=None, done=False),
    b"application/json\n" + whole_chat({"content": "a", "reasoning_content": "b", "tool_calls": [CALL]}),
    b'application/json\n{"choices":[],"usage":null,"timings":{"prompt_n":-1},"__verbose":{}}',
)
ANSWER_WORDS = (
    *(b"null", b"[]", b"{}", b"1e999", b"9" * 400, b"\\ud800", b"\xff", b'"', b"{", b"}", b"\n\n", b"data: "),
    *(b'"index":5,', b'"index":-1,', b'"arguments":5', b'"content":[]', b'"finish_reason":"length",'),
    *(b'"usage":{"prompt_tokens":-1},', b'"stop_reason":5,', b'"error":{"message":"no"},', b"[DONE]"),
)


@contextmanager
def answers_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway before an engine that answers what it is told to."""
    with played_engine() as (engine, upstream), gateway_to(upstream) as url:
        yield partial(check_answer, port_of(url), engine)


def check_answer(port: int, engine: PlayedEngine, data: bytes) -> None:
    """Whatever an engine answers, a client gets what it can read, and never a failure of ours."""
    content_type, _, body = data.partition(b"\n")
    is_stream = content_type != b"application/json"
    engine.answer = 200, "text/event-stream" if is_stream else "application/json", body
    for path in (MESSAGES, RESPONSES):
        answer = send(port, _request(path, {"stream": is_stream}))
        if answer.status == 200:
            check_success(answer)
        else:
            assert answer.status in (502, 503) or 400 <= answer.status < 500, answer
            check_refusal(path, answer)


TARGETS = (
    Target("chats", REQUESTS, requests_ready, 250),
    Target("chat-answers", edited(ANSWERS, ANSWER_WORDS), answers_ready, 100),
)
