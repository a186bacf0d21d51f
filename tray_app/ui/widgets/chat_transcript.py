"""A conversation that scrolls: only the rows in or near the view are widgets. GUI thread.

A conversation of hundreds of messages costs as much as its last page. A row that has not been in view has a
guessed height; what is in view stays where it is when a guess above it turns out wrong.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import partial
from itertools import accumulate, pairwise
from operator import add
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QDeadlineTimer, QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QFrame, QMenu, QPushButton, QScrollArea, QWidget

from tray_app.ui.presenters.chat_rows import RowKind
from tray_app.ui.style import LARGE, MEDIUM, SMALL
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.chat_message import THUMBNAIL, action_title, build_row
from tray_app.ui.widgets.markdown import TextView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QImage, QKeyEvent, QResizeEvent

    from tray_app.chats.conversation import Attachment
    from tray_app.ui.presenters.chat_rows import ChatAction, ChatRow
    from tray_app.ui.widgets.chat_message import RowWidget

_COLUMN_LETTERS = 120
"""The largest width of the column of messages, in letters."""
_NEAR = 0.5
"""The part of the view's height above and below it in which rows are widgets."""
_MOST_MS = 15
"""The time for building rows before other events are handled."""
_CLOSE = 24
"""Pixels from the end that still count as the end."""


