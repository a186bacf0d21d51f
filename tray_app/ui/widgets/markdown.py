"""A text that is as high as it needs to be: Markdown, or plain text of a person. GUI thread.

Markdown comes from models and other strangers: nothing that it names is loaded, and a click on a link is only
reported.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import (
    QFont,
    QFontDatabase,
    QPalette,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFrameFormat,
    QTextTable,
)
from PySide6.QtWidgets import QFrame, QTextBrowser

from tray_app.ui.style import TIGHT, Type, font, look_of
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtCore import QUrl
    from PySide6.QtGui import (
        QColor,
        QFocusEvent,
        QKeyEvent,
        QTextBlock,
        QTextFragment,
        QWheelEvent,
    )
    from PySide6.QtWidgets import QWidget

_MOST_CELLS = 1000
"""Cells of tables in one text: with more, Qt takes over a second."""
_LINE_PERCENT = 125.0
_EDGE = 1
"""Pixels around a text, for the ring that shows the focus."""
_SCROLLS = {
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
}


class SafeDocument(QTextDocument):
    """A document that loads nothing: no picture from the network, no file of this computer."""

    def loadResource(self, _kind: int, _name: QUrl | str) -> Any:
        """Nothing, whatever is asked for."""
        return None


class TextView(QTextBrowser):
    """A text that is as high as it needs to be; the view around it scrolls."""

    link_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        document = SafeDocument(self)
        document.setDocumentMargin(0)
        self.setDocument(document)
        document.setDefaultFont(self.font())
        self.setObjectName("text")  # for the style sheet
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)  # the view around it has one
        self.setTabChangesFocus(True)
        self.setOpenLinks(False)
        self.viewport().setAutoFillBackground(False)
        self.anchorClicked.connect(lambda url: self.link_clicked.emit(url.toString()))

    def show_markdown(self, text: str) -> None:
        """Show a Markdown text."""
        document = self.document()
        document.setMarkdown(text, _features(text))
        _dress(document, self)

    def show_plain(self, text: str) -> None:
        """Show a plain text."""
        self.document().setPlainText(text)

    def height_for(self, width: int) -> int:
        """Its height at this width, in pixels."""
        document = self.document()
        document.setTextWidth(width - 2 * _EDGE)
        return max(self.fontMetrics().height(), round(document.size().height() + 0.5)) + 2 * _EDGE

    def width_wanted(self, most: int) -> int:
        """The width that it needs, at most `most` pixels."""
        document = self.document()
        document.setTextWidth(most - 2 * _EDGE)
        return min(most, int(document.idealWidth()) + 1 + 2 * _EDGE)

    def loadResource(self, _kind: int, _name: QUrl | str) -> Any:
        """Nothing, as `SafeDocument`."""
        return None

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave scrolling to the view around it."""
        event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show a ring, if the Tab key has brought the focus."""
        super().focusInEvent(event)
        self._ring(shown=event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the ring, and clear the selection."""
        super().focusOutEvent(event)
        self._ring(shown=False)
        if event.reason() not in (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason):
            cursor = self.textCursor()
            cursor.clearSelection()
            self.setTextCursor(cursor)

    def _ring(self, *, shown: bool) -> None:
        if shown != bool(self.property("ring")):
            self.setProperty("ring", shown)
            self.style().unpolish(self)
            self.style().polish(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave keys that scroll to the view around it."""
        if event.key() in _SCROLLS and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            event.ignore()
        else:
            super().keyPressEvent(event)


def plain_text(markdown: str) -> str:
    """A Markdown text as it is read aloud."""
    document = SafeDocument()
    document.setMarkdown(markdown, _features(markdown))
    return document.toPlainText().replace("\N{OBJECT REPLACEMENT CHARACTER}", "")


def _features(markdown: str) -> QTextDocument.MarkdownFeature:
    """The Markdown dialect for a text: one without tables, which are shown as written, if they are huge."""
    known = QTextDocument.MarkdownFeature
    huge = markdown.count("|") > _MOST_CELLS
    return known.MarkdownNoHTML | (known.MarkdownDialectCommonMark if huge else known.MarkdownDialectGitHub)


@cache
def code_font() -> QFont:
    """The system's font for code."""
    return QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)


