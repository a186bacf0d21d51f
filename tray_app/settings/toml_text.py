"""Changes single values in the text of a TOML file and leaves every other character as it is. Pure.

Works on the lines of single statements, so that comments stay above what they are about, and a file with
thousands of tables is changed quickly.
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
"""The keys that lead to a value, from the outermost table inwards."""

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'|"
    r"""\#[^\n]*|[\[{]|[\]}]|\n|[^"'#\[\]{}\n]+|.""",
    re.DOTALL,
)
"""A string, a comment, a bracket, the end of a line, or other text between these."""
_KEY = re.compile(r"""((?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^"'=\n])*)=""")

_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A key that needs no quotes."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """The header of a table, or a key with its value, which may be an inline table."""

    table: TomlPath
    names: TomlPath
    """The key within its table, with several parts if it is dotted; empty for a header."""
    first: int
    """The index of its first line."""
    end: int
    """The index of the line after it."""

    @property
    def path(self) -> TomlPath:
        return self.table + self.names


class Lines:
    """The lines of a TOML text on which its values are. The text is read once, for however many values."""

    def __init__(self, text: str) -> None:
        self._exact: dict[TomlPath, int] = {}
        self._within: dict[TomlPath, int] = {}
        """The line, from 1 on, of the first statement in each table."""
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
    """The text with `value` at `path`: in the existing table, or in a new one at the end.

    None removes the entry, and its table if nothing else is in it. If the existing table is written in a way
    that cannot be extended, the result is invalid or has other values, so the caller has to check it.
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
    """The TOML text of these values."""
    return tomlkit.dumps(values)


def _statements(text: str) -> Iterator[_Statement]:
    """The statements of a file in order; invalid ones are left out."""
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
    """The path in a header or key; empty if the text is neither."""
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
    """One statement with another value; a comment after it stays."""
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
    """Remove a statement, and the header above it if nothing is left in its table."""
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
    """Add a statement at the end of its table, or in a new table at the end of the file."""
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
    """The index of the line for the first statement outside of tables: above the comments of the first
    table.
    """
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
