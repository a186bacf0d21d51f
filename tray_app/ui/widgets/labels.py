"""Labels: text that wraps and can be copied, captions, headings, one line that is cut short. GUI thread."""

from __future__ import annotations

from html import escape
from math import ceil
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPalette
from PySide6.QtWidgets import QLabel, QSizePolicy

from tray_app.ui.style import Type, colors, set_type

if TYPE_CHECKING:
    from PySide6.QtGui import QFont, QResizeEvent
    from PySide6.QtWidgets import QWidget

_FEW_LETTERS = 12


def text_label(text: str = "", *, bold: bool = False) -> QLabel:
    """A label that wraps, shows its text literally (no HTML), and lets people select and copy it."""
    label = QLabel(text)
    _set_up(label)
    if bold:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


class ElidedLabel(QLabel):
    """One line, cut short with “…” in the middle where there is too little room; then a tooltip has all."""

    def __init__(self, *, bold: bool = False) -> None:
        super().__init__()
        self._full = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        # Beside its symbol, whatever script a name is in.
        self.setAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        font = self.font()
        font.setBold(bold)
        self.setFont(font)

    def show_text(self, text: str) -> None:
        """Show this text."""
        self._full = text
        self.setAccessibleName(text)
        self._elide()
        self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters."""
        metrics = self.fontMetrics()
        return QSize(_FEW_LETTERS * metrics.averageCharWidth(), metrics.height())

    def sizeHint(self) -> QSize:
        """Room for all of it."""
        metrics = self.fontMetrics()
        return QSize(line_width(self._full, self.font()), metrics.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideMiddle, self.width())
        self.setText(shown)
        explain(self, self._full if shown != self._full else "")


class _QuietLabel(QLabel):
    """In a fainter color than other text, but not as faint as placeholders, which many cannot read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._adopt_palette()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._adopt_palette()

    def _adopt_palette(self) -> None:
        palette = self.palette()
        faint = colors(palette).secondary
        if palette.color(QPalette.ColorRole.PlaceholderText) != faint:
            palette = QPalette()  # fixes no other color
            palette.setColor(QPalette.ColorRole.PlaceholderText, faint)
            self.setPalette(palette)


def _set_up(label: QLabel) -> None:
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    policy.setHeightForWidth(True)  # else Qt guesses the number of lines, which may be too small
    label.setSizePolicy(policy)


def small_label(text: str = "") -> QLabel:
    """A caption: fainter and a little smaller than other text, and not selectable."""
    label = _QuietLabel(text)
    _set_up(label)
    set_type(label, Type.CAPTION)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    return label


def heading(text: str = "", kind: Type = Type.HEADLINE) -> QLabel:
    """The title of a page, or of a group on it."""
    label = text_label(text)
    set_type(label, kind)
    return label


def label_for(text: str, field: QWidget) -> QLabel:
    """The label of a field; its mnemonic (`&`) leads to the field."""
    label = QLabel(text)
    label.setBuddy(field)
    return label


def row_label_for(text: str, field: QWidget) -> QLabel:
    """The label of a field in a form, as high as the field, so that their words are on one line."""
    label = label_for(text, field)
    label.setMinimumHeight(field.sizeHint().height())
    return label


def line_width(text: str, font: QFont) -> int:
    """Pixels that a line of text needs to be shown in full: whole ones, where Qt rounds to the nearest."""
    return ceil(QFontMetricsF(font).horizontalAdvance(text))


def explain(widget: QWidget, text: str) -> None:
    """Give a widget this tooltip, word for word; a screen reader reads it, and not the tooltip's HTML."""
    widget.setToolTip(plain_tooltip(text))
    widget.setAccessibleDescription(text)


def plain_tooltip(text: str) -> str:
    """A text for a tooltip: escaped, since Qt takes what looks like HTML for HTML and loads what it names."""
    return f"<qt>{'<br>'.join(map(escape, text.splitlines()))}</qt>" if text else ""
