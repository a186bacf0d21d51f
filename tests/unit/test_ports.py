import errno
import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from tray_app.system import ports
from tray_app.system.ports import (
    PortInUseError,
    PortOwner,
    PortRefusedError,
    free_port,
    nearest_free_port,
    port_obstacle,
    port_owners,
    reserved_ranges,
)


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
    assert error.title == "Port 8080 is in use by python3 (PID 42), another program"
    assert (error.port, len(error.owners)) == (8080, 2)


def test_the_nearest_free_port_lies_beside_one_that_is_taken(listener: socket.socket) -> None:
    port = port_of(listener)
    free = nearest_free_port(port)
    assert free != port
    with socket.create_server(("127.0.0.1", free)):
        assert nearest_free_port(port) != free


def test_a_port_that_somebody_has_by_ipv6_alone_is_not_called_free() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert nearest_free_port(port_of(server) - 1) != port_of(server)


def test_a_low_port_is_never_called_free() -> None:
    assert nearest_free_port(80) >= 1024


def test_where_the_system_refuses_all_of_ipv6_a_port_of_ipv4_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = ports._refusal

    def only_ipv4(port: int, family: socket.AddressFamily, address: str) -> OSError | None:
        return refusal(port, family, address) if family == socket.AF_INET else PermissionError(errno.EPERM)

    monkeypatch.setattr(ports, "_refusal", only_ipv4)

    with socket.create_server((ports.LOOPBACK, free_port())) as server:
        assert port_of(server) >= 1024


def test_at_the_upper_end_the_nearest_free_port_lies_below() -> None:
    assert nearest_free_port(65_535) < 65_535


def test_an_obstacle_names_a_port_that_could_be_had(listener: socket.socket) -> None:
    obstacle = port_obstacle(port_of(listener))
    assert isinstance(obstacle, PortInUseError)
    assert obstacle.nearest_free
    assert f"{obstacle.nearest_free} is free" in obstacle.hint
    assert port_obstacle(obstacle.nearest_free) is None


def test_a_service_is_to_be_stopped_as_a_service() -> None:
    error = PortInUseError(8080, (PortOwner("ollama", 7, "ollama.service"),), 8081)
    assert error.title == "Port 8080 is in use by ollama (PID 7, service ollama.service)"
    assert error.hint == "Stop the service ollama.service, or choose another port: 8081 is free."


GERMAN_NETSH = """
Protokoll tcp Portausschlussbereiche

Startport    Endport
----------    --------
      5357        5357
      8000        8099
     50000       50059     *

* - Verwaltete Portausschlüsse.
"""


def test_the_ranges_that_windows_keeps_are_read_in_any_language() -> None:
    assert reserved_ranges(GERMAN_NETSH) == (range(5357, 5358), range(8000, 8100), range(50_000, 50_060))


@pytest.mark.parametrize("text", ["", "70000 70001", "9 8", "12 users are logged in"])
def test_other_output_of_netsh_names_no_ranges(text: str) -> None:
    assert reserved_ranges(text) == ()


def test_a_port_that_windows_keeps_is_told_though_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()

    def refuse_one(asked: int, *_: object) -> OSError | None:
        return OSError(errno.EACCES, "An attempt was made to access a socket") if asked == port else None

    monkeypatch.setattr(ports, "_refusal", refuse_one)
    monkeypatch.setattr(ports, "_reserved_ranges", lambda: (range(port - 3, port + 4),))
    obstacle = port_obstacle(port)
    assert isinstance(obstacle, PortRefusedError)
    assert obstacle.message == f"Windows reserves ports {port - 3} to {port + 3}."
    assert obstacle.nearest_free == port + 1
    assert obstacle.hint == f"Choose another port: {port + 1} is free."


def test_a_port_of_the_system_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(ports, "_refusal", lambda port, *_: denied if port < 1024 else None)
    monkeypatch.setattr(psutil, "net_connections", lambda _: [])
    obstacle = port_obstacle(80)
    assert obstacle
    assert obstacle.message == "Ports below 1024 are reserved for system programs."
    assert obstacle.nearest_free == 1024


def test_in_the_network_a_listener_on_any_address_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SimpleNamespace(
        status=psutil.CONN_LISTEN, laddr=SimpleNamespace(ip="192.168.1.2", port=8080), pid=None
    )
    monkeypatch.setattr(psutil, "net_connections", lambda _: [seen])
    monkeypatch.setattr(ports, "_is_taken", lambda *_: False)
    assert port_owners(8080, "0.0.0.0")
    assert not port_owners(8080)
