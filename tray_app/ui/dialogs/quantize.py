"""Asks to which quantization a model is made smaller, and for the name of the new file. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QVBoxLayout

from tray_app.ui.presenters.formatting import space_text
from tray_app.ui.presenters.model_list import short_name
from tray_app.ui.presenters.quantizing import is_file_name, new_name
from tray_app.ui.style import LARGE, MEDIUM, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import make_room
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.labels import heading, row_label_for, text_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.app.model_manager import SmallerTypes
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.models import ModelRow

_WIDTH = 480
_USUAL = ("Q4_K_M", "Q4_0")


class QuantizeDialog(QDialog):
    """Offers the quantizations that the program knows. The list of models shows the progress."""

    confirmed = Signal(str, object)
    """The quantization, and the `Path` of the new file."""

    def __init__(self, bridge: Bridge, row: ModelRow, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Quantize a model"))
        self._offer: SmallerTypes | None = None
        self.types = QComboBox()
        self.name = QLineEdit()
        self.space = text_label(tr("Looking for types …"))
        self.card = MessageCard()
        buttons = QDialogButtonBox()
        self.quantize_button = buttons.addButton(tr("&Quantize"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.quantize_button.setDefault(True)
        set_variant(self.quantize_button, Variant.PRIMARY)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(self._confirm)
        self.types.currentIndexChanged.connect(self._choose)
        self.name.textChanged.connect(self._permit)
        fields = QFormLayout()
        fields.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        fields.addRow(row_label_for(tr("&Type:"), self.types), self.types)
        fields.addRow(row_label_for(tr("&New file:"), self.name), self.name)
        fields.addRow(tr("Disk space:"), self.space)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        column.addWidget(heading(f"{short_name(row)} · {row.quantization} · {row.size}", Type.TITLE))
        column.addLayout(fields)
        column.addWidget(self.card)
        column.addStretch()
        column.addWidget(buttons)
        self.resize(_WIDTH, self.sizeHint().height())
        self._permit()
        forget = bridge.run(lambda: bridge.app.models.smaller_types(row.id), self._show, self._fail)
        self.finished.connect(lambda _: forget())

    def _show(self, offer: SmallerTypes) -> None:
        self._offer = offer
        names = [name for name, _ in offer.types]
        self.types.addItems(names)
        self.types.setCurrentText(next((name for name in _USUAL if name in names), names[0] if names else ""))
        self._choose()
        self.types.setFocus()  # so far, only Cancel could have it

    def _fail(self, error: AppError) -> None:
        self.space.setText("")
        self.card.show_error(error)
        make_room(self)

    def _choose(self) -> None:
        if self._offer:
            self.name.setText(new_name(self._offer.model.path.name, self.types.currentText()))
        self._permit()

    def _permit(self) -> None:
        fits = False
        if self._offer and (index := self.types.currentIndex()) >= 0:
            needed_bytes = self._offer.types[index][1]
            fits = needed_bytes <= self._offer.free_bytes
            self.space.setText(space_text(needed_bytes, self._offer.free_bytes, tr))
        self.types.setEnabled(self._offer is not None)
        self.name.setEnabled(self._offer is not None)
        self.quantize_button.setEnabled(fits and is_file_name(self.name.text().strip()))

    def _confirm(self) -> None:
        if self._offer:
            self.confirmed.emit(self.types.currentText(), self._offer.folder / self.name.text().strip())
