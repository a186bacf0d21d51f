"""The tab Found on this computer: models of other apps, to be used from where they are. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.presenters.offers import found_rows
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MessageCard, text_label
from tray_app.ui.widgets.offer_rows import OfferRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QShowEvent

    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.library import Model
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.offers import OfferRow


class FoundPanel(QWidget):
    """Looks through the folders of other apps whenever it comes up."""

    adopted = Signal()
    """The list of models has another one."""
    discover_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.card = MessageCard()
        self.job = CancellableJob(bridge, self._show, self.card.show_error)
        self.found: tuple[FoundModel, ...] | None = None
        """None until the first look has ended."""
        self.text = text_label()
        self.all_button = QPushButton(tr("Use &All in Place"))
        self.all_button.clicked.connect(self._adopt_all)
        self.discover_button = QPushButton(tr("&Discover Models"))
        self.discover_button.clicked.connect(self.discover_wanted)
        self.rows = OfferRows(tr("Models of other apps"), before=self.all_button)
        self.rows.wanted.connect(self._act)
        self._lay_out()
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Look again: other apps come and go."""
        super().showEvent(event)
        self.look()

    def look(self) -> None:
        """Look through the folders of other apps, unless that is being done."""
        if not self.job.busy:
            self.job.start(lambda _: self._bridge.app.upkeep.found(), self._take)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.text, 1)
        top.addWidget(self.all_button, alignment=Qt.AlignmentFlag.AlignTop)
        content = QWidget()
        content.setAutoFillBackground(False)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.rows)
        column.addStretch()
        scrolled = QScrollArea(widgetResizable=True)
        scrolled.setFrameShape(QFrame.Shape.NoFrame)
        scrolled.setWidget(content)
        scrolled.viewport().setAutoFillBackground(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        whole.setSpacing(SMALL)
        whole.addWidget(self.card)
        whole.addLayout(top)
        whole.addWidget(self.discover_button, alignment=Qt.AlignmentFlag.AlignLeft)
        whole.addWidget(scrolled, 1)

    def _take(self, found: tuple[FoundModel, ...]) -> None:
        self.found = found
        self._show()

    def _show(self) -> None:
        found = self.found or ()
        if found:
            text = tr(
                "These models belong to other apps. They are used from where they are: nothing is copied or "
                "changed, and when the other app removes one, it is gone from here, too."
            )
        elif self.job.busy or self.found is None:
            text = tr("Looking through the folders of other apps …")
        else:
            text = tr(
                "LM Studio, Ollama, Jan, GPT4All, llama.cpp and the cache of Hugging Face have no model on "
                "this computer that is not in the list already."
            )
        self.text.setText(text)
        self.all_button.setVisible(len(found) > 1)
        self.discover_button.setVisible(not found and not self.job.busy)
        self.rows.show_rows(found_rows(found, tr))

    def _adopt_all(self) -> None:
        self._adopt([str(each.path) for each in self.found or ()])

    def _act(self, row: OfferRow) -> None:
        self._adopt([row.key])

    def _adopt(self, paths: Sequence[str]) -> None:
        self.card.clear()
        self._bridge.run(lambda: self._bridge.app.upkeep.adopt(paths), self._tell, self.card.show_error)

    def _tell(self, models: tuple[Model, ...]) -> None:
        names = ", ".join(tr.said(each.name) for each in models)
        self.card.show_message(tr("In the list now: {names}").format(names=names), "")
        self.card.offer(tr("Close"), self.card.clear)
        self.adopted.emit()
        self.look()
