"""A list that is folded into one line, since few people want to read it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QStringListModel, Qt
from PySide6.QtWidgets import QListView, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.style import SMALL, TIGHT, Variant, set_variant
from tray_app.ui.symbols import set_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_ROWS = 6
"""Lines shown at the same time; the others are scrolled to."""


class FoldedList(QWidget):
    """A button that shows and hides the lines below it. Hidden while there are no lines."""

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton()
        self.button.setCheckable(True)
        set_variant(self.button, Variant.QUIET)
        self.lines = QListView()
        self._model = QStringListModel()
        self._shown: tuple[str, tuple[str, ...]] | None = None
        self.lines.setModel(self._model)
        self.lines.setUniformItemSizes(True)
        self.lines.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.lines.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.lines.setWordWrap(False)
        self.button.toggled.connect(self._unfold)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        column.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.lines)
        self.show_lines("", ())

    def show_lines(self, title: str, lines: Sequence[str]) -> None:
        """Fold these lines under this title. The same ones as before stay unfolded if they are."""
        shown = title, tuple(lines)
        if shown == self._shown:
            return
        self._shown = shown
        self.button.setText(title)
        self.lines.setAccessibleName(title)
        self._model.setStringList(list(lines))
        rows = min(len(lines), _MOST_ROWS)
        self.lines.setFixedHeight(rows * self.lines.fontMetrics().height() + 2 * SMALL)
        self.button.setChecked(False)
        self._unfold(unfolded=False)
        self.setVisible(bool(lines))

    def _unfold(self, unfolded: bool) -> None:  # noqa: FBT001 - as Qt calls it
        set_symbol(self.button, "chevron-down" if unfolded else "chevron-right")
        self.lines.setVisible(unfolded)