class Transcript(QScrollArea):
    """Rows one below the other, and the widget `tail` at their end."""

    link_clicked = Signal(str)
    action_wanted = Signal(object, int)
    """A `ChatAction`, and the message that it is for."""
    unfold_wanted = Signal(int)

    def __init__(
        self,
        tail: QWidget,
        text_of: Callable[[int], str],
        thumbnail: Callable[[Attachment, Callable[[QImage], object]], object],
    ) -> None:
        self._rows: list[ChatRow] = []
        self._heights: list[int] = []
        self._tops: list[int] = []
        self._gaps: list[int] = []
        self._exact: list[bool] = []
        self._widgets: dict[int, QWidget] = {}
        self._tab_order: list[QWidget] = []
        self._width = 0
        self.follows = True
        """Whether the end stays in view while more comes."""
        self._arranging = False
        super().__init__()
        self.text_of, self.thumbnail = text_of, thumbnail
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Conversation"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._content = QWidget()
        self._content.setObjectName("content")  # for the style sheet
        self._tail = tail
        tail.setParent(self._content)
        self.setWidget(self._content)
        self.end_button = QPushButton(self)
        self.end_button.setAccessibleName(tr("Jump to the end"))
        self.end_button.setToolTip(tr("Jump to the end"))
        self.end_button.setFixedSize(QSize(LARGE + MEDIUM, LARGE + MEDIUM))
        set_symbol(self.end_button, "chevron-down")
        self.end_button.clicked.connect(self.jump_to_end)
        self.end_button.hide()
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._build_near)
        self._renewal = QTimer(self, singleShot=True, interval=0)
        self._renewal.timeout.connect(self._renew)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)

    # What is shown

    def show_rows(self, rows: Sequence[ChatRow], start: int = 0) -> None:
        """Show these in place of all rows from `start` on. Equal rows keep their widgets."""
        same = start
        fresh = list(rows)
        for before, now in zip(self._rows[start:], fresh, strict=False):
            if before != now:
                break
            same += 1
        if same == len(self._rows) == start + len(fresh):
            return
        for number in range(same, len(self._rows)):
            self._keep_or_drop(number, fresh[number - start] if number - start < len(fresh) else None)
        gone = self._rows[same:]
        self._rows[start:] = fresh
        added = self._rows[same:]
        kept = [
            self._heights[same + place] if row.kind is added[place].kind else 0
            for place, row in enumerate(gone[: len(added)])
        ]
        self._heights[same:] = [
            max(guess, kept[place] if place < len(kept) else 0)
            for place, guess in enumerate(self._guesses(added))
        ]
        self._exact[same:] = [False] * len(added)
        self._gaps[same:] = [self._gap(number) for number in range(same, len(self._rows))]
        self._arrange()

    def clear(self) -> None:
        """Show nothing, and follow the end again."""
        for number in list(self._widgets):
            self._drop(number)
        self._rows, self._heights, self._exact = [], [], []
        self._tops, self._gaps = [], []
        self.follows = True
        self._arrange()

    def jump_to_end(self) -> None:
        """Bring the end into view, and keep it there."""
        self.follows = True
        self._arrange()

    def show_message(self, message: int) -> None:
        """Bring the beginning of a message into view."""
        number = next((place for place, row in enumerate(self._rows) if row.message == message), None)
        if number is not None:
            self.follows = False
            self.verticalScrollBar().setValue(self._tops[number] - MEDIUM)
            self._arrange()
            self.verticalScrollBar().setValue(self._tops[number] - MEDIUM)

    def turn_page(self, pages: int) -> None:
        """Scroll by so many pages."""
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + pages * bar.pageStep())

    def refresh(self) -> None:
        """Lay out the rows again, since the tail has another height."""
        self._arrange()

    def built(self) -> dict[int, QWidget]:
        """The widgets that exist, by the numbers of their rows."""
        return dict(self._widgets)

    # The rows' host

    def follow_link(self, address: str) -> None:
        """See `RowHost`."""
        self.link_clicked.emit(address)

    def act(self, action: ChatAction, message: int) -> None:
        """See `RowHost`."""
        self.action_wanted.emit(action, message)

    def unfold(self, message: int) -> None:
        """See `RowHost`."""
        self.unfold_wanted.emit(message)

    # Where the rows are

    def _arrange(self) -> None:
        """Give every row its place, and the rows in view their widgets."""
        if self._arranging:
            return
        self._arranging = True
        bar = self.verticalScrollBar()
        width = self._column_width()
        if width != self._width:
            self._width = width
            self._exact = [False] * len(self._rows)
            self._heights = self._guesses(self._rows)
        anchor = self._anchor()
        deadline = QDeadlineTimer(_MOST_MS)
        for _ in range(len(self._rows) + 2):
            self._place_all()
            if self.follows:
                bar.setValue(bar.maximum())
            elif anchor is not None:
                bar.setValue(self._tops[anchor[0]] + anchor[1])
            if not self._measure(*self._in_view(0), deadline):
                break
        self._show_widgets()
        self._show_end_button()
        self._arranging = False
        self._later.start()

    def _anchor(self) -> tuple[int, int] | None:
        """The first row in view, and how far the top of the view is below that of the row, in pixels."""
        if not self._rows or not self._tops:
            return None
        top = self.verticalScrollBar().value()
        number = min(max(0, bisect_right(self._tops, top) - 1), len(self._rows) - 1, len(self._tops) - 1)
        return number, top - self._tops[number]

    def _place_all(self) -> None:
        """Compute where each row begins, and the height of all."""
        ends = list(accumulate(map(add, self._gaps, self._heights), initial=MEDIUM))
        self._tops = list(map(add, ends, self._gaps))  # there is one more end than rows
        bottom = ends[-1]
        left = self._left()
        tail_height = 0
        if not self._tail.isHidden():
            tail_height = max(self._tail.heightForWidth(self._width), self._tail.minimumSizeHint().height())
            self._tail.setGeometry(left, bottom + MEDIUM, self._width, tail_height)
            tail_height += MEDIUM
        size = QSize(self.viewport().width(), max(bottom + tail_height + LARGE, self.viewport().height()))
        if self._content.size() != size:
            self._content.resize(size)

    def _in_view(self, near: float) -> tuple[int, int]:
        """The first row in view and the one after the last; `near` extends it by shares of its height."""
        top = self.verticalScrollBar().value()
        height = self.viewport().height()
        first = bisect_right(self._tops, top - near * height) - 1
        end = bisect_left(self._tops, top + (1 + near) * height)
        return max(0, first), end

    def _measure(self, first: int, end: int, deadline: QDeadlineTimer) -> bool:
        """Build these rows; whether one has another height than guessed.

        Rows for which there is no time follow later. While the end is followed, the last rows come first.
        """
        changed = False
        numbers = range(first, end)
        for number in reversed(numbers) if self.follows else numbers:
            if self._exact[number] and number in self._widgets:
                continue
            if deadline.hasExpired():
                break
            height = self._widget(number).height_for(self._width)
            changed = changed or height != self._heights[number]
            self._heights[number], self._exact[number] = height, True
        return changed

    def _widget(self, number: int) -> RowWidget:
        row = self._rows[number]
        if number not in self._widgets:
            made = build_row(row, self, self._content)
            cast("RowWidget", made).show_row(row)
            self._widgets[number] = made
        return cast("RowWidget", self._widgets[number])

    def _show_widgets(self) -> None:
        """Move widgets to the places of their rows, and delete those far away that lack the focus."""
        first, end = self._in_view(2 * _NEAR)
        left = self._left()
        for number in sorted(self._widgets):
            widget = self._widgets[number]
            if not first <= number < end and not _has(widget, self._focused()):
                self._drop(number)
                continue
            widget.setGeometry(left, self._tops[number], self._width, self._heights[number])
            if widget.isHidden():
                widget.show()
        self._order_for_tab()

    def _order_for_tab(self) -> None:
        """Let the Tab key go through the rows in their order."""
        rows = [self._widgets[number] for number in sorted(self._widgets)]
        order = [
            each
            for row in rows
            for each in row.findChildren(QWidget)
            if each.focusPolicy() & Qt.FocusPolicy.TabFocus
        ]
        # Do not ask Qt for the next one in the chain: PySide would then delete both together.
        if order != self._tab_order:
            for last, each in pairwise(order):
                QWidget.setTabOrder(last, each)
            self._tab_order = order

    def _build_near(self) -> None:
        """Build the rows near the view, one at a time, so that they are there when a person scrolls."""
        first, end = self._in_view(_NEAR)
        for number in range(first, min(end, len(self._rows))):
            if number not in self._widgets:
                if self._measure(number, number + 1, QDeadlineTimer(_MOST_MS)):
                    self._arrange()
                else:
                    self._show_widgets()
                    self._later.start()
                return

    def _keep_or_drop(self, number: int, row: ChatRow | None) -> None:
        """Show another row in a widget of the same kind, or delete the widget."""
        widget = self._widgets.get(number)
        if widget is None:
            return
        before = self._rows[number]
        grows = row is not None and row.kind is before.kind and row.kind is not RowKind.PICTURES
        if grows and row is not None and (row.kind is not RowKind.FOOT or row.message == before.message):
            cast("RowWidget", widget).show_row(row)
        else:
            self._drop(number)

    def _drop(self, number: int) -> None:
        widget = self._widgets.pop(number)
        widget.hide()
        widget.deleteLater()

    def _gap(self, number: int) -> int:
        if number == 0:
            return 0
        before, row = self._rows[number - 1], self._rows[number]
        if row.message != before.message:
            return MEDIUM
        return 0 if row.kind is before.kind and not row.first else SMALL

    def _guesses(self, rows: Sequence[ChatRow]) -> list[int]:
        """Guesses of the heights of these rows, in pixels."""
        metrics = self.fontMetrics()  # asked once: there may be thousands of rows
        line, letters = metrics.lineSpacing(), max(1, self._width // max(1, metrics.averageCharWidth()))
        return [_guess(row, line, letters) for row in rows]

    def _column_width(self) -> int:
        return max(1, min(column_width(self), self._room() - 2 * LARGE))

    def _left(self) -> int:
        return max(0, (self._room() - self._width) // 2)

    def _room(self) -> int:
        """The width beside the scroll bar, visible or not, so that nothing moves when it appears."""
        return self.width() - self.verticalScrollBar().sizeHint().width()

    def _focused(self) -> QWidget | None:
        return self.window().focusWidget()

    def _show_end_button(self) -> None:
        button = self.end_button
        area = self.viewport().geometry()
        button.move(
            area.left() + (area.width() - button.width()) // 2, area.bottom() - button.height() - SMALL
        )
        bar = self.verticalScrollBar()
        button.setVisible(not self.follows and bar.maximum() - bar.value() > _CLOSE)
        button.raise_()

    def _scrolled(self, value: int) -> None:
        """Follow the end if a person scrolls there, and stop if they scroll up."""
        if not self._arranging:
            self.follows = value >= self.verticalScrollBar().maximum() - _CLOSE
            self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out the rows at the new width."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Build the rows again when palette or font change."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange) and self._widgets:
            self._renewal.start()  # later, as Qt is iterating over all widgets now

    def _renew(self) -> None:
        for number in list(self._widgets):
            self._drop(number)
        self._arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Scroll, also to the beginning and the end."""
        bar = self.verticalScrollBar()
        if event.key() == Qt.Key.Key_Home:
            bar.setValue(bar.minimum())
        elif event.key() == Qt.Key.Key_End:
            self.jump_to_end()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu of the message below the mouse, or of the one with the focus."""
        child = self._content.childAt(self._content.mapFromGlobal(event.globalPos()))
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            child = self._focused()
        number = next((place for place, each in self._widgets.items() if _has(each, child)), None)
        if number is not None:
            self._open_menu(self._rows[number].message, child, event.globalPos())

    def _open_menu(self, message: int, at: QWidget | None, place: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        text = at if isinstance(at, TextView) else at.parentWidget() if at else None
        if isinstance(text, TextView) and text.textCursor().hasSelection():
            menu.addAction(tr("Copy Selection"), text.copy)
        foot = next((row for row in self._rows if row.message == message and row.kind is RowKind.FOOT), None)
        for action in foot.actions if foot else ():
            menu.addAction(action_title(action), partial(self.act, action, message))
        if menu.actions():
            menu.popup(place)


def _has(widget: QWidget, inner: QWidget | None) -> bool:
    return inner is not None and (widget is inner or widget.isAncestorOf(inner))


def column_width(widget: QWidget) -> int:
    """The largest width of the column of messages, in pixels: longer lines are hard to read."""
    return _COLUMN_LETTERS * widget.fontMetrics().averageCharWidth()


def _guess(row: ChatRow, line: int, letters: int) -> int:
    match row.kind:
        case RowKind.FOOT | RowKind.THOUGHTS:
            return LARGE + SMALL
        case RowKind.PICTURES:
            return THUMBNAIL
        case RowKind.CODE:
            return line * (row.text.count("\n") + 2)
        case _:
            return int(1.25 * line * (row.text.count("\n") + len(row.text) // letters + 1))
