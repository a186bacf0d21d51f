"""The tab Disk space: what each model takes, when it was last used; several can be removed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from tray_app.models.removal import NotDiscardedError
from tray_app.ui.dialogs.confirm import ask_to_remove_several
from tray_app.ui.operations import remove_several
from tray_app.ui.presenters.space import chosen_text, removal_text, space_rows, total_text
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MessageCard, text_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtGui import QShowEvent
    from PySide6.QtWidgets import QMessageBox

    from tray_app.errors import AppError
    from tray_app.models.disk_use import DiskUse
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.space import SpaceRow

_NAME, _SIZE, _USED, _APP = range(4)


class SpacePanel(QWidget):
    """A list in which several models can be ticked. It looks anew whenever it comes up."""

    removed = Signal()
    """There are fewer models."""
    discover_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._rows: tuple[SpaceRow, ...] = ()
        self.dialog: QMessageBox | None = None
        """The last one that was opened."""
        self.card = MessageCard()
        self.text = text_label(tr("Looking at what models take …"))
        self.list = QTreeWidget()
        self.list.setAccessibleName(tr("What models take"))
        self.list.setRootIsDecorated(False)
        self.list.setAlternatingRowColors(True)
        self.list.setHeaderLabels([tr("Model"), tr("Takes"), tr("Last used"), tr("Belongs to")])
        self.list.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.chosen = QLabel()
        self.unused_button = QPushButton(tr("Choose Those &Unused for Months"))
        self.remove_button = QPushButton(tr("&Remove…"))
        self.discover_button = QPushButton(tr("&Discover Models"))
        self.list.itemChanged.connect(self._show_chosen)
        self.unused_button.clicked.connect(self._choose_unused)
        self.remove_button.clicked.connect(self._ask)
        self.discover_button.clicked.connect(self.discover_wanted)
        actions = QHBoxLayout()
        actions.addWidget(self.unused_button)
        actions.addStretch()
        actions.addWidget(self.chosen)
        actions.addWidget(self.remove_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(SMALL)
        column.addWidget(self.card)
        column.addWidget(self.text)
        column.addWidget(self.discover_button, alignment=Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.list, 1)
        column.addLayout(actions)
        column.addStretch()
        self._fill(())

    def showEvent(self, event: QShowEvent) -> None:
        """Look again."""
        super().showEvent(event)
        self.look()

    def look(self) -> None:
        """Ask what models take now."""
        self._bridge.run(self._bridge.app.upkeep.disk_use, self._show, self.card.show_error)

    def ticked(self) -> tuple[SpaceRow, ...]:
        """Those that a person has chosen."""
        items = (self.list.topLevelItem(number) for number in range(self.list.topLevelItemCount()))
        return tuple(
            row
            for row, item in zip(self._rows, items, strict=True)
            if item and item.checkState(_NAME) is Qt.CheckState.Checked
        )

    def _show(self, use: DiskUse) -> None:
        rows = space_rows(use, tr)
        empty = tr("No model takes space yet.")
        self.text.setText("\n".join(filter(None, ("" if rows else empty, total_text(use, tr)))))
        self.discover_button.setHidden(bool(rows))
        if rows != self._rows:
            self._fill(rows)

    def _fill(self, rows: tuple[SpaceRow, ...]) -> None:
        """Of those that stay, what was ticked stays so."""
        ticked = {row.path for row in self.ticked()}
        self._rows = rows
        self.list.blockSignals(True)
        self.list.clear()
        for row in rows:
            item = QTreeWidgetItem([row.name, row.size, row.used, row.app])
            item.setTextAlignment(_SIZE, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            state = Qt.CheckState.Checked if row.path in ticked else Qt.CheckState.Unchecked
            item.setCheckState(_NAME, state)
            item.setSizeHint(_NAME, QSize(0, self.list.fontMetrics().height() + SMALL))
            self.list.addTopLevelItem(item)
        self.list.blockSignals(False)
        self.list.setVisible(bool(rows))
        self.discover_button.setHidden(True)
        self._show_chosen()

    def _show_chosen(self) -> None:
        ticked = self.ticked()
        self.chosen.setText(chosen_text(ticked, tr) if ticked else "")
        self.remove_button.setVisible(bool(ticked))
        self.unused_button.setVisible(any(row.unused and row not in ticked for row in self._rows))

    def _choose_unused(self) -> None:
        for number, row in enumerate(self._rows):
            item = self.list.topLevelItem(number)
            if row.unused and item:
                item.setCheckState(_NAME, Qt.CheckState.Checked)

    def _ask(self) -> None:
        rows = self.ticked()
        self.dialog = ask_to_remove_several(
            self, [row.name for row in rows], removal_text(rows, tr), lambda: self._remove(rows)
        )

    def _remove(self, rows: tuple[SpaceRow, ...], *, for_good: bool = False) -> None:
        self.card.clear()
        self._bridge.run(
            lambda: remove_several(self._bridge.app, rows, for_good=for_good),
            self._end,
            self.card.show_error,
        )

    def _end(self, kept: Mapping[SpaceRow, AppError]) -> None:
        """What could not be removed is still there, and the first one says why."""
        self.removed.emit()
        self.look()
        for error in list(kept.values())[:1]:
            self.card.show_error(error)
        rows = tuple(row for row, error in kept.items() if isinstance(error, NotDiscardedError))
        if rows and len(rows) == len(kept):
            self.card.offer(tr("Delete &Forever"), lambda: self._remove(rows, for_good=True))
