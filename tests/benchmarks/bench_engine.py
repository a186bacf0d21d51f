"""What keeping an engine costs: reading what it prints, noticing that it is ready, and watching it.

    python -m tests.benchmarks.bench_engine

Flood: a program that prints as fast as it can, read by us (file, memory, escape codes) and by `cat`
in turns; then the fake engine at 200,000 lines/s, with how late a thread of the app comes meanwhile.
Ready: from the first answer that somebody gets who asks every 2 ms, to the announcement.
Watching: the CPU time of this process while an engine is ready.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.fakes.launches import PC, fake_plan
from tray_app.engine.kinds import EngineFinder, choose_engine
from tray_app.engine.lifecycle import State
from tray_app.engine.output import EngineOutput
from tray_app.engine.plan import plan_launch
from tray_app.engine.probe import gives_embedding
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import EngineError
from tray_app.models.gguf import read_header
from tray_app.models.library import Model
from tray_app.settings.schema import Settings
from tray_app.system.child import Launch, launcher_for
from tray_app.system.host import detect_system
from tray_app.system.paths import resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.engine.kinds import EngineKind
    from tray_app.engine.plan import LaunchPlan
    from tray_app.engine.supervisor import EngineSnapshot

LINE = "slot update_slots: id  0 | task 12 | prompt processing progress, n_tokens = 512, progress = 1.000000"
LINES = 2_000_000
FLOOD = ("/bin/sh", "-c", f"yes '{LINE}' | head -n {LINES}")
RATE = 200_000
FLOOD_S = 10.0
STARTS = 15
WATCH_S = 20.0
TIMEOUT_S = 60.0
READY_GOAL_MS = 100
WATCH_GOAL = 0.002

LAUNCHER = launcher_for(detect_system(sys.platform))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        compare_flood(Path(folder))
        met = [
            endure_flood(Path(folder)),
            measure_ready("fake engine", fake_plan("--load-delay", "0.1"), Path(folder)),
            measure_ready("llama.cpp", llamacpp_plan(), Path(folder)),
            measure_watching("fake engine", fake_plan(), Path(folder)),
            measure_watching("llama.cpp", llamacpp_plan(), Path(folder)),
        ]
    return 0 if all(met) else 1


def compare_flood(folder: Path) -> None:
    ours, cats = [], []
    for _ in range(3):
        ours.append(LINES / read_by_us(folder))
        cats.append(LINES / read_by_cat())
    rate, cat = statistics.median(ours), statistics.median(cats)
    print(f"flood: {rate:,.0f} lines/s with us, {cat:,.0f} with cat: {rate / cat:.2f} of it")


def read_by_us(folder: Path) -> float:
    output = EngineOutput(folder / "flood")
    began_s = time.perf_counter()
    child = LAUNCHER.launch(Launch(FLOOD, os.environ, folder))
    for batch in child.batches():
        output.extend(batch)
    child.wait()
    took_s = time.perf_counter() - began_s
    assert output.count == LINES, output.count
    output.close()
    return took_s


def read_by_cat() -> float:
    began_s = time.perf_counter()
    with subprocess.Popen(FLOOD, stdout=subprocess.PIPE) as flood:
        subprocess.run(["cat"], stdin=flood.stdout, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began_s


def endure_flood(folder: Path) -> bool:
    """An engine that prints 200,000 lines a second: does it get rid of them, and does the app keep moving?"""
    with supervising(folder) as supervisor:
        supervisor.ensure(fake_plan("--spam-lines", str(RATE)))
        supervisor.wait_for({State.READY}, TIMEOUT_S)
        before, cpu_s, late_ms = supervisor.lines.count, own_cpu_s(), []
        began_s = due_s = time.perf_counter()
        while due_s - began_s < FLOOD_S:
            due_s += 0.01
            time.sleep(max(0.0, due_s - time.perf_counter()))
            late_ms.append(1000 * (time.perf_counter() - due_s))
        took_s = time.perf_counter() - began_s
        rate = (supervisor.lines.count - before) / took_s
        share = (own_cpu_s() - cpu_s) / took_s
    late_ms.sort()
    print(
        f"engine at {RATE:,} lines/s: {rate:,.0f} read, {share:.0%} of a core, another thread is late by "
        f"{late_ms[len(late_ms) // 2]:.1f} ms (p99 {late_ms[len(late_ms) * 99 // 100]:.1f}, "
        f"most {late_ms[-1]:.1f})"
    )
    return rate > 0.95 * RATE


def measure_ready(name: str, plan: LaunchPlan, folder: Path) -> bool:
    delays_ms = sorted(ready_delay_ms(plan, folder) for _ in range(STARTS))
    print(
        f"ready, {name}: announced {statistics.median(delays_ms):.0f} ms after the first answer, "
        f"at most {delays_ms[-1]:.0f} ms (goal {READY_GOAL_MS})"
    )
    return delays_ms[-1] <= READY_GOAL_MS


def ready_delay_ms(plan: LaunchPlan, folder: Path) -> float:
    announced: list[float] = []
    first: list[float] = []
    watchers: list[threading.Thread] = []

    def listen(snapshot: EngineSnapshot) -> None:
        if snapshot.state is State.LOADING and snapshot.port:
            watchers.append(threading.Thread(target=watch, args=[snapshot.port]))
            watchers[0].start()
        elif snapshot.state is State.READY:
            announced.append(time.perf_counter())

    def watch(port: int) -> None:
        while not answers(plan.engine.kind, port):
            time.sleep(0.002)
        first.append(time.perf_counter())

    with supervising(folder) as supervisor:
        supervisor.changed.connect(listen)
        supervisor.ensure(plan)
        supervisor.wait_for({State.READY}, TIMEOUT_S)
        watchers[0].join()
    return max(0.0, 1000 * (announced[0] - first[0]))


def answers(kind: EngineKind, port: int) -> bool:
    try:
        return gives_embedding(kind, port)
    except EngineError:
        return False


def measure_watching(name: str, plan: LaunchPlan, folder: Path) -> bool:
    with supervising(folder) as supervisor:
        supervisor.ensure(plan)
        supervisor.wait_for({State.READY}, TIMEOUT_S)
        time.sleep(1)
        before_s = own_cpu_s()
        time.sleep(WATCH_S)
        share = (own_cpu_s() - before_s) / WATCH_S
    print(f"watching, {name}: {share:.3%} of a core (goal {WATCH_GOAL:.1%})")
    return share < WATCH_GOAL


def llamacpp_plan() -> LaunchPlan:
    path = resources() / "test-model" / "test.gguf"
    model = Model("test", "test", path, path.stat().st_size, read_header(path))
    settings = Settings(threads=1)
    return plan_launch(settings, model, choose_engine("auto", sparse=False, finder=EngineFinder(PC)), PC)


@contextmanager
def supervising(folder: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(LAUNCHER, folder / "state", folder / "logs")
    try:
        yield supervisor
    finally:
        supervisor.close()


def own_cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    sys.exit(main())
