"""Two views of the same beside each other, or one below the other where there is little width. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QBoxLayout, QWidget

from tray_app.ui.style import MEDIUM

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

_SHARES = (3, 2)
"""Of the room: the first, the second."""
_NARROW_LETTERS = 90
"""Below so many letters of width, the second stands below."""

_NO_LIMIT = (1 << 24) - 1
"""Qt's own, which PySide does not name."""


class Pair(QWidget):
    """The first gets a little more of the room."""

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
        """Turn where the width is no longer, or is again, enough for both."""
        super().resizeEvent(event)
        narrow = self.width() < _NARROW_LETTERS * self.fontMetrics().averageCharWidth()
        self._box.setDirection(
            QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        )
        # Labels that wrap make it ask for more height than its share.
        most = self.height() * _SHARES[1] // sum(_SHARES) if narrow else _NO_LIMIT
        self._second.setMaximumHeight(most)
