"""Draws numbers as bars or lines, in SVG that looks the same on light and dark pages, at any size. Pure."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WIDTH = 960
_EDGE = 12
_STYLE = "font-family:system-ui,'DejaVu Sans',sans-serif;font-size:12px"
_LETTER = 6.4
"""How wide a letter of this size is at most, on average."""
_OURS, _OTHERS, _MISSED = "#2f6fde", "#9aa5b1", "#c4571b"
_TEXT, _PALE, _RULE = "#1c2733", "#5b6875", "#e3e8ee"
_BOLD, _GRAY = 'font-weight="bold"', f'fill="{_PALE}"'

# ---- bars

_ROW, _LINE, _LABEL_LETTERS = 22, 14, 72
_HEADING = 26

# ---- lines

_PANEL, _PLOT, _LEFT, _BELOW, _LEGEND = _WIDTH // 2, 190, 70, 44, 17
_COLOURS = ("#2f6fde", "#b4540a", "#1f7a4d", "#7b3fa0", "#a3234e", "#46586b")
_WIDE = 8
"""Sizes or numbers of which the largest is so many times the smallest are drawn on logarithmic axes."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A number, and where there is one its goal."""

    label: str
    value: float
    text: str
    goal: float | None = None
    goal_text: str = ""
    missed: bool = False
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """Some curves that share their axes."""

    title: str
    across: str
    """What there is more and more of."""
    up: str
    """The unit of the numbers."""
    curves: Mapping[str, Sequence[tuple[float, float]]]


