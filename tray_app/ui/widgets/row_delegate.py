"""Draws the rows of a list: a symbol, a title with chips, a line of facts, a bar, a button. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate

from tray_app.ui.presenters.tone import Tone
from tray_app.ui.style import ICON, MEDIUM, RADIUS, SMALL, TIGHT, colors
from tray_app.ui.widgets.badge import tone_color
from tray_app.ui.widgets.row_stamps import BADGE, EDGE, RowFonts, RowStamps

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QFontMetrics
    from PySide6.QtWidgets import QStyleOptionViewItem, QWidget

    from tray_app.ui.presenters.list_row import ListRow

_SEPARATOR = " · "
_FEWEST_LETTERS = 10
"""A title keeps room for so many letters; chips are left out for that."""

Index = QModelIndex | QPersistentModelIndex


class RowPart(Enum):
    """The parts of a row that can be clicked."""

    ACTION = auto()
    MORE = auto()
    REST = auto()


@dataclass(frozen=True, slots=True)
class _Room:
    """The places of the parts of a row."""

    words: QRect
    """Between the symbol and the buttons."""
    tick: QRect
    badge: QRect
    action: QRect
    more: QRect


class RowDelegate(QStyledItemDelegate):
    """Draws the rows of one list; `row_at` gives the content of a row by its number."""

    def __init__(self, view: QWidget, row_at: Callable[[int], ListRow]) -> None:
        super().__init__(view)
        self._view = view
        self._row_at = row_at
        self.notes = False
        """Whether every row has room for a sentence."""
        self.hot = -1, RowPart.REST
        """The row below the mouse, -1 for none, and the part of it."""
        self.renew()

    def renew(self) -> None:
        """Take over another font and palette."""
        self._fonts = RowFonts(self._view.font())
        palette = QGuiApplication.palette()  # a style sheet gives lists another one
        self._look = colors(palette)
        self._tones = {tone: tone_color(tone, palette) for tone in Tone}
        self._stamps = RowStamps(self._fonts, self._look)

    @property
    def height(self) -> int:
        """The height of a row in pixels."""
        lines = self._fonts.of_title.height() + (1 + self.notes) * (self._fonts.of_caption.height() + TIGHT)
        return max(lines, BADGE) + 2 * EDGE

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """The same for all rows, which are as wide as the list."""
        return QSize(BADGE, self.height)

    def part_at(self, place: QRect, row: ListRow, point: QPoint) -> RowPart:
        """The part at a point of a row that is drawn at `place`."""
        room = self._room(place, row)
        if room.action.contains(point):
            return RowPart.ACTION
        return RowPart.MORE if row.more and room.more.contains(point) else RowPart.REST

    def menu_point(self, place: QRect, row: ListRow) -> QPoint:
        """Where the menu of a row opens."""
        return self._room(place, row).more.bottomLeft()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row."""
        row, place = self._row_at(index.row()), option.rect
        state = option.state
        room = self._room(place, row)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_ground(painter, place, state, last=index.row() == index.model().rowCount() - 1)
        stamps, ratio = self._stamps, self._view.devicePixelRatioF()
        if row.checked is not None:
            painter.drawPixmap(room.tick.topLeft(), stamps.tick(ratio, checked=row.checked))
        if row.symbol:
            painter.drawPixmap(room.badge.topLeft(), stamps.badge(row.symbol, ratio, lit=row.lit))
        raised = bool(state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver))
        self._draw_words(painter, room.words, row, raised=raised)
        hot = self.hot[1] if self.hot[0] == index.row() else None
        if row.action:
            action = stamps.button(row.action, ratio, hot=hot is RowPart.ACTION)
            painter.drawPixmap(room.action.topLeft(), action)
        if row.opens:
            painter.drawPixmap(room.more.topLeft(), stamps.chevron(ratio))
        elif row.more:
            painter.drawPixmap(room.more.topLeft(), stamps.more(ratio, hot=hot is RowPart.MORE))
        painter.restore()

    def _room(self, place: QRect, row: ListRow) -> _Room:
        left, right = place.left() + MEDIUM, place.right() - EDGE
        middle = place.center().y() + 1
        tick = QRect(left, middle - ICON // 2, ICON, ICON)
        if row.checked is not None:
            left = tick.right() + EDGE
        badge = QRect(left, middle - BADGE // 2, BADGE, BADGE)
        if row.symbol:
            left = badge.right() + EDGE
        more = action = QRect()
        if row.more or row.opens:
            more = QRect(right - BADGE, middle - BADGE // 2, BADGE, BADGE)
            right = more.left() - TIGHT
        if row.action:
            width = self._fonts.of_body.horizontalAdvance(row.action) + 2 * EDGE
            action = QRect(right - width, middle - BADGE // 2, width, BADGE)
            right = action.left() - EDGE
        words = QRect(left, place.top() + EDGE, max(0, right - left), place.height() - 2 * EDGE)
        return _Room(words, tick, badge, action, more)

    def _draw_ground(self, painter: QPainter, place: QRect, state: QStyle.StateFlag, *, last: bool) -> None:
        look = self._look
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if not last:
            painter.setPen(QPen(look.border, 1))
            y = place.bottom() + 0.5
            painter.drawLine(QPointF(place.left() + MEDIUM, y), QPointF(place.right() - MEDIUM, y))
        if selected or hovered:
            sheet = QRectF(place).adjusted(TIGHT, TIGHT / 2, -TIGHT, -TIGHT / 2 - 1)
            focused = selected and self._view.hasFocus()
            painter.setPen(QPen(look.accent, 1) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(look.accent_soft if selected else look.hover)
            painter.drawRoundedRect(sheet, RADIUS, RADIUS)

    def _draw_words(self, painter: QPainter, room: QRect, row: ListRow, *, raised: bool) -> None:
        """Draw the words; on the tinted ground of a `raised` row, none of them are faint."""
        fonts = self._fonts
        more = bool(row.pieces) + bool(row.note)
        lines = fonts.of_title.height() + more * (fonts.of_caption.height() + TIGHT)
        top = room.center().y() - lines // 2
        self._draw_title(painter, QRect(room.left(), top, room.width(), fonts.of_title.height()), row)
        top += fonts.of_title.height() + TIGHT
        painter.setFont(fonts.caption)
        line = QRect(room.left(), top, room.width(), fonts.of_caption.height())
        if row.pieces:
            self._draw_pieces(painter, line, row, raised=raised)
            line.translate(0, line.height() + TIGHT)
        if row.note:
            painter.setPen(self._look.text if raised else self._look.secondary)
            self._draw_text(painter, line, row.note, fonts.of_caption)
        if row.permille is not None:
            self._draw_bar(
                painter, QRect(room.left(), room.bottom() + TIGHT, room.width(), TIGHT), row.permille
            )

    def _draw_title(self, painter: QPainter, room: QRect, row: ListRow) -> None:
        fonts, ratio = self._fonts, self._view.devicePixelRatioF()
        chips = [self._stamps.chip(chip.text, ratio, accent=chip.accent) for chip in row.chips]
        widths = [round(chip.width() / ratio) + SMALL for chip in chips]
        wanted = fonts.of_title.horizontalAdvance(row.title)
        least = min(wanted, _FEWEST_LETTERS * fonts.of_title.averageCharWidth())
        while chips and sum(widths) + least > room.width():
            chips.pop()
            widths.pop()
        width = min(wanted, room.width() - sum(widths))
        painter.setFont(fonts.title)
        painter.setPen(self._look.text)
        place = QRect(room.left(), room.top(), width, room.height())
        self._draw_text(painter, place, row.title, fonts.of_title)
        left = room.left() + width + SMALL
        for chip, taken in zip(chips, widths, strict=True):
            painter.drawPixmap(left, room.top(), chip)
            left += taken

    def _draw_pieces(self, painter: QPainter, room: QRect, row: ListRow, *, raised: bool) -> None:
        left = room.left()
        for text, tone, is_sign in _runs(row):
            if left < room.right():
                painter.setPen(self._look.text if raised and not is_sign else self._tones[tone])
                rest = QRect(left, room.top(), room.right() - left + 1, room.height())
                left += self._draw_text(painter, rest, text, self._fonts.of_caption)

    def _draw_text(self, painter: QPainter, room: QRect, text: str, metrics: QFontMetrics) -> int:
        """Draw as much of a text as there is room for; its width in pixels."""
        width = metrics.horizontalAdvance(text)
        if width > room.width():
            text, width = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width()), room.width()
        painter.drawText(QPointF(room.left(), room.top() + metrics.ascent()), text)
        return width

    def _draw_bar(self, painter: QPainter, place: QRect, permille: int) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        done = QRectF(place)
        for color, share in ((self._look.border, 1000), (self._look.accent, permille)):
            done.setWidth(place.width() * share / 1000)
            painter.setBrush(color)
            painter.drawRoundedRect(done, TIGHT / 2, TIGHT / 2)


def _runs(row: ListRow) -> list[tuple[str, Tone, bool]]:
    """The facts of a row as texts of one color each: text, tone, and whether it is a sign."""
    parts: list[tuple[str, Tone, bool]] = []
    for number, piece in enumerate(row.pieces):
        if number:
            parts.append((_SEPARATOR, Tone.NEUTRAL, False))
        if piece.sign:
            parts.append((f"{piece.sign} ", piece.tone, True))
        parts.append((piece.text, Tone.NEUTRAL if piece.sign else piece.tone, False))
    runs = groupby(parts, key=lambda part: part[1:])
    return [("".join(text for text, *_ in same), tone, is_sign) for (tone, is_sign), same in runs]
