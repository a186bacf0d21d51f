"""The tab Installed: models that are here or on their way, and what can be done with them. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.phrases import presentable
from tray_app.ui.model_actions import ModelActions
from tray_app.ui.model_controller import ModelController
from tray_app.ui.operations import choose_model
from tray_app.ui.presenters.models import RowKind, model_rows, newer_text
from tray_app.ui.presenters.notices import Page
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MessageCard, text_label
from tray_app.ui.widgets.first_steps import FirstSteps
from tray_app.ui.widgets.model_table import ModelTable, make_table

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.models.outdated import Comparison
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.models_look import ModelsLook
    from tray_app.ui.presenters.models import ModelAction, ModelRow
    from tray_app.ui.widgets.first_steps import FirstStep

_DETAIL_LINES = 4
"""Of which there is always room, so that the table does not move when another model is selected."""


class InstalledPanel(QWidget):
    """The table of models, and the first steps of someone who has none."""

    navigate = Signal(object)
    """A `Page` on which the story goes on."""
    discover_wanted = Signal()

    def __init__(self, bridge: Bridge, look: ModelsLook) -> None:
        super().__init__()
        self._bridge = bridge
        self._look = look
        self._wanted_id = ""
        self.card = MessageCard()
        self.controller = ModelController(bridge, self.card, self)
        self.folder_card = MessageCard()
        self.first_steps = FirstSteps()
        self._model = ModelTable()
        self.table = make_table(self._model)
        self.menu = ModelActions(self.table)
        self.buttons = self.menu.buttons
        self.details = text_label()
        self.details.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.details.setMinimumHeight(_DETAIL_LINES * self.details.fontMetrics().lineSpacing())
        self.newer_button = QPushButton(tr("Loo&k for Newer Files"))
        self.import_button = QPushButton(tr("&Import…"))
        self._lay_out()
        self._connect()
        self._show_status(bridge.status)

    def take_over(self, old: InstalledPanel) -> None:
        """The same model; work on files goes on, and is shown here."""
        self.controller.take_over(old.controller)
        self.controller.jobs.changed.connect(self._fill)
        if row := old._selected():
            self._wanted_id = row.id

    def act(self, action: ModelAction) -> None:
        """Do something with the selected model."""
        row = self._selected()
        if row and action in row.actions:
            self.controller.do(action, row)

    def _connect(self) -> None:
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.menu.wanted.connect(self.act)
        self.first_steps.chosen.connect(self._take_first_step)
        self.first_steps.discover_wanted.connect(self.discover_wanted)
        self.controller.jobs.changed.connect(self._fill)
        self.controller.expected.connect(self._expect)
        self.controller.folder_changed.connect(self._look.refresh)
        self.import_button.clicked.connect(self._choose_files)
        self.newer_button.clicked.connect(self._look_for_newer)
        within = Qt.ShortcutContext.WidgetWithChildrenShortcut
        QShortcut(QKeySequence(QKeySequence.StandardKey.Open), self, self.import_button.click, context=within)
        self._look.seen.connect(self._show_settled)
        self._look.failed.connect(self.card.show_error)
        self._bridge.status_changed.connect(self._show_status)

    def _lay_out(self) -> None:
        actions = QHBoxLayout()
        for button in (*self.buttons.values(), self.menu.more_button):
            actions.addWidget(button)
        actions.addStretch()
        actions.addWidget(self.newer_button)
        actions.addWidget(self.import_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(SMALL)
        column.addWidget(self.folder_card)
        column.addWidget(self.card)
        column.addWidget(self.first_steps, 1)
        column.addWidget(self.table, 1)
        column.addWidget(self.details)
        column.addLayout(actions)

    def _show_status(self, status: AppStatus) -> None:
        self.first_steps.show_if(wanted=not status.settings.model)
        self._fill()

    def _show_settled(self) -> None:
        facts = self._look.settled.facts
        self.first_steps.offer(facts)
        self.first_steps.show_if(wanted=not self._bridge.status.settings.model)
        if facts.missing_folder:
            self.folder_card.show_message(
                tr("The models folder is not there"),
                tr(
                    "{folder} cannot be found. Connect its drive, or choose another folder in the settings."
                ).format(folder=presentable(facts.missing_folder)),
            )
        else:
            self.folder_card.clear()
        self._fill()

    def _fill(self) -> None:
        selected = self._selected()
        works = self.controller.jobs.current
        rows = tuple(
            row
            for row in model_rows(self._look.settled, self._bridge.status, works, tr)
            if row.sort is not RowKind.OFFER or row.chosen
        )
        anew = self._model.show_rows(rows)
        ids = [row.id for row in rows]
        if self._wanted_id in ids:
            self.table.selectRow(ids.index(self._wanted_id))
            self._wanted_id = ""
        elif anew and selected and selected.id in ids:
            self.table.selectRow(ids.index(selected.id))
        elif anew and not selected:
            self.table.selectRow(next((number for number, row in enumerate(rows) if row.chosen), -1))
        self._make_room(rows)
        self._show_selection()

    def _make_room(self, rows: tuple[ModelRow, ...]) -> None:
        """Who has nothing but the model that comes with the app sees the first steps alone."""
        offered = {each.id for each in self._look.settled.facts.catalog if each.builtin}
        bare = not self.first_steps.isHidden() and all(row.id in offered for row in rows)
        self.table.setHidden(bare)
        self.details.setHidden(bare)
        self.newer_button.setHidden(bare)
        if bare:
            self.table.clearSelection()

    def _selected(self) -> ModelRow | None:
        rows = self.table.selectionModel().selectedRows()
        return self._model.rows[rows[0].row()] if rows else None

    def _show_selection(self) -> None:
        row = self._selected()
        self.menu.permit(row.actions if row else ())
        text = "\n".join(row.details) if row else tr("Select a model to see what can be done with it.")
        self.details.setText(text)

    def _choose_files(self) -> None:
        dialog = QFileDialog(self, tr("Import models"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilters([tr("Models (*.gguf)"), tr("All files (*)")])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(
            lambda names: self.controller.import_files([Path(name) for name in names])
        )
        self.controller.dialog = dialog
        dialog.open()

    def _look_for_newer(self) -> None:
        """Ask where models came from whether their files have changed there."""
        self.newer_button.setEnabled(False)
        self.card.clear()
        self._bridge.run(self._bridge.app.upkeep.outdated, self._tell_newer, self._fail_to_look)

    def _tell_newer(self, found: tuple[Comparison, ...]) -> None:
        self.newer_button.setEnabled(True)
        self.card.show_message(*newer_text(found, tr))
        self.card.offer(tr("Close"), self.card.clear)
        self._look.refresh()

    def _fail_to_look(self, error: AppError) -> None:
        self.newer_button.setEnabled(True)
        self.card.show_error(error)

    def _expect(self, model_id: str) -> None:
        """A model is new, or will be: find it, and select it."""
        self._wanted_id = model_id
        self._look.refresh()

    def _take_first_step(self, step: FirstStep) -> None:
        app = self._bridge.app

        def choose_and_start() -> None:
            choose_model(app, step.id)
            app.start_server()

        self.controller.run(
            choose_and_start, lambda: self.navigate.emit(Page.EMBEDDINGS) if step.builtin else None
        )
