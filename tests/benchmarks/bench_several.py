"""Two engines at once: what they do together, by what one of them does alone.

    python -m tests.benchmarks.bench_several

Each is a llama.cpp with as many threads as there are cores. In each round one works alone, then both, then
one alone whose threads wait for each other as OpenMP does by itself: that shows what our way to wait costs.
What counts is the median of the ratios within a round, as other programs slow a whole round down.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import psutil
import requests

from tests.benchmarks.results import Result, reached, shown
from tests.fakes.launches import llamacpp_plan
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.tiny_models import write_bert
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.system.engine_id import EngineId
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray_app.engine.access import Address

FULL_ROUNDS, QUICK_ROUNDS = 15, 5
ROUND_S = 1.0
TIMEOUT_S = 60.0
TOGETHER_LEAST = 0.95
ALONE_LEAST = 0.97
OPENMPS_OWN = {"GOMP_SPINCOUNT": "300000"}
"""How often libgomp looks, if nobody tells it otherwise, before a thread that waits gives its core away."""
TEXTS = [f"{number} texts of about fifty letters are what one embeds" for number in range(16)]
TOKENS = 32


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine is asked again and again."""

    name: str
    model: Path
    path: str
    body: dict[str, Any]
    units: int
    """What one answer counts for: texts, tokens."""
    unit: str


def main() -> int:
    return 0 if reached(shown(results(full=True))) else 1


def results(*, full: bool) -> Iterator[Result]:
    """What two engines do at once; `full` takes three times as many rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = write_bert(folder / "encoder.gguf", width=384, layers=6)
        writer = write_llama(folder / "writer.gguf", Shape(context=2048))
        prompt = {"prompt": "word1 word2", "max_tokens": TOKENS, "ignore_eos": True}
        for work in (
            Work("embeddings", encoder, "/v1/embeddings", {"input": TEXTS}, len(TEXTS), "texts/s"),
            Work("generation", writer, "/v1/completions", prompt, TOKENS, "tokens/s"),
        ):
            yield from compare(work, folder / work.name, FULL_ROUNDS if full else QUICK_ROUNDS)


def compare(work: Work, folder: Path, rounds: int) -> Iterator[Result]:
    """One alone, both, and one alone with OpenMP's own way to wait, in turns."""
    with ExitStack() as stack:
        pair = [stack.enter_context(engine(work.model, folder, EngineId(each))) for each in ("one", "two")]
        with patch.dict(os.environ, OPENMPS_OWN):
            openmps = [stack.enter_context(engine(work.model, folder, EngineId("openmps")))]
        ways = {"alone": pair[:1], "both": pair, "openmps": openmps}
        found = [
            {name: rate(work, ways[name]) for name in (ways if number % 2 else reversed(ways))}
            for number in range(rounds + 1)
        ][1:]  # the first one is for warming up
    alone = statistics.median(each["alone"] for each in found)
    together = statistics.median(each["both"] / each["alone"] for each in found)
    cost = statistics.median(each["alone"] / each["openmps"] for each in found)
    yield Result(f"{work.name}: one engine alone", alone, work.unit)
    yield Result(f"{work.name}: two at once, by one alone", together, "times", least=TOGETHER_LEAST)
    yield Result(f"{work.name}: alone, by OpenMP's own way to wait", cost, "times", least=ALONE_LEAST)


def rate(work: Work, addresses: Sequence[Address]) -> float:
    """What engines do together in a second, with one client each."""
    until_s = time.perf_counter() + ROUND_S
    with ThreadPoolExecutor() as pool:
        return sum(pool.map(lambda address: ask_until(until_s, work, address), addresses))


def ask_until(until_s: float, work: Work, address: Address) -> float:
    began_s = now_s = time.perf_counter()
    done = 0
    with requests.Session() as session:
        session.headers.update(address.headers)
        while now_s < until_s:
            session.post(address.base_url + work.path, json=work.body, timeout=TIMEOUT_S).raise_for_status()
            done += work.units
            now_s = time.perf_counter()
    return done / (now_s - began_s)


@contextmanager
def engine(model: Path, folder: Path, engine_id: EngineId) -> Iterator[Address]:
    threads = psutil.cpu_count(logical=False) or 1
    supervisor = Supervisor(
        launcher_for(detect_system(sys.platform)), folder / "state", folder / "logs", engine_id=engine_id
    )
    try:
        supervisor.ensure(llamacpp_plan(model, threads=threads))
        snapshot = supervisor.wait_for({State.READY, State.FAILED}, TIMEOUT_S)
        assert snapshot.address, snapshot.failure
        yield snapshot.address
    finally:
        supervisor.close()


if __name__ == "__main__":
    sys.exit(main())
