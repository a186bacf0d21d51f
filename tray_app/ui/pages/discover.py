"""The tab Discover: the catalogue, a search of Hugging Face, the files of a repository. GUI thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tray_app.download.address import Repository, address_in, is_address, read_address
from tray_app.errors import DownloadError
from tray_app.phrases import presentable
from tray_app.ui.cancellable_job import CancellableJob
from tray_app.ui.model_controller import ModelController
from tray_app.ui.operations import load_model
from tray_app.ui.presenters.models import model_rows
from tray_app.ui.presenters.offers import (
    OfferAction,
    catalog_rows,
    file_rows,
    hub_facts,
    repository_notes,
    repository_rows,
)
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MessageCard, announce, small_label, text_label
from tray_app.ui.widgets.offer_rows import OfferRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QShowEvent

    from tray_app.app.discovery import RepositoryReport
    from tray_app.errors import AppError
    from tray_app.models.hub import SearchPage
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.models_look import ModelsLook
    from tray_app.ui.presenters.offers import OfferRow


class DiscoverPanel(QWidget):
    """The catalogue while the field is empty; else what was found, or the files of one repository of it."""

    def __init__(self, bridge: Bridge, look: ModelsLook) -> None:
        super().__init__()
        self._bridge = bridge
        self._look = look
        self.results: SearchPage | None = None
        """What was found; None while the catalogue is shown."""
        self.report: RepositoryReport | None = None
        """The repository whose files are shown."""
        self.card = MessageCard()
        self.controller = ModelController(bridge, self.card, self)
        self.job = CancellableJob(bridge, self._show, self._fail)
        self._words = ""
        self._again: Callable[[], None] = self.search
        """What was tried last."""
        self.field = QLineEdit(
            placeholderText=tr("Search Hugging Face, or paste an address"), clearButtonEnabled=True
        )
        self.field.setAccessibleName(tr("Search Hugging Face, or paste an address"))
        for button in self.field.findChildren(QToolButton):  # Qt gives it no name
            button.setAccessibleName(tr("Clear"))
        self.search_button = QPushButton(tr("&Search"))
        self.back_button = QPushButton(tr("&Back"))
        self.title = text_label(bold=True)
        self.text = small_label()
        self.rows = OfferRows(tr("Models"), before=self.back_button)
        self.more_button = QPushButton(tr("Show &More"))
        self.others_button = QToolButton(autoRaise=True)
        self.others_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.others_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.others = OfferRows(tr("Models that do not run here"), before=self.others_button)
        self._unfolded = False
        self._lay_out()
        self._connect()
        self._show()

    def fill_in(self, text: str) -> None:
        """Write this into the field."""
        self.field.setText(text)
        self.field.setFocus()

    def search(self) -> None:
        """Look for what stands in the field: words, a repository, or the address of a file."""
        text = self.field.text().strip()
        self.card.clear()
        if not text:
            self._show_catalog()
        elif is_address(text):
            self._take_address(address_in(text))
        else:
            self._search(text)

    def take_over(self, old: DiscoverPanel) -> None:
        """The same words, and what they led to."""
        self.field.blockSignals(True)
        self.field.setText(old.field.text())
        self.field.blockSignals(False)
        self._words, self.results, self.report = old._words, old.results, old.report
        self._unfolded = old._unfolded
        self.controller.take_over(old.controller)
        old.job.abandon()
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Show what has become of downloads meanwhile."""
        super().showEvent(event)
        self._show()

    def _connect(self) -> None:
        self.field.returnPressed.connect(self.search)
        self.field.textChanged.connect(self._follow_text)
        self.search_button.clicked.connect(self.search)
        self.back_button.clicked.connect(self._go_back)
        self.more_button.clicked.connect(self._search_on)
        self.others_button.clicked.connect(self._toggle_others)
        self.rows.wanted.connect(self._act)
        self.others.wanted.connect(self._act)
        self._look.seen.connect(self._show)
        self._bridge.status_changed.connect(self._follow_status)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.field, 1)
        top.addWidget(self.search_button)
        head = QHBoxLayout()
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.text)
        head.addWidget(self.back_button, alignment=Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        content = QWidget()
        content.setAutoFillBackground(False)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        for shown in (self.rows, self.others_button, self.others):
            column.addWidget(shown)
        column.addWidget(self.more_button, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch()
        self._scrolled = QScrollArea(widgetResizable=True)
        self._scrolled.setFrameShape(QFrame.Shape.NoFrame)
        self._scrolled.setWidget(content)
        self._scrolled.viewport().setAutoFillBackground(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        whole.setSpacing(SMALL)
        whole.addLayout(top)
        whole.addWidget(self.card)
        whole.addLayout(head)
        whole.addWidget(self._scrolled, 1)

    def _follow_status(self) -> None:
        if self.isVisible():
            self._show()

    def _follow_text(self, text: str) -> None:
        """An empty field means the catalogue."""
        if not text.strip():
            self.card.clear()
            self._show_catalog()

    def _show_catalog(self) -> None:
        self.job.abandon()
        self.results = self.report = None
        self._show_from_top()

    def _search(self, words: str) -> None:
        self.job.abandon()
        self.results = self.report = None
        self._words = words
        self._again = lambda: self._search(words)
        self.job.start(lambda _: self._bridge.app.discovery.search(words), self._show_results)

    def _search_on(self) -> None:
        """The next ones."""
        results = self.results
        if results is None or self.job.busy:
            return
        self.card.clear()
        self._again = self._search_on
        words, page = self._words, results.next
        self.job.start(
            lambda _: self._bridge.app.discovery.search(words, page=page),
            lambda more: self._add_results(results, more),
        )

    def _show_results(self, results: SearchPage) -> None:
        self.results, self.report = results, None
        self._show_from_top()
        announce(self, self.title.text())

    def _add_results(self, before: SearchPage, more: SearchPage) -> None:
        known = {each.repository for each in before.repositories}
        new = tuple(each for each in more.repositories if each.repository not in known)
        self.results = replace(more, repositories=before.repositories + new)
        self._show()

    def _take_address(self, address: str) -> None:
        try:
            named = read_address(address, self._bridge.app.store.current.hf_endpoint)
        except DownloadError as exc:
            self.card.show_error(exc)
            return
        if isinstance(named, Repository) and not named.tag:
            self._examine(address)
        else:
            self.controller.download(presentable(address), address, self.field.clear)

    def _examine(self, repository: str) -> None:
        """Show the files of a repository."""
        self.job.abandon()
        self._again = lambda: self._examine(repository)
        self.job.start(lambda _: self._bridge.app.discovery.examine(repository), self._show_report)

    def _show_report(self, report: RepositoryReport) -> None:
        self.report = report
        self._show_from_top()
        self.back_button.setFocus()

    def _go_back(self) -> None:
        """From the files to what was found, or to the catalogue."""
        self.job.abandon()
        self.card.clear()
        self.report = None
        self._show_from_top()
        self.field.setFocus()

    def _show_from_top(self) -> None:
        self._show()
        self._scrolled.verticalScrollBar().setValue(0)

    def _show(self) -> None:
        rows = model_rows(self._look.settled, self._bridge.status, {}, tr)
        others: tuple[OfferRow, ...] = ()
        if self.report is not None:
            shown = file_rows(self.report, rows, tr)
        elif self.results is not None:
            shown = repository_rows(self.results.repositories, tr)
        elif self.job.busy:
            shown = ()
        else:
            shown, others = catalog_rows(self._look.settled.facts, rows, tr)
        self._show_head()
        self.rows.show_rows(shown)
        self.more_button.setVisible(
            self.report is None and self.results is not None and bool(self.results.next)
        )
        self.setTabOrder(self.rows.last, self.others_button)
        self.others.show_rows(others)
        self.setTabOrder(self.others.last, self.more_button)
        self.others_button.setVisible(bool(others))
        self._show_others()

    def _show_head(self) -> None:
        self.back_button.setVisible(self.report is not None)
        if self.report is not None:
            title, text = self.report.files.repository.name, self._report_text(self.report)
        elif self.results is not None:
            title = tr("Results for “{words}”").format(words=self._words)
            text = "" if self.results.repositories else tr("Nothing was found. Try fewer words.")
        else:
            title = tr("Tried and described")
            text = tr("Models of the catalogue. Hugging Face has many more: search for a name.")
        if self.job.busy:
            title = tr("Looking it up …")
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))

    def _report_text(self, report: RepositoryReport) -> str:
        known = self.results.repositories if self.results else ()
        name = report.files.repository.name
        facts = next((hub_facts(each, tr) for each in known if each.repository == name), ())
        return "\n".join(filter(None, (" · ".join(facts), *repository_notes(report, tr))))

    def _toggle_others(self) -> None:
        self._unfolded = not self._unfolded
        self._show_others()

    def _show_others(self) -> None:
        shown = self._unfolded and not self.others_button.isHidden()
        self.others_button.setText(
            tr("Hide models that do not run here") if shown else tr("Show models that do not run here")
        )
        self.others_button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.others.setVisible(shown)

    def _fail(self, error: AppError) -> None:
        self.card.show_error(error)
        self.card.offer(tr("Try Again"), self._try_again)

    def _try_again(self) -> None:
        self.card.clear()
        self._again()

    def _act(self, row: OfferRow) -> None:
        self.card.clear()
        match row.action:
            case OfferAction.FILES:
                self._examine(row.key)
            case OfferAction.DOWNLOAD:
                of = [self.report.files.repository.name] if self.report else []
                self.controller.download(" · ".join((*of, row.title)), row.key)
            case OfferAction.USE:
                self.controller.run(lambda: load_model(self._bridge.app, row.model_id))
