"""Ends a generated text at stop words, which may come in pieces. Pure.

PowerInfer's own search loses text that it holds back when the token limit is reached, and crashes on a stop
word that is not text. So PowerInfer gets no stop words: the gateway finds them and closes the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopScanner:
    """Passes on text, but holds back an end that may be the beginning of a stop word."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(word for word in words if word)
        self._held = ""
        self.found: str | None = None
        """The stop word that has come."""

    @property
    def stopped(self) -> bool:
        """Whether a stop word has come."""
        return self.found is not None

    def feed(self, text: str) -> str:
        """The text that can be passed on now.

        When a stop word is found, `found` is set and no text follows.
        """
        self._held += text
        starts = [(word, self._held.find(word)) for word in self._words]
        found = [(start + len(word), start, word) for word, start in starts if start >= 0]
        if found:
            # the stop word that is complete first, as if the text came character by character
            _, safe, self.found = min(found)
        else:
            safe = len(self._held) - self._possible_start()
        given, self._held = self._held[:safe], self._held[safe:]
        return given

    def flush(self) -> str:
        """The text that was held back, when no more text comes."""
        return "" if self.stopped else self._held

    def _possible_start(self) -> int:
        """The length of the longest end of the text that is the beginning of a stop word."""
        longest = max((len(word) for word in self._words), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(word.startswith(self._held[-length:]) for word in self._words):
                return length
        return 0
