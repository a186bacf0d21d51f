"""How long a search through all vectors takes, and the map: python -m tests.benchmarks.bench_search

Collections as the app keeps them, in files that are mapped. Vectors are random, of length 1: what they are
makes no difference to the time. The question's own vector, which a model makes, is not counted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from tests.benchmarks.results import Result, reached, shown
from tray_app.search.collection import PASTED
from tray_app.search.head import StoredText
from tray_app.search.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.search.head import Source
    from tray_app.search.nearest import Vectors
    from tray_app.search.opened import Opened

TEXTS = 50_000
KEPT_AT_ONCE = 1024
LIMIT = 20
FULL_SEARCHES, QUICK_SEARCHES = 300, 60
MOST_MS = 50.0


def results(*, full: bool) -> Iterator[Result]:
    """Median and 95th percentile of searches in 50,000 texts, with short and long vectors."""
    for dimensions in (384, 1024):
        with tempfile.TemporaryDirectory() as folder:
            opened = filled(Path(folder), dimensions)
            yield from _searches(opened, FULL_SEARCHES if full else QUICK_SEARCHES)
            began_s = time.perf_counter()
            opened.flat_map(2000)
            name = f"map of 2,000 texts x {dimensions:,}"
            yield Result(name, (time.perf_counter() - began_s) * 1000, "ms", 1000)


def _searches(opened: Opened, number: int) -> Iterator[Result]:
    asked = _vectors(number + 1, opened.head.dimensions, seed=1)
    took_ms = []
    for query in asked:
        began_s = time.perf_counter()
        hits = opened.nearest(query, LIMIT)
        took_ms.append((time.perf_counter() - began_s) * 1000)
        assert len(hits) == LIMIT
    what = f"search in {opened.head.texts:,} texts x {opened.head.dimensions:,}"
    yield Result(f"{what}: the first one", took_ms[0], "ms")
    yield Result(f"{what}: median", statistics.median(took_ms[1:]), "ms", MOST_MS)
    yield Result(f"{what}: 95 % within", statistics.quantiles(took_ms[1:], n=20)[-1], "ms", MOST_MS)


def filled(folder: Path, dimensions: int) -> Opened:
    """A collection in the state in which additions leave it."""
    shelf = Shelf(folder)
    collection_id = shelf.create("Benchmark").id
    with shelf.writing(collection_id) as writer:
        source = writer.begin(PASTED, texts=TEXTS)
        for begin in range(0, TEXTS, KEPT_AT_ONCE):
            numbers = range(begin, min(TEXTS, begin + KEPT_AT_ONCE))
            texts = [
                StoredText(f"Text number {each}. " * 25, _counted(source, each + 1), each + 1, each + 1)
                for each in numbers
            ]
            writer.keep(texts, _vectors(len(texts), dimensions, seed=begin), ("model", "digest"))
    return shelf.open(collection_id)


def _counted(source: Source, kept: int) -> Source:
    return replace(source, kept=kept)


def _vectors(count: int, dimensions: int, seed: int) -> Vectors:
    made = np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def main() -> int:
    return 0 if reached(shown(results(full=True))) else 1


if __name__ == "__main__":
    sys.exit(main())
