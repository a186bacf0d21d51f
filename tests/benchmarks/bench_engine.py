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

from tests.benchmarks.results import Result, reached, shown
from tests.fakes.launches import fake_plan, llamacpp_plan
from tray_app.engine.lifecycle import State
from tray_app.engine.output import EngineOutput
from tray_app.engine.probe import answers_probe, probe_request_for
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import EngineError
from tray_app.models.header import Purpose
from tray_app.system.child import Launch
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.engine.access import Address
    from tray_app.engine.engine_kind import EngineKind
    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.snapshot import EngineSnapshot

LINE = "slot update_slots: id  0 | task 12 | prompt processing progress, n_tokens = 512, progress = 1.000000"
LINES = 2_000_000
FLOOD = ("/bin/sh", "-c", f"yes '{LINE}' | head -n {LINES}")
RATE = 200_000
FULL_S, QUICK_S = 10.0, 3.0
FULL_STARTS, QUICK_STARTS = 15, 5
TIMEOUT_S = 60.0
HELD_UP_LIMIT_PERCENT = 5
READY_LIMIT_MS = 100
WATCH_LIMIT_PERCENT = 0.2

LAUNCHER = launcher_for(detect_system(sys.platform))


def main() -> int:
    return 0 if reached(shown(results(full=True))) else 1


def results(*, full: bool) -> Iterator[Result]:
    """What reading, noticing and watching cost; `full` takes three times as long."""
    seconds = FULL_S if full else QUICK_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours_s, cats_s = compare_flood(folder)
        yield Result("a flood of output: read", LINES / ours_s / 1e6, "million lines/s")
        yield Result("a flood of output: our time by that of cat", ours_s / cats_s, "times")
        yield from endure_flood(folder, seconds)
        for title, plan in (
            ("fake engine", fake_plan("--load-delay", "0.1")),
            ("llama.cpp", llamacpp_plan()),
        ):
            delays_ms = [ready_delay_ms(plan, folder) for _ in range(FULL_STARTS if full else QUICK_STARTS)]
            yield Result(f"READY after the first answer, {title}: median", statistics.median(delays_ms), "ms")
            yield Result(f"READY after the first answer, {title}: most", max(delays_ms), "ms", READY_LIMIT_MS)
            share = watching_share(plan, folder, 2 * seconds)
            yield Result(f"watching, {title}", 100 * share, "% of core", WATCH_LIMIT_PERCENT)


def compare_flood(folder: Path) -> tuple[float, float]:
    """How many seconds we take, and `cat`."""
    ours, cats = [], []
    for _ in range(3):
        ours.append(read_by_us(folder))
        cats.append(read_by_cat())
    return statistics.median(ours), statistics.median(cats)


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


def endure_flood(folder: Path, seconds: float) -> Iterator[Result]:
    """An engine that prints 200,000 lines a second: does it get rid of them, and does the app keep moving?"""
    with supervising(folder) as supervisor:
        supervisor.ensure(fake_plan("--spam-lines", str(RATE)))
        supervisor.wait_for({State.READY}, TIMEOUT_S)
        before, cpu_s, late_ms = supervisor.lines.count, own_cpu_s(), []
        began_s = due_s = time.perf_counter()
        while due_s - began_s < seconds:
            due_s += 0.01
            time.sleep(max(0.0, due_s - time.perf_counter()))
            late_ms.append(1000 * (time.perf_counter() - due_s))
        took_s = time.perf_counter() - began_s
        held_up = 1 - (supervisor.lines.count - before) / took_s / RATE
        share = (own_cpu_s() - cpu_s) / took_s
    yield Result(f"engine at {RATE:,} lines/s: held up", 100 * max(0.0, held_up), "%", HELD_UP_LIMIT_PERCENT)
    yield Result(f"engine at {RATE:,} lines/s: its reader", 100 * share, "% of core")
    p99_ms = sorted(late_ms)[len(late_ms) * 99 // 100]
    yield Result(f"engine at {RATE:,} lines/s: another thread is late, p99", p99_ms, "ms")


def ready_delay_ms(plan: LaunchPlan, folder: Path) -> float:
    """From the first answer that somebody gets to the announcement."""
    announced: list[float] = []
    first: list[float] = []
    watchers: list[threading.Thread] = []

    def listen(snapshot: EngineSnapshot) -> None:
        if snapshot.state is State.LOADING and snapshot.address:
            watchers.append(threading.Thread(target=watch, args=[snapshot.address]))
            watchers[0].start()
        elif snapshot.state is State.READY:
            announced.append(time.perf_counter())

    def watch(address: Address) -> None:
        while not answers(plan.engine.kind, address):
            time.sleep(0.002)
        first.append(time.perf_counter())

    with supervising(folder) as supervisor:
        supervisor.changed.connect(listen)
        supervisor.ensure(plan)
        supervisor.wait_for({State.READY}, TIMEOUT_S)
        watchers[0].join()
    return max(0.0, 1000 * (announced[0] - first[0]))


def answers(kind: EngineKind, address: Address) -> bool:
    try:
        return answers_probe(probe_request_for(kind, Purpose.CHAT), address)
    except EngineError:
        return False


def watching_share(plan: LaunchPlan, folder: Path, seconds: float) -> float:
    """The CPU time of this process while an engine is ready, of one core."""
    with supervising(folder) as supervisor:
        supervisor.ensure(plan)
        supervisor.wait_for({State.READY}, TIMEOUT_S)
        time.sleep(1)
        before_s = own_cpu_s()
        time.sleep(seconds)
        return (own_cpu_s() - before_s) / seconds


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
