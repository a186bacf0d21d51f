"""What the gateway costs: the same requests through it and straight to the engine, in the same run.

    python -m tests.benchmarks.bench_gateway [--requests N] [--memory N]

Engines: llama.cpp on the built-in test model, and the fake of PowerInfer's server, which answers in two
writes as the real one. Each client is a thread with one kept-alive connection. Direct and through the
gateway take turns, so that what else the machine does hits both alike. "share": the gateway's p50 by the
direct one.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from tests.benchmarks.results import Result
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import CONTEXT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEXT = "The quick brown fox jumps over the lazy dog."
TOKENS = 40
ROUNDS = 20
CROWD = 16

GOALS_MS = {"llama.cpp, embedding, 1 client": 1.0, "llama.cpp, stream, each token, 1 client": 0.2}
"""What the gateway adds at most."""

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

# The fake engine, for the same reason.
_POWERINFER = """
import sys
from tests.fakes.powerinfer_server import powerinfer_server
with powerinfer_server() as server:
    print(server.base_url, flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Stream:
    """One streamed answer."""

    first_ms: float
    token_ms: float


@dataclass(frozen=True)
class Row:
    """The times of the same requests straight to the engine and through the gateway."""

    title: str
    clients: int
    direct_ms: tuple[float, ...]
    through_ms: tuple[float, ...]

    @property
    def added_ms(self) -> float:
        return percentile(self.through_ms, 50) - percentile(self.direct_ms, 50)

    def __str__(self) -> str:
        direct, through = (
            [percentile(times_ms, share) for share in (50, 99)]
            for times_ms in (self.direct_ms, self.through_ms)
        )
        return (
            f"{self.title:36} {self.clients:3} {direct[0]:9.2f} {direct[1]:9.2f} {through[0]:9.2f}"
            f" {through[1]:9.2f} {self.added_ms:+9.2f} {through[0] / direct[0]:8.2f}"
        )


@dataclass(frozen=True)
class Memory:
    """The gateway's memory after each tenth of its requests."""

    name: str
    requests: int
    sizes_mib: tuple[float, ...]

    @property
    def growth_mib(self) -> float:
        """Since the first tenth, which also sets up what is set up once."""
        return self.sizes_mib[-1] - self.sizes_mib[0]

    def __str__(self) -> str:
        sizes = " ".join(f"{size:.1f}" for size in self.sizes_mib)
        return f"memory after each tenth of {self.requests} requests [MiB]: {sizes}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400, help="for each row, in all rounds together")
    parser.add_argument("--memory", type=int, default=5000, help="embeddings while the memory is watched")
    options = parser.parse_args()
    print(f"{'all in ms':32} clients  direct       p99   gateway       p99     added    share")
    for row in rows(options.requests, options.memory):
        print(row, flush=True)


def results(*, full: bool) -> Iterator[Result]:
    """What the gateway adds to the median request, and how its memory grows."""
    for row in rows(requests=400, memory=5000) if full else rows(requests=100, memory=400):
        if isinstance(row, Memory):
            yield Result(f"{row.name}: memory, growth over {row.requests} requests", row.growth_mib, "MiB")
        else:
            clients = "1 client" if row.clients == 1 else f"{row.clients} clients"
            name = f"{row.title}, {clients}"
            yield Result(f"{name}: added to the median", row.added_ms, "ms", GOALS_MS.get(name))


def rows(requests: int, memory: int) -> Iterator[Row | Memory]:
    """All comparisons, engine by engine."""
    with (
        llamacpp() as engine,
        gateway(engine.base_url, speaks_openai=True, context_size=engine.context_size) as (url, process),
    ):
        yield from compare(engine.base_url, "/v1/embeddings", url, "llama.cpp", {"input": TEXT}, requests)
        yield watch_memory("llama.cpp", Target(url, "/v1/embeddings", {"input": TEXT}), process, memory)
    with (
        child(_POWERINFER) as (base_url, _),
        gateway(base_url, speaks_openai=False, context_size=CONTEXT_SIZE) as (url, process),
    ):
        name = "PowerInfer (fake)"
        yield from compare(base_url, "/embedding", url, name, {"content": TEXT}, requests)
        yield watch_memory(name, Target(url, "/v1/embeddings", {"input": TEXT}), process, memory)


def compare(base_url: str, path: str, url: str, name: str, body: object, requests: int) -> Iterator[Row]:
    """Embeddings and streams of one engine, by one client and by a crowd."""
    through = Target(url, "/v1/embeddings", {"input": TEXT})
    direct = Target(base_url, path, body)
    native = path == "/embedding"
    for clients in (1, CROWD):
        if clients == 1 or not native:  # a PowerInfer server answers a crowd with "busy"
            yield compare_requests(f"{name}, embedding", direct, through, clients, requests)
    prompt = {"prompt": "Once", "stream": True, "temperature": 0}
    asked, native_limit = {**prompt, "max_tokens": TOKENS}, {**prompt, "n_predict": TOKENS - 1}
    direct = Target(base_url, *(("/completion", native_limit) if native else ("/v1/completions", asked)))
    through = Target(url, "/v1/completions", asked)
    for clients in (1, CROWD):
        if clients == 1 or not native:
            yield from compare_streams(f"{name}, stream", direct, through, clients, requests)


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


def compare_requests(title: str, direct: Target, through: Target, clients: int, requests: int) -> Row:
    each = max(1, requests // clients // ROUNDS)
    times: dict[Target, list[float]] = {direct: [], through: []}
    for _ in range(ROUNDS):
        for target in (direct, through):
            times[target] += crowd(target, clients, each)
    return Row(title, clients, tuple(times[direct]), tuple(times[through]))


def compare_streams(
    title: str, direct: Target, through: Target, clients: int, requests: int
) -> Iterator[Row]:
    each = max(1, requests // 10 // clients // ROUNDS)
    taken: dict[Target, list[Stream]] = {direct: [], through: []}
    for _ in range(ROUNDS):
        for target in (direct, through):
            taken[target] += streams(target, clients, each)
    firsts = {target: [one.first_ms for one in some] for target, some in taken.items()}
    tokens = {target: [one.token_ms for one in some] for target, some in taken.items()}
    for what, times in (("first token", firsts), ("each token", tokens)):
        yield Row(f"{title}, {what}", clients, tuple(times[direct]), tuple(times[through]))


def watch_memory(name: str, target: Target, process: psutil.Process, requests: int) -> Memory:
    """The gateway's memory while it answers; what it takes for the first tenth is set-up."""
    sizes_bytes = []
    for _ in range(10):
        crowd(target, 4, requests // 40)
        sizes_bytes.append(process.memory_info().rss)
    return Memory(name, requests, tuple(size / 2**20 for size in sizes_bytes))


def percentile(values: Sequence[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


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


if __name__ == "__main__":
    main()
