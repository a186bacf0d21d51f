"""The page docs/benchmarks/README.md, which has a section and a picture for each part. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.benchmarks.plots import Bar, Panel, bars, lines
from tests.benchmarks.results import Curve, Note, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.results import Finding

HEAD = """# Benchmarks

Each section says which command wrote it, when and on which machine; numbers of two days cannot be compared.
What a change gains or costs is better seen with `python3 dev.py bench --compare COMMIT`, which runs both
states in turns.
"""
OURS = {"download": ("this app",), "engines": ("built-in", "the app's choice")}
"""In parts that compare with others: words that our own numbers have in their names."""
_MEASURES = {"ms": "time", "s": "time", "MiB": "memory"}
_SECTION = re.compile(r"^## (.*)\n(?:(?!## ).*\n?)*", re.MULTILINE)


def section(part: str, findings: Sequence[Finding], *, full: bool, when: str) -> str:
    """What stands on the page about a part; `when` is the date, with the machine."""
    command = f"python3 dev.py bench{' --full' if full else ''} --save {part}"
    numbers = [
        (each.name, each.numbers, "") if isinstance(each, Curve) else (each.name, each.number, each.verdict)
        for each in findings
        if not isinstance(each, Note)
    ]
    blocks = [f"## {part.capitalize()}", f"Written by `{command}` on {when}."]
    if numbers:
        rows = [" | ".join(cells) for cells in (("what", "result", "goal"), ("---", "---", "---"), *numbers)]
        blocks += [f"![{part}]({part}.svg)", "\n".join(f"| {row} |" for row in rows)]
    blocks += [each.text for each in findings if isinstance(each, Note)]
    return "\n\n".join(blocks) + "\n"


def picture(part: str, findings: Sequence[Finding]) -> str | None:
    """Curves as lines, each unit in a panel of its own; without curves, all numbers as bars, those of a unit
    on one scale. None if there are no numbers.
    """
    curves = [each for each in findings if isinstance(each, Curve)]
    results = [each for each in findings if isinstance(each, Result)]
    if curves:
        return lines(part.capitalize(), list(_panels(curves)))
    if not results:
        return None
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.unit, []).append(result)
    return bars(part.capitalize(), {unit: _bars(part, group) for unit, group in groups.items()})


def _panels(curves: Sequence[Curve]) -> Iterator[Panel]:
    for of, unit in dict.fromkeys((each.of, each.unit) for each in curves):
        title = f"{of.capitalize()}: {_MEASURES.get(unit, unit)}"
        some = [each for each in curves if (each.of, each.unit) == (of, unit)]
        yield Panel(
            title, of, unit, {each.name.partition(": ")[2] or each.name: each.points for each in some}
        )


def _bars(part: str, results: Sequence[Result]) -> list[Bar]:
    """Ours stand out, where there are ours and others; ratios are all ours."""
    words = OURS.get(part, ())
    return [
        Bar(
            result.name,
            result.value,
            result.number,
            result.goal,
            result.goal_text,
            missed=not result.reached,
            ours=result.unit == "times" or not words or any(word in result.name for word in words),
        )
        for result in results
    ]


def with_section(page: str, written: str, order: Sequence[str]) -> str:
    """The page with this section in place of the one that it had of the same part.

    All others stay as they are; those in `order` come first, as they stand there.
    """
    sections = {found[1]: found[0] for text in (page, written) for found in _SECTION.finditer(text)}
    places = [part.capitalize() for part in order]
    titles = sorted(sections, key=lambda title: places.index(title) if title in places else len(places))
    return "\n".join([HEAD, *(f"{sections[title].rstrip()}\n" for title in titles)])
