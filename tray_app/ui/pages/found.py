"""The tab Found on this computer: models of other apps, to be used in place. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.presenters.offers import found_rows, offer_list_row
from tray_app.ui.style import LARGE, MEDIUM
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.labels import text_label
from tray_app.ui.widgets.row_list import RowList, RowModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QShowEvent

    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.model import Model
    from tray_app.ui.bridge import Bridge

_MOST_NAMES = 5


class FoundPanel(QWidget):
    """Looks through the folders of other apps whenever it is shown."""

    adopted = Signal()
    """Models were added to the list of models."""
    discover_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.card = MessageCard()
        self.job = CancellableJob(bridge, self._show, self.card.show_error)
        self.found: tuple[FoundModel, ...] | None = None
        """None until the folders have been read once."""
        self.text = text_label()
        self.all_button = QPushButton(tr("Use &All in Place"))
        self.all_button.clicked.connect(self._adopt_all)
        self.discover_button = QPushButton(tr("&Discover Models"))
        self.discover_button.clicked.connect(self.discover_wanted)
        self.empty = EmptyState(
            "package-search",
            tr("No other app has a model that is not listed already"),
            tr(
                "These were looked through: LM Studio, Ollama, Jan, GPT4All, llama.cpp, Hugging Face's cache."
            ),
            self.discover_button,
        )
        self.rows = RowList(
            tr("Models of other apps"), RowModel(lambda row: row.key, lambda row: offer_list_row(row, tr))
        )
        self.rows.acted.connect(lambda key: self._adopt([key]))
        self._lay_out()
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Look again, as other apps may have changed their models."""
        super().showEvent(event)
        self.look()

    def look(self) -> None:
        """Look through the folders of other apps, unless that is under way."""
        if not self.job.busy:
            self.job.start(lambda _: self._bridge.app.upkeep.found(), self._take)

    def _lay_out(self) -> None:
        self._top = QWidget()
        top = QHBoxLayout(self._top)
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(MEDIUM)
        top.addWidget(self.text, 1)
        top.addWidget(self.all_button, alignment=Qt.AlignmentFlag.AlignTop)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(LARGE, MEDIUM, LARGE, LARGE)
        whole.setSpacing(MEDIUM)
        for widget in (self.card, self._top, self.rows):
            whole.addWidget(widget)
        whole.addWidget(self.empty, 1)
        whole.addStretch()

    def _take(self, found: tuple[FoundModel, ...]) -> None:
        self.found = found
        self._show()

    def _show(self) -> None:
        found = self.found or ()
        looking = not found and (self.job.busy or self.found is None)
        if looking:
            text = tr("Looking through the folders of other apps …")
        else:
            text = tr(
                "These models belong to other apps and are used from where they are: nothing is copied or "
                "changed. When the other app removes one, it is gone from here, too."
            )
        self.text.setText(text)
        self.all_button.setVisible(len(found) > 1)
        self._top.setVisible(looking or bool(found))
        self.rows.setVisible(bool(found))
        self.empty.setVisible(not looking and not found)
        self.rows.show_items(found_rows(found, tr))

    def _adopt_all(self) -> None:
        self._adopt([str(each.path) for each in self.found or ()])

    def _adopt(self, paths: Sequence[str]) -> None:
        self.card.clear()
        self._bridge.run(lambda: self._bridge.app.upkeep.adopt(paths), self._tell, self.card.show_error)

    def _tell(self, models: tuple[Model, ...]) -> None:
        title = tr.count("{count} model added", "{count} models added", len(models))
        names = [tr.said(each.name) for each in models[:_MOST_NAMES]]
        more = ["…"] if len(models) > _MOST_NAMES else []
        self.card.show_message(title, ", ".join((*names, *more)))
        self.card.offer_to_close()
        self.adopted.emit()
        self.look()
