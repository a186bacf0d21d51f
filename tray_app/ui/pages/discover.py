"""The tab Discover: the catalog, a search of Hugging Face, the files of a repository. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tray_app.download.address import Repository, address_in, is_address, read_address
from tray_app.errors import DownloadError
from tray_app.models.header import Purpose
from tray_app.models.hub import Sort
from tray_app.phrases import presentable
from tray_app.ui.hub_search import HubSearch
from tray_app.ui.model_controller import ModelController
from tray_app.ui.operations import for_each_download, load_model
from tray_app.ui.presenters.hub import (
    RepositoryView,
    hub_facts,
    repository_notes,
    repository_rows,
    repository_view,
    sort_label,
    too_large_text,
)
from tray_app.ui.presenters.models import model_rows
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.offers import OfferAction, catalog_rows, offer_list_row
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Type, Variant, set_type, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce, scrolled, search_line
from tray_app.ui.widgets.best_file_card import BestFileCard
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.labels import small_label, text_label
from tray_app.ui.widgets.row_list import RowList, RowModel

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from tray_app.app.discovery import RepositoryReport
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.models_look import ModelsLook
    from tray_app.ui.presenters.offers import OfferRow

_PAUSE_MS = 400
"""After a pause of this length, the words in the field are searched for."""
_FEWEST_LETTERS = 2


class DiscoverPanel(QWidget):
    """The catalog while the field is empty; else the results, or the files of one repository."""

    navigate = Signal(object)
    """A `Page` to open."""

    def __init__(self, bridge: Bridge, look: ModelsLook) -> None:
        super().__init__()
        self._bridge = bridge
        self._look = look
        self.card = MessageCard()
        self.controller = ModelController(bridge, self.card, self)
        self.hub = HubSearch(bridge, self)
        self.field = search_line(tr("Search Hugging Face, or paste an address"))
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self.order = QComboBox()
        self.order.setAccessibleName(tr("Order of the results"))
        for sort in Sort:
            self.order.addItem(sort_label(sort, tr), sort)
        self.back_button = QPushButton(tr("&Back"))
        self.title = text_label(bold=True)
        self.text = small_label()
        self.best = BestFileCard()
        self.rows = _rows(tr("Models"))
        self.more_button = QPushButton(tr("Show &More"))
        self.others_button = QToolButton(autoRaise=True)
        self.others_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.others_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.others = _rows(tr("Models that do not run here"))
        self._unfolded = False
        self._lay_out()
        self._connect()
        self._show()

    def fill_in(self, text: str) -> None:
        """Fill in the field."""
        self.field.setText(text)
        self.field.setFocus()

    def search(self) -> None:
        """Search for what is in the field: words, a repository, or the address of a file."""
        self._pause.stop()
        text = self.field.text().strip()
        self.card.clear()
        if not text:
            self.hub.clear()
        elif is_address(text):
            self._take_address(address_in(text))
        else:
            self.hub.search(text)

    def take_over(self, old: DiscoverPanel) -> None:
        """Show the same words and results, or search for them, and why that has failed."""
        self.field.setText(old.field.text())
        self._pause.stop()
        self._unfolded = old._unfolded
        self.controller.take_over(old.controller)
        self.hub.take_over(old.hub)
        self.order.setCurrentIndex(old.order.currentIndex())
        if old._pause.isActive():
            self._pause.start()
        if self.hub.error:
            self._fail(self.hub.error)
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Show the state of downloads, which are not followed while the page is hidden."""
        super().showEvent(event)
        self._show()

    def _connect(self) -> None:
        self.field.returnPressed.connect(self.search)
        self.field.textChanged.connect(self._follow_text)
        self._pause.timeout.connect(self._search_typed)
        self.order.currentIndexChanged.connect(lambda: self.hub.sort_by(Sort(self.order.currentData())))
        self.back_button.clicked.connect(self._go_back)
        self.more_button.clicked.connect(self._search_on)
        self.others_button.clicked.connect(self._toggle_others)
        self.best.acted.connect(lambda: self._act(self.best.row))
        for rows in (self.rows, self.others):
            rows.acted.connect(lambda key, rows=rows: self._act(rows.rows.item(key)))
        self.hub.changed.connect(self._show)
        self.hub.arrived.connect(self._show_from_top)
        self.hub.failed.connect(self._fail)
        self._look.seen.connect(self._show)
        self._bridge.status_changed.connect(self._follow_status)

    def _lay_out(self) -> None:
        set_type(self.title, Type.TITLE)
        set_variant(self.back_button, Variant.QUIET)
        set_symbol(self.back_button, "arrow-left")
        top = QHBoxLayout()
        top.setSpacing(SMALL)
        top.addWidget(self.field, 1)
        top.addWidget(self.order)
        words = QVBoxLayout()
        words.setSpacing(TIGHT)
        words.addWidget(self.title)
        words.addWidget(self.text)
        head = QHBoxLayout()
        head.setSpacing(SMALL)
        head.addWidget(self.back_button, alignment=Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(MEDIUM)
        for shown in (self.best, self.rows, self.others_button, self.others):
            column.addWidget(shown)
        column.addWidget(self.more_button, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch()
        self._scrolled = scrolled(content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(LARGE, MEDIUM, LARGE, LARGE)
        whole.setSpacing(MEDIUM)
        whole.addLayout(top)
        whole.addWidget(self.card)
        whole.addLayout(head)
        whole.addWidget(self._scrolled, 1)

    def _follow_status(self) -> None:
        if self.isVisible():
            self._show()

    def _follow_text(self, text: str) -> None:
        """Show the catalog for an empty field; search for words after a pause, for addresses on Enter."""
        self._pause.stop()
        words = text.strip()
        if not words:
            self.card.clear()
            self.hub.clear()
        elif len(words) >= _FEWEST_LETTERS and not is_address(words):
            self._pause.start()

    def _search_typed(self) -> None:
        """Search for what was typed, unless it was searched for already."""
        if self.field.text().strip() != self.hub.words:
            self.search()

    def _search_on(self) -> None:
        self.card.clear()
        self.hub.more()

    def _take_address(self, address: str) -> None:
        try:
            named = read_address(address, self._bridge.app.store.current.hf_endpoint)
        except DownloadError as exc:
            self.card.show_error(exc)
            return
        if isinstance(named, Repository) and not named.tag:
            self.hub.examine(address)
        else:
            self.controller.download(presentable(address), address, self.field.clear)

    def _go_back(self) -> None:
        """Go back from the files to the results, or to the catalog."""
        self.card.clear()
        self.hub.back()
        self.field.setFocus()

    def _show_from_top(self) -> None:
        """Show what has arrived from its top. At a repository, the keyboard goes to Back."""
        self._show()
        self._scrolled.verticalScrollBar().setValue(0)
        if self.hub.report is not None:
            self.back_button.setFocus()
        elif self.hub.results is not None:
            announce(self, self.title.text())

    def _show(self) -> None:
        rows = model_rows(self._look.settled, self._bridge.status, {}, tr)
        view = RepositoryView(None, None, (), ())
        others: tuple[OfferRow, ...] = ()
        if self.hub.report is not None:
            view = repository_view(self.hub.report, rows, tr)
            shown, others = view.files, view.too_large
        elif self.hub.results is not None:
            shown = repository_rows(self.hub.results.repositories, tr)
        elif self.hub.busy:
            shown = ()
        else:
            shown, others = catalog_rows(self._look.settled.facts, rows, tr)
        self._show_head()
        self.best.show_row(view.best, view.sight)
        for rows_of, items in ((self.rows, shown), (self.others, others)):
            rows_of.show_items(items)
        self.rows.setVisible(bool(shown))
        results = self.hub.results
        self.more_button.setVisible(self.hub.report is None and results is not None and bool(results.next))
        self.others_button.setVisible(bool(others))
        self._show_others()

    def _show_head(self) -> None:
        hub = self.hub
        self.back_button.setVisible(hub.report is not None)
        self.order.setVisible(bool(hub.words) and hub.report is None)
        if hub.report is not None:
            title, text = hub.report.files.repository.name, self._report_text(hub.report)
        elif hub.results is not None:
            title = tr("Results for “{words}”").format(words=hub.words)
            text = "" if hub.results.repositories else tr("Nothing was found. Try fewer words.")
        elif hub.busy:
            title = text = ""
        else:
            title = tr("Tested and described")
            text = tr("Models of the catalog. Hugging Face has many more: search for a name.")
        if hub.busy:
            title = tr("Searching …")
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))

    def _report_text(self, report: RepositoryReport) -> str:
        known = self.hub.results.repositories if self.hub.results else ()
        name = report.files.repository.name
        facts = next((hub_facts(each, tr) for each in known if each.repository == name), ())
        return "\n".join(filter(None, (" · ".join(facts), *repository_notes(report, tr))))

    def _toggle_others(self) -> None:
        self._unfolded = not self._unfolded
        self._show_others()

    def _show_others(self) -> None:
        shown = self._unfolded and not self.others_button.isHidden()
        if self.hub.report is not None:
            text = too_large_text(len(self.others.rows), tr, shown=shown)
        elif shown:
            text = tr("Hide models that do not run here")
        else:
            text = tr("Show models that do not run here")
        self.others_button.setText(text)
        self.others_button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.others.setVisible(shown)

    def _fail(self, error: AppError) -> None:
        self.card.show_error(error)
        self.card.offer(tr("Try Again"), self._try_again)

    def _try_again(self) -> None:
        self.card.clear()
        self.hub.again()

    def _act(self, row: OfferRow | None) -> None:
        if row is None:
            return
        self.card.clear()
        app = self._bridge.app
        match row.action:
            case OfferAction.FILES:
                self.hub.examine(row.key)
            case OfferAction.DOWNLOAD:
                self._download(row)
            case OfferAction.PAUSE:
                self.controller.run(lambda: for_each_download(app.downloads.pause, row.downloads))
            case OfferAction.RESUME:
                self.controller.run(lambda: for_each_download(app.downloads.resume, row.downloads))
            case OfferAction.USE:
                self.controller.run(lambda: load_model(app, row.model_id))
            case OfferAction.OPEN:
                self.navigate.emit(Page.EMBEDDINGS if row.purpose is Purpose.EMBEDDING else Page.CHAT)

    def _download(self, row: OfferRow) -> None:
        """Download at once what is known to fit; else show first what the download means."""
        projector = self.best.projector if row is self.best.row else ""
        if row.verdict is not None and row.size and not row.too_large:
            self.controller.run(lambda: self._bridge.app.download(row.key, projector=projector))
        else:
            of = [self.hub.report.files.repository.name] if self.hub.report else []
            self.controller.download(" · ".join((*of, row.title)), row.key)


def _rows(name: str) -> RowList:
    rows = RowModel(lambda row: row.key, lambda row: offer_list_row(row, tr))
    return RowList(name, rows, notes=True, scrolls=False)
