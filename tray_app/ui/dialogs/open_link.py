"""The question before a link in a stranger's text is opened. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtWidgets import QMessageBox

from tray_app.ui.open_outside import address_box, open_page
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

_OPENED = ("http", "https", "mailto")


def ask_to_open(parent: QWidget, address: str) -> QMessageBox:
    """Show where a link leads, and open it if the person confirms. Only web pages and mail are opened."""
    url = QUrl(address)
    # Encoded, so that letters that look like others are recognized.
    shown = url.toEncoded().toStdString() if url.isValid() else address
    icon, copy = QMessageBox.Icon.Question, tr("Copy &Link")
    if url.isValid() and url.scheme().lower() in _OPENED:
        box = address_box(parent, icon, tr("Open this link?"), shown, copy)
        button = box.addButton(tr("&Open Link"), QMessageBox.ButtonRole.AcceptRole)
        button.clicked.connect(lambda: open_page(parent, url))
    else:
        advice = tr("Only links to web pages and e-mail addresses can be opened.")
        box = address_box(parent, icon, tr("This link cannot be opened here"), shown, copy, advice)
    cancel = box.addButton(tr("&Cancel"), QMessageBox.ButtonRole.RejectRole)
    box.setEscapeButton(cancel)
    box.setDefaultButton(cancel)
    box.open()
    return box
