"""The question before a link in a stranger's text is opened. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QMessageBox

from tray_app.phrases import visible
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_OPENED = ("http", "https", "mailto")
_MOST = 2000
"""Characters of an address that are shown."""


def ask_to_open(parent: QWidget, address: str) -> QMessageBox:
    """Show where a link leads, and open it if the person confirms. Only web pages and mail are opened."""
    url = QUrl(address)
    # Encoded, so that letters that look like others are recognized.
    shown = url.toEncoded().toStdString() if url.isValid() else address
    opens = url.isValid() and url.scheme().lower() in _OPENED
    box = QMessageBox(QMessageBox.Icon.Question, tr("PowerInfer Tray"), "", parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(tr("Open this link?") if opens else tr("This link cannot be opened here"))
    told = visible(shown[:_MOST], "")
    if not opens:
        told += "\n\n" + tr("Only links to web pages and e-mail addresses can be opened.")
    box.setInformativeText(told)
    box.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if opens:
        button = box.addButton(tr("&Open Link"), QMessageBox.ButtonRole.AcceptRole)
        button.clicked.connect(lambda: QDesktopServices.openUrl(url))
    copy = box.addButton(tr("Copy &Link"), QMessageBox.ButtonRole.ActionRole)
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(shown))
    cancel = box.addButton(tr("&Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.setEscapeButton(cancel)
    box.setDefaultButton(cancel)
    box.open()
    return box
