"""The tray icon and its menu: shows a `TrayView` and tells which entry was chosen. GUI thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QMenu, QStyle, QSystemTrayIcon

from tray_app.system.host import System
from tray_app.ui import icons
from tray_app.ui.presenters.menu import MENU, Command, Submenu, submenu_title
from tray_app.ui.presenters.status import IconShape
from tray_app.ui.presenters.tray import tray_view
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.app.status import AppStatus
    from tray_app.ui.presenters.menu import ModelChoice
    from tray_app.ui.presenters.notices import Notice, Page
    from tray_app.ui.presenters.tray import TrayView

_FRAME_MS = 250
_WATCHER = "org.kde.StatusNotifierWatcher"


class Tray(QObject):
    """The app in the panel."""

    chosen = Signal(object)
    """A menu entry was chosen, or the icon was clicked (`Command.WINDOW`)."""
    model_picked = Signal(str)
    """The id of a model to load, or to unload if it is loaded."""
    opening = Signal()
    """The menu is about to be shown."""
    notice_clicked = Signal(object)
    """The `Page` that explains the last notification."""

    def __init__(self, status: AppStatus, *, template: bool, over_dbus: bool) -> None:
        super().__init__()
        self._literal = _for_dbus if over_dbus else _for_widget
        self._plain = _without_markup if over_dbus else str
        self._status = status
        self._template = template
        self._step = 0
        self._drawn: tuple[object, ...] = ()
        self._notice_page: Page | None = None
        self.menu = QMenu()
        self.menu.setToolTipsVisible(True)
        self.menu.aboutToShow.connect(self.opening)
        self._headline = self._line()
        self._download = self._line()
        self._question = self._add_question()
        self._actions: dict[Command, QAction] = {}
        self._submenus: dict[Submenu, QMenu] = {}
        self._model_actions: dict[str, QAction] = {}
        self._fill_frame()
        self.icon = QSystemTrayIcon()
        self.icon.setContextMenu(self.menu)
        self.icon.activated.connect(self._activated)
        self.icon.messageClicked.connect(self._message_clicked)
        # Runs only while a model is being loaded, to turn the arc and count the seconds.
        self.clock = QTimer(self)
        self.clock.setInterval(_FRAME_MS)
        self.clock.timeout.connect(self._tick)
        self.menu.installEventFilter(self)
        self._render()

    def show(self) -> None:
        """Appear in the panel."""
        self.icon.show()

    def close(self) -> None:
        """Leave the panel."""
        self.clock.stop()
        self.icon.hide()

    def show_status(self, status: AppStatus) -> None:
        """Show another snapshot."""
        self._status = status
        self._render()

    def show_models(self, choices: Sequence[ModelChoice]) -> None:
        """List these models in the submenu."""
        if [choice.id for choice in choices] != list(self._model_actions):
            for action in self._model_actions.values():
                self._models.removeAction(action)
                action.deleteLater()
            self._model_actions = {choice.id: self._model_entry(choice.id) for choice in choices}
        for choice in choices:  # in place: the menu may be open
            action = self._model_actions[choice.id]
            action.setText(self._literal(choice.label))
            action.setToolTip(choice.hint)
            action.setChecked(choice.loaded)

    def notify(self, notice: Notice) -> None:
        """Show a notification of the system."""
        self._notice_page = notice.page
        self.icon.showMessage(self._plain(notice.title), self._plain(notice.text), icons.app_icon())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Redraw the icon, which is no widget, when the menu hears of a change between light and dark."""
        if event.type() == QEvent.Type.PaletteChange:
            self._render()
        return super().eventFilter(watched, event)

    def _line(self) -> QAction:
        """A line that cannot be chosen."""
        action = self.menu.addAction("")
        action.setEnabled(False)
        return action

    def _add_question(self) -> QAction:
        """The entry that opens a question in the window, which does not appear by itself."""
        action = self.menu.addAction("")
        action.setMenuRole(QAction.MenuRole.NoRole)
        action.triggered.connect(lambda: self.chosen.emit(Command.ORIGIN))
        return action

    def _fill_frame(self) -> None:
        """Add all entries in their order; their texts and whether they are visible come later."""
        for number, group in enumerate(MENU):
            if number:  # no line between the status lines and the first group
                self.menu.addSeparator()
            for item in group:
                if isinstance(item, Submenu):
                    self._add_submenu(item)
                else:
                    self._add_entry(self.menu, item)

    def _add_submenu(self, submenu: Submenu) -> None:
        menu = self._submenus[submenu] = self.menu.addMenu("")
        menu.setToolTipsVisible(True)
        match submenu:
            case Submenu.MODELS:
                self._models = menu
                self._after_models = menu.addSeparator()
                self._add_entry(menu, Command.MODELS)

    def _add_entry(self, menu: QMenu, command: Command) -> None:
        action = menu.addAction("")
        action.setMenuRole(QAction.MenuRole.NoRole)
        action.triggered.connect(lambda: self.chosen.emit(command))
        self._actions[command] = action

    def _model_entry(self, model_id: str) -> QAction:
        action = QAction(self._models)
        action.setCheckable(True)

        def pick(ticked: bool) -> None:  # noqa: FBT001 - as Qt calls it
            action.setChecked(not ticked)  # the tick shows the model's state, not the click
            self.model_picked.emit(model_id)

        action.triggered.connect(pick)
        self._models.insertAction(self._after_models, action)
        return action

    def _render(self) -> None:
        view = tray_view(self._status, time.time(), tr)
        self._draw(view)
        self._fill_menu(view)
        loading = view.shape is IconShape.ARC
        if loading and not self.clock.isActive():
            self.clock.start()
        elif not loading:
            self.clock.stop()

    def _draw(self, view: TrayView) -> None:
        dark = icons.is_dark(QApplication.palette())
        percent = None if view.permille is None else view.permille // 10
        drawn = (view.shape, percent, self._step if view.shape is IconShape.ARC else 0, dark)
        if drawn == self._drawn:
            return  # a new icon costs the panel a round trip
        self._drawn = drawn
        palette = icons.template_palette() if self._template else icons.panel_palette(dark=dark)
        icon = icons.state_icon(view.shape, palette, permille=view.permille, step=self._step)
        icon.setIsMask(self._template)
        self.icon.setIcon(icon)

    def _fill_menu(self, view: TrayView) -> None:
        self.menu.setWindowTitle(tr("Tray menu"))
        for submenu, menu in self._submenus.items():
            menu.setTitle(submenu_title(submenu, tr))
        self.icon.setToolTip(self._plain(view.headline))
        self._headline.setText(self._literal(view.state_line))
        self._download.setText(self._literal(view.download_line))
        self._download.setVisible(bool(view.download_line))
        self._question.setText(self._literal(view.question))
        self._question.setVisible(bool(view.question))
        for command, entry in view.entries.items():
            action = self._actions[command]
            action.setText(entry.text)
            action.setVisible(entry.visible)
            action.setCheckable(entry.checked is not None)
            action.setChecked(bool(entry.checked))

    def _tick(self) -> None:
        style = QApplication.style()
        if style.styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) > 0:
            self._step = (self._step + 1) % icons.ARC_STEPS
        self._render()

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        # macOS opens the menu on a click; there the window is one of its entries.
        if reason is QSystemTrayIcon.ActivationReason.Trigger and not self._template:
            self.chosen.emit(Command.WINDOW)

    def _message_clicked(self) -> None:
        if self._notice_page is not None:
            self.notice_clicked.emit(self._notice_page)


def menus_go_over_dbus(system: System) -> bool:
    """Whether Qt passes the tray's menu to the panel over D-Bus; Qt decides the same way for a new icon."""
    if system is not System.LINUX:
        return False
    from PySide6.QtDBus import QDBusConnection

    return bool(QDBusConnection.sessionBus().interface().isServiceRegistered(_WATCHER).value())


def _for_widget(text: str) -> str:
    """A text for a menu in which `&` marks mnemonics."""
    return text.replace("&", "&&")


def _for_dbus(text: str) -> str:
    """A text for a menu that goes over D-Bus, where `_` marks mnemonics.

    WORKAROUND: Qt 6.11 replaces the first `&` by `_` and escapes nothing (`QDBusMenuItem::convertMnemonic`):
    panels would show “Q4_0” as “Q40”, and there is no way to write `&`.
    """
    return text.replace("_", "__").replace("&", "\N{FULLWIDTH AMPERSAND}")


def _without_markup(text: str) -> str:
    """A text for tooltips and notifications, in which some panels interpret HTML and others do not.

    So it cannot be escaped: “<” is replaced by a similar letter that begins no tag.
    """
    return text.replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")
