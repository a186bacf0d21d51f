"""Code in an answer: its language, a button that copies it, and lines that are not wrapped. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.style import MEDIUM, RADIUS, SMALL, TIGHT, Variant, look_of, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce
from tray_app.ui.widgets.labels import small_label
from tray_app.ui.widgets.markdown import code_font

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QKeyEvent, QPaintEvent, QWheelEvent

    from tray_app.ui.presenters.chat_rows import ChatRow

_COPIED_MS = 2000
_EDGE = 1
"""Pixels of the line around the code."""


class CodeBlock(QWidget):
    """A piece of code; the first piece of a block has the head with language and button."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._row: ChatRow | None = None
        self.lines = _Lines(self)
        self.language = small_label()
        self.copy_button = CopyButton(tr("Copy Code"), self._code, self)
        self._head = QWidget(self)
        head = QHBoxLayout(self._head)
        head.setContentsMargins(MEDIUM, TIGHT, TIGHT, 0)
        head.addWidget(self.language, 1)
        head.addWidget(self.copy_button)
        self._column = QVBoxLayout(self)
        self._column.setSpacing(0)
        self._column.addWidget(self._head)
        self._column.addWidget(self.lines)

    def show_row(self, row: ChatRow) -> None:
        """Show a piece of code; if only its end is new, that is appended."""
        before, self._row = self._row, row
        shown = before.text if before else ""
        if shown and row.text.startswith(shown):
            cursor = self.lines.textCursor()
            cursor.movePosition(cursor.MoveOperation.End)
            cursor.insertText(row.text[len(shown) :])
        elif shown != row.text or before is None:
            self.lines.setPlainText(row.text)
        self._head.setVisible(row.first)
        self.language.setText(row.language)
        above, below = _EDGE if row.first else 0, SMALL if row.last else 0
        self._column.setContentsMargins(_EDGE, above, _EDGE, below)
        name = tr("Code: {language}").format(language=row.language) if row.language else tr("Code")
        self.lines.setAccessibleName(name)

    def height_for(self, width: int) -> int:
        """Its height at this width, in pixels."""
        head = self._head.sizeHint().height() if self._row and self._row.first else 0
        margins = self._column.contentsMargins()
        inner = width - margins.left() - margins.right()
        return head + self.lines.height_for(inner) + margins.top() + margins.bottom()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the ground, with round corners where the code begins and ends."""
        look = look_of(self)
        first, last = (self._row.first, self._row.last) if self._row else (True, True)
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        # Beyond an edge without round corners, the area is cut off.
        area.adjust(0, 0 if first else -2 * RADIUS, 0, 0 if last else 2 * RADIUS)
        path = QPainterPath()
        path.addRoundedRect(area, RADIUS, RADIUS)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillPath(path, look.hover)
        painter.setPen(QPen(look.border, 1))
        painter.drawPath(path)
        painter.end()

    def _code(self) -> str:
        return self._row.whole if self._row else ""


class CopyButton(QPushButton):
    """Copies a text, and shows for a moment that it has."""

    def __init__(self, label: str, text: Callable[[], str], parent: QWidget, *, bare: bool = False) -> None:
        super().__init__("" if bare else tr("Copy"), parent)
        self._label, self._text, self._bare = label, text, bare
        self.setAccessibleName(label)
        self.setToolTip(label)
        set_variant(self, Variant.QUIET)
        set_symbol(self, "copy")
        self.clicked.connect(self.copy)

    def copy(self) -> None:
        """Copy the text."""
        QGuiApplication.clipboard().setText(self._text())
        self._say(tr("Copied"), "check")
        announce(self, tr("Copied"))
        QTimer.singleShot(_COPIED_MS, self, lambda: self._say(tr("Copy"), "copy"))

    def _say(self, label: str, symbol: str) -> None:
        set_symbol(self, symbol)
        if not self._bare:
            self.setText(label)


class _Lines(QPlainTextEdit):
    """Lines that scroll only sideways."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("text")  # for the style sheet
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setTabChangesFocus(True)
        self.setFont(code_font())
        self.document().setDocumentMargin(0)
        self.setViewportMargins(MEDIUM, TIGHT, MEDIUM, TIGHT)
        self.viewport().setAutoFillBackground(False)

    def height_for(self, width: int) -> int:
        """The height of all lines, and of the scroll bar if one is needed."""
        lines = self.fontMetrics().lineSpacing() * self.blockCount()
        longest = self.document().size().width()
        bar = self.horizontalScrollBar().sizeHint().height() if longest > width - 2 * MEDIUM else 0
        return lines + bar + 2 * TIGHT + 2

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll sideways; up and down is for the view around it."""
        if abs(event.angleDelta().x()) > abs(event.angleDelta().y()):
            super().wheelEvent(event)
        else:
            event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave keys that scroll up and down to the view around it."""
        pages = (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Up, Qt.Key.Key_Down)
        if event.key() in pages and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            event.ignore()
        else:
            super().keyPressEvent(event)
