"""The widgets of the rows of a conversation. GUI thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget
from shiboken6 import isValid

from tray_app.ui.presenters.chat_rows import ChatAction, RowKind
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Type, Variant, look_of, set_type, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.code_block import CodeBlock, CopyButton
from tray_app.ui.widgets.labels import ElidedLabel, explain
from tray_app.ui.widgets.markdown import TextView

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QImage, QPaintEvent

    from tray_app.chats.conversation import Attachment
    from tray_app.ui.presenters.chat_rows import ChatRow

THUMBNAIL = 160
"""Pixels of the longer side of a picture in a conversation."""
_BUBBLE_RADIUS = 16
_BUBBLE_SHARE = 0.8
"""The largest share of the width for a person's words."""
_SYMBOLS = {ChatAction.EDIT: "pencil", ChatAction.REGENERATE: "refresh-cw"}


class RowHost(Protocol):
    """What rows need of the view that shows them."""

    def follow_link(self, address: str) -> None:
        """Open a link that was clicked."""

    def act(self, action: ChatAction, message: int) -> None:
        """Do something with a message."""

    def unfold(self, message: int) -> None:
        """Show or hide the reasoning of a message."""

    def text_of(self, message: int) -> str:
        """The whole text of a message."""

    def thumbnail(self, picture: Attachment, hear: Callable[[QImage], object], /) -> object:
        """Call `hear` with a thumbnail of a picture."""


class RowWidget(Protocol):
    """The widget of a row."""

    def show_row(self, row: ChatRow) -> None:
        """Show another state of the row."""

    def height_for(self, width: int) -> int:
        """Lay it out at this width in pixels; its height."""


def build_row(row: ChatRow, host: RowHost, parent: QWidget) -> QWidget:
    """The widget for a row, empty yet: see `RowWidget`."""
    match row.kind:
        case RowKind.QUESTION:
            return _Bubble(parent)
        case RowKind.PICTURES:
            return _Pictures(host, parent)
        case RowKind.THOUGHTS:
            return _Thoughts(host, parent)
        case RowKind.THOUGHT | RowKind.ANSWER:
            return _Words(host, parent)
        case RowKind.CODE:
            return CodeBlock(parent)
        case RowKind.FOOT:
            return _Foot(host, parent)


class _Bubble(QWidget):
    """A person's words, at the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._first = self._last = True
        self._text = TextView(self)
        self._text.setAccessibleName(tr("You"))
        self._wide = 0

    def show_row(self, row: ChatRow) -> None:
        """Show these words."""
        self._first, self._last = row.first, row.last
        self._text.show_plain(row.text)
        self._text.setAccessibleName(tr("You: {text}").format(text=row.text))

    def height_for(self, width: int) -> int:
        """As high as the words, and some room around them."""
        most = int(_BUBBLE_SHARE * width) - 2 * MEDIUM
        joined = not (self._first and self._last)
        self._wide = most if joined else self._text.width_wanted(most)
        above, below = SMALL if self._first else 0, SMALL if self._last else 0
        height = self._text.height_for(self._wide)
        self._text.setGeometry(width - MEDIUM - self._wide, above, self._wide, height)
        return height + above + below

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the bubble, round where the words begin and end."""
        left = self.width() - self._wide - 2 * MEDIUM
        area = QRectF(left, 0, self.width() - left, self.height())
        area.adjust(0, 0 if self._first else -2 * _BUBBLE_RADIUS, 0, 0 if self._last else 2 * _BUBBLE_RADIUS)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look_of(self).accent_soft)
        painter.drawRoundedRect(area, _BUBBLE_RADIUS, _BUBBLE_RADIUS)
        painter.end()


