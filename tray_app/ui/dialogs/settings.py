"""The settings dialog, built from the schema: edits a draft, checks it, applies it as a whole. GUI thread.

Changes are applied together and not at once: another engine, model or port interrupts all clients, and some
changes are only possible together, such as the local network and its key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHBoxLayout, QVBoxLayout, QWidget

from tray_app.app.status import ProblemSource
from tray_app.errors import AppError
from tray_app.settings.fields import ALL_FIELDS, FIELDS, MODEL_FIELDS, MODEL_REFERENCES
from tray_app.settings.keys import KEYS
from tray_app.ui.draft_answers import DraftAnswers
from tray_app.ui.operations import read_facts
from tray_app.ui.presenters.engine_names import engine_choices
from tray_app.ui.presenters.keys import (
    copy_reminder,
    key_consequence,
    key_doubts,
    key_problems,
    key_refusal,
)
from tray_app.ui.presenters.memory import memory_bars
from tray_app.ui.presenters.settings import (
    ALL_MODELS,
    automatic_context,
    changes_text,
    command_line,
    consequence,
    doubts,
    login_doubt,
    needless,
    origin_of,
    read_drafts,
    refusals,
    reload_consequence,
)
from tray_app.ui.setting_form import SettingForm
from tray_app.ui.style import MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import bring_into_view
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.key_editor import KeyEditor
from tray_app.ui.widgets.labels import small_label, text_label
from tray_app.ui.widgets.memory_bar import MemoryBar, show_bars
from tray_app.ui.widgets.setting_editors import ChoiceEditor, CommandLine, ResetButton, editor_for
from tray_app.ui.widgets.setting_groups import SettingGroups
from tray_app.ui.widgets.setting_list import add_command_row, add_rows
from tray_app.ui.widgets.setting_rows import COMMAND_LINE
from tray_app.ui.widgets.subject_box import SubjectBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from PySide6.QtGui import QShowEvent

    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.app.status import AppStatus
    from tray_app.engine.launch_plan import Plan
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.schema import Settings
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.keys import Kept
    from tray_app.ui.presenters.model_facts import ModelFacts

_SIZE = (880, 640)


@dataclass(frozen=True, slots=True)
class _Submission:
    """Settings and keys that are being applied, and what to do after that."""

    before: Settings
    settings: Settings
    keys: KeyChanges = field(repr=False)
    done: Callable[[], object]

    def is_saved(self, status: AppStatus) -> bool:
        """Whether all is saved, as far as a status tells: it knows no keys, but they are saved first."""
        tells = self.settings != self.before or not self.keys
        return tells and status.settings == self.settings and not status.has_problem(ProblemSource.START)


class SettingsDialog(QDialog):
    """All settings and keys in groups, with the consequences of a change."""

    failed_later = Signal(object)
    """An `AppError`: the settings were saved, but acting on them failed after the dialog was done."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.setWindowTitle(tr("Settings"))
        self._submitted: _Submission | None = None
        self._answers = DraftAnswers(bridge)
        self._kept: Kept = None
        self._listening = True
        """Whether it follows the server's state, which it does until it is closed."""
        self._wanted_model = ""
        """The id of the model whose settings are shown as soon as the list has it."""
        self.subject = SubjectBox()
        self.subject_note = small_label(
            tr(
                "What you change here applies to this model only. Everything without a mark is the same as "
                "for all models."
            )
        )
        self.editors = {field.name: editor_for(field, bridge.app) for field in ALL_FIELDS}
        self.keys = {key.name: KeyEditor(key) for key in KEYS}
        resets = {field.name: ResetButton(field, self.editors[field.name]) for field in ALL_FIELDS}
        self.form = SettingForm(self.editors, resets)
        self.command = CommandLine()
        self.groups = SettingGroups(self)
        self.rows = add_rows(self.groups, self.form, self.keys)
        add_command_row(self.groups, self.command)
        self.memory_bars = (MemoryBar(), MemoryBar())
        self.consequence = text_label()
        self.card = MessageCard()
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok
            | QDialogButtonBox.StandardButton.Cancel
            | QDialogButtonBox.StandardButton.Apply
        )
        self._lay_out()
        self._connect()
        self._adopted = bridge.app.store.current
        self._show_subject({})
        self._look_into_keychain()

    def key_changes(self) -> KeyChanges:
        """The keys that were typed or generated, and None for those that are removed, by their names."""
        return {name: value for name, editor in self.keys.items() if (value := editor.value()) != ""}

    def point_at(self, name: str) -> None:
        """Show a setting or a key; for all models, if single models do not have it."""
        if self.form.own is not None and name not in {field.name for field in MODEL_FIELDS}:
            self.subject.choose(ALL_MODELS)
        self.groups.point_at(name)

    def show_model(self, model_id: str) -> None:
        """Show the settings of one model, as soon as the list has it."""
        self._wanted_model = model_id
        self.subject.choose(model_id)

    def apply(self) -> None:
        """Save and act on the changes, if they are valid; the dialog stays open."""
        self._submit(self._start_anew)

    def accept(self) -> None:
        """Save and act on the changes, if they are valid, then close."""
        self._submit(super().accept)

    def take_over(self, old: SettingsDialog) -> None:
        """Show the same draft in the same group. If `old` is applying one, an error is shown later."""
        self.subject.take_over(old.subject)
        self._show_subject(old.form.drafts())
        for name, editor in self.keys.items():
            editor.take_over(old.keys[name])
        self.groups.take_over(old.groups)
        self.setGeometry(old.geometry())
        old._submitted = None
        old._stop_listening()

    def showEvent(self, event: QShowEvent) -> None:
        """Fit on a small screen, where the groups are scrolled."""
        super().showEvent(event)
        bring_into_view(self)

    def done(self, result: int) -> None:
        """Close, and stop following the app; an error of what is being applied is shown in the window."""
        self._submitted = None
        self._stop_listening()
        super().done(result)

    def _stop_listening(self) -> None:
        if self._listening:
            self._listening = False
            self._bridge.status_changed.disconnect(self._show_status)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setSpacing(SMALL)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        memory = QWidget()
        bars = QVBoxLayout(memory)
        bars.setContentsMargins(0, 0, SMALL, 0)
        for bar in self.memory_bars:
            bars.addWidget(bar)
        self.rows["ctx_size"].add_below(memory)
        set_variant(self.buttons.button(QDialogButtonBox.StandardButton.Ok), Variant.PRIMARY)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.setSpacing(MEDIUM)
        top.addWidget(self.subject, 1)
        top.addWidget(self.groups.search, 1)
        bottom.setSpacing(MEDIUM)
        bottom.addWidget(self.consequence, 1)
        bottom.addWidget(self.buttons)
        column.addLayout(top)
        column.addWidget(self.subject_note)
        column.addSpacing(SMALL)
        column.addWidget(self.groups, 1)
        column.addWidget(self.card)
        column.addLayout(bottom)
        self.groups.list.setFocus()
        self.resize(*_SIZE)

    def _connect(self) -> None:
        for editor in self.editors.values():
            editor.changed.connect(self._take_changes)
        for reset in self.form.resets.values():
            reset.released.connect(self._release)
        for key in self.keys.values():
            key.changed.connect(self._judge)
        self.subject.changed.connect(self._change_subject)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._answers.changed.connect(self._judge)
        self.buttons.button(QDialogButtonBox.StandardButton.Apply).clicked.connect(self.apply)
        self._bridge.status_changed.connect(self._show_status)
        self._bridge.run(lambda: read_facts(self._bridge.app), self._offer_models, self.card.show_error)
        self._bridge.run(self._bridge.app.engines.overview, self._offer_engines, self.card.show_error)
        self._bridge.run(self._bridge.app.refresh_login, lambda _: None, self.card.show_error)

    def _change_subject(self) -> None:
        """Keep the changes, and show the settings of the subject that was chosen."""
        self._show_subject(self.form.drafts())

    def _show_subject(self, drafts: Mapping[str, dict[str, Any]]) -> None:
        self.form.fill(self._adopted, drafts, self.subject.value())
        self.subject_note.setVisible(self.form.own is not None)
        fields = FIELDS if self.form.own is None else MODEL_FIELDS
        names = {field.name for field in fields}
        keys = {key.name for key in KEYS if key.setting in names}
        self.groups.show_only(names | keys | {COMMAND_LINE})
        self._judge()

    def _take_changes(self) -> None:
        self.form.take_changes()
        self._judge()

    def _release(self, name: str) -> None:
        self.form.release(name)
        self._judge()

    def _offer_models(self, facts: ModelFacts) -> None:
        here = {model.id: tr.said(model.name) for model in facts.installed}
        self.subject.offer(here, self._adopted.models)
        offered = {entry.id: tr.said(entry.name) for entry in facts.catalog}
        for name in MODEL_REFERENCES:
            editor = self.editors[name]
            if isinstance(editor, ChoiceEditor):
                editor.offer((offered | here).items())
        of_catalog = {entry.id: entry.defaults for entry in facts.catalog}
        self.form.known = of_catalog | {model.id: model.defaults for model in facts.installed}
        self._fill_again(self._adopted)
        self._judge()
        if self._wanted_model:
            self.subject.choose(self._wanted_model)
            self._wanted_model = ""

    def _offer_engines(self, overview: EnginesOverview) -> None:
        editor = self.editors["engine"]
        if isinstance(editor, ChoiceEditor):
            editor.offer(engine_choices(overview, tr))

    def _look_into_keychain(self) -> None:
        self._show_kept(None)
        show: Callable[[Kept], None] = self._show_kept
        self._bridge.run(self._bridge.app.kept_keys, show, show)

    def _show_kept(self, kept: Kept) -> None:
        self._kept = kept
        for editor in self.keys.values():
            editor.show_kept(kept)
        self._judge()

    def _judgment(self) -> tuple[Settings, dict[str, dict[str, str]]]:
        """The settings with all drafts, and the problems of each draft by the names of the settings."""
        old = self._bridge.app.store.current
        new, problems = read_drafts(old, self.form.drafts(), tr)
        problems[ALL_MODELS] |= key_problems(old, new, self.key_changes(), self._kept, tr)
        return new, {model_id: told for model_id, told in problems.items() if told}

    def _judge(self) -> None:
        """Show every problem at its field, and the consequences of the draft."""
        new, problems = self._judgment()
        shown = new if self.form.own is None else msgspec.structs.replace(new, model=self.form.model)
        self._answers.ask(shown, new, self.key_changes())
        self._annotate(shown, problems.get(self.form.model, {}))
        self.subject.mark(problems)
        self._permit(problems)
        self._show_command()
        self._show_memory(shown)
        self._show_consequence(new, self._answers.plan if shown == new else self._answers.served_plan)

    def _annotate(self, new: Settings, problems: dict[str, str]) -> None:
        answers = self._answers
        told = doubts(new, answers.plan, tr) | login_doubt(self._bridge.status.login, new, tr)
        told |= key_doubts(new, self.key_changes(), self._kept, tr)
        told |= ({"port": answers.port_doubt} if answers.port_doubt else {}) | problems
        refused = {key.name: key_refusal(key, self._kept, tr) for key in KEYS}
        without_effect = refusals(answers.plan, self._bridge.app.host, tr)
        asides = {name: copy_reminder(tr) for name, editor in self.keys.items() if editor.in_clear}
        asides["port"] = answers.port_praise
        asides["ctx_size"] = automatic_context(new, answers.plan, tr)
        known = self.form.known.get(self.form.model, {})
        for name, row in self.rows.items():
            origin = None if name in self.keys else origin_of(name, self.form.own, known)
            row.annotate(
                told.get(name, ""), (refused | without_effect).get(name, ""), asides.get(name, ""), origin
            )
        self.groups.mark(problems)
        self.groups.leave_out(needless(new, without_effect, self._bridge.app.host))

    def _permit(self, problems: Mapping[str, object]) -> None:
        possible = not problems and not self._submitted
        changed = bool(self.form.drafts() or self.key_changes())
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(possible)
        self.buttons.button(QDialogButtonBox.StandardButton.Apply).setEnabled(possible and changed)

    def _show_command(self) -> None:
        if (plan := self._answers.plan) is not None:
            told = tr.said(plan.texts[0]) if isinstance(plan, AppError) else command_line(plan)
            if told != self.command.value():  # else what is selected in it stays selected
                self.command.set_value(told)

    def _show_memory(self, new: Settings) -> None:
        """Show how much memory the model would take; that warns, and forbids nothing."""
        show_bars(self.memory_bars, memory_bars(self._answers.plan, new, self._bridge.app.host, tr))

    def _show_consequence(self, new: Settings, plan: Plan | AppError | None) -> None:
        status = self._bridge.status
        changes = sum(map(len, self.form.drafts().values())) + len(self.key_changes())
        told = (
            changes_text(changes, tr),
            consequence(status, new, plan, tr),
            reload_consequence(status, self._answers.plan, tr),
            key_consequence(status, new, self.key_changes(), tr),
        )
        self.consequence.setText(" ".join(filter(None, told)))

    def _submit(self, done: Callable[[], object]) -> None:
        new, problems = self._judgment()
        if problems or self._submitted:
            return
        keys, app = self.key_changes(), self._bridge.app
        self._submitted = _Submission(app.store.current, new, keys, done)
        self._permit(problems)
        self.card.clear()
        self._bridge.run(lambda: app.apply(new, keys), lambda _: self._applied(), self._failed)

    def _show_status(self, status: AppStatus) -> None:
        # The call returns only after a model was downloaded, if need be; here it is enough that all is saved.
        if self._submitted and self._submitted.is_saved(status):
            self._applied()
        self._adopt(status.settings)
        self._judge()

    def _adopt(self, settings: Settings) -> None:
        """Show what changed elsewhere; what the person has typed stays."""
        if settings != self._adopted:
            self._fill_again(settings)

    def _fill_again(self, settings: Settings) -> None:
        self._adopted = settings
        self.form.fill(settings, self.form.drafts(), self.form.model)

    def _applied(self) -> None:
        submitted, self._submitted = self._submitted, None
        if submitted:
            submitted.done()

    def _start_anew(self) -> None:
        self._adopted = self._bridge.app.store.current
        self.form.fill(self._adopted, {}, self.form.model)
        for editor in self.keys.values():
            editor.set_value("")
        self._look_into_keychain()

    def _failed(self, error: AppError) -> None:
        if self._submitted:
            self._submitted = None
            self.card.show_error(error)
            self._judge()
        else:
            self.failed_later.emit(error)
