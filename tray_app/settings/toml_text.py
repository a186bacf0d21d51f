"""Changes single values in the text of a TOML file; every other character stays as it was. Pure.

The text is read statement by statement, so that a comment keeps its place above what it is about, and a file
with thousands of tables is changed in a moment.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TomlPath = tuple[str, ...]
"""The names that lead to a value, from the outermost table inwards."""

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'|"
    r"""\#[^\n]*|[\[{]|[\]}]|\n|[^"'#\[\]{}\n]+|.""",
    re.DOTALL,
)
"""A string, a comment, a bracket, the end of a line, or what is between them."""
_KEY = re.compile(r"""((?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^"'=\n])*)=""")

_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A name that needs no quotes."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """A header of a table, or a key with its value; an inline table is one value."""

    table: TomlPath
    names: TomlPath
    """The key within its table, of several names where it is written with dots; none for a header."""
    first: int
    """The number of its first line, from 0 on."""
    end: int
    """The number of the line after it."""

    @property
    def path(self) -> TomlPath:
        return self.table + self.names


class Lines:
    """The lines of a TOML text on which its values are. The text is read once, for however many values."""

    def __init__(self, text: str) -> None:
        self._exact: dict[TomlPath, int] = {}
        self._within: dict[TomlPath, int] = {}
        """By table, the first line of what is in it."""
        for statement in _statements(text):
            path, line = statement.path, statement.first + 1
            self._exact.setdefault(path, line)
            for length in range(1, len(path) + 1):
                self._within.setdefault(path[:length], line)

    def of(self, path: TomlPath) -> int:
        """The line, from 1 on, of the value at `path`, or of the innermost table that contains it."""
        if path in self._within:
            return self._within[path]
        around = (path[:length] for length in range(len(path) - 1, 0, -1))
        return next((self._exact[each] for each in around if each in self._exact), 1)


def edited(text: str, path: TomlPath, value: Any) -> str:
    """The text with `value` at `path`: in the table that is there, or in a new one at the end.

    Without a value, None, the entry is taken out, and with it a table that has nothing else in it. Where a
    table is written in a way that has no place for the entry, the result is no TOML, or means something else.
    """
    lines = text.split("\n")
    statements = list(_statements(text))
    holder = next((each for each in statements if each.names and path[: len(each.path)] == each.path), None)
    if holder and (value is not None or holder.path != path):
        changed = _changed("\n".join(lines[holder.first : holder.end]), path[len(holder.table) :], value)
        lines[holder.first : holder.end] = changed.split("\n")
    elif holder:
        _take_out(lines, statements, holder)
    elif value is not None:
        _add(lines, statements, path, value)
    return "\n".join(lines)


def plain_text(values: Mapping[str, Any]) -> str:
    """The text of a new file with these values."""
    return tomlkit.dumps(values)


def _statements(text: str) -> Iterator[_Statement]:
    """All of a file in order; what is no TOML is left out."""
    table: TomlPath = ()
    depth = number = first = 0
    words = ""
    for piece in (*_TOKEN.findall(text), "\n"):
        depth += (piece in ("[", "{")) - (piece in ("]", "}"))
        if piece == "\n" and depth <= 0:
            if statement := _statement(words, table, first, number + 1):
                table = statement.table
                yield statement
            depth, words, first = 0, "", number + 1
        elif not piece.startswith("#"):
            words += piece
        number += piece.count("\n")


def _statement(words: str, table: TomlPath, first: int, end: int) -> _Statement | None:
    words = words.strip()
    if words.startswith("["):
        names = _names(words)
        return _Statement(names, (), first, end) if names else None
    key = _KEY.match(words)
    names = _names(f"{key[1]} = 0") if key else ()
    return _Statement(table, names, first, end) if names else None


def _names(words: str) -> TomlPath:
    """The names in a header or a key; none if it is neither."""
    try:
        inner: Any = tomllib.loads(words)
    except ValueError:
        return ()
    names = []
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        names.append(name)
        inner = inner[0] if isinstance(inner, list) else inner
    return tuple(names)


def _changed(statement: str, path: TomlPath, value: Any) -> str:
    """One statement with another value in it; a comment behind it stays."""
    document = tomlkit.parse(f"{statement}\n")
    inner: Any = document
    for name in path[:-1]:
        if not isinstance(inner.get(name), dict):
            inner[name] = tomlkit.inline_table()
        inner = inner[name]
    if value is None:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return tomlkit.dumps(document).removesuffix("\n")


def _take_out(lines: list[str], statements: Sequence[_Statement], found: _Statement) -> None:
    """Remove a statement, and the header above it if nothing is left between it and the next one."""
    del lines[found.first : found.end]
    header = next((each for each in statements if not each.names and each.path == found.table), None)
    following = next((each for each in statements if each.first >= found.end), None)
    alone = following is None or not following.names
    if header and header.end == found.first and alone:
        end = following.first - 1 if following else len(lines)
        if not any(line.strip() for line in lines[found.first : end]) and "#" not in lines[header.first]:
            start = header.first - 1 if header.first and not lines[header.first - 1].strip() else header.first
            del lines[start : header.end]


def _add(lines: list[str], statements: Sequence[_Statement], path: TomlPath, value: Any) -> None:
    """Put a new statement where its table ends; without a table, a new one at the end of the file."""
    parent = path[:-1]
    siblings = [
        each
        for each in statements
        if len(each.table) <= len(parent) and each.path[: len(parent)] == parent and (each.names or parent)
    ]
    if siblings:
        home = siblings[-1]
        lines[home.end : home.end] = _written(path[len(home.table) :], value)
    elif parent:
        while lines and not lines[-1].strip():
            lines.pop()
        header = ".".join(map(_quoted, parent))
        lines += [*([""] if lines else []), f"[{header}]", *_written(path[-1:], value), ""]
    else:
        number = _top(lines, statements)
        lines[number:number] = [*_written(path, value), *([""] if statements else [])]


def _top(lines: Sequence[str], statements: Sequence[_Statement]) -> int:
    """Where the first statement goes of a file that has none but in tables: above what is about the first."""
    if not statements:
        return len(lines) - (not lines[-1].strip())
    number = statements[0].first
    while number and lines[number - 1].strip():
        number -= 1
    return number


def _written(names: TomlPath, value: Any) -> list[str]:
    return [f"{'.'.join(map(_quoted, names))} = {tomlkit.item(value).as_string()}"]


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else str(tomlkit.item(name).as_string())
