"""Before a download: what the model is, what it takes, and whether it runs here. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QVBoxLayout

from tray_app.ui.presenters.download_preview import preview_facts
from tray_app.ui.style import LARGE, MEDIUM, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import make_room
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.labels import heading, text_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.app.model_manager import DownloadPreview
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

_WIDTH = 520


class DownloadDialog(QDialog):
    """Reads the model's header at its address meanwhile. The download can be confirmed before, or without."""

    confirmed = Signal()

    def __init__(self, bridge: Bridge, name: str, reference: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Download a model"))
        self.facts = QFormLayout()
        self.waiting = text_label(tr("Reading the model's details …"))
        self.card = MessageCard()
        self.buttons = QDialogButtonBox()
        self.download_button = self.buttons.addButton(tr("&Download"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.download_button.setDefault(True)
        set_variant(self.download_button, Variant.PRIMARY)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.accepted.connect(self.confirmed)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        column.addWidget(heading(name, Type.TITLE))
        column.addWidget(self.waiting)
        column.addLayout(self.facts)
        column.addWidget(self.card)
        column.addStretch()
        column.addWidget(self.buttons)
        self.resize(_WIDTH, self.sizeHint().height())
        self._forget = bridge.run(
            lambda: bridge.app.models.preview_download(reference), self._show, self._fail
        )
        self.finished.connect(lambda _: self._forget())

    def _show(self, preview: DownloadPreview) -> None:
        self.waiting.hide()
        for label, text in preview_facts(preview, tr):
            value = text_label(text)
            value.setAlignment(Qt.AlignmentFlag.AlignTop)
            self.facts.addRow(label, value)
        make_room(self)

    def _fail(self, error: AppError) -> None:
        self.waiting.setText(tr("The details could not be read. You can still download the model."))
        self.card.show_error(error)
        make_room(self)
