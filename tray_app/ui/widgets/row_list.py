"""A list of any length whose rows have two lines, a button and a menu. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QScrollArea, QSizePolicy

from tray_app.ui.widgets.labels import plain_tooltip
from tray_app.ui.widgets.row_delegate import RowDelegate, RowPart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent

    from tray_app.ui.presenters.list_row import ListRow

Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()


class RowModel(QAbstractListModel):
    """Items with keys, and their rows, which are made when they come into view."""

    def __init__(self, key_of: Callable[[Any], str], present: Callable[[Any], ListRow]) -> None:
        super().__init__()
        self._key_of = key_of
        self._present = present
        self.items: Sequence[Any] = ()
        self.keys: list[str] = []
        self._rows: list[ListRow | None] = []

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.items)

    def show_items(self, items: Sequence[Any]) -> bool:
        """Show these items. True if their keys or order have changed; then nothing is selected."""
        keys = [self._key_of(item) for item in items]
        if keys != self.keys:
            self.beginResetModel()
            self.items, self.keys, self._rows = items, keys, [None] * len(items)
            self.endResetModel()
            return True
        before, self.items = self.items, items
        for number, (old, new) in enumerate(zip(before, items, strict=True)):
            if old is not new and old != new:
                self._rows[number] = None
                self.dataChanged.emit(self.index(number), self.index(number))
        return False

    def item(self, key: str) -> Any:
        """The item with this key, or None."""
        return self.items[self.keys.index(key)] if key in self.keys else None

    def renew(self) -> None:
        """Make all rows again."""
        self._rows = [None] * len(self.items)
        self.dataChanged.emit(self.index(0), self.index(len(self.items) - 1))

    def at(self, number: int) -> ListRow:
        """The content of a row."""
        row = self._rows[number]
        if row is None:
            row = self._rows[number] = self._present(self.items[number])
        return row

    def rowCount(self, parent: Index = _TOP) -> int:
        """The number of rows, for Qt."""
        return 0 if parent.isValid() else len(self.items)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What Qt needs of a row: its name, the words for screen readers with what Enter does, tooltip and
        tick.
        """
        row = self.at(index.row())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.name or row.title
            case Qt.ItemDataRole.AccessibleTextRole:
                return row.spoken
            case Qt.ItemDataRole.AccessibleDescriptionRole:
                return row.action
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tooltip(row.tip)
            case Qt.ItemDataRole.CheckStateRole if row.checked is not None:
                return Qt.CheckState.Checked if row.checked else Qt.CheckState.Unchecked
        return None


