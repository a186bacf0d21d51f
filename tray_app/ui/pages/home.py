"""The page Home: the server with its switch and address, its models, and what went wrong. GUI thread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from tray_app.app.server_status import ServerState
from tray_app.download.progress import Phase
from tray_app.errors import Fix
from tray_app.models.header import Purpose
from tray_app.ui.engine_controller import EngineController
from tray_app.ui.engines_look import EnginesLook
from tray_app.ui.model_operations import answer_with, keep_loaded, survey, verify_chosen
from tray_app.ui.operations import choose_and_start, load_model, operation_for, start_server
from tray_app.ui.presenters.builds import EngineAction
from tray_app.ui.presenters.engine_cards import fallback_card, installation_card, offer_card
from tray_app.ui.presenters.engines import (
    engine_views,
    loaded_purposes,
    loading_engines,
    models_memory,
    ready_engines,
    server_facts,
    with_measures,
)
from tray_app.ui.presenters.fixes import check_text, fix_title, setting_of
from tray_app.ui.presenters.formatting import error_lines, permille, progress_text
from tray_app.ui.presenters.menu import COPIES, Command, copy_label, start_refusal, takes_models
from tray_app.ui.presenters.model_facts import facts_key
from tray_app.ui.presenters.notices import Page, key_of
from tray_app.ui.presenters.origins import origin_question
from tray_app.ui.presenters.snippets import copied_text
from tray_app.ui.presenters.status import (
    IconShape,
    address_hint,
    current_download,
    download_line,
    shape_of,
    sign_of,
    state_line,
)
from tray_app.ui.presenters.updates import UpdateAction, update_card, update_label
from tray_app.ui.style import LARGE, MEDIUM, SMALL, Variant, set_variant
from tray_app.ui.symbols import set_symbol
from tray_app.ui.texts import tr
from tray_app.ui.update_controller import UpdateController
from tray_app.ui.usage_look import UsageLook
from tray_app.ui.widgets.action_card import ActionCard
from tray_app.ui.widgets.cards import Card, MessageCard
from tray_app.ui.widgets.engine_rows import EngineRows
from tray_app.ui.widgets.first_steps import FirstSteps
from tray_app.ui.widgets.labels import heading, small_label, text_label
from tray_app.ui.widgets.memory_bar import MemoryBar, show_bars
from tray_app.ui.widgets.origin_card import OriginCard
from tray_app.ui.widgets.state_dot import StateDot
from tray_app.ui.widgets.switch import Switch
from tray_app.ui.widgets.usage_panel import UsagePanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.engines import EngineView
    from tray_app.ui.presenters.model_facts import ModelFacts
    from tray_app.ui.presenters.notices import NoticeKey
    from tray_app.ui.widgets.first_steps import FirstStep

_WIDEST = 960
"""Pixels: nobody reads longer lines."""
_SECOND_MS = 1000
_COPIED_MS = 2000
_BAR_STEPS = 1000
_MUCH_FASTER = 2
"""Or slower, by this factor: only then is it said anew how long a download takes."""


class HomePage(QScrollArea):
    """The server at a glance; for somebody who has no model yet, the way to one."""

    settings_wanted = Signal(str)
    """The name of the setting that the person should look at."""
    navigate = Signal(object)
    """A `Page` on which the story goes on."""
    discover_wanted = Signal()
    _checked = Signal(int)
    """How much of the model has been verified, in percent."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.server = _ServerCard(bridge)
        self.card = MessageCard()
        self.origin = OriginCard()
        self.look = EnginesLook(bridge, self)
        self.controller = EngineController(bridge, self._load_failed, self)
        self.fallback, self.installation, self.offer = (ActionCard(primary=False) for _ in range(3))
        self.updates = UpdateController(bridge, self._load_failed, self)
        self.version = ActionCard(primary=False, label=update_label)
        self.first_steps = FirstSteps()
        self.memory_bars = (MemoryBar(), MemoryBar())
        self.engines = EngineRows(before=self.offer.text, below=self.memory_bars)
        self.usage_look = UsageLook(bridge, self)
        self.usage = UsagePanel()
        self.usage_note = small_label()
        self._measures: AppStatus | None = None
        """What was measured last."""
        self._read: set[NoticeKey] = set()
        """What the person has been told of engines that are not used."""
        self._failed_wish: AppError | None = None
        self._failed_load: AppError | None = None
        """Of a wish that concerned one of several models."""
        self._told: AppError | None = None
        self._facts: ModelFacts | None = None
        self._facts_of: object = None
        self._is_new = self._offers_second = False
        """Whether no model was chosen when somebody looked, and whether one is now."""
        self._second: FirstStep | None = None
        """The second model, while it is on its way."""
        self._rate_bytes_per_s = 0.0
        """Of the last download."""
        # Counts the seconds of a loading model, while someone looks.
        self.clock = QTimer(self)
        self.clock.setInterval(_SECOND_MS)
        self.clock.timeout.connect(self._render)
        self._lay_out()
        self._connect()
        self._render()

    def start(self) -> None:
        """Start the server; what stands in the way is shown here."""
        self._forget_failures()
        app = self._bridge.app
        self._bridge.run(lambda: start_server(app), lambda _: None, self._wish_failed)

    def stop(self) -> None:
        """Stop the server."""
        self._forget_failures()
        self._bridge.run(self._bridge.app.stop_server, lambda _: None, self._wish_failed)

    def showEvent(self, event: QShowEvent) -> None:
        """Count again, and look at the engines."""
        super().showEvent(event)
        self.look.refresh()
        self.usage_look.start()
        self._render()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing needs to tick, but what is measured while the window is open."""
        super().hideEvent(event)
        self.clock.stop()
        self.usage_look.stop_if_unseen()

    def take_over(self, old: HomePage) -> None:
        """What the person has read is not said again, and what was measured stays."""
        self._read, self._second = old._read, old._second
        self._is_new |= old._is_new
        self.look.overview = old.look.overview
        self.usage_look.samples = old.usage_look.samples
        self._show_cards()

    def _connect(self) -> None:
        self.server.start_wanted.connect(self.start)
        self.server.stop_wanted.connect(self.stop)
        self.server.navigate.connect(self.navigate)
        self.server.failed.connect(self._wish_failed)
        self.origin.answered.connect(self._answer)
        self.engines.load_wanted.connect(self._load)
        self.engines.unload_wanted.connect(self._unload)
        self.engines.keep_wanted.connect(self._keep)
        self.first_steps.chosen.connect(self._take_first_step)
        self.first_steps.discover_wanted.connect(self.discover_wanted)
        self.usage_look.seen.connect(self._adopt_measures)
        self.usage_look.failed.connect(self._tell_unmeasured)
        self.look.seen.connect(self._show_cards)
        for card in (self.fallback, self.installation, self.offer):
            card.wanted.connect(self._act)
        self.version.wanted.connect(lambda action, _: self.updates.do(UpdateAction(action)))
        self.updates.checked.connect(self._show_version)
        self._checked.connect(self._show_checking)
        self._bridge.status_changed.connect(self._render)

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("content")  # for the style sheet
        content.setMaximumWidth(_WIDEST)
        column = QVBoxLayout(content)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(MEDIUM)
        for widget in (
            self.server,
            self.card,
            self.origin,
            self.fallback,
            self.installation,
            self.first_steps,
            self.offer,
            self.version,
            self.engines,
            self.usage,
            self.usage_note,
        ):
            column.addWidget(widget)
        column.addStretch()
        self.usage_note.hide()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setAccessibleName(tr("Home"))  # the keyboard scrolls it: charts have nothing to go to
        self.setWidget(content)
        self.viewport().setAutoFillBackground(False)

    def _load(self, view: EngineView) -> None:
        app = self._bridge.app
        if view.chosen:
            self.start()
        else:
            self._operate(lambda: load_model(app, view.model_id))

    def _unload(self, view: EngineView) -> None:
        self._operate(lambda: self._bridge.app.unload_model(view.model_id))

    def _keep(self, view: EngineView, wanted: bool) -> None:  # noqa: FBT001 - as Qt calls it
        self._operate(lambda: keep_loaded(self._bridge.app, view.model_id, wanted=wanted))

    def _operate(self, operation: Callable[[], object]) -> None:
        self._forget_failures()
        self._bridge.run(operation, lambda _: None, self._load_failed)

    def _take_first_step(self, step: FirstStep) -> None:
        """Have the model, and let the server start with it; the built-in one can be tried at once.

        A second one is loaded beside it as soon as it is there.
        """
        self._forget_failures()
        app = self._bridge.app
        if self._offers_second:
            self._second = step
            self._operate(lambda: app.download(step.id))
        else:
            self._bridge.run(
                lambda: choose_and_start(app, step.id),
                lambda _: self.navigate.emit(Page.EMBEDDINGS) if step.builtin else None,
                self._wish_failed,
            )
        self._offer_models(self._bridge.status)

    def _answer(self, origin: str, allow: bool) -> None:  # noqa: FBT001 - as Qt calls it
        self._forget_failures()
        self._bridge.run(
            lambda: self._bridge.app.answer_origin(origin, allow=allow), lambda _: None, self._answer_failed
        )

    def _answer_failed(self, error: AppError) -> None:
        self.origin.permit()
        self._load_failed(error)

    def _wish_failed(self, error: AppError) -> None:
        self._failed_wish = error
        self._render()

    def _load_failed(self, error: AppError | None) -> None:
        self._failed_load = error
        self._render()

    def _forget_failures(self) -> None:
        self._failed_wish = self._failed_load = None
        self._render()

    def _tell(self, error: AppError | None) -> None:
        """Show an error once: what the card has said of it since is not covered up by the next snapshot."""
        if error is self._told:
            return
        self._told = error
        self.card.show_error(error)
        if error is not None and (title := fix_title(error, tr)):
            self.card.offer(title, lambda: self._fix(error))
        elif error is not None and error is self._failed_load:
            self.card.offer(tr("Close"), lambda: self._load_failed(None))

    def _fix(self, error: AppError) -> None:
        match error.fix:
            case Fix.FREE_PORT:
                self._bridge.run(self._bridge.app.move_to_free_port, lambda _: None, self._wish_failed)
            case Fix.VERIFY_MODEL:
                self._show_checking(0)
                self._bridge.run(
                    lambda: verify_chosen(self._bridge.app, self._checked.emit),
                    lambda check: self.card.show_message(tr("The model is in order"), check_text(check, tr)),
                    self._wish_failed,
                )
            case Fix.SETTING | Fix.CHOOSE_ENGINE:
                self.settings_wanted.emit(setting_of(error))
            case Fix.ALLOW_ENGINE:
                self._operate(lambda: self._bridge.app.engines.allow_again(self._build_of(error)))
            case Fix.NONE:
                pass

    def _build_of(self, error: AppError) -> str:
        """The installed engine that an error is about."""
        status = self._bridge.status
        found = (each.build_id for each in (*status.problems, *status.notices) if each.error == error)
        return next(found, "")

    def _show_checking(self, percent: int) -> None:
        self.card.show_message(tr("Verifying the model …"), tr("{percent} %").format(percent=percent))

    def _render(self) -> None:
        status = self._bridge.status
        if status.server.state is ServerState.READY:
            self._failed_wish = None
        self.server.show_status(status)
        self._tell(self._failed_wish or self._failed_load or status.problem)
        self.origin.show_question(origin_question(status, tr))
        self._show_engines()
        self._show_cards()
        self._offer_models(status)
        self._show_version()
        loads = shape_of(status) is IconShape.ARC or loading_engines(status)
        if not (loads and self.isVisible()):
            self.clock.stop()
        elif not self.clock.isActive():
            self.clock.start()

    def _offer_models(self, status: AppStatus) -> None:
        """To somebody who has chosen none, or had chosen none when the window opened."""
        for progress in status.downloads:
            known, rate = self._rate_bytes_per_s, progress.rate_bytes_per_s
            # Cards that are made anew each second cannot be pressed, and lose the keyboard.
            if rate and not known / _MUCH_FASTER < rate < known * _MUCH_FASTER:
                self._rate_bytes_per_s = rate
        self._is_new |= not status.settings.model
        if self._is_new:
            self._look_for_models(status)
        facts = self._facts if self._is_new else None
        if facts is None:
            self.first_steps.hide()
            self.server.show()
            return
        builtin = {entry.id for entry in facts.catalog if entry.builtin}
        self._offers_second = bool(status.settings.model) and status.settings.model not in builtin
        if self._offers_second:
            second = self._second.id if self._second else ""
            self.first_steps.offer_second(facts, self._rate_bytes_per_s, without=second)
        else:
            self.first_steps.offer(facts, self._rate_bytes_per_s, installed=True)
        self.first_steps.show_if(wanted=True)
        bare = not (status.settings.model or status.server.base_url or current_download(status))
        self.server.setVisible(not bare or self.first_steps.isHidden())

    def _look_for_models(self, status: AppStatus) -> None:
        facts_of = facts_key(status), status.settings
        if facts_of != self._facts_of and self.isVisible():
            self._facts_of = facts_of
            self._bridge.run(lambda: survey(self._bridge.app), self._adopt_facts, self._load_failed)

    def _adopt_facts(self, facts: ModelFacts) -> None:
        self._facts = facts
        second, app = self._second, self._bridge.app
        if second and any(model.id == second.id for model in facts.installed):
            self._second = None
            self._operate(lambda: answer_with(app, second.id, second.kind))
        self._offer_models(self._bridge.status)

    def _show_cards(self) -> None:
        """What there is to say of engines: which one has failed, comes, or would suit this machine."""
        overview, status = self.look.overview, self._bridge.status
        self.installation.show_view(installation_card(status.installation, overview, tr))
        offer = offer_card(overview, status.installation, tr) if overview else None
        if overview and offer and offer.build_id in overview.put_off:
            offer = None
        if offer is not None:
            offer = replace(offer, actions=(*offer.actions, EngineAction.LATER))
        self.offer.show_view(offer)
        self.fallback.show_view(fallback_card(status, tr, read=self._read))

    def _show_version(self) -> None:
        """A newer version of the app, or the question whether to tell of such."""
        self.version.show_view(update_card(self._bridge.status, tr, checking=self.updates.checking))

    def _act(self, action: EngineAction, build_id: str) -> None:
        match action:
            case EngineAction.LATER:
                self._operate(lambda: self._bridge.app.engines.put_off(build_id))
            case EngineAction.HIDE:
                self._read = {key_of(notice) for notice in self._bridge.status.notices}
            case _:
                self.controller.do(action, build_id, self.look.overview)
        self._show_cards()

    def _adopt_measures(self, status: AppStatus) -> None:
        self._measures = status
        self.usage_note.hide()
        self._show_engines()
        self.server.show_facts(replace(self._bridge.status, traffic=status.traffic))
        if self.isVisible():
            self.usage.show_samples(self.usage_look.samples)

    def _tell_unmeasured(self, error: AppError) -> None:
        self.usage_note.setText(" ".join(error_lines(error, tr)))
        self.usage_note.show()

    def _show_engines(self) -> None:
        """A row for each model, and the memory of all."""
        status = self._bridge.status
        if self._measures is not None:  # may be older than the status: it tells numbers, and no states
            status = with_measures(status, self._measures)
        self.engines.show_views(engine_views(status, self._bridge.app.host, time.time(), tr))
        show_bars(self.memory_bars, models_memory(status, tr))


class _ServerCard(Card):
    """The state with its switch, what it counts, the address, and where to go from here."""

    start_wanted = Signal()
    stop_wanted = Signal()
    navigate = Signal(object)
    failed = Signal(object)
    """An `AppError`: a download could not be paused."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.dot = StateDot(MEDIUM)
        self.headline = heading()
        self.switch = Switch(tr("Server"))
        self.facts = small_label()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)  # the state line says it
        self.pause_button = QPushButton()
        set_variant(self.pause_button, Variant.QUIET)
        self.progress = small_label()
        self.address = text_label()
        self.address.setWordWrap(False)
        self.address.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.address.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.address.setAccessibleName(tr("Address"))
        self.hint = small_label()
        self.copy_button = QPushButton()
        self.copy_button.setAccessibleName(tr("Copy the address or an example"))
        self.embeddings_button = QPushButton(tr("Open Em&beddings"))
        self.chat_button = QPushButton(tr("Open C&hat"))
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(_COPIED_MS)
        self._fill_copies()
        self._connect()
        self._lay_out()

    def show_status(self, status: AppStatus) -> None:
        """Show another snapshot."""
        current = current_download(status)
        headline = state_line(status, time.time(), tr)
        if current and headline == download_line(current, tr):  # the rest of it stands below the bar
            headline = tr("Downloading {name}").format(name=current.name)
        self.headline.setText(headline)
        self.dot.show_sign(sign_of(status), headline)
        self._show_switch(status)
        self._show_download(current)
        address = status.server.base_url or ""
        self.address.setText(address)
        self.address.setVisible(bool(address))
        self.copy_button.setVisible(bool(address))
        self.hint.setText(address_hint(status, tr))
        self.hint.setVisible(not address and bool(status.model_name))
        self.show_facts(status)
        purposes = loaded_purposes(status)
        embeds = Purpose.EMBEDDING in purposes
        self.embeddings_button.setVisible(embeds)
        self.chat_button.setVisible(Purpose.CHAT in purposes)
        set_variant(self.embeddings_button, Variant.PRIMARY if embeds else None)
        set_variant(self.chat_button, None if embeds else Variant.PRIMARY)

    def show_facts(self, status: AppStatus) -> None:
        """Show what changes with time and use."""
        facts = " · ".join(server_facts(status, self._bridge.app.host, time.time(), tr))
        if facts != self.facts.text():
            self.facts.setText(facts)
        self.facts.setVisible(bool(facts))

    def _show_switch(self, status: AppStatus) -> None:
        ends = status.server.state is ServerState.FAILED and not ready_engines(status)
        on = takes_models(status) and not ends
        self.switch.setChecked(on)
        self.switch.setText(tr("S&top Server") if on else tr("&Start Server"))
        self.switch.setToolTip(tr("Stop Server") if on else tr("Start Server"))
        self.switch.setVisible(on or not start_refusal(status, tr))

    def _show_download(self, current: Progress | None) -> None:
        for widget in (self.bar, self.pause_button, self.progress):
            widget.setVisible(current is not None)
        if current is None:
            return
        share = permille(current)
        paused = current.phase is Phase.PAUSED
        self.bar.setRange(0, _BAR_STEPS if share is not None or paused else 0)
        self.bar.setValue(share or 0)
        self.bar.setAccessibleName(download_line(current, tr))
        one_of_several = current.name not in self.headline.text()
        self.progress.setText(download_line(current, tr) if one_of_several else progress_text(current, tr))
        self.pause_button.setText(tr("Resume") if paused else tr("Pause"))
        set_symbol(self.pause_button, "play" if paused else "pause")

    def _switch(self, wanted: bool) -> None:  # noqa: FBT001 - as Qt calls it
        (self.start_wanted if wanted else self.stop_wanted).emit()

    def _pause(self) -> None:
        status = self._bridge.status
        current = current_download(status)
        paused = current is not None and current.phase is Phase.PAUSED
        command = Command.RESUME if paused else Command.PAUSE
        if operation := operation_for(self._bridge.app, command, status):
            self._bridge.run(operation, lambda _: None, self.failed.emit)

    def _fill_copies(self) -> None:
        menu = QMenu(self.copy_button)
        for command in COPIES:
            menu.addAction(copy_label(command, tr)).triggered.connect(
                lambda _=False, command=command: self._copy(command)
            )
        self.copy_button.setMenu(menu)
        widths = []
        for copied in (True, False):
            self._show_copied(copied=copied)
            widths.append(self.copy_button.sizeHint().width())
        self.copy_button.setMinimumWidth(max(widths))

    def _copy(self, command: Command) -> None:
        QGuiApplication.clipboard().setText(copied_text(command, self._bridge.status))
        self._show_copied(copied=True)
        self._copied.start()

    def _show_copied(self, *, copied: bool) -> None:
        self.copy_button.setText(tr("Copied") if copied else tr("&Copy"))

    def _connect(self) -> None:
        self.switch.clicked.connect(self._switch)
        self.pause_button.clicked.connect(self._pause)
        self._copied.timeout.connect(lambda: self._show_copied(copied=False))
        self.embeddings_button.clicked.connect(lambda: self.navigate.emit(Page.EMBEDDINGS))
        self.chat_button.clicked.connect(lambda: self.navigate.emit(Page.CHAT))

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(SMALL)
        top.addWidget(self.dot)
        top.addWidget(self.headline, 1)
        top.addWidget(self.switch)
        download = _row(self.bar, self.pause_button)
        download.setStretch(0, 1)
        address = _row(self.address, self.copy_button)
        address.addStretch()
        buttons = _row(self.embeddings_button, self.chat_button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(SMALL)
        column.addLayout(top)
        column.addWidget(self.facts)
        column.addLayout(download)
        column.addWidget(self.progress)
        column.addWidget(self.hint)
        column.addLayout(address)
        column.addLayout(buttons)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(SMALL)
    for widget in widgets:
        row.addWidget(widget)
    return row
