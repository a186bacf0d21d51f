"""Targets that are the gateway: requests in both dialects, answers of engines, who may ask.

Everything runs in this process: a real gateway, real connections, and engines that are played.
"""

from __future__ import annotations

import ipaddress
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hypothesis import strategies as st

from tests.fakes.gateways import FixedBackend, behind, gateway_to
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fuzz.harness import Target, edited
from tests.fuzz.wire import (
    REFUSALS,
    check_error,
    check_shape,
    check_success,
    headers_of,
    request_line,
    send,
)
from tray_app.gateway.upstream import Upstream
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.powerinfer_server import PowerInferServer
    from tray_app.gateway.upstream import Unavailable


# Requests of clients.

VALID: dict[str, Any] = {
    "model": "tiny",
    "input": "x",
    "prompt": "x",
    "content": "x",
    "query": "x",
    "documents": ["x", {"text": "y"}],
    "messages": [{"role": "user", "content": "x"}],
    "max_tokens": 5,
}
FIELDS = (
    *("input", "encoding_format", "dimensions", "prompt", "messages", "temperature", "top_p", "n"),
    *("stop", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "stream"),
    *("logprobs", "stream_options", "model", "user", "grammar", "system_prompt", "n_predict", "content"),
    *("response_format", "tools", "echo", "suffix", "best_of", "logit_bias", "cache_prompt"),
    *("image_data", "id_slot", "seed", "tool_choice", "functions", "function_call"),
    *("query", "documents", "texts", "top_n", "return_documents", "return_text", "input_type"),
)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["float", "base64"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", ""]) | st.text(max_size=8), inner, max_size=3
        )
    ),
    max_leaves=6,
)
PATHS = st.sampled_from(
    [
        *("/v1/embeddings", "/v1/completions", "/v1/chat/completions"),
        *("/v1/rerank", "/v2/rerank", "/rerank"),
        *("/completion", "/embedding", "/tokenize", "/embeddings", "/completions", "/chat/completions"),
    ]
)
BODIES = [
    b"POST /v1/embeddings\n\n" + json.dumps({"model": "m", "input": ["a", "b"], "dimensions": 8}).encode(),
    b"POST /v1/completions\n\n"
    + json.dumps({"prompt": "a", "max_tokens": 5, "stop": ["b"], "stream": True}).encode(),
    b"POST /v1/chat/completions\n\n" + json.dumps({"messages": VALID["messages"], "stream": True}).encode(),
    b"POST /v1/chat/completions\n\n"
    + json.dumps({"messages": VALID["messages"], "tools": [TOOL], "tool_choice": TOOL}).encode(),
    b"POST /v1/chat/completions\n\n"
    + json.dumps(
        {
            "messages": [
                {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "x"},
            ],
            "functions": [TOOL["function"]],
            "function_call": {"name": "f"},
        }
    ).encode(),
    b"POST /completion\n\n" + json.dumps({"prompt": "a", "n_predict": 5, "temperature": 0.5}).encode(),
    b"POST /tokenize\n\n" + json.dumps({"content": "a"}).encode(),
    b"POST /v1/rerank\n\n"
    + json.dumps({"query": "a", "documents": ["b", {"text": "c"}], "top_n": 1}).encode(),
    b"POST /v2/rerank\n\n"
    + json.dumps({"query": "a", "documents": ["b"], "return_documents": True}).encode(),
    b"POST /rerank\n\n" + json.dumps({"query": {"text": "a"}, "texts": ["b"], "return_text": True}).encode(),
    b"GET /\nAccept: text/html\n\n",
    b"POST /v1/audio/speech\n\n{}",
    b"GET /v1/models\n\n",
    b"GET /v1/models/tiny\n\n",
    b"GET /health\n\n",
    b"OPTIONS /v1/chat/completions\nOrigin: http://localhost:3000\nAccess-Control-Request-Method: POST\n\n",
    b"POST /v1/embeddings\nContent-Type: text/plain\nContent-Encoding: gzip\n\n{}",
]
BODY_WORDS = (
    *(b"null", b"true", b"1e999", b"-1", b"9" * 400, b"NaN", b"\\ud800", b"\\u0000", b"\xff"),
    *(b"\xed\xa0\x80", b"[" * 2000, b'{"a":' * 1000, b'"', b"{", b"}", b"[", b"]", b",", b":", b"\n\n"),
    *(b"\n", b"GET /", b"//", b"/v1", b"/../", b"%2e%2e", b"%00", b"?", b"#", b"\xef\xbb\xbf"),
    *(b'"stream":true,', b'"n":2,', b'"tools":[{}],', b'"functions":[{}],', b"Accept-Encoding: gzip\n"),
    *(b"Content-Encoding: deflate\n", b"Host: evil.example\n", b"Authorization: Bearer x\n"),
)


