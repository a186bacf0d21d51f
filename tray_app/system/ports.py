"""TCP ports of this machine: who listens on one, and one that nobody has. Any thread."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from tray_app.errors import EngineError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOPBACK = "127.0.0.1"
_UNKNOWN_PROGRAM = "another program"


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A program that listens on a port. `pid` is None where the system does not let us see it."""

    name: str
    pid: int | None

    def __str__(self) -> str:
        return self.name if self.pid is None else f"{self.name} (PID {self.pid})"


class PortInUseError(EngineError):
    """A port that is asked for is taken."""

    def __init__(self, port: int, owners: tuple[PortOwner, ...]) -> None:
        super().__init__(
            phrase(
                "Port {port} is used by {programs}",
                port=port,
                programs=", ".join(map(str, owners)) or phrase("another program"),
            ),
            "Only one program at a time can listen on a port.",
            "End that program, or choose another port.",
        )
        self.port = port
        self.owners = owners


def port_owners(port: int) -> tuple[PortOwner, ...]:
    """Who listens on a TCP port so that a server on the loopback address could not; empty if nobody does."""
    pids = {pid for address, pid in _listeners(port) if _includes_loopback(address)}
    if not pids and _is_taken(port):
        pids = {None}
    return tuple(PortOwner(_name(pid), pid) for pid in sorted(pids, key=lambda pid: pid or 0))


def free_port() -> int:
    """A loopback port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _listeners(port: int) -> Iterator[tuple[str, int | None]]:
    """Address and process of every listener on a port that the system lets us see."""
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                yield one.laddr.ip, one.pid
    except psutil.AccessDenied:  # macOS, unless for root; the processes that are ours still answer
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                for own in process.net_connections("tcp"):
                    if own.status == psutil.CONN_LISTEN and own.laddr and own.laddr.port == port:
                        yield own.laddr.ip, process.pid


def _includes_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_loopback or ip.is_unspecified


def _is_taken(port: int) -> bool:
    """Whether a server could not have the port, as the last word where listeners are hidden from us."""
    with socket.socket() as probe:
        if sys.platform == "win32":  # there, SO_REUSEADDR would share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # connections of a server that has ended do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as exc:
            return exc.errno == errno.EADDRINUSE
    return False


def _name(pid: int | None) -> str:
    try:
        return psutil.Process(pid).name() if pid else _UNKNOWN_PROGRAM
    except psutil.Error:
        return _UNKNOWN_PROGRAM
