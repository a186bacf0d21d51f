"""An axis of a plot whose numbers are written as the person's language writes them. GUI thread.

Imported when a plot is first shown, as `plots.py` is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyqtgraph as pg

from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Iterable


class NumberAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Plain numbers: prefixes such as «k» and «m» would be read as units."""

    def __init__(self, side: str) -> None:
        super().__init__(side)
        self.enableAutoSIPrefix(False)

    def tickStrings(self, values: Iterable[float], scale: float, spacing: float) -> list[str]:
        """What stands at the ticks, with as many decimals as tell them apart."""
        decimals = max(0, math.ceil(-math.log10(spacing * scale)))
        return [tr.number(value * scale, decimals) for value in values]


def number_axes() -> dict[str, NumberAxis]:
    """The two axes of a plot, as pyqtgraph takes them."""
    return {side: NumberAxis(side) for side in ("bottom", "left")}
