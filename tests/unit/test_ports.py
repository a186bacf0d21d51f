import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from tray_app.system.ports import PortInUseError, PortOwner, free_port, port_owners


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def refuse(*_: object) -> None:
    raise psutil.AccessDenied


def test_a_free_port_has_no_owner() -> None:
    assert port_owners(free_port()) == ()


def test_the_owner_of_a_port_is_named(listener: socket.socket) -> None:
    assert port_owners(port_of(listener)) == (PortOwner(psutil.Process().name(), os.getpid()),)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::1"])
def test_other_addresses_that_loopback_clients_reach_count(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"this machine cannot listen on {address}")
    with server:
        assert [owner.pid for owner in port_owners(port_of(server))] == [os.getpid()]


def test_where_the_system_lists_nothing_our_own_processes_are_asked(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", refuse)
    assert [owner.pid for owner in port_owners(port_of(listener))] == [os.getpid()]


def test_a_listener_that_is_hidden_from_us_is_another_program(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda _: [])
    assert port_owners(port_of(listener)) == (PortOwner("another program", None),)


def test_a_listener_whose_process_is_hidden_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SimpleNamespace(
        status=psutil.CONN_LISTEN, laddr=SimpleNamespace(ip="127.0.0.1", port=80), pid=None
    )
    monkeypatch.setattr(psutil, "net_connections", lambda _: [seen])
    assert port_owners(80) == (PortOwner("another program", None),)


def test_the_error_names_port_and_program() -> None:
    error = PortInUseError(8080, (PortOwner("python3", 42), PortOwner("another program", None)))
    assert error.title == "Port 8080 is used by python3 (PID 42), another program"
    assert (error.port, len(error.owners)) == (8080, 2)