def _request(path: str, fields: dict[str, Any]) -> bytes:
    return f"POST {path}\n\n{json.dumps({**VALID, **fields})}".encode()


REQUESTS = st.one_of(
    st.builds(_request, PATHS, st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=4)),
    st.builds(lambda path, value: f"POST {path}\n\n{json.dumps(value)}".encode(), PATHS, JSON_VALUES),
    st.builds(lambda path, body: f"POST {path}\n\n".encode() + body, PATHS, st.binary(max_size=40)),
    edited(BODIES, BODY_WORDS),
)


class PlayedEngine:
    """An engine that speaks OpenAI and answers all that it is asked with `answer`, or what is right."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, bytes] | None = None
        self.nonsense: list[bytes] = []
        """What it was sent and is no JSON object in UTF-8: the gateway may pass on nothing else."""
        self.last = b""
        """The body that it was sent last."""

    def reply(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """The status, the content type and the body of its answer."""
        self.last = body
        try:
            asked = json.loads(body.decode())
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            self.nonsense.append(body)
            return 500, "application/json", b"{}"
        if self.answer:
            return self.answer
        if asked.get("stream") is True:
            return 200, "text/event-stream", b'data: {"choices":[{"index":0,"text":"a"}]}\n\ndata: [DONE]\n\n'
        return 200, "application/json", self._right(path, asked)

    def _right(self, path: str, asked: dict[str, Any]) -> bytes:
        if path.lstrip("/").startswith("embedding"):  # llama.cpp's own route
            return b'[{"index":0,"embedding":[[0.6,0.8]]}]'
        if path == "/v1/rerank":
            ranks = [{"index": index, "relevance_score": 0.5} for index in range(len(asked["documents"]))]
            return json.dumps({"results": ranks}).encode()
        vectors = [{"index": 0, "object": "embedding", "embedding": [0.6, 0.8]}]
        own = {
            "/embedding": vectors,
            "/embeddings": vectors,
            "/apply-template": {"prompt": json.dumps(asked)},
        }
        if path in own:  # llama.cpp's own form
            return json.dumps(own[path]).encode()
        whole = {
            "object": "list",
            "data": vectors,
            "choices": [],
            "input_tokens": 1,
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        return json.dumps(whole).encode()


@contextmanager
def played_engine() -> Iterator[tuple[PlayedEngine, Upstream]]:
    """The engine on a port, until the end of the block."""
    engine = PlayedEngine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, content_type, body = engine.reply(
                self.path, self.rfile.read(int(self.headers["Content-Length"]))
            )
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="played engine")
        thread.start()
        try:
            yield (
                engine,
                Upstream(
                    base_url=f"http://127.0.0.1:{server.server_port}",
                    speaks_openai=True,
                    model_id="tiny",
                    model_name="Tiny",
                    context_size=512,
                ),
            )
        finally:
            server.shutdown()
            thread.join()


class _Several(FixedBackend):
    """The same engine with a model of each kind: that which is wanted."""

    def look(self, asked: str = "", task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        found = super().look(asked, task)
        return replace(found, purpose=task) if isinstance(found, Upstream) else found


def port_of(url: str) -> int:
    """The port of a base URL."""
    port = urlsplit(url).port
    assert port
    return port


@contextmanager
def openai_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway before an engine that speaks OpenAI."""
    with (
        played_engine() as (engine, upstream),
        gateway_to(_Several(upstream), native_routes=True) as url,
    ):
        yield partial(check_request, port_of(url), engine)


def check_request(port: int, engine: PlayedEngine, data: bytes) -> None:
    """A success or a refusal in OpenAI's shape, and never nonsense for the engine."""
    engine.nonsense.clear()
    answer = send(port, data)
    check_shape(answer, frozenset((200, 204)))
    check_success(answer)
    assert not engine.nonsense


@contextmanager
def powerinfer_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway before a PowerInfer server, which dies of what it does not expect."""
    with powerinfer_server() as server, gateway_to(behind(server), native_routes=True) as url:
        yield partial(check_translated, port_of(url), server)


def check_translated(port: int, server: PowerInferServer, data: bytes) -> None:
    """A success or a refusal in OpenAI's shape, and typed values of known fields for the server."""
    server.seen.clear()
    answer = send(port, data)
    check_shape(answer, frozenset((200, 204)))
    check_success(answer)
    assert not server.dead.is_set()
    assert not server.hung
    for path, sent in server.seen:
        if path == "/completion":
            assert isinstance(sent.pop("prompt"), str)
            assert sent.pop("stream") is True
            assert isinstance(sent.pop("n_predict"), int)
            assert set(sent) <= {"temperature", "top_p", "presence_penalty", "frequency_penalty"}
            assert all(isinstance(value, float) for value in sent.values())
        else:
            assert set(sent) == {"content"}
            assert isinstance(sent["content"], str)


