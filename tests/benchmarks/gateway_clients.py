"""A gateway in a process of its own, an engine behind it, and clients that ask both: for benchmarks."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

CROWD = 16

# A process of its own, as in use: clients and gateway must not share Python's lock.
_GATEWAY = """
import sys
from tests.fakes.gateways import gateway_to
from tray_app.gateway.upstream import Upstream
base_url, speaks, context_size = sys.argv[1:]
upstream = Upstream(base_url, speaks == "True", "tiny", "Tiny", int(context_size))
with gateway_to(upstream) as url:
    print(url.removesuffix("/v1"), flush=True)
    sys.stdin.read()
"""

POWERINFER = """
import sys
from tests.fakes.powerinfer_server import powerinfer_server
with powerinfer_server() as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""
"""A fake engine, which is a process of its own for the same reason."""


@dataclass(frozen=True)
class Stream:
    """One streamed answer."""

    first_ms: float
    token_ms: float


class Target:
    """Where a request goes, over a connection that stays."""

    def __init__(self, base_url: str, path: str, body: object) -> None:
        self.address = urlsplit(base_url).netloc
        self.path = path
        self.body = json.dumps(body).encode()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=60)

    def ask(self, connection: http.client.HTTPConnection) -> float:
        """How long a request takes. PowerInfer ends each connection after five: that costs a new one."""
        began_s = time.perf_counter()
        try:
            answer = self._send(connection)
        except (ConnectionError, http.client.RemoteDisconnected):
            connection.close()
            began_s = time.perf_counter()
            answer = self._send(connection)
        content = answer.read()
        elapsed_ms = 1000 * (time.perf_counter() - began_s)
        assert answer.status == http.HTTPStatus.OK, content
        return elapsed_ms

    def stream(self) -> Stream:
        """A streamed answer, over a connection of its own: llama.cpp closes it afterwards."""
        with closing(self.connect()) as connection:
            connection.connect()
            began_s = time.perf_counter()
            answer = self._send(connection)
            times_s = []
            while line := answer.readline():
                if line.startswith(b"data: {"):
                    times_s.append(time.perf_counter())
        if not times_s:  # PowerInfer: for some milliseconds after a stream, another one is empty
            return self.stream()
        token_ms = 1000 * (times_s[-1] - times_s[0]) / (len(times_s) - 1)
        return Stream(1000 * (times_s[0] - began_s), token_ms)

    def _send(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", self.path, self.body, headers)
        return connection.getresponse()


def crowd(target: Target, clients: int, each: int) -> list[float]:
    """The times of all requests that so many clients send, one after the other each."""

    def client(_: int) -> list[float]:
        with closing(target.connect()) as connection:
            target.ask(connection)  # the first pays for the connection
            return [target.ask(connection) for _ in range(each)]

    with ThreadPoolExecutor(clients) as threads:
        return [time_ms for times in threads.map(client, range(clients)) for time_ms in times]


def streams(target: Target, clients: int, each: int) -> list[Stream]:
    """As `crowd`, for streamed answers."""

    def client(_: int) -> list[Stream]:
        return [target.stream() for _ in range(each)]

    with ThreadPoolExecutor(clients) as threads:
        return [stream for some in threads.map(client, range(clients)) for stream in some]


@contextmanager
def child(code: str, *arguments: object) -> Iterator[tuple[str, psutil.Process]]:
    """A Python process that prints an address, until the end of the block."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
        assert process.stdin
        process.stdin.close()


def gateway(base_url: str, *, speaks_openai: bool, context_size: int) -> Any:
    """A gateway in a process of its own."""
    return child(_GATEWAY, base_url, speaks_openai, context_size)