def bars(title: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """A picture with a bar for each number; each group, by its heading, has a scale of its own.

    A thin mark stands where the goal is; who misses it has another color.
    """
    rows = [bar for group in groups.values() for bar in group]
    labels = {bar.label: textwrap.wrap(bar.label, _LABEL_LETTERS) or [""] for bar in rows}
    left = _EDGE + 8 + _LETTER * max(len(line) for lines in labels.values() for line in lines)
    right = 2 * _EDGE + _LETTER * max(len(bar.text) + len(bar.goal_text) + 2 for bar in rows)
    drawn: list[str] = []
    top = 34.0
    for heading, group in groups.items():
        values = [0.0, *(value for bar in group for value in (bar.value, bar.goal) if value is not None)]
        low, high = min(values), max(values)
        scale = (_WIDTH - left - right) / ((high - low) or 1)
        zero = left - low * scale
        drawn.append(_said(_EDGE, top + 18, heading, more=f"{_BOLD} {_GRAY}"))
        top += _HEADING
        for bar in group:
            height = _ROW + _LINE * (len(labels[bar.label]) - 1)
            drawn += _bar(bar, labels[bar.label], top + height / 2, zero, scale, left)
            top += height
    return _picture(title, top + _EDGE, drawn)


def _bar(
    bar: Bar, label: Sequence[str], middle: float, zero: float, scale: float, left: float
) -> Iterator[str]:
    first = middle + 4 - _LINE * (len(label) - 1) / 2
    for number, line in enumerate(label):
        yield _said(left - 8, first + _LINE * number, line, "end")
    end = zero + bar.value * scale
    begin, length = min(zero, end), abs(end - zero)
    colour = _MISSED if bar.missed else _OURS if bar.ours else _OTHERS
    size = f'x="{begin:.1f}" y="{middle - 7:.1f}" width="{length:.1f}" height="14"'
    yield f'<rect {size} rx="2" fill="{colour}"/>'
    goal = zero if bar.goal is None else zero + bar.goal * scale
    if bar.goal is not None:
        yield f'<rect x="{goal - 1:.1f}" y="{middle - 10:.1f}" width="2" height="20" fill="{_TEXT}"/>'
    beside = max(zero, end, goal) + 6
    yield _said(beside, middle + 4, bar.text)
    if bar.goal_text:
        at = beside + _LETTER * (len(bar.text) + 1)
        yield _said(at, middle + 4, bar.goal_text, more=f'fill="{_MISSED if bar.missed else _PALE}"')


def lines(title: str, panels: Sequence[Panel]) -> str:
    """A picture with two panels in each row, and in each panel a line with a mark for each number.

    On axes that are both logarithmic, a dashed line shows how steep linear growth is.
    """
    drawn: list[str] = []
    top = 34.0
    for number in range(0, len(panels), 2):
        row = panels[number : number + 2]
        legend = _LEGEND * max(len(panel.curves) for panel in row)
        for column, panel in enumerate(row):
            drawn += _panel(panel, column * _PANEL, top, top + 34 + legend)
        top += 34 + legend + _PLOT + _BELOW
    return _picture(title, top, drawn)


def _panel(panel: Panel, left: float, top: float, plot: float) -> Iterator[str]:
    points = [point for curve in panel.curves.values() for point in curve]
    sizes = sorted({size for size, _ in points})
    numbers = [number for _, number in points]
    logarithmic = min(numbers) > 0 and sizes[0] > 0 and sizes[-1] >= _WIDE * sizes[0]
    across = _Axis.of_sizes(sizes, left + _LEFT, left + _PANEL - 2 * _EDGE, logarithmic=logarithmic)
    up = _Axis.of_numbers(numbers, plot + _PLOT, plot, logarithmic=logarithmic)
    yield _said(left + _EDGE, top + 14, panel.title, more=_BOLD)
    for tick in up.ticks:
        at = up.place(tick)
        yield _rule(across.begin, at, across.end, at)
        yield _said(across.begin - 6, at + 4, f"{tick:,.10g}", "end", _GRAY)
    for tick in across.ticks:
        yield _rule(across.place(tick), up.begin, across.place(tick), up.begin + 4, _PALE)
        yield _said(across.place(tick), up.begin + 17, f"{tick:,g}", "middle", _GRAY)
    yield _said((across.begin + across.end) / 2, up.begin + 33, panel.across, "middle")
    middle = plot + _PLOT / 2
    yield _said(
        left + 20, middle, panel.up, "middle", f'transform="rotate(-90 {left + 20:.1f} {middle:.1f})"'
    )
    if logarithmic:
        yield from _guide(min(points), across, up)
    for row, (name, curve) in enumerate(panel.curves.items()):
        colour = _COLOURS[row % len(_COLOURS)]
        places = [(across.place(size), up.place(number)) for size, number in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (_mark(row, x, y, colour) for x, y in places)
        at = top + 28 + _LEGEND * row
        yield _mark(row, left + _EDGE + 5, at, colour)
        yield _said(left + _EDGE + 16, at + 4, name)


def _guide(start: tuple[float, float], across: _Axis, up: _Axis) -> Iterator[str]:
    """A line of linear growth from here, if there is room for a quarter of it."""
    size, number = start
    times = min(across.most / size, up.most / number)
    if times**4 >= across.most / size:
        x, y = across.place(size * times), up.place(number * times)
        path = f'x1="{across.place(size):.1f}" y1="{up.place(number):.1f}" x2="{x:.1f}" y2="{y:.1f}"'
        yield f'<line {path} stroke="{_PALE}" stroke-dasharray="4 4"/>'
        yield _said(x - 22, y + 6, "linear", "end", _GRAY)


@dataclass(frozen=True, slots=True)
class _Axis:
    """From `least` at `begin` to `most` at `end`, in pixels."""

    least: float
    most: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool

    @classmethod
    def of_sizes(cls, sizes: Sequence[float], begin: float, end: float, *, logarithmic: bool) -> _Axis:
        """With a tick at each size."""
        space = 16 if len(sizes) > 1 else (end - begin) / 2
        inner = cls(sizes[0], sizes[-1], begin + space, end - space, tuple(sizes), logarithmic)
        return cls(inner.value(begin), inner.value(end), begin, end, tuple(sizes), logarithmic)

    @classmethod
    def of_numbers(cls, numbers: Sequence[float], begin: float, end: float, *, logarithmic: bool) -> _Axis:
        """From zero, or where it is logarithmic with room for at least a factor of ten."""
        least, most = min(numbers), max(numbers)
        if logarithmic:
            room = max(1.3, math.sqrt(10 * least / most))
            least, most = least / room, most * room
            steps = (1, 2, 5) if most / least < 60 else (1,)
            powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
            ticks = [step * 10.0**power for power in powers for step in steps]
            return cls(least, most, begin, end, tuple(t for t in ticks if least <= t <= most), logarithmic)
        step = _round_step((most or 1) / 4)
        count = math.ceil((most or 1) / step)
        return cls(0, step * count, begin, end, tuple(step * n for n in range(count + 1)), logarithmic)

    def place(self, value: float) -> float:
        """Where a number is."""
        least, most = self._scaled(self.least), self._scaled(self.most)
        return self.begin + (self.end - self.begin) * (self._scaled(value) - least) / ((most - least) or 1)

    def value(self, place: float) -> float:
        """The number that is there."""
        least, most = self._scaled(self.least), self._scaled(self.most)
        scaled = least + (most - least) * (place - self.begin) / (self.end - self.begin)
        return 10**scaled if self.logarithmic else scaled

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 … that is not less."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)


def _mark(row: int, x: float, y: float, colour: str) -> str:
    """Circle, square, triangle, diamond: lines are told apart without their colors."""
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
        f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{colour}"/>',
        f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z" fill="{colour}"/>',
        f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z" fill="{colour}"/>',
    )
    return shapes[row % len(shapes)]


def _rule(x: float, y: float, to_x: float, to_y: float, colour: str = _RULE) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"/>'


def _said(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _picture(title: str, height: float, drawn: Sequence[str]) -> str:
    size = f'width="{_WIDTH}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_WIDTH} {height:.0f}" role="img"'
    return "\n".join(
        [
            f'{head} style="{_STYLE}" fill="{_TEXT}">',
            f"<title>{escape(title)}</title>",
            f'<rect {size} rx="6" fill="#ffffff"/>',
            _said(_EDGE, 22, title, more=_BOLD),
            *drawn,
            "</svg>",
            "",
        ]
    )
