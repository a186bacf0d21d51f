"""The About box. GUI thread."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QLabel, QMessageBox

from tray_app import __version__
from tray_app.system.environment import bundle_folder
from tray_app.ui import icons
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from pathlib import Path

_ICON_SIZE = 64


def about_box() -> QMessageBox:
    """A box that blocks nothing."""
    box = QMessageBox()
    box.setWindowTitle(tr("About PowerInfer Tray"))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    box.setIconPixmap(icons.app_icon().pixmap(_ICON_SIZE))
    box.setText(tr("PowerInfer Tray {version}").format(version=__version__))
    box.setInformativeText(
        "\n".join(
            (
                tr(
                    "Downloads language models, runs them on this computer, and makes them available "
                    "to OpenAI clients."
                ),
                tr(
                    "Nothing is sent from this computer except the downloads, searches and checks you ask "
                    "for."
                ),
                "",
                f"Python {platform.python_version()} · Qt {qVersion()}",
                tr("License: MIT"),
                tr("Qt is used under the GNU LGPL version 3: you may replace it with your own build."),
                *_place_of_licenses(bundle_folder()),
            )
        )
    )
    for picture in box.findChildren(QLabel, "qt_msgboxex_icon_label"):  # Qt's name for it
        picture.setAccessibleName(box.windowTitle())
    box.setModal(False)
    return box


def _place_of_licenses(bundle: Path | None) -> tuple[str, ...]:
    """Where a package has the licenses of its parts; empty when the app runs from its sources."""
    return (tr("Licenses of all parts: {file}").format(file=bundle / "licenses.txt"),) if bundle else ()
