"""The one window: its pages at the left, built when they are first opened. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.presenters.notices import Page
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MARGIN, SPACING, MessageCard, StatefulPage, bring_into_view

if TYPE_CHECKING:
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

USUAL_SIZE = (1120, 680)
"""Wide enough for the table of models in every language, with the bar that scrolls it."""


class Window(QWidget):
    """Pages, and the message that concerns all of them."""

    settings_wanted = Signal(str)
    """The dialog, at the setting of this name; at its beginning for an empty one."""

    _source_offered = Signal(str)
    _question_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._pages: dict[Page, QWidget] = {}
        self.setWindowTitle(tr("PowerInfer Tray"))
        self.message = MessageCard()
        self.page_list = self._make_list()
        self._stack = QStackedWidget()
        self.settings_button = QPushButton(tr("Settin&gs…"))
        self.settings_button.clicked.connect(self._want_settings)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Preferences), self, self._want_settings)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Close), self, self.close)
        self._lay_out()
        self.resize(*USUAL_SIZE)

    def open(self, page: Page | None = None) -> None:
        """Show the window, in front, with that page, or else the page it was left on."""
        if page is None and not self._pages:
            page = Page.STATUS if self._bridge.status.settings.model else Page.MODELS
        if page is not None:
            self.page_list.setCurrentRow(list(Page).index(page))
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        bring_into_view(self)
        self.show()
        self.raise_()
        self.activateWindow()

    def take_over(self, old: Window) -> None:
        """Become what `old` was: the same page, what a person typed, the place on the screen."""
        for page in old.built():
            taken, left = self.page(page), old.page(page)
            if isinstance(taken, StatefulPage):
                taken.take_over(left)
        if old.built():
            self.page_list.setCurrentRow(old.page_list.currentRow())
        if old.message.error is not None:
            self._show_closable(old.message.error)
        self.setGeometry(old.geometry())
        self.setWindowState(old.windowState())
        self.setVisible(old.isVisible())

    def offer_source(self, source: str) -> None:
        """Open on the models, with this address or path filled in."""
        self.open(Page.MODELS)
        self._source_offered.emit(source)

    def open_question(self) -> None:
        """Open on what is asked about an app or a web page, where the keyboard goes on from."""
        self.open(Page.STATUS)
        self._question_wanted.emit()

    def show_error(self, error: AppError) -> None:
        """Open on what went wrong with a wish that was uttered outside the window."""
        self.open(Page.STATUS)
        if error is not self._bridge.status.problem:  # else the page says it already
            self._show_closable(error)

    def show_message(self, title: str, text: str) -> None:
        """Show something that is no error above the pages."""
        self.message.show_message(title, text)
        self.message.offer(tr("Close"), self.message.clear)

    def built(self) -> tuple[Page, ...]:
        """The pages that someone has looked at."""
        return tuple(self._pages)

    def current(self) -> Page:
        """The page on top."""
        return list(Page)[self.page_list.currentRow()]

    def page(self, page: Page) -> QWidget:
        """A page, built now if nobody has looked at it yet."""
        if page not in self._pages:
            self._pages[page] = self._build(page)
            self._stack.addWidget(self._pages[page])
        return self._pages[page]

    def _show_closable(self, error: AppError) -> None:
        self.message.show_error(error)
        self.message.offer(tr("Close"), self.message.clear)

    def _build(self, page: Page) -> QWidget:
        """Imported here, page by page: the icon need not wait for what nobody looks at yet."""
        match page:
            case Page.STATUS:
                from tray_app.ui.pages.status import StatusPage

                status = StatusPage(self._bridge)
                status.settings_wanted.connect(self.settings_wanted)
                self._question_wanted.connect(status.origin.setFocus)
                return status
            case Page.MODELS:
                from tray_app.ui.pages.models import ModelsPage

                models = ModelsPage(self._bridge)
                models.navigate.connect(self.open)
                self._source_offered.connect(models.take_source)
                return models
            case Page.EMBEDDING:
                from tray_app.ui.pages.trial import TrialPage

                return TrialPage(self._bridge)
            case Page.ENGINES:
                from tray_app.ui.pages.engines import EnginesPage

                return EnginesPage(self._bridge)
            case Page.LOGS:
                from tray_app.ui.pages.logs import LogsPage

                return LogsPage(self._bridge)

    def _want_settings(self) -> None:
        self.settings_wanted.emit("")

    def _make_list(self) -> QListWidget:
        pages = QListWidget()
        pages.setAccessibleName(tr("Pages"))
        pages.setFrameShape(QFrame.Shape.NoFrame)
        titles = {
            Page.STATUS: tr("Status"),
            Page.MODELS: tr("Models"),
            Page.EMBEDDING: tr("Test embedding"),
            Page.ENGINES: tr("Engines"),
            Page.LOGS: tr("Logs"),
        }
        for page in Page:
            item = QListWidgetItem(titles[page], pages)
            item.setSizeHint(QSize(0, pages.fontMetrics().height() + MARGIN))
        # Part of the window, not a sheet of paper on it.
        pages.viewport().setAutoFillBackground(False)
        pages.setFixedWidth(max(map(pages.fontMetrics().horizontalAdvance, titles.values())) + 3 * MARGIN)
        pages.currentRowChanged.connect(lambda row: self._stack.setCurrentWidget(self.page(list(Page)[row])))
        return pages

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.addWidget(self.page_list, 1)
        left.addWidget(self.settings_button)
        right = QVBoxLayout()
        right.setContentsMargins(SPACING, 0, 0, 0)
        right.addWidget(self.message)
        right.addWidget(self._stack, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACING, SPACING, SPACING, SPACING)
        row.setSpacing(0)
        row.addLayout(left)
        row.addLayout(right, 1)
