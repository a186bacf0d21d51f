"""Two views side by side, or one below the other where there is little width. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QBoxLayout, QWidget

from tray_app.ui.style import MEDIUM
from tray_app.ui.widgets.basic import NO_LIMIT

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

_SHARES = (3, 2)
"""The shares of the room of the first and the second view."""
_NARROW_LETTERS = 90
"""With less width than for so many letters, the second view is below the first."""


class Pair(QWidget):
    """The first view gets a little more room."""

    def __init__(self) -> None:
        super().__init__()
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(MEDIUM)
        self._second = QWidget()

    def set_views(self, first: QWidget, second: QWidget) -> None:
        """Show these two."""
        self._second = second
        for view, share in zip((first, second), _SHARES, strict=True):
            self._box.addWidget(view, share)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Arrange the views by the width."""
        super().resizeEvent(event)
        narrow = self.width() < _NARROW_LETTERS * self.fontMetrics().averageCharWidth()
        self._box.setDirection(
            QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        )
        # Labels that wrap would make it higher than its share.
        most = self.height() * _SHARES[1] // sum(_SHARES) if narrow else NO_LIMIT
        self._second.setMaximumHeight(most)
