"""Explores one target in a process of its own: `python -m tests.fuzz.worker TARGET SECONDS SEED`.

Prints one line of JSON, an `Outcome`. A process that takes too much memory or time over an input ends itself.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import time
import traceback
from typing import TYPE_CHECKING

import msgspec
import psutil

from tests.fuzz.harness import Exploration, Watch, kept_input
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from tests.fuzz.harness import Target

ROUND = 500
"""Inputs that hypothesis makes of one seed: it remembers them all, so that none comes twice."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of it."""

    executions: int
    peak_mb: float
    failure: str = ""
    """The traceback, with the place of the input; empty if nothing failed."""


def explore(target: Target, seconds: float, seed: int) -> Outcome:
    """Rounds of random inputs until the time is over or one of them fails."""
    spent_s = time.time() - psutil.Process().create_time()  # the start belongs to the time
    end_s = time.monotonic() + seconds - spent_s
    seeds = random.Random(seed)  # noqa: S311 - the same inputs again
    failure = ""

    def too_much(reason: str) -> None:
        note = kept_input(target.name, exploration.last)
        tell(Outcome(exploration.executions, watch.peak_mb, f"{reason}\n{note}"))
        os._exit(1)

    with target.ready() as check:
        watch = Watch(too_much)
        exploration = Exploration(target, check, watch)
        with watch.watching():
            try:
                while time.monotonic() < end_s:
                    exploration.run(seeds.getrandbits(64), ROUND, end_s)
            except Exception:  # noqa: BLE001  the top of the process: whatever it is, it has been found
                failure = traceback.format_exc()
    return Outcome(exploration.executions, watch.peak_mb, failure)


def tell(outcome: Outcome) -> None:
    """Hand the outcome to whoever has started this."""
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
    sys.stdout.buffer.flush()


def main(name: str, seconds: str, seed: str) -> int:
    """Explore; 1 if something failed."""
    logging.disable()  # what the app logs of such inputs goes nowhere
    target = next(each for each in TARGETS if each.name == name)
    outcome = explore(target, float(seconds), int(seed))
    tell(outcome)
    return int(bool(outcome.failure))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
