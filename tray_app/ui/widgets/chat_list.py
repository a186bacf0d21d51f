"""The saved conversations, newest first, or those that contain the searched words. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QFrame, QListView, QMenu, QStyle, QStyledItemDelegate

from tray_app.ui.presenters.chat import when_text
from tray_app.ui.style import MEDIUM, RADIUS, SMALL, TIGHT, Type, font, look_of
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QStyleOptionViewItem, QWidget

    from tray_app.ui.chat_operations import ChatList

Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()
_SECOND = Qt.ItemDataRole.UserRole
ID = Qt.ItemDataRole.UserRole + 1


class ChatListModel(QAbstractListModel):
    """Titles, and below each the time, or the words that were found."""

    renamed = Signal(str, str)
    """The id of a conversation, and its new title."""

    def __init__(self) -> None:
        super().__init__()
        self._list: ChatList | None = None

    def show_list(self, shown: ChatList) -> None:
        """Show these conversations."""
        self.beginResetModel()
        self._list = shown
        self.endResetModel()

    def ids(self) -> list[str]:
        """The ids from the top."""
        return [each.id for each in self._list.summaries] if self._list else []

    def message_of(self, row: int) -> int | None:
        """The message in which the words were found; None without a search."""
        return self._list.found[row].message if self._list and self._list.found else None

    def rowCount(self, parent: Index = _TOP) -> int:
        """The number of conversations."""
        return 0 if parent.isValid() or self._list is None else len(self._list.summaries)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Titles can be edited in place."""
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The texts of a row."""
        if self._list is None or not index.isValid():
            return None
        summary = self._list.summaries[index.row()]
        found = self._list.found[index.row()].excerpt if self._list.found else ""
        second = found or when_text(summary.updated_at, time.time(), tr)
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.EditRole:
                return summary.title or tr("Untitled")
            case Qt.ItemDataRole.AccessibleTextRole:
                return tr("{name} — {notes}").format(name=summary.title or tr("Untitled"), notes=second)
        return {_SECOND: second, ID: summary.id}.get(role)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell that a person has given a conversation another title."""
        if self._list is None or role != Qt.ItemDataRole.EditRole:
            return False
        summary = self._list.summaries[index.row()]
        if str(value).strip() != summary.title:
            self.renamed.emit(summary.id, str(value).strip())
        return True


class ChatListView(QListView):
    """The list, with a menu for each conversation."""

    opened = Signal(str, object)
    """The id of a conversation, and the message to show or None."""
    export_wanted = Signal(str)
    delete_wanted = Signal(str)

    def __init__(self, model: ChatListModel) -> None:
        super().__init__()
        self._model = model
        self.setModel(model)
        self.setItemDelegate(_Row(self))
        self.setAccessibleName(tr("Conversations"))
        self.setObjectName("chats")  # for the style sheet
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListView.EditTrigger.EditKeyPressed)
        self.viewport().setAutoFillBackground(False)
        self.clicked.connect(self._open)
        self.activated.connect(self._open)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)

    def select(self, conversation_id: str) -> None:
        """Mark a conversation as the one that is shown; none for an id that is not in the list."""
        ids = self._model.ids()
        row = ids.index(conversation_id) if conversation_id in ids else -1
        self.setCurrentIndex(self._model.index(row) if row >= 0 else QModelIndex())

    def menu_for(self, conversation_id: str, parent: QWidget) -> QMenu:
        """What can be done with a conversation."""
        menu = QMenu(parent)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("&Rename"), lambda: self.rename(conversation_id))
        menu.addAction(tr("&Export…"), lambda: self.export_wanted.emit(conversation_id))
        menu.addAction(tr("&Delete…"), lambda: self.delete_wanted.emit(conversation_id))
        return menu

    def rename(self, conversation_id: str) -> None:
        """Let the title of a conversation be edited, in its row."""
        self.select(conversation_id)
        if self.currentIndex().isValid():
            self.setFocus()
            self.edit(self.currentIndex())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens, Delete deletes."""
        chosen = self.currentIndex().data(ID)
        if event.key() == Qt.Key.Key_Delete and chosen:
            self.delete_wanted.emit(chosen)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and chosen:
            self._open(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(index.data(ID), self._model.message_of(index.row()))

    def _open_menu(self, place: QPoint) -> None:
        index = self.indexAt(place)
        if not index.isValid():
            index = self.currentIndex()
            place = self.visualRect(index).center()
        if index.isValid():
            self.menu_for(index.data(ID), self).popup(self.viewport().mapToGlobal(place))


class _Row(QStyledItemDelegate):
    """A title, and a quieter line below it."""

    def sizeHint(self, option: QStyleOptionViewItem, _index: Index) -> QSize:
        """Two lines."""
        widget = option.widget
        line = widget.fontMetrics().lineSpacing()
        return QSize(0, 2 * line + MEDIUM + TIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw both lines."""
        view = option.widget
        look = look_of(view.window())  # the view itself has no ground
        state = option.state
        area: QRect = option.rect.adjusted(TIGHT, 1, -TIGHT, -1)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ring = chosen and view.hasFocus()
        painter.setPen(QPen(look.accent, 1) if ring else Qt.PenStyle.NoPen)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(look.accent_soft if chosen else look.hover)
            painter.drawRoundedRect(area, RADIUS, RADIUS)
        inner = area.adjusted(SMALL, TIGHT, -SMALL, -TIGHT)
        title, second = QRect(inner), QRect(inner)
        title.setBottom(inner.center().y())
        second.setTop(inner.center().y())
        elide = Qt.TextElideMode.ElideRight
        for place, words, kind, color in (
            (title, index.data(Qt.ItemDataRole.DisplayRole), Type.BODY, look.text),
            (second, index.data(_SECOND), Type.CAPTION, look.secondary),
        ):
            painter.setFont(font(view.font(), kind))
            painter.setPen(color)
            shown = painter.fontMetrics().elidedText(words.replace("\n", " "), elide, place.width())
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeading, shown)
        painter.restore()
