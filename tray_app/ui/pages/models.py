"""The page Models: what is installed, offered and on its way, and what can be done with it. GUI thread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from tray_app.download.address import address_in, is_address
from tray_app.phrases import presentable
from tray_app.ui.model_actions import ModelActions
from tray_app.ui.model_controller import ModelController
from tray_app.ui.operations import choose_model, survey
from tray_app.ui.presenters.models import ModelFacts, facts_key, model_rows, settled_rows
from tray_app.ui.presenters.notices import Page
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import MARGIN, SPACING, MessageCard, accept_copy, text_label
from tray_app.ui.widgets.first_steps import FirstSteps
from tray_app.ui.widgets.model_table import ModelTable, make_table

if TYPE_CHECKING:
    from PySide6.QtCore import QMimeData
    from PySide6.QtGui import QDragEnterEvent, QDropEvent, QShowEvent

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.models.catalog import CatalogEntry
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.models import ModelAction, ModelRow, SettledRows

_DETAIL_LINES = 4
"""Of which there is always room, so that the table does not move when another model is selected."""


class ModelsPage(QWidget):
    """The table of models, and the first steps of someone who has none."""

    navigate = Signal(object)
    """A `Page` on which the story goes on."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._settled = settled_rows(ModelFacts(), tr)
        self._facts_of: object = None
        self._wanted_id = ""
        self._looking = self._look_again = False
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
        self.import_button = QPushButton(tr("&Import…"))
        self.source = QLineEdit(
            placeholderText="https://… · hf:owner/repo/file.gguf", clearButtonEnabled=True
        )
        self.fetch_button = QPushButton(tr("D&ownload…"))
        self._lay_out()
        self._connect()
        self._show_status(bridge.status)

    def showEvent(self, event: QShowEvent) -> None:
        """Look again at what is on disk: only a running app watches the folder."""
        super().showEvent(event)
        self._refresh_facts()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files and addresses are welcome."""
        if _files_in(event.mimeData()) or _address_in(event.mimeData()):
            accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Import the files, or download from the address."""
        self._take(event.mimeData())
        accept_copy(event)

    def take_over(self, old: ModelsPage) -> None:
        """The same address, the same model; work on files goes on, and is shown here."""
        self.source.setText(old.source.text())
        self.controller.take_over(old.controller)
        self.controller.jobs.changed.connect(self._fill)
        if row := old._selected():
            self._wanted_id = row.id

    def take_source(self, source: str) -> None:
        """Fill in an address from which somebody wants a model, or ask how to import a file from here."""
        if is_address(source):
            self.source.setText(address_in(source))
            self.source.setFocus()
        else:
            self.controller.import_files([Path(source)])

    def act(self, action: ModelAction) -> None:
        """Do something with the selected model."""
        row = self._selected()
        if row and action in row.actions:
            self.controller.do(action, row)

    def _connect(self) -> None:
        self.setAcceptDrops(True)
        self.table.selectionModel().selectionChanged.connect(self._show_selection)
        self.menu.wanted.connect(self.act)
        self.first_steps.chosen.connect(self._take_first_step)
        self.controller.jobs.changed.connect(self._fill)
        self.controller.expected.connect(self._expect)
        self.controller.folder_changed.connect(self._refresh_facts)
        self.import_button.clicked.connect(self._choose_files)
        self.source.returnPressed.connect(self._download_source)
        self.source.textChanged.connect(lambda text: self.fetch_button.setEnabled(bool(text.strip())))
        self.fetch_button.clicked.connect(self._download_source)
        self.fetch_button.setEnabled(False)
        within = Qt.ShortcutContext.WidgetWithChildrenShortcut
        QShortcut(
            QKeySequence(QKeySequence.StandardKey.Paste),
            self,
            lambda: self._take(QGuiApplication.clipboard().mimeData()),
            context=within,
        )
        QShortcut(QKeySequence(QKeySequence.StandardKey.Open), self, self.import_button.click, context=within)
        self._bridge.status_changed.connect(self._show_status)

    def _lay_out(self) -> None:
        actions = QHBoxLayout()
        for button in (*self.buttons.values(), self.menu.more_button):
            actions.addWidget(button)
        actions.addStretch()
        actions.addWidget(self.import_button)
        label = QLabel(tr("Download from &address:"))
        label.setBuddy(self.source)
        source = QHBoxLayout()
        source.addWidget(label)
        source.addWidget(self.source, 1)
        source.addWidget(self.fetch_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(SPACING)
        column.addWidget(self.first_steps)
        column.addWidget(self.folder_card)
        column.addWidget(self.card)
        column.addWidget(self.table, 1)
        column.addWidget(self.details)
        column.addLayout(actions)
        column.addLayout(source)

    def _show_status(self, status: AppStatus) -> None:
        facts_of = facts_key(status), status.settings
        if facts_of != self._facts_of:
            self._facts_of = facts_of
            self._refresh_facts()
        self.first_steps.show_if(wanted=not status.settings.model)
        self._fill()

    def _refresh_facts(self) -> None:
        """Look at the folder; if somebody is looking already, once more after that."""
        self._look_again = self._looking
        if not self._looking:
            self._looking = True
            self._bridge.run(
                lambda: settled_rows(survey(self._bridge.app), tr), self._adopt_rows, self._fail_to_look
            )

    def _fail_to_look(self, error: AppError) -> None:
        self._end_look()
        self.card.show_error(error)

    def _end_look(self) -> None:
        self._looking = False
        if self._look_again:
            self._refresh_facts()

    def _adopt_rows(self, settled: SettledRows) -> None:
        self._end_look()
        self._settled, facts = settled, settled.facts
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
        rows = model_rows(self._settled, self._bridge.status, self.controller.jobs.current, tr)
        anew = self._model.show_rows(rows)
        ids = [row.id for row in rows]
        if self._wanted_id in ids:
            self.table.selectRow(ids.index(self._wanted_id))
            self._wanted_id = ""
        elif anew and selected and selected.id in ids:
            self.table.selectRow(ids.index(selected.id))
        elif anew and not selected:
            self.table.selectRow(next((number for number, row in enumerate(rows) if row.chosen), -1))
        self._show_selection()

    def _selected(self) -> ModelRow | None:
        rows = self.table.selectionModel().selectedRows()
        return self._model.rows[rows[0].row()] if rows else None

    def _show_selection(self) -> None:
        row = self._selected()
        self.menu.permit(row.actions if row else ())
        text = "\n".join(row.details) if row else tr("Select a model to see what can be done with it.")
        self.details.setText(text)

    def _take(self, data: QMimeData) -> None:
        """What was dropped here or pasted."""
        if files := _files_in(data):
            self.controller.import_files(files)
        elif address := _address_in(data):
            self.source.setText(address)
            self._download_source()

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

    def _download_source(self) -> None:
        if text := self.source.text().strip():
            source = address_in(text) or text
            self.controller.download(source, source, self.source.clear)

    def _expect(self, model_id: str) -> None:
        """A model is new, or will be: find it, and select it."""
        self._wanted_id = model_id
        self._refresh_facts()

    def _take_first_step(self, entry: CatalogEntry) -> None:
        app = self._bridge.app

        def choose_and_start() -> None:
            choose_model(app, entry.id)
            app.start_server()

        self.controller.run(
            choose_and_start, lambda: self.navigate.emit(Page.EMBEDDING) if entry.builtin else None
        )


def _files_in(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def _address_in(data: QMimeData) -> str:
    """An address that a model could be downloaded from; empty if the data is something else."""
    address = address_in(data.text())
    return address if len(address.split()) == 1 else ""
