"""The column at the left of a chat: a search, a new conversation, and the saved ones. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.chat_operations import ChatList, list_chats
from tray_app.ui.presenters.formatting import error_lines
from tray_app.ui.style import LARGE, MEDIUM, SMALL, TIGHT, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import search_line
from tray_app.ui.widgets.chat_list import ChatListModel, ChatListView
from tray_app.ui.widgets.labels import small_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge

_TYPING_MS = 200
LETTERS = 40
"""The width of the column, in letters."""


class ChatSidebar(QWidget):
    """Finds conversations."""

    new_wanted = Signal()
    problems_told = Signal(str, str)
    """A title and a text on files that cannot be read."""
    failed = Signal(object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._forget: Callable[[], None] = lambda: None
        self._current = ""
        self.shown = ChatList("", ())
        self.search = search_line(tr("Search conversations"))
        self.new_button = QPushButton()
        name = tr("New conversation")
        keys = QKeySequence("Ctrl+N").toString(QKeySequence.SequenceFormat.NativeText)
        self.new_button.setAccessibleName(name)
        self.new_button.setToolTip(f"{name} ({keys})")
        set_symbol(self.new_button, "plus")
        set_variant(self.new_button, Variant.QUIET)
        self.new_button.setFixedSize(QSize(LARGE + SMALL + TIGHT, LARGE + SMALL + TIGHT))
        self.model = ChatListModel()
        self.list = ChatListView(self.model)
        self.empty = small_label()
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.problems_button = QPushButton()
        set_symbol(self.problems_button, "triangle-alert")
        set_variant(self.problems_button, Variant.QUIET)
        self.problems_button.hide()
        self._typing = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._lay_out()
        self._typing.timeout.connect(self.refresh)
        self.search.textChanged.connect(self._type)
        self.search.returnPressed.connect(self._enter)
        self.new_button.clicked.connect(self.new_wanted)
        self.problems_button.clicked.connect(self._tell_problems)

    def refresh(self) -> None:
        """Read the list of conversations again."""
        self._forget()
        app, words = self._bridge.app, self.search.text().strip()
        self._forget = self._bridge.run(lambda: list_chats(app, words), self._show, self.failed.emit)

    def select(self, conversation_id: str) -> None:
        """Mark the conversation that is shown."""
        self._current = conversation_id
        self.list.select(conversation_id)

    def _show(self, shown: ChatList) -> None:
        if self.list.state() is QAbstractItemView.State.EditingState:
            self._typing.start()  # later, as a title is being edited in a row
            return
        if shown != self.shown:
            self.shown = shown
            self.model.show_list(shown)
        self.list.select(self._current)
        self.list.setVisible(bool(shown.summaries))
        self.empty.setVisible(not shown.summaries)
        nothing = (
            tr("No conversation contains these words.")
            if shown.words
            else tr("Your conversations appear here.")
        )
        self.empty.setText(nothing)
        count = len(shown.problems)
        self.problems_button.setVisible(count > 0)
        self.problems_button.setText(tr.count("{count} file is damaged", "{count} files are damaged", count))

    def _type(self) -> None:
        self._typing.start()  # anew with each letter

    def _enter(self) -> None:
        """Search at once, and let the keyboard choose among what was found."""
        self._typing.stop()
        self.refresh()
        self.list.setFocus()

    def _tell_problems(self) -> None:
        errors: list[AppError] = [each.error for each in self.shown.problems]
        text = "\n\n".join("\n".join(error_lines(each, tr)) for each in errors)
        self.problems_told.emit(self.problems_button.text(), text)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(TIGHT)
        top.addWidget(self.search, 1)
        top.addWidget(self.new_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, MEDIUM, SMALL, MEDIUM)
        column.setSpacing(SMALL)
        column.addLayout(top)
        column.addWidget(self.list, 1)
        column.addWidget(self.empty, 1)
        column.addWidget(self.problems_button)
        self.empty.hide()
