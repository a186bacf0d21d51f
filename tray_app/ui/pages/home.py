"""The page Home: the server with its switch and address, its models, and what went wrong. GUI thread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from tray_app.app.server_status import ServerState
from tray_app.errors import Fix
from tray_app.ui.engine_controller import EngineController
from tray_app.ui.engines_look import EnginesLook
from tray_app.ui.first_models import FirstModels
from tray_app.ui.model_operations import keep_loaded, verify_chosen
from tray_app.ui.operations import load_model, start_server
from tray_app.ui.presenters.builds import EngineAction
from tray_app.ui.presenters.engine_cards import fallback_card, installation_card, offer_card
from tray_app.ui.presenters.engines import (
    engine_views,
    loading_engines,
    models_memory,
    with_measures,
)
from tray_app.ui.presenters.fixes import check_text, fix_title, setting_of
from tray_app.ui.presenters.formatting import error_lines
from tray_app.ui.presenters.notices import Page, key_of
from tray_app.ui.presenters.origins import origin_question
from tray_app.ui.presenters.status import (
    IconShape,
    current_download,
    shape_of,
)
from tray_app.ui.presenters.updates import UpdateAction, update_card, update_label
from tray_app.ui.style import LARGE, MEDIUM
from tray_app.ui.texts import tr
from tray_app.ui.update_controller import UpdateController
from tray_app.ui.usage_look import UsageLook
from tray_app.ui.widgets.action_card import ActionCard
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.engine_rows import EngineRows
from tray_app.ui.widgets.first_steps import FirstSteps
from tray_app.ui.widgets.labels import small_label
from tray_app.ui.widgets.memory_bar import MemoryBar, show_bars
from tray_app.ui.widgets.origin_card import OriginCard
from tray_app.ui.widgets.server_card import ServerCard
from tray_app.ui.widgets.usage_panel import UsagePanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.engines import EngineView
    from tray_app.ui.presenters.notices import NoticeKey

_WIDEST = 960
"""Pixels: longer lines are hard to read."""
_SECOND_MS = 1000


class HomePage(QScrollArea):
    """The server at a glance; for somebody without a model, how to get one."""

    settings_wanted = Signal(str)
    """The name of the setting to show."""
    navigate = Signal(object)
    """A `Page` to open."""
    discover_wanted = Signal()
    _checked = Signal(int)
    """How much of the model has been verified, in percent."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.server = ServerCard(bridge)
        self.card = MessageCard()
        self.origin = OriginCard()
        self.look = EnginesLook(bridge, self)
        self.controller = EngineController(bridge, self._load_failed, self)
        self.fallback, self.installation, self.offer = (ActionCard(primary=False) for _ in range(3))
        self.updates = UpdateController(bridge, self._load_failed, self)
        self.version = ActionCard(primary=False, label=update_label)
        self.first_steps = FirstSteps()
        self.first_models = FirstModels(bridge, self.first_steps)
        self.memory_bars = (MemoryBar(), MemoryBar())
        self.engines = EngineRows(before=self.offer.text, below=self.memory_bars)
        self.usage_look = UsageLook(bridge, self)
        self.usage = UsagePanel()
        self.usage_note = small_label()
        self._measures: AppStatus | None = None
        """The status with the last measured values."""
        self._read: set[NoticeKey] = set()
        """The notices about engines that the person has closed."""
        self._failed_wish: AppError | None = None
        self._failed_load: AppError | None = None
        """The error of something that concerned one of several models, an engine or a new version."""
        self._told: AppError | None = None
        # Runs only while a model is being loaded and the page is visible, to count the seconds.
        self.clock = QTimer(self)
        self.clock.setInterval(_SECOND_MS)
        self.clock.timeout.connect(self._render)
        self._lay_out()
        self._connect()
        self._render()

    def start(self) -> None:
        """Start the server; an error is shown here."""
        self._forget_failures()
        app = self._bridge.app
        self._bridge.run(lambda: start_server(app), lambda _: None, self._wish_failed)

    def stop(self) -> None:
        """Stop the server."""
        self._forget_failures()
        self._bridge.run(self._bridge.app.stop_server, lambda _: None, self._wish_failed)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the engines and begin to measure."""
        super().showEvent(event)
        self.look.refresh()
        self.usage_look.start()
        self._render()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop the clock; measuring goes on while another page of the window is shown."""
        super().hideEvent(event)
        self.clock.stop()
        self.usage_look.stop_if_unseen()

    def take_over(self, old: HomePage) -> None:
        """Keep what was closed and measured, and continue what was begun."""
        self._read = old._read
        self.first_models.take_over(old.first_models)
        self.updates.take_over(old.updates)
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
        self.first_models.begun.connect(self._forget_failures)
        self.first_models.changed.connect(self._make_room)
        self.first_models.tried.connect(lambda: self.navigate.emit(Page.EMBEDDINGS))
        self.first_models.start_failed.connect(self._wish_failed)
        self.first_models.failed.connect(self._load_failed)
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
        """Show an error once, so that the next status does not replace what the card shows about it since."""
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
        """The id of the installed build that an error is about."""
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
        self.first_models.show_status(status)
        self._show_version()
        loads = shape_of(status) is IconShape.ARC or loading_engines(status)
        if not (loads and self.isVisible()):
            self.clock.stop()
        elif not self.clock.isActive():
            self.clock.start()

    def _make_room(self) -> None:
        """Hide the server while there is nothing but the offer of a first model."""
        status = self._bridge.status
        is_bare = not (status.settings.model or status.server.base_url or current_download(status))
        self.server.setVisible(not is_bare or self.first_steps.isHidden())

    def _show_cards(self) -> None:
        """Show the cards with news of engines."""
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
        """Show the card of a new version, or of the question about them."""
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
        """Show a row for each model, and the memory of all."""
        status = self._bridge.status
        if self._measures is not None:  # may be older than the status, so only its values are taken
            status = with_measures(status, self._measures)
        self.engines.show_views(engine_views(status, self._bridge.app.host, time.time(), tr))
        show_bars(self.memory_bars, models_memory(status, tr))
