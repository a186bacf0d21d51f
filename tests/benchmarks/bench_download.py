"""Our verified download beside curl, aria2c and huggingface_hub, from nginx on this machine; prints ratios.

    python -m tests.benchmarks.bench_download [--quick] [--size-mib N] [--runs N] [--scenario NUMBER …]

Contenders take turns, so that a noisy machine is noisy for all; what counts is the ratio within a turn. Each
is a process of its own, timed from start to end, but for the running app: that is told over a pipe to
download, after it has downloaded something before, and timed from the order to the finished file. nginx, curl
and aria2c must be installed; huggingface_hub is installed for the time of a full run, where that is possible.
The line with a long way needs Linux and root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.download_contenders import (
    BASELINE,
    COMMAND,
    HUB,
    HUB_PROGRAM,
    OURS,
    RUNNING,
    RunningApp,
    contenders,
    install_hub,
    run,
    versions,
)
from tests.benchmarks.nginx import MIB, make_file, nginx
from tests.benchmarks.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.benchmarks.download_contenders import Outcome

ROUND_TRIP_S, LOSS = 0.05, 0.001
MOST_MIB = 60
HUB_TIMES = 3.0
"""How many times as fast as huggingface_hub."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A line to download over."""

    name: str
    path: str
    goal: float
    """How many times as fast as aria2c, which checks nothing."""
    running_goal: float | None = None
    """The same in the app that runs; None: the file is so large that the start weighs nothing."""
    most_mib: int = 1 << 20
    """Larger files would take too long."""
    far: bool = False
    beside_hub: bool = False
    """Whether huggingface_hub takes part, which has one connection to servers that are not its own."""


SCENARIOS = (
    Scenario("loopback", "free", 1.8, beside_hub=True),
    Scenario("50 MB/s per connection", "capped", 1.4),
    # What aria2c leaves to the slow one is about the same for any size; so is the time that it then takes.
    Scenario("one of eight connections 20 x slower", "uneven", 9.5, most_mib=256),
    Scenario("50 ms round trip, 0.1 % loss", "free", 1.45, most_mib=256, far=True),
    Scenario("loopback, 256 MiB", "free", 0.9, running_goal=1.2, most_mib=256),
    Scenario("50 MB/s per connection, 256 MiB", "capped", 0.9, running_goal=1.2, most_mib=256),
)
SMALL = SCENARIOS[4:]
FULL_RUNS, FULL_SMALL_RUNS = 3, 7


@dataclass(frozen=True, slots=True)
class Measured:
    """What all runs of a scenario took, by contender."""

    scenario: Scenario
    size_bytes: int
    outcomes: dict[str, list[Outcome]]

    def speeds_mb_s(self) -> dict[str, float]:
        """Of the median run."""
        return {
            name: self.size_bytes / statistics.median(run.elapsed_s for run in runs) / 1e6
            for name, runs in self.outcomes.items()
        }

    def times_as_fast(self, name: str, other: str = BASELINE) -> float:
        """As another contender: the median of the ratios within each turn."""
        turns = zip(self.outcomes[other], self.outcomes[name], strict=True)
        return statistics.median(theirs.elapsed_s / ours.elapsed_s for theirs, ours in turns)

    def processor_s(self, name: str) -> float:
        """What the median run took of the processors."""
        return statistics.median(run.processor_s for run in self.outcomes[name])

    def peak_mib(self, name: str) -> float:
        """The most memory that any run had."""
        return max(run.peak_mib for run in self.outcomes[name])

    def results(self) -> Iterator[Result]:
        """What the table shows of it."""
        name, goal, running_goal = self.scenario.name, self.scenario.goal, self.scenario.running_goal
        for contender, speed in self.speeds_mb_s().items():
            yield Result(f"{name}: {contender}", speed, "MB/s")
        yield Result(f"{name}: as fast as aria2c", self.times_as_fast(OURS), "times", least=goal)
        if RUNNING in self.outcomes:
            ratio = self.times_as_fast(RUNNING)
            yield Result(f"{name}: already running, as fast as aria2c", ratio, "times", least=running_goal)
        if HUB in self.outcomes:
            ratio = self.times_as_fast(OURS, HUB)
            yield Result(f"{name}: as fast as huggingface_hub", ratio, "times", least=HUB_TIMES)
        yield Result(f"{name}: peak memory of this app", self.peak_mib(OURS), "MiB", most=MOST_MIB)


