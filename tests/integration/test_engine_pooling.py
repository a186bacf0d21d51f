"""Vectors and scores as the model's file wants them: the app's engine beside llama.cpp asked directly."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gguf
import pytest
import requests

from tests.fakes.launches import PC
from tests.fakes.random_embedders import CONTEXT, Kind, write_embedder
from tray_app.engine.access import Address
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.finding import EngineFinder
from tray_app.engine.launch_plan import plan_launch
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.models.gguf import read_header
from tray_app.models.model import Model
from tray_app.settings.schema import AUTO, Settings
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.engine.snapshot import EngineSnapshot

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

TIMEOUT_S = 60
NONE, MEAN, CLS = gguf.PoolingType.NONE, gguf.PoolingType.MEAN, gguf.PoolingType.CLS
LAST, RANK = gguf.PoolingType.LAST, gguf.PoolingType.RANK
SHORT = "word1 word2 word3"
LONG = " ".join(f"word{number % 50}" for number in range(80))
"""Longer than the batches below, in every vocabulary."""
TEXTS = [SHORT, LONG, SHORT + " word4", LONG + " word5"]
LEAST_COSINE = 0.9999
DIRECT = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params.embedding, params.warmup = True, False
params.n_ctx = params.n_batch = params.n_ubatch = size
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
if len(sys.argv) > 4:
    params.pooling_type = xllamacpp.llama_pooling_type[f"LLAMA_POOLING_TYPE_{sys.argv[4]}"]
server = xllamacpp.Server(params)
threading.Event().wait()
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = Supervisor(launcher_for(detect_system(sys.platform)), tmp_path / "state", tmp_path / "logs")
    yield one
    one.close()


def run(supervisor: Supervisor, path: Path, **settings: Any) -> EngineSnapshot:
    """The app's own engine on a model, as a start in the app would run it."""
    model = Model(path.stem, path.stem, path, path.stat().st_size, read_header(path))
    engine = choose_engine(AUTO, ModelNeeds.of(model.header), EngineFinder(PC))
    supervisor.ensure(plan_launch(Settings(threads=1, **settings), model, engine, PC))
    return supervisor.wait_for({State.READY, State.FAILED}, TIMEOUT_S)


@contextmanager
def direct(path: Path, *pooling: str) -> Iterator[Address]:
    """llama.cpp's server without the app; its pooling is the file's own unless it is told another."""
    port = free_port()
    command = [sys.executable, "-P", "-c", DIRECT, str(path), str(port), str(CONTEXT), *pooling]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield _when_ready(Address("127.0.0.1", port), process)
        finally:
            process.kill()


def _when_ready(address: Address, process: subprocess.Popen[bytes]) -> Address:
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "llama.cpp has ended"
        try:
            if get(address, "/health").ok:
                return address
        except requests.ConnectionError:
            pass
        time.sleep(0.02)  # it tells nobody when it has loaded
    raise AssertionError("llama.cpp does not answer")


def get(address: Address, path: str) -> requests.Response:
    return requests.get(address.base_url + path, headers=address.headers, timeout=TIMEOUT_S)


def post(address: Address, path: str, body: object) -> requests.Response:
    return requests.post(address.base_url + path, json=body, headers=address.headers, timeout=TIMEOUT_S)


def vectors(address: Address, texts: list[str]) -> list[list[float]]:
    answer = post(address, "/v1/embeddings", {"input": texts})
    assert answer.ok, answer.text
    return [each["embedding"] for each in answer.json()["data"]]


def cosine(one: list[float], other: list[float]) -> float:
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return product / math.hypot(*one) / math.hypot(*other)


LLAMAS = [Kind("llama", pooling, causal) for pooling in (MEAN, CLS, LAST) for causal in (None, False)]
OTHERS = [
    Kind("qwen2", CLS, causal=False),
    Kind("qwen2", LAST),
    Kind("qwen3", MEAN),
    Kind("qwen3", LAST, causal=False),
    Kind("bert", MEAN, causal=False),
    Kind("bert", CLS, causal=False),
    Kind("gemma-embedding", MEAN),
    Kind("gemma-embedding", LAST),
]


@pytest.mark.parametrize("kind", [*LLAMAS, *OTHERS], ids=str)
def test_vectors_are_those_of_llama_cpp_asked_directly(
    supervisor: Supervisor, tmp_path: Path, kind: Kind
) -> None:
    path = write_embedder(tmp_path / "random.gguf", kind)
    with direct(path) as address:
        expected = [vectors(address, [text])[0] for text in TEXTS]

    snapshot = run(supervisor, path, batch_size=64)
    assert snapshot.address, snapshot.failure

    alone = [vectors(snapshot.address, [text])[0] for text in TEXTS]
    together = vectors(snapshot.address, TEXTS)
    for found in (alone, together):
        assert min(map(cosine, found, expected)) >= LEAST_COSINE


