"""Engines side by side: the built-in one, and others on this machine, by what each does with the same models.

    python -m tests.benchmarks.bench_engines [PROGRAM …]

A PROGRAM is a llama-server; without one, those that are installed with the app of the person who runs this.
All engines have a model loaded, and answer one request each in turns, each round in the other order. What
counts is the median of the ratios within a round, as other programs slow a whole round down. An engine that
crashes is told, and the others are compared all the same.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from tests.benchmarks.results import Result
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.tiny_models import write_bert
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.kinds import EngineFinder
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import EngineError
from tray_app.models.gguf import read_header
from tray_app.models.library import Model
from tray_app.settings.schema import Settings
from tray_app.system.engine_id import EngineId
from tray_app.system.host import detect_host
from tray_app.system.launcher import launcher_for
from tray_app.system.paths import AppPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray_app.engine.kinds import Engine

FULL_S, QUICK_S = 40.0, 5.0
"""How long all engines together are asked, for each kind of work."""
FEWEST_ROUNDS = 3
TIMEOUT_S = 300.0
TEXTS = [f"{number} texts of about fifty letters are what one embeds" for number in range(4)]
TOKENS = 32
FULL_ENCODER = {"width": 768, "layers": 12}
"""170 MB: the size of the encoders that people use most."""
QUICK_ENCODER = {"width": 384, "layers": 6}
FULL_WRITER = Shape(width=1024, layers=12, heads=16, kv_heads=4, feed_forward=4096, vocabulary=16_000)
QUICK_WRITER = Shape()


@dataclass(frozen=True, slots=True)
class Work:
    """What engines are asked again and again."""

    name: str
    model: Path
    path: str
    body: dict[str, Any]
    units: int
    """What one answer counts for: texts, tokens."""
    unit: str


@dataclass(frozen=True, slots=True)
class Serving:
    """An engine that has a model loaded."""

    name: str
    url: str
    headers: dict[str, str]
    start_s: float
    """From the start of its process to its first answer."""
    memory_bytes: int


def main() -> int:
    finder = EngineFinder(detect_host())
    programs = [Path(argument) for argument in sys.argv[1:]]
    others = {program.parent.name: finder.probe(program) for program in programs} or installed(finder)
    for result in compare(others, full=True):
        print(result, flush=True)
    return 0


def results(*, full: bool) -> Iterator[Result]:
    """The built-in engine and those that are installed; `full` takes larger models and more rounds."""
    yield from compare(installed(EngineFinder(detect_host())), full=full)


def installed(finder: EngineFinder) -> dict[str, Engine]:
    """The builds that are installed with the app."""
    builds = EngineStore(AppPaths.from_environment(os.environ).engines).installed()
    return {build.id: finder.of_build(build) for build in builds}


def compare(others: dict[str, Engine], *, full: bool) -> Iterator[Result]:
    """Each engine with each kind of work."""
    built_in = EngineFinder(detect_host()).embedded()
    assert built_in, "there is no built-in engine for this kind of machine"
    with tempfile.TemporaryDirectory() as name:
        for number, work in enumerate(works(Path(name), full=full)):
            size = f"{work.model.stem}, {work.model.stat().st_size / 1e6:.0f} MB"
            with ExitStack() as stack:
                here: list[Serving] = []
                for each, engine in {"built-in": built_in, **others}.items():
                    try:
                        folder = Path(name) / f"{number}-{len(here)}"
                        here.append(stack.enter_context(serving(each, engine, work.model, folder)))
                    except EngineError as exc:
                        print(f"{size}: {each} does not run it: {exc.title}")
                for engine_here in here:
                    yield Result(f"{size}: {engine_here.name}: start", engine_here.start_s, "s")
                    yield Result(f"{size}: {engine_here.name}: memory", engine_here.memory_bytes / 1e6, "MB")
                yield from in_turns(work, size, here, FULL_S if full else QUICK_S)


def works(folder: Path, *, full: bool) -> Iterator[Work]:
    """Models of random weights: their answers are noise, but take as long as others."""
    encoder = write_bert(folder / "encoder-F16.gguf", **(FULL_ENCODER if full else QUICK_ENCODER))
    yield Work("embeddings", encoder, "/v1/embeddings", {"input": TEXTS}, len(TEXTS), "texts/s")
    shape = FULL_WRITER if full else QUICK_WRITER
    prompt = {"prompt": "word1 word2", "max_tokens": TOKENS, "ignore_eos": True}
    for kind, quantized in (("F16", False), ("Q4_0", True)):
        of_kind = {field: getattr(shape, field) for field in Shape.__dataclass_fields__}
        writer = write_llama(folder / f"llama-{kind}.gguf", Shape(**of_kind | {"quantized": quantized}))
        yield Work("reading", writer, "/v1/embeddings", {"input": TEXTS}, len(TEXTS), "texts/s")
        yield Work("writing", writer, "/v1/completions", prompt, TOKENS, "tokens/s")


def in_turns(work: Work, size: str, here: Sequence[Serving], seconds: float) -> Iterator[Result]:
    """What each does in a second, and in times of the first one."""
    rates: dict[str, list[float]] = {each.name: [] for each in here}
    until_s = time.perf_counter() + seconds
    number = 0
    while number <= FEWEST_ROUNDS or time.perf_counter() < until_s:
        for each in here if number % 2 else reversed(here):
            try:
                rate = work.units / answered_s(work, each)
            except requests.RequestException as exc:
                print(f"{size}: {each.name} answers no more: {type(exc).__name__}")
                rate = 0.0
            if number:  # the first one is for warming up
                rates[each.name].append(rate)
        number += 1
    for each in here:
        yield Result(f"{size}: {each.name}: {work.name}", statistics.median(rates[each.name]), work.unit)
    for other in here[1:]:
        ratios = [one / base for one, base in zip(rates[other.name], rates[here[0].name], strict=True)]
        times = f"{size}: {work.name}, {other.name} by built-in"
        yield Result(times, statistics.median(ratios), "times")


def answered_s(work: Work, engine: Serving) -> float:
    """How long one answer takes."""
    began_s = time.perf_counter()
    answer = requests.post(engine.url + work.path, json=work.body, headers=engine.headers, timeout=TIMEOUT_S)
    answer.raise_for_status()
    return time.perf_counter() - began_s


@contextmanager
def serving(name: str, engine: Engine, path: Path, folder: Path) -> Iterator[Serving]:
    """The engine with a model, as the app starts it. `EngineError` if it does not get ready."""
    host = detect_host()
    model = Model(path.stem, path.stem, path, path.stat().st_size, read_header(path))
    plan = plan_launch(Settings(pooling="mean"), model, engine, host)
    supervisor = Supervisor(launcher_for(host.system), folder / "state", None, engine_id=EngineId("bench"))
    try:
        began_s = time.perf_counter()
        supervisor.ensure(plan)
        snapshot = supervisor.wait_for({State.READY, State.FAILED, State.BACKOFF}, TIMEOUT_S)
        if snapshot.address is None or snapshot.pid is None:
            assert snapshot.failure
            raise snapshot.failure
        start_s = time.perf_counter() - began_s
        memory_bytes = psutil.Process(snapshot.pid).memory_info().rss
        yield Serving(name, snapshot.address.base_url, dict(snapshot.address.headers), start_s, memory_bytes)
    finally:
        supervisor.close()


if __name__ == "__main__":
    sys.exit(main())
