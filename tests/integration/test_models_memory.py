"""What is estimated of a model's memory, against what llama.cpp says it takes when it loads that model."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from tests.fakes.app import make_host
from tests.fakes.random_models import Shape, write_llama
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.program import Engine
from tray_app.models.gguf import read_header
from tray_app.models.memory import MIB, ContextConfig, MemoryEstimate, estimate_memory
from tray_app.models.model import Model
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tray_app.engine import llamacpp_child

_BUFFER = re.compile(r"(model|KV|compute) buffer size = +([\d.]+) MiB")
_ADDRESS = re.compile(r"serving on (http://[\d.:]+)")
NARROW = Shape()
DEEP = Shape(width=768, layers=8, heads=12, kv_heads=12, feed_forward=768, vocabulary=16_000)
WIDE = Shape(width=768, layers=3, heads=12, kv_heads=12, feed_forward=4096, vocabulary=4000)


@contextmanager
def start(path: Path, load: ContextConfig, *extra: tuple[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The embedded engine, loading a model for real; ended whatever comes."""
    settings = {
        "--model": str(path),
        "--port": "0",
        "--ctx-size": str(load.all_contexts_size),
        "--n-parallel": str(load.slots),
        "--kv-unified": "true",
        "--kv-unified-per-slot": str(load.context_size),
        "--batch-size": str(load.batch_size),
        "--threads": "1",
        "--pooling": "last",
        "--verbosity": "5",
    } | dict(extra)
    words = [word for pair in settings.items() for word in pair]
    with subprocess.Popen(
        [sys.executable, "-P", llamacpp_child.__file__, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",  # the answers of random weights are noise
    ) as engine:
        try:
            yield engine
        finally:
            engine.kill()


def read_until_ready(engine: subprocess.Popen[str]) -> tuple[MemoryEstimate, str]:
    """The buffers that it logs while it loads, and its address."""
    sizes: dict[str, int] = {}
    for line in engine.stderr or ():
        if found := _BUFFER.search(line):
            # It measures without weights first: the last words count.
            sizes[found[1]] = round(float(found[2]) * MIB)
        if found := _ADDRESS.search(line):
            return MemoryEstimate(sizes["model"], sizes["KV"], sizes["compute"]), found[1]
    raise AssertionError("the engine has ended")


@pytest.mark.parametrize(
    "load", [ContextConfig(2048, 2048), ContextConfig(8192, 512), ContextConfig(2048, 512, slots=4)]
)
@pytest.mark.parametrize("shape", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_buffers_are_within_15_percent_of_those_that_llama_cpp_logs(
    tmp_path: Path, shape: Shape, load: ContextConfig
) -> None:
    path = write_llama(tmp_path / "random.gguf", shape)
    with start(path, load) as engine:
        logged, _ = read_until_ready(engine)

    need = estimate_memory(read_header(path), path.stat().st_size, load)

    assert need.weights_bytes == pytest.approx(logged.weights_bytes, rel=0.15)
    assert need.cache_bytes == pytest.approx(logged.cache_bytes, rel=0.01)
    assert need.compute_bytes == pytest.approx(logged.compute_bytes, rel=0.15)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count shared and mapped memory otherwise")
@pytest.mark.parametrize("weights", ["F16", "Q4_0"])
def test_the_whole_is_within_15_percent_of_what_the_system_counts_after_long_texts(
    tmp_path: Path, weights: str
) -> None:
    shape, load = replace(DEEP, weights=weights), ContextConfig(512, 512, slots=2)
    model = library_model(write_llama(tmp_path / "random.gguf", shape))
    with start(model.path, load, *memory_options(model)) as engine:
        _, address = read_until_ready(engine)
        draining = threading.Thread(target=lambda: list(engine.stderr or ()), name="engine-log")
        draining.start()
        ask(address, "embeddings", {"input": [1] + [300] * (load.batch_size - 2)})
        for word in range(400, 403 + load.slots):  # more than the slots hold and may be kept
            ask(address, "completions", {"prompt": [1] + [word] * 350, "max_tokens": 1})
        used_bytes = psutil.Process(engine.pid).memory_info().rss
        engine.kill()
        draining.join()

    need = estimate_memory(model.header, model.size_bytes, load)
    assert need.total_bytes == pytest.approx(used_bytes, rel=0.15)


def library_model(path: Path) -> Model:
    return Model(path.stem, path.stem, path, path.stat().st_size, read_header(path))


def memory_options(model: Model) -> list[tuple[str, str]]:
    """What the app tells the engine of memory."""
    settings = Settings(ctx_size=512, batch_size=512)
    plan = plan_launch(settings, model, Engine(EngineKind.LLAMA_CPP, ("x",)), make_host())
    return [pair for pair in itertools.pairwise(plan.argv) if pair[0] in ("--cache-ram-mib", "--load-mode")]


def ask(address: str, route: str, body: object) -> None:
    answer = requests.post(f"{address}/v1/{route}", json=body, timeout=60)
    assert answer.ok, answer.text
