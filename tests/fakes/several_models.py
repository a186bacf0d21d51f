"""Three models in one app, clients that ask for them by name, and what is seen of the engines meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from openai import OpenAI

from tests.fakes.tiny_models import (
    BERT_DIMENSIONS,
    BUILTIN_DIMENSIONS,
    CHAT_DIMENSIONS,
    bert_model_bytes,
    chat_model_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIMENSIONS = {"test": BUILTIN_DIMENSIONS, "digits": CHAT_DIMENSIONS, "bge": BERT_DIMENSIONS}
"""By the id of each model, the length of its vectors: it tells which one has answered."""
BUDGET_GIB = 0.1
"""Memory for two of the three."""
_LOOK_S = 0.005
_ENGINE = "llamacpp_child.py"


def install_models(folder: Path) -> None:
    """Put the two that do not come with the app into a models folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "digits.gguf").write_bytes(chat_model_bytes())
    (folder / "bge.gguf").write_bytes(bert_model_bytes())


@dataclass
class SeenEngines:
    """What was seen of the engines of an app: their memory, and which came and went."""

    peak_bytes: int = 0
    looks: int = 0
    loads: Counter[str] = field(default_factory=Counter)
    unloads: Counter[str] = field(default_factory=Counter)


@contextmanager
def engines_watched(pid: int) -> Iterator[SeenEngines]:
    """Look at the engines below a process all the time, until the end of the block.

    Their memory is what is resident, also the pages that they share.
    """
    seen, end = SeenEngines(), threading.Event()
    there: dict[psutil.Process, str] = {}

    def watch() -> None:
        while not end.wait(_LOOK_S):
            now = engines_below(pid)
            seen.loads.update(now[each] for each in now.keys() - there.keys())
            seen.unloads.update(there[each] for each in there.keys() - now.keys())
            there.clear()
            there.update(now)
            seen.peak_bytes = max(seen.peak_bytes, sum(map(_memory_of, now)))
            seen.looks += 1

    watcher = threading.Thread(target=watch, name="engines-watch")
    watcher.start()
    try:
        yield seen
    finally:
        end.set()
        watcher.join()


def engines_below(pid: int) -> dict[psutil.Process, str]:
    """The engines below a process, and the model of each by its file."""
    with suppress(psutil.Error):
        found = {each: _model_of(each) for each in psutil.Process(pid).children(recursive=True)}
        return {each: model for each, model in found.items() if model}
    return {}


@dataclass
class Answers:
    """What came of the requests of a crowd; how long those for each model took."""

    elapsed_s: float = 0.0
    waits_ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in DIMENSIONS})
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def ask_all(url: str, names: Sequence[str], clients: int) -> Answers:
    """Ask for a vector of each of these models, in this order, by so many clients."""
    turns, next_turn, found = iter(names), threading.Lock(), Answers()

    def client(_: int) -> None:
        with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=600) as openai:
            while True:
                with next_turn:
                    name = next(turns, None)
                if name is None:
                    return
                began_s = time.perf_counter()
                try:
                    vectors = openai.embeddings.create(model=name, input="The quick brown fox").data
                except Exception as exc:  # noqa: BLE001 - whatever goes wrong is counted
                    found.errors.append(f"{name}: {exc}")
                    continue
                found.waits_ms[name].append(1000 * (time.perf_counter() - began_s))
                if len(vectors[0].embedding) != DIMENSIONS[name]:
                    found.wrong.append(name)

    began_s = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(client, range(clients)))
    found.elapsed_s = time.perf_counter() - began_s
    return found


def mixed(requests: int, seed: int = 7) -> list[str]:
    """So many names of the three models, at random, but the same each time."""
    return random.Random(seed).choices(list(DIMENSIONS), k=requests)  # noqa: S311


def _model_of(process: psutil.Process) -> str | None:
    """None if it is no engine, or none any more. One that is just being made has the words of its parent."""
    with suppress(psutil.Error):
        words = process.cmdline()
        if any(word.endswith(_ENGINE) for word in words):
            return Path(words[words.index("--model") + 1]).stem
    return None


def _memory_of(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        size: int = process.memory_info().rss
        return size
    return 0
