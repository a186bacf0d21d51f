"""Texts that a person types or pastes, one on each line. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QVBoxLayout

from tray_app.ui.presenters.embedding import texts_of
from tray_app.ui.style import LARGE, MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import label_for

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_LETTERS, _LINES = 60, 12


class PasteTextsDialog(QDialog):
    """Asks for texts; blank lines are left out."""

    confirmed = Signal(object)
    """A tuple of texts, none of them empty."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Paste text"))
        self.texts = QPlainTextEdit()
        self.texts.setTabChangesFocus(True)
        self.texts.setAccessibleName(tr("Texts, one on each line"))
        metrics = self.texts.fontMetrics()
        self.texts.setMinimumSize(_LETTERS * metrics.averageCharWidth(), _LINES * metrics.lineSpacing())
        label = label_for(tr("&Texts, one on each line:"), self.texts)
        buttons = QDialogButtonBox()
        self.add_button = buttons.addButton(tr("&Add"), QDialogButtonBox.ButtonRole.AcceptRole)
        set_variant(self.add_button, Variant.PRIMARY)
        buttons.addButton(tr("Ca&ncel"), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(lambda: self.confirmed.emit(texts_of(self.texts.toPlainText())))
        self.texts.textChanged.connect(self._permit)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, MEDIUM)
        column.setSpacing(SMALL)
        column.addWidget(label)
        column.addWidget(self.texts, 1)
        column.addWidget(buttons)
        self._permit()

    def _permit(self) -> None:
        self.add_button.setEnabled(bool(texts_of(self.texts.toPlainText())))