def main() -> int:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--quick", action="store_true", help="256 MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scenario", nargs="*", type=int, help=f"by number, 1 to {len(SCENARIOS)}")
    options = parser.parse_args()
    scenarios = [SCENARIOS[number - 1] for number in options.scenario or range(1, len(SCENARIOS) + 1)]
    size_mib = 256 if options.quick else options.size_mib
    for measured in measure_all(scenarios, size_mib, lambda _: options.runs):
        print_table(measured)
    return 0


def results(*, full: bool) -> Iterator[Result]:
    """The speed of every contender over every line, and how many times as fast as aria2c we are."""

    def runs_of(scenario: Scenario) -> int:
        if not full:
            return 1
        return FULL_SMALL_RUNS if scenario in SMALL else FULL_RUNS

    for measured in measure_all(SCENARIOS if full else SMALL, 2048, runs_of):
        for result in measured.results():
            yield result if full else replace(result, least=None)  # one turn proves no ratio


def measure_all(
    scenarios: Sequence[Scenario], size_mib: int, runs_of: Callable[[Scenario], int]
) -> Iterator[Measured]:
    """Each scenario that this machine can have, with so many runs."""
    if missing := [name for name in ("nginx", "curl", "aria2c") if not shutil.which(name)]:
        raise SystemExit(f"Install {', '.join(missing)} first.")
    with tempfile.TemporaryDirectory(prefix="powerinfer-bench-") as name:
        folder = Path(name)
        hub = install_hub(folder) if any(scenario.beside_hub for scenario in scenarios) else None
        print("; ".join(versions(hub)), flush=True)
        for scenario in scenarios:
            measured = measure(scenario, folder, size_mib, runs_of(scenario), hub)
            if measured is not None:
                yield measured


def measure(scenario: Scenario, folder: Path, size_mib: int, runs: int, hub: Path | None) -> Measured | None:
    """All runs of one scenario; None where this machine cannot have its line."""
    size = min(size_mib, scenario.most_mib) * MIB
    sha256 = make_file(folder / "files" / "model.gguf", size)
    with contextlib.ExitStack() as stack:
        prefix: list[str] = []
        address = "127.0.0.1"
        if scenario.far:
            from tests.benchmarks.far_line import FAR, far_line  # which only Linux can have

            try:
                prefix = stack.enter_context(far_line(ROUND_TRIP_S, LOSS))
            except (OSError, subprocess.CalledProcessError) as exc:
                print(f"{scenario.name}: not measured: {exc}", flush=True)
                return None
            address = FAR
        port = stack.enter_context(nginx(folder, address, prefix))
        to = folder / "to"
        line = f"http://{address}:{port}/{scenario.path}"
        url = f"{line}/model.gguf"
        entrants: dict[str, Callable[[], Outcome]] = {
            name: partial(run, command) for name, command in contenders(url, sha256, to).items()
        }
        if scenario.running_goal is not None:
            app = stack.enter_context(contextlib.closing(RunningApp(url, to)))
            entrants[RUNNING] = partial(app.download, url)
            command = [sys.executable, "-m", "tray_app", "download", url, "--to", str(to)]
            entrants[COMMAND] = partial(run, command, {"POWERINFER_TRAY_HOME": str(folder / "home")})
        if scenario.beside_hub and hub:
            of_hub = {"HF_ENDPOINT": line, "HF_HOME": str(folder / "home")}
            entrants[HUB] = partial(run, [str(hub), "-c", HUB_PROGRAM, str(to)], of_hub)
        outcomes: dict[str, list[Outcome]] = {name: [] for name in entrants}
        for _ in range(runs):
            for name, enter in entrants.items():
                shutil.rmtree(to, ignore_errors=True)
                to.mkdir()
                os.sync()
                outcomes[name].append(enter())
        shutil.rmtree(to, ignore_errors=True)
    return Measured(scenario, size, outcomes)


def print_table(measured: Measured) -> None:
    """Speed, its ratio to aria2c's, the spread of the runs, and what they took of processors and memory."""
    speeds = measured.speeds_mb_s()
    print(f"\n{measured.scenario.name}; the file has {measured.size_bytes // MIB} MiB")
    print(f"  {'':36} {'MB/s':>6} {'ratio':>6} {'seconds':>17} {'processor s':>12} {'peak MiB':>9}")
    for name, runs in measured.outcomes.items():
        times = sorted(run.elapsed_s for run in runs)
        print(
            f"  {name:36} {speeds[name]:6.0f} {measured.times_as_fast(name):6.2f} "
            f"{f'{times[0]:.2f} … {times[-1]:.2f}':>17} {measured.processor_s(name):12.2f} "
            f"{measured.peak_mib(name):9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
