"""Draws the rows of a list: a symbol, a title with chips, a line of facts, a bar, a button. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QGuiApplication, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate

from tray_app.ui.presenters.tone import Tone
from tray_app.ui.style import ICON, MEDIUM, RADIUS, SMALL, TIGHT, Type, colors, font
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.widgets.badge import tone_color

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QColor, QFont
    from PySide6.QtWidgets import QStyleOptionViewItem

    from tray_app.ui.presenters.list_row import ListRow
    from tray_app.ui.widgets.row_list import RowList

_BADGE = ICON + MEDIUM
"""The side of what is behind the symbol, and the height of the button."""
_EDGE = SMALL + TIGHT
"""Pixels above and below the lines of a row, and between its columns."""
_CHIP_RADIUS = 5
_SEPARATOR = " · "
_FEWEST_LETTERS = 10
"""A title keeps room for so many letters before its chips go."""

Index = QModelIndex | QPersistentModelIndex


class RowPart(Enum):
    """What of a row can be clicked."""

    ACTION = auto()
    MORE = auto()
    REST = auto()


@dataclass(frozen=True, slots=True)
class _Room:
    """Where the parts of a row are."""

    words: QRect
    """From behind the symbol to before the buttons."""
    tick: QRect
    badge: QRect
    action: QRect
    more: QRect


class _Fonts:
    """The fonts of rows, and how large their letters are."""

    def __init__(self, base: QFont) -> None:
        self.title = font(base, Type.BODY, bold=True)
        self.body = base
        self.caption = font(base, Type.CAPTION)
        self.of_title, self.of_body, self.of_caption = map(
            QFontMetrics, (self.title, self.body, self.caption)
        )


class RowDelegate(QStyledItemDelegate):
    """Made for one list."""

    def __init__(self, view: RowList) -> None:
        super().__init__(view)
        self._view = view
        self.notes = False
        """Whether every row has room for a sentence."""
        self.renew()

    def renew(self) -> None:
        """Font or palette have changed."""
        self._fonts = _Fonts(self._view.font())
        palette = QGuiApplication.palette()  # a style sheet gives lists another one: for those Qt draws
        self._look = colors(palette)
        self._tones = {tone: tone_color(tone, palette) for tone in Tone}

    @property
    def height(self) -> int:
        """Pixels of a row."""
        lines = self._fonts.of_title.height() + (1 + self.notes) * (self._fonts.of_caption.height() + TIGHT)
        return max(lines, _BADGE) + 2 * _EDGE

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """All rows are alike, and as wide as the list."""
        return QSize(_BADGE, self.height)

    def part_at(self, place: QRect, row: ListRow, point: QPoint) -> RowPart:
        """What is at a point of a row that is drawn at `place`."""
        room = self._room(place, row)
        if room.action.contains(point):
            return RowPart.ACTION
        return RowPart.MORE if row.more and room.more.contains(point) else RowPart.REST

    def menu_point(self, place: QRect, row: ListRow) -> QPoint:
        """Where the menu of a row opens."""
        return self._room(place, row).more.bottomLeft()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row."""
        row, place = self._view.rows.at(index.row()), option.rect
        state = option.state
        room = self._room(place, row)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_ground(painter, place, state, last=index.row() == len(self._view.rows) - 1)
        if row.checked is not None:
            self._draw_tick(painter, room.tick, checked=row.checked)
        if row.symbol:
            self._draw_badge(painter, room.badge, row)
        self._draw_words(painter, room.words, row)
        hot = self._view.hot if self._view.hot_row == index.row() else None
        if row.opens:
            self._draw_symbol(painter, room.more, "chevron-right", self._look.secondary, ICON)
        if row.action:
            self._draw_button(painter, room.action, row.action, hot=hot is RowPart.ACTION)
        if row.more:
            self._draw_more(painter, room.more, hot=hot is RowPart.MORE)
        painter.restore()

    def _room(self, place: QRect, row: ListRow) -> _Room:
        left, right = place.left() + MEDIUM, place.right() - _EDGE
        middle = place.center().y() + 1
        tick = QRect(left, middle - ICON // 2, ICON, ICON)
        if row.checked is not None:
            left = tick.right() + _EDGE
        badge = QRect(left, middle - _BADGE // 2, _BADGE, _BADGE)
        if row.symbol:
            left = badge.right() + _EDGE
        more = action = QRect()
        if row.more or row.opens:
            more = QRect(right - _BADGE, middle - _BADGE // 2, _BADGE, _BADGE)
            right = more.left() - TIGHT
        if row.action:
            width = self._fonts.of_body.horizontalAdvance(row.action) + 2 * _EDGE
            action = QRect(right - width, middle - _BADGE // 2, width, _BADGE)
            right = action.left() - _EDGE
        words = QRect(left, place.top() + _EDGE, max(0, right - left), place.height() - 2 * _EDGE)
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

    def _draw_tick(self, painter: QPainter, place: QRect, *, checked: bool) -> None:
        look = self._look
        painter.setPen(QPen(look.accent if checked else look.secondary, 1))
        painter.setBrush(look.accent if checked else look.surface)
        painter.drawRoundedRect(QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5), TIGHT, TIGHT)
        if checked:
            self._draw_symbol(painter, place, "check", look.on_accent, ICON - TIGHT)

    def _draw_badge(self, painter: QPainter, place: QRect, row: ListRow) -> None:
        look = self._look
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.accent if row.lit else look.hover)
        painter.drawRoundedRect(place, RADIUS, RADIUS)
        self._draw_symbol(painter, place, row.symbol, look.on_accent if row.lit else look.secondary, ICON)

    def _draw_symbol(self, painter: QPainter, place: QRect, name: str, color: QColor, side: int) -> None:
        pixmap = symbol_pixmap(name, color.rgba(), side, self._view.devicePixelRatioF())
        middle = QRectF(place).center()
        painter.drawPixmap(QPointF(middle.x() - side / 2, middle.y() - side / 2), pixmap)

    def _draw_words(self, painter: QPainter, room: QRect, row: ListRow) -> None:
        fonts = self._fonts
        more = bool(row.pieces) + bool(row.note)
        lines = fonts.of_title.height() + more * (fonts.of_caption.height() + TIGHT)
        top = room.center().y() - lines // 2
        self._draw_title(painter, QRect(room.left(), top, room.width(), fonts.of_title.height()), row)
        top += fonts.of_title.height() + TIGHT
        painter.setFont(fonts.caption)
        line = QRect(room.left(), top, room.width(), fonts.of_caption.height())
        if row.pieces:
            self._draw_pieces(painter, line, row)
            line.translate(0, line.height() + TIGHT)
        if row.note:
            painter.setPen(self._look.secondary)
            self._draw_text(painter, line, row.note, fonts.of_caption)
        if row.permille is not None:
            self._draw_bar(
                painter, QRect(room.left(), room.bottom() + TIGHT, room.width(), TIGHT), row.permille
            )

    def _draw_title(self, painter: QPainter, room: QRect, row: ListRow) -> None:
        fonts, chips = self._fonts, list(row.chips)
        widths = [fonts.of_caption.horizontalAdvance(chip.text) + 2 * SMALL + SMALL for chip in chips]
        wanted = fonts.of_title.horizontalAdvance(row.title)
        least = min(wanted, _FEWEST_LETTERS * fonts.of_title.averageCharWidth())
        while chips and sum(widths) + least > room.width():
            chips.pop()
            widths.pop()
        width = min(wanted, room.width() - sum(widths))
        painter.setFont(fonts.title)
        painter.setPen(self._look.text)
        self._draw_text(
            painter, QRect(room.left(), room.top(), width, room.height()), row.title, fonts.of_title
        )
        left = room.left() + width + SMALL
        painter.setFont(fonts.caption)
        for chip, taken in zip(chips, widths, strict=True):
            frame = QRectF(left, room.top(), taken - SMALL, room.height()).adjusted(0.5, -0.5, -0.5, 0.5)
            painter.setPen(QPen(self._look.accent if chip.accent else self._look.border, 1))
            painter.setBrush(self._look.accent_soft if chip.accent else self._look.surface)
            painter.drawRoundedRect(frame, _CHIP_RADIUS, _CHIP_RADIUS)
            painter.setPen(self._look.text if chip.accent else self._look.secondary)
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, chip.text)
            left += taken

    def _draw_pieces(self, painter: QPainter, room: QRect, row: ListRow) -> None:
        left = room.left()
        for text, tone in _runs(row):
            if left < room.right():
                painter.setPen(self._tones[tone])
                rest = QRect(left, room.top(), room.right() - left + 1, room.height())
                left += self._draw_text(painter, rest, text, self._fonts.of_caption)

    def _draw_text(self, painter: QPainter, room: QRect, text: str, metrics: QFontMetrics) -> int:
        """As much of a text as there is room for; its width."""
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

    def _draw_button(self, painter: QPainter, place: QRect, text: str, *, hot: bool) -> None:
        look = self._look
        painter.setPen(QPen(look.border, 1))
        painter.setBrush(look.hover if hot else look.surface)
        painter.drawRoundedRect(QRectF(place).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        painter.setFont(self._fonts.body)
        painter.setPen(look.text)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_more(self, painter: QPainter, place: QRect, *, hot: bool) -> None:
        if hot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._look.hover)
            painter.drawRoundedRect(place, RADIUS, RADIUS)
        self._draw_symbol(painter, place, "ellipsis", self._look.text, ICON)


def _runs(row: ListRow) -> list[tuple[str, Tone]]:
    """The facts of a row as texts that have one colour each."""
    runs: list[tuple[str, Tone]] = []
    for number, piece in enumerate(row.pieces):
        parts = [(_SEPARATOR, Tone.NEUTRAL)] if number else []
        if piece.sign:
            parts += [(f"{piece.sign} ", piece.tone), (piece.text, Tone.NEUTRAL)]
        else:
            parts.append((piece.text, piece.tone))
        for text, tone in parts:
            if runs and runs[-1][1] is tone:
                runs[-1] = runs[-1][0] + text, tone
            else:
                runs.append((text, tone))
    return runs
