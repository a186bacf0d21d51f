"""The long run: `python3 dev.py fuzz MINUTES [TARGET]`.

The time is divided among the targets, and each of them is tried on every processor at once, with random
seeds. Prints what was tried and found; exit code 1 if an input broke something.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from tests.fuzz.harness import LONGEST_CHECK_S
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

GRACE_S = 120.0
"""For the start of a process, and for the search for the smallest input that fails."""
PROCESSORS = os.cpu_count() or 1


def explored(name: str, seconds: float) -> Outcome:
    """What came of one target on one processor."""
    seed = secrets.randbits(32)
    command = [sys.executable, "-m", "tests.fuzz.worker", name, str(seconds), str(seed)]
    try:
        ended = subprocess.run(
            command, capture_output=True, check=False, timeout=seconds + LONGEST_CHECK_S + GRACE_S
        )
    except subprocess.TimeoutExpired:
        return Outcome(0, 0.0, f"{' '.join(command)}\ndid not end")
    try:
        return msgspec.json.decode(ended.stdout.rpartition(b"\n")[0].rpartition(b"\n")[2], type=Outcome)
    except msgspec.DecodeError:  # native code has ended the process
        said = ended.stderr[-2000:].decode(errors="replace")
        return Outcome(0, 0.0, f"{' '.join(command)}\nended with {ended.returncode}: {said}")


def show(name: str, outcomes: Sequence[Outcome]) -> None:
    """One line for a target, and what has failed."""
    failures = {outcome.failure for outcome in outcomes if outcome.failure}
    executions = sum(outcome.executions for outcome in outcomes)
    peak_mb = max(outcome.peak_mb for outcome in outcomes)
    print(f"{name:14} {executions:10,} {len(failures):9} {peak_mb:8.0f} MB", flush=True)
    for failure in failures:
        print(failure, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description="Try random inputs.")
    parser.add_argument("minutes", type=float, metavar="MINUTES", help="how long, all targets together")
    parser.add_argument(
        "target", nargs="?", choices=[target.name for target in TARGETS], help="only this one"
    )
    options = parser.parse_args()
    names = [options.target] if options.target else [target.name for target in TARGETS]
    seconds = 60 * options.minutes / len(names)
    print(f"{'target':14} {'executions':>10} {'failures':>9} {'most memory':>11}")
    everything: list[Outcome] = []
    with ThreadPoolExecutor(PROCESSORS) as pool:
        for name in names:
            outcomes = list(pool.map(explored, [name] * PROCESSORS, [seconds] * PROCESSORS))
            show(name, outcomes)
            everything += outcomes
    show("all", [msgspec.structs.replace(outcome, failure="") for outcome in everything])
    return int(any(outcome.failure for outcome in everything))


if __name__ == "__main__":
    sys.exit(main())
