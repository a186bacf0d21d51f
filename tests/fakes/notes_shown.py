"""A collection of notes about four things, for the pictures of the page Embeddings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.texts_searched import FakeSearch
from tray_app.phrases import phrase
from tray_app.search.collection import Hit, MapOfTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

QUESTION = "How do I keep my plants alive while I am away?"
ABOUT = "garden"
"""What the question is about."""
_FOLDER = Path("/home/ada/Notes")
_CENTRES = {"garden": (-3.0, 1.2), "kitchen": (-1.2, -2.2), "travel": (2.6, -0.8), "network": (1.6, 2.6)}
_SCALE = 1.1
_OTHERS = 60
"""Texts about each thing that nobody reads."""
_TEXTS = (
    (
        "garden",
        "garden/summer.md",
        """Before a holiday, group the pots in the shade, water them well and put a saucer of gravel below
        each. A bottle that is turned upside down keeps a large pot moist for about ten days.""",
    ),
    (
        "garden",
        "garden/watering.txt",
        """Tomatoes want water in the morning, at the roots and not on the leaves. In hot weeks, a layer of
        straw halves what evaporates.""",
    ),
    (
        "garden",
        "garden/balcony.pdf",
        """A drip system with a timer costs little and waters twenty pots. Try it for a week before you
        rely on it.""",
    ),
    (
        "travel",
        "travel/checklist.md",
        "A week before: ask the neighbors to empty the letter box, turn off the water, lend them the key.",
    ),
    ("garden", "garden/herbs.md", "Rosemary and thyme forgive a dry fortnight; basil does not."),
    (
        "kitchen",
        "kitchen/bread.md",
        "A sourdough starter sleeps in the fridge for two weeks. Feed it twice before you bake.",
    ),
    ("travel", "travel/ferry.txt", "Book the ferry to the islands early; cabins are gone by May."),
    ("network", "home/router.md", "Restart the router when the connection is slow in the evening."),
)
"""What each is about, its file, and its words."""
_SCORES = (0.81, 0.72, 0.69, 0.58, 0.55, 0.44, 0.31, 0.22)


class NotesSearch(FakeSearch):
    """Finds the same for each question, and has a map on which what is alike is near."""

    def find(self, collection_id: str, query: str, limit: int = 20) -> tuple[Hit, ...]:
        self._note("search.find", collection_id, query, limit)
        return tuple(
            Hit(text, str(_FOLDER / name), _place(name, number), score)
            for number, ((_, name, text), score) in enumerate(zip(_TEXTS, _SCORES, strict=True))
        )

    def coordinates(self, collection_id: str, most: int = 2000, query: str = "") -> MapOfTexts:
        import numpy as np

        self._note("search.coordinates", collection_id, most, query)
        rows = [(text, str(_FOLDER / name), topic) for topic, name, text in _TEXTS]
        rows += [(f"About {topic}", "", topic) for topic in _CENTRES for _ in range(_OTHERS)]
        points = [_point(topic, number) for number, (_, _, topic) in enumerate(rows)]
        asked = tuple(0.97 * each for each in _CENTRES[ABOUT])
        return MapOfTexts(
            np.array(points, dtype=np.float32),
            tuple(text for text, _, _ in rows),
            tuple(source for _, source, _ in rows),
            (0.24, 0.17),
            (asked[0], asked[1]) if query else None,
        )


def fill(search: FakeSearch, more: Sequence[str] = ()) -> None:
    """Put the notes there, and collections with these names besides."""
    for name in more:
        search.put(name, "A text")
    search.put("Notes", *(f"text {number}" for number in range(1_248)))


def _place(name: str, number: int) -> Any:
    if name.endswith(".pdf"):
        return phrase("page {number}", number=number + 2)
    return phrase("lines {first} to {last}", first=4 * number + 3, last=4 * number + 6)


def _point(topic: str, number: int) -> tuple[float, float]:
    """Around the middle of its topic."""
    x, y = _CENTRES[topic]
    away = _SCALE * math.sqrt((7 * number % _OTHERS + 3) / _OTHERS) * (1 + 0.3 * math.sin(37 * number))
    return x + away * math.cos(2.4 * number), y + away * math.sin(2.4 * number)
