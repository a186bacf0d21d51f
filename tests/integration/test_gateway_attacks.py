"""Clients that take too much: connections, bodies, JSON, answers, lists. Others must not notice."""

from __future__ import annotations

import base64
import gc
import gzip
import itertools
import json
import os
import select
import socket
import sys
import threading
import time
import weakref
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import gguf
import psutil
import pytest
import requests
from aiohttp import ClientSession, web

from tests.fakes import program
from tests.fakes.crowds import (
    CROWD,
    connect,
    eventually,
    is_closed,
    request_of,
    silent_clients,
    status_line,
    watched,
)
from tests.fakes.gateways import FixedBackend, gateway_to, get, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.program import powerinfer_tray, running
from tests.fakes.random_embedders import Kind, write_embedder
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.engine import remote_engine
from tray_app.engine.launch_plan import plan_remote
from tray_app.gateway import limits, routes
from tray_app.gateway.intake import Intake
from tray_app.gateway.listener import Listener
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Upstream
from tray_app.models.header import Purpose
from tray_app.settings.schema import Settings
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

READY = Upstream(
    "http://127.0.0.1:9", speaks_openai=True, model_id="tiny", model_name="Tiny", context_size=64
)
MOST_MIB = 300
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def engine() -> Iterator[Upstream]:
    with llamacpp() as upstream:
        yield upstream


@pytest.fixture
def url(engine: Upstream) -> Iterator[str]:
    with gateway_to(engine) as address:
        yield address


# ---- connections


@pytest.mark.skipif(sys.platform == "win32", reason="nothing limits descriptors there")
@pytest.mark.parametrize("descriptors", [256, 1024])
def test_a_thousand_silent_clients_take_neither_the_address_nor_the_control_address_down(
    descriptors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = descriptors if descriptors == 256 else hard  # the first may not have more either
    port = free_port()
    shell = ("/bin/sh", "-c", f'ulimit -Sn {descriptors} && ulimit -Hn {most}; exec "$@"', "sh")
    monkeypatch.setattr(program, "COMMAND", (*shell, *program.COMMAND))
    with running("serve", "--model", "test", "--port", str(port)) as app:
        app.line_with("/v1")
        url = f"http://127.0.0.1:{port}/v1"
        eventually(lambda: get(f"{url}/models").status_code == 200)
        with watched(app.process.pid, url) as seen, silent_clients(url, 1138) as clients:
            eventually(lambda: is_closed(clients[0]))  # the longest idle one goes first
            assert not is_closed(clients[-1])
            assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
            assert "ready" in powerinfer_tray("status").stdout
        assert seen.statuses == {200}
        assert seen.peak_mib < MOST_MIB
        assert seen.is_quick()
        assert app.interrupt() == 0


def test_a_client_whose_request_is_at_work_is_never_closed_for_others(engine: Upstream) -> None:
    gateway = Gateway(FixedBackend(engine), Rules)
    gateway.open(0)
    url = gateway.base_url or ""
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(post, f"{url}/embeddings", {"input": texts(2048)})
            eventually(lambda: gateway.traffic().active == 1)
            with silent_clients(url, 3 * limits.MAX_CONNECTIONS):
                assert asked.result(DEADLINE_S).status_code == 200
    finally:
        gateway.close()


# ---- bodies


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/v1/embeddings", "99999999999", 413),
        ("/v1/embeddings", str(limits.MAX_BODY_BYTES + 1), 413),
        ("/v1/chat/completions", str(limits.MAX_BODY_BYTES + 1), 413),
        ("/v1/completions", str(limits.MAX_TEXT_BODY_BYTES + 1), 413),
        ("/nothing-here", "99999999999", 404),
        ("/v1/models", "99999999999", 405),
        ("/v1/embeddings", "9" * 5000, 400),
        ("/v1/embeddings", "-1", 400),
    ],
)
def test_what_is_too_large_is_refused_by_its_length_before_anything_comes(
    path: str, length: str, status: int
) -> None:
    with gateway_to(READY) as url, connect(url) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert status_line(client) == status


def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    with gateway_to(READY) as url, connect(url) as client:
        client.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        sent = 0
        while not readable(client):  # until it is answered
            client.sendall(chunk)
            sent += len(chunk)
        assert status_line(client) == 413
    assert sent < 2 * limits.MAX_TEXT_BODY_BYTES + 2**20


