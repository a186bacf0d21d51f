"""The system's dialogs for files: what to open, and where to save. They do not block. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QWidget


def ask_for_paths(
    parent: QWidget,
    title: str,
    mode: QFileDialog.FileMode,
    chosen: Callable[[list[Path]], object],
    filters: Sequence[str] = (),
) -> QFileDialog:
    """Ask for files or for a folder that exist, as `mode` says; the dialog, which is open.

    `chosen` gets at least one path. `filters` are those of Qt, such as `Models (*.gguf)`; none for a folder.
    """
    dialog = QFileDialog(parent, title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(mode)
    if filters:
        dialog.setNameFilters(filters)
    dialog.filesSelected.connect(lambda names: chosen([Path(name) for name in names]))
    dialog.open()
    return dialog


def ask_where_to_save(
    parent: QWidget, title: str, forms: Sequence[str], chosen: Callable[[Path], object], *, name: str = ""
) -> None:
    """Ask where to save something. `forms` are filters with one ending each, such as `Table (*.csv)`; `name`
    is proposed.

    A name that is typed without an ending gets that of the chosen form.
    """
    dialog = QFileDialog(parent, title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(forms)
    if name:
        dialog.selectFile(name)

    def end_with(form: str) -> None:
        dialog.setDefaultSuffix(form.rpartition("*")[2].rstrip(")"))

    end_with(forms[0])
    dialog.filterSelected.connect(end_with)
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.open()
