"""All benchmarks in one table: python -m tests.benchmarks [--full] [--save | --compare COMMIT] [PART …]

Quick by default (about two minutes), to see whether something has become much worse; `--full` takes half
an hour and is for numbers that are told to others, on a machine that does nothing else. `--save` writes
table and plot of each part that runs to docs/benchmarks. Exits with 1 if a goal is missed. `--compare` runs
this tree and a commit in turns, several times, and prints ratios.
"""

from __future__ import annotations

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from tests.benchmarks import (
    bench_commands,
    bench_download,
    bench_engine,
    bench_engines,
    bench_gateway,
    bench_growth,
    bench_search,
    bench_several,
    bench_ui,
)
from tests.benchmarks.compare import CannotCompareError, compare
from tests.benchmarks.page import picture, section, with_section
from tests.benchmarks.results import Note, reached, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.results import Finding


class Part(Protocol):
    """A benchmark; `full` takes longer and says more exactly."""

    def __call__(self, *, full: bool) -> Iterator[Finding]: ...


PARTS: dict[str, Part] = {
    "download": bench_download.results,
    "engine": bench_engine.results,
    "engines": bench_engines.results,
    "several": bench_several.results,
    "gateway": bench_gateway.results,
    "search": bench_search.results,
    "growth": bench_growth.results,
    "commands": bench_commands.results,
    "desktop": bench_ui.results,
}
NOTES = {
    "download": "Each contender is a process of its own, timed from start to end, but for the app that is "
    "already running. The start of Python weighs in small files.",
    "gateway": "Clients that ask PowerInfer themselves wait 40 ms for each answer, as it writes head and "
    "body apart; those of the gateway do not: hence the negative number.",
    "commands": "From a process's start to its end, beside an app that serves the built-in test model.",
}
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "benchmarks"


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; else all")
    parser.add_argument("--full", action="store_true", help="longer, and more exactly")
    what_else = parser.add_mutually_exclusive_group()
    what_else.add_argument("--save", action="store_true", help="write table and plots to docs/benchmarks")
    what_else.add_argument("--compare", metavar="COMMIT", help="ratios of this tree and a commit, in turns")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if options.compare:
        try:
            for line in compare(ROOT, options.compare, options.parts or list(PARTS), full=options.full):
                print(line, flush=True)
        except CannotCompareError as exc:
            parser.error(str(exc))
        return 0
    all_reached = True
    for name in options.parts or PARTS:
        print(f"\n{name}", flush=True)
        findings = shown(PARTS[name](full=options.full), indent="  ")
        all_reached &= reached(findings)
        if options.save:
            save(name, findings, full=options.full)
    return 0 if all_reached else 1


def save(name: str, findings: Sequence[Finding], *, full: bool) -> None:
    """Write a part's section and plot; the sections of other parts stay as they are."""
    DOCS.mkdir(parents=True, exist_ok=True)
    page = DOCS / "README.md"
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    notes = [Note(NOTES[name])] if name in NOTES else []
    when = f"{datetime.now(UTC):%Y-%m-%d}: {machine()}"
    written = section(name, [*findings, *notes], full=full, when=when)
    page.write_text(with_section(before, written, list(PARTS)), encoding="utf-8")
    if drawn := picture(name, findings):
        (DOCS / f"{name}.svg").write_text(drawn, encoding="utf-8")


def machine() -> str:
    """What a reader must know of this machine to compare."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} processors, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, load {psutil.getloadavg()[0]:.1f} at the end"
    )


if __name__ == "__main__":
    sys.exit(main())
