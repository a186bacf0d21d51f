"""How much of an engine's speed is left through the gateway: texts embedded in the same time, as a share.

    python -m tests.benchmarks.bench_gateway_rates [--quick]

The engine is llama.cpp on a model of MiniLM's shape with random weights, whose answers mean nothing and take
as long. Direct and through the gateway take turns; what counts is the median of the ratios within a round.
"busy": while a process for each core does nothing but compute, with the same priority as all others.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.gateway_clients import CROWD, Target, crowd, gateway
from tests.benchmarks.results import Result
from tests.fakes.llamacpp import llamacpp
from tests.fakes.tiny_models import write_bert

if TYPE_CHECKING:
    from collections.abc import Iterator

MINILM = {"width": 384, "layers": 6}
TEXT = "one of them"
"""It has as many tokens for the tests' encoder, about ten, as a short sentence for a real one."""
BUSY_GOAL = 0.9
FULL_S, QUICK_S = 11.0, 1.0
"""How long both are asked, for each kind of work."""
FEWEST_ROUNDS = 3
_COMPUTING = "while True: pass"


@dataclass(frozen=True, slots=True)
class Work:
    """What clients ask for again and again; `texts` is 0 for one text that is no list."""

    name: str
    goal: float
    clients: int = 1
    texts: int = 0
    encoding: str = "float"
    requests: int = 1
    """Of each client, in a round."""
    only_full: bool = False

    @property
    def body(self) -> dict[str, object]:
        """The request."""
        texts = [f"{number} of them" for number in range(self.texts)]
        return {"input": texts or TEXT, "encoding_format": self.encoding}


WORKS = (
    Work("one text, 1 client", 0.97, requests=8),
    Work(f"one text, {CROWD} clients", 0.98, clients=CROWD, requests=2),
    Work("lists of 32, float", 0.99, texts=32),
    Work("lists of 32, base64", 0.99, texts=32, encoding="base64"),
    Work("lists of 256, float", 0.99, texts=256, only_full=True),
    Work("lists of 256, base64", 0.99, texts=256, encoding="base64", only_full=True),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds, without the long lists")
    found = []
    for result in results(full=not parser.parse_args().quick):
        print(result, flush=True)
        found.append(result)
    return 0 if all(result.reached for result in found) else 1


def results(*, full: bool) -> Iterator[Result]:
    """The share of each kind of work; `full` adds the long lists and the busy computer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = write_bert(folder / "encoder-F16.gguf", **MINILM)
        engine = stack.enter_context(llamacpp(model, pooling="mean"))
        url, _ = stack.enter_context(
            gateway(engine.base_url, speaks_openai=True, context_size=engine.context_size)
        )
        for work in WORKS:
            if full or not work.only_full:
                share = share_left(work, engine.base_url, url, FULL_S if full else QUICK_S)
                yield Result(
                    f"MiniLM, {work.name}: share of the engine's speed", share, "times", least=work.goal
                )
        for work in WORKS if full else ():
            with busy():
                share = share_left(work, engine.base_url, url, FULL_S)
            name = f"MiniLM, {work.name}, busy: share of the engine's speed"
            yield Result(name, share, "times", least=BUSY_GOAL)


def share_left(work: Work, engine: str, through: str, seconds: float) -> float:
    """The median of how long a round takes directly by how long it takes through the gateway."""
    targets = [Target(url, "/v1/embeddings", work.body) for url in (engine, through)]
    for target in targets:
        crowd(target, work.clients, 1)
    ratios: list[float] = []
    until_s = time.perf_counter() + seconds
    while len(ratios) < FEWEST_ROUNDS or time.perf_counter() < until_s:
        in_turn = targets if len(ratios) % 2 else targets[::-1]
        took_s = {target: seconds_for(work, target) for target in in_turn}
        ratios.append(took_s[targets[0]] / took_s[targets[1]])
    return statistics.median(ratios)


def seconds_for(work: Work, target: Target) -> float:
    """How long all clients take for their requests of one round."""
    began_s = time.perf_counter()
    crowd(target, work.clients, work.requests)
    return time.perf_counter() - began_s


@contextmanager
def busy() -> Iterator[None]:
    """Another load on every core."""
    command = [sys.executable, "-c", _COMPUTING]
    programs = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


if __name__ == "__main__":
    sys.exit(main())
