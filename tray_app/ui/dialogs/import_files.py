"""Asks how model files get into the models folder: copied, moved or linked. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QRadioButton, QVBoxLayout

from tray_app.models.import_modes import How
from tray_app.phrases import presentable
from tray_app.ui.presenters.formatting import first_names
from tray_app.ui.style import LARGE, MEDIUM, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import heading, text_label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget


class ImportDialog(QDialog):
    """Names the files, and lets a person choose."""

    confirmed = Signal(object)
    """A `How`."""

    def __init__(self, files: Sequence[Path], folder: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Import models"))
        self.choices = {
            How.COPY: QRadioButton(tr("&Copy: the original file stays where it is")),
            How.MOVE: QRadioButton(tr("&Move: the file is then only in the models folder")),
            How.LINK: QRadioButton(tr("&Link: use the file where it is, without taking space")),
        }
        self.choices[How.COPY].setChecked(True)
        buttons = QDialogButtonBox()
        self.import_button = buttons.addButton(tr("&Import"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.import_button.setDefault(True)
        set_variant(self.import_button, Variant.PRIMARY)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(self._confirm)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        names = first_names([presentable(file.name) for file in files])
        column.addWidget(heading("\n".join(names), Type.TITLE))
        column.addWidget(text_label(tr("To {folder}").format(folder=presentable(folder))))
        for choice in self.choices.values():
            column.addWidget(choice)
        column.addWidget(text_label(tr("The other files of a split model are included.")))
        column.addWidget(buttons)

    def _confirm(self) -> None:
        self.confirmed.emit(next(how for how, choice in self.choices.items() if choice.isChecked()))
