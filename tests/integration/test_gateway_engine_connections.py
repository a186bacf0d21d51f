"""Connections to an engine of this computer: which are used again, and which are closed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

import aiohttp
import pytest

from tray_app.gateway.engine_connections import EngineConnections
from tray_app.gateway.engine_errors import whole_answer
from tray_app.gateway.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

P = ParamSpec("P")

PATIENCE_S = 10.0
PATH = "/v1/embeddings"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"


class Engine:
    """It gives `answer` to each request, and notes what comes; without an answer it says nothing."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.left: asyncio.Queue[None] = asyncio.Queue()
        self.upstream = Upstream("", speaks_openai=True, model_id="tiny", model_name="Tiny")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                await reader.readexactly(2)
                self.asked.set()
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.put_nowait(None)
        finally:
            writer.close()


@asynccontextmanager
async def engine(answer: bytes = ANSWER) -> AsyncIterator[Engine]:
    """An engine that listens."""
    found = Engine(answer)
    async with asyncio.timeout(PATIENCE_S), await asyncio.start_server(found.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found.upstream = Upstream(
            f"http://127.0.0.1:{port}", speaks_openai=True, model_id="tiny", model_name="Tiny", key="secret"
        )
        yield found


async def ask(connections: EngineConnections, engine: Engine, *, keep: bool) -> bytes:
    async with await connections.post(engine.upstream, PATH, b"{}", keep=keep) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        return await whole_answer(answer)


def on_a_loop(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """A test on an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **options: P.kwargs) -> None:
        asyncio.run(test(*args, **options))

    return run


@on_a_loop
async def test_a_kept_connection_is_used_again_and_others_are_closed() -> None:
    async with engine() as one:
        connections = EngineConnections()
        assert [await ask(connections, one, keep=True) for _ in range(3)] == [b"{}"] * 3
        assert one.connections == 1
        await ask(connections, one, keep=False)
        await one.left.get()
        assert one.connections == 2
        assert all("Authorization: Bearer secret\r\n" in head for head in one.heads)
        assert one.heads[0].startswith("POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1:")
        assert "Connection: close\r\n" in one.heads[-1]

        connections.close()
        await one.left.get()


@on_a_loop
async def test_a_connection_is_closed_when_it_was_idle_for_long() -> None:
    async with engine() as one:
        connections = EngineConnections(keep_alive_s=0.01)
        await ask(connections, one, keep=True)
        await one.left.get()
        await ask(connections, one, keep=True)
        await one.left.get()
        assert one.connections == 2


@on_a_loop
async def test_a_connection_with_an_unread_answer_is_not_used_again() -> None:
    async with engine(ANSWER.replace(b"Length: 2", b"Length: 200000")) as one:
        connections = EngineConnections()
        async with await connections.post(one.upstream, PATH, b"{}", keep=True) as answer:
            assert answer.status == 200
        await one.left.get()
        async with await connections.post(one.upstream, PATH, b"{}", keep=True):
            assert one.connections == 2


@on_a_loop
async def test_an_engine_sees_that_a_request_was_canceled() -> None:
    async with engine(b"") as one:
        request = asyncio.create_task(ask(EngineConnections(), one, keep=True))
        await one.asked.wait()
        request.cancel()
        await one.left.get()


@pytest.mark.parametrize("answer", [b"not HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
@on_a_loop
async def test_an_answer_that_is_not_http_is_an_error(answer: bytes) -> None:
    async with engine(answer) as one:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(EngineConnections(), one, keep=True)


@on_a_loop
async def test_nobody_at_the_port_is_an_error() -> None:
    async with engine() as one:
        gone = one.upstream
    with pytest.raises(aiohttp.ClientOSError):
        await EngineConnections().post(gone, PATH, b"{}", keep=True)
