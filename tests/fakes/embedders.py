"""Vectors of texts without a model: by the words that are in them. Fails when a test wants it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tray_app.search.filling import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIMENSIONS = 16


def vector_of(text: str) -> list[float]:
    """The same words in any order give the same vector."""
    made = [0.01] * DIMENSIONS
    for word in text.casefold().split():
        made[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return made


class WordEmbedder:
    """Notes which texts it got; calls `before` with the number of requests before it answers one."""

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.before = before
        self.model_id = "words"
        self.digest = "a digest"
        self.texts: list[str] = []
        self.requests = 0
        self.vector_of = vector_of

    def __call__(self, texts: Sequence[str], model_id: str) -> Embedded:
        del model_id  # whatever was asked: a server may have another one by now
        self.before(self.requests)
        self.requests += 1
        self.texts += texts
        return Embedded([self.vector_of(text) for text in texts], self.model_id, self.digest)
