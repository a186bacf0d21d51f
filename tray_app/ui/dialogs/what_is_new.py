"""What is new in a version, as the text of its release says it. GUI thread.

Nothing that the text names is loaded, and a link is opened only after its address was shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFrame, QScrollArea, QVBoxLayout

from tray_app.ui.dialogs.open_link import ask_to_open
from tray_app.ui.open_outside import open_page
from tray_app.ui.style import LARGE, MEDIUM
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import heading
from tray_app.ui.widgets.markdown import TextView

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent
    from PySide6.QtWidgets import QWidget

    from tray_app.app.release import Release

_SIZE = (560, 420)


class WhatIsNewDialog(QDialog):
    """The text of a release, and a way to its page."""

    def __init__(self, release: Release, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("What Is New"))
        self.notes = _Notes(release.notes or tr("There is no description of this version."))
        self.notes.text.link_clicked.connect(lambda address: ask_to_open(self, address))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        self.page_button = buttons.addButton(tr("&Open Page"), QDialogButtonBox.ButtonRole.ActionRole)
        self.page_button.setVisible(bool(release.page))
        self.page_button.clicked.connect(lambda: open_page(self, release.page))
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        column.addWidget(heading(tr("Version {version}").format(version=release.version)))
        column.addWidget(self.notes, 1)
        column.addWidget(buttons)
        close = buttons.button(QDialogButtonBox.StandardButton.Close)
        close.setDefault(True)
        close.setFocus()
        self.resize(*_SIZE)


class _Notes(QScrollArea):
    """Scrolls a text that is as high as it needs to be."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.text = TextView()
        self.text.show_markdown(markdown)
        self.text.setAccessibleName(tr("What Is New"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(self.text)
        self.viewport().setAutoFillBackground(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the text the height that it needs at this width."""
        super().resizeEvent(event)
        self.text.setMinimumHeight(self.text.height_for(self.viewport().width()))
