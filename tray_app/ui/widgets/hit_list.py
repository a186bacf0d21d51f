"""Texts that a search has found, the nearest first. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QFontMetrics,
    QGuiApplication,
    QKeySequence,
    QPainter,
    QPen,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QListView, QMenu, QStyle, QStyledItemDelegate

from tray_app.ui import style
from tray_app.ui.open_outside import open_path
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Type, look_of
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QRect
    from PySide6.QtGui import QFont, QKeyEvent, QTextLine
    from PySide6.QtWidgets import QStyleOptionViewItem

    from tray_app.ui.presenters.search import HitRow
    from tray_app.ui.style import Colors

Index = QModelIndex | QPersistentModelIndex

_MOST_LINES = 4
_BAR = QSize(2 * LARGE, TIGHT)
"""A score of 1 as a bar."""
_TOP = QModelIndex()
_ROW = Qt.ItemDataRole.UserRole


class HitModel(QAbstractListModel):
    """The rows; a screen reader says all that a row shows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[HitRow, ...] = ()

    def show_rows(self, rows: Sequence[HitRow]) -> None:
        """Show these in place of what was there."""
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: Index = _TOP) -> int:
        """One for each text."""
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What is shown and said."""
        row = self.rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.text
            case Qt.ItemDataRole.AccessibleTextRole:
                return tr("{score}, {origin}: {text}").format(
                    score=row.score_text, origin=row.origin, text=row.text
                )
            case _:
                return row if role == _ROW else None


class HitList(QListView):
    """The texts in rows of several lines. Enter opens the file of a text; a menu also copies."""

    chosen = Signal(int)
    """The number of the row that is selected now."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(tr("Texts that were found"))
        self.hits = HitModel()
        self.setModel(self.hits)
        self.setItemDelegate(HitDelegate(self))
        self.setResizeMode(QListView.ResizeMode.Adjust)  # the height of rows depends on the width
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setMouseTracking(True)  # to tint the row below the pointer
        self.customContextMenuRequested.connect(self._open_menu)
        self.doubleClicked.connect(self._open_file)
        self.selectionModel().currentChanged.connect(lambda index, _: self.chosen.emit(index.row()))

    def show_rows(self, rows: Sequence[HitRow]) -> None:
        """Show these, from the top."""
        self.hits.show_rows(rows)
        self.scrollToTop()
        if rows:
            self.setCurrentIndex(self.hits.index(0))

    def row(self) -> HitRow | None:
        """The one that is selected."""
        number = self.currentIndex().row()
        return self.hits.rows[number] if 0 <= number < len(self.hits.rows) else None

    def menu_for(self, row: HitRow) -> QMenu:
        """What can be done with a text."""
        made: list[tuple[str, Any, str]] = []
        if row.path:
            made = [
                (tr("&Open File"), self._open_file, "Return"),
                (tr("Show in &Folder"), self._open_folder, ""),
            ]
        made.append((tr("&Copy Text"), self.copy, "Ctrl+C"))
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for title, act, keys in made:
            action = menu.addAction(title, act)
            action.setShortcut(QKeySequence(keys))  # only shown: the list itself handles the keys
        return menu

    def copy(self) -> None:
        """Copy the text of the selected row, as it was written."""
        if row := self.row():
            QGuiApplication.clipboard().setText(row.whole)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter opens, Ctrl+C copies."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open_file()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def _open_file(self) -> None:
        if (row := self.row()) and row.path:
            open_path(self, row.path)

    def _open_folder(self) -> None:
        if (row := self.row()) and row.path:
            open_path(self, row.path.parent)

    def _open_menu(self, position: QPoint) -> None:
        if row := self.row():
            where = self.visualRect(self.currentIndex())
            self.menu_for(row).popup(
                self.viewport().mapToGlobal(position if where.contains(position) else where.center())
            )


