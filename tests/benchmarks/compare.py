"""Runs benchmarks of two states in turns, and says by how much they differ.

The other state is checked out beside this one, for as long as it takes. In each round both run, and who goes
first changes with every round: what else the machine does hits both alike. What counts is the ratio within a
round, their median and what the middle half of them lies between: on a busy machine, single rounds go wrong.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FULL_ROUNDS, QUICK_ROUNDS = 15, 9
CHANCE = 0.05
"""A difference counts if by chance, so many rounds would agree more rarely than this."""
LOCKS = ("requirements.lock", "requirements-dev.lock")
_CODE = ("tray_app", "tests")

_LIST_PARTS = """
import json
from tests.benchmarks import __main__ as state
print(json.dumps([state.__file__, list(state.PARTS)]))
"""
# Each state has its own benchmarks, and an older one knows nothing of this module; notes have no value.
_RUN_PART = """
import json, sys
from pathlib import Path
from tests.benchmarks.__main__ import PARTS
part, full, report = sys.argv[1:]
found = []
for each in PARTS[part](full=full == "full"):
    if hasattr(each, "value"):
        found.append((each.name, each.value, each.unit))
    for size, value in getattr(each, "points", ()):
        found.append((f"{each.name} at {size:,} {each.of}", value, each.unit))
Path(report).write_text(json.dumps(found), encoding="utf-8")
"""

Numbers = dict[str, float]
"""The results of one run by their names, with their units."""


class CannotCompareError(Exception):
    """There is no such state, or its benchmarks cannot be run."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number in both states, in each round."""

    name: str
    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Ours by theirs; empty where that says nothing, as of zero."""
        if min(*self.ours, *self.theirs) <= 0:
            return []
        return [our / their for our, their in zip(self.ours, self.theirs, strict=True)]

    @property
    def verdict(self) -> str:
        """Whether one is more than the other: the sign test of the rounds."""
        if not self.ratios:
            return ""
        more, less = (sum(ratio > 1 for ratio in self.ratios), sum(ratio < 1 for ratio in self.ratios))
        tosses = more + less
        as_clear = sum(math.comb(tosses, number) for number in range(min(more, less) + 1))
        if 2 * as_clear / 2**tosses > CHANCE:
            return "no clear difference"
        return "more" if more > less else "less"

    def __str__(self) -> str:
        ours, theirs = (f"{statistics.median(values):.4g}" for values in (self.ours, self.theirs))
        ratio = "-"
        if self.ratios:
            low, middle, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
            ratio = f"{middle:.3f} ({low:.3f} to {high:.3f})"
        return f"{self.name:62} {theirs:>10} {ours:>10}  {ratio:24} {self.verdict}".rstrip()


def compare(root: Path, commit: str, parts: Sequence[str], *, full: bool) -> Iterator[str]:
    """What to print of these parts in the tree `root`, as it is now, and in a commit of it.

    Raises
    ------
    CannotCompareError
        If there is no such commit, or a state's benchmarks fail.

    """
    with _checked_out(root, commit) as other:
        yield f"This tree by {_named(other)}, in turns; each with the packages of this virtual environment."
        if different := [name for name in LOCKS if _content(root / name) != _content(other / name)]:
            yield (
                f"The packages that {commit} asks for are others ({', '.join(different)} differ), "
                "so this compares the code alone."
            )
        for tree in (root, other):
            _compile(tree)
        known = _parts(other, commit)
        for part in parts:
            yield f"\n{part}"
            if part not in known:
                yield f"  {commit} does not have this part."
                continue
            found = _in_turns(root, other, part, FULL_ROUNDS if full else QUICK_ROUNDS, full=full)
            yield f"  {'median of the rounds':62} {'there':>10} {'here':>10}  ratio (middle half)"
            yield from (f"  {line}" for line in _compared(found))


def _parts(tree: Path, commit: str) -> list[str]:
    file, parts = json.loads(_python(tree, _LIST_PARTS))
    # The virtual environment would find those of the tree that it was made for.
    if not Path(file).resolve().is_relative_to(tree.resolve()):
        raise CannotCompareError(f"{commit} has no benchmarks that could be run in turns with these")
    return list(parts)


def _in_turns(
    root: Path, other: Path, part: str, rounds: int, *, full: bool
) -> list[tuple[Numbers, Numbers]]:
    """What this tree and the other one measure, in each round."""
    found = []
    for number in range(rounds):
        if sys.stderr.isatty():  # the next line is written over it
            print(f"  round {number + 1} of {rounds}", end="\r", file=sys.stderr, flush=True)
        trees = (root, other) if number % 2 == 0 else (other, root)
        measured = {tree: _measured(tree, part, full=full) for tree in trees}
        found.append((measured[root], measured[other]))
    return found


def _compared(rounds: Sequence[tuple[Numbers, Numbers]]) -> Iterator[str]:
    ours, theirs = ([each[side] for each in rounds] for side in (0, 1))
    in_both = [name for name in ours[0] if all(name in measured for measured in (*ours, *theirs))]
    for name in in_both:
        yield str(Comparison(name, [each[name] for each in ours], [each[name] for each in theirs]))
    for side, where in ((ours, "here"), (theirs, "there")):
        for name in side[0]:
            if name not in in_both:
                yield f"{name}: only {where}, or not in every round"


def _measured(tree: Path, part: str, *, full: bool) -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _python(tree, _RUN_PART, part, "full" if full else "quick", str(report))
        found = json.loads(report.read_text(encoding="utf-8"))
    return {f"{name} [{unit}]": value for name, value, unit in found}


@contextmanager
def _checked_out(root: Path, commit: str) -> Iterator[Path]:
    """The tree of a commit in a temporary folder."""
    known = _git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if known.returncode:
        raise CannotCompareError(f"there is no commit {commit}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tree = Path(folder) / "tree"
        added = _git(root, "worktree", "add", "--quiet", "--detach", str(tree), known.stdout.strip())
        if added.returncode:
            raise CannotCompareError(f"{commit} cannot be checked out: {added.stderr.strip()}")
        try:
            yield tree
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)


def _named(tree: Path) -> str:
    return _git(tree, "log", "-1", "--format=%h (%s)").stdout.strip()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _compile(tree: Path) -> None:
    """So that no turn pays for what is done once."""
    folders = [name for name in _CODE if (tree / name).is_dir()]
    compile_all = [sys.executable, "-m", "compileall", "-q", *folders]
    subprocess.run(compile_all, cwd=tree, env=_environment(tree), check=False, stdout=subprocess.DEVNULL)


def _python(tree: Path, program: str, *arguments: str) -> str:
    """Run a program with the modules of this tree, as its child processes do; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tree,
        env=_environment(tree),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise CannotCompareError(f"the benchmarks in {tree} failed:\n{done.stderr.strip()}")
    return done.stdout


def _environment(tree: Path) -> Mapping[str, str]:
    """The virtual environment itself would find the modules of the tree that it was made for."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment
