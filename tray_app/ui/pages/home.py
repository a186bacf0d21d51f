"""The page Status: what the server is doing, its address, start and stop, and what went wrong. GUI thread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from tray_app.app.server_status import ServerState
from tray_app.engine.lifecycle import State
from tray_app.errors import Fix
from tray_app.ui import icons
from tray_app.ui.engine_controller import EngineController
from tray_app.ui.engines_look import EnginesLook
from tray_app.ui.operations import keep_loaded, load_model, start_server, verify_chosen
from tray_app.ui.presenters.builds import (
    EngineAction,
    fallback_card,
    installation_card,
    key_of,
    offer_card,
)
from tray_app.ui.presenters.engine_names import engine_text
from tray_app.ui.presenters.engines import (
    engine_views,
    loading_engines,
    models_memory,
    with_measures,
)
from tray_app.ui.presenters.fixes import check_text, fix_title, setting_of
from tray_app.ui.presenters.menu import copy_refusal, start_refusal, stop_refusal
from tray_app.ui.presenters.origins import origin_question
from tray_app.ui.presenters.status import IconShape, address_hint, ring_of, shape_of, state_line
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.action_card import ActionCard
from tray_app.ui.widgets.basic import MessageCard, heading, text_label
from tray_app.ui.widgets.engine_rows import EngineRows
from tray_app.ui.widgets.memory_bar import MemoryBar, show_bars
from tray_app.ui.widgets.origin_card import OriginCard
from tray_app.ui.widgets.usage_panel import UsagePanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

    from tray_app.app.status import AppStatus
    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.builds import NoticeKey
    from tray_app.ui.presenters.engines import EngineView

_ICON_SIZE = 64
_SECOND_MS = 1000


class HomePage(QWidget):
    """The server at a glance."""

    settings_wanted = Signal(str)
    """The name of the setting that the person should look at."""
    _checked = Signal(int)
    """How much of the model has been verified, in percent."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.icon = QLabel()
        self.headline = heading()
        self.card = MessageCard()
        self.origin = OriginCard()
        self.look = EnginesLook(bridge, self)
        self.controller = EngineController(bridge, self._load_failed, self)
        self.fallback, self.installation, self.offer = ActionCard(), ActionCard(), ActionCard()
        self.model = text_label()
        self.engine = text_label()
        self.address = QLineEdit(readOnly=True)
        self.start_button = QPushButton(tr("&Start Server"))
        self.stop_button = QPushButton(tr("S&top Server"))
        self.copy_button = QPushButton(tr("&Copy"))
        self.copy_button.setAccessibleName(tr("Copy the address"))
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.copy_button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.address.text()))
        self.engines = EngineRows(before=self.stop_button)
        self.memory_bars = (MemoryBar(), MemoryBar())
        self.usage = UsagePanel(bridge)
        self._facts = QFormLayout()
        self._lay_out()
        self.origin.answered.connect(self._answer)
        self.engines.load_wanted.connect(self._load)
        self.engines.unload_wanted.connect(self._unload)
        self.engines.keep_wanted.connect(self._keep)
        self.usage.looked.connect(self._adopt_measures)
        self.look.seen.connect(self._show_cards)
        for card in (self.fallback, self.installation, self.offer):
            card.wanted.connect(self._act)
        self._measures: AppStatus | None = None
        """What was measured last."""
        self._put_off: set[str] = set()
        """The builds that were offered, and are to be offered no more until the app is started again."""
        self._read: set[NoticeKey] = set()
        """What the person has been told of engines that are not used."""
        self._failed_wish: AppError | None = None
        self._failed_load: AppError | None = None
        """Of a wish that concerned one of several models."""
        self._told: AppError | None = None
        self._checked.connect(self._show_checking)
        # Counts the seconds of a loading model, while someone looks.
        self.clock = QTimer(self)
        self.clock.setInterval(_SECOND_MS)
        self.clock.timeout.connect(self._render)
        bridge.status_changed.connect(self._render)
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
        self._render()

    def take_over(self, old: HomePage) -> None:
        """What the person has read or put off is not said again."""
        self._put_off, self._read = old._put_off, old._read
        self.look.overview = old.look.overview
        self._show_cards()

    def changeEvent(self, event: QEvent) -> None:
        """Draw the mark anew when light becomes dark."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.isVisible():  # else when it is shown
            self._render()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing needs to tick."""
        super().hideEvent(event)
        self.clock.stop()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(MEDIUM)
        top.addWidget(self.icon)
        top.addWidget(self.headline, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(SMALL)
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.stop_button)
        buttons.addStretch()
        address = QHBoxLayout()
        address.setSpacing(SMALL)
        address.addWidget(self.address, 1)
        address.addWidget(self.copy_button)
        facts = self._facts
        facts.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        facts.setVerticalSpacing(SMALL)
        facts.addRow(tr("Model:"), self.model)
        facts.addRow(tr("Engine:"), self.engine)
        facts.addRow(self._address_label(), address)
        column = QVBoxLayout(self)
        column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
        column.setSpacing(MEDIUM)
        column.addLayout(top)
        column.addLayout(buttons)
        column.addWidget(self.card)
        for card in (self.origin, self.fallback, self.installation, self.offer):
            column.addWidget(card)
        column.addWidget(self.engines)
        for bar in self.memory_bars:
            column.addWidget(bar)
        column.addLayout(facts)
        column.addWidget(self.usage)
        column.addStretch()

    def _address_label(self) -> QLabel:
        label = QLabel(tr("&Address:"))
        label.setBuddy(self.address)
        return label

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
            case Fix.NONE | Fix.ALLOW_ENGINE:
                pass

    def _show_checking(self, percent: int) -> None:
        self.card.show_message(tr("Verifying the model …"), tr("{percent} %").format(percent=percent))

    def _render(self) -> None:
        status = self._bridge.status
        if status.server.state is ServerState.READY:
            self._failed_wish = None
        shape = shape_of(status)
        palette = icons.panel_palette(dark=icons.is_dark(self.palette()))
        scale = self.devicePixelRatioF()
        pixmap = icons.state_pixmap(round(_ICON_SIZE * scale), shape, palette, permille=ring_of(status))
        pixmap.setDevicePixelRatio(scale)
        self.icon.setPixmap(pixmap)
        headline = state_line(status, time.time(), tr)
        self.headline.setText(headline)
        self.icon.setAccessibleName(headline)
        self._tell(self._failed_wish or self._failed_load or status.problem)
        self.origin.show_question(origin_question(status, tr))
        self.model.setText(tr.said(status.model_name or "") or tr("none chosen"))
        self.engine.setText(_engine_text(status))
        self._show_engines()
        self._show_cards()
        self.address.setText(status.server.base_url or "")
        self.address.setPlaceholderText(address_hint(status, tr))
        _permit(self.copy_button, copy_refusal(status, tr))
        _permit(self.start_button, start_refusal(status, tr))
        _permit(self.stop_button, stop_refusal(status, tr))
        if (shape is IconShape.ARC or loading_engines(status)) and self.isVisible():
            self.clock.start()
        else:
            self.clock.stop()

    def _show_cards(self) -> None:
        """What there is to say of engines: which one has failed, comes, or would suit this machine."""
        overview, status = self.look.overview, self._bridge.status
        self.installation.show_view(installation_card(status.installation, overview, tr))
        offer = offer_card(overview, status.installation, tr) if overview else None
        if offer is not None:
            put_off = offer.build_id in self._put_off
            offer = None if put_off else replace(offer, actions=(*offer.actions, EngineAction.LATER))
        self.offer.show_view(offer)
        self.fallback.show_view(fallback_card(status, tr, read=self._read))

    def _act(self, action: EngineAction, build_id: str) -> None:
        match action:
            case EngineAction.LATER:
                self._put_off.add(build_id)
            case EngineAction.HIDE:
                self._read = {key_of(notice) for notice in self._bridge.status.notices}
            case _:
                self.controller.do(action, build_id, self.look.overview)
        self._show_cards()

    def _adopt_measures(self, status: AppStatus) -> None:
        self._measures = status
        self._show_engines()

    def _show_engines(self) -> None:
        """Of several models a row each, and their memory; the one that is chosen alone has its two facts."""
        status = self._bridge.status
        if self._measures is not None:  # may be older than the status: it tells numbers, and no states
            status = with_measures(status, self._measures)
        views = engine_views(status, self._bridge.app.host, time.time(), tr)
        self.engines.show_views(views)
        show_bars(self.memory_bars, models_memory(status, tr))
        for fact in (self.model, self.engine):
            self._facts.setRowVisible(fact, not views)


def _engine_text(status: AppStatus) -> str:
    plan = status.engine.plan
    if plan is None or status.engine.state is State.STOPPED:
        return tr("not running")
    process = tr("process {pid}").format(pid=status.engine.pid) if status.engine.pid else ""
    return " · ".join(part for part in (engine_text(plan.engine, tr), process) if part)


def _permit(button: QPushButton, refusal: str) -> None:
    button.setEnabled(not refusal)
    button.setToolTip(refusal)
