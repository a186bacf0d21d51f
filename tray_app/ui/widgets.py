"""Small widgets that several pages share. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStyle,
    QVBoxLayout,
)

from tray_app.ui.presenters.wording import error_title
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import (
        QWidget,
    )

    from tray_app.errors import AppError

MARGIN = 18
SPACING = 12


@runtime_checkable
class Successor(Protocol):
    """A page that another one of its kind may take the place of: in another language, for one."""

    def take_over(self, old: Any) -> None:
        """Show what a person has typed in `old`, and what came of it; `old` does nothing more."""


class MessageCard(QFrame):
    """A framed message in the page: what happened, why, what to do, and perhaps a button that does it.

    Hidden while there is nothing to say; the one form in which errors appear.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
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
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
            words.addWidget(label)
        row = QHBoxLayout(self)
        row.addWidget(self._icon, alignment=Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self._button, alignment=Qt.AlignmentFlag.AlignVCenter)
        self.clear()

    def clear(self) -> None:
        """Say nothing more."""
        self._act: Callable[[], object] | None = None
        self.error: AppError | None = None
        self.hide()

    def show_error(self, error: AppError | None) -> None:
        """Show an error, or nothing."""
        if error is None:
            self.clear()
        else:
            self._icon.setAccessibleName(tr("Warning"))
            message, hint = (tr.said(text) for text in error.texts[1:])
            self._show(
                error_title(error, tr),
                (message, "\n".join(error.evidence), hint),
                QStyle.StandardPixmap.SP_MessageBoxWarning,
            )
            self.error = error

    def show_message(self, title: str, text: str) -> None:
        """Show something that is no error."""
        self._icon.setAccessibleName(tr("Information"))
        self._show(title, (text, "", ""), QStyle.StandardPixmap.SP_MessageBoxInformation)

    def offer(self, label: str, act: Callable[[], object]) -> None:
        """Add a button to what is shown."""
        self._act = act
        self._button.setText(label)
        self._button.show()

    def _press(self) -> None:
        if self._act:
            self._act()

    def _show(self, title: str, texts: tuple[str, str, str], pixmap: QStyle.StandardPixmap) -> None:
        self.error = None
        self._button.hide()
        self._icon.setPixmap(self.style().standardIcon(pixmap).pixmap(24))
        self._title.setText(title)
        for label, text in zip((self._text, self._evidence, self._remedy), texts, strict=True):
            label.setText(text)
            label.setVisible(bool(text))
        self.setAccessibleName(title)
        self.setAccessibleDescription("\n".join(filter(None, texts)))
        self.show()


def bring_into_view(window: QWidget) -> None:
    """Make a window no larger than its screen, and move it onto one where there is none below it any more."""
    available = window.screen().availableGeometry()
    window.resize(window.size().boundedTo(available.size()))
    screens = QGuiApplication.screens()
    if not any(screen.availableGeometry().intersects(window.geometry()) for screen in screens):
        window.move(available.topLeft())


def text_label(text: str = "", *, bold: bool = False) -> QLabel:
    """A label that wraps, shows exactly what it is given, and can be copied from."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
    if bold:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


def small_label(text: str = "") -> QLabel:
    """A quiet label, a little smaller than the text."""
    label = text_label(text)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.9)
    label.setFont(font)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    return label


def heading(text: str = "") -> QLabel:
    """A label half as large again as the text."""
    label = text_label(text, bold=True)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 1.5)
    label.setFont(font)
    return label
