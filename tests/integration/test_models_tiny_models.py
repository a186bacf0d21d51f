"""The models that tests make beside the built-in one: the real llama.cpp runs them, and tells them apart."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import gguf
import pytest

from tests.fakes.gateways import post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.tiny_models import (
    BERT_DIMENSIONS,
    BUILTIN_DIMENSIONS,
    CHAT_DIMENSIONS,
    bert_model_bytes,
    chat_model_bytes,
)
from tray_app.models.gguf import read_header
from tray_app.models.header import Pooling, Purpose
from tray_app.models.library import builtin_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "hello",
    "text 1",
    "text 2",
    "1 text",
    "Größe 東京 🦊",
]
LARGEST_BYTES = 500_000
LEAST_DISTANCE, MOST_DIFFERENCE = 0.05, 0.001
"""Of two texts' vectors of length 1; of one's, alone and in a list."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    made = {"chat": folder / "chat.gguf", "bert": folder / "bert.gguf", "builtin": builtin_model()}
    made["chat"].write_bytes(chat_model_bytes())
    made["bert"].write_bytes(bert_model_bytes())
    return made


@pytest.fixture(scope="module")
def urls(paths: dict[str, Path]) -> Iterator[dict[str, str]]:
    with (
        llamacpp(paths["chat"]) as chat,
        llamacpp(paths["bert"], pooling="mean") as bert,
        llamacpp() as builtin,
    ):
        yield {"chat": chat.base_url, "bert": bert.base_url, "builtin": builtin.base_url}


def vectors(url: str, texts: list[str]) -> list[list[float]]:
    answer = post(f"{url}/v1/embeddings", {"input": texts})
    assert answer.ok, answer.text
    return [each["embedding"] for each in answer.json()["data"]]


def written(url: str, **more: Any) -> str:
    messages = [{"role": "user", "content": "Hello there"}]
    answer = post(f"{url}/v1/chat/completions", {"messages": messages, "max_tokens": 20, **more})
    assert answer.ok, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("make", [chat_model_bytes, bert_model_bytes])
def test_the_same_bytes_are_made_again_and_they_are_few(make: Any) -> None:
    assert make.__wrapped__() == make()
    assert len(make()) <= LARGEST_BYTES


def test_headers_say_what_the_models_are_for(paths: dict[str, Path]) -> None:
    chat, bert, builtin = (read_header(paths[name]) for name in ("chat", "bert", "builtin"))

    assert (chat.architecture, chat.purpose, chat.embedding_length) == (
        "llama",
        Purpose.CHAT,
        CHAT_DIMENSIONS,
    )
    assert chat.chat_template == builtin.chat_template
    assert (bert.architecture, bert.purpose, bert.embedding_length) == (
        "bert",
        Purpose.EMBEDDING,
        BERT_DIMENSIONS,
    )
    assert (bert.pooling, bert.causal, bert.chat_template) == (Pooling.MEAN, False, None)
    assert builtin.embedding_length == BUILTIN_DIMENSIONS
    assert chat.context_length == bert.context_length == builtin.context_length
    assert len({chat.name, bert.name, builtin.name}) == 3
    for path in paths.values():
        assert {str(field.contents()) for field in [gguf.GGUFReader(path).fields["general.license"]]} == {
            "mit"
        }


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [("chat", CHAT_DIMENSIONS), ("bert", BERT_DIMENSIONS), ("builtin", BUILTIN_DIMENSIONS)],
)
def test_vectors_tell_the_model_and_the_text(urls: dict[str, str], name: str, dimensions: int) -> None:
    alone = [vectors(urls[name], [text])[0] for text in TEXTS]
    together = vectors(urls[name], TEXTS)

    assert [vectors(urls[name], [text])[0] for text in TEXTS] == alone
    for one, other in zip(alone, together, strict=True):
        assert len(one) == dimensions
        assert math.dist(one, other) < MOST_DIFFERENCE
    assert min(math.dist(*pair) for pair in itertools.combinations(alone, 2)) > LEAST_DISTANCE


@pytest.mark.parametrize("temperature", [0, 0.7, 2])
def test_one_writes_digits_and_the_other_words(urls: dict[str, str], temperature: float) -> None:
    digits = written(urls["chat"], temperature=temperature)
    words = written(urls["builtin"], temperature=temperature)

    assert digits.isdigit()
    assert len(digits) == 20  # it does not end by itself
    assert not any(map(str.isdigit, words))