class _Words(QWidget):
    """A piece of an answer or of its reasoning, which has a line at its left."""

    def __init__(self, host: RowHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._thought = False
        self._text = TextView(self)
        self._text.link_clicked.connect(host.follow_link)

    def show_row(self, row: ChatRow) -> None:
        """Show these words."""
        self._thought = row.kind is RowKind.THOUGHT
        self._text.setAccessibleName(tr("Thoughts") if self._thought else tr("Answer"))
        self._text.show_markdown(row.text)

    def height_for(self, width: int) -> int:
        """As high as the words."""
        left = MEDIUM if self._thought else 0
        height = self._text.height_for(width - left)
        self._text.setGeometry(left, 0, width - left, height)
        return height

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the line."""
        if self._thought:
            painter = QPainter(self)
            painter.fillRect(0, 0, TIGHT // 2, self.height(), look_of(self).border)
            painter.end()


class _Pictures(QWidget):
    """The pictures that go with a question, small."""

    def __init__(self, host: RowHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._host = host
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(SMALL)
        self._row.addStretch()
        self._shown: tuple[Attachment, ...] = ()

    def show_row(self, row: ChatRow) -> None:
        """Show these pictures."""
        if row.pictures is self._shown:
            return
        self._shown = row.pictures
        for picture in row.pictures:
            label = QLabel()
            label.setFixedSize(THUMBNAIL, THUMBNAIL)
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
            label.setAccessibleName(tr("Picture: {name}").format(name=picture.name))
            explain(label, picture.name)
            self._row.addWidget(label)
            self._host.thumbnail(picture, partial(_show_thumbnail, label))

    def height_for(self, _width: int) -> int:
        """All are equally high."""
        return THUMBNAIL


class _Thoughts(QWidget):
    """Shows or hides the reasoning of a message."""

    def __init__(self, host: RowHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._row: ChatRow | None = None
        self.button = QPushButton(self)
        set_variant(self.button, Variant.QUIET)
        self.button.clicked.connect(lambda: host.unfold(self._row.message) if self._row else None)

    def show_row(self, row: ChatRow) -> None:
        """Show its label, and whether the reasoning is shown."""
        self._row = row
        self.button.setText(row.text)
        set_symbol(self.button, "chevron-down" if row.unfolded else "chevron-right")
        shown = tr("shown") if row.unfolded else tr("hidden")
        self.button.setAccessibleName(tr("{name} — {notes}").format(name=row.text, notes=shown))

    def height_for(self, _width: int) -> int:
        """As high as the button."""
        size = self.button.sizeHint()
        self.button.setGeometry(0, 0, size.width(), size.height())
        return size.height()


class _Foot(QWidget):
    """Facts about a message, and buttons for what can be done with it."""

    def __init__(self, host: RowHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._host = host
        self._row: ChatRow | None = None
        self.facts = ElidedLabel()
        # Without a parent it would be deleted with its last reference, even while Qt iterates over all
        # widgets.
        self.facts.setParent(self)
        set_type(self.facts, Type.CAPTION)
        self.facts.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.buttons: dict[ChatAction, QPushButton] = {}
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(TIGHT)

    def show_row(self, row: ChatRow) -> None:
        """Show these facts and buttons, those of a person's message at the right."""
        if self._row is None:
            mine = ChatAction.EDIT in row.actions
            if mine:
                self._line.addStretch()
            for action in ChatAction:
                if action in row.actions or (not mine and action is not ChatAction.EDIT):
                    self.buttons[action] = self._make_button(action)
                    self._line.addWidget(self.buttons[action])
            if mine:
                self.facts.hide()
            else:
                self._line.addWidget(self.facts, 1)
        self._row = row
        self.facts.show_text(row.text)
        for action, button in self.buttons.items():
            button.setVisible(action in row.actions)

    def height_for(self, _width: int) -> int:
        """As high as a button."""
        return LARGE + SMALL

    def _make_button(self, action: ChatAction) -> QPushButton:
        name = action_title(action)
        if action is ChatAction.COPY:
            button: QPushButton = CopyButton(name, self._text, self, bare=True)
        else:
            button = QPushButton(self)
            set_variant(button, Variant.QUIET)
            set_symbol(button, _SYMBOLS[action])
            button.clicked.connect(lambda: self._act(action))
        button.setAccessibleName(name)
        button.setToolTip(name)
        button.setFixedSize(QSize(LARGE + SMALL, LARGE + SMALL))
        return button

    def _text(self) -> str:
        return self._host.text_of(self._row.message) if self._row else ""

    def _act(self, action: ChatAction) -> None:
        if self._row:
            self._host.act(action, self._row.message)


def action_title(action: ChatAction) -> str:
    """The title of an action."""
    match action:
        case ChatAction.COPY:
            return tr("Copy Message")
        case ChatAction.EDIT:
            return tr("Edit and Ask Again")
        case ChatAction.REGENERATE:
            return tr("Regenerate")


def show_image(label: QLabel, image: QImage, side: int) -> None:
    """Show a picture on a label, if that still exists, at most `side` pixels wide and high."""
    if not isValid(label):
        return
    ratio = label.devicePixelRatioF()
    pixmap = QPixmap.fromImage(image).scaled(
        QSize(round(side * ratio), round(side * ratio)),
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    pixmap.setDevicePixelRatio(ratio)
    label.setPixmap(pixmap)


def _show_thumbnail(label: QLabel, image: QImage) -> None:
    show_image(label, image, THUMBNAIL)
