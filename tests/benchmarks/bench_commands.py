"""How long a terminal command takes beside a running app: python -m tests.benchmarks.bench_commands

The commands take turns, each a process of its own, from its start to its end; the app has the built-in test
model. The time of the processor says more on a machine that does other things as well.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.benchmarks.download_contenders import children_processor_s
from tests.benchmarks.results import Result, reached, shown
from tray_app.system.paths import HOME_VARIABLE
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = (sys.executable, "-P", "-m", "tray_app")
GOALS_MS = {"--version": 150.0, "status": 200.0, "embed hello": 250.0}
"""The commands, and what half of their runs take at most."""
FULL_RUNS, QUICK_RUNS = 100, 10
_READY_S = 60.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class _Times:
    """Of one command, for each run."""

    wall_ms: list[float] = field(default_factory=list)
    processor_ms: list[float] = field(default_factory=list)


def results(*, full: bool) -> Iterator[Result]:
    """Median and 95th percentile of each command, and what the processor did for it."""
    with tempfile.TemporaryDirectory() as home, _running_app(home) as environment:
        for command in GOALS_MS:
            _run(command, environment)  # compiles modules, and loads the model
        times = {command: _Times() for command in GOALS_MS}
        for _ in range(FULL_RUNS if full else QUICK_RUNS):
            for command, taken in times.items():
                wall_s, processor_s = _run(command, environment)
                taken.wall_ms.append(wall_s * 1000)
                taken.processor_ms.append(processor_s * 1000)
    for command, goal_ms in GOALS_MS.items():
        taken = times[command]
        yield Result(f"{command}: median", statistics.median(taken.wall_ms), "ms", goal_ms)
        yield Result(f"{command}: 95 % within", statistics.quantiles(taken.wall_ms, n=20)[-1], "ms")
        yield Result(f"{command}: time of the processor", statistics.median(taken.processor_ms), "ms")


@contextmanager
def _running_app(home: str) -> Iterator[Mapping[str, str]]:
    """The environment of commands beside an app that serves the test model from this folder."""
    environment = os.environ | {HOME_VARIABLE: home}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: modules are compiled once
    serve = [*PROGRAM, "serve", "--port", str(free_port())]
    app = subprocess.Popen(serve, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_ready(environment)
        yield environment
    finally:
        app.terminate()
        app.wait()


def _await_ready(environment: Mapping[str, str]) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not _output("status", environment).startswith("ready"):
        if time.monotonic() > deadline_s:
            raise TimeoutError("the app that commands are to be asked beside is not ready")
        time.sleep(_LOOK_S)


def _output(command: str, environment: Mapping[str, str]) -> str:
    return subprocess.run(
        [*PROGRAM, *command.split()], env=environment, capture_output=True, text=True, check=True
    ).stdout


def _run(command: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """Run a command to its end: how long it took, and the processor for it (s)."""
    began_s, before_s = time.perf_counter(), children_processor_s()
    _output(command, environment)
    return time.perf_counter() - began_s, children_processor_s() - before_s


def main() -> int:
    return 0 if reached(shown(results(full=True))) else 1


if __name__ == "__main__":
    sys.exit(main())
