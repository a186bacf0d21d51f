"""The settings dialog, built from the schema: edits a draft, judges it, applies it as a whole. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontDatabase, QPalette
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from tray_app.errors import AppError
from tray_app.settings.schema import FIELDS
from tray_app.ui.memory_bar import MemoryBar
from tray_app.ui.operations import read_facts
from tray_app.ui.presenters.memory import memory_bars
from tray_app.ui.presenters.settings import (
    ENGINES,
    GROUPS,
    choice_title,
    command_line,
    consequence,
    doubts,
    engine_title,
    group_title,
    largest,
    login_doubt,
    port_doubt,
    port_praise,
    read_draft,
    vram_refusal,
    without_effect,
)
from tray_app.ui.setting_editors import Choice, Number, ResetButton, Selection, Switch, Text
from tray_app.ui.texts import tr
from tray_app.ui.widgets import MARGIN, SPACING, MessageCard, bring_into_view, small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QShowEvent

    from tray_app.app import AppStatus
    from tray_app.engine.plan import Plan
    from tray_app.settings.schema import Field, Settings
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.models import ModelFacts
    from tray_app.ui.setting_editors import Editor

_WIDTH = 620
_COMMAND_LINES = 3


@dataclass(frozen=True, slots=True)
class _Submission:
    """Settings that are being applied, and what follows."""

    settings: Settings
    done: Callable[[], object]


class SettingsDialog(QDialog):
    """All settings in tabs, with what they would lead to."""

    failed_later = Signal(object)
    """An `AppError`: the settings were saved, but acting on them failed after the dialog was done."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.setWindowTitle(tr("Settings"))
        self._submitted: _Submission | None = None
        self._previewing = False
        self._previewed: Settings | None = None
        self._plan: Plan | AppError | None = None
        self.editors = {field.name: self._make_editor(field) for field in FIELDS}
        self.resets = {field.name: ResetButton(field, self.editors[field.name]) for field in FIELDS}
        self.notes = {field.name: _note(field) for field in FIELDS}
        self._asked_port: int | None = None
        self._asking_port = False
        self._port_doubt = self._port_praise = ""
        self._forms: list[QFormLayout] = []
        self.tabs = QTabWidget()
        self.memory_bars = (MemoryBar(), MemoryBar())
        self.command = _command_view()
        self.consequence = text_label()
        self.card = MessageCard()
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.Apply
        )
        self._lay_out()
        self._connect()
        self._fill(bridge.app.store.current)
        self._judge()

    def draft(self) -> dict[str, Any]:
        """What the person has changed, as it stands in the editors."""
        return {
            name: editor.value()
            for name, editor in self.editors.items()
            if editor.value() != self._initial[name]
        }

    def point_at(self, name: str) -> None:
        """Lead the person to a setting."""
        group = next(field.group for field in FIELDS if field.name == name)
        self.tabs.setCurrentIndex(GROUPS.index(group))
        self.editors[name].setFocus()

    def apply(self) -> None:
        """Save and act, if everything is in order; the dialog stays."""
        self._submit(self._start_anew)

    def accept(self) -> None:
        """Save and act, then close."""
        self._submit(super().accept)

    def take_over(self, old: SettingsDialog) -> None:
        """The same draft on the same tab; if `old` is applying something, what goes wrong is told later."""
        for name, value in old.draft().items():
            self.editors[name].set_value(value)
        self.tabs.setCurrentIndex(old.tabs.currentIndex())
        self.move(old.pos())
        old._submitted = None

    def showEvent(self, event: QShowEvent) -> None:
        """A small screen gets a small dialog, whose tabs are scrolled."""
        super().showEvent(event)
        bring_into_view(self)

    def done(self, result: int) -> None:
        """Close, and think no more about what nobody sees."""
        self._bridge.status_changed.disconnect(self._show_status)
        super().done(result)

    def _make_editor(self, field: Field) -> Editor:  # noqa: PLR0911 - one for each kind of field
        match field.name:
            case "model":
                return Choice(field, placeholder=tr("none chosen"))
            case "engine":
                engines = Choice(field)
                engines.offer((engine, engine_title(engine, tr)) for engine in ENGINES)
                return engines
            case "models_folder":
                return Text(field, placeholder=str(self._bridge.app.paths.models), folder=True)
        if field.choices:
            return Selection((choice, choice_title(choice, tr)) for choice in field.choices)
        if field.kind is bool:
            return Switch(field)
        if field.kind in (int, float):
            value = getattr(self._bridge.app.store.current, field.name)
            return Number(field, largest(field, value, self._bridge.app.host))
        return Text(field)

    def _lay_out(self) -> None:
        for group in GROUPS:
            self.tabs.addTab(self._tab(group), group_title(group, tr))
        label = QLabel(tr("Command &line:"))
        label.setBuddy(self.command)
        column = QVBoxLayout(self)
        column.setSpacing(SPACING)
        column.addWidget(self.tabs, 1)
        for bar in self.memory_bars:
            column.addWidget(bar)
        column.addWidget(label)
        column.addWidget(self.command)
        column.addWidget(self.consequence)
        column.addWidget(self.card)
        column.addWidget(self.buttons)
        self.resize(_WIDTH, self._height())

    def _height(self) -> int:
        """So much that no tab has to be scrolled, where the screen has it."""
        scrolled = max(form.totalHeightForWidth(_WIDTH - 4 * MARGIN) for form in self._forms)
        return self.sizeHint().height() - self.tabs.sizeHint().height() + scrolled + 4 * SPACING

    def _tab(self, group: str) -> QWidget:
        tab = QScrollArea(widgetResizable=True)
        tab.setFrameShape(QFrame.Shape.NoFrame)
        content = QWidget()
        content.setAutoFillBackground(False)
        tab.setWidget(content)
        tab.viewport().setAutoFillBackground(False)
        form = QFormLayout(content)
        self._forms.append(form)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        form.setVerticalSpacing(SPACING)
        for field in FIELDS:
            if field.group == group:
                self._add_row(form, field)
        # Scrolled up and down only: the longest words of a language decide how wide the dialog is.
        tab.setMinimumWidth(form.minimumSize().width() + tab.verticalScrollBar().sizeHint().width())
        return tab

    def _add_row(self, form: QFormLayout, field: Field) -> None:
        editor = self.editors[field.name]
        editor.describe(tr.said(field.title), tr.said(field.help))
        line = QHBoxLayout()
        line.addWidget(editor, 1)
        line.addWidget(self.resets[field.name])
        cell = QVBoxLayout()
        cell.setSpacing(2)
        cell.addLayout(line)
        cell.addWidget(self.notes[field.name])
        label = QLabel()
        if not isinstance(editor, Switch):  # which carries its title itself
            label.setText(tr("{title}:").format(title=tr.said(field.title)))
            label.setBuddy(editor.focusProxy() or editor)
        form.addRow(label, cell)

    def _connect(self) -> None:
        for editor in self.editors.values():
            editor.changed.connect(self._judge)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.buttons.button(QDialogButtonBox.StandardButton.Apply).clicked.connect(self.apply)
        self._bridge.status_changed.connect(self._show_status)
        self._bridge.run(lambda: read_facts(self._bridge.app), self._offer_models, self.card.show_error)
        self._bridge.run(self._bridge.app.refresh_login, lambda _: None, self.card.show_error)

    def _fill(self, settings: Settings) -> None:
        self._adopted = settings
        for name, editor in self.editors.items():
            editor.blockSignals(True)
            editor.set_value(getattr(settings, name))
            editor.blockSignals(False)
            self.resets[name].adjust()
        self._initial = {name: editor.value() for name, editor in self.editors.items()}

    def _offer_models(self, facts: ModelFacts) -> None:
        known = {model.id: tr.said(model.name) for model in facts.installed}
        offered = {entry.id: tr.said(entry.name) for entry in facts.catalog}
        model = self.editors["model"]
        if isinstance(model, Choice):
            model.offer((offered | known).items())

    def _judgement(self) -> tuple[Settings, dict[str, str]]:
        return read_draft(self._bridge.app.store.current, self.draft(), tr)

    def _judge(self) -> None:
        """Show every problem at its field, and what the draft would lead to."""
        new, problems = self._judgement()
        told = doubts(new, self._plan, tr) | login_doubt(self._bridge.status.login, new, tr)
        told |= ({"port": self._port_doubt} if self._port_doubt else {}) | problems
        for field in FIELDS:
            self._annotate(field, told.get(field.name, ""))
        self._check_port(new.port)
        self._permit(problems)
        self._preview(new)
        self._show_memory(new)
        self._show_consequence(new)

    def _annotate(self, field: Field, problem: str) -> None:
        note, editor = self.notes[field.name], self.editors[field.name]
        refusal = self._refusal() if field.name == "vram_budget" else ""
        praise = f" {self._port_praise}" if field.name == "port" and self._port_praise else ""
        note.setText(f"⚠ {problem}" if problem else refusal or tr.said(field.help) + praise)
        urgent = bool(problem or refusal)
        note.setForegroundRole(
            QPalette.ColorRole.WindowText if urgent else QPalette.ColorRole.PlaceholderText
        )
        editor.setEnabled(not refusal)
        editor.describe(tr.said(field.title), note.text())

    def _refusal(self) -> str:
        engine = (
            self._plan.engine if self._plan is not None and not isinstance(self._plan, AppError) else None
        )
        return vram_refusal(self._bridge.app.host, engine, tr)

    def _permit(self, problems: dict[str, str]) -> None:
        possible = not problems and not self._submitted
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(possible)
        self.buttons.button(QDialogButtonBox.StandardButton.Apply).setEnabled(possible and bool(self.draft()))

    def _preview(self, new: Settings) -> None:
        """Ask what would be launched; one question at a time, the last one is answered."""
        if self._previewing or new == self._previewed:
            return
        self._previewing, self._previewed = True, new
        self._bridge.run(lambda: self._bridge.app.preview(new), self._show_plan, self._show_plan)

    def _show_plan(self, plan: Plan | AppError) -> None:
        self._previewing = False
        self._plan = plan
        self.command.setPlainText(
            tr.said(plan.texts[0]) if isinstance(plan, AppError) else command_line(plan)
        )
        self._judge()

    def _check_port(self, port: int) -> None:
        """Ask who has the port that is wished for; one question at a time, the last one is answered."""
        if self._asking_port or port == self._asked_port:
            return
        self._asking_port, self._asked_port = True, port
        self._bridge.run(
            lambda: self._bridge.app.port_owners(port),
            lambda owners: self._show_port_doubt(port, port_doubt(owners, tr)),
            lambda error: self._show_port_doubt(port, tr.said(error.texts[0])),
        )

    def _show_port_doubt(self, port: int, doubt: str) -> None:
        self._asking_port = False
        self._port_doubt = doubt
        self._port_praise = "" if doubt else port_praise(self._bridge.status, port, tr)
        self._judge()

    def _show_memory(self, new: Settings) -> None:
        """What would be taken of which memory; it warns, and forbids nothing."""
        views = memory_bars(self._plan, new, self._bridge.app.host, tr)
        for number, bar in enumerate(self.memory_bars):
            bar.setVisible(number < len(views))
            if number < len(views):
                bar.show_view(views[number])

    def _show_consequence(self, new: Settings) -> None:
        happens = consequence(self._bridge.status, new, self._plan, tr)
        ignored = without_effect(new, self._plan, self._bridge.app.host, tr)
        self.consequence.setText(" ".join(filter(None, (happens, ignored))))

    def _submit(self, done: Callable[[], object]) -> None:
        new, problems = self._judgement()
        if problems or self._submitted:
            return
        self._submitted = _Submission(new, done)
        self._permit(problems)
        self.card.clear()
        self._bridge.run(lambda: self._bridge.app.apply(new), lambda _: self._applied(), self._failed)

    def _show_status(self, status: AppStatus) -> None:
        # A model may have to be downloaded before the call that applies returns: what is saved is enough.
        if self._submitted and status.settings == self._submitted.settings and not status.problem:
            self._applied()
        self._adopt(status.settings)
        self._judge()

    def _adopt(self, settings: Settings) -> None:
        """Follow what changed elsewhere; what the person has typed stays."""
        for name, editor in self.editors.items():
            value = getattr(settings, name)
            if editor.value() == self._initial[name] and value != getattr(self._adopted, name):
                editor.blockSignals(True)
                editor.set_value(value)
                editor.blockSignals(False)
                self._initial[name] = editor.value()
                self.resets[name].adjust()
        self._adopted = settings

    def _applied(self) -> None:
        submitted, self._submitted = self._submitted, None
        if submitted:
            submitted.done()

    def _start_anew(self) -> None:
        self._initial = {name: editor.value() for name, editor in self.editors.items()}
        self._judge()

    def _failed(self, error: AppError) -> None:
        if self._submitted:
            self._submitted = None
            self.card.show_error(error)
            self._judge()
        else:
            self.failed_later.emit(error)


def _note(field: Field) -> QLabel:
    """The line below a field: what it means, or what is wrong with it."""
    return small_label(tr.said(field.help))


def _command_view() -> QPlainTextEdit:
    view = QPlainTextEdit(readOnly=True)
    view.setTabChangesFocus(True)
    view.setAccessibleName(tr("Command line"))
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setFixedHeight(view.fontMetrics().lineSpacing() * _COMMAND_LINES + 2 * SPACING)
    return view
