"""The system prompt and the temperature of one conversation. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QPlainTextEdit,
    QVBoxLayout,
)

from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import label_for, small_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import (
        QWidget,
    )

    from tray_app.chats.conversation import Conversation

_HIGHEST = 2.0
_STEP = 0.1
_USUAL = 0.7
_LINES = 8
_LETTERS = 60


class ChatOptionsDialog(QDialog):
    """Asks for both."""

    confirmed = Signal(str, object)
    """The system prompt, and the temperature, or None for that of the model's settings."""

    def __init__(self, conversation: Conversation, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("This Conversation"))
        self.prompt = QPlainTextEdit(conversation.system_prompt)
        self.prompt.setPlaceholderText(tr("For example: Answer briefly, and in French."))
        self.prompt.setTabChangesFocus(True)
        metrics = self.prompt.fontMetrics()
        self.prompt.setMinimumSize(_LETTERS * metrics.averageCharWidth(), _LINES * metrics.lineSpacing())
        self.own = QCheckBox(tr("Set &temperature:"))
        self.temperature = QDoubleSpinBox(minimum=0, maximum=_HIGHEST, singleStep=_STEP, decimals=2)
        self.temperature.lineEdit().setTextMargins(TIGHT, 0, 0, 0)
        self.temperature.setAccessibleName(tr("Temperature"))
        self.own.setChecked(conversation.temperature is not None)
        self.temperature.setValue(_USUAL if conversation.temperature is None else conversation.temperature)
        self.temperature.setEnabled(self.own.isChecked())
        self.own.toggled.connect(self.temperature.setEnabled)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText(tr("OK"))
        self.buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        self.buttons.accepted.connect(self._confirm)
        self.buttons.rejected.connect(self.reject)
        self._lay_out()

    def _confirm(self) -> None:
        value = round(self.temperature.value(), 2) if self.own.isChecked() else None
        self.confirmed.emit(self.prompt.toPlainText().strip(), value)
        self.accept()

    def _lay_out(self) -> None:
        label = label_for(tr("&System prompt:"), self.prompt)
        row = QHBoxLayout()
        row.addWidget(self.own)
        row.addWidget(self.temperature)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addWidget(label)
        column.addWidget(small_label(tr("What the model is told before every answer in this conversation.")))
        column.addWidget(self.prompt, 1)
        column.addSpacing(MEDIUM)
        column.addLayout(row)
        column.addWidget(
            small_label(
                tr("Lower values give more predictable answers. Otherwise the setting of the model applies.")
            )
        )
        column.addSpacing(MEDIUM)
        column.addWidget(self.buttons)
