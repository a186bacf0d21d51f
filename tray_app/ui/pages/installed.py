"""The tab Installed: installed models and downloads, and what can be done with them. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from tray_app.phrases import presentable
from tray_app.ui.model_actions import ModelActions
from tray_app.ui.model_controller import ModelController
from tray_app.ui.operations import choose_and_start
from tray_app.ui.presenters.model_list import (
    FEW_MODELS,
    Sorting,
    arranged,
    list_row,
    main_action,
    menu_of,
    sorting_label,
    total_text,
)
from tray_app.ui.presenters.models import ModelAction, RowKind, model_rows, newer_text
from tray_app.ui.presenters.notices import Page
from tray_app.ui.style import LARGE, MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import add_shortcut, scrolled, search_line
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.file_dialogs import ask_for_paths
from tray_app.ui.widgets.first_steps import FirstSteps
from tray_app.ui.widgets.labels import small_label
from tray_app.ui.widgets.row_list import RowList, RowModel

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QAction

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.models.outdated import Comparison
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.models_look import ModelsLook
    from tray_app.ui.presenters.first_steps import FirstStep
    from tray_app.ui.presenters.models import ModelRow


class InstalledPanel(QWidget):
    """The list of models, and offers for somebody who has none."""

    navigate = Signal(object)
    """A `Page` to open."""
    discover_wanted = Signal()
    settings_wanted = Signal(str)
    """Show the settings of the model with this id."""

    def __init__(self, bridge: Bridge, look: ModelsLook) -> None:
        super().__init__()
        self._bridge = bridge
        self._look = look
        self._wanted_id = ""
        self._shown: tuple[ModelRow, ...] = ()
        """All rows, filtered or not."""
        self.card = MessageCard()
        self.controller = ModelController(bridge, self.card, self)
        self.folder_card = MessageCard()
        self.first_steps = FirstSteps()
        self.table = RowList(tr("Models"), RowModel(lambda row: row.id, lambda row: list_row(row, tr)))
        self.table.setAccessibleDescription(tr("Enter does what the button says; the menu key opens a menu."))
        self.menu = ModelActions(self.table)
        self.filter = search_line(tr("Filter models"))
        self.sorting = Sorting.NAME
        self.sort_button = QPushButton(tr("So&rt"))
        self.newer_button = QPushButton(tr("Loo&k for Newer Files"))
        self.import_button = QPushButton(tr("&Import…"))
        self.total = small_label()
        self._lay_out()
        self._connect()
        self._show_status(bridge.status)

    def take_over(self, old: InstalledPanel) -> None:
        """Show the same model, order and filter; work on files continues and is shown here."""
        self.controller.take_over(old.controller)
        self.controller.jobs.changed.connect(self._fill)
        self.filter.setText(old.filter.text())
        self._wanted_id = old.table.current_key()
        self.sort(old.sorting)

    def act(self, action: ModelAction) -> None:
        """Do this with the current model, if its row permits it."""
        row = self.current()
        if row is None or not any(action in group for group in menu_of(row)):
            return
        if action is ModelAction.SETTINGS:
            self.settings_wanted.emit(row.id)
        else:
            self.controller.do(action, row)

    def current(self) -> ModelRow | None:
        """The current row."""
        row: ModelRow | None = self.table.current_item()
        return row

    def sort(self, sorting: Sorting) -> None:
        """Change the order of the models."""
        self.sorting = sorting
        self.sort_actions[sorting].setChecked(True)
        self._fill()

    def _connect(self) -> None:
        self.table.acted.connect(self._press)
        self.table.menu_wanted.connect(self._open_menu)
        self.table.current_changed.connect(lambda: self.menu.permit(self.current()))
        self.menu.wanted.connect(self.act)
        self.filter.textChanged.connect(self._fill)
        self.first_steps.chosen.connect(self._take_first_step)
        self.first_steps.discover_wanted.connect(self.discover_wanted)
        self.controller.jobs.changed.connect(self._fill)
        self.controller.expected.connect(self._expect)
        self.controller.folder_changed.connect(self._look.refresh)
        self.import_button.clicked.connect(self._choose_files)
        self.newer_button.clicked.connect(self._look_for_newer)
        add_shortcut(self, QKeySequence.StandardKey.Open, self.import_button.click)
        add_shortcut(self, QKeySequence.StandardKey.Find, self.filter.setFocus)
        self._look.seen.connect(self._show_settled)
        self._look.failed.connect(self.card.show_error)
        self._bridge.status_changed.connect(self._show_status)

    def _lay_out(self) -> None:
        set_symbol(self.import_button, "plus")
        for button, symbol in ((self.sort_button, "sliders-horizontal"), (self.newer_button, "refresh-cw")):
            set_variant(button, Variant.QUIET)
            set_symbol(button, symbol)
        self.sort_button.setMenu(self._sort_menu())
        self._top = QWidget()
        top = QHBoxLayout(self._top)
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(SMALL)
        top.addWidget(self.filter, 1)
        top.addStretch()
        top.addWidget(self.sort_button)
        top.addWidget(self.newer_button)
        self._head = QHBoxLayout()
        self._head.addWidget(self._top, 1)
        self._head.addWidget(self.import_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, MEDIUM, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addLayout(self._head)
        column.addWidget(self.folder_card)
        column.addWidget(self.card)
        self._offers = scrolled(self.first_steps)  # in a narrow window, they would be higher than a screen
        column.addWidget(self._offers, 1)
        column.addWidget(self.table, 1)
        column.addWidget(self.total)
        column.addStretch()

    def _sort_menu(self) -> QMenu:
        menu, group = QMenu(self), QActionGroup(self)
        self.sort_actions: dict[Sorting, QAction] = {}
        for sorting in Sorting:
            action = self.sort_actions[sorting] = menu.addAction(sorting_label(sorting, tr))
            action.setCheckable(True)
            action.setChecked(sorting is self.sorting)
            action.triggered.connect(lambda _=False, sorting=sorting: self.sort(sorting))
            group.addAction(action)
        return menu

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
        works = self.controller.jobs.current
        rows = tuple(
            row
            for row in model_rows(self._look.settled, self._bridge.status, works, tr)
            if row.sort is not RowKind.OFFER or row.chosen
        )
        self._shown = rows
        self.table.show_items(arranged(rows, self.sorting, self.filter.text()))
        if self.table.choose(self._wanted_id):
            self._wanted_id = ""
        elif not self.table.current_key():
            self.table.choose(next((row.id for row in rows if row.chosen), ""))
        self._make_room(rows)
        self.menu.permit(self.current())

    def _make_room(self, rows: tuple[ModelRow, ...]) -> None:
        """Show only what is needed: while there is only the built-in model, just the offers."""
        offered = {each.id for each in self._look.settled.facts.catalog if each.builtin}
        bare = not self.first_steps.isHidden() and all(row.id in offered for row in rows)
        many = len(rows) > FEW_MODELS or bool(self.filter.text())
        self._offers.setHidden(self.first_steps.isHidden())
        self.table.setHidden(bare)
        self._top.setHidden(bare)
        self.filter.setHidden(not many)
        self.total.setHidden(bare)
        self.sort_button.setHidden(len(rows) < 2)  # noqa: PLR2004
        self.total.setText(total_text(rows, tr))

    def _press(self, key: str) -> None:
        """Do what the button of a row says."""
        self.table.choose(key)
        row = self.current()
        if row and (action := main_action(row)):
            self.act(action)

    def _open_menu(self, key: str, point: QPoint) -> None:
        self.table.choose(key)
        if row := self.current():
            self.menu.open(row, point)

    def _choose_files(self) -> None:
        self.controller.dialog = ask_for_paths(
            self,
            tr("Import models"),
            QFileDialog.FileMode.ExistingFiles,
            self.controller.import_files,
            (tr("Models (*.gguf)"), tr("All files (*)")),
        )

    def _look_for_newer(self) -> None:
        """Ask the sources of models whether their files have changed."""
        self.newer_button.setEnabled(False)
        self.card.clear()
        self._bridge.run(self._bridge.app.upkeep.outdated, self._tell_newer, self._fail_to_look)

    def _tell_newer(self, found: tuple[Comparison, ...]) -> None:
        self.newer_button.setEnabled(True)
        self.card.show_message(*newer_text(found, tr))
        self.card.offer_to_close()
        self._look.refresh()

    def _fail_to_look(self, error: AppError) -> None:
        self.newer_button.setEnabled(True)
        self.card.show_error(error)

    def _expect(self, model_id: str) -> None:
        """Select a model that is new or about to appear."""
        self._wanted_id = model_id
        self._look.refresh()

    def _take_first_step(self, step: FirstStep) -> None:
        app = self._bridge.app
        self.controller.run(
            lambda: choose_and_start(app, step.id),
            lambda: self.navigate.emit(Page.EMBEDDINGS) if step.builtin else None,
        )
