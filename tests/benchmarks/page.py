"""The page docs/benchmarks/README.md: a section for each part, with its own date and command. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.benchmarks.results import Note, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.results import Finding

HEAD = """# Benchmarks

Each section says which command wrote it, when and on which machine; numbers of two days cannot be compared.
What a change gains or costs is better seen with `python3 dev.py bench --compare COMMIT`, which runs both
states in turns.
"""
_SECTION = re.compile(r"^## (.*)\n(?:(?!## ).*\n?)*", re.MULTILINE)


def section(part: str, findings: Sequence[Finding], *, full: bool, when: str) -> str:
    """What stands on the page about a part; `when` is the date, with the machine."""
    command = f"python3 dev.py bench{' --full' if full else ''} --save {part}"
    results = [each for each in findings if isinstance(each, Result)]
    notes = [line for each in findings if isinstance(each, Note) for line in ("", each.text)]
    lines = [
        f"## {part.capitalize()}",
        "",
        f"Written by `{command}` on {when}.",
        "",
        f"![{part}]({part}.svg)",
        "",
        "| what | result | goal |",
        "| --- | --- | --- |",
        *(f"| {each.name} | {each.number} | {each.verdict} |" for each in results),
        *notes,
        "",
    ]
    return "\n".join(lines)


def with_section(page: str, written: str, order: Sequence[str]) -> str:
    """The page with this section in place of the one that it had of the same part.

    All others stay as they are; those in `order` come first, as they stand there.
    """
    sections = {found[1]: found[0] for text in (page, written) for found in _SECTION.finditer(text)}
    places = [part.capitalize() for part in order]
    titles = sorted(sections, key=lambda title: places.index(title) if title in places else len(places))
    return "\n".join([HEAD, *(f"{sections[title].rstrip()}\n" for title in titles)])
