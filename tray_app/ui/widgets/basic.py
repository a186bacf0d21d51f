"""What several pages and widgets share, and is no label, card or dialog. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QLineEdit, QScrollArea, QToolButton

from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import QDropEvent
    from PySide6.QtWidgets import QDialog, QWidget


NO_LIMIT = (1 << 24) - 1
"""Pixels: a width or height that means no limit to Qt (QWIDGETSIZE_MAX, which PySide does not name)."""


@runtime_checkable
class StatefulPage(Protocol):
    """A page that can be replaced by another one of its class, which is how the language changes."""

    def take_over(self, old: Any) -> None:
        """Show what a person has typed in `old`, and its results. `old` does nothing more."""


def announce(widget: QWidget, words: str) -> None:
    """Let a screen reader say something, if it is running and the widget is visible."""
    if widget.isVisible() and QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(widget, words))


def give_up_focus(widget: QWidget) -> None:
    """Take the keyboard from a part of a long page that is about to be hidden, if it is in there: the next
    Tab begins at the list of pages.

    Qt would pass it to the next button, however far away, and the next Enter would press that.
    """
    focused, around = widget.window().focusWidget(), widget.parentWidget()
    if focused is None or not widget.isAncestorOf(focused):
        return
    while around is not None:
        if isinstance(around, QScrollArea) and around.focusPolicy() is not Qt.FocusPolicy.NoFocus:
            focused.clearFocus()
            return
        around = around.parentWidget()


def dropped_paths(source: QMimeData) -> tuple[Path, ...]:
    """The files and folders of this computer in what is dragged, dropped or pasted."""
    return tuple(Path(url.toLocalFile()) for url in source.urls() if url.isLocalFile())


def accept_copy(event: QDropEvent) -> None:
    """Take what is dropped as a copy: with a move, the other program would delete its file."""
    event.setDropAction(Qt.DropAction.CopyAction)
    event.accept()


def bring_into_view(window: QWidget) -> None:
    """Make a window no larger than its screen; one that is on no screen is moved onto one."""
    # WORKAROUND: PySide 6.11 makes the window the owner of what `window.screen()` returns, and deletes both.
    screen = QGuiApplication.screenAt(window.geometry().center()) or QGuiApplication.primaryScreen()
    available = screen.availableGeometry()
    window.resize(window.size().boundedTo(available.size()))
    screens = QGuiApplication.screens()
    if not any(screen.availableGeometry().intersects(window.geometry()) for screen in screens):
        window.move(available.topLeft())


def make_room(dialog: QDialog) -> None:
    """Make a dialog as high as all its text at its width, as soon as Qt has laid out what was added."""

    def grow() -> None:
        dialog.resize(dialog.width(), max(dialog.height(), dialog.heightForWidth(dialog.width())))

    QTimer.singleShot(0, dialog, grow)


def add_shortcut(widget: QWidget, keys: str | QKeySequence.StandardKey, act: Callable[[], object]) -> None:
    """Let keys do something while the keyboard is in `widget` or in a part of it."""
    within = Qt.ShortcutContext.WidgetWithChildrenShortcut
    QShortcut(QKeySequence(keys), widget, act, context=within)


def search_line(name: str) -> QLineEdit:
    """A field for words to search for, with a button that clears it. `name` is shown while it is empty."""
    line = QLineEdit(placeholderText=name, clearButtonEnabled=True)
    line.setAccessibleName(name)
    name_clear_button(line)
    return line


def name_clear_button(line: QLineEdit) -> None:
    """Give the button that clears a field the name that Qt does not give it."""
    for button in line.findChildren(QToolButton):
        button.setAccessibleName(tr("Clear"))


def scrolled(content: QWidget) -> QScrollArea:
    """A frameless view that scrolls `content`, which shows the ground of the page.

    The Tab key skips it: it scrolls to whatever has the keyboard.
    """
    content.setObjectName("content")  # for the style sheet
    area = QScrollArea(widgetResizable=True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    area.viewport().setAutoFillBackground(False)
    return area
