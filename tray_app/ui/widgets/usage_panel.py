"""What engines and clients take now and took in the last two minutes: values and small charts. GUI thread.

It looks once a second, and only while it can be seen; the looking is done on another thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from tray_app.ui.operations import usage_now
from tray_app.ui.presenters.formatting import error_lines
from tray_app.ui.presenters.usage import (
    Quantity,
    extended,
    peak_text,
    quantity_text,
    quantity_title,
    series,
    shown_quantities,
)
from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.usage import Point, UsageSample
    from tray_app.ui.widgets.charts import Chart

_LOOK_MS = 1000
_COLUMNS = 2
_CHART_HEIGHT = 56


class UsagePanel(QWidget):
    """One cell for each quantity, in two columns."""

    looked = Signal(object)
    """An `AppStatus` with what each model takes now."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._samples: tuple[UsageSample, ...] = ()
        self._abandon: Callable[[], None] | None = None
        self._shown: tuple[Quantity, ...] = ()
        self.cells = {quantity: _Cell(quantity, self) for quantity in Quantity}
        self.note = small_label()
        self._grid = QGridLayout()
        self._grid.setSpacing(SMALL)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._grid)
        column.addWidget(self.note)
        self.clock = QTimer(self)
        self.clock.setInterval(_LOOK_MS)
        self.clock.timeout.connect(self._look)
        self._arrange()

    def showEvent(self, event: QShowEvent) -> None:
        """Someone looks, so look too."""
        super().showEvent(event)
        self.note.setText(tr("The last two minutes, while this page is open."))
        self.clock.start()
        self._look()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is measured, and the charts are given back."""
        super().hideEvent(event)
        self.clock.stop()
        if self._abandon is not None:
            self._abandon()
            self._abandon = None
        for cell in self.cells.values():
            cell.free()

    def _look(self) -> None:
        if self._abandon is None:  # else the last look is still under way
            self._abandon = self._bridge.run(lambda: usage_now(self._bridge.app), self._take, self._failed)

    def _take(self, look: tuple[UsageSample, AppStatus]) -> None:
        self._abandon = None
        sample, status = look
        self._add(sample)
        self.looked.emit(status)

    def _add(self, sample: UsageSample) -> None:
        self._samples = extended(self._samples, sample)
        self._arrange()
        for quantity, cell in self.cells.items():
            cell.draw()
            cell.show_points(series(self._samples, quantity))

    def _arrange(self) -> None:
        """Show the cells that mean something on this machine, without holes."""
        wanted = shown_quantities(self._samples)
        if wanted == self._shown:
            return
        self._shown = wanted
        for place, quantity in enumerate(wanted):
            self._grid.addWidget(self.cells[quantity], place // _COLUMNS, place % _COLUMNS)
        for quantity, cell in self.cells.items():
            cell.setVisible(quantity in wanted)

    def _failed(self, error: AppError) -> None:
        self._abandon = None
        self.clock.stop()
        self.note.setText(" ".join(error_lines(error, tr)))


class _Cell(QWidget):
    """A quantity: its value now, the largest, and the chart once it can be drawn."""

    def __init__(self, quantity: Quantity, parent: QWidget) -> None:
        super().__init__(parent)
        self._quantity = quantity
        self._points: tuple[Point, ...] = ()
        self.chart: Chart | None = None
        self.value = text_label()
        self.peak = small_label()
        title = text_label(quantity_title(quantity, tr), bold=True)
        line = QHBoxLayout()
        line.setSpacing(SMALL)
        for label in (title, self.value, self.peak):
            label.setWordWrap(False)
            label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            line.addWidget(label)
        line.insertStretch(2)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._column.addLayout(line)
        self._column.addStretch()
        # The charts come a moment later: nothing shall jump then.
        self.setMinimumHeight(self._column.sizeHint().height() + _CHART_HEIGHT)
        self.show_points(())

    def show_points(self, points: tuple[Point, ...]) -> None:
        """Show a series in words, and in the chart if there is one."""
        self._points = points
        value = quantity_text(self._quantity, points[-1].value if points else None, tr)
        self.value.setText(value)
        self.peak.setText(peak_text(self._quantity, points, tr))
        self.setAccessibleName(f"{quantity_title(self._quantity, tr)}: {value}")
        if self.chart is not None:
            self.chart.show_points(points)

    def draw(self) -> None:
        """Make the chart, if it is not there. Its library has been loaded by the first look."""
        if self.chart is None:
            from tray_app.ui.widgets.charts import Chart

            self.chart = Chart(self)
            self.chart.setAccessibleName(quantity_title(self._quantity, tr))
            self.chart.show_points(self._points)
            self.chart.setFixedHeight(_CHART_HEIGHT)
            self._column.insertWidget(1, self.chart)

    def free(self) -> None:
        """Give the chart back; its numbers stay."""
        if self.chart is not None:
            self._column.removeWidget(self.chart)
            self.chart.deleteLater()
            self.chart = None
