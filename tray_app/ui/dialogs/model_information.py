"""All that is known about a model. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QVBoxLayout

from tray_app.ui.presenters.model_list import information
from tray_app.ui.style import LARGE, MEDIUM, SMALL, Type
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import heading, text_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.ui.presenters.models import ModelRow

_LETTERS = 70
"""The width, in letters: paths are long."""


class ModelInformation(QDialog):
    """Facts with their labels, then sentences; all text can be copied."""

    def __init__(self, row: ModelRow, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Information"))
        facts = QFormLayout()
        facts.setHorizontalSpacing(MEDIUM)
        facts.setVerticalSpacing(SMALL)
        for label, text in information(row, tr):
            facts.addRow(label, text_label(text))
        self.details = text_label("\n".join(row.details))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        column.addWidget(heading(row.name, Type.TITLE))
        column.addLayout(facts)
        if row.details:
            column.addWidget(self.details)
        column.addStretch()
        column.addWidget(buttons)
        width = _LETTERS * self.fontMetrics().averageCharWidth()
        self.resize(width, max(self.sizeHint().height(), self.heightForWidth(width)))
