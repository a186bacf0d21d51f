"""What surrounds the field of a new conversation: a greeting and examples. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from tray_app.ui.presenters.formatting import error_text, error_title
from tray_app.ui.style import SMALL, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import heading, small_label

if TYPE_CHECKING:
    from tray_app.errors import AppError


class Greeting(QWidget):
    """Above the field. If no model can chat, it says what to do, with a button."""

    models_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.title = heading("", Type.HEADLINE)
        self.text = small_label()
        self.models_button = QPushButton(tr("Get a Chat &Model"))
        set_variant(self.models_button, Variant.PRIMARY)
        self.models_button.clicked.connect(self.models_wanted)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        for label in (self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addWidget(label)
        column.addWidget(self.models_button, alignment=Qt.AlignmentFlag.AlignCenter)
        self.show_state(usable=True, problem=None)

    def show_state(self, *, usable: bool, problem: AppError | None) -> None:
        """Greet the person, or say why there is no chat model."""
        if usable:
            title, text = tr("What would you like to know?"), tr("Your conversations stay on this computer.")
        elif problem is not None:
            title, text = error_title(problem, tr), error_text(problem, tr)
        else:
            title = tr("No chat model yet")
            text = tr("Download one that fits this computer, then come back here.")
        self.title.setText(title)
        self.text.setText(text)
        self.models_button.setVisible(not usable)


class Examples(QWidget):
    """Below the field. A click on one fills it in."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        self.buttons: list[QPushButton] = []
        for text in (
            tr("Explain in simple words how a language model works."),
            tr("Write a polite e-mail that moves a meeting to next week."),
            tr("Suggest three dinners with rice and vegetables."),
        ):
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, text=text: self.chosen.emit(text))
            self.buttons.append(button)
            column.addWidget(button, alignment=Qt.AlignmentFlag.AlignCenter)