# Requests of Ollama's API, on both kinds of engine.

OLLAMA_PATHS = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show", "/api/pull")
OLLAMA_VALID: dict[str, Any] = {
    "model": "tiny:latest",
    "messages": [
        {"role": "user", "content": "x", "images": ["iVBORw0KGgo="]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_name": "f", "content": "1"},
    ],
    "prompt": "x",
    "input": ["x"],
    "options": {"num_predict": 3, "top_k": 4.0, "stop": ["b"]},
}
OLLAMA_FIELDS = (
    *("model", "name", "messages", "prompt", "input", "options", "stream", "format", "think", "keep_alive"),
    *("images", "system", "raw", "suffix", "template", "context", "tools", "logprobs", "top_logprobs"),
    *("truncate", "dimensions"),
)
OLLAMA_VALUES = JSON_VALUES | st.dictionaries(
    st.sampled_from(["num_predict", "seed", "stop", "temperature", "mirostat", "role", "images", "function"]),
    JSON_VALUES,
    max_size=3,
)
OLLAMA_WORDS = (
    *BODY_WORDS,
    *(b'"stream":false,', b'"raw":true,', b'"think":"low",', b'"format":"json",', b'"format":{},'),
    *(b'"keep_alive":0,', b'"images":[1],', b'"images":["data:"],', b'"arguments":"{",', b'"messages":[],'),
    *(b":latest", b"/api/", b'"tool_calls":[{}],', b'"options":{"seed":9e300},'),
)


def _ollama(path: str, fields: dict[str, Any]) -> bytes:
    return f"POST {path}\n\n{json.dumps({**OLLAMA_VALID, **fields})}".encode()


OLLAMA_REQUESTS = st.one_of(
    st.builds(
        _ollama,
        st.sampled_from(OLLAMA_PATHS),
        st.dictionaries(st.sampled_from(OLLAMA_FIELDS), OLLAMA_VALUES, max_size=4),
    ),
    edited(
        [
            *(_ollama(path, {}) for path in OLLAMA_PATHS),
            *(f"{method}\n\n".encode() for method in ("GET /api/tags", "GET /api/ps", "DELETE /api/delete")),
        ],
        OLLAMA_WORDS,
    ),
)


@contextmanager
def ollama_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway before an engine that speaks OpenAI, and one before a PowerInfer server."""
    with (
        played_engine() as (engine, upstream),
        powerinfer_server() as server,
        gateway_to(upstream) as url,
        gateway_to(behind(server)) as translated,
    ):
        yield partial(check_ollama, (port_of(url), port_of(translated)), engine, server)


def check_ollama(ports: tuple[int, ...], engine: PlayedEngine, server: PowerInferServer, data: bytes) -> None:
    """A success or a refusal that Ollama's clients read, and never nonsense for an engine."""
    engine.nonsense.clear()
    server.seen.clear()
    for port in ports:
        answer = send(port, data)
        if not re.match(r"/api/[a-z]{3}", request_line(data)[1]):
            assert answer.status in REFUSALS | {200, 204}, answer
        elif answer.status in REFUSALS:
            told = json.loads(answer.body or b'{"error":"to HEAD"}')["error"]
            assert isinstance(told, str) or answer.status in BROKEN_HTTP, answer
        else:
            assert answer.status in (200, 204), answer
            for line in answer.body.splitlines():
                assert isinstance(json.loads(line), dict)
    assert not engine.nonsense
    assert not server.dead.is_set()
    assert not server.hung


BROKEN_HTTP = (400, 411, 413, 431)
"""What the HTTP library says before anybody knows which API is asked."""


# Answers of engines and remote servers: status and content type on the first line, then the body.

ANSWERS = [
    b'200 application/json\n{"data":[{"index":0,"embedding":[0.5]}],"model":"x","usage":{"prompt_tokens":1}}',
    b'200 text/event-stream\ndata: {"choices":[],"usage":{"completion_tokens":1}}\n\ndata: [DONE]\n\n',
    b'200 text/event-stream\ndata: {"error":{"message":"gone"}}\n\n',
    b'400 application/json\n{"error":{"code":400,"message":"no","type":"exceed_context_size_error"}}',
    b'503 application/json\n{"message":"loading"}',
    b'200 application/json\n{"results":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":1}}',
    b"500 text/html\n<html>",
]
ANSWER_WORDS = (
    *(b"null", b"[]", b"{}", b"1e999", b"9" * 400, b"\\ud800", b"\xff", b"[" * 2000, b'"', b"{", b"}"),
    *(b"\n", b"\n\n", b"data: ", b"data:", b"event: x\n", b": ping\n\n", b"\r\n\r\n", b"[DONE]"),
    *(b'"usage":{"prompt_tokens":-1}', b'"usage":{"prompt_tokens":true}', b"200 text/event-stream\n"),
    *(b"503 ", b"599 ", b"302 ", b"401 ", b"a" * 9000),
)
QUESTIONS = (
    b'POST /v1/embeddings\n\n{"input":"x","dimensions":1}',
    b'POST /v1/completions\n\n{"prompt":"x","stream":true}',
    b'POST /completion\n\n{"prompt":"x"}',
    b'POST /v1/rerank\n\n{"query":"x","documents":["y"]}',
)


@contextmanager
def answers_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway before an engine that answers what it is told to."""
    with (
        played_engine() as (engine, upstream),
        gateway_to(_Several(upstream), native_routes=True) as url,
    ):
        yield partial(check_answer, port_of(url), engine)


def check_answer(port: int, engine: PlayedEngine, data: bytes) -> None:
    """Whatever an engine answers, a client gets what OpenAI's clients read, and never a failure of ours."""
    first, _, body = data.partition(b"\n")
    found = re.fullmatch(rb"([2-5][0-9][0-9]) ([a-z]+/[a-z-]+)", first)
    status, content_type = (int(found[1]), found[2].decode()) if found else (200, "application/json")
    engine.answer = (200 if status in (204, 304) else status), content_type, body
    for question in QUESTIONS:
        answer = send(port, question)
        if answer.status == 200:
            check_success(answer)
            continue
        # A refusal of the engine's may be any that a client can be at fault for.
        assert answer.status in (502, 503) or 400 <= answer.status < 500, answer
        check_error(answer)


# Who asks: Host, Origin and what else a browser says, without a key.

HOSTS = (
    *("localhost:8080", "127.0.0.1", "[::1]:80", "app.localhost", "0.0.0.0", "[::ffff:127.0.0.1]"),
    *("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "host.docker.internal"),
    *("[::1%25lo]", "192.168.1.20"),
)
SENDERS = (
    *("http://localhost:8080", "http://127.0.0.1", "null", "https://evil.example", "http://evil.example"),
    *("file://", "http://localhost.evil.example", "http://[::1]:80", "app://x"),
)
HOST_WORDS = (
    *(b".", b":", b"@", b"[", b"]", b"%", b"/", b"\\", b"#", b"?", b" ", b",", b"\t", b"\xe9", b"xn--"),
    *(b"0x7f.1", b"127.1", b"2130706433", b"localhost", b"127.0.0.1", b".localhost", b"evil.example"),
    *(b":8080", b"::1", b"null", b"*", b"//", b".docker.internal", b"Host: localhost\n"),
    *(b"Origin: null\n", b"X-Forwarded-Host: localhost\n", b"http://"),
)


@contextmanager
def hosts_ready() -> Iterator[Callable[[bytes], None]]:
    """A gateway without a key."""
    with played_engine() as (_, upstream), gateway_to(upstream, native_routes=True) as url:
        yield partial(check_sender, port_of(url))


def check_sender(port: int, data: bytes) -> None:
    """Who is answered has named this computer, and is no page, or a page of this computer."""
    answer = send(port, data)
    check_shape(answer, frozenset((200, 204)))
    hosts = [value for name, value in headers_of(data) if name.lower() == "host"]
    origins = [value for name, value in headers_of(data) if name.lower() == "origin"]
    if answer.status in (200, 204):
        assert not hosts or is_this_computer(hosts[0]), hosts
        for origin in origins[:1]:
            assert origin.lower().startswith("http://"), origin
            assert is_this_computer(origin[len("http://") :]), origin


SENDER_INPUTS = edited(
    [
        f"{first}\nHost: {host}\nOrigin: {origin}\n\n{{}}".encode()
        for first in ("GET /v1/models", "POST /v1/embeddings")
        for host in HOSTS
        for origin in SENDERS
    ]
    + [f"GET /health\nHost: {host}\n\n".encode() for host in HOSTS],
    HOST_WORDS,
)


def is_this_computer(host: str) -> bool:
    """Whether a `Host` header names this computer for certain, so that no page of a stranger has it."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+(?:%[^\]]*)?\]|[A-Za-z0-9._-]*)(?::[0-9]*)?", host)
    if not found:
        return False
    name = found[1].lower().removesuffix(".")
    if name == "localhost" or name.endswith((".localhost", ".internal")):
        return not name.endswith(".internal") or name.count(".") >= 2
    try:
        address: Any = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return bool(address.is_loopback or address.is_unspecified)


TARGETS = (
    Target("requests", REQUESTS, openai_ready, 250),
    Target("powerinfer", REQUESTS, powerinfer_ready, 250),
    Target("ollama", OLLAMA_REQUESTS, ollama_ready, 250),
    Target("answers", edited(ANSWERS, ANSWER_WORDS), answers_ready, 100),
    Target("hosts", SENDER_INPUTS, hosts_ready, 200),
)
