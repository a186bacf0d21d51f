"""The test model in the real llama.cpp: it embeds, it writes words that go on and on, and it can chat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tray_app.system.paths import resources

xllamacpp = pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")


@pytest.fixture(scope="module")
def server() -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(resources() / "test-model" / "test.gguf")
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_ctx = 512
    params.n_parallel = 1
    params.port = 0
    params.verbosity = -1
    return xllamacpp.Server(params)


def test_embeddings_are_finite_and_tell_texts_apart(server: Any) -> None:
    texts = ["The quick brown fox jumps over the lazy dog.", "hello", "Größe 東京 🦊"]
    answer = server.handle_embeddings({"input": texts})

    vectors = np.array([item["embedding"] for item in answer["data"]])

    assert vectors.shape == (3, 64)
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert (vectors @ vectors.T)[~np.eye(3, dtype=bool)].max() < 0.95
    assert np.abs(vectors[:, 0]).max() < 0.05  # the constant channel


@pytest.mark.parametrize("temperature", [0, 0.7, 2])
def test_answers_are_words_that_go_on_until_the_limit(server: Any, temperature: float) -> None:
    answer = server.handle_completions({"prompt": "The", "max_tokens": 100, "temperature": temperature})
    (choice,) = answer["choices"]

    assert choice["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 100
    assert choice["text"].replace(" ", "").isascii()
    assert choice["text"].replace(" ", "").islower()


def test_chat_uses_the_models_own_template(server: Any) -> None:
    messages = [{"role": "user", "content": "Hello there"}]
    answer = server.handle_chat_completions({"messages": messages, "max_tokens": 5})
    same = server.handle_completions({"prompt": "user: Hello there\nassistant:", "max_tokens": 5})

    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["prompt_tokens"] == same["usage"]["prompt_tokens"]
