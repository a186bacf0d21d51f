"""Asks whether the terms of an engine's makers are accepted, before it is installed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout

from tray_app.ui.open_outside import open_page
from tray_app.ui.style import LARGE, MEDIUM, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import heading, text_label

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.ui.presenters.builds import Terms

_WIDTH = 560


class TermsDialog(QDialog):
    """Names the files and whose terms apply to them. `accepted` is emitted if the person agrees."""

    def __init__(self, terms: Terms, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Terms of {owner}").format(owner=terms.owner))
        buttons = QDialogButtonBox()
        self.accept_button = buttons.addButton(
            tr("&Accept and Install"), QDialogButtonBox.ButtonRole.AcceptRole
        )
        if terms.page:
            read = buttons.addButton(tr("&Read the Terms"), QDialogButtonBox.ButtonRole.HelpRole)
            read.setAutoDefault(False)
            read.clicked.connect(lambda: open_page(self, terms.page))
        cancel = buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        set_variant(self.accept_button, Variant.PRIMARY)
        self.accept_button.setAutoDefault(False)  # so that nobody agrees by pressing Enter by mistake
        cancel.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        column.addWidget(heading(terms.title, Type.TITLE))
        column.addWidget(text_label("\n".join(f"• {file}" for file in terms.files)))
        column.addWidget(
            text_label(
                tr(
                    "Part of this engine comes from {owner} and has its own terms. "
                    "Install it only if you have read and accept them."
                ).format(owner=terms.owner)
            )
        )
        if terms.page:
            column.addWidget(text_label(terms.page))
        column.addStretch()
        column.addWidget(buttons)
        cancel.setFocus()
        self.resize(_WIDTH, self.heightForWidth(_WIDTH))
