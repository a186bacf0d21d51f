"""All benchmarks in one table: python -m tests.benchmarks [--full] [--save | --compare COMMIT] [PART …]

Quick by default (about two minutes), to see whether something has become much worse; `--full` takes half
an hour and is for numbers that are told to others, on a machine that does nothing else. `--save` writes
table and plots to docs/benchmarks. Exits with 1 if a goal is missed. `--compare` runs this tree and a commit
in turns, several times, and prints ratios.
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
    bench_search,
    bench_several,
    bench_ui,
)
from tests.benchmarks.compare import CannotCompareError, compare
from tests.benchmarks.plots import bars

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.results import Result


class Part(Protocol):
    """A benchmark; `full` takes longer and says more exactly."""

    def __call__(self, *, full: bool) -> Iterator[Result]: ...


PARTS: dict[str, Part] = {
    "download": bench_download.results,
    "engine": bench_engine.results,
    "engines": bench_engines.results,
    "several": bench_several.results,
    "gateway": bench_gateway.results,
    "search": bench_search.results,
    "commands": bench_commands.results,
    "desktop": bench_ui.results,
}
UNITS = {"download": "MB/s", "gateway": "ms", "search": "ms", "commands": "ms"}
NOTES = {
    "download": "Each contender is a process of its own, timed from start to end, but for the app that is "
    "already running. The start of Python weighs in small files.",
    "gateway": "Clients that ask PowerInfer themselves wait 40 ms for each answer, as it writes head and "
    "body apart; those of the gateway do not: hence the negative number.",
    "commands": "From a process's start to its end, beside an app that serves the built-in test model.",
}
RATIOS = (
    "What a change gains or costs is better seen with `python3 dev.py bench --compare COMMIT`, "
    "which runs both states in turns."
)
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
    found: dict[str, list[Result]] = {}
    for name in options.parts or PARTS:
        print(f"\n{name}", flush=True)
        found[name] = []
        for result in PARTS[name](full=options.full):
            print(f"  {result}", flush=True)
            found[name].append(result)
    if options.save:
        save(found, full=options.full)
    return 0 if all(result.reached for results in found.values() for result in results) else 1


def save(found: dict[str, list[Result]], *, full: bool) -> None:
    """Write the table and a plot of each part; what stood there before is replaced."""
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "README.md").write_text(table(found, full=full), encoding="utf-8")
    for name, results in found.items():
        (DOCS / f"{name}.svg").write_text(plot(name, results), encoding="utf-8")


def table(found: dict[str, list[Result]], *, full: bool) -> str:
    """The page docs/benchmarks/README.md."""
    command = f"python3 dev.py bench{' --full' if full else ''} --save"
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        RATIOS,
        "",
    ]
    for name, results in found.items():
        lines += [f"## {name.capitalize()}", "", f"![{name}]({name}.svg)", "", "| what | result | goal |"]
        lines += ["| --- | --- | --- |"]
        lines += [f"| {result.name} | {result.number} | {result.verdict} |" for result in results]
        lines += ["", *((NOTES[name], "") if name in NOTES else ())]
    return "\n".join(lines)


def machine() -> str:
    """What a reader must know of this machine to compare."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} processors, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, load {psutil.getloadavg()[0]:.1f} at the end"
    )


def plot(name: str, results: Sequence[Result]) -> str:
    """The part's main numbers: those in its `UNITS`, else how much of its limit each takes."""
    if unit := UNITS.get(name):
        rows = [(r.name, r.value, r.number) for r in results if r.unit == unit]
        return bars(f"{name}, {unit}", rows, ours="this app" if name == "download" else "")
    rows = [(r.name, r.value / r.most, f"{r.number} of {r.most:g}") for r in results if r.most]
    return bars(f"{name}: how much of its limit each takes", rows)


if __name__ == "__main__":
    sys.exit(main())
