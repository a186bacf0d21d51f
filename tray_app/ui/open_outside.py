"""Web pages, files and folders that the system's own programs open. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QMessageBox

from tray_app.phrases import visible
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

_MOST = 2000
"""Characters of an address that are shown."""


def open_page(parent: QWidget, address: str | QUrl) -> None:
    """Open a web page in the browser, or a mail address."""
    url = QUrl(address)
    _open(parent, url, url.toEncoded().toStdString(), tr("Copy &Link"))


def open_path(parent: QWidget, path: Path) -> None:
    """Open a file with its program, or a folder."""
    _open(parent, QUrl.fromLocalFile(str(path)), str(path), tr("Copy &Path"))


def _open(parent: QWidget, url: QUrl, shown: str, copy: str) -> None:
    """Open it; where no program does, as on a system without a browser, show what to open."""
    if QDesktopServices.openUrl(url):
        return
    advice = tr("The system has no program for it. Copy it and open it yourself.")
    title = tr("This could not be opened")
    box = address_box(parent, QMessageBox.Icon.Warning, title, shown, copy, advice)
    box.setEscapeButton(box.addButton(tr("&Close"), QMessageBox.ButtonRole.RejectRole))
    box.open()


def address_box(
    parent: QWidget, icon: QMessageBox.Icon, title: str, address: str, copy: str, advice: str = ""
) -> QMessageBox:
    """A message about an address or a path, with the button `copy` for it. It goes when it is closed."""
    box = QMessageBox(icon, tr("PowerInfer Tray"), "", parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(title)
    box.setInformativeText("\n\n".join(filter(None, (visible(address[:_MOST], ""), advice))))
    box.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    button = box.addButton(copy, QMessageBox.ButtonRole.ActionRole)
    button.clicked.connect(lambda: QGuiApplication.clipboard().setText(address))
    return box
