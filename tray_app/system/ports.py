"""TCP ports of this machine: why a port cannot be used, and which one can. Any thread."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.phrases import joined, phrase
from tray_app.system.executable import windows_program
from tray_app.system.process import ask
from tray_app.system.programs import THIS_APP, UNKNOWN_PROGRAM, program_name, service_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.phrases import Phrase, Text

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where the person opens the server to the network
_IN_IPV6 = {LOOPBACK: "::1", EVERYWHERE: "::"}
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_HIGHEST = 65_535
_MOST_TRIES = 100
"""A port that is free by IPv4 but not by IPv6 is rare, unless the system refuses IPv6 altogether."""
_LOWEST_FOR_ALL = 1024
"""Below this port, most systems let only root listen."""
_NETSH_ARGUMENTS = ("int", "ipv4", "show", "excludedportrange", "protocol=tcp")
_NETSH_TIMEOUT_S = 5.0
_RESERVED_LINE = re.compile(r"^\s*(\d{1,5})\s+(\d{1,5})\s*\*?\s*$", re.MULTILINE)


_NAMES = {
    UNKNOWN_PROGRAM: phrase("another program"),
    THIS_APP: phrase("another PowerInfer Tray"),
}


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A program that listens on a port. `pid` is None if the system does not tell."""

    name: str
    pid: int | None
    service: str | None = None
    """The service of the system that runs the program and would start it again."""

    @property
    def words(self) -> Phrase:
        """The name, with the process id or the service."""
        name = _NAMES.get(self.name, self.name)
        match self.pid, self.service:
            case None, None:
                return phrase("{name}", name=name)
            case None, _:
                return phrase("{name} (service {service})", name=name, service=self.service)
            case _, None:
                return phrase("{name} (PID {pid})", name=name, pid=self.pid)
            case _:
                return phrase(
                    "{name} (PID {pid}, service {service})", name=name, pid=self.pid, service=self.service
                )

    def __str__(self) -> str:
        return str(self.words)


class PortError(EngineError):
    """A port cannot be used; `nearest_free` is one that could be used now."""

    def __init__(
        self,
        code: ErrorCode,
        port: int,
        nearest_free: int | None,
        title: Text,
        message: Text,
        remedy: Phrase | None,
    ) -> None:
        super().__init__(code, title, message, _hint(remedy, nearest_free), fix=Fix.FREE_PORT, setting="port")
        self.port = port
        self.nearest_free = nearest_free


class PortInUseError(PortError):
    """Another program listens on the port."""

    def __init__(self, port: int, owners: tuple[PortOwner, ...], nearest_free: int | None = None) -> None:
        services = ", ".join(dict.fromkeys(owner.service for owner in owners if owner.service))
        super().__init__(
            ErrorCode.PORT_IN_USE,
            port,
            nearest_free,
            phrase(
                "Port {port} is in use by {programs}",
                port=port,
                programs=joined(", ", [owner.words for owner in owners] or [_NAMES[UNKNOWN_PROGRAM]]),
            ),
            "Only one program at a time can use a port.",
            phrase("Stop the service {services}", services=services)
            if services
            else phrase("Quit that program"),
        )
        self.owners = owners


class PortRefusedError(PortError):
    """No program listens on the port, but the system refuses it."""


def _hint(remedy: Phrase | None, nearest_free: int | None) -> Phrase:
    """The hint of an error: how to free the port, or which other one to choose."""
    match remedy, nearest_free:
        case None, None:
            return phrase("Choose another port.")
        case None, _:
            return phrase("Choose another port: {port} is free.", port=nearest_free)
        case _, None:
            return phrase("{remedy}, or choose another port.", remedy=remedy)
        case _:
            return phrase(
                "{remedy}, or choose another port: {port} is free.", remedy=remedy, port=nearest_free
            )


def port_obstacle(port: int, host: str = LOOPBACK) -> PortError | None:
    """Why a server on `host` could not use a TCP port; None if it could."""
    if owners := port_owners(port, host):
        return PortInUseError(port, owners, nearest_free_port(port))
    refusal = next(_refusals(port, host), None)
    if refusal is None:
        return None
    title = phrase("The system does not allow port {port}", port=port)
    message: Text
    if reserved := next((each for each in _reserved_ranges() if port in each), None):
        message = phrase(
            "Windows reserves ports {first} to {last}.",
            first=reserved.start,
            last=reserved.stop - 1,
        )
    elif port < _LOWEST_FOR_ALL and refusal.errno in (errno.EACCES, errno.EPERM):
        message = phrase("Ports below {port} are reserved for system programs.", port=_LOWEST_FOR_ALL)
    else:
        message = refusal.strerror or str(refusal)
    return PortRefusedError(ErrorCode.PORT_REFUSED, port, nearest_free_port(port), title, message, None)


