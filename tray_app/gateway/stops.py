"""Ends a generated text at stop words, which may come in pieces. Pure.

PowerInfer's own search loses the text that it holds back when the token limit is reached, and dies of a stop
word that is no text. So it is never told of stop words; the gateway finds them and hangs up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopScanner:
    """Gives out what cannot belong to a stop word; holds back what still may."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(word for word in words if word)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """What may be given out now. Once a stop word is found, `stopped` is set and nothing follows."""
        self._held += text
        starts = [(word, self._held.find(word)) for word in self._words]
        found = [(start + len(word), start) for word, start in starts if start >= 0]
        if found:
            self.stopped = True
            _, safe = min(found)  # the word that is complete first, as if the text came letter by letter
        else:
            safe = len(self._held) - self._possible_start()
        given, self._held = self._held[:safe], self._held[safe:]
        return given

    def flush(self) -> str:
        """What was held back, when nothing more comes."""
        return "" if self.stopped else self._held

    def _possible_start(self) -> int:
        """The length of the longest end of the held text that begins a stop word."""
        longest = max((len(word) for word in self._words), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(word.startswith(self._held[-length:]) for word in self._words):
                return length
        return 0
