"""The page Models: what is installed, offered and on its way, and what can be done with it. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from tray_app.ui.model_table import Column, ModelTable, ProgressDelegate
from tray_app.ui.operations import choose, read_facts
from tray_app.ui.presenters.models import ModelAction, ModelFacts, facts_key, model_rows, offer_size
from tray_app.ui.presenters.tray import Page
from tray_app.ui.texts import tr
from tray_app.ui.widgets import MARGIN, SPACING, MessageCard, text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QShowEvent

    from tray_app.app import App, AppStatus
    from tray_app.models.catalog import CatalogEntry
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.models import ModelRow


class ModelsPage(QWidget):
    """The table of models, and the first steps of someone who has none."""

    navigate = Signal(object)
    """A `Page` on which the story goes on."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._facts = ModelFacts()
        self._facts_of: object = None
        self.card = MessageCard()
        self.first_steps = QWidget()
        self._cards = QHBoxLayout(self.first_steps)
        self._cards.setContentsMargins(0, 0, 0, 0)
        self._model = ModelTable()
        self.table = self._make_table()
        self._note = text_label()
        self.buttons = self._make_buttons()
        self.source = QLineEdit(
            placeholderText="https://… · hf:owner/repo/file.gguf", clearButtonEnabled=True
        )
        self.fetch_button = QPushButton(tr("D&ownload"))
        self._lay_out()
        self.source.returnPressed.connect(self._download_source)
        self.source.textChanged.connect(lambda text: self.fetch_button.setEnabled(bool(text.strip())))
        self.fetch_button.clicked.connect(self._download_source)
        self.fetch_button.setEnabled(False)
        bridge.status_changed.connect(self._show_status)
        self._show_status(bridge.status)

    def showEvent(self, event: QShowEvent) -> None:
        """Look again at what is on disk: files come and go without us."""
        super().showEvent(event)
        self._refresh_facts()

    def take_over(self, old: ModelsPage) -> None:
        """The same address in the field."""
        self.source.setText(old.source.text())

    def act(self, action: ModelAction) -> None:
        """Do something with the selected model."""
        if row := self._selected():
            self._run(_operation(self._bridge.app, action, row))

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._model)
        table.setAccessibleName(tr("Models"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setItemDelegate(ProgressDelegate(table))
        table.setShowGrid(False)
        table.setAlternatingRowColors(True)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + SPACING)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(Column.STATE, QHeaderView.ResizeMode.Stretch)
        table.selectionModel().selectionChanged.connect(self._show_selection)
        return table

    def _make_buttons(self) -> dict[ModelAction, QPushButton]:
        labels = {
            ModelAction.USE: tr("&Use"),
            ModelAction.DOWNLOAD: tr("&Download"),
            ModelAction.PAUSE: tr("&Pause"),
            ModelAction.RESUME: tr("&Resume"),
            ModelAction.CANCEL: tr("&Cancel"),
        }
        buttons = {action: QPushButton(label) for action, label in labels.items()}
        for action, button in buttons.items():
            button.clicked.connect(lambda _=False, action=action: self.act(action))
        return buttons

    def _lay_out(self) -> None:
        actions = QHBoxLayout()
        for button in self.buttons.values():
            actions.addWidget(button)
        actions.addStretch()
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
        column.addWidget(self.card)
        column.addWidget(self.table, 1)
        column.addWidget(self._note)
        column.addLayout(actions)
        column.addLayout(source)

    def _show_status(self, status: AppStatus) -> None:
        facts_of = facts_key(status)
        if facts_of != self._facts_of:
            self._facts_of = facts_of
            self._refresh_facts()
        self.first_steps.setVisible(not status.settings.model and self._cards.count() > 0)
        self._fill()

    def _refresh_facts(self) -> None:
        self._bridge.run(lambda: read_facts(self._bridge.app), self._adopt_facts, self.card.show_error)

    def _adopt_facts(self, facts: ModelFacts) -> None:
        self._facts = facts
        if not self._cards.count():
            self._offer_first_steps(facts.catalog)
        self._fill()

    def _fill(self) -> None:
        selected = self._selected()
        if self._model.show_rows(model_rows(self._facts, self._bridge.status.downloads, tr)):
            names = [row.file_name for row in self._model.rows]
            wanted = (
                selected.file_name
                if selected
                else next((r.file_name for r in self._model.rows if r.chosen), "")
            )
            if wanted in names:
                self.table.selectRow(names.index(wanted))
        self._show_selection()

    def _selected(self) -> ModelRow | None:
        rows = self.table.selectionModel().selectedRows()
        return self._model.rows[rows[0].row()] if rows else None

    def _show_selection(self) -> None:
        row = self._selected()
        for action, button in self.buttons.items():
            button.setEnabled(row is not None and action in row.actions)
        self._note.setText(row.note if row else tr("Select a model to see what can be done with it."))

    def _download_source(self) -> None:
        if source := self.source.text().strip():
            self._run(lambda: self._bridge.app.download(source), self.source.clear)

    def _run(self, operation: Callable[[], object], success: Callable[[], object] = lambda: None) -> None:
        self.card.clear()
        self._bridge.run(operation, lambda _: success(), self.card.show_error)

    def _offer_first_steps(self, catalog: tuple[CatalogEntry, ...]) -> None:
        for entry in catalog:
            if entry.builtin:
                label = tr("&Try it now")
                self._cards.addWidget(_first_step(entry, label, lambda _, e=entry: self._try_builtin(e)), 1)
            elif entry.recommended:
                label = tr("Do&wnload and start")
                self._cards.addWidget(
                    _first_step(entry, label, lambda _, e=entry: self._choose_and_start(e)), 1
                )
        self.first_steps.setVisible(not self._bridge.status.settings.model)

    def _try_builtin(self, entry: CatalogEntry) -> None:
        self._choose_and_start(entry, lambda: self.navigate.emit(Page.EMBEDDING))

    def _choose_and_start(self, entry: CatalogEntry, success: Callable[[], object] = lambda: None) -> None:
        app = self._bridge.app

        def choose_and_start() -> None:
            choose(app, entry.id)
            app.start_server()

        self._run(choose_and_start, success)


def _operation(app: App, action: ModelAction, row: ModelRow) -> Callable[[], object]:
    """The call behind a button; made before it runs, as the row may change meanwhile."""
    match action, row.download_id:
        case ModelAction.DOWNLOAD, _:
            return lambda: app.download(row.source)
        case ModelAction.USE, _:
            return lambda: choose(app, row.reference)
        case ModelAction.PAUSE, int(number):
            return lambda: app.downloads.pause(number)
        case ModelAction.RESUME, int(number):
            return lambda: app.downloads.resume(number)
        case ModelAction.CANCEL, int(number):
            return lambda: app.downloads.cancel(number)
    raise ValueError(action, row)


def _first_step(entry: CatalogEntry, label: str, act: Callable[..., object]) -> QFrame:
    """A card that offers one model to someone who has chosen none."""
    card = QFrame()
    card.setFrameShape(QFrame.Shape.StyledPanel)
    button = QPushButton(label)
    button.setAccessibleDescription(tr.said(entry.name))
    button.clicked.connect(act)
    column = QVBoxLayout(card)
    title = text_label(f"{tr.said(entry.name)} · {offer_size(entry, tr)}", bold=True)
    title.setWordWrap(False)
    note = text_label(tr.said(entry.note))
    note.setAlignment(Qt.AlignmentFlag.AlignTop)
    column.addWidget(title)
    column.addWidget(note)
    column.addStretch()
    column.addWidget(button, alignment=Qt.AlignmentFlag.AlignLeft)
    return card