def readable(client: socket.socket) -> list[socket.socket]:
    return select.select([client], [], [], 0)[0]


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
def test_a_packed_body_is_counted_as_it_is_unpacked(packed: Callable[[bytes], bytes]) -> None:
    bomb = packed(b" " * (256 * 2**20))
    encoding = b"gzip" if packed is gzip.compress else b"deflate"
    before = psutil.Process().memory_info().rss
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: %s\r\n"
    with gateway_to(READY) as url, connect(url) as client:
        client.sendall(head % encoding + b"Content-Length: %d\r\n\r\n" % len(bomb) + bomb)
        assert status_line(client) == 413
    assert psutil.Process().memory_info().rss - before < 150 * 2**20


def test_who_asks_first_whether_its_body_is_wanted_hears_the_refusal_in_place_of_continue() -> None:
    with gateway_to(READY) as url:
        for length, told in ((limits.MAX_BODY_BYTES + 1, 413), (10, 100)):
            with connect(url) as client:
                client.sendall(
                    b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                    b"Content-Length: %d\r\n\r\n" % length
                )
                assert status_line(client) == told


def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "Intake", lambda: Intake(grace_s=0.2))
    with gateway_to(READY) as url, connect(url) as client:
        client.sendall(request_of("/v1/embeddings", b'{"input":"', length=30_000_000))
        assert status_line(client) == 408


@contextmanager
def serving() -> Iterator[tuple[int, str]]:
    """A server in a process of its own: its number and its address."""
    port = free_port()
    with running("serve", "--model", "test", "--port", str(port)) as app:
        app.line_with("/v1")
        url = f"http://127.0.0.1:{port}/v1"
        eventually(lambda: get(f"{url}/models").status_code == 200)
        yield app.process.pid, url


