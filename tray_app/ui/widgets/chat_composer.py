"""The field for a message: text, pictures, and the button that sends or stops. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPen, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout

from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Variant, look_of, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import accept_copy
from tray_app.ui.widgets.chat_attachments import Attachments
from tray_app.ui.widgets.labels import explain, small_label

if TYPE_CHECKING:
    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import (
        QDragEnterEvent,
        QDropEvent,
        QFocusEvent,
        QInputMethodEvent,
        QKeyEvent,
        QPaintEvent,
    )

_RADIUS = 16
_MOST_LINES = 10
_NAME_LETTERS = 32
"""Letters of a model's name that are shown."""
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Composer(QFrame):
    """A frame with text, pictures and buttons."""

    send_wanted = Signal()
    stop_wanted = Signal()
    files_given = Signal(object)
    """Paths that were dropped or pasted."""
    image_given = Signal(object)
    """A `QImage` that was dropped or pasted."""
    edit_cancelled = Signal()
    page_wanted = Signal(int)
    """Scroll the view above by so many pages."""

    def __init__(self) -> None:
        super().__init__()
        self.text = _Field(self)
        self.pictures = Attachments()
        self.note = small_label()
        self.note.hide()
        self.cancel_button = QPushButton(tr("Cancel"))
        self.picture_button = QPushButton()
        self.options_button = QPushButton()
        self.model_button = QPushButton()
        self.send_button = QPushButton()
        self.busy = False
        self._name_buttons()
        self._lay_out()
        self.setAcceptDrops(True)
        self.send_button.clicked.connect(self._press)
        self.cancel_button.clicked.connect(self.edit_cancelled)
        self.text.textChanged.connect(self._permit)
        self.pictures.changed.connect(self._permit)
        self.show_busy(busy=False)

    def show_busy(self, *, busy: bool) -> None:
        """Let the button stop the answer under way, or send."""
        self.busy = busy
        name = tr("Stop") if busy else tr("Send")
        set_symbol(self.send_button, "square" if busy else "arrow-up")
        self.send_button.setAccessibleName(name)
        self.send_button.setToolTip(f"{name} ({tr('Esc') if busy else tr('Enter')})")
        self._permit()

    def show_editing(self, *, editing: bool) -> None:
        """Show whether a sent message is being edited."""
        self.note.setText(tr("Editing a message. Everything after it will be replaced.") if editing else "")
        self.note.setVisible(editing)
        self.cancel_button.setVisible(editing)

    def show_model(self, name: str, *, sees: bool, changed: bool) -> None:
        """Show the model, and whether it `sees` pictures.

        `changed`: the conversation has its own prompt or temperature.
        """
        button = self.model_button
        most = _NAME_LETTERS * button.fontMetrics().averageCharWidth()
        shown = button.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, most)
        button.setText(shown.replace("&", "&&"))
        explain(button, name if shown != name else "")
        button.setAccessibleName(tr("Model: {model}").format(model=name))
        options = tr("System prompt and temperature")
        self.options_button.setAccessibleName(
            tr("{name} — {notes}").format(name=options, notes=tr("changed")) if changed else options
        )
        self.options_button.setProperty("changed", changed)
        self.options_button.style().unpolish(self.options_button)
        self.options_button.style().polish(self.options_button)
        self.picture_button.setVisible(sees)
        blind = bool(self.pictures.all) and not sees
        self.pictures.warn(tr("{model} cannot see pictures").format(model=name) if blind else "")

    def fill(self, text: str) -> None:
        """Fill in a text, to be changed or sent."""
        self.text.setPlainText(text)
        self.text.moveCursor(QTextCursor.MoveOperation.End)
        self.text.setFocus()

    @property
    def editing(self) -> bool:
        """Whether a sent message is being edited."""
        return not self.cancel_button.isHidden()

    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.text.toPlainText().strip() and not self.pictures.all

    def clear(self) -> None:
        """Empty the field, and end editing."""
        self.text.clear()
        self.pictures.show_all(())
        self.show_editing(editing=False)

    def escape(self) -> bool:
        """Cancel editing or stop the answer; False if there is neither."""
        if self.editing:
            self.edit_cancelled.emit()
        elif self.busy:
            self.stop_wanted.emit()
        else:
            return False
        return True

    def submit(self) -> None:
        """Send what was written, unless there is nothing or an answer is under way."""
        if self.send_button.isEnabled() and not self.busy:
            self.send_wanted.emit()

    def take_mime(self, data: QMimeData) -> bool:
        """Take pictures and files from a drop or the clipboard; whether there were any."""
        files = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
        if files:
            self.files_given.emit(files)
        elif data.hasImage() and isinstance(image := data.imageData(), QImage):
            self.image_given.emit(image)
        else:
            return False
        return True

    def _press(self) -> None:
        if self.busy:
            self.stop_wanted.emit()
        else:
            self.submit()

    def _permit(self) -> None:
        self.send_button.setEnabled(self.busy or not self.is_empty())

    def _name_buttons(self) -> None:
        set_variant(self.send_button, Variant.PRIMARY)
        self.send_button.setObjectName("send")  # for the style sheet
        for button, name, symbol in (
            (self.picture_button, tr("Add pictures"), "plus"),
            (self.options_button, tr("System prompt and temperature"), "sliders-horizontal"),
        ):
            button.setAccessibleName(name)
            button.setToolTip(name)
            set_variant(button, Variant.QUIET)
            set_symbol(button, symbol)
        set_variant(self.model_button, Variant.QUIET)
        set_symbol(self.model_button, "chevron-down")
        self.model_button.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the symbol comes last
        set_variant(self.cancel_button, Variant.QUIET)
        self.cancel_button.hide()
        side = LARGE + SMALL + TIGHT
        for button in (self.picture_button, self.options_button, self.send_button):
            button.setFixedSize(QSize(side, side))

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.note, 1)
        head.addWidget(self.cancel_button)
        row = QHBoxLayout()
        row.setSpacing(TIGHT)
        row.addWidget(self.picture_button)
        row.addWidget(self.options_button)
        row.addStretch()
        row.addWidget(self.model_button)
        row.addWidget(self.send_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, SMALL + TIGHT, SMALL + TIGHT, SMALL + TIGHT)
        column.setSpacing(SMALL)
        column.addLayout(head)
        column.addWidget(self.pictures)
        column.addWidget(self.text)
        column.addLayout(row)
        for first, then in (
            (self.text, self.picture_button),
            (self.picture_button, self.options_button),
            (self.options_button, self.model_button),
            (self.model_button, self.send_button),
        ):
            self.setTabOrder(first, then)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the frame, in the accent color while the text has the focus."""
        look = look_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(look.surface)
        painter.setPen(QPen(look.accent if self.text.hasFocus() else look.border, 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        painter.end()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept pictures and files."""
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Take what is dropped."""
        if self.take_mime(event.mimeData()):
            accept_copy(event)


class _Field(QPlainTextEdit):
    """Grows with its text. Enter sends, Shift+Enter begins a line."""

    def __init__(self, composer: Composer) -> None:
        super().__init__()
        self._composer = composer
        self._composing = False
        self.setObjectName("text")  # for the style sheet
        self.setAccessibleName(tr("Message"))
        self.setPlaceholderText(tr("Send a message"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0)
        self.viewport().setAutoFillBackground(False)
        self.document().documentLayout().documentSizeChanged.connect(self._grow)
        self._grow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter sends, unless an input method is still composing a word."""
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.key() in _ENTER and self._composing:
            return
        if event.key() in _ENTER and plain:
            self._composer.submit()
        elif event.key() == Qt.Key.Key_Escape and self._composer.escape():
            pass
        elif event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) and plain:
            self._composer.page_wanted.emit(1 if event.key() == Qt.Key.Key_PageDown else -1)
        else:
            super().keyPressEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """Remember whether a word is being composed."""
        self._composing = bool(event.preeditString())
        super().inputMethodEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Also pictures and files."""
        return source.hasImage() or source.hasUrls() or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Insert a text into the message, and attach pictures and files."""
        if (source.hasText() and not source.hasUrls()) or not self._composer.take_mime(source):
            super().insertFromMimeData(source)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Redraw the frame, which shows the focus."""
        super().focusInEvent(event)
        self._composer.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Redraw the frame; a word is no longer being composed."""
        self._composing = False
        super().focusOutEvent(event)
        self._composer.update()

    def _grow(self) -> None:
        lines = self.document().documentLayout().documentSize().height()
        shown = min(max(1, lines), _MOST_LINES)
        self.setFixedHeight(round(shown * self.fontMetrics().lineSpacing()) + TIGHT)
        needed = Qt.ScrollBarPolicy.ScrollBarAsNeeded
        self.setVerticalScrollBarPolicy(
            needed if lines > _MOST_LINES else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
