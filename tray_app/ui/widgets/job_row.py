"""Long work: its progress in words and as a bar, and a button that cancels it. GUI thread."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.style import SMALL, TIGHT, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import text_label


class JobRow(QWidget):
    """Hidden while no such work is under way."""

    cancelled = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.words = text_label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(name)
        self.cancel_button = QPushButton(tr("Ca&ncel"))
        set_variant(self.cancel_button, Variant.QUIET)
        self.cancel_button.clicked.connect(self.cancelled)
        row = QHBoxLayout()
        row.setSpacing(SMALL)
        row.addWidget(self.words, 1)
        row.addWidget(self.cancel_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT)
        column.addLayout(row)
        column.addWidget(self.bar)
        self.hide()

    def show_progress(self, words: str, done: int, total: int) -> None:
        """Show the progress; a total of 0 means that it is not known yet."""
        self.words.setText(words)
        self.bar.setRange(0, max(1, total))
        self.bar.setValue(done)
        self.show()
