"""What the gateway costs: the same requests through it and straight to the engine, in the same run.

    python -m tests.benchmarks.bench_gateway [--requests N] [--memory N]

Engines: llama.cpp on the built-in test model, and the fake of PowerInfer's server, which answers in two
writes as the real one. Each client is a thread with one kept-alive connection. Direct and through the
gateway take turns, so that what else the machine does hits both alike. "share": the gateway's p50 by the
direct one. How many texts are embedded in the same time: `bench_gateway_rates.py`.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks import bench_gateway_rates
from tests.benchmarks.gateway_clients import (
    CROWD,
    POWERINFER,
    Target,
    child,
    crowd,
    gateway,
    streams,
)
from tests.benchmarks.results import Result
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import CONTEXT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psutil

    from tests.benchmarks.gateway_clients import Stream

TEXT = "The quick brown fox jumps over the lazy dog."
TOKENS = 40
ROUNDS = 20

GOALS_MS = {
    "llama.cpp, embedding, 1 client": 0.4,
    f"llama.cpp, stream, first token, {CROWD} clients": 3.0,
    "llama.cpp, stream, each token, 1 client": 0.2,
}
"""What the gateway adds at most."""


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
class Use:
    """The gateway's memory after each tenth of its embeddings, and its processor time for one."""

    name: str
    requests: int
    sizes_mib: tuple[float, ...]
    processor_ms: float

    @property
    def growth_mib(self) -> float:
        """Since the first tenth, which also sets up what is set up once."""
        return self.sizes_mib[-1] - self.sizes_mib[0]

    def __str__(self) -> str:
        sizes = " ".join(f"{size:.1f}" for size in self.sizes_mib)
        return (
            f"processor time for one of {self.requests} requests: {self.processor_ms:.2f} ms, "
            f"memory after each tenth of them [MiB]: {sizes}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400, help="for each row, in all rounds together")
    parser.add_argument("--memory", type=int, default=5000, help="embeddings while the memory is watched")
    options = parser.parse_args()
    print(f"{'all in ms':32} clients  direct       p99   gateway       p99     added    share")
    for row in rows(options.requests, options.memory):
        print(row, flush=True)


def results(*, full: bool) -> Iterator[Result]:
    """What the gateway adds to the median request, how its memory grows, and what it leaves of an engine's
    speed.
    """
    for row in rows(requests=400, memory=5000) if full else rows(requests=100, memory=400):
        if isinstance(row, Use):
            yield Result(f"{row.name}, embedding: processor time of the gateway", row.processor_ms, "ms")
            yield Result(f"{row.name}: memory, growth over {row.requests} requests", row.growth_mib, "MiB")
        else:
            clients = "1 client" if row.clients == 1 else f"{row.clients} clients"
            name = f"{row.title}, {clients}"
            yield Result(f"{name}: added to the median", row.added_ms, "ms", GOALS_MS.get(name))
    yield from bench_gateway_rates.results(full=full)


def rows(requests: int, memory: int) -> Iterator[Row | Use]:
    """All comparisons, engine by engine."""
    with (
        llamacpp() as engine,
        gateway(engine.base_url, speaks_openai=True, context_size=engine.context_size) as (url, process),
    ):
        yield from compare(engine.base_url, "/v1/embeddings", url, "llama.cpp", {"input": TEXT}, requests)
        yield watch_use("llama.cpp", Target(url, "/v1/embeddings", {"input": TEXT}), process, memory)
    with (
        child(POWERINFER) as (base_url, _),
        gateway(base_url, speaks_openai=False, context_size=CONTEXT_SIZE) as (url, process),
    ):
        name = "PowerInfer (fake)"
        yield from compare(base_url, "/embedding", url, name, {"content": TEXT}, requests)
        yield watch_use(name, Target(url, "/v1/embeddings", {"input": TEXT}), process, memory)


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


def watch_use(name: str, target: Target, process: psutil.Process, requests: int) -> Use:
    """What the gateway takes while it answers; its memory for the first tenth is set-up."""
    sizes_bytes = []
    before_s = sum(process.cpu_times()[:2])
    for _ in range(10):
        crowd(target, 4, requests // 40)
        sizes_bytes.append(process.memory_info().rss)
    took_s = sum(process.cpu_times()[:2]) - before_s
    asked = 10 * 4 * (requests // 40 + 1)  # each client asks once before it begins
    return Use(name, requests, tuple(size / 2**20 for size in sizes_bytes), 1000 * took_s / asked)


def percentile(values: Sequence[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


if __name__ == "__main__":
    main()
