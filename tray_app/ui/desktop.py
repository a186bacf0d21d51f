"""The app on the desktop: tray, window, dialogs and notifications, and what they lead to. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QSystemTrayIcon

from tray_app.system.host import System
from tray_app.ui.bridge import Bridge
from tray_app.ui.garbage import delete_plot
from tray_app.ui.languages import Languages
from tray_app.ui.operations import load_or_unload, operation_for, read_facts
from tray_app.ui.presenters.menu import COPIES, Command, model_choices
from tray_app.ui.presenters.model_facts import ModelFacts, facts_key
from tray_app.ui.presenters.notices import Page, notices
from tray_app.ui.presenters.snippets import copied_text
from tray_app.ui.presenters.status import announcement
from tray_app.ui.texts import tr
from tray_app.ui.tray import Tray, menus_go_over_dbus

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.dialogs.settings import SettingsDialog
    from tray_app.ui.presenters.notices import Notice
    from tray_app.ui.window import Window

_TRAY_LOOK_MS = 2000
_TRAY_GRACE_MS = 10_000


class Desktop(QObject):
    """Owns the tray, and the window and dialogs, each made when it is first needed.

    While the desktop has no tray, the window takes its place.
    """

    _quit_wanted = Signal()
    _window_wanted = Signal(str)

    def __init__(self, qt: QApplication, app: AppProtocol) -> None:
        super().__init__()
        self._qt = qt
        self._app = app
        self.bridge = Bridge(app)
        self._languages = Languages()
        self._language = self.bridge.status.settings.language
        self._languages.use(self._language)
        self._window: Window | None = None
        self.tray: Tray | None = None
        self.dialog: SettingsDialog | None = None
        self.about: QMessageBox | None = None
        self._shown = self.bridge.status
        self._facts = ModelFacts()
        self._facts_of: object = None
        self._forget_facts: Callable[[], object] = lambda: None
        # Runs only while there is no tray: not every system says when a panel appears.
        self._look = QTimer(self)
        self._look.setInterval(_TRAY_LOOK_MS)
        self._look.timeout.connect(self._look_for_tray)
        self.bridge.status_changed.connect(self._show_status)
        self._quit_wanted.connect(qt.quit, Qt.ConnectionType.QueuedConnection)
        # Queued: Qt first moves the windows of the removed screen to another one.
        qt.screenRemoved.connect(self._bring_into_view, Qt.ConnectionType.QueuedConnection)
        self._window_wanted.connect(self._open_window, Qt.ConnectionType.QueuedConnection)

    @property
    def window(self) -> Window:
        """Made when it is first needed: it takes 10 MB, and most of the time nobody looks at it."""
        if self._window is None:
            self._window = self._make_window()
        return self._window

    def start(self, *, background: bool) -> None:
        """Show the tray, or the window in its place, and do what the settings ask for at the start."""
        self._look_for_tray()
        if self.tray is None:
            self._look.start()
            # At login, the panel may start later than the app: wait for it before showing a window instead.
            QTimer.singleShot(_TRAY_GRACE_MS if background else 0, self, self._make_up_for_tray)
        elif not background:
            self._open_first_time()
        self._operate(lambda: self._app.open_control(self.quit, self.show_window))
        self._operate(self._app.begin)

    def quit(self) -> None:
        """End the app. Any thread."""
        self._quit_wanted.emit()

    def show_window(self, source: str) -> None:
        """Bring the window to the front, because the app was started a second time. Any thread.

        `source` is the address or path of a model, which is only filled in; it may be empty.
        """
        self._window_wanted.emit(source)

    def leave(self) -> None:
        """Hide everything at once; what must end can take its time then."""
        self._look.stop()
        for each in (self._window, self.dialog, self.about):
            if each is not None:
                each.hide()
        if self.tray is not None:
            self.tray.close()

    def open_settings(self, setting: str = "", *, model_id: str = "") -> None:
        """Show the settings, at that one or those of one model; an open dialog comes to the front."""
        if self.dialog is None or not self.dialog.isVisible():
            self.dialog = self._make_dialog()
        if setting:
            self.dialog.point_at(setting)
        if model_id:
            self.dialog.show_model(model_id)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def open_about(self) -> None:
        """Show the About box. An open one comes to the front."""
        if self.about is None:
            from tray_app.ui.dialogs.about import about_box

            self.about = about_box()
        self.about.show()
        self.about.raise_()
        self.about.activateWindow()

    def _bring_into_view(self) -> None:
        for window in (self._window, self.dialog):
            if window is not None and window.isVisible():
                from tray_app.ui.widgets.basic import bring_into_view  # the window has brought it

                bring_into_view(window)

    def _open_window(self, source: str) -> None:
        if source:
            self.window.offer_source(source)
        else:
            self.window.open()

    def run_command(self, command: Command) -> None:
        """Do what an entry of the tray menu says."""
        if command in COPIES:
            self._qt.clipboard().setText(copied_text(command, self.bridge.status))
        elif operation := operation_for(self._app, command, self.bridge.status):
            self._operate(operation)
        else:
            self._open(command)

    def _look_for_tray(self) -> None:
        if not QSystemTrayIcon.isSystemTrayAvailable():
            self._qt.setQuitOnLastWindowClosed(True)
            return
        self._look.stop()
        self._qt.setQuitOnLastWindowClosed(False)
        if self._window is not None:
            self._window.message.clear()
        system = self._app.host.system
        self.tray = Tray(
            self.bridge.status, template=system is System.MACOS, over_dbus=menus_go_over_dbus(system)
        )
        self.tray.chosen.connect(self.run_command)
        self.tray.model_picked.connect(self._pick)
        self.tray.notice_clicked.connect(self._open_page)
        # Launch at login may have been switched in the system's settings meanwhile.
        self.tray.opening.connect(lambda: self._operate(self._app.refresh_login))
        self.tray.show()
        self._refresh_models()

    def _make_window(self) -> Window:
        from tray_app.ui.window import Window  # the icon need not wait for it

        window = Window(self.bridge)
        window.settings_wanted.connect(self.open_settings)
        window.model_settings_wanted.connect(lambda model_id: self.open_settings(model_id=model_id))
        return window

    def _make_dialog(self) -> SettingsDialog:
        from tray_app.ui.dialogs.settings import SettingsDialog  # the icon need not wait for it

        dialog = SettingsDialog(self.bridge)
        dialog.failed_later.connect(self._show_error)
        return dialog

    def _open_page(self, page: Page) -> None:
        self.window.open(page)

    def _show_error(self, error: AppError) -> None:
        self.window.show_error(error)

    def _speak_anew(self) -> None:
        """Show everything that is open in the language that was chosen; what was typed stays."""
        self._languages.use(self._language)
        if self.tray is not None:
            self.tray.show_status(self.bridge.status)
            self._show_models()
        self._renew_window()
        self._renew_dialog()
        self._renew_about()

    def _renew_window(self) -> None:
        """Replace the window, once a question in front of it is answered."""
        old = self._window
        if old is None:
            return
        question = old.question()
        if question is not None:
            question.finished.connect(self._renew_window, Qt.ConnectionType.QueuedConnection)
            return
        self._window = self._make_window()
        self._window.take_over(old)
        self._retire(old)

    def _renew_dialog(self) -> None:
        old, self.dialog = self.dialog, None
        if old is None:
            return
        if old.isVisible():
            self.dialog = self._make_dialog()
            self.dialog.take_over(old)
            self.dialog.show()
        self._retire(old)

    def _renew_about(self) -> None:
        old, self.about = self.about, None
        if old is None:
            return
        if old.isVisible():
            self.open_about()
        self._retire(old)

    def _retire(self, widget: QWidget) -> None:
        """Delete a widget after the operations under way, which tell their widgets how they ended."""
        widget.hide()
        self.bridge.afterwards(lambda: delete_plot(widget))

    def _make_up_for_tray(self) -> None:
        """Open the window in place of the icon, so that nothing runs unseen."""
        if self.tray is None:
            self.window.open()
            self.window.show_message(
                tr("This desktop shows no tray icons"),
                tr("The app runs in this window instead. Closing it quits the app and stops the server."),
            )

    def _open_first_time(self) -> None:
        if not self.bridge.status.settings.model:
            self.window.open(Page.HOME)

    def _show_status(self, status: AppStatus) -> None:
        if self.tray is not None:
            self.tray.show_status(status)
            self._show_models()
            self._refresh_models()
        for notice in notices(self._shown, status, tr) if status.settings.notices else ():
            self._tell(notice)
        if self._window is not None and (words := announcement(self._shown, status, time.time(), tr)):
            from tray_app.ui.widgets.basic import announce  # the window has brought it

            announce(self._window, words)
        self._shown = status
        if status.settings.language != self._language:
            self._language = status.settings.language
            # Later: the dialog that asked for it must first hear that it is done.
            QTimer.singleShot(0, self, self._speak_anew)

    def _refresh_models(self) -> None:
        """Read the models for the menu again, if they may have changed."""
        facts_of = facts_key(self.bridge.status)
        if facts_of != self._facts_of:
            self._facts_of = facts_of
            self._forget_facts()  # an earlier look may end later
            self._forget_facts = self.bridge.run(
                lambda: read_facts(self._app), self._offer_models, self._operation_failed
            )

    def _offer_models(self, facts: ModelFacts) -> None:
        self._facts = facts
        self._show_models()

    def _show_models(self) -> None:
        if self.tray is not None:
            self.tray.show_models(model_choices(self._facts, self.bridge.status, tr))

    def _pick(self, model_id: str) -> None:
        self._operate(lambda: load_or_unload(self._app, model_id))

    def _tell(self, notice: Notice) -> None:
        if self.tray is not None:
            self.tray.notify(notice)
        else:
            self.window.show_message(notice.title, notice.text)

    def _open(self, command: Command) -> None:
        match command:
            case Command.ORIGIN:
                self.window.open_question()
            case Command.UPDATE:
                self.window.open(Page.HOME)
            case Command.WINDOW:
                self.window.open()
            case Command.MODELS:
                self.window.open(Page.MODELS)
            case Command.CHAT:
                self.window.open(Page.CHAT)
            case Command.EMBEDDINGS:
                self.window.open(Page.EMBEDDINGS)
            case Command.SETTINGS:
                self.open_settings()
            case Command.ABOUT:
                self.open_about()
            case Command.QUIT:
                self._qt.quit()

    def _operate(self, operation: Callable[[], object]) -> None:
        self.bridge.run(operation, lambda _: None, self._operation_failed)

    def _operation_failed(self, error: AppError) -> None:
        if self.tray is not None:
            self.tray.show_status(self.bridge.status)  # an entry that was ticked in vain
        self.window.show_error(error)
