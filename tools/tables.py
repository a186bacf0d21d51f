"""Tables of documents, each between `<!-- table NAME -->` and `<!-- end -->`. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOTHING = "–"  # noqa: RUF001 - a dash, as a table has it
_TABLE = re.compile(r"(<!-- table ([\w ]+) -->\n\n)(.*?)(\n\n<!-- end -->)", re.DOTALL)


def names_of_tables(text: str) -> set[str]:
    """The names of the tables that a document has a place for."""
    return {name for _, name, *_ in _TABLE.findall(text)}


def with_tables(text: str, made: Callable[[str, str], str]) -> str:
    """The document with each table as `made` gives it, for the name and the old table."""
    return _TABLE.sub(lambda found: f"{found[1]}{made(found[2], found[3])}{found[4]}", text)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells as Markdown has them in a table."""
    head = tuple(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
