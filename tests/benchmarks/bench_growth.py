"""What time and memory do as things become more: python -m tests.benchmarks.bench_growth [--full]

Models in the folder, connections to the gateway, texts in a list, engines in memory. What counts are ratios
within this run: what one more costs where there are many, by what it costs where there are few. All sizes
take turns, so that what else the machine does hits them alike; where the time of the processor is meant,
that is said.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import aiohttp
import psutil
import requests

from tests.benchmarks.download_contenders import peak_of
from tests.benchmarks.gateway_clients import gateway
from tests.benchmarks.results import Curve, Note, Result, reached, shown
from tests.fakes.llamacpp import llamacpp
from tests.fakes.models import model_bytes
from tests.fakes.program import running
from tests.fakes.several_models import engines_below
from tests.fakes.tiny_models import bert_model_bytes
from tray_app.gateway.limits import MAX_REQUESTS
from tray_app.models.catalog import load_catalog
from tray_app.models.library import Library, builtin_model
from tray_app.system.paths import HOME_VARIABLE, resources
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.benchmarks.results import Finding

MODELS, QUICK_MODELS = (1, 10, 100, 1000), (100, 1000)
CONNECTIONS, QUICK_CONNECTIONS = (1, 64, 256), (64, 256)
REQUESTS = 512
"""In each round, over all connections together."""
TEXTS, QUICK_TEXTS = (1, 8, 64, 512, 2048), (8, 64, 512)
MOST_LISTS = 64
"""Of one size, in a round."""
ENGINES, QUICK_ENGINES = (1, 2, 3), (1, 3)
FULL_ROUNDS, QUICK_ROUNDS = 7, 2
FULL_IDLE_S, QUICK_IDLE_S = 20.0, 2.0
_SETTLE_S = 4.0
"""Until connections to the engines that are idle are closed: as long as one is open, they look at it."""
EACH_BY_EACH = 1.1
"""What one of many costs, by one of few: linear, and what a busy machine adds to that."""
BUSY_BY_BUSY = 1.2
"""The same for connections: caches hold less of each of 256 than of each of 64."""
TEXT = "The quick brown fox jumps over the lazy dog."
TIMEOUT_S = 60.0


def results(*, full: bool) -> Iterator[Finding]:
    """Curves, and ratios that show whether they are linear; `full` takes more sizes and more rounds."""
    rounds = FULL_ROUNDS if full else QUICK_ROUNDS
    yield from of_models(MODELS if full else QUICK_MODELS, rounds)
    with llamacpp() as engine:
        yield from of_connections(engine.base_url, CONNECTIONS if full else QUICK_CONNECTIONS, rounds)
        yield from of_lists(engine.base_url, TEXTS if full else QUICK_TEXTS, rounds)
    yield from of_engines(ENGINES if full else QUICK_ENGINES, rounds, FULL_IDLE_S if full else QUICK_IDLE_S)


# ---- models in the folder


def of_models(sizes: Sequence[int], rounds: int) -> Iterator[Finding]:
    """A look at the folder, and an app that begins with so many models in it."""
    with tempfile.TemporaryDirectory() as folder:
        homes = {size: _home_with(Path(folder) / str(size), size) for size in sizes}
        yield from _looks({size: home / "models" for size, home in homes.items()}, rounds)
        turns = range(max(1, rounds // 3))
        seen = {size: [_started(home) for _ in turns] for size, home in homes.items()}
    for name, unit in (
        ("start of the app until it is ready", "ms"),
        ("start of the app, its processor", "ms"),
        ("an answer of /v1/models", "ms"),
        ("memory of the app", "MiB"),
    ):
        values = {size: [started[name] for started in each] for size, each in seen.items()}
        yield _curve(f"models: {name}", unit, "models", values)
    yield _for_each("models: memory", values, most_kib=20)


def _looks(folders: Mapping[int, Path], rounds: int) -> Iterator[Finding]:
    """The time of the processor for the first look at a folder, which reads headers, and for the next."""
    first: dict[int, list[float]] = defaultdict(list)
    again: dict[int, list[float]] = defaultdict(list)
    catalog = load_catalog(resources() / "catalog.toml")
    for _ in range(3 * rounds):
        for size, folder in folders.items():
            library = Library(folder, catalog, builtin_model())
            first[size].append(_processor_ms(library.contents))
            again[size].append(_processor_ms(library.contents))
    for name, taken in (("the first look", first), ("another look", again)):
        yield _curve(f"models: {name} at the folder, processor", "ms", "models", taken)
        each = {size: [value / size for value in values] for size, values in taken.items()}
        yield _ratio(f"models: {name}, processor for each, 1,000 by 100", each[1000], each[100])


def _home_with(home: Path, models: int) -> Path:
    """The home of an app that has so many small models."""
    folder = home / "models"
    folder.mkdir(parents=True)
    for number in range(models):
        name = f"Some Model {number}"
        (folder / f"some-model-{number:04}-Q4_K_M.gguf").write_bytes(model_bytes(name=name))
    (home / "settings.toml").write_text("threads = 1\n", encoding="utf-8")
    return home


def _started(home: Path) -> dict[str, float]:
    """What the start of an app takes, and an answer with all its models (ms); its memory (MiB)."""
    with _app(home, "test") as (url, pid, ready_ms):
        processor_ms = 1000 * _spent_s(psutil.Process(pid))
        models = requests.get(f"{url}/models", timeout=TIMEOUT_S).json()["data"]
        assert len(models) >= len(list((home / "models").iterdir())), len(models)
        took_ms = [_elapsed_ms(partial(requests.get, f"{url}/models", timeout=TIMEOUT_S)) for _ in range(5)]
        return {
            "start of the app until it is ready": ready_ms,
            "start of the app, its processor": processor_ms,
            "an answer of /v1/models": statistics.median(took_ms),
            "memory of the app": _memory_mib(pid),
        }


# ---- connections to the gateway


def of_connections(engine_url: str, sizes: Sequence[int], rounds: int) -> Iterator[Finding]:
    """Embeddings over so many connections, each with one request after the other."""
    per_s, waits, worked, memory = (defaultdict[int, list[float]](list) for _ in range(4))
    with ExitStack() as stack:
        gateways = {
            size: stack.enter_context(gateway(engine_url, speaks_openai=True, context_size=512))
            for size in sizes
        }
        for _ in range(rounds):
            for size, (url, process) in gateways.items():
                served = asyncio.run(_ask_at_once(f"{url}/v1/embeddings", process, size))
                per_s[size].append(len(served.waits_s) / served.elapsed_s)
                waits[size].append(1000 * statistics.median(served.waits_s))
                worked[size].append(1000 * served.processor_s / len(served.waits_s))
                memory[size].append(served.memory_mib)
    of = "connections"
    yield _curve("connections: requests", "requests/s", of, per_s)
    yield _curve("connections: median wait for an answer", "ms", of, waits)
    yield _curve("connections: processor of the gateway for a request", "ms", of, worked)
    yield _curve("connections: memory of the gateway", "MiB", of, memory)
    many = sizes[-1]
    busy = min(many, MAX_REQUESTS)
    at_work = [wait_ms / 1000 * rate for wait_ms, rate in zip(waits[many], per_s[many], strict=True)]
    name = f"connections: median wait x requests/s, by the {busy} at work"
    yield Result(name, statistics.median(at_work) / busy, "times", EACH_BY_EACH)
    yield _ratio("connections: time for a request, 256 by 64", per_s[64], per_s[256], BUSY_BY_BUSY)
    yield _ratio("connections: processor for a request, 256 by 64", worked[256], worked[64], BUSY_BY_BUSY)
    yield _for_each("connections: memory", memory, most_kib=100)
    yield Note(
        f"Of {many} connections, {busy} have a request at work at a time: the gateway's limit. Of these, "
        "four have a kept connection to the engine, and each of the others one of its own, which costs more."
    )


@dataclass(frozen=True, slots=True)
class _Served:
    """What a gateway did for many requests."""

    elapsed_s: float
    waits_s: tuple[float, ...]
    processor_s: float
    memory_mib: float
    """While all connections are open."""


async def _ask_at_once(url: str, process: psutil.Process, connections: int) -> _Served:
    """`REQUESTS` in all, over connections that are there before. An answer that is an error raises."""
    at_work = asyncio.Semaphore(MAX_REQUESTS)

    async def ask(session: aiohttp.ClientSession) -> float:
        async with at_work:
            began_s = time.perf_counter()
            async with session.post(url, json={"input": TEXT}) as answer:
                answer.raise_for_status()
                await answer.read()
            return time.perf_counter() - began_s

    async def ask_in_turns(session: aiohttp.ClientSession) -> list[float]:
        return [await ask(session) for _ in range(REQUESTS // connections)]

    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)))
            for _ in range(connections)
        ]
        await asyncio.gather(*map(ask, sessions))  # the first one connects
        began_s, before_s = time.perf_counter(), _spent_s(process)
        waits_s = await asyncio.gather(*map(ask_in_turns, sessions))
        elapsed_s, processor_s = time.perf_counter() - began_s, _spent_s(process) - before_s
        return _Served(elapsed_s, tuple(chain(*waits_s)), processor_s, _memory_mib(process.pid))


# ---- texts in a list


def of_lists(engine_url: str, sizes: Sequence[int], rounds: int) -> Iterator[Finding]:
    """Lists of texts; in each round, the lists of each size have about as many texts together."""
    waits, worked, peaks = (defaultdict[int, list[float]](list) for _ in range(3))
    (engine,) = engines_below(os.getpid())
    with ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        gateways = {
            size: stack.enter_context(gateway(engine_url, speaks_openai=True, context_size=512))
            for size in sizes
        }
        for number in range(rounds + 1):
            for size, (url, process) in gateways.items():
                body = {"input": [f"{TEXT} {each}" for each in range(size)]}
                lists = min(MOST_LISTS, sizes[-1] // size)
                before_s, began_s = _spent_s(process) + _spent_s(engine), time.perf_counter()
                for _ in range(lists):
                    answer = session.post(f"{url}/v1/embeddings", json=body, timeout=TIMEOUT_S)
                    answer.raise_for_status()
                if number:  # the first one is for warming up
                    waits[size].append(1000 * (time.perf_counter() - began_s) / lists)
                    worked[size].append(1000 * (_spent_s(process) + _spent_s(engine) - before_s) / lists)
        for size, (_, process) in gateways.items():
            peaks[size].append(peak_of(process.pid) / 1024)
    yield _curve("lists: time of a list", "ms", "texts", waits)
    yield _curve("lists: processor of gateway and engine for a list", "ms", "texts", worked)
    yield _curve("lists: peak memory of the gateway", "MiB", "texts", peaks)
    few, many = 64, sizes[-1]
    for name, taken in (("time", waits), ("processor", worked)):
        each = {size: [value / size for value in taken[size]] for size in (few, many)}
        yield _ratio(f"lists: {name} for each text, {many:,} by {few}", each[many], each[few])
    yield _for_each("lists: memory", peaks, most_kib=20)


# ---- engines in memory


def of_engines(sizes: Sequence[int], rounds: int, idle_s: float) -> Iterator[Finding]:
    """Apps with so many engines of the same model: memory, idle cost, a request to one of them."""
    waits = defaultdict[int, list[float]](list)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        apps: dict[int, tuple[str, int]] = {}
        for size in sizes:
            names = [f"engine-{number}" for number in range(size)]
            home = folder / str(size)
            (home / "models").mkdir(parents=True)
            (home / "settings.toml").write_text("threads = 1\n", encoding="utf-8")
            for name in names:
                (home / "models" / f"{name}.gguf").write_bytes(bert_model_bytes())
            url, pid, _ = stack.enter_context(_app(home, *names))
            for name in names:
                _embed(url, name)
            apps[size] = url, pid
        for _ in range(10 * rounds):
            for size, (url, _) in apps.items():
                waits[size].append(_elapsed_ms(partial(_embed, url, "engine-0")))
        memory = {size: [_tree_mib(pid)] for size, (_, pid) in apps.items()}
        time.sleep(_SETTLE_S)
        before_s = {size: _tree_spent_s(pid) for size, (_, pid) in apps.items()}
        time.sleep(idle_s)
        idle = {
            size: [100 * (_tree_spent_s(pid) - before_s[size]) / idle_s] for size, (_, pid) in apps.items()
        }
    yield _curve("engines: memory of app and engines", "MiB", "engines", memory)
    yield _curve("engines: processor while idle", "% of core", "engines", idle)
    yield _curve("engines: an embedding by one of them", "ms", "engines", waits)
    few, many = sizes[0], sizes[-1]
    yield _ratio(f"engines: an embedding by one of {many}, by that of one alone", waits[many], waits[few])
    yield Result(f"engines: processor while {many} are idle", idle[many][0], "% of core", most=0.2)


def _embed(url: str, model: str) -> None:
    body = {"input": TEXT, "model": model}
    requests.post(f"{url}/embeddings", json=body, timeout=TIMEOUT_S).raise_for_status()


# ---- what all of them need


@contextmanager
def _app(home: Path, *models: str) -> Iterator[tuple[str, int, float]]:
    """An app that serves these models: its address, its process, and how long it took to be ready (ms)."""
    port = free_port()
    began_s = time.perf_counter()
    chosen = [word for model in models for word in ("--model", model)]
    at_home = patch.dict(os.environ, {HOME_VARIABLE: str(home)})
    with at_home, running("serve", "--port", str(port), *chosen) as program:
        program.line_with("Ready")
        yield f"http://127.0.0.1:{port}/v1", program.process.pid, 1000 * (time.perf_counter() - began_s)
        program.interrupt()


def _curve(name: str, unit: str, of: str, values: Mapping[int, Sequence[float]]) -> Curve:
    """The medians."""
    return Curve(name, unit, of, tuple((size, statistics.median(each)) for size, each in values.items()))


def _ratio(name: str, these: Sequence[float], those: Sequence[float], most: float = EACH_BY_EACH) -> Result:
    """The median of the ratios within a round."""
    ratios = [this / that for this, that in zip(these, those, strict=True)]
    return Result(name, statistics.median(ratios), "times", most)


def _for_each(name: str, memory_mib: Mapping[int, Sequence[float]], *, most_kib: float) -> Result:
    """What one more of many takes, by the memory with the fewest."""
    (few, least), *_, (many, most) = ((size, min(each)) for size, each in memory_mib.items())
    return Result(f"{name} for each of {many:,}", 1024 * (most - least) / (many - few), "KiB", most_kib)


def _elapsed_ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began_s)


def _processor_ms(work: Callable[[], object]) -> float:
    gc.collect()
    before_s = time.process_time()
    work()
    return 1000 * (time.process_time() - before_s)


def _spent_s(process: psutil.Process) -> float:
    """What the processor did for a process so far."""
    if hasattr(time, "clock_gettime") and psutil.LINUX:
        # In nanoseconds, by the number that clock_getcpuclockid makes; `cpu_times` counts hundredths.
        return time.clock_gettime(~process.pid << 3 | 2)
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _memory_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _tree(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *engines_below(pid)]


def _tree_mib(pid: int) -> float:
    """Of an app and its engines; pages that they share count as often as they are shared."""
    return sum(each.memory_info().rss for each in _tree(pid)) / 2**20


def _tree_spent_s(pid: int) -> float:
    return sum(map(_spent_s, _tree(pid)))


def main() -> int:
    return 0 if reached(shown(results(full="--full" in sys.argv[1:]))) else 1


if __name__ == "__main__":
    sys.exit(main())
