"""The server at the top of Home: its state, switch and address, and where to go from here. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QMenu, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout

from tray_app.app.server_status import ServerState
from tray_app.download.progress import Phase
from tray_app.models.header import Purpose
from tray_app.ui.operations import operation_for
from tray_app.ui.presenters.engines import loaded_purposes, ready_engines, server_facts
from tray_app.ui.presenters.formatting import permille, progress_text
from tray_app.ui.presenters.menu import COPIES, Command, copy_label, start_refusal, takes_models
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.snippets import copied_text
from tray_app.ui.presenters.status import address_hint, current_download, download_line, sign_of, state_line
from tray_app.ui.style import MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import heading, small_label, text_label
from tray_app.ui.widgets.state_dot import StateDot
from tray_app.ui.widgets.switch import Switch

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.ui.bridge import Bridge

_COPIED_MS = 2000
_BAR_STEPS = 1000


class ServerCard(Card):
    """Shows the newest status; the page starts and stops the server."""

    start_wanted = Signal()
    stop_wanted = Signal()
    navigate = Signal(object)
    """A `Page` where the loaded models can be used."""
    failed = Signal(object)
    """An `AppError`: a download could not be paused."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.dot = StateDot(MEDIUM)
        self.headline = heading()
        self.switch = Switch(tr("Server"))
        self.facts = small_label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)  # the state line says it
        self.pause_button = QPushButton()
        set_variant(self.pause_button, Variant.QUIET)
        self.progress = small_label()
        self.address = text_label()
        self.address.setWordWrap(False)
        self.address.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.address.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.address.setAccessibleName(tr("Address"))
        self.hint = small_label()
        self.copy_button = QPushButton()
        self.copy_button.setAccessibleName(tr("Copy the address or an example"))
        self.embeddings_button = QPushButton(tr("Open Em&beddings"))
        self.chat_button = QPushButton(tr("Open C&hat"))
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(_COPIED_MS)
        self._fill_copies()
        self._connect()
        self._lay_out()

    def show_status(self, status: AppStatus) -> None:
        """Show another snapshot."""
        current = current_download(status)
        headline = state_line(status, time.time(), tr)
        if current and headline == download_line(current, tr):  # the rest of it stands below the bar
            headline = tr("Downloading {name}").format(name=current.name)
        self.headline.setText(headline)
        self.dot.show_sign(sign_of(status), headline)
        self._show_switch(status)
        self._show_download(current)
        address = status.server.base_url or ""
        self.address.setText(address)
        self.address.setVisible(bool(address))
        self.copy_button.setVisible(bool(address))
        self.hint.setText(address_hint(status, tr))
        self.hint.setVisible(not address and bool(status.model_name))
        self.show_facts(status)
        purposes = loaded_purposes(status)
        embeds = Purpose.EMBEDDING in purposes
        self.embeddings_button.setVisible(embeds)
        self.chat_button.setVisible(Purpose.CHAT in purposes)
        set_variant(self.embeddings_button, Variant.PRIMARY if embeds else None)
        set_variant(self.chat_button, None if embeds else Variant.PRIMARY)

    def show_facts(self, status: AppStatus) -> None:
        """Show what changes with time and use."""
        facts = " · ".join(server_facts(status, self._bridge.app.host, time.time(), tr))
        if facts != self.facts.text():
            self.facts.setText(facts)
        self.facts.setVisible(bool(facts))

    def _show_switch(self, status: AppStatus) -> None:
        ends = status.server.state is ServerState.FAILED and not ready_engines(status)
        on = takes_models(status) and not ends
        self.switch.setChecked(on)
        self.switch.setText(tr("S&top Server") if on else tr("&Start Server"))
        self.switch.setToolTip(tr("Stop Server") if on else tr("Start Server"))
        self.switch.setVisible(on or not start_refusal(status, tr))

    def _show_download(self, current: Progress | None) -> None:
        for widget in (self.bar, self.pause_button, self.progress):
            widget.setVisible(current is not None)
        if current is None:
            return
        share = permille(current)
        paused = current.phase is Phase.PAUSED
        self.bar.setRange(0, _BAR_STEPS if share is not None or paused else 0)
        self.bar.setValue(share or 0)
        self.bar.setAccessibleName(download_line(current, tr))
        one_of_several = current.name not in self.headline.text()
        self.progress.setText(download_line(current, tr) if one_of_several else progress_text(current, tr))
        self.pause_button.setText(tr("Resume") if paused else tr("Pause"))
        set_symbol(self.pause_button, "play" if paused else "pause")

    def _switch(self, wanted: bool) -> None:  # noqa: FBT001 - as Qt calls it
        (self.start_wanted if wanted else self.stop_wanted).emit()

    def _pause(self) -> None:
        status = self._bridge.status
        current = current_download(status)
        paused = current is not None and current.phase is Phase.PAUSED
        command = Command.RESUME if paused else Command.PAUSE
        if operation := operation_for(self._bridge.app, command, status):
            self._bridge.run(operation, lambda _: None, self.failed.emit)

    def _fill_copies(self) -> None:
        menu = QMenu(self.copy_button)
        for command in COPIES:
            menu.addAction(copy_label(command, tr)).triggered.connect(
                lambda _=False, command=command: self._copy(command)
            )
        self.copy_button.setMenu(menu)
        widths = []
        for copied in (True, False):
            self._show_copied(copied=copied)
            widths.append(self.copy_button.sizeHint().width())
        self.copy_button.setMinimumWidth(max(widths))

    def _copy(self, command: Command) -> None:
        QGuiApplication.clipboard().setText(copied_text(command, self._bridge.status))
        self._show_copied(copied=True)
        self._copied.start()

    def _show_copied(self, *, copied: bool) -> None:
        self.copy_button.setText(tr("Copied") if copied else tr("&Copy"))

    def _connect(self) -> None:
        self.switch.clicked.connect(self._switch)
        self.pause_button.clicked.connect(self._pause)
        self._copied.timeout.connect(lambda: self._show_copied(copied=False))
        self.embeddings_button.clicked.connect(lambda: self.navigate.emit(Page.EMBEDDINGS))
        self.chat_button.clicked.connect(lambda: self.navigate.emit(Page.CHAT))

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(SMALL)
        top.addWidget(self.dot)
        top.addWidget(self.headline, 1)
        top.addWidget(self.switch)
        download = _row(self.bar, self.pause_button)
        download.setStretch(0, 1)
        address = _row(self.address, self.copy_button)
        address.addStretch()
        buttons = _row(self.embeddings_button, self.chat_button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(SMALL)
        column.addLayout(top)
        column.addWidget(self.facts)
        column.addLayout(download)
        column.addWidget(self.progress)
        column.addWidget(self.hint)
        column.addLayout(address)
        column.addLayout(buttons)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(SMALL)
    for widget in widgets:
        row.addWidget(widget)
    return row
