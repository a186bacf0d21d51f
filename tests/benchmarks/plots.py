"""Draws results as bars, in SVG that looks the same on light and dark pages. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _ROW, _LABEL, _NUMBER, _TOP = 960, 22, 480, 110, 34
_STYLE = "font-family:system-ui,sans-serif;font-size:12px"
_OURS, _OTHERS, _TEXT = "#2f6fde", "#9aa5b1", "#1c2733"


def bars(title: str, rows: Sequence[tuple[str, float, str]], *, ours: str = "") -> str:
    """A picture with a bar for each label, value and its text; labels with the word `ours` stand out."""
    most = max((abs(value) for _, value, _ in rows), default=0) or 1
    height = _TOP + _ROW * len(rows) + 8
    size = f'width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" style="{_STYLE}" fill="{_TEXT}">',
        f"<title>{escape(title)}</title>",
        f'<rect {size} rx="6" fill="#ffffff"/>',
        f'<text x="12" y="22" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, value, text) in enumerate(rows):
        middle = _TOP + _ROW * number + _ROW // 2
        length = (_WIDTH - _LABEL - _NUMBER) * max(value, 0) / most
        colour = _OURS if not ours or ours in label else _OTHERS
        lines += [
            f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABEL}" y="{middle - 7}" width="{length:.1f}" height="14" rx="2" fill="{colour}"/>',
            f'<text x="{_LABEL + length + 6:.1f}" y="{middle + 4}">{escape(text)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
