"""The page Engines: what is installed, recommended, available, or being installed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.engine_controller import EngineController
from tray_app.ui.engines_look import EnginesLook
from tray_app.ui.presenters.builds import build_rows, offer_rows
from tray_app.ui.presenters.engine_cards import installation_card, machine_text, offer_card
from tray_app.ui.style import LARGE, SMALL, Type
from tray_app.ui.texts import tr
from tray_app.ui.widgets.action_card import ActionCard
from tray_app.ui.widgets.basic import accept_copy, dropped_paths, scrolled
from tray_app.ui.widgets.build_rows import BuildRows
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.file_dialogs import ask_for_paths
from tray_app.ui.widgets.labels import heading, text_label

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import QDragEnterEvent, QDropEvent, QShowEvent

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.builds import BuildRow, EngineAction


class EnginesPage(QWidget):
    """All engines of this computer, and how to get more."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.look = EnginesLook(bridge, self)
        self.card = MessageCard()
        self.controller = EngineController(bridge, self.card.show_error, self)
        self.installation = ActionCard()
        self.offer = ActionCard()
        self.machine = text_label()
        self.installed_title = heading(tr("On this computer"), Type.TITLE)
        self.add_button = QPushButton(tr("&Add an Engine"))
        self.installed = BuildRows(tr("On this computer"), before=self.add_button)
        self.others_button = QToolButton(autoRaise=True)
        self.others_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.others_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.others = BuildRows(tr("Other engines"), before=self.others_button)
        self._unfolded = False
        self._lay_out()
        self._connect()
        self._show()

    def showEvent(self, event: QShowEvent) -> None:
        """Read the engines again: programs may have been installed meanwhile."""
        super().showEvent(event)
        self.look.refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept a file or a folder."""
        if _path_in(event.mimeData()):
            accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Add it, if the person confirms."""
        if path := _path_in(event.mimeData()):
            self.controller.add(path)
        accept_copy(event)

    def take_over(self, old: EnginesPage) -> None:
        """Show the same engines at once, with the same list unfolded."""
        self.look.overview = old.look.overview
        self._unfolded = old._unfolded
        self._show()

    def _connect(self) -> None:
        self.setAcceptDrops(True)
        self.look.seen.connect(self._show)
        self.look.failed.connect(self._fail_to_look)
        self.installation.wanted.connect(self._act)
        self.offer.wanted.connect(self._act)
        self.installed.wanted.connect(self._act_on_row)
        self.others.wanted.connect(self._act_on_row)
        self.others_button.clicked.connect(self._toggle_others)
        self._bridge.status_changed.connect(self._show_installation)

    def _lay_out(self) -> None:
        menu = QMenu(self.add_button)
        menu.addAction(tr("From a &File…"), lambda: self._choose(QFileDialog.FileMode.ExistingFile))
        menu.addAction(tr("From a F&older…"), lambda: self._choose(QFileDialog.FileMode.Directory))
        self.add_button.setMenu(menu)
        top = QHBoxLayout()
        top.addWidget(self.installed_title, 1)
        top.addWidget(self.add_button)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        for news in (self.card, self.installation, self.offer, self.machine):
            column.addWidget(news)
        column.addLayout(top)
        for engines in (self.installed, self.others_button, self.others):
            column.addWidget(engines)
        column.addStretch(1)  # alone: the rows would take a part of the room
        self.scrolled = scrolled(content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.scrolled)

    def _show(self) -> None:
        overview, status = self.look.overview, self._bridge.status
        others = offer_rows(overview, tr) if overview else ()
        self.machine.setText(machine_text(overview, tr) if overview else tr("Loading the list of engines …"))
        host = self._bridge.app.host
        self.installed.show_rows(build_rows(overview, host, status, tr) if overview else ())
        self.setTabOrder(self.installed.last, self.others_button)
        self.others.show_rows(others)
        self.others_button.setVisible(bool(others))
        self._show_others()
        self._show_installation()

    def _show_installation(self) -> None:
        overview, status = self.look.overview, self._bridge.status
        self.installation.show_view(installation_card(status.installation, overview, tr))
        self.offer.show_view(offer_card(overview, status.installation, tr) if overview else None)
        self.machine.setVisible(self.offer.isHidden() and self.installation.isHidden())

    def _toggle_others(self) -> None:
        self._unfolded = not self._unfolded
        self._show_others()

    def _show_others(self) -> None:
        shown = self._unfolded
        self.others_button.setText(tr("Hide Other Engines") if shown else tr("Show Other Engines"))
        self.others_button.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self.others.setVisible(shown)

    def _fail_to_look(self, error: AppError) -> None:
        self.card.show_error(error)
        self.card.offer(tr("Try Again"), self._look_again)

    def _look_again(self) -> None:
        self.card.clear()
        self.look.refresh()

    def _act(self, action: EngineAction, build_id: str) -> None:
        self.controller.do(action, build_id, self.look.overview)

    def _act_on_row(self, action: EngineAction, row: BuildRow) -> None:
        if self.look.overview is not None:
            self.controller.do_with_row(action, row, self.look.overview)

    def _choose(self, mode: QFileDialog.FileMode) -> None:
        self.controller.dialog = ask_for_paths(
            self, tr("Add an engine"), mode, lambda paths: self.controller.add(paths[0])
        )


def _path_in(data: QMimeData) -> Path | None:
    """The file or folder that is dropped, if it is only one."""
    paths = dropped_paths(data)
    return paths[0] if len(paths) == 1 else None
