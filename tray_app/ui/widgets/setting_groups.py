"""The groups of settings, of which one is shown, or the results of a search in all. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.presenters.setting_search import is_found
from tray_app.ui.presenters.settings import GROUPS, SYMBOLS, group_title
from tray_app.ui.style import ICON, LARGE, MEDIUM, SMALL, TIGHT, Type, Variant, set_variant
from tray_app.ui.symbols import set_symbol, symbol_icon
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce, name_clear_button
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.labels import heading

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from PySide6.QtGui import QKeyEvent, QResizeEvent

    from tray_app.ui.widgets.setting_rows import Row

_NARROW_LETTERS = 84
"""With less width than for so many letters, editors are below their titles."""


class SearchField(QLineEdit):
    """The words to search for. Esc clears it first, and then closes the dialog."""

    entered = Signal()
    """Go to the first result."""

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText(tr("Search settings"))
        self.setAccessibleName(tr("Search settings"))
        self.setClearButtonEnabled(True)
        name_clear_button(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the first result on Enter, which must not press OK, and clear the field on Esc."""
        match event.key():
            case Qt.Key.Key_Escape if self.text():
                self.clear()
            case Qt.Key.Key_Return | Qt.Key.Key_Enter | Qt.Key.Key_Down:
                self.entered.emit()
            case _:
                super().keyPressEvent(event)


class RowsCard(Card):
    """A card with rows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: dict[str, Row] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(MEDIUM, TIGHT, SMALL, TIGHT)
        self._column.setSpacing(0)

    def add(self, name: str, row: Row) -> None:
        """Add a row below the others."""
        self.rows[name] = row
        self._column.addWidget(row)

    def show_rows(self, names: Collection[str]) -> bool:
        """Show the rows with these names, with lines between them; whether there are any."""
        first = True
        for name, row in self.rows.items():
            row.setVisible(name in names)
            row.show_line(lined=not first)
            first = first and name not in names
        self.setVisible(not first)
        return not first


class SettingGroup(QWidget):
    """The rows of a group under its title; advanced ones are folded."""

    folded = Signal()
    """The advanced rows were folded or unfolded."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        self.basic, self.advanced = RowsCard(self), RowsCard(self)
        self.fold_button = QPushButton(tr("Advanced"), self, autoDefault=False)
        self.fold_button.setCheckable(True)
        self.fold_button.setAccessibleName(tr("Advanced: {group}").format(group=title))
        self.fold_button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        set_variant(self.fold_button, Variant.QUIET)
        self.fold_button.toggled.connect(self._turn)
        for widget in (heading(title, Type.TITLE), self.basic, self.fold_button, self.advanced):
            column.addWidget(widget)
        self._turn()

    def show_rows(self, names: Collection[str], stay: Collection[str], *, foldable: bool) -> bool:
        """Show the rows with these names, of the folded ones only those in `stay`.

        Whether there is anything to show. Without `foldable`, nothing is folded.
        """
        advanced = self.advanced.rows.keys() & set(names)
        self.fold_button.setVisible(foldable and bool(advanced))
        if foldable and not self.fold_button.isChecked():
            advanced &= set(stay)
        basic = self.basic.show_rows(names)
        return self.advanced.show_rows(advanced) or basic or not self.fold_button.isHidden()

    def _turn(self) -> None:
        set_symbol(self.fold_button, "chevron" if self.fold_button.isChecked() else "chevron-right")
        self.folded.emit()


