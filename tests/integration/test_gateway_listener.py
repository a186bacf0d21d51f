"""The listener for real: what it does with connections that come while it closes."""

import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tray_app.gateway.listener import Listener

BUSY_S = 0.2
TIMEOUT_S = 5


@asynccontextmanager
async def nothing() -> AsyncIterator[web.Application]:
    yield web.Application()


@pytest.fixture
def no_luck() -> Iterator[None]:
    """A collection of garbage would close what was forgotten."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_luck")
def test_a_connection_that_comes_while_the_listener_closes_is_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener = Listener("test", nothing)
    listener.open(0)
    assert listener.port
    assert listener._open
    # While the loop is busy, a client comes and the end is asked for: both are seen in the same round.
    listener._open.loop.call_soon_threadsafe(time.sleep, BUSY_S)
    with socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        listener.close()
        with contextlib.suppress(ConnectionError):  # reset, or an answer and the end
            while client.recv(1000):
                pass
    assert "broke off" not in caplog.text
