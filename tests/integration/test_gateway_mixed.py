"""Many clients with every kind of work at once: each is answered as if it had been alone. On both engines."""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.launches import llamacpp_plan
from tests.fakes.powerinfer_server import powerinfer_server
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.gateway.upstream import Upstream
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONTEXT_SIZE = 512
CLIENTS = 64
ANSWER_TOKENS = 60
FARTHEST = 1e-4
"""By the cosine: llama.cpp rounds the numbers of a batch of other texts otherwise."""


@pytest.fixture
def llamacpp(tmp_path: Path) -> Iterator[Upstream]:
    """The built-in engine, set up as the app does."""
    supervisor = Supervisor(launcher_for(detect_system(sys.platform)), tmp_path / "state", tmp_path / "logs")
    plan = llamacpp_plan(ctx_size=CONTEXT_SIZE)
    supervisor.ensure(plan)
    try:
        snapshot = supervisor.wait_for({State.READY, State.FAILED}, 60)
        assert snapshot.address, snapshot.failure
        yield Upstream(
            snapshot.address.base_url,
            key=snapshot.address.key,
            speaks_openai=True,
            model_id="test",
            model_name="Test",
            context_size=plan.context_size,
        )
    finally:
        supervisor.close()


def words(count: int, seed: int) -> str:
    chosen = random.Random(seed)  # noqa: S311 - no secret
    return " ".join(chosen.choice(["the", "quick", "brown", "fox", "hello", "a", "of"]) for _ in range(count))


def vectors(url: str, texts: list[str]) -> list[list[float]]:
    answer = post(f"{url}/embeddings", {"input": texts})
    assert answer.status_code == 200, answer.text
    return [each["embedding"] for each in answer.json()["data"]]


def distance(one: list[float], other: list[float]) -> float:
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return 1 - product / math.hypot(*one) / math.hypot(*other)


def work_of(texts: list[str], alone: list[list[float]]) -> Iterator[Callable[[str], None]]:
    """What clients ask for in turn: the vectors of a list, and three ways to write."""

    def embed(url: str) -> None:
        for found, expected in zip(vectors(url, texts), alone, strict=True):
            assert distance(found, expected) < FARTHEST

    def write(path: str, body: dict[str, Any]) -> Callable[[str], None]:
        def ask(url: str) -> None:
            answer = post(f"{url}/{path}", {**body, "max_tokens": ANSWER_TOKENS})
            assert answer.status_code == 200, answer.text
            if body.get("stream"):
                assert answer.text.endswith("data: [DONE]\n\n")
                assert "error" not in json.loads(answer.text.split("\n\n")[-3].removeprefix("data: "))

        return ask

    prompt = texts[-1]
    return itertools.cycle(
        (
            embed,
            write("chat/completions", {"messages": [{"role": "user", "content": prompt}]}),
            write("completions", {"prompt": prompt, "stream": True}),
            embed,
            write("completions", {"prompt": prompt}),
        )
    )


def all_at_once(url: str, texts: list[str]) -> None:
    alone = [vectors(url, [text])[0] for text in texts]
    work = itertools.islice(work_of(texts, alone), CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(each, url) for each in work]:
            done.result()


def test_llama_cpp_breaks_no_request_over_another(llamacpp: Upstream) -> None:
    """Together they need many times the context of one."""
    with gateway_to(llamacpp) as url:
        all_at_once(url, [words(count, count) for count in (3, 30, 130, 140, 120)])


def test_powerinfer_breaks_no_request_over_another() -> None:
    with powerinfer_server() as engine, gateway_to(behind(engine)) as url:
        all_at_once(url, [words(count, count) for count in (3, 20, 50, 8)])
        assert not engine.dead.is_set()
