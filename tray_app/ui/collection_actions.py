"""The menus of the collection that is shown. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QInputDialog

from tray_app.ui.dialogs.confirm import ask_to_delete_collection
from tray_app.ui.presenters.search import collection_facts, example_question
from tray_app.ui.presenters.search_snippets import Searched, qdrant_curl, qdrant_python, search_4d
from tray_app.ui.presenters.snippets import key_for
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce
from tray_app.ui.widgets.file_dialogs import ask_where_to_save

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QDialog, QWidget

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.search_controller import SearchController
    from tray_app.ui.text_sources import TextSources
    from tray_app.ui.widgets.collection_bar import CollectionBar


class CollectionActions(QObject):
    """What can be done with a collection, and what is asked first."""

    new_wanted = Signal()

    def __init__(self, bridge: Bridge, controller: SearchController, parent: QWidget) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._controller = controller
        self._window = parent
        self.question = ""
        """The last question, which is also in the programs that are copied."""
        self.dialog: QDialog | None = None
        """The dialog that was opened last."""

    def fill(self, bar: CollectionBar, sources: TextSources) -> None:
        """Give the buttons of the bar their menus."""
        bar.offer(
            bar.add_button,
            (
                (tr("&Folder…"), sources.choose_folder),
                (tr("F&iles…"), sources.choose_files),
                (tr("&Paste Text…"), sources.paste),
                (tr("&New Collection…"), self.new_wanted.emit),
            ),
        )
        bar.offer(
            bar.copy_button,
            (
                (tr("Search in Qdrant with &Python"), lambda: self.copy(qdrant_python)),
                (tr("Search in Qdrant with &curl"), lambda: self.copy(qdrant_curl)),
                (tr("Search in &4D"), lambda: self.copy(search_4d)),
            ),
        )
        bar.offer(
            bar.more_button,
            (
                (tr("&Rename…"), self.rename),
                (tr("&Export…"), self.export),
                (tr("&Delete…"), self.delete),
            ),
        )

    def copy(self, snippet: Callable[[Searched], str]) -> None:
        """Copy a program that searches this collection."""
        current, base_url = self._controller.current, self._bridge.status.server.base_url
        if current is not None and base_url is not None:
            question = self.question or example_question(tr)
            key = key_for(self._bridge.status)
            searched = Searched(base_url, current.model_id, current.name, current.dimensions, question, key)
            QGuiApplication.clipboard().setText(snippet(searched))
            announce(self._window, tr("Copied"))

    def rename(self) -> None:
        """Ask for another name of the collection."""
        if (current := self._controller.current) is None:
            return
        dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(tr("Rename the collection"))
        dialog.setLabelText(tr("Name:"))
        dialog.setTextValue(current.name)
        dialog.textValueSelected.connect(self._controller.rename)
        self.dialog = dialog
        dialog.open()

    def delete(self) -> None:
        """Ask whether to delete the collection."""
        if current := self._controller.current:
            facts = collection_facts(current, tr)
            self.dialog = ask_to_delete_collection(self._window, current.name, facts, self._controller.delete)

    def export(self) -> None:
        """Ask where to save texts and vectors."""
        forms = (tr("JSON Lines (*.jsonl)"), tr("Table (*.csv)"), tr("NumPy (*.npz)"))
        ask_where_to_save(self._window, tr("Export texts and vectors"), forms, self._controller.export)