def port_owners(port: int, host: str = LOOPBACK) -> tuple[PortOwner, ...]:
    """The programs that listen on a TCP port in conflict with a server on `host`; empty if there are none."""
    pids = {pid for address, pid in _listeners(port) if _overlaps(address, host)}
    if not pids and _is_taken(port, host):
        pids = {None}
    return tuple(_owner(pid) for pid in sorted(pids, key=lambda pid: pid or 0))


def nearest_free_port(port: int) -> int:
    """The port nearest to `port` that a server on the loopback address could use now, by IPv4 and IPv6.

    Never `port` itself, nor a port below 1024.
    """
    for distance in range(1, _HIGHEST):
        for candidate in (port + distance, port - distance):
            if _LOWEST_FOR_ALL <= candidate <= _HIGHEST and next(_refusals(candidate), None) is None:
                return candidate
    return free_port()


def free_port() -> int:
    """A loopback port that is free at this moment, by IPv4 and IPv6; only by IPv4 if IPv6 is always
    refused.
    """
    for _ in range(_MOST_TRIES):
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if next(_refusals(port), None) is None:
            break
    return port


def own_loopback() -> str:
    """A random loopback address that other programs cannot guess; 127.0.0.1 if the system has no other.

    On Linux and Windows, all of 127.0.0.0/8 are loopback addresses.
    """
    host = f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return LOOPBACK
    return host


def listen(port: int, host: str, backlog: int) -> tuple[socket.socket, ...]:
    """Sockets that listen on an IPv4 address and on the corresponding IPv6 address, on the same port.

    Programs that connect to `localhost` try ::1 first. Without IPv6 there is one socket. Port 0: one that is
    free in both. `OSError` if one of them cannot be bound; then none stays open.
    """
    while True:
        ipv4 = socket.create_server((host, port), backlog=backlog)
        try:
            ipv6 = (_IN_IPV6[host], ipv4.getsockname()[1])
            return ipv4, socket.create_server(ipv6, family=socket.AF_INET6, backlog=backlog)
        except OSError as exc:
            if exc.errno in _NO_IPV6:
                return (ipv4,)
            ipv4.close()
            if port or exc.errno != errno.EADDRINUSE:
                raise


def reserved_ranges(netsh: str) -> tuple[range, ...]:
    """The ports that Windows reserves, from the output of `netsh … show excludedportrange`.

    Its headings are translated, so only lines with two numbers are read.
    """
    pairs = ((int(first), int(last)) for first, last in _RESERVED_LINE.findall(netsh))
    return tuple(range(first, last + 1) for first, last in pairs if 0 < first <= last <= _HIGHEST)


def _reserved_ranges() -> tuple[range, ...]:
    try:
        return reserved_ranges(ask((windows_program("netsh"), *_NETSH_ARGUMENTS), _NETSH_TIMEOUT_S).text)
    except (OSError, subprocess.TimeoutExpired):  # other systems do not reserve ports
        return ()


def _listeners(port: int) -> Iterator[tuple[str, int | None]]:
    """Address and process of every visible listener on a port."""
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                yield one.laddr.ip, one.pid
    except psutil.AccessDenied:  # macOS shows all only to root; this user's processes can still be read
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                for own in process.net_connections("tcp"):
                    if own.status == psutil.CONN_LISTEN and own.laddr and own.laddr.port == port:
                        yield own.laddr.ip, process.pid


def _overlaps(address: str, host: str) -> bool:
    """Whether a client of a server on `host` could reach the listener on `address` instead.

    `localhost` means both 127.0.0.1 and ::1, so each loopback address counts.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_loopback or ip.is_unspecified or ipaddress.ip_address(host).is_unspecified


def _is_taken(port: int, host: str) -> bool:
    """Whether the port is taken, found out by binding: listeners may be hidden from this user."""
    return any(refusal.errno == errno.EADDRINUSE for refusal in _refusals(port, host))


def _refusals(port: int, host: str = LOOPBACK) -> Iterator[OSError]:
    """The errors when a server would listen on both addresses; none if it can."""
    for family, address in ((socket.AF_INET, host), (socket.AF_INET6, _IN_IPV6[host])):
        if refusal := _refusal(port, family, address):
            yield refusal


def _refusal(port: int, family: socket.AddressFamily, address: str) -> OSError | None:
    """The error when a server would listen on this address; None if it can, and also if there is no IPv6."""
    try:
        with socket.socket(family) as probe:
            if sys.platform == "win32":  # on Windows, SO_REUSEADDR would share the port with its owner
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:  # old connections of an ended server do not block the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
    except OSError as exc:
        return None if family == socket.AF_INET6 and exc.errno in _NO_IPV6 else exc
    return None


def _owner(pid: int | None) -> PortOwner:
    if pid is None or pid == os.getpid():
        return PortOwner(program_name(pid), pid)
    return PortOwner(program_name(pid), pid, service_of(pid))
