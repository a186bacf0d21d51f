"""Where words are in a conversation, however they are written. Pure.

Letters are compared as Unicode folds them: «STRASSE» is found in «Straße», and a letter with its accent is
the same in one sign as in two.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.phrases import presentable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tray_app.chats.conversation import Conversation, Summary

_BEFORE, _AFTER = 40, 100
"""So many characters of a text are shown on either side of what was found."""
_MOST_SOUGHT = 1000
"""Characters that are looked for: of what was pasted by mistake, the beginning."""
_PIECE = re.compile(
    r".{1,500}(?=\s|\Z)|.{1,500}(?![\u0300-\u036f\u1160-\u11ff\u3099\u309a])|.{1,500}", re.DOTALL
)
"""So much is folded at once, up to the end of a word, or at least of a letter: thousands of accents on one
letter take Python minutes, in which no other thread has its turn."""


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation that has the words, and where."""

    summary: Summary
    excerpt: str
    """One line of the text around the first place; empty if only the title has the words."""
    message: int | None = None
    """Which message has the excerpt, counted from 0."""


def folded_words(words: str) -> tuple[str, ...]:
    """What `find` looks for: each of the words, at most so many as a person types."""
    return tuple(dict.fromkeys(folded(words[:_MOST_SOUGHT]).split()))


def find(conversation: Conversation, summary: Summary, words: Sequence[str]) -> Found | None:
    """Where a conversation has all of the folded words, in its title, texts and names of files."""
    title = folded(conversation.title)
    missing = {word for word in words if word not in title}
    best: tuple[int, str, int, str] | None = None
    for number, text in _texts(conversation):
        inside = folded(text)
        here = [word for word in words if word in inside]
        missing.difference_update(here)
        if here and (best is None or len(here) > best[0]):
            best = (len(here), text, number, here[0])
    if missing or not words:
        return None
    if best is None:
        return Found(summary, "")
    _, text, number, word = best
    return Found(summary, _excerpt(text, word), number)


def folded(text: str) -> str:
    """A text as it is compared."""
    if text.isascii():
        return text.lower()
    return "".join(map(_folded, _PIECE.findall(text)))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _texts(conversation: Conversation) -> Iterator[tuple[int, str]]:
    for number, message in enumerate(conversation.messages):
        yield number, message.text
        for each in message.attachments:
            yield number, each.name


def _excerpt(text: str, word: str) -> str:
    """One line of a text around the first place of a folded word that it has."""
    at = _place(text, folded(text).index(word))
    begin, end = max(0, at - _BEFORE), at + len(word) + _AFTER
    begin = text.find(" ", begin, at) + 1 or begin if begin else 0  # after a blank, if there is one
    line = presentable(" ".join(text[begin:end].split()))
    return f"{'…' if begin else ''}{line}{'…' if end < len(text) else ''}"


def _place(text: str, place: int) -> int:
    """Where the character of a text begins that is at `place` of the folded text."""
    if len(folded(text)) == len(text):
        return place
    low, high = 0, len(text)
    while low < high:  # the longer a beginning, the longer it is folded, but for signs that join
        middle = (low + high + 1) // 2
        if len(folded(text[:middle])) <= place:
            low = middle
        else:
            high = middle - 1
    return low
