"""The window, with the list of its pages, which are built when they are first opened. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.presenters.notices import Page
from tray_app.ui.style import ICON, LARGE, MEDIUM, RADIUS, SMALL, TIGHT, Variant, colors, set_variant
from tray_app.ui.symbols import set_symbol, symbol_icon
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import StatefulPage, bring_into_view
from tray_app.ui.widgets.cards import MessageCard

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex
    from PySide6.QtGui import QResizeEvent
    from PySide6.QtWidgets import QStyleOptionViewItem

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

USUAL_SIZE = (1120, 680)
"""Pixels: wide enough for a row of models in every language, beside the scroll bar."""
_NARROW_LETTERS = 100
"""With less width than for so many letters, or than the page needs, the list of pages shows symbols only."""
_SYMBOLS = {
    Page.HOME: "house",
    Page.MODELS: "boxes",
    Page.CHAT: "messages-square",
    Page.EMBEDDINGS: "chart-scatter",
    Page.ENGINES: "cpu",
    Page.LOGS: "scroll-text",
}


class Window(QWidget):
    """Pages, and above them a message that concerns all of them."""

    settings_wanted = Signal(str)
    """Show the settings, at the one of this name; at the beginning for an empty name."""
    model_settings_wanted = Signal(str)
    """Show the settings of the model with this id."""

    _source_offered = Signal(str)
    _question_wanted = Signal()
    _discover_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._pages: dict[Page, QWidget] = {}
        self.setWindowTitle(tr("PowerInfer Tray"))
        self.message = MessageCard()
        self.page_list = self._make_list()
        self._stack = QStackedWidget()
        self._side = QWidget()
        self.settings_button = QPushButton()
        self.settings_button.setObjectName("settings")  # for the style sheet
        self.settings_button.setAccessibleName(tr("Settings"))
        set_variant(self.settings_button, Variant.QUIET)
        set_symbol(self.settings_button, "settings")
        self.settings_button.clicked.connect(self._want_settings)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Preferences), self, self._want_settings)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Close), self, self.close)
        self._lay_out()
        self._draw_symbols()
        self._show_titles(wide=True)
        self.resize(*USUAL_SIZE)

    def open(self, page: Page | None = None) -> None:
        """Show the window in front, with this page, or else the page that was shown last."""
        if page is None and not self._pages:
            page = Page.HOME
        if page is not None:
            self.page_list.setCurrentRow(list(Page).index(page))
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        bring_into_view(self)
        self.show()
        self.raise_()
        self.activateWindow()

    def take_over(self, old: Window) -> None:
        """Take the place of `old`: the same page, what a person typed, the place on the screen."""
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
        """Open the page Models, with this address or path filled in."""
        self.open(Page.MODELS)
        self._source_offered.emit(source)

    def open_question(self) -> None:
        """Open Home, with the keyboard at the question about an app or a web page."""
        self.open(Page.HOME)
        self._question_wanted.emit()

    def show_error(self, error: AppError) -> None:
        """Open Home with the error of something that was asked for outside the window."""
        self.open(Page.HOME)
        if error is not self._bridge.status.problem:  # else the page says it already
            self._show_closable(error)

    def show_message(self, title: str, text: str) -> None:
        """Show a message that is not an error above the pages."""
        self.message.show_message(title, text)
        self.message.offer_to_close()

    def question(self) -> QDialog | None:
        """The dialog in front of it that waits for an answer, if there is one."""
        return next((each for each in self.findChildren(QDialog) if each.isVisible()), None)

    def built(self) -> tuple[Page, ...]:
        """The pages that have been opened so far."""
        return tuple(self._pages)

    def current(self) -> Page:
        """The page on top."""
        return list(Page)[self.page_list.currentRow()]

    def page(self, page: Page) -> QWidget:
        """A page, built now if it has not been opened yet."""
        if page not in self._pages:
            made = self._pages[page] = self._build(page)
            made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)  # see `_turn_to`
            self._stack.addWidget(made)
        return self._pages[page]

    def _show_closable(self, error: AppError) -> None:
        self.message.show_error(error)
        self.message.offer_to_close()

    def _build(self, page: Page) -> QWidget:
        """Build a page. Imported here, so that the icon does not wait for pages that are not opened yet."""
        match page:
            case Page.HOME:
                from tray_app.ui.pages.home import HomePage

                home = HomePage(self._bridge)
                home.settings_wanted.connect(self.settings_wanted)
                home.navigate.connect(self.open)
                home.discover_wanted.connect(self._discover)
                self._question_wanted.connect(home.origin.setFocus)
                return home
            case Page.MODELS:
                from tray_app.ui.pages.models import ModelsPage

                models = ModelsPage(self._bridge)
                models.navigate.connect(self.open)
                models.settings_wanted.connect(self.model_settings_wanted)
                self._source_offered.connect(models.take_source)
                self._discover_wanted.connect(lambda: models.setCurrentWidget(models.discover))
                return models
            case Page.CHAT:
                from tray_app.ui.pages.chat import ChatPage

                chat = ChatPage(self._bridge)
                chat.discover_wanted.connect(self._discover)
                return chat
            case Page.EMBEDDINGS:
                from tray_app.ui.pages.embeddings import EmbeddingsPage

                embeddings = EmbeddingsPage(self._bridge)
                embeddings.navigate.connect(self.open)
                return embeddings
            case Page.ENGINES:
                from tray_app.ui.pages.engines import EnginesPage

                return EnginesPage(self._bridge)
            case Page.LOGS:
                from tray_app.ui.pages.logs import LogsPage

                return LogsPage(self._bridge)

    def _discover(self) -> None:
        self.open(Page.MODELS)
        self._discover_wanted.emit()

    def _want_settings(self) -> None:
        self.settings_wanted.emit("")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show only symbols in the list of pages of a narrow window."""
        super().resizeEvent(event)
        self._fit_list()

    def event(self, event: QEvent) -> bool:
        """Follow what the page needs."""
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit_list()
        return done

    def changeEvent(self, event: QEvent) -> None:
        """Draw the symbols anew when light becomes dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw_symbols()

    def _make_list(self) -> QListWidget:
        pages = QListWidget()
        pages.setObjectName("pages")  # for the style sheet
        pages.setAccessibleName(tr("Pages"))
        pages.setFrameShape(QFrame.Shape.NoFrame)
        pages.setIconSize(QSize(ICON, ICON))
        pages.setItemDelegate(_PageDelegate(pages))
        pages.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for page in Page:
            item = QListWidgetItem(pages)
            item.setSizeHint(QSize(0, pages.fontMetrics().height() + MEDIUM + TIGHT))
            item.setData(Qt.ItemDataRole.AccessibleTextRole, _title(page))
        # On the ground of the window, not on white.
        pages.viewport().setAutoFillBackground(False)
        pages.currentRowChanged.connect(lambda row: self._turn_to(self.page(list(Page)[row])))
        return pages

    def _turn_to(self, page: QWidget) -> None:
        """Show a page. Only this one says how much room is needed, and not those behind it."""
        for each in self._pages.values():
            policy = QSizePolicy.Policy.Expanding if each is page else QSizePolicy.Policy.Ignored
            each.setSizePolicy(policy, policy)
        self._stack.setCurrentWidget(page)

    def _fit_list(self) -> None:
        """Show titles where there is room; where there is none, symbols make room for the page."""
        least = self._whole.totalMinimumSize()
        page = least.width() - self._side.minimumWidth()
        narrow, wide = (self._width_of_list(wide=wide) for wide in (False, True))
        before = self.minimumWidth()
        self.setMinimumSize(page + narrow, least.height())
        if self.minimumWidth() < before >= self.width():
            bring_into_view(self)  # it was as wide as it had to be, perhaps wider than the screen
        letters = _NARROW_LETTERS * self.fontMetrics().averageCharWidth()
        self._show_titles(wide=self.width() >= max(letters, page + wide))

    def _width_of_list(self, *, wide: bool) -> int:
        metrics = self.page_list.fontMetrics()
        letters = max(metrics.horizontalAdvance(_title(page)) for page in Page) if wide else 0
        return ICON + letters + (4 if wide else 2) * LARGE

    def _show_titles(self, *, wide: bool) -> None:
        """The titles of the pages beside their symbols, or else as their tooltips."""
        for row, page in enumerate(Page):
            item = self.page_list.item(row)
            item.setText(_title(page) if wide else "")
            item.setToolTip("" if wide else _title(page))
        self.settings_button.setText(tr("Settin&gs…") if wide else "")
        self._side.setFixedWidth(self._width_of_list(wide=wide))

    def _draw_symbols(self) -> None:
        for row, page in enumerate(Page):
            self.page_list.item(row).setIcon(symbol_icon(_SYMBOLS[page], self.palette()))

    def _lay_out(self) -> None:
        left = QVBoxLayout(self._side)
        left.setContentsMargins(0, 0, 0, 0)
        left.addWidget(self.page_list, 1)
        left.addWidget(self.settings_button)
        right = QVBoxLayout()
        right.setContentsMargins(SMALL, 0, 0, 0)
        right.addWidget(self.message)
        right.addWidget(self._stack, 1)
        self._whole = QHBoxLayout(self)
        self._whole.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)  # see `_fit_list`
        self._whole.setContentsMargins(SMALL, SMALL, SMALL, SMALL)
        self._whole.setSpacing(0)
        self._whole.addWidget(self._side)
        self._whole.addLayout(right, 1)


class _PageDelegate(QStyledItemDelegate):
    """Draws a ring around the page that has the keyboard; Qt's own ring excludes the symbol."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw an entry."""
        super().paint(painter, option, index)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(colors(option.palette).accent)
            painter.drawRoundedRect(QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
            painter.restore()


def _title(page: Page) -> str:
    match page:
        case Page.HOME:
            return tr("Home")
        case Page.MODELS:
            return tr("Models")
        case Page.CHAT:
            return tr("Chat")
        case Page.EMBEDDINGS:
            return tr("Embeddings")
        case Page.ENGINES:
            return tr("Engines")
        case Page.LOGS:
            return tr("Logs")
