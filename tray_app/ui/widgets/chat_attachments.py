"""The pictures of a message that is being written, each with a button that removes it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.chat_pictures import small_image
from tray_app.ui.style import LARGE, SMALL, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.chat_message import show_image
from tray_app.ui.widgets.labels import explain, small_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.chats.conversation import Attachment

_SIDE = 56


class Attachments(QWidget):
    """Thumbnails in a row; hidden while there is none."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.all: tuple[Attachment, ...] = ()
        self.warning = small_label()
        self.warning.hide()
        self._thumbs = QHBoxLayout()
        self._thumbs.setSpacing(SMALL)
        self._thumbs.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._thumbs)
        column.addWidget(self.warning)
        self.hide()

    def show_all(self, pictures: Sequence[Attachment]) -> None:
        """Show these pictures."""
        while self._thumbs.count() > 1:
            item = self._thumbs.takeAt(0)
            if item is not None and (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.all = tuple(pictures)
        for number, picture in enumerate(self.all):
            self._thumbs.insertWidget(number, self._thumb(picture))
        self.setVisible(bool(self.all))
        self.changed.emit()

    def warn(self, text: str) -> None:
        """Show a warning about them; an empty text hides it."""
        self.warning.setText(text)
        self.warning.setVisible(bool(text))

    def _thumb(self, picture: Attachment) -> QWidget:
        thumb = QWidget()
        label = QLabel(thumb)
        label.setFixedSize(_SIDE, _SIDE)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        label.setAccessibleName(tr("Picture: {name}").format(name=picture.name))
        explain(label, picture.name)
        show_image(label, small_image(picture, 2 * _SIDE), _SIDE)
        remove = QPushButton()
        remove.setAccessibleName(tr("Remove {name}").format(name=picture.name))
        explain(remove, tr("Remove {name}").format(name=picture.name))
        set_variant(remove, Variant.QUIET)
        set_symbol(remove, "x")
        remove.setFixedSize(QSize(LARGE, LARGE))
        remove.clicked.connect(lambda: self._remove(picture))
        row = QHBoxLayout(thumb)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(label)
        row.addWidget(remove, alignment=Qt.AlignmentFlag.AlignTop)
        return thumb

    def _remove(self, picture: Attachment) -> None:
        self.show_all([each for each in self.all if each is not picture])
