"""The start of a search in one's own texts: a place to drop files, and buttons. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QPushButton

from tray_app.ui.style import Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.drop_zone import DropZone

if TYPE_CHECKING:
    from tray_app.ui.text_sources import TextSources


class SearchStart(DropZone):
    """The ways to add texts."""

    def __init__(self, sources: TextSources) -> None:
        self.folder_button = QPushButton(tr("Choose &Folder…"))
        self.files_button = QPushButton(tr("Choose F&iles…"))
        self.paste_button = QPushButton(tr("&Paste Text…"))
        self.example_button = QPushButton(tr("Try with an &Example"))
        set_variant(self.folder_button, Variant.PRIMARY)
        set_variant(self.example_button, Variant.QUIET)
        super().__init__(
            "folder-open",
            tr("Drop a folder or files here"),
            tr(
                "Text, Markdown and PDF files can then be searched by their meaning. "
                "Everything stays on this computer."
            ),
            ((self.folder_button, self.files_button, self.paste_button), (self.example_button,)),
        )
        self.folder_button.clicked.connect(sources.choose_folder)
        self.files_button.clicked.connect(sources.choose_files)
        self.paste_button.clicked.connect(sources.paste)
