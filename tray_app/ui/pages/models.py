"""The page Models with its tabs, and what is dropped on it or pasted. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtWidgets import QTabWidget

from tray_app.download.address import address_in, is_address
from tray_app.ui.models_look import ModelsLook
from tray_app.ui.pages.discover import DiscoverPanel
from tray_app.ui.pages.found import FoundPanel
from tray_app.ui.pages.installed import InstalledPanel
from tray_app.ui.pages.space import SpacePanel
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import accept_copy, add_shortcut, dropped_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import QDragEnterEvent, QDropEvent, QShowEvent

    from tray_app.ui.bridge import Bridge


class ModelsPage(QTabWidget):
    """The models, and how to get more or remove some."""

    navigate = Signal(object)
    """A `Page` to open."""
    settings_wanted = Signal(str)
    """Show the settings of the model with this id."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.setObjectName("tabs")  # for the style sheet
        self.setDocumentMode(True)
        self.look = ModelsLook(bridge, self)
        self.installed = InstalledPanel(bridge, self.look)
        self.discover = DiscoverPanel(bridge, self.look)
        self.found = FoundPanel(bridge)
        self.space = SpacePanel(bridge)
        self.addTab(self.installed, tr("Installed"))
        self.addTab(self.discover, tr("Discover"))
        self.addTab(self.found, tr("Found on this computer"))
        self.addTab(self.space, tr("Disk space"))
        self.installed.navigate.connect(self.navigate)
        self.installed.settings_wanted.connect(self.settings_wanted)
        self.found.adopted.connect(self.look.refresh)
        self.space.removed.connect(self.look.refresh)
        self.discover.navigate.connect(self.navigate)
        for panel in (self.installed, self.found, self.space):
            panel.discover_wanted.connect(lambda: self.setCurrentWidget(self.discover))
        self.setAcceptDrops(True)
        add_shortcut(
            self,
            QKeySequence.StandardKey.Paste,
            lambda: self._take(QGuiApplication.clipboard().mimeData()),
        )

    def showEvent(self, event: QShowEvent) -> None:
        """Read the folder again, which may have changed."""
        super().showEvent(event)
        self.look.refresh()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and addresses."""
        if dropped_paths(event.mimeData()) or _address_in(event.mimeData()):
            accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Import the files, or search for the address."""
        self._take(event.mimeData())
        accept_copy(event)

    def take_over(self, old: ModelsPage) -> None:
        """Show the same tab, and in each what was there; work on files continues and is shown here."""
        self.installed.take_over(old.installed)
        self.discover.take_over(old.discover)
        self.setCurrentIndex(old.currentIndex())

    def take_source(self, source: str) -> None:
        """Fill in the address of a model, or ask how to import a file."""
        if is_address(source):
            self.setCurrentWidget(self.discover)
            self.discover.fill_in(address_in(source))
        else:
            self._import([Path(source)])

    def _take(self, data: QMimeData) -> None:
        """Take what was dropped or pasted."""
        if files := dropped_paths(data):
            self._import(files)
        elif address := _address_in(data):
            self.take_source(address)
            self.discover.search()

    def _import(self, files: Sequence[Path]) -> None:
        self.setCurrentWidget(self.installed)
        self.installed.controller.import_files(files)


def _address_in(data: QMimeData) -> str:
    """The address of a model; empty if the data is something else."""
    address = address_in(data.text())
    return address if len(address.split()) == 1 else ""
