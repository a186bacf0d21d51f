"""Clients that mean no good: they connect and say nothing, send too much, read nothing, or leave."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 30.0
CROWD = 16
"""So many come at once with large bodies: together, these are half again as large as memory may grow."""

# A process of its own: it must not wait for those who attack. It imports little, for it is started often.
_WATCH = """
import sys, threading, time
from http.client import HTTPConnection
import psutil
process, end, peak = psutil.Process(int(sys.argv[1])), threading.Event(), [0]
def weigh():
    while not end.wait(0.002):
        peak[0] = max(peak[0], process.memory_info().rss)
threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()
threading.Thread(target=weigh, daemon=True).start()
is_over = False
while not is_over:
    is_over = end.wait(0.02)  # and one more look, for what has taken no longer than that
    began_s = time.perf_counter()
    address = HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=30)
    address.request("GET", "/health")
    status = address.getresponse().status
    address.close()
    answer_ms = 1000 * (time.perf_counter() - began_s)
    print(status, answer_ms, peak[0] / 2**20, flush=True)
"""


@dataclass
class Watched:
    """What was seen of an app: its memory, and how long its address took to answer."""

    whole_ms: float = 0.0
    """How long it was looked at."""
    peak_mib: float = 0.0
    answers_ms: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def is_quick(self) -> bool:
        """Whether an ordinary answer comes at once, or on a slow machine before one of the `CROWD`.

        An address whose thread reads what those others send has them wait for at least one of them.
        """
        return statistics.median(self.answers_ms) < max(100, self.whole_ms / CROWD)


@contextmanager
def watched(pid: int, url: str) -> Iterator[Watched]:
    """Look at a process and its address all the time, until the end of the block."""
    seen = Watched()
    command = [sys.executable, "-c", _WATCH, str(pid), str(urlsplit(url).port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout
        watcher.stdout.readline()
        began_s = time.perf_counter()
        try:
            yield seen
        finally:
            seen.whole_ms = 1000 * (time.perf_counter() - began_s)
            told, _ = watcher.communicate()
    for line in told.splitlines():
        status, answer_ms, memory_mib = line.split()
        seen.statuses.add(int(status))
        seen.answers_ms.append(float(answer_ms))
        seen.peak_mib = max(seen.peak_mib, float(memory_mib))


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


def request_of(path: str, body: object, *headers: str, length: int | None = None) -> bytes:
    """A POST as bytes; `length`: what it claims to bring."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(content) if length is None else length
    head = ("Host: localhost", "Content-Type: application/json", f"Content-Length: {size}", *headers)
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
