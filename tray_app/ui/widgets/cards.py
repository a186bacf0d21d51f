"""Framed parts of a page: a card for anything, and the card that shows messages and errors. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QFontDatabase, QPainter, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout

from tray_app.ui.presenters.formatting import error_title
from tray_app.ui.style import LARGE, MEDIUM, RADIUS, look_of
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce, give_up_focus
from tray_app.ui.widgets.labels import text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QWidget

    from tray_app.errors import AppError


class Card(QFrame):
    """A frame with round corners; an urgent one has a border in the accent color."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._urgent = False

    def show_urgent(self, *, urgent: bool) -> None:
        """Stand out by the color of the border, or not."""
        if urgent != self._urgent:
            self._urgent = urgent
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the frame in the colors of the palette, which may change at any time."""
        look = look_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(look.surface)
        painter.setPen(QPen(look.accent if self._urgent else look.border, 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        painter.end()


class MessageCard(Card):
    """A message in the page: what happened, why, what to do, and perhaps a button that does it.

    Errors appear in no other form. It is hidden while there is no message.
    """

    def __init__(self) -> None:
        super().__init__()
        self._warning = False
        self._icon = QLabel()
        self._title = text_label(bold=True)
        self._text = text_label()
        self._evidence = text_label()
        self._evidence.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._evidence.setAccessibleName(tr("Lines of the log that show it"))
        self._remedy = text_label()
        self._button = QPushButton()
        self._button.clicked.connect(self._press)
        words = QVBoxLayout()
        words.addWidget(self._title)
        for label in (self._text, self._evidence, self._remedy):
            # A long line must not make the window wider than the screen.
            policy = label.sizePolicy()
            policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
            label.setSizePolicy(policy)
            words.addWidget(label)
        row = QHBoxLayout(self)
        row.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        row.setSpacing(MEDIUM)
        row.addWidget(self._icon, alignment=Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self._button, alignment=Qt.AlignmentFlag.AlignVCenter)
        self.clear()

    def clear(self) -> None:
        """Hide the message."""
        self._act: Callable[[], object] | None = None
        self.error: AppError | None = None
        give_up_focus(self)
        self.hide()

    def show_error(self, error: AppError | None) -> None:
        """Show an error; None hides the message."""
        if error is None:
            self.clear()
        else:
            self._icon.setAccessibleName(tr("Warning"))
            message, hint = (tr.said(text) for text in error.texts[1:])
            self._show(
                error_title(error, tr),
                (message, "\n".join(error.evidence), hint),
                warning=True,
            )
            self.error = error

    def show_message(self, title: str, text: str) -> None:
        """Show a message that is not an error."""
        self._icon.setAccessibleName(tr("Information"))
        self._show(title, (text, "", ""), warning=False)

    def offer(self, label: str, act: Callable[[], object]) -> None:
        """Add a button to the message that is shown."""
        self._act = act
        self._button.setText(label)
        self._button.show()

    def offer_to_close(self) -> None:
        """Add a button that hides the message."""
        self.offer(tr("Close"), self.clear)

    def _press(self) -> None:
        if self._act:
            self._act()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and not self.isHidden():
            self._draw_symbol()

    def _draw_symbol(self) -> None:
        look, ratio = look_of(self), self.devicePixelRatioF()
        name, color = ("triangle-alert", look.warning) if self._warning else ("info", look.accent)
        self._icon.setPixmap(symbol_pixmap(name, color.rgba(), LARGE, ratio))

    def _show(self, title: str, texts: tuple[str, str, str], *, warning: bool) -> None:
        self.error = None
        is_new = self.isHidden() or title != self.accessibleName()  # a growing percentage is not
        self._button.hide()
        self._warning = warning
        self._draw_symbol()
        self._title.setText(title)
        for label, text in zip((self._text, self._evidence, self._remedy), texts, strict=True):
            label.setText(text)
            label.setVisible(bool(text))
        self.setAccessibleName(title)
        self.setAccessibleDescription("\n".join(filter(None, texts)))
        self.show()
        if is_new:
            announce(self, "\n".join(filter(None, (title, *texts))))
