"""What engines and clients have used in the last two minutes: values and small charts. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from tray_app.ui.presenters.usage import (
    Quantity,
    is_asked,
    peak_text,
    quantity_text,
    quantity_title,
    series,
    shown_quantities,
)
from tray_app.ui.style import MEDIUM, SMALL, TIGHT, Type
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import heading, small_label, text_label
from tray_app.ui.widgets.sparkline import Sparkline

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from tray_app.ui.presenters.usage import Point, UsageSample

_COLUMNS = (4, 2, 1)
_NARROWEST_LETTERS = 27
"""With less width than this for each chart, fewer of them stand side by side."""


class UsagePanel(Card):
    """A chart for each quantity; hidden until there is a request."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Quantity, ...] = ()
        self._columns = 0
        self.cells = {quantity: _Cell(quantity, self) for quantity in Quantity}
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(MEDIUM)
        self._grid.setVerticalSpacing(MEDIUM)
        title = QHBoxLayout()
        span = small_label(tr("Last two minutes"))
        span.setWordWrap(False)
        title.addWidget(heading(tr("Activity"), Type.TITLE), 1)
        title.addWidget(span)
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(SMALL)
        column.addLayout(title)
        column.addLayout(self._grid)
        self.hide()

    def show_samples(self, samples: tuple[UsageSample, ...]) -> None:
        """Show these samples. The charts appear with the first request, and stay."""
        if self.isHidden() and not (samples and is_asked(samples)):
            return
        wanted = shown_quantities(samples)
        if wanted != self._shown:
            self._shown = wanted
            self._arrange(anew=True)
        for quantity in wanted:
            self.cells[quantity].show_points(series(samples, quantity))
        self.show()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many charts side by side as there is room for."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self, *, anew: bool = False) -> None:
        room = (self.width() - 2 * MEDIUM) // (_NARROWEST_LETTERS * self.fontMetrics().averageCharWidth())
        columns = next((each for each in _COLUMNS if each <= room), 1)
        if columns == self._columns and not anew:
            return
        for column in range(self._columns):
            self._grid.setColumnStretch(column, 0)
        self._columns = columns
        for cell in self.cells.values():
            self._grid.removeWidget(cell)
            cell.hide()
        for column in range(columns):
            self._grid.setColumnStretch(column, 1)
        for place, quantity in enumerate(self._shown):
            self._grid.addWidget(self.cells[quantity], place // columns, place % columns)
            self.cells[quantity].show()


class _Cell(QWidget):
    """A quantity: its value now, its largest value, and the chart."""

    def __init__(self, quantity: Quantity, parent: QWidget) -> None:
        super().__init__(parent)
        self._quantity = quantity
        self.chart = Sparkline()
        self.chart.setAccessibleName(quantity_title(quantity, tr))
        self.value = text_label(bold=True)
        self.peak = small_label()
        line = QHBoxLayout()
        line.setSpacing(SMALL)
        for label in (self.value, self.peak):
            label.setWordWrap(False)
            label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            line.addWidget(label)
        line.insertStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        column.addWidget(small_label(quantity_title(quantity, tr)))
        column.addLayout(line)
        column.addWidget(self.chart)

    def show_points(self, points: tuple[Point, ...]) -> None:
        """Show a series."""
        value = quantity_text(self._quantity, points[-1].value if points else None, tr)
        self.value.setText(value)
        self.peak.setText(peak_text(self._quantity, points, tr))
        self.setAccessibleName(f"{quantity_title(self._quantity, tr)}: {value}")
        self.chart.show_points(points)
