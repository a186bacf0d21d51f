"""Clients that mean no good: they connect and say nothing, send too much, read nothing, or leave."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from tests.fakes.gateways import get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 30.0
MIB = 2**20


@dataclass
class Watched:
    """What was seen of an app: its memory, and how long its address took to answer."""

    peak_mib: float = 0.0
    answers_ms: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)


@contextmanager
def watched(pid: int, url: str) -> Iterator[Watched]:
    """Look at a process and its address all the time, until the end of the block."""
    seen, end = Watched(), threading.Event()

    def look() -> None:
        process = psutil.Process(pid)
        while not end.wait(0.02):
            began_s = time.perf_counter()
            seen.statuses.add(get(f"{url.removesuffix('/v1')}/health").status_code)
            seen.answers_ms.append(1000 * (time.perf_counter() - began_s))
            seen.peak_mib = max(seen.peak_mib, process.memory_info().rss / MIB)

    thread = threading.Thread(target=look, name="watching")
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fails if it does not in time."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s, "it does not come to that"
        time.sleep(0.02)


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port or 0), DEADLINE_S)


@contextmanager
def silent_clients(url: str, number: int) -> Iterator[list[socket.socket]]:
    """So many connections on which nothing is said."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(url)) for _ in range(number)]


def request_of(path: str, body: object, *, length: int | None = None) -> bytes:
    """A POST as bytes; `length`: what it claims to bring."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(content) if length is None else length
    head = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {size}")
    return "\r\n".join((f"POST {path} HTTP/1.1", *head, "", "")).encode() + content


def status_line(client: socket.socket) -> int:
    """The status that a client is told."""
    line = client.makefile("rb").readline()
    return int(line.split()[1])


def is_closed(client: socket.socket) -> bool:
    """Whether the other side has hung up."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
