"""Markdown cut into pieces that are small enough to be drawn many times per second. Pure.

An answer grows at its end, so all pieces except the last ones stay the same.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^([ \t]*)(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$")
_LIKE_A_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_LETTER = re.compile(r"[^\W\d_]|#")
"""The beginning of a line that cannot belong to a list, quotation or table before it."""
_ENOUGH = 1500
"""Characters after which a text is cut at the next place between two paragraphs."""
_MOST = 8000
"""Characters after which it is cut at the end of any line or word."""
_MOST_LINES = 200
"""Lines of code in one piece."""
_MOST_CODE = 20_000
"""Characters of code in one piece; a line with more is shown as several."""
_LONGEST_LANGUAGE = 40
"""Characters of the name of a language."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of Markdown, or of the code within it."""

    text: str
    start: int
    """Where it begins in the Markdown; for a piece that continues code, where that code begins."""
    is_code: bool = False
    language: str = ""
    whole: str = ""
    """All of the code, in the first piece of it; else empty."""
    goes_on: bool = False
    """Whether it continues the code of the piece before."""


def blocks_of(markdown: str, before: tuple[Block, ...] = ()) -> tuple[Block, ...]:
    """The pieces of a text. `before` are those of a beginning of it; those that cannot change are reused."""
    # What begins like a fence may turn out to be text of the piece before. How text is dedented depends on
    # the code before it, all of which is known only from its first piece on.
    known = len(before) - 2
    while known > 0 and (before[known].goes_on or before[known - 1].is_code):
        known -= 1
    if known <= 0:
        return tuple(_cut(markdown, 0))
    return (*before[:known], *_cut(markdown, before[known].start))


def _cut(markdown: str, start: int) -> list[Block]:
    found: list[Block] = []
    while start < len(markdown):
        fence = None
        if _LIKE_A_FENCE.match(markdown, start):  # cheap, where the line may be very long
            fence = _FENCE.match(markdown[start : _line_end(markdown, start)].rstrip("\r\n"))
        start = _add_code(found, markdown, start, fence) if fence else _add_text(found, markdown, start)
    return found


def _add_code(found: list[Block], markdown: str, start: int, fence: re.Match[str]) -> int:
    """Add the code after a fence; the position where it ends."""
    indent, marks, info = fence.groups()
    closing = re.compile(rf"[ \t]*{re.escape(marks[0])}{{{len(marks)},}}[ \t]*")
    at = _line_end(markdown, start)
    lines: list[str] = []
    while at < len(markdown):
        end = _line_end(markdown, at)
        line = markdown[at:end].rstrip("\r\n")
        at = end
        if closing.fullmatch(line):
            break
        lines.append(_dedented(line, len(indent)))
    whole = "\n".join(lines)
    language = info.split()[0][:_LONGEST_LANGUAGE] if info.split() else ""
    for number, piece in enumerate(_pieces(lines)):
        found.append(
            Block(
                "\n".join(piece),
                start,
                is_code=True,
                language=language,
                whole="" if number else whole,
                goes_on=bool(number),
            )
        )
    return at


def _pieces(lines: list[str]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    size = 0
    for part in chain.from_iterable(map(_parts, lines)):
        if pieces[-1] and (len(pieces[-1]) >= _MOST_LINES or size + len(part) > _MOST_CODE):
            pieces.append([])
            size = 0
        pieces[-1].append(part)
        size += len(part)
    return pieces


def _parts(line: str) -> Iterator[str]:
    return (line[at : at + _MOST_CODE] for at in range(0, len(line) or 1, _MOST_CODE))


def _add_text(found: list[Block], markdown: str, start: int) -> int:
    """Add the text up to the next fence or cut; the position where it ends."""
    indent = _indent_before(found, markdown)
    at, blank = start, False
    while at < len(markdown):
        end = _line_end(markdown, at, start + _MOST + 1)
        line = markdown[at:end]
        if at > start and _FENCE.match(line.rstrip("\r\n")):
            break
        if blank and at - start >= _ENOUGH and _LETTER.match(line):
            break
        if end - start > _MOST:
            at = at if at > start else _word_end(markdown, start + _MOST)
            break
        blank = not line.strip()
        at = end
    text = markdown[start:at]
    if indent:
        text = "".join(_dedented(line, indent) for line in text.splitlines(keepends=True))
    if text.strip():
        found.append(Block(text, start))
    return at


def _indent_before(found: list[Block], markdown: str) -> int:
    """The indentation of the fence before a text, within a list."""
    if not found or not found[-1].is_code:
        return 0
    fence = _FENCE.match(markdown[found[-1].start : _line_end(markdown, found[-1].start)].rstrip("\r\n"))
    return len(fence[1]) if fence else 0


def _dedented(line: str, indent: int) -> str:
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(indent, blanks) :]


def _line_end(text: str, start: int, most: int = sys.maxsize) -> int:
    """The position after the end of a line, but at most `most`."""
    return text.find("\n", start, most) + 1 or min(len(text), most)


def _word_end(text: str, most: int) -> int:
    return text.rfind(" ", most - _MOST // 4, most) + 1 or most
