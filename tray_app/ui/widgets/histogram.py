"""A histogram of the latencies of many requests, with p50 and p95. GUI thread.

Imported when it is first shown, as `plots.py` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt

from tray_app.gateway.counters import percentile
from tray_app.ui.style import look_of
from tray_app.ui.texts import tr
from tray_app.ui.widgets.axes import number_axes, paint_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_BINS = 40


class LatencyHistogram(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """Bars with the number of requests for each range of latencies."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, axisItems=number_axes())
        self.setAccessibleName(tr("Latencies of the requests"))
        self._bars = pg.PlotDataItem(stepMode="center", fillLevel=0)
        self.addItem(self._bars)
        # Distinguished by line style and label, not by color.
        self._p50 = pg.InfiniteLine(label="p50", labelOpts={"position": 0.95})
        self._p95 = pg.InfiniteLine(label="p95", labelOpts={"position": 0.85})
        for line in (self._p50, self._p95):
            self.addItem(line)
        self.setLabel("bottom", tr("Latency (ms)"))
        self.setLabel("left", tr("Requests"))
        self._adopt_palette()

    def show_latencies(self, latencies_ms: Sequence[float]) -> None:
        """Show these latencies, of which there is at least one."""
        bins = min(_MOST_BINS, max(5, round(np.sqrt(len(latencies_ms)) * 2)))
        counts, edges = np.histogram(np.asarray(latencies_ms), bins=bins)
        self._bars.setData(edges, counts)
        p50, p95 = percentile(latencies_ms, 50), percentile(latencies_ms, 95)
        self._p50.setValue(p50)
        self._p95.setValue(p95)
        self._p50.label.setFormat(tr("p50 {ms} ms").format(ms=tr.number(p50, 1)))
        self._p95.label.setFormat(tr("p95 {ms} ms").format(ms=tr.number(p95, 1)))
        self.setAccessibleDescription(
            tr("{count} requests from {low} to {high} ms").format(
                count=tr.number(len(latencies_ms)),
                low=tr.number(min(latencies_ms), 1),
                high=tr.number(max(latencies_ms), 1),
            )
        )
        self.autoRange()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_p95"):
            self._adopt_palette()

    def _adopt_palette(self) -> None:
        look = look_of(self)
        text, accent = look.text, look.accent
        paint_axes(self, self.palette())
        self._bars.setPen(pg.mkPen(accent, width=0))
        self._bars.setFillBrush(accent)
        for line, style in ((self._p50, Qt.PenStyle.SolidLine), (self._p95, Qt.PenStyle.DashLine)):
            line.setPen(pg.mkPen(text, width=2, style=style))
            line.label.setColor(text)
