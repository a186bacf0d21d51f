"""Why the server cannot answer now, with a button that helps. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from tray_app.ui.operations import start_server
from tray_app.ui.presenters.menu import start_refusal
from tray_app.ui.presenters.notices import Page
from tray_app.ui.style import SMALL, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.labels import text_label

if TYPE_CHECKING:
    from tray_app.ui.bridge import Bridge


class ServerLine(QWidget):
    """Hidden while the server can answer."""

    navigate = Signal(object)
    """The `Page` where a model can be chosen."""
    failed = Signal(object)
    """An `AppError`: the server could not be started."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.words = text_label()
        self.button = QPushButton()
        set_variant(self.button, Variant.PRIMARY)
        self.button.clicked.connect(self._help_on)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SMALL)
        row.addWidget(self.button)
        row.addWidget(self.words, 1)

    def show_reason(self, reason: str) -> None:
        """Show the reason, with a button that starts the server or leads to the models; empty hides it."""
        can_start = not start_refusal(self._bridge.status, tr)
        self.words.setText(reason)
        self.button.setText(tr("&Start Server") if can_start else tr("Choose a Mode&l"))
        self.button.setVisible(can_start or not self._bridge.status.model_name)
        self.setVisible(bool(reason))

    def _help_on(self) -> None:
        if not self._bridge.status.model_name:
            self.navigate.emit(Page.MODELS)
            return
        app = self._bridge.app
        self._bridge.run(lambda: start_server(app), lambda _: None, self.failed.emit)
