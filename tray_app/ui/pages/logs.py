"""The page Logs: the lines of the app and of the engine, as they come. GUI thread.

It asks for new lines while it is visible, and is not told about each: 50,000 lines per second take few calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import (
    QFontDatabase,
    QGuiApplication,
    QKeySequence,
    QPalette,
    QShortcut,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStyledItemDelegate,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.open_outside import open_path
from tray_app.ui.operations import collect_diagnostics
from tray_app.ui.presenters.logs import (
    LogFilter,
    LogSource,
    Severity,
    copied_rows,
    count_text,
    log_rows,
    source_title,
)
from tray_app.ui.presenters.tone import Tone
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.badge import tone_color
from tray_app.ui.widgets.basic import add_shortcut, search_line
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.labels import small_label
from tray_app.ui.widgets.log_table import SEVERITY_ROLE, LogColumn, LogTable

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex, QPersistentModelIndex
    from PySide6.QtGui import QColor, QHideEvent, QShowEvent
    from PySide6.QtWidgets import QStyleOptionViewItem

    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.logs import LogRow

_BUSY_MS = 50
_QUIET_MS = 250
_TYPING_MS = 150
_MOST_AT_ONCE = 4000
"""Lines that are added at once, so that a long log does not delay a click when the page is opened."""
_TONES = {Severity.WARNING: Tone.WARNING, Severity.ERROR: Tone.BAD}
_MOST_CHARACTERS = 2000
"""Characters of a line that can be scrolled to; a longer one is still copied as a whole."""


class LogsPage(QWidget):
    """Both logs in one table."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._taken = {LogSource.APP: 0, LogSource.ENGINE: 0}
        self._scrolling = False
        self.rows = LogTable()
        self.table = self._make_table()
        self.search = search_line(tr("Filter"))
        self.source = self._make_source()
        self.level = self._make_level()
        self.follow = QCheckBox(tr("&Follow new lines"))
        self.follow.setChecked(True)
        self.follow.setToolTip(tr("Keep the newest line in view."))
        self.copy_button = QPushButton(tr("&Copy"))
        self.copy_button.setToolTip(tr("Copies the selected lines, or all lines shown."))
        self.folder_button = QPushButton(tr("Open Fo&lder"))
        self.diagnostics_button = QPushButton(tr("Copy &Diagnostics"))
        self.diagnostics_button.setToolTip(
            tr("Versions, hardware, command line and recent log lines, without secrets or your home folder.")
        )
        for button, symbol in (
            (self.copy_button, "copy"),
            (self.folder_button, "folder-open"),
            (self.diagnostics_button, "file-text"),
        ):
            set_variant(button, Variant.QUIET)
            set_symbol(button, symbol)
        self.count = small_label()
        self.count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.empty = EmptyState("scroll-text", "", "")
        self.card = MessageCard()
        self._lay_out()
        self._show_count()
        self._typing = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self.clock = QTimer(self, interval=_BUSY_MS)
        self._connect()

    def take(self) -> None:
        """Add the lines that have come since the last time."""
        new = self._new_rows()
        self.clock.setInterval(_BUSY_MS if new else _QUIET_MS)
        if not new:
            return
        bar = self.table.verticalScrollBar()
        before = bar.value()
        self._scrolling = True
        removed = self.rows.append(new)
        self._widen(new)
        if self.follow.isChecked():
            self.table.scrollToBottom()
        elif removed:
            bar.setValue(before - removed)  # the lines in view stay in view
        self._scrolling = False
        self._show_count()

    def copy(self) -> None:
        """Copy the selected lines, or all that are shown."""
        chosen = sorted(index.row() for index in self.table.selectionModel().selectedRows())
        shown = self.rows.shown
        QGuiApplication.clipboard().setText(copied_rows([shown[row] for row in chosen] or shown))

    def take_over(self, old: LogsPage) -> None:
        """Use the same filter; the lines are read again."""
        self.search.setText(old.search.text())
        self.source.setCurrentIndex(old.source.currentIndex())
        self.level.setCurrentIndex(old.level.currentIndex())
        self.follow.setChecked(old.follow.isChecked())

    def showEvent(self, event: QShowEvent) -> None:
        """Keep up with the logs while the page is visible."""
        super().showEvent(event)
        self.take()
        self.clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop while nobody can see it."""
        super().hideEvent(event)
        self.clock.stop()

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self.rows)
        table.setAccessibleName(tr("Log lines"))
        table.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setTabKeyNavigation(False)
        table.setShowGrid(False)
        table.setItemDelegate(_LineDelegate(table))
        table.setWordWrap(False)
        rows = table.verticalHeader()
        rows.hide()
        # All lines are equally high, so that none has to be measured.
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(table.fontMetrics().lineSpacing() + TIGHT)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, example in ((LogColumn.TIME, "00:00:00.000"), (LogColumn.SOURCE, tr("Engine"))):
            table.setColumnWidth(column, self._width(table, example))
        table.setColumnWidth(LogColumn.LEVEL, self._width(table, tr("Warning")))
        header.setStretchLastSection(True)
        return table

    def _make_source(self) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(tr("From"))
        box.addItem(tr("App and engine"), None)
        for source in LogSource:
            box.addItem(source_title(source, tr), source)
        return box

    def _make_level(self) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(tr("Level"))
        box.addItem(tr("All levels"), Severity.NORMAL)
        box.addItem(tr("Warnings and errors"), Severity.WARNING)
        box.addItem(tr("Errors"), Severity.ERROR)
        return box

    def _lay_out(self) -> None:
        filters = QHBoxLayout()
        filters.addWidget(self.search, 1)
        filters.addWidget(self.source)
        filters.addWidget(self.level)
        filters.addWidget(self.follow)
        actions = QHBoxLayout()
        for button in (self.copy_button, self.folder_button, self.diagnostics_button):
            actions.addWidget(button)
        actions.addWidget(self.count, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, MEDIUM)
        column.setSpacing(SMALL)
        column.addLayout(filters)
        column.addWidget(self.card)
        column.addWidget(self.table, 1)
        column.addWidget(self.empty, 1)
        column.addLayout(actions)

    def _connect(self) -> None:
        self.clock.timeout.connect(self.take)
        self._typing.timeout.connect(self._filter)
        self.search.textChanged.connect(self._type)
        self.source.currentIndexChanged.connect(self._filter)
        self.level.currentIndexChanged.connect(self._filter)
        self.table.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.follow.toggled.connect(lambda on: self.table.scrollToBottom() if on else None)
        self.copy_button.clicked.connect(self.copy)
        self.folder_button.clicked.connect(self._open_folder)
        self.diagnostics_button.clicked.connect(self._copy_diagnostics)
        QShortcut(
            QKeySequence(QKeySequence.StandardKey.Copy),
            self.table,
            self.copy,
            context=Qt.ShortcutContext.WidgetShortcut,
        )
        add_shortcut(self, QKeySequence.StandardKey.Find, self.search.setFocus)

    def _new_rows(self) -> list[LogRow]:
        app, engine = self._bridge.app.app_lines, self._bridge.app.engine_lines
        new = []
        for source, lines in ((LogSource.APP, app), (LogSource.ENGINE, engine)):
            batch = lines.after(self._taken[source], _MOST_AT_ONCE)
            self._taken[source] = batch.end
            new.append(batch.lines)
        return log_rows(*new)

    def _widen(self, new: list[LogRow]) -> None:
        """Make the last column as wide as the longest line, so that it can be scrolled."""
        longest = max((row.text for row in new), key=len)[:_MOST_CHARACTERS]
        wanted = self._width(self.table, longest)
        if wanted > self.table.columnWidth(LogColumn.TEXT):
            self.table.horizontalHeader().setStretchLastSection(False)
            self.table.setColumnWidth(LogColumn.TEXT, wanted)

    def _width(self, table: QTableView, text: str) -> int:
        return table.fontMetrics().horizontalAdvance(text) + LARGE

    def _type(self) -> None:
        self._typing.start()  # anew with each letter

    def _filter(self) -> None:
        self._scrolling = True
        origin = self.source.currentData()  # Qt gives the bare text back
        source = None if origin is None else LogSource(origin)
        self.rows.set_filter(LogFilter(self.search.text().strip(), self.level.currentData(), source))
        if self.follow.isChecked():
            self.table.scrollToBottom()
        self._scrolling = False
        self._show_count()

    def _scrolled(self, value: int) -> None:
        """Follow new lines if a person scrolls to the end, and stop if they scroll up."""
        if not self._scrolling:
            self.follow.setChecked(value == self.table.verticalScrollBar().maximum())

    def _show_count(self) -> None:
        shown, known = len(self.rows.shown), self.rows.known_count
        self.count.setText(count_text(shown, known, tr))
        self.table.setVisible(bool(shown))
        self.empty.setVisible(not shown)
        if known:
            self.empty.show_words(
                tr("Nothing matches the filter"), tr("Choose other words, another source or another level.")
            )
        else:
            self.empty.show_words(tr("Nothing yet"), tr("What the app and the engines say appears here."))

    def _open_folder(self) -> None:
        open_path(self, self._bridge.app.paths.logs)

    def _copy_diagnostics(self) -> None:
        self._bridge.run(
            lambda: collect_diagnostics(self._bridge.app), self._copied_diagnostics, self.card.show_error
        )

    def _copied_diagnostics(self, report: str) -> None:
        QGuiApplication.clipboard().setText(report)
        self.card.show_message(
            tr("Diagnostics copied"),
            tr("Paste them into your report. Secrets and the name of your home folder have been removed."),
        )
        self.card.offer_to_close()


class _LineDelegate(QStyledItemDelegate):
    """Draws time and source in a fainter color, and warnings and errors in theirs."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._colors: dict[tuple[Tone, int], QColor] = {}

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Set the color of a cell's words."""
        super().initStyleOption(option, index)
        tone = _TONES.get(index.data(SEVERITY_ROLE))
        if tone is None and index.column() != LogColumn.TEXT:
            tone = Tone.NEUTRAL
        if tone is not None:
            option.palette.setColor(QPalette.ColorRole.Text, self._color(tone, option.palette))

    def _color(self, tone: Tone, palette: QPalette) -> QColor:
        """The color of a tone, cached, since a long log is drawn sixty times per second."""
        key = (tone, palette.color(QPalette.ColorRole.WindowText).rgba())
        if key not in self._colors:
            self._colors[key] = tone_color(tone, palette)
        return self._colors[key]
