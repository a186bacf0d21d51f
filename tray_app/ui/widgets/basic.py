"""Small widgets that several pages share. GUI thread."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QFontDatabase,
    QGuiApplication,
    QPainter,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.presenters.formatting import error_title
from tray_app.ui.style import (
    LARGE,
    MEDIUM,
    RADIUS,
    SMALL,
    Type,
    colors,
    look_of,
    set_type,
)
from tray_app.ui.symbols import symbol_pixmap
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QDropEvent, QPaintEvent, QResizeEvent

    from tray_app.errors import AppError

_FEW_LETTERS = 12


@runtime_checkable
class StatefulPage(Protocol):
    """A page that another one of its kind may take the place of: in another language, for one."""

    def take_over(self, old: Any) -> None:
        """Show what a person has typed in `old`, and what came of it; `old` does nothing more."""


class Card(QFrame):
    """A sheet with round corners on the page; what is `urgent` has an edge in the colour of selections."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._urgent = False

    def show_urgent(self, *, urgent: bool) -> None:
        """Stand out, or not."""
        if urgent != self._urgent:
            self._urgent = urgent
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the sheet in the palette's colours, which may change at any time."""
        look = look_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(look.surface)
        painter.setPen(QPen(look.accent if self._urgent else look.border, 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        painter.end()


class MessageCard(Card):
    """A framed message in the page: what happened, why, what to do, and perhaps a button that does it.

    Hidden while there is nothing to say; the one form in which errors appear.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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
                warning=True,
            )
            self.error = error

    def show_message(self, title: str, text: str) -> None:
        """Show something that is no error."""
        self._icon.setAccessibleName(tr("Information"))
        self._show(title, (text, "", ""), warning=False)

    def offer(self, label: str, act: Callable[[], object]) -> None:
        """Add a button to what is shown."""
        self._act = act
        self._button.setText(label)
        self._button.show()

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
        news = self.isHidden() or title != self.accessibleName()  # a share that grows is none
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
        if news:
            announce(self, "\n".join(filter(None, (title, *texts))))


def plain_tooltip(text: str) -> str:
    """A text for a tooltip, which would take what looks like HTML for such, and open what that names."""
    return f"<qt>{'<br>'.join(map(escape, text.splitlines()))}</qt>" if text else ""


def announce(widget: QWidget, words: str) -> None:
    """Let a screen reader say something, wherever its user is in the window of a widget that can be seen."""
    if widget.isVisible() and QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(widget, words))


def ask_for_file(
    parent: QWidget, title: str, forms: Sequence[str], chosen: Callable[[Path], object], *, name: str = ""
) -> None:
    """Ask where something shall be saved. `forms` are filters with one ending each, as `Table (*.csv)`;
    `name` is proposed.

    A name without an ending gets that of the chosen form.
    """
    dialog = QFileDialog(parent, title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters(forms)
    if name:
        dialog.selectFile(name)

    def end_with(form: str) -> None:
        dialog.setDefaultSuffix(form.rpartition("*")[2].rstrip(")"))

    end_with(forms[0])
    dialog.filterSelected.connect(end_with)
    dialog.fileSelected.connect(lambda name: chosen(Path(name)))
    dialog.open()


def accept_copy(event: QDropEvent) -> None:
    """Take what is dropped as a copy: who gives a file away by a move deletes it."""
    event.setDropAction(Qt.DropAction.CopyAction)
    event.accept()


def bring_into_view(window: QWidget) -> None:
    """Make a window no larger than its screen, and move it onto one where there is none below it any more."""
    # WORKAROUND: PySide 6.11 gives what `window.screen()` returns to the window, and it goes with that one.
    screen = QGuiApplication.screenAt(window.geometry().center()) or QGuiApplication.primaryScreen()
    available = screen.availableGeometry()
    window.resize(window.size().boundedTo(available.size()))
    screens = QGuiApplication.screens()
    if not any(screen.availableGeometry().intersects(window.geometry()) for screen in screens):
        window.move(available.topLeft())


def text_label(text: str = "", *, bold: bool = False) -> QLabel:
    """A label that wraps, shows exactly what it is given, and can be copied from."""
    label = QLabel(text)
    _set_up(label)
    if bold:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


class ElidedLabel(QLabel):
    """One line that ends with «…» where there is too little room; its tooltip has all of it then."""

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
        """Show another text."""
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
        return QSize(metrics.horizontalAdvance(self._full), metrics.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideMiddle, self.width())
        self.setText(shown)
        self.setToolTip(plain_tooltip(self._full) if shown != self._full else "")


class _QuietLabel(QLabel):
    """Its letters are the text's, a little fainter: those of placeholders are too faint for many to read."""

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
            palette = QPalette()  # of the others, none shall be fixed
            palette.setColor(QPalette.ColorRole.PlaceholderText, faint)
            self.setPalette(palette)


def _set_up(label: QLabel) -> None:
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    policy.setHeightForWidth(True)  # else it has as many lines as Qt guesses, which may be too few
    label.setSizePolicy(policy)


def small_label(text: str = "") -> QLabel:
    """A quiet label, a little smaller than the text."""
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


class EmptyState(QWidget):
    """In place of a list that is empty: why it is, what to do, and perhaps the button that does it."""

    def __init__(self, symbol: str, title: str, text: str, button: QPushButton | None = None) -> None:
        super().__init__()
        self._symbol = symbol
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title = heading(kind=Type.TITLE)
        self.text = small_label()
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addStretch()
        column.addWidget(self._icon)
        for label in (self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        if button is not None:
            column.addSpacing(SMALL)
            column.addWidget(button, alignment=Qt.AlignmentFlag.AlignCenter)
        column.addStretch()
        self.show_words(title, text)
        self._draw()

    def show_words(self, title: str, text: str) -> None:
        """Say something else."""
        self.title.setText(title)
        self.text.setText(text)
        self._icon.setAccessibleName(title)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the system's change between light and dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _draw(self) -> None:
        rgba = look_of(self).secondary.rgba()
        self._icon.setPixmap(symbol_pixmap(self._symbol, rgba, 2 * LARGE, self.devicePixelRatioF()))
