"""Tries what a target promises on random inputs, and keeps the one that broke it."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psutil
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from hypothesis.strategies import SearchStrategy

CORPUS = Path(__file__).with_name("corpus")
FOUND = Path(__file__).parents[1] / "artifacts" / "fuzz"
MOST_MEMORY_MB = 300.0
"""What inputs may make a process take on top of what it had: what the whole app may take under an attack."""
LONGEST_CHECK_S = 20.0
"""An input that takes longer hangs the program: all are small, and take milliseconds on an idle machine."""
_LOOK_S = 0.05
_MOST_EDITS = 4


@dataclass(frozen=True)
class Target:
    """What is read, and what must hold for every input."""

    name: str
    """Also the folder of its past failures."""
    inputs: SearchStrategy[bytes]
    ready: Callable[[], AbstractContextManager[Callable[[bytes], None]]]
    """Sets up what an input is given to; the check fails by an exception."""
    short_run: int = 150
    """Inputs that are tried within the tests: together the targets have some ten seconds."""

    def corpus(self) -> list[Path]:
        """The inputs that once broke something."""
        return sorted((CORPUS / self.name).iterdir())


class Watch:
    """Sees whether a process takes too much memory or time over an input. A thread of its own."""

    def __init__(self, too_much: Callable[[str], None]) -> None:
        self.peak_mb = self._first_mb = _memory_mb()
        self._too_much = too_much
        self._began_s = math.inf
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="fuzz-watch", daemon=True)

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watch]:
        """Watch until the end of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()

    @contextlib.contextmanager
    def one_input(self) -> Iterator[None]:
        """The time of one input begins."""
        self._began_s = time.monotonic()
        try:
            yield
        finally:
            self._began_s = math.inf

    def _look(self) -> None:
        told = False
        while not self._over.wait(_LOOK_S):
            self.peak_mb = max(self.peak_mb, _memory_mb())
            if not told and (reason := self._reason()):
                told = True
                self._too_much(reason)

    def _reason(self) -> str:
        grown_mb = self.peak_mb - self._first_mb
        if grown_mb > MOST_MEMORY_MB:
            return f"memory grew by {grown_mb:.0f} MB, which is more than {MOST_MEMORY_MB:.0f}"
        if time.monotonic() - self._began_s > LONGEST_CHECK_S:
            return f"one input takes longer than {LONGEST_CHECK_S:.0f} s"
        return ""


class Exploration:
    """The random inputs of one target, and what came of them."""

    def __init__(self, target: Target, check: Callable[[bytes], None], watch: Watch) -> None:
        self.executions = 0
        self.last = b""
        """The input that was tried last; after a failure the smallest that fails."""
        self._target = target
        self._check = check
        self._watch = watch

    def run(self, seed: int, examples: int, end_s: float = math.inf) -> None:
        """Try so many inputs, or as many as come before `end_s`; what a check raises comes out of here."""
        failed = False

        def attempt(data: bytes) -> None:
            nonlocal failed
            if time.monotonic() > end_s and not failed:  # after a failure, smaller inputs are looked for
                return
            self.executions += 1
            self.last = data
            try:
                with self._watch.one_input():
                    self._check(data)
            except Exception:
                failed = True
                raise

        limits = hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        try:
            hypothesis.seed(seed)(limits(given(self._target.inputs)(attempt)))()
        except Exception as error:
            error.add_note(kept_input(self._target.name, self.last))
            raise


def kept_input(target: str, data: bytes) -> str:
    """Keep an input that broke something; where it is, and how it becomes a test."""
    path = FOUND / target / hashlib.sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f"The input is kept in {path}; in {CORPUS / target} it becomes a test."


def edited(samples: Sequence[bytes], words: Sequence[bytes] = ()) -> SearchStrategy[bytes]:
    """The samples with a few places cut out, doubled or overwritten, also by `words` that mean something."""
    piece = st.binary(max_size=4) | (st.sampled_from(words) if words else st.nothing())
    edit = st.tuples(st.integers(0, 2**16), st.sampled_from([0, 0, 1, 4, 40]), piece)
    return st.builds(_with_edits, st.sampled_from(samples), st.lists(edit, max_size=_MOST_EDITS))


def _with_edits(sample: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    for place, replaced, piece in edits:
        at = place % (len(sample) + 1)
        sample = sample[:at] + piece + sample[at + replaced :]
    return sample


def _memory_mb() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)