class HitDelegate(QStyledItemDelegate):
    """Draws a row: the origin and score of a text in one line, and the text below."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """As high as the text is at the width of the list."""
        view = option.widget
        width = view.viewport().width() if isinstance(view, QListView) else option.rect.width()
        caption, body = _fonts(option.font)
        lines = _lines(index.data(_ROW).text, body, width - 2 * MEDIUM)
        text_height = sum(line.height() for line in lines[0]) if lines[0] else 0
        caption_height = QFontMetrics(caption).height()
        return QSize(width, round(caption_height + TIGHT + text_height) + 2 * MEDIUM)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw it in the palette's colors."""
        row: HitRow = index.data(_ROW)
        # The style sheet gives the list another palette, with another color of the selection.
        look = look_of(option.widget.window())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _draw_ground(painter, option, look)
        inner = option.rect.adjusted(MEDIUM, MEDIUM, -MEDIUM, -MEDIUM)
        caption, body = _fonts(option.font)
        painter.setFont(caption)
        metrics = painter.fontMetrics()
        used = _draw_score(painter, inner, row, look)
        painter.setPen(look.secondary)
        origin = metrics.elidedText(row.origin, Qt.TextElideMode.ElideMiddle, inner.width() - used - SMALL)
        painter.drawText(QPoint(inner.left(), inner.top() + metrics.ascent()), origin)
        painter.setPen(look.text)
        top = QPointF(inner.left(), inner.top() + metrics.height() + TIGHT)
        _draw_text(painter, top, row.text, body, inner.width())
        painter.restore()


def _draw_ground(painter: QPainter, option: QStyleOptionViewItem, look: Colors) -> None:
    selected = option.state & QStyle.StateFlag.State_Selected
    if selected:
        painter.fillRect(option.rect, look.accent_soft)
    elif option.state & QStyle.StateFlag.State_MouseOver:
        painter.fillRect(option.rect, look.hover)
    painter.setPen(QPen(look.border, 1))
    painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
    if selected and option.state & QStyle.StateFlag.State_HasFocus:
        painter.setPen(QPen(look.accent, 1))
        painter.drawRect(option.rect.adjusted(0, 0, -1, -1))


def _draw_score(painter: QPainter, inner: QRect, row: HitRow, look: Colors) -> int:
    """Draw the score at the right with its bar; the width of both in pixels."""
    metrics = painter.fontMetrics()
    number = metrics.horizontalAdvance(row.score_text)
    painter.setPen(look.text)
    painter.drawText(QPoint(inner.right() - number, inner.top() + metrics.ascent()), row.score_text)
    bar = QRectF(0, 0, _BAR.width(), _BAR.height())
    bar.moveRight(inner.right() - number - SMALL)
    bar.moveTop(inner.top() + (metrics.height() - _BAR.height()) / 2)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(look.border)
    painter.drawRoundedRect(bar, TIGHT / 2, TIGHT / 2)
    bar.setWidth(bar.width() * max(0.0, min(1.0, row.score)))
    painter.setBrush(look.accent)
    painter.drawRoundedRect(bar, TIGHT / 2, TIGHT / 2)
    return number + SMALL + _BAR.width()


def _draw_text(painter: QPainter, top: QPointF, text: str, font: QFont, width: int) -> None:
    lines, layout = _lines(text, font, width)
    painter.setFont(font)
    for number, line in enumerate(lines):
        is_cut = number == len(lines) - 1 and line.textStart() + line.textLength() < len(text)
        if is_cut:
            rest = painter.fontMetrics().elidedText(
                text[line.textStart() :], Qt.TextElideMode.ElideRight, width
            )
            painter.drawText(QPointF(top.x(), top.y() + line.y() + line.ascent()), rest)
        else:
            line.draw(painter, top)
    del layout  # which owns the lines


def _lines(text: str, font: QFont, width: int) -> tuple[list[QTextLine], QTextLayout]:
    """The first lines of a text, and the layout that they belong to."""
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    layout.beginLayout()
    lines: list[QTextLine] = []
    y = 0.0
    while len(lines) < _MOST_LINES:
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(max(1, width))
        line.setPosition(QPointF(0, y))
        y += line.height()
        lines.append(line)
    layout.endLayout()
    return lines, layout


def _fonts(base: QFont) -> tuple[QFont, QFont]:
    return style.font(base, Type.CAPTION), style.font(base, Type.BODY)