@pytest.fixture(scope="module")
def server_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """One server that all crowds come to, one after the other: what one leaves behind counts for the next."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("POWERINFER_TRAY_HOME", str(tmp_path_factory.mktemp("home")))
            served = stack.enter_context(serving())
        yield served


def text_of(letters: bytes) -> bytes:
    return b'{"input":"' + letters + b'"}'


def picture() -> bytes:
    data = base64.b64encode(os.urandom(22 * 2**20)).decode()
    parts = [{"type": "text", "text": "What is it? 😀"}, {"type": "image_url", "image_url": {"url": data}}]
    return json.dumps({"messages": [{"role": "user", "content": parts}]}, ensure_ascii=False).encode()


def chat(text: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()


LARGE: dict[str, Callable[[], bytes]] = {
    "a text": lambda: text_of(b"x" * (31 * 2**20)),
    "a text with an emoji": lambda: text_of("😀".encode() + b"x" * (31 * 2**20)),
    "a list": lambda: json.dumps({"input": ["😀" + "x" * 15_000] * 2000}, ensure_ascii=False).encode(),
    "a chat with an emoji": lambda: chat("😀" + "x" * (31 * 2**20)),
    "a picture": picture,
}


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/nothing-here", "a text"),
        ("/v1/embeddings", "a text with an emoji"),
        ("/v1/embeddings", "a list"),
        ("/v1/chat/completions", "a chat with an emoji"),
        ("/v1/chat/completions", "a picture"),
    ],
)
def test_a_crowd_of_large_bodies_takes_little_memory(
    server_of_all: tuple[int, str], path: str, what: str, is_packed: bool
) -> None:
    pid, url = server_of_all
    if is_packed:
        request = request_of(path, gzip.compress(LARGE[what](), 1), "Content-Encoding: gzip")
    else:
        request = request_of(path, LARGE[what]())
    with watched(pid, url) as seen, ThreadPoolExecutor(CROWD) as pool:
        statuses = list(pool.map(lambda _: flood(url, request), range(CROWD)))
    assert set(statuses) <= {400, 404, 413, 429, None}
    assert seen.statuses == {200}
    assert seen.peak_mib < MOST_MIB
    assert seen.is_quick()


def flood(url: str, request: bytes) -> int | None:
    """The status that is told to who sends this; None for who is hung up on meanwhile."""
    with connect(url) as client:
        try:
            client.sendall(request)
            return status_line(client)
        except (OSError, IndexError):
            return None


def test_clients_that_stay_connected_hold_neither_their_bodies_nor_their_answers(
    server_of_all: tuple[int, str],
) -> None:
    pid, url = server_of_all
    request = request_of("/v1/embeddings", LARGE["a text"]())
    with watched(pid, url) as seen, ExitStack() as stack:
        for _ in range(12):  # one after the other: each is refused for itself
            client = stack.enter_context(connect(url))
            client.sendall(request)
            assert status_line(client) == 400
    assert seen.peak_mib < MOST_MIB


def test_while_large_bodies_hold_all_there_is_small_ones_are_taken(url: str) -> None:
    large = b'{"input":"' + b"x" * (20 * 2**20)
    with connect(url) as one, connect(url) as other, connect(url) as third:
        for client in (one, other):
            client.sendall(request_of("/v1/embeddings", large, length=21 * 2**20))
        third.sendall(request_of("/v1/embeddings", large, length=21 * 2**20))
        assert status_line(third) == 429
        assert post(f"{url}/embeddings", {"input": "x " * 100}).status_code == 200


# ---- JSON


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        *itertools.product(("embeddings", "chat/completions"), (1001, 60_000, 1_000_000)),
        *itertools.product(("completions",), (1001, 60_000)),  # more are too large there
    ],
)
def test_an_object_with_many_keys_never_gets_to_the_engine(url: str, path: str, keys: int) -> None:
    metadata = b",".join(b'"%d":0' % number for number in range(keys))
    body = b'{"input":"x","prompt":"x","metadata":{' + metadata + b"}}"
    began_s = time.process_time()
    refused = requests.post(f"{url}/{path}", body, headers={"Content-Type": "application/json"}, timeout=30)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "body_too_complex")
    assert time.process_time() - began_s < 5


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_json_is_refused_in_words(url: str, depth: int) -> None:
    with connect(url) as client:
        client.sendall(
            request_of("/v1/chat/completions", b'{"messages":' + b"[" * depth + b"]" * depth + b"}")
        )
        assert status_line(client) == 400


def test_llama_cpps_own_options_still_work_and_what_it_does_not_know_stays_here(url: str) -> None:
    asked = {"prompt": "Once", "max_tokens": 4, "temperature": 0}
    plain = post(f"{url}/completions", asked).json()["choices"][0]["text"]
    more = {"cache_prompt": False, "top_k": 1, "min_p": 0.1, "repeat_penalty": 1.0, "samplers": ["top_k"]}
    unknown = {f"unknown_{number}": {"x": [1]} for number in range(900)}
    assert post(f"{url}/completions", {**asked, **more, **unknown}).json()["choices"][0]["text"] == plain
    strict = post(f"{url}/completions", {**asked, "grammar": 'root ::= "yes" | "no"'}).json()
    assert strict["choices"][0]["text"] in ("yes", "no")
    chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    assert post(f"{url}/chat/completions", {**chat, "chat_template_kwargs": {"enable_thinking": False}}).ok
    timed = post(f"{url}/completions", {**asked, "timings_per_token": True, "stream": True}).text
    assert "timings" in timed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embeddings", {"input": ["fits", "x " * 1_000_000]}),
        ("completions", {"prompt": "x " * 1_000_000}),
        ("chat/completions", {"messages": [{"role": "user", "content": "x " * 1_000_000}]}),
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 999_999}]}]},
        ),
    ],
)
def test_a_text_beyond_all_measure_is_refused_without_the_engine(path: str, body: object) -> None:
    with gateway_to(READY) as url:  # where there is no engine
        error = post(f"{url}/{path}", body).json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert "characters" in error["message"]


def test_a_text_beyond_all_measure_is_cut_for_who_asks(url: str) -> None:
    body = {"input": ["fits", "Once " * 500_000], "truncate": True}
    answer = post(f"{url}/embeddings", body).json()
    assert answer["usage"]["truncated"] == [1]
    shorter = post(f"{url}/embeddings", {"input": "Once " * 2_000, "truncate": True}).json()
    assert answer["data"][1]["embedding"] == shorter["data"][0]["embedding"]


# ---- answers that nobody reads


@contextmanager
def listening(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], *, patience_s: float = 60.0
) -> Iterator[str]:
    """A listener at which everything is answered so."""

    @asynccontextmanager
    async def application() -> AsyncIterator[web.Application]:
        built = web.Application()
        built.router.add_get("/", answer)
        yield built

    listener = Listener("test", application, patience_s=patience_s)
    listener.open(0)
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        listener.close()


@pytest.mark.parametrize("close", [False, True])
def test_a_whole_answer_that_nobody_takes_is_given_up(close: bool) -> None:
    size = 30_000_000
    wires: list[asyncio.Transport] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport
        wires.append(request.transport)
        response = web.Response(body=b"x" * size)
        if close:
            response.force_close()
        return response

    with listening(answer, patience_s=0.3) as url, connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: bool(wires) and wires[0].get_extra_info("socket").fileno() < 0)
        assert len(client.makefile("rb").read()) < size


def test_an_answer_that_was_sent_is_in_memory_no_more() -> None:
    size, clients = 8 * 2**20, 16
    sent: list[weakref.ref[web.Response]] = []

    async def answer(_: web.Request) -> web.Response:
        response = web.Response(body=b"x" * size)
        sent.append(weakref.ref(response))
        return response

    with listening(answer) as url, ExitStack() as stack:
        for _ in range(clients):
            client = stack.enter_context(connect(url))
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert len(client.makefile("rb").read(size)) == size
        eventually(lambda: not any(held is not None and held.body for held in (one() for one in sent)))
        assert len(sent) == clients


def test_a_client_that_takes_an_answer_slowly_gets_all_of_it() -> None:
    size = 30_000_000

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * size)

    with listening(answer, patience_s=0.5) as url, connect(url) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        got = 0
        while piece := client.recv(2**20):
            got += len(piece)
            threading.Event().wait(0.05)  # the whole takes three times as long as the patience
        assert got > size


# ---- lists


def texts(number: int) -> list[str]:
    return [f"text {index} of some words" for index in range(number)]


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_list_in_portions_is_answered_as_one(engine: Upstream, url: str, encoding: str) -> None:
    body = {"input": texts(50), "encoding_format": encoding, "model": "mine"}
    ours = post(f"{url}/embeddings", body).json()
    straight = post(f"{engine.base_url}/v1/embeddings", body).json()
    assert [item["index"] for item in ours["data"]] == list(range(50))
    assert ours["usage"] == straight["usage"]
    assert ours["model"] == "mine"
    assert ours.keys() == straight.keys()
    for one, other in zip(ours["data"], straight["data"], strict=True):
        assert one.keys() == other.keys()
        assert one["embedding"] == other["embedding"]


def test_an_error_in_a_later_portion_names_the_texts_by_their_place_in_the_list(url: str) -> None:
    words = texts(100)
    words[40] = words[77] = "long " * 600
    error = post(f"{url}/embeddings", {"input": words}).json()["error"]
    assert (error["code"], "index 40" in error["message"]) == ("context_length_exceeded", True)
    assert "77 (" in error["message"]
    cut = post(f"{url}/embeddings", {"input": words, "truncate": True}).json()
    assert cut["usage"]["truncated"] == [40, 77]
    assert [item["index"] for item in cut["data"]] == list(range(100))


def test_lists_whose_clients_have_left_keep_nobody_waiting(engine: Upstream, url: str) -> None:
    began_s = time.monotonic()
    assert post(f"{url}/embeddings", {"input": texts(1024)}).status_code == 200
    one_list_s = time.monotonic() - began_s
    for _ in range(10):
        with connect(url) as client:
            client.sendall(request_of("/v1/embeddings", {"input": texts(1024)}))
    began_s = time.monotonic()
    assert post(f"{engine.base_url}/v1/embeddings", {"input": "x"}).status_code == 200
    assert time.monotonic() - began_s < one_list_s  # of each of them, eight texts are with the engine


def test_a_list_does_not_keep_others_waiting_until_its_end(url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        lists = [pool.submit(post, f"{url}/embeddings", {"input": texts(2048)}) for _ in range(2)]
        began_s = time.monotonic()
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
        took_s = time.monotonic() - began_s
        assert not any(one.done() for one in lists)
        assert all(one.result(120).status_code == 200 for one in lists)
        assert took_s < (time.monotonic() - began_s) / 2


@pytest.mark.parametrize("path", ["embedding", "embeddings"])
@pytest.mark.parametrize("name", ["content", "input"])
def test_a_list_at_the_engines_own_route_is_answered_as_one(engine: Upstream, path: str, name: str) -> None:
    lists = (texts(50), [[1, 2], "x", [3]] * 20, [1, 2, 3] * 20, [1, "x", 2] * 20, "x")
    with gateway_to(engine, native_routes=True) as url:
        for value in lists:
            ours = post(f"{url.removesuffix('/v1')}/{path}", {name: value}).json()
            straight = post(f"{engine.base_url}/{path}", {name: value}).json()
            assert [one["index"] for one in ours] == [one["index"] for one in straight]
            assert vectors_of(ours) == pytest.approx(vectors_of(straight), abs=1e-4)


def vectors_of(answer: list[dict[str, list[list[float]]]]) -> list[float]:
    return [number for one in answer for number in one["embedding"][0]]


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    path = write_embedder(tmp_path_factory.mktemp("rank") / "rank.gguf", Kind("qwen3", gguf.PoolingType.RANK))
    with llamacpp(path, pooling="rank") as upstream:
        yield replace(upstream, purpose=Purpose.RERANK)


def is_working(upstream: Upstream) -> bool:
    return any(slot["is_processing"] for slot in get(f"{upstream.base_url}/slots").json())


@pytest.mark.parametrize(
    ("path", "name"), [("v1/embeddings", "input"), ("embedding", "content"), ("rerank", "documents")]
)
def test_long_texts_whose_clients_have_left_keep_nobody_waiting(
    reranker: Upstream, engine: Upstream, path: str, name: str
) -> None:
    upstream = reranker if path == "rerank" else engine
    long = [f"word{index} " * 50 for index in range(2048)]
    with gateway_to(upstream, native_routes=True) as url:
        began_s = time.monotonic()
        assert post(f"{upstream.base_url}/{path}", {"query": "word1", name: long[:16]}).status_code == 200
        sixteen_s = time.monotonic() - began_s
        for _ in range(10):
            with connect(url) as client:
                client.sendall(request_of(f"/{path}", {"query": "word1", name: long}))
                eventually(lambda: is_working(upstream))
        began_s = time.monotonic()
        assert post(f"{upstream.base_url}/{path}", {"query": "word1", name: ["word1"]}).status_code == 200
        # Of each of them eight texts are with the engine: five times sixteen. One whole list is 128 times.
        assert time.monotonic() - began_s < 50 * sixteen_s


# ---- remote servers


@contextmanager
def endless(head: bytes, piece: bytes, *, tells_models: bool = True) -> Iterator[Upstream]:
    """Somebody else's server that answers everything with this; but it tells its model.

    `piece` follows again and again; if there is none, the answer ends.
    """

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            if client.recv(65536).startswith(b"GET") and tells_models:
                client.sendall(JSON_HEAD + b'{"data":[{"id":"theirs"}]}')
                return
            client.sendall(head)
            while piece:
                client.sendall(piece)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                threads.append(threading.Thread(target=serve, args=(client,), name="endless"))
                threads[-1].start()

    listening = socket.create_server(("127.0.0.1", 0))
    threads = [threading.Thread(target=accept, name="endless-accept")]
    threads[0].start()
    try:
        port = listening.getsockname()[1]
        yield Upstream(f"http://127.0.0.1:{port}", True, "theirs", "Theirs", models=("theirs",))
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in threads:
            thread.join(DEADLINE_S)


def choose(remote: Upstream, home: Path) -> None:
    """Have the apps of this home ask that server."""
    (home / "settings.toml").write_text(f'engine = "remote"\nremote_url = "{remote.base_url}"\n')


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
FAULT_HEAD = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (JSON_HEAD, b" " * 65536),
        (JSON_HEAD + b'{"data":[', b'{"embedding":[0.1]},' * 4000),
        (JSON_HEAD + b'{"data":[{"embedding":[', b"0," * 32768),
        (JSON_HEAD + b"{", b'"k":0,' * 10000),
        (JSON_HEAD, b"[" * 65536),
        (STREAM_HEAD + b"data: ", b"x" * 65536),
        (FAULT_HEAD + b'{"error":"', b"x" * 65536),
    ],
)
@pytest.mark.parametrize("path", ["embeddings", "chat/completions"])
def test_an_answer_that_never_ends_is_given_up_with_words(path: str, head: bytes, piece: bytes) -> None:
    body = {"input": "x", "messages": [{"role": "user", "content": "Hi"}]}
    before = psutil.Process().memory_info().rss
    with endless(head, piece) as upstream, gateway_to(upstream) as url:
        refused = post(f"{url}/{path}", body)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (502, "engine_answer")
    assert refused.headers["x-should-retry"] == "false"
    assert psutil.Process().memory_info().rss - before < 200 * 2**20


@pytest.mark.parametrize("head", [b'{"x":"', b'{"x":"' + "😀".encode()])
def test_many_answers_that_never_end_take_little_memory(private_home: Path, head: bytes) -> None:
    body = request_of("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
    with endless(JSON_HEAD + head, b"x" * 65536) as theirs:
        choose(theirs, private_home)
        with serving() as (pid, url), watched(pid, url) as seen, ThreadPoolExecutor(CROWD) as pool:
            statuses = list(pool.map(lambda _: flood(url, body), range(CROWD)))
    assert set(statuses) == {502, 503}
    assert seen.statuses == {200}
    assert seen.peak_mib < MOST_MIB
    assert seen.is_quick()


def test_large_answers_of_a_remote_server_take_little_memory_together(private_home: Path) -> None:
    large = JSON_HEAD + '{"x":"😀'.encode() + b"x" * (60 * 2**20) + b'"}'
    body = request_of("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
    with endless(large, b"") as theirs:
        choose(theirs, private_home)
        with serving() as (pid, url), watched(pid, url) as seen, ThreadPoolExecutor(CROWD) as pool:
            statuses = list(pool.map(lambda _: flood(url, body), range(CROWD)))
    assert {200, 503} >= set(statuses)
    assert 200 in statuses
    assert seen.peak_mib < MOST_MIB


def test_a_list_of_models_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_engine, "_LIST_TIMEOUT_S", 5.0)
    with endless(JSON_HEAD + b'{"data":[', b'{"id":"x"},' * 4000, tells_models=False) as upstream:
        plan = plan_remote(Settings(engine="remote", remote_url=upstream.base_url), "")
        with pytest.raises(OSError, match="does not end"):
            remote_engine.offered_models(plan)


def test_an_ordinary_large_answer_of_a_remote_server_is_passed_on() -> None:
    vectors = [{"index": index, "embedding": [0.25] * 1024, "object": "embedding"} for index in range(512)]
    body = json.dumps({"data": vectors, "object": "list"}).encode()
    with engine_that_answers(body) as upstream, gateway_to(replace(upstream, models=("theirs",))) as url:
        answer = post(f"{url}/embeddings", {"input": texts(512)})
    assert len(answer.json()["data"]) == 512


# ---- the key of the local network


@pytest.mark.warns("Wrong API keys")
def test_guessing_is_slow_and_the_right_key_works_from_elsewhere() -> None:
    key = "sk-of-this-house"
    with gateway_to(READY, key=key, network=True) as url:
        told = [get(f"{url}/models", Authorization=f"Bearer {number}").status_code for number in range(60)]
        assert told == [401] * limits.MAX_GUESSES + [429] * (60 - limits.MAX_GUESSES)
        elsewhere = url.replace("127.0.0.1", "[::1]")
        if has_ipv6():
            assert get(f"{elsewhere}/models", Authorization=f"Bearer {key}").status_code == 200


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


# ---- the end


@pytest.mark.alone
def test_the_address_closes_in_time_whatever_its_clients_do(engine: Upstream) -> None:
    gateway = Gateway(FixedBackend(engine), Rules)
    gateway.open(0)
    url = gateway.base_url or ""
    with silent_clients(url, 100) as clients:
        for client in clients[:20]:
            client.sendall(request_of("/v1/embeddings", {"input": texts(1024)}))
        for client in clients[20:40]:
            client.sendall(request_of("/v1/embeddings", b'{"input":"', length=1_000_000))
        for client in clients[40:60]:
            client.sendall(
                request_of("/v1/completions", {"prompt": "Once", "max_tokens": 400, "stream": True})
            )
        eventually(lambda: gateway.traffic().active > 30)
        began_s = time.monotonic()
        gateway.close()
        assert time.monotonic() - began_s < 5
    assert "gateway" not in {thread.name for thread in threading.enumerate()}


def test_an_address_that_was_closed_leaves_nothing_in_memory() -> None:
    def there() -> int:
        gc.collect()
        return sum(isinstance(one, web.Application | ClientSession) for one in gc.get_objects())

    gateway = Gateway(FixedBackend(READY), Rules)
    before = there()
    for _ in range(3):  # as when a person changes the port
        gateway.open(0)
        assert get(f"{gateway.base_url}/models").status_code == 200
        gateway.close()
    assert there() == before
