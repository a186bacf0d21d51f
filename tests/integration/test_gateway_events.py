"""Streams to clients that leave, or stay and take nothing."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
from aiohttp import web

from tests.fakes.gateways import get
from tray_app.gateway.engine_errors import engine_faults
from tray_app.gateway.events import write_events
from tray_app.gateway.listener import Listener

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

PATIENCE_S = 10.0
PIECE = b'{"text":"' + b"x" * 100_000 + b'"}'


class Streamer:
    """A server that answers with these events, and how its handler ended."""

    def __init__(self, payloads: Callable[[web.Request], AsyncGenerator[bytes]]) -> None:
        self.payloads = payloads
        self.failure: BaseException | None = None
        self.ended = threading.Event()
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            with engine_faults():  # as around all that asks an engine
                return await write_events(request, self.payloads(request))
        except BaseException as exc:
            self.failure = exc
            raise
        finally:
            self.ended.set()


@contextmanager
def streaming(
    payloads: Callable[[web.Request], AsyncGenerator[bytes]], *, patience_s: float = 60.0
) -> Iterator[Streamer]:
    streamer = Streamer(payloads)

    @asynccontextmanager
    async def application() -> AsyncIterator[web.Application]:
        built = web.Application()
        built.router.add_get("/", streamer.answer)
        yield built

    listener = Listener("events", application, patience_s=patience_s)
    listener.open(0)
    try:
        streamer.port = listener.port or 0
        yield streamer
    finally:
        listener.close()


def test_a_client_that_leaves_between_two_events_is_nobodys_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def payloads(request: web.Request) -> AsyncGenerator[bytes]:
        yield b"{}"
        assert request.transport
        request.transport.close()  # as when the client's end is seen while the next event is made
        yield b"{}"

    with streaming(payloads) as server:
        with pytest.raises(requests.RequestException):
            get(f"http://127.0.0.1:{server.port}/")
        assert server.ended.wait(PATIENCE_S)
    assert server.failure is None
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_client_that_stays_but_takes_nothing_is_given_up() -> None:
    async def payloads(_: web.Request) -> AsyncGenerator[bytes]:
        while True:
            yield PIECE

    with (
        streaming(payloads, patience_s=0.1) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert server.ended.wait(PATIENCE_S)
        assert isinstance(server.failure, asyncio.CancelledError | None)  # as if it had left
