"""Where texts for a search come from: folders, files, pasted lines, an example. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog

from tray_app.ui.dialogs.paste_texts import PasteTextsDialog
from tray_app.ui.presenters.search import example_texts, name_for
from tray_app.ui.search_operations import Addition
from tray_app.ui.texts import tr
from tray_app.ui.widgets.file_dialogs import ask_for_paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QDialog, QWidget


class TextSources(QObject):
    """Asks a person for texts, without blocking."""

    picked = Signal(object)
    """An `Addition`, with the name for a new collection."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self.dialog: QDialog | None = None
        """The dialog that was opened last."""

    def choose_folder(self) -> None:
        """Ask for a folder."""
        self._ask_for_files(tr("Choose a folder with texts"), QFileDialog.FileMode.Directory)

    def choose_files(self) -> None:
        """Ask for files."""
        self._ask_for_files(tr("Choose files with texts"), QFileDialog.FileMode.ExistingFiles)

    def paste(self) -> None:
        """Ask for texts to paste, one on each line."""
        dialog = PasteTextsDialog(self._window)
        dialog.confirmed.connect(lambda texts: self.picked.emit(Addition(texts=texts, name=name_for((), tr))))
        self.dialog = dialog
        dialog.open()

    def take_example(self) -> None:
        """Take some sentences that come with the app, without asking."""
        self.picked.emit(Addition(texts=example_texts(tr), name=tr("Example")))

    def take(self, paths: Sequence[Path]) -> None:
        """Take files and folders that were chosen or dropped."""
        if paths:
            self.picked.emit(Addition(paths=tuple(paths), name=name_for(paths, tr)))

    def _ask_for_files(self, title: str, mode: QFileDialog.FileMode) -> None:
        filters = (tr("Texts (*.txt *.md *.pdf)"), tr("All files (*)"))
        is_folder = mode is QFileDialog.FileMode.Directory
        self.dialog = ask_for_paths(self._window, title, mode, self.take, () if is_folder else filters)