def _dress(document: QTextDocument, widget: QWidget) -> None:
    """Apply our sizes and colors, and replace pictures by links."""
    look = look_of(widget)
    base = document.defaultFont()
    cursor = QTextCursor(document)
    cursor.beginEditBlock()  # Qt arranges the text once, at the end, and not after each change
    _replace_pictures(cursor, widget.palette().color(QPalette.ColorRole.Link))
    cursor.select(QTextCursor.SelectionType.Document)
    spacing = QTextBlockFormat()
    spacing.setLineHeight(_LINE_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
    cursor.mergeBlockFormat(spacing)
    code = QTextCharFormat()
    code.setBackground(look.hover)
    quoted = QTextCharFormat()
    quoted.setForeground(look.secondary)
    for block in _blocks(document):
        if block.blockFormat().hasProperty(QTextBlockFormat.Property.BlockQuoteLevel.value):
            _select(cursor, block.position(), block.length() - 1)
            cursor.mergeCharFormat(quoted)
        if level := block.blockFormat().headingLevel():
            heading = QTextCharFormat()
            kind = Type.HEADLINE if level == 1 else Type.TITLE if level == 2 else Type.BODY  # noqa: PLR2004
            heading.setFont(font(base, kind, bold=True), QTextCharFormat.FontPropertiesInheritanceBehavior(0))
            _select(cursor, block.position(), block.length() - 1)
            cursor.mergeCharFormat(heading)
        for fragment in _fragments(block):
            if fragment.charFormat().fontFixedPitch():
                _select(cursor, fragment.position(), fragment.length())
                cursor.mergeCharFormat(code)
        if block.blockFormat().hasProperty(QTextBlockFormat.Property.BlockCodeFence.value):
            ground = QTextBlockFormat()
            ground.setBackground(look.hover)
            cursor.setPosition(block.position())
            cursor.mergeBlockFormat(ground)
    for frame in document.rootFrame().childFrames():
        if isinstance(frame, QTextTable):
            _dress_table(frame, look.border)
    cursor.endEditBlock()


def _dress_table(table: QTextTable, border: QColor) -> None:
    form = table.format()
    form.setBorder(1)
    form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    form.setBorderBrush(border)
    form.setBorderCollapse(True)
    form.setCellPadding(TIGHT)
    table.setFormat(form)
    # WORKAROUND: Qt 6.11 begins a table after code or a quotation with an empty line in its first cell, whose
    # words are then not as bold as those of the other headings.
    cell = table.cellAt(0, 0)
    cursor, end = cell.firstCursorPosition(), cell.lastCursorPosition()
    if not cursor.block().text() and cursor.block() != end.block():
        cursor.deleteChar()
        cursor.setPosition(cell.lastCursorPosition().position(), QTextCursor.MoveMode.KeepAnchor)
        bold = QTextCharFormat()
        bold.setFontWeight(QFont.Weight.Bold)
        cursor.mergeCharFormat(bold)
        plain = QTextBlockFormat()
        plain.setLineHeight(_LINE_PERCENT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.setBlockFormat(plain)  # that of a paragraph has margins


def _replace_pictures(cursor: QTextCursor, color: QColor) -> None:
    """Replace each picture by a link to it, as nothing is loaded unasked."""
    found = [
        (fragment.position(), fragment.length(), fragment.charFormat())
        for block in _blocks(cursor.document())
        for fragment in _fragments(block)
        if fragment.charFormat().isImageFormat()
    ]
    for position, length, form in reversed(found):
        image = form.toImageFormat()
        link = QTextCharFormat()
        link.setAnchor(True)
        link.setAnchorHref(image.name())
        link.setFontUnderline(True)
        link.setForeground(color)
        label = str(image.property(image.Property.ImageAltText) or "") or image.name()
        _select(cursor, position, length)
        cursor.insertText(tr("[Picture: {name}]").format(name=label), link)


def _select(cursor: QTextCursor, position: int, length: int) -> None:
    cursor.setPosition(position)
    cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)


def _blocks(document: QTextDocument) -> Iterator[QTextBlock]:
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


def _fragments(block: QTextBlock) -> Iterator[QTextFragment]:
    each = block.begin()
    while not each.atEnd():
        fragment = each.fragment()
        if fragment.isValid():
            yield fragment
        each += 1