@pytest.mark.parametrize(
    ("kind", "pooling"),
    [
        (Kind("llama"), "LAST"),
        (Kind("llama", NONE), "LAST"),
        (Kind("llama", causal=False), "MEAN"),
        (Kind("bert", causal=False), "MEAN"),
        (Kind("bert", NONE, causal=False), "MEAN"),
        (Kind("gemma-embedding"), "MEAN"),
    ],
    ids=str,
)
def test_a_file_that_does_not_say_how_to_pool_gets_a_default_and_starts(
    supervisor: Supervisor, tmp_path: Path, kind: Kind, pooling: str
) -> None:
    path = write_embedder(tmp_path / "random.gguf", kind)
    with direct(path, pooling) as address:
        expected = vectors(address, [LONG])

    snapshot = run(supervisor, path, batch_size=64)
    assert snapshot.address, snapshot.failure

    assert cosine(vectors(snapshot.address, [LONG])[0], expected[0]) >= LEAST_COSINE


def test_pooling_by_hand_wins_also_for_a_text_longer_than_a_batch(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    path = write_embedder(tmp_path / "random.gguf", Kind("llama", LAST))
    with direct(path, "MEAN") as address:
        expected = vectors(address, [LONG])

    snapshot = run(supervisor, path, batch_size=64, extra_arguments=("--pooling", "mean"))
    assert snapshot.address, snapshot.failure

    assert cosine(vectors(snapshot.address, [LONG])[0], expected[0]) >= LEAST_COSINE


@pytest.mark.parametrize("kind", [Kind("bert", RANK, causal=False), Kind("qwen3", RANK)], ids=str)
def test_a_reranker_starts_and_gives_scores(supervisor: Supervisor, tmp_path: Path, kind: Kind) -> None:
    path = write_embedder(tmp_path / "random.gguf", kind)
    body = {"query": "word1", "documents": ["word2 word3", "word4"]}

    def scores(address: Address) -> list[float]:
        results = post(address, "/v1/rerank", body).json()["results"]
        return [each["relevance_score"] for each in sorted(results, key=lambda each: each["index"])]

    with direct(path, "RANK") as address:
        expected = scores(address)

    snapshot = run(supervisor, path)
    assert snapshot.address, snapshot.failure

    assert scores(snapshot.address) == pytest.approx(expected, abs=1e-4)


def test_each_slot_has_just_the_context_of_the_settings(supervisor: Supervisor, tmp_path: Path) -> None:
    """Also one that llama.cpp would round up."""
    path = write_embedder(tmp_path / "random.gguf", Kind("llama"))

    snapshot = run(supervisor, path, ctx_size=600)
    assert snapshot.address, snapshot.failure

    slots = get(snapshot.address, "/slots").json()
    assert [slot["n_ctx"] for slot in slots] == [600] * 4
    refused = post(snapshot.address, "/v1/embeddings", {"input": [[5] * 601]})
    assert refused.json()["error"]["n_ctx"] == 600


@pytest.mark.parametrize("flag", ["--n-parallel", "--n_parallel"])
def test_more_slots_by_hand_make_no_context_smaller(
    supervisor: Supervisor, tmp_path: Path, flag: str
) -> None:
    path = write_embedder(tmp_path / "random.gguf", Kind("llama"))

    snapshot = run(supervisor, path, ctx_size=512, extra_arguments=(flag, "6"))
    assert snapshot.address, snapshot.failure

    slots = get(snapshot.address, "/slots").json()
    assert [slot["n_ctx"] for slot in slots] == [512] * 6


@pytest.mark.parametrize("kind", [Kind("bert", MEAN, causal=False), Kind("llama", MEAN)], ids=str)
def test_a_context_that_is_no_multiple_of_the_slots_serves_means(
    supervisor: Supervisor, tmp_path: Path, kind: Kind
) -> None:
    path = write_embedder(tmp_path / "random.gguf", kind)
    with direct(path) as url:
        expected = [vectors(url, [text])[0] for text in TEXTS]

    snapshot = run(supervisor, path, ctx_size=1022)
    assert snapshot.state is State.READY, snapshot.failure

    assert snapshot.address
    found = vectors(snapshot.address, TEXTS)
    assert min(map(cosine, found, expected)) >= LEAST_COSINE
    too_long = post(snapshot.address, "/v1/embeddings", {"input": [[5] * 1023]})
    assert "1022" in too_long.json()["error"]["message"]
