"""The listener for real: on which addresses it is, and what becomes of connections that come as it closes."""

import contextlib
import errno
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tray_app.gateway.listener import Listener
from tray_app.system.ports import EVERYWHERE, port_obstacle

BUSY_S = 0.2
TIMEOUT_S = 5


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


HAS_IPV6 = has_ipv6()
needs_ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")


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


def test_both_loopback_addresses_are_listened_on_and_both_are_freed() -> None:
    listener = Listener("test", nothing)
    for _ in range(2):
        listener.open(0)
        assert listener.port
        assert [status_at(address, listener.port) for address in loopback()] == [404] * len(loopback())
        port = listener.port
        listener.close()
        for address in loopback():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), TIMEOUT_S)


def test_every_network_is_listened_on_by_both_families() -> None:
    listener = Listener("test", nothing)
    listener.open(0, EVERYWHERE)
    try:
        assert listener.port
        assert [status_at(address, listener.port) for address in loopback()] == [404] * len(loopback())
    finally:
        listener.close()


def test_a_client_that_asks_for_localhost_is_answered_whichever_address_it_tries() -> None:
    listener = Listener("test", nothing)
    listener.open(0)
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo("localhost", listener.port)}
        assert listener.port
        assert all(status_at(str(address), listener.port) == 404 for address in addresses)
    finally:
        listener.close()


@pytest.mark.parametrize("missing", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_machine_without_ipv6_is_served_as_before(missing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def without_ipv6(address: Any, **options: Any) -> socket.socket:
        if options.get("family") == socket.AF_INET6:
            raise OSError(missing, "no IPv6 here")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    listener = Listener("test", nothing)
    listener.open(0)
    try:
        assert listener.port
        assert status_at("127.0.0.1", listener.port) == 404
    finally:
        listener.close()


@needs_ipv6
def test_a_port_that_another_program_has_by_ipv6_alone_is_not_half_taken() -> None:
    listener = Listener("test", nothing)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=r"."):
            listener.open(port)
        obstacle = port_obstacle(port)
        assert obstacle
        assert f"PID {os.getpid()}" in obstacle.title
        with socket.create_server(("127.0.0.1", port)):  # it was given back
            pass
    listener.open(port)
    listener.close()


def loopback() -> tuple[str, ...]:
    return ("127.0.0.1", "::1") if HAS_IPV6 else ("127.0.0.1",)


def status_at(address: str, port: int) -> int:
    with socket.create_connection((address, port), TIMEOUT_S) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return int(client.makefile("rb").readline().split()[1])