class SettingGroups(QWidget):
    """The list of groups, and beside it one of them, or the results of a search in all."""

    _revealing = Signal(QWidget)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: dict[str, Row] = {}
        self._names: Collection[str] = ()
        self._needless: Collection[str] = ()
        self._all_of = ""
        self.search = SearchField()
        self.list = QListWidget(self)
        self.clear_button = QPushButton(tr("Clear Search"))
        self._area = QScrollArea(self, widgetResizable=True)
        self._stack = QStackedLayout()
        self.nothing = EmptyState(
            "search",
            tr("No settings found"),
            tr("Try another word, or look through the groups at the left."),
            self.clear_button,
        )
        self.groups = self._lay_out()
        self._set_up_list()
        self.search.textChanged.connect(self._look)
        self.search.entered.connect(self._enter)
        self.clear_button.clicked.connect(self._clear)
        # Queued: the place of a row is known after the layouts are done.
        self._revealing.connect(self._area.ensureWidgetVisible, Qt.ConnectionType.QueuedConnection)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self, self._begin_search)

    def card(self, group: str, *, advanced: bool) -> RowsCard:
        """The card with the rows of a group, or with its advanced rows."""
        return self.groups[group].advanced if advanced else self.groups[group].basic

    def add(self, name: str, row: Row, card: RowsCard) -> None:
        """Add a row, whose parent is this card."""
        self._rows[name] = row
        card.add(name, row)

    @property
    def current(self) -> str:
        """The group that is shown without a search."""
        return GROUPS[max(0, self.list.currentRow())]

    def open(self, group: str) -> None:
        """Show a group."""
        self.search.clear()
        self.list.setCurrentRow(GROUPS.index(group))

    def shown(self) -> tuple[str, ...]:
        """The groups with visible rows."""
        return tuple(group for group, item in zip(GROUPS, self._items(), strict=True) if not item.isHidden())

    def show_only(self, names: Collection[str]) -> None:
        """Show only the rows with these names."""
        self._names = set(names)
        self._all_of = ""
        self.refresh()
        if self.current not in self.shown():
            self.open(self.shown()[0])

    def leave_out(self, needless: Collection[str]) -> None:
        """Show these rows only in the results of a search."""
        self._needless = needless
        self.refresh()

    def point_at(self, name: str) -> None:
        """Go to a row; if it is left out, all rows of its group are shown until another group is opened."""
        group = self._group_of(name)
        self.open(group)
        self._all_of = group if name in self._needless else ""  # until another group is opened
        if name in self.groups[group].advanced.rows:
            self.groups[group].fold_button.setChecked(True)
        self.refresh()
        self._go_to(self._rows[name])

    def mark(self, names: Iterable[str]) -> None:
        """Mark the groups of these rows in the list."""
        marked = {self._group_of(name) for name in names}
        for group, item in zip(GROUPS, self._items(), strict=True):
            title = group_title(group, tr)
            item.setText(f"⚠ {title}" if group in marked else title)

    def take_over(self, old: SettingGroups) -> None:
        """Show the same as another one."""
        for group, made in self.groups.items():
            made.fold_button.setChecked(old.groups[group].fold_button.isChecked())
        self.list.setCurrentRow(old.list.currentRow())
        self.search.setText(old.search.text())

    def refresh(self) -> None:
        """Show the rows that are visible now. A row with a problem and the one with the focus stay."""
        stay = {
            name
            for name, row in self._rows.items()
            if row.is_urgent or (row.isVisible() and row.isAncestorOf(self.focusWidget() or self))
        }
        typed = self.search.text().strip()
        if typed:
            names = {name for name in self._names if is_found(self._rows[name].words, typed)}
        else:
            beside = self._names_in(self._all_of) if self._all_of else set()
            names = set(self._names) - (set(self._needless) - stay - beside)
        anything = False
        for group, item in zip(GROUPS, self._items(), strict=True):
            there = self.groups[group].show_rows(names, stay, foldable=not typed)
            self.groups[group].setVisible(there and (bool(typed) or group == self.current))
            item.setHidden(not there and not typed)
            anything = anything or there
        self._stack.setCurrentIndex(0 if anything else 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put editors below their titles where it is narrow."""
        super().resizeEvent(event)
        letters = _NARROW_LETTERS * self.fontMetrics().averageCharWidth()
        narrow = self._area.viewport().width() < letters
        for row in self._rows.values():
            row.arrange(narrow=narrow)

    def changeEvent(self, event: QEvent) -> None:
        """Draw the symbols again when light becomes dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_stack"):
            self._draw_symbols()

    def _set_up_list(self) -> None:
        self.list.setObjectName("pages")  # for the style sheet: it looks as the window's
        self.list.setAccessibleName(tr("Groups of settings"))
        metrics = self.list.fontMetrics()
        letters = max(metrics.horizontalAdvance(group_title(group, tr)) for group in GROUPS)
        warning = metrics.horizontalAdvance("⚠ ")
        self.list.setFixedWidth(ICON + warning + letters + 2 * LARGE)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.viewport().setAutoFillBackground(False)
        self.list.setIconSize(QSize(ICON, ICON))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for group in GROUPS:
            item = QListWidgetItem(group_title(group, tr))
            item.setSizeHint(QSize(0, metrics.height() + MEDIUM + TIGHT))
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.list.currentRowChanged.connect(self._turn_to)
        self.list.itemClicked.connect(self._clear)
        self._draw_symbols()

    def _draw_symbols(self) -> None:
        for group, item in zip(GROUPS, self._items(), strict=True):
            item.setIcon(symbol_icon(SYMBOLS[group], self.palette()))

    def _lay_out(self) -> dict[str, SettingGroup]:
        """Build from the outside to the inside, as a change of a parent costs time for all children."""
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SMALL)
        row.addWidget(self.list)
        row.addLayout(self._stack, 1)
        self._stack.addWidget(self._area)
        self._stack.addWidget(self.nothing)
        content = QWidget(self._area)
        content.setObjectName("content")  # for the style sheet
        self._area.setWidget(content)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column = QVBoxLayout(content)
        column.setContentsMargins(MEDIUM, 0, MEDIUM, MEDIUM)
        column.setSpacing(LARGE)
        groups = {group: SettingGroup(group_title(group, tr), content) for group in GROUPS}
        for made in groups.values():
            made.folded.connect(self.refresh)
            column.addWidget(made)
        column.addStretch()
        return groups

    def _names_in(self, group: str) -> set[str]:
        made = self.groups[group]
        return {*made.basic.rows, *made.advanced.rows}

    def _group_of(self, name: str) -> str:
        return next(group for group in GROUPS if name in self._names_in(group))

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(number) for number in range(self.list.count())]

    def _turn_to(self) -> None:
        self._all_of = ""
        self._area.verticalScrollBar().setValue(0)
        if self.search.text():
            self.search.clear()
        else:
            self.refresh()

    def _look(self) -> None:
        """Show the results, and let a screen reader say their number."""
        typed = self.search.text().strip()
        if typed:
            self.list.clearSelection()
        else:
            self.list.setCurrentItem(self.list.currentItem())
            self.list.currentItem().setSelected(True)
        self._area.verticalScrollBar().setValue(0)
        self.refresh()
        if typed:
            count = sum(not row.isHidden() for row in self._rows.values())
            announce(self, tr("{count} settings found").format(count=tr.number(count)))

    def _begin_search(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    def _enter(self) -> None:
        """Go to the first result."""
        for row in self._rows.values():
            if row.isVisible():
                self._go_to(row)
                return

    def _clear(self) -> None:
        self.search.clear()

    def _go_to(self, row: Row) -> None:
        """Scroll to a row and give it the focus: its editor, or its help if that is disabled."""
        (row.editor if row.editor.isEnabled() else row.more_button).setFocus()
        self._revealing.emit(row)
