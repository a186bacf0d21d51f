"""The settings dialog, built from the schema: edits a draft, judges it, applies it as a whole. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout

from tray_app.app.status import ProblemSource
from tray_app.errors import AppError
from tray_app.settings.keys import KEYS
from tray_app.ui.latest_query import LatestQuery
from tray_app.ui.operations import read_facts
from tray_app.ui.presenters.keys import (
    copy_reminder,
    key_consequence,
    key_doubts,
    key_problems,
    key_refusal,
)
from tray_app.ui.presenters.memory import memory_bars
from tray_app.ui.presenters.settings import (
    automatic_context,
    command_line,
    consequence,
    doubts,
    login_doubt,
    port_doubt,
    port_praise,
    read_draft,
    refusals,
)
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import SPACING, MessageCard, bring_into_view, text_label
from tray_app.ui.widgets.memory_bar import MemoryBar
from tray_app.ui.widgets.setting_editors import ChoiceEditor
from tray_app.ui.widgets.setting_rows import SettingTabs

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QShowEvent
    from PySide6.QtWidgets import QWidget

    from tray_app.app.status import AppStatus
    from tray_app.engine.launch_plan import Plan
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.schema import Settings
    from tray_app.system.ports import PortOwner
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.keys import Kept
    from tray_app.ui.presenters.models import ModelFacts

_WIDTH = 660
_COMMAND_LINES = 3


@dataclass(frozen=True, slots=True)
class _Submission:
    """Settings and keys that are being applied, and what follows."""

    before: Settings
    settings: Settings
    keys: KeyChanges = field(repr=False)
    done: Callable[[], object]

    def is_saved(self, status: AppStatus) -> bool:
        """Whether all of it is, as far as a status tells: it knows no keys, but they are kept first."""
        tells = self.settings != self.before or not self.keys
        return tells and status.settings == self.settings and not status.has_problem(ProblemSource.START)


class SettingsDialog(QDialog):
    """All settings and keys in tabs, with what they would lead to."""

    failed_later = Signal(object)
    """An `AppError`: the settings were saved, but acting on them failed after the dialog was done."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.setWindowTitle(tr("Settings"))
        self._submitted: _Submission | None = None
        self._plan: Plan | AppError | None = None
        self._port_doubt = self._port_praise = ""
        self._kept: Kept = None
        self._plan_question = LatestQuery(bridge, partial(_preview, bridge.app))
        self._port_question = LatestQuery(bridge, bridge.app.port_owners)
        self.tabs = SettingTabs(bridge.app)
        self.editors, self.keys, self.rows = self.tabs.editors, self.tabs.keys, self.tabs.rows
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
        self._look_into_keychain()

    def draft(self) -> dict[str, Any]:
        """What the person has changed, as it stands in the editors."""
        return {
            name: editor.value()
            for name, editor in self.editors.items()
            if editor.value() != self._initial[name]
        }

    def key_changes(self) -> KeyChanges:
        """The keys that were typed or made, and None for those to forget."""
        return {name: value for name, editor in self.keys.items() if (value := editor.value()) != ""}

    def point_at(self, name: str) -> None:
        """Lead the person to a setting or a key."""
        self.tabs.point_at(name)

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
        for name, editor in self.keys.items():
            editor.take_over(old.keys[name])
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

    def _lay_out(self) -> None:
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
        rest = self.sizeHint().height() - self.tabs.sizeHint().height()
        self.resize(_WIDTH, rest + self.tabs.scrolled_height(_WIDTH))

    def _connect(self) -> None:
        for editor in (*self.editors.values(), *self.keys.values()):
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
            self.tabs.resets[name].adjust()
        self._initial = {name: editor.value() for name, editor in self.editors.items()}

    def _offer_models(self, facts: ModelFacts) -> None:
        known = {model.id: tr.said(model.name) for model in facts.installed}
        offered = {entry.id: tr.said(entry.name) for entry in facts.catalog}
        model = self.editors["model"]
        if isinstance(model, ChoiceEditor):
            model.offer((offered | known).items())

    def _look_into_keychain(self) -> None:
        self._show_kept(None)
        show: Callable[[Kept], None] = self._show_kept
        self._bridge.run(self._bridge.app.kept_keys, show, show)

    def _show_kept(self, kept: Kept) -> None:
        self._kept = kept
        for editor in self.keys.values():
            editor.show_kept(kept)
        self._judge()

    def _judgement(self) -> tuple[Settings, dict[str, str]]:
        old = self._bridge.app.store.current
        new, problems = read_draft(old, self.draft(), tr)
        return new, problems | key_problems(old, new, self.key_changes(), self._kept, tr)

    def _judge(self) -> None:
        """Show every problem at its field, and what the draft would lead to."""
        new, problems = self._judgement()
        self._annotate(new, problems)
        self._permit(problems)
        self._port_question.ask(new.port, self._show_owners)
        self._plan_question.ask((new, self.key_changes()), self._show_plan)
        self._show_memory(new)
        self._show_consequence(new)

    def _annotate(self, new: Settings, problems: dict[str, str]) -> None:
        told = doubts(new, self._plan, tr) | login_doubt(self._bridge.status.login, new, tr)
        told |= key_doubts(new, self.key_changes(), self._kept, tr)
        told |= ({"port": self._port_doubt} if self._port_doubt else {}) | problems
        refused = {key.name: key_refusal(key, self._kept, tr) for key in KEYS}
        refused |= refusals(self._plan, self._bridge.app.host, tr)
        asides = {name: copy_reminder(tr) for name, editor in self.keys.items() if editor.in_clear}
        asides["port"] = self._port_praise
        asides["ctx_size"] = automatic_context(new, self._plan, tr)
        for name, row in self.rows.items():
            row.annotate(told.get(name, ""), refused.get(name, ""), asides.get(name, ""))
        self.tabs.mark(problems)

    def _permit(self, problems: dict[str, str]) -> None:
        possible = not problems and not self._submitted
        changed = bool(self.draft() or self.key_changes())
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(possible)
        self.buttons.button(QDialogButtonBox.StandardButton.Apply).setEnabled(possible and changed)

    def _show_plan(self, _draft: object, plan: Plan | AppError) -> None:
        self._plan = plan
        self.command.setPlainText(
            tr.said(plan.texts[0]) if isinstance(plan, AppError) else command_line(plan)
        )
        self._judge()

    def _show_owners(self, port: int, owners: tuple[PortOwner, ...] | AppError) -> None:
        doubt = tr.said(owners.texts[0]) if isinstance(owners, AppError) else port_doubt(owners, tr)
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
        status = self._bridge.status
        told = (
            consequence(status, new, self._plan, tr),
            key_consequence(status, new, self.key_changes(), tr),
        )
        self.consequence.setText(" ".join(filter(None, told)))

    def _submit(self, done: Callable[[], object]) -> None:
        new, problems = self._judgement()
        if problems or self._submitted:
            return
        keys, app = self.key_changes(), self._bridge.app
        self._submitted = _Submission(app.store.current, new, keys, done)
        self._permit(problems)
        self.card.clear()
        self._bridge.run(lambda: app.apply(new, keys), lambda _: self._applied(), self._failed)

    def _show_status(self, status: AppStatus) -> None:
        # A model may have to be downloaded before the call that applies returns: what is saved is enough.
        if self._submitted and self._submitted.is_saved(status):
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
                self.tabs.resets[name].adjust()
        self._adopted = settings

    def _applied(self) -> None:
        submitted, self._submitted = self._submitted, None
        if submitted:
            submitted.done()

    def _start_anew(self) -> None:
        self._initial = {name: editor.value() for name, editor in self.editors.items()}
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


def _preview(app: AppProtocol, draft: tuple[Settings, KeyChanges]) -> Plan:
    return app.preview(*draft)


def _command_view() -> QPlainTextEdit:
    view = QPlainTextEdit(readOnly=True)
    view.setTabChangesFocus(True)
    view.setAccessibleName(tr("Command line"))
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)  # it wraps
    view.setFixedHeight(view.fontMetrics().lineSpacing() * _COMMAND_LINES + 2 * SPACING)
    return view
