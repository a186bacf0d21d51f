"""Splits texts into passages: short enough for every model, long enough to be about something. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.phrases import rewritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_BYTES = 1000
"""Of a passage, in UTF-8, where a token has 3 to 4 bytes in all scripts: 250 to 350 tokens, so that it fits
into the 512 tokens of small models. Vectors of longer texts say less of each thing that they are about."""
_OVERLAP_BYTES = 200
"""A sentence up to this length begins the next passage too, where a paragraph had to be cut behind it."""
_ENOUGH_BYTES = 250
"""A heading begins a new passage, unless there is less than this before it."""

_BETWEEN = "\n\n"
"""Paragraphs of one passage."""
_CLOSING = "\"'\u201d\u2019\u00bb)\\]"
_CLOSING_EAST = "\"'\u300d\u300f\uff09"
_STOPS_EAST = "\u3002\uff01\uff1f"
_SENTENCE_END = re.compile(
    rf"(?<=[.!?…])[{_CLOSING}]*\s+|(?<=[{_STOPS_EAST}])[{_CLOSING_EAST}]*\s*"
    r"|\n(?=\s*(?:[-*+•|>]|\d+[.)])\s)"  # an item of a list
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_HEADING = re.compile(r"#{1,6}\s")
_BLANKS_AT_START = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a text, and its first and last line, counted from 1."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A paragraph, or a part of one that is too long; `cut` if it is not the first part."""

    text: str
    first: int
    last: int
    size_bytes: int
    cut: bool = False
    heading: bool = False


def cleaned(text: str) -> str:
    """A text with one kind of line ends, and without characters that nobody sees or that are none."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return rewritten(text, lambda sign: " " if sign <= " " else "", kept="\n\t")


def passages(text: str, *, headings: bool = False) -> Iterator[Passage]:
    """The passages of a text that is `cleaned`, in order; none of one without letters and digits.

    `headings`: lines that begin with "#" are headings, as in Markdown.
    """
    gathered: list[_Piece] = []
    size = 0
    for piece in _pieces(text, headings=headings):
        begins_anew = piece.heading and size > _ENOUGH_BYTES
        if gathered and (begins_anew or size + piece.size_bytes > MOST_BYTES):
            yield from _passage(gathered)
            gathered = _repeated(gathered[-1], piece)
            size = sum(each.size_bytes for each in gathered)
        gathered.append(piece)
        size += piece.size_bytes
    yield from _passage(gathered)


def _repeated(before: _Piece, piece: _Piece) -> list[_Piece]:
    """What stands at the end of one passage and at the start of the next, to which `piece` belongs."""
    fits = before.size_bytes <= min(_OVERLAP_BYTES, MOST_BYTES - piece.size_bytes)
    return [before] if piece.cut and fits else []


def _passage(pieces: list[_Piece]) -> Iterator[Passage]:
    text = "".join(piece.text if piece.cut else f"{_BETWEEN}{piece.text}" for piece in pieces).strip()
    if any(map(str.isalnum, text)):
        yield Passage(text, pieces[0].first, pieces[-1].last)


def _pieces(text: str, *, headings: bool) -> Iterator[_Piece]:
    """The paragraphs, and the sentences of those that are too long for a passage."""
    for paragraph, line in _paragraphs(text, headings=headings):
        size = _size(paragraph)
        if size + len(_BETWEEN) <= MOST_BYTES:
            is_heading = headings and bool(_HEADING.match(paragraph))
            yield _Piece(
                paragraph, line, line + paragraph.count("\n"), size + len(_BETWEEN), heading=is_heading
            )
            continue
        first = line
        for number, sentence in enumerate(_sentences(paragraph)):
            last = first + sentence.rstrip().count("\n")
            yield _Piece(sentence, first, last, _size(sentence), cut=number > 0)
            first += sentence.count("\n")


def _paragraphs(text: str, *, headings: bool) -> Iterator[tuple[str, int]]:
    """Texts between blank lines, with the numbers of their first lines; a heading is one of its own."""
    begin, line = 0, 1
    ends = [*((found.start(), found.end()) for found in _BLANK_LINE.finditer(text)), (len(text), len(text))]
    for end, next_begin in ends:
        paragraph = text[begin:end]
        rest = line
        for part in _around_headings(paragraph) if headings else (paragraph,):
            blank = _BLANKS_AT_START.match(part)
            lines_before = blank[0].count("\n") if blank else 0
            if stripped := part.strip():
                yield stripped, rest + lines_before
            rest += part.count("\n")
        line += text.count("\n", begin, next_begin)
        begin = next_begin


def _around_headings(paragraph: str) -> Iterator[str]:
    """A paragraph, cut before each heading that stands in it without a blank line."""
    gathered: list[str] = []
    for line in paragraph.splitlines(keepends=True):
        if gathered and _HEADING.match(line):
            yield "".join(gathered)
            gathered = []
        gathered.append(line)
    yield "".join(gathered)


def _sentences(paragraph: str) -> Iterator[str]:
    """The paragraph, cut behind its sentences and before the items of lists; all of it, in order."""
    begin = 0
    for found in _SENTENCE_END.finditer(paragraph):
        yield from _short(paragraph[begin : found.end()])
        begin = found.end()
    yield from _short(paragraph[begin:])


def _short(sentence: str) -> Iterator[str]:
    """A sentence, cut between words where it is too long; within a word that alone is too long."""
    begin = 0
    while begin < len(sentence):
        # A character has one byte at least, so no more of them are looked at.
        window = sentence[begin : begin + MOST_BYTES].encode()[:MOST_BYTES].decode(errors="ignore")
        if begin + len(window) < len(sentence):
            half = len(window) // 2
            blank = max(window.rfind("\n", half), window.rfind(" ", half))
            window = window[: blank + 1] if blank > 0 else window
        yield window
        begin += len(window)


def _size(text: str) -> int:
    return len(text.encode())


def passages_of_lines(texts: Iterable[str]) -> Iterator[Passage]:
    """The passages of texts that stand in a line each, with the numbers of these lines."""
    for number, text in enumerate(texts, 1):
        for each in passages(cleaned(text)):
            yield Passage(each.text, number, number)
