"""What several processes are worth to a sparse model, through the whole app, on a real PowerInfer server.

    python -m tests.benchmarks.bench_workers SERVER MODEL [--rounds N]

SERVER is the program, MODEL a sparse model's file. Two apps are there at once, one with one process and one
with two. Equality: 64 clients ask for texts one by one and in lists, and each vector is compared with that of
an app that is asked for one text after the other. Speed: lists of 64 texts, in turns, each round when others
are quiet for a moment; a round in which they were not counts only if there is no better one. Memory: what
Linux says of the second process. Exits with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.benchmarks.results import Result
from tray_app.app.root import App
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.gateway.public_client import request_embeddings
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tray_app.engine.snapshot import EngineSnapshot

CLIENTS = 64
TEXTS = 64
WORDS = 8
DIFFERENCE_LIMIT = 1e-6
LEAST_SPEEDUP = 1.7
QUIET_CORES = 0.1
LOOK_S, PATIENCE_S = 0.3, 20.0
TIMEOUT_S = 120.0
MIB = 1 << 20

Vectors = list[list[float]]


@dataclass(frozen=True, slots=True)
class Round:
    """Texts a second with one process and with two, and the cores that other programs took meanwhile."""

    one: float
    two: float
    others: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("server", type=Path, help="PowerInfer's server")
    parser.add_argument("model", type=Path, help="a sparse model")
    parser.add_argument("--rounds", type=int, default=20, help="how often the speed is measured")
    options = parser.parse_args()
    found = []
    for result in results(options.server.absolute(), options.model.absolute(), options.rounds):
        print(result, flush=True)
        found.append(result)
    return 0 if all(result.reached for result in found) else 1


def results(server: Path, model: Path, rounds: int) -> Iterator[Result]:
    """How equal, how fast and how large two processes are."""
    texts = made_up_texts()
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "one", server, model, 1) as one:
        serial = [vectors_of(one, [text])[0] for text in texts]
        yield equality(one, 1, texts, serial)
        with serving(Path(name) / "two", server, model, 2) as two:
            yield equality(two, 2, texts, serial)
            yield from memory(two)
            yield from speed(one, two, texts, rounds)


def equality(app: App, processes: int, texts: Sequence[str], serial: Vectors) -> Result:
    """The largest difference of a number from that of the same text asked alone, with many clients."""

    def client(number: int) -> float:
        order = [(number + index) % len(texts) for index in range(len(texts))]
        some, rest = order[:4], order[4:12]
        vectors = [vectors_of(app, [texts[index]])[0] for index in some]
        vectors += vectors_of(app, [texts[index] for index in rest])
        return max(
            abs(ours - alone)
            for index, vector in zip((*some, *rest), vectors, strict=True)
            for ours, alone in zip(vector, serial[index], strict=True)
        )

    with ThreadPoolExecutor(CLIENTS) as clients:
        most = max(clients.map(client, range(CLIENTS)))
    name = f"{CLIENTS} clients, {processes} process{'es' if processes > 1 else ''}: largest difference"
    return Result(name, most * 1e6, "millionths", most=DIFFERENCE_LIMIT * 1e6)


def memory(app: App) -> Iterator[Result]:
    """What the second process has for itself, and what was expected of it; Linux only."""
    if sys.platform != "linux":
        return
    engine = app.status().engine
    assert isinstance(engine.plan, LaunchPlan)
    for number, process in enumerate(engine.processes, 1):
        told = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")
        size = {name: int(kib) / 1024 for name, kib in re.findall(r"(\w+):\s+(\d+) kB", told)}
        own, shared = (size[f"{kind}_Clean"] + size[f"{kind}_Dirty"] for kind in ("Private", "Shared"))
        yield Result(f"process {number}: memory that it shares", shared, "MiB")
        yield Result(f"process {number}: memory of its own", own, "MiB", most=expected_mib(engine.plan))
    yield Result("both together, as the app tells", (app.status().pool.main.memory_bytes or 0) / MIB, "MiB")


def expected_mib(plan: LaunchPlan) -> float:
    """What each further process is expected to take."""
    return (plan.memory_bytes - plan.model.size_bytes) / plan.workers / MIB


def speed(one: App, two: App, texts: Sequence[str], rounds: int) -> Iterator[Result]:
    """Texts a second of both in turns, with what other programs took."""
    every = [measured(one, two, texts, swap=number % 2 == 1) for number in range(rounds)]
    quiet = [each for each in every if each.others <= QUIET_CORES]
    counted = quiet or every
    yield Result("rounds without much of other programs", len(quiet), f"of {rounds}")
    yield Result("cores that others took: median", statistics.median(each.others for each in every), "cores")
    yield Result("lists of 64 texts, 1 process", statistics.median(each.one for each in counted), "texts/s")
    yield Result("lists of 64 texts, 2 processes", statistics.median(each.two for each in counted), "texts/s")
    ratios = [each.two / each.one for each in counted]
    yield Result("2 processes by 1, worst round", min(ratios), "times")
    yield Result("2 processes by 1, median", statistics.median(ratios), "times", least=LEAST_SPEEDUP)


def measured(one: App, two: App, texts: Sequence[str], *, swap: bool) -> Round:
    wait_for_quiet()
    speeds: dict[App, float] = {}

    def ask() -> None:
        for app in (two, one) if swap else (one, two):
            start_s = time.perf_counter()
            vectors_of(app, texts)
            speeds[app] = len(texts) / (time.perf_counter() - start_s)

    others = cores_of_others(ask)
    return Round(speeds[one], speeds[two], others)


def wait_for_quiet() -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while cores_of_others(lambda: time.sleep(LOOK_S)) > QUIET_CORES and time.monotonic() < deadline_s:
        pass


def cores_of_others(work: Callable[[], None]) -> float:
    """How many cores all other programs took on average during some work."""
    began_s, busy_s, own_s = time.perf_counter(), busy_seconds(), own_seconds()
    work()
    others_s = busy_seconds() - busy_s - (own_seconds() - own_s)
    return max(0.0, others_s / (time.perf_counter() - began_s))


def busy_seconds() -> float:
    """What all processors have worked so far."""
    times = psutil.cpu_times()
    return sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))


def own_seconds() -> float:
    """What this process and the engines have of that."""
    own = psutil.Process()
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))


def made_up_texts() -> list[str]:
    chance = random.Random(3)  # noqa: S311  no secret
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 6))) for _ in range(200)]
    return [" ".join(chance.choices(words, k=WORDS)) for _ in range(TEXTS)]


def vectors_of(app: App, texts: Sequence[str]) -> Vectors:
    base_url = app.status().server.base_url or ""
    return [list(vector) for vector in request_embeddings(base_url, texts, timeout_s=TIMEOUT_S).vectors]


@contextmanager
def serving(home: Path, server: Path, model: Path, processes: int) -> Iterator[App]:
    """An app that has a folder of its own, once all its processes answer."""
    models = home / "models"
    models.mkdir(parents=True)
    (models / "sparse.gguf").symlink_to(model)
    home.joinpath("settings.toml").write_text(
        f"port = {free_port()}\nmodel = 'sparse'\nengine = '{server}'\nctx_size = 512\n"
        f"[models.sparse]\nworkers = {processes}\n",
        encoding="utf-8",
    )
    app = App(AppPaths.from_environment({"POWERINFER_TRAY_HOME": str(home)}), detect_host())
    try:
        app.start_server()
        app.wait_until_ready(TIMEOUT_S)
        deadline_s = time.monotonic() + TIMEOUT_S
        while len(answering(app)) < processes:
            assert time.monotonic() < deadline_s, app.status().engine
            time.sleep(0.05)
        yield app
    finally:
        app.close()


def answering(app: App) -> list[EngineSnapshot]:
    return [each for each in app.status().engine.processes if each.state is State.READY]


if __name__ == "__main__":
    sys.exit(main())
