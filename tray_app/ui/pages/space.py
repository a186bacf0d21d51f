"""The tab Disk space: the size of each model and when it was last used, to remove some. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from tray_app.models.removal import NotDiscardedError
from tray_app.ui.dialogs.confirm import ask_to_remove_several
from tray_app.ui.model_operations import remove_several
from tray_app.ui.presenters.space import (
    chosen_text,
    removal_text,
    share_permille,
    space_list_row,
    space_rows,
    total_text,
)
from tray_app.ui.style import LARGE, MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.empty_state import EmptyState
from tray_app.ui.widgets.labels import text_label
from tray_app.ui.widgets.row_list import RowList, RowModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PySide6.QtGui import QShowEvent
    from PySide6.QtWidgets import QMessageBox

    from tray_app.errors import AppError
    from tray_app.models.disk_use import DiskUse
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.space import SpaceRow

_STEPS = 1000


class SpacePanel(QWidget):
    """A list in which several models can be ticked. It is read again whenever it is shown."""

    removed = Signal()
    """Models were removed."""
    discover_wanted = Signal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._rows: tuple[SpaceRow, ...] = ()
        self.dialog: QMessageBox | None = None
        """The dialog that was opened last."""
        self.card = MessageCard()
        self.text = text_label(tr("Measuring …"))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)  # the text above says it
        self.bar.setRange(0, _STEPS)
        self.bar.setAccessibleName(tr("Share of the disk that models take"))
        self._ticked: set[str] = set()
        self.list = RowList(
            tr("What models take"),
            RowModel(
                lambda row: str(row.path),
                lambda row: space_list_row(row, checked=str(row.path) in self._ticked),
            ),
        )
        self.list.ticked.connect(self._tick)
        self.chosen = QLabel()
        self.unused_button = QPushButton(tr("Choose Those &Unused for Months"))
        self.remove_button = QPushButton(tr("&Remove…"))
        set_variant(self.remove_button, Variant.DANGER)
        set_symbol(self.remove_button, "trash-2")
        self.discover_button = QPushButton(tr("&Discover Models"))
        self.empty = EmptyState(
            "hard-drive",
            tr("No model takes space yet"),
            tr("Models that you download or import are listed here with their sizes."),
            self.discover_button,
        )
        self.unused_button.clicked.connect(self._choose_unused)
        self.remove_button.clicked.connect(self._ask)
        self.discover_button.clicked.connect(self.discover_wanted)
        actions = QHBoxLayout()
        actions.setSpacing(SMALL)
        actions.addWidget(self.unused_button)
        actions.addStretch()
        actions.addWidget(self.chosen)
        actions.addWidget(self.remove_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, MEDIUM, LARGE, LARGE)
        column.setSpacing(SMALL)
        for widget in (self.card, self.text, self.bar, self.list):
            column.addWidget(widget)
        column.addLayout(actions)
        column.addWidget(self.empty, 1)
        column.addStretch()
        self._fill(())
        self.empty.hide()

    def showEvent(self, event: QShowEvent) -> None:
        """Read the sizes again."""
        super().showEvent(event)
        self.look()

    def look(self) -> None:
        """Read the sizes of models."""
        self._bridge.run(self._bridge.app.upkeep.disk_use, self._show, self.card.show_error)

    def ticked(self) -> tuple[SpaceRow, ...]:
        """The rows that are ticked."""
        return tuple(row for row in self._rows if str(row.path) in self._ticked)

    def _show(self, use: DiskUse) -> None:
        self.text.setText(total_text(use, tr))
        self.bar.setValue(share_permille(use))
        self._fill(space_rows(use, tr))

    def _fill(self, rows: tuple[SpaceRow, ...]) -> None:
        """Show these rows; those that were ticked stay ticked."""
        self._rows = rows
        self._ticked &= {str(row.path) for row in rows}
        self.list.show_items(rows)
        for widget in (self.list, self.text, self.bar):
            widget.setVisible(bool(rows))
        self.empty.setHidden(bool(rows))
        self._show_chosen()

    def _tick(self, key: str) -> None:
        self._ticked ^= {key}
        self.list.rows.renew()
        self._show_chosen()

    def _show_chosen(self) -> None:
        ticked = self.ticked()
        self.chosen.setText(chosen_text(ticked, tr) if ticked else "")
        self.remove_button.setVisible(bool(ticked))
        self.unused_button.setVisible(any(row.unused and row not in ticked for row in self._rows))

    def _choose_unused(self) -> None:
        self._ticked |= {str(row.path) for row in self._rows if row.unused}
        self.list.rows.renew()
        self._show_chosen()

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
        """Show why the first of the models that could not be removed is still there."""
        self.removed.emit()
        self.look()
        if kept:
            self.card.show_error(next(iter(kept.values())))
        rows = tuple(row for row, error in kept.items() if isinstance(error, NotDiscardedError))
        if rows and len(rows) == len(kept):
            self.card.offer(tr("Delete &Permanently"), lambda: self._remove(rows, for_good=True))
