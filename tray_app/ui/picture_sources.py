"""Where pictures for a message come from: files that are chosen or dropped, and the clipboard. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog

from tray_app.ui.chat_pictures import MOST_PICTURES, PATTERN, drawn, read_pictures
from tray_app.ui.texts import tr
from tray_app.ui.widgets.file_dialogs import ask_for_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QWidget

    from tray_app.chats.conversation import Attachment
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge


class PictureSources(QObject):
    """Reads pictures off the GUI thread, those of one drop in their order."""

    picked = Signal(object)
    """A tuple of `Attachment`, which may be empty."""
    failed = Signal(object)
    """An `AppError`: a file is not a picture that can be sent."""

    def __init__(self, bridge: Bridge, parent: QWidget) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._window = parent

    def choose(self) -> QFileDialog:
        """Ask for files; the dialog, which is open."""
        filters = (tr("Pictures ({patterns})").format(patterns=PATTERN),)
        mode = QFileDialog.FileMode.ExistingFiles
        return ask_for_paths(self._window, tr("Add Pictures"), mode, self.take_files, filters)

    def take_files(self, files: Sequence[str | Path]) -> None:
        """Read files, but only one more than a message can have: then it is known that they are too many."""
        paths = [Path(file) for file in files[: MOST_PICTURES + 1]]
        self._bridge.run(lambda: read_pictures(paths), self._hand_on, self.failed.emit)

    def take_image(self, image: QImage) -> None:
        """Take a picture from the clipboard."""
        name = tr("Pasted picture")
        self._bridge.run(lambda: ((drawn(image, name),), None), self._hand_on, self.failed.emit)

    def _hand_on(self, read: tuple[tuple[Attachment, ...], AppError | None]) -> None:
        pictures, problem = read
        self.picked.emit(pictures)
        if problem is not None:
            self.failed.emit(problem)
