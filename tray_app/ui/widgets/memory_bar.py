"""One kind of memory as a bar, with a legend and a warning. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPainterPath, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from tray_app.models.fit_text import memory_text
from tray_app.ui.style import SMALL, TIGHT, look_of
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import small_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QPaintEvent

    from tray_app.ui.presenters.memory import MemoryBarView

_HEIGHT = SMALL + TIGHT
# Distinguished by pattern, not by color.
_PATTERNS = (Qt.BrushStyle.SolidPattern, Qt.BrushStyle.BDiagPattern, Qt.BrushStyle.Dense5Pattern)
_MARKS = ("■", "▨", "▒")
"""Letters for the legend that look like the patterns."""


class MemoryBar(QWidget):
    """The bar with its words."""

    def __init__(self) -> None:
        super().__init__()
        self.text = small_label()
        self.warning = small_label()
        self.warning.setForegroundRole(QPalette.ColorRole.WindowText)
        self._strip = _Strip(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        for widget in (self._strip, self.text, self.warning):
            column.addWidget(widget)

    def show_view(self, view: MemoryBarView) -> None:
        """Show another view."""
        self._strip.show_view(view)
        named = [
            f"{mark} {name} {memory_text(size, tr)}"
            for mark, (name, size) in zip(_MARKS, view.parts, strict=False)
            if name
        ]
        title = tr("{title}:").format(title=view.title)
        self.text.setText(" · ".join((f"{title} {view.summary}", *named)))
        self.warning.setText(tr("⚠ {warning}").format(warning=view.warning))
        self.warning.setVisible(bool(view.warning))
        self.setAccessibleName(view.title)
        self.setAccessibleDescription(" ".join(filter(None, (self.text.text(), view.warning))))


def show_bars(bars: Sequence[MemoryBar], views: Sequence[MemoryBarView]) -> None:
    """Show one view in each bar and hide the other bars, of which there must be enough."""
    for number, bar in enumerate(bars):
        bar.setVisible(number < len(views))
        if number < len(views):
            bar.show_view(views[number])


class _Strip(QWidget):
    """The bar without words: the parts from the left, and a mark where the usable memory ends."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._view: MemoryBarView | None = None
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_view(self, view: MemoryBarView) -> None:
        """Draw this."""
        self._view = view
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the parts, each in a pattern of its own."""
        if self._view is None:
            return
        parts, usable_bytes = self._view.parts, self._view.usable_bytes
        whole_bytes = max(usable_bytes, sum(size for _, size in parts), 1)
        look = look_of(self)
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        scale = area.width() / whole_bytes
        outline = QPainterPath()
        outline.addRoundedRect(area, _HEIGHT / 2, _HEIGHT / 2)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipPath(outline)
        painter.fillRect(area, look.hover)
        left = area.left()
        for pattern, (_, size) in zip(_PATTERNS, parts, strict=False):
            width = size * scale
            painter.fillRect(QRectF(left, 0, width, _HEIGHT), QBrush(look.accent, pattern))
            left += width
        if usable_bytes < whole_bytes:  # where the memory ends
            end = area.left() + usable_bytes * scale
            painter.setPen(QPen(look.text, 2))
            painter.drawLine(QPointF(end, 0), QPointF(end, _HEIGHT))
        painter.setClipping(False)
        painter.setPen(QPen(look.border, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(outline)
        painter.end()