class RowList(QListView):
    """Enter presses the button of the current row, the menu key opens its menu, Space ticks it.

    With `notes`, all rows have room for a sentence if one of them has one. The list is at most as high as its
    rows; without `scrolls` it is always as high, and the page around it scrolls.
    """

    acted = Signal(str)
    """The button of the row with this key was pressed."""
    menu_wanted = Signal(str, QPoint)
    """The menu of a row, at this point of the screen."""
    ticked = Signal(str)
    """The key of a row whose tick is to be changed."""
    current_changed = Signal()

    def __init__(
        self,
        name: str,
        rows: RowModel,
        *,
        notes: bool = False,
        scrolls: bool = True,
    ) -> None:
        super().__init__()
        self.rows = rows
        self._pressed: tuple[int, RowPart] | None = None
        self._scrolls = scrolls
        self._notes = notes
        self._delegate = RowDelegate(self, rows.at)
        self.setModel(rows)
        self.setAccessibleName(name)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setItemDelegate(self._delegate)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        if not scrolls:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalScrollBar().setSingleStep(self._delegate.height // 2)

    def show_items(self, items: Sequence[Any]) -> bool:
        """Show these items; the current row stays the current one. The result is that of the model."""
        current, place = self.current_key(), self.verticalScrollBar().value()
        anew = self.rows.show_items(items)
        if self._notes:
            self._delegate.notes = any(self.rows.at(number).note for number in range(len(self.rows)))
        if anew:
            self._delegate.hot = -1, RowPart.REST
            self.updateGeometry()
            self.choose(current)
            self.verticalScrollBar().setValue(place)
        return anew

    def current_key(self) -> str:
        """The key of the current row; empty without one."""
        number = self.currentIndex().row()
        return self.rows.keys[number] if 0 <= number < len(self.rows) else ""

    def current_item(self) -> Any:
        """The item of the current row, or None."""
        number = self.currentIndex().row()
        return self.rows.items[number] if 0 <= number < len(self.rows) else None

    def choose(self, key: str) -> bool:
        """Make a row the current one; False if there is none with this key."""
        if not key or key not in self.rows.keys:
            return False
        self.setCurrentIndex(self.rows.index(self.rows.keys.index(key)))
        return True

    def press(self, key: str) -> None:
        """Act as a click on the button of a row, or on a row that opens."""
        if key in self.rows.keys:
            row = self.rows.at(self.rows.keys.index(key))
            if row.action or row.opens:
                self.acted.emit(key)

    def sizeHint(self) -> QSize:
        """The height of all rows."""
        hint = super().sizeHint()
        return QSize(hint.width(), len(self.rows) * self._delegate.height + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:
        """A few rows, or all if the page around it scrolls."""
        hint, least = super().minimumSizeHint(), self.sizeHint().height()
        return QSize(hint.width(), min(hint.height(), least) if self._scrolls else least)

    def currentChanged(self, current: Index, previous: Index) -> None:
        """Scroll the page to the row, if the list itself does not scroll."""
        super().currentChanged(current, previous)
        if not self._scrolls and self.hasFocus():
            self._reveal(current)
        self.current_changed.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Make a row the current one when the Tab key brings the focus."""
        super().focusInEvent(event)
        by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        if by_key and len(self.rows) and not self.currentIndex().isValid():
            self.setCurrentIndex(self.rows.index(0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Press the button on Enter, tick on Space."""
        key = self.current_key()
        if key and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
            self.press(key)
        elif key and event.key() == Qt.Key.Key_Space and self._ticks(key):
            self.ticked.emit(key)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of the row below the mouse, or of the current one."""
        if event.reason() is QContextMenuEvent.Reason.Mouse:
            index, point = self.indexAt(event.pos()), event.globalPos()
        else:
            index = self.currentIndex()
            point = self._menu_point(index)
        if index.isValid():
            self.setCurrentIndex(index)
            self.menu_wanted.emit(self.rows.keys[index.row()], point)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Highlight what a click would press."""
        super().mouseMoveEvent(event)
        self._warm(event.position().toPoint())

    def leaveEvent(self, event: QEvent) -> None:
        """Highlight nothing."""
        super().leaveEvent(event)
        self._warm(QPoint(-1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember what is pressed. Qt does not report the second press of a double click here."""
        super().mousePressEvent(event)
        if event.button() is Qt.MouseButton.LeftButton:
            self._pressed = self._below(event.position().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Press what is below the mouse, if it was when the button went down."""
        super().mouseReleaseEvent(event)
        below, pressed = self._below(event.position().toPoint()), self._pressed
        self._pressed = None
        if below != pressed or below[0] < 0:
            return
        index = self.rows.index(below[0])
        key = self.rows.keys[below[0]]
        match below[1]:
            case RowPart.ACTION:
                self.press(key)
            case RowPart.MORE:
                self.menu_wanted.emit(key, self._menu_point(index))
            case RowPart.REST if self._ticks(key):
                self.ticked.emit(key)
            case RowPart.REST if self.rows.at(below[0]).opens:
                self.press(key)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's font and its change between light and dark."""
        super().changeEvent(event)
        delegate = getattr(self, "_delegate", None)
        if delegate and event.type() in (QEvent.Type.FontChange, QEvent.Type.PaletteChange):
            delegate.renew()
            self.scheduleDelayedItemsLayout()
            self.updateGeometry()

    def _ticks(self, key: str) -> bool:
        return self.rows.at(self.rows.keys.index(key)).checked is not None

    def _below(self, point: QPoint) -> tuple[int, RowPart]:
        """The number of the row at a point, -1 for none, and the part of it."""
        index = self.indexAt(point)
        return index.row(), self._part(index, point)

    def _part(self, index: QModelIndex, point: QPoint) -> RowPart:
        if not index.isValid():
            return RowPart.REST
        return self._delegate.part_at(self.visualRect(index), self.rows.at(index.row()), point)

    def _menu_point(self, index: QModelIndex) -> QPoint:
        if not index.isValid():
            return self.mapToGlobal(QPoint())
        point = self._delegate.menu_point(self.visualRect(index), self.rows.at(index.row()))
        return self.viewport().mapToGlobal(point)

    def _warm(self, point: QPoint) -> None:
        hot, before = self._below(point), self._delegate.hot
        if hot != before:
            self._delegate.hot = hot
            for number in {before[0], hot[0]}:
                if 0 <= number < len(self.rows):
                    self.update(self.rows.index(number))

    def _reveal(self, index: Index) -> None:
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if isinstance(area, QScrollArea) and (content := area.widget()) and index.isValid():
            place = self.visualRect(index)
            middle = self.viewport().mapTo(content, place.center())
            area.ensureVisible(middle.x(), middle.y(), 0, place.height())
