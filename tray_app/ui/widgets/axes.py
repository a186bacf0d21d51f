"""The axes of plots, with numbers in the person's language and colors of the palette. GUI thread.

Imported when a plot is first shown, as `plots.py` is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyqtgraph as pg

from tray_app.ui.style import colors
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtGui import QPalette


class NumberAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Writes plain numbers, since prefixes such as “k” and “m” could be read as units."""

    def __init__(self, side: str) -> None:
        super().__init__(side)
        self.enableAutoSIPrefix(False)

    def tickStrings(self, values: Iterable[float], scale: float, spacing: float) -> list[str]:
        """The numbers at the ticks, with as many decimals as distinguish them."""
        decimals = max(0, math.ceil(-math.log10(spacing * scale)))
        return [tr.number(value * scale, decimals) for value in values]


def number_axes() -> dict[str, NumberAxis]:
    """The two axes of a plot, as pyqtgraph takes them."""
    return {side: NumberAxis(side) for side in ("bottom", "left")}


def paint_axes(plot: pg.PlotWidget, palette: QPalette) -> None:
    """Give a plot and its two axes the colors of a palette."""
    look = colors(palette)
    plot.setBackground(look.surface)
    for side in ("bottom", "left"):
        plot.getAxis(side).setPen(look.border)
        plot.getAxis(side).setTextPen(look.secondary)
