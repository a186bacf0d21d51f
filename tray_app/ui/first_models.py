"""Helps somebody who had no model when the window opened to a first one, and then to a second. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.ui.model_operations import answer_with, survey
from tray_app.ui.operations import choose_and_start
from tray_app.ui.presenters.model_facts import facts_key

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.presenters.first_steps import FirstStep
    from tray_app.ui.presenters.model_facts import ModelFacts
    from tray_app.ui.widgets.first_steps import FirstSteps

_MUCH_FASTER = 2
"""The factor by which the speed of downloads must change before the cards are made again: cards that change
each second cannot be pressed, and lose the keyboard.
"""


class FirstModels(QObject):
    """Fills the cards of `FirstSteps`, and gets and starts the model that is picked on one of them."""

    begun = Signal()
    """A model was picked: earlier failures need not be shown any longer."""
    changed = Signal()
    """Cards have appeared, changed or vanished."""
    tried = Signal()
    """The server has been started with the built-in model."""
    start_failed = Signal(object)
    """An `AppError`: the server could not be started with the first model."""
    failed = Signal(object)
    """An `AppError` about anything else."""

    def __init__(self, bridge: Bridge, cards: FirstSteps) -> None:
        super().__init__(cards)
        self._bridge = bridge
        self._cards = cards
        self._is_new = False
        """Whether no model was chosen at some time since the window opened."""
        self._offers_second = False
        """Whether a model is chosen by now, so that the cards offer a second one."""
        self._second: FirstStep | None = None
        """The second model, while it is being downloaded."""
        self._facts: ModelFacts | None = None
        self._facts_of: object = None
        self._rate_bytes_per_s = 0.0
        """Of the last download."""
        cards.chosen.connect(self._take)

    def show_status(self, status: AppStatus) -> None:
        """Offer models, if this person needs some."""
        for progress in status.downloads:
            known, rate = self._rate_bytes_per_s, progress.rate_bytes_per_s
            if rate and not known / _MUCH_FASTER < rate < known * _MUCH_FASTER:
                self._rate_bytes_per_s = rate
        self._is_new |= not status.settings.model
        if self._is_new:
            self._look(status)
        facts = self._facts if self._is_new else None
        if facts is None:
            self._cards.hide()
        else:
            self._offer(facts, status)
        self.changed.emit()

    def take_over(self, old: FirstModels) -> None:
        """Go on with what `old` has begun."""
        self._second = old._second
        self._is_new |= old._is_new

    def _offer(self, facts: ModelFacts, status: AppStatus) -> None:
        builtin = {entry.id for entry in facts.catalog if entry.builtin}
        self._offers_second = bool(status.settings.model) and status.settings.model not in builtin
        if self._offers_second:
            second = self._second.id if self._second else ""
            self._cards.offer_second(facts, self._rate_bytes_per_s, without=second)
        else:
            self._cards.offer(facts, self._rate_bytes_per_s, installed=True)
        self._cards.show_if(wanted=True)

    def _look(self, status: AppStatus) -> None:
        """Read which models there are, if that may have changed and the page can be seen."""
        facts_of = facts_key(status), status.settings
        page = self._cards.parentWidget()
        if facts_of != self._facts_of and page is not None and page.isVisible():
            self._facts_of = facts_of
            app = self._bridge.app
            self._bridge.run(lambda: survey(app), self._adopt, self.failed.emit)

    def _adopt(self, facts: ModelFacts) -> None:
        self._facts = facts
        second, app = self._second, self._bridge.app
        if second and any(model.id == second.id for model in facts.installed):
            self._second = None
            self.begun.emit()
            self._bridge.run(
                lambda: answer_with(app, second.id, second.kind), lambda _: None, self.failed.emit
            )
        self.show_status(self._bridge.status)

    def _take(self, step: FirstStep) -> None:
        """Get the model and start the server with it; a second one is loaded as soon as it is here."""
        self.begun.emit()
        app = self._bridge.app
        if self._offers_second:
            self._second = step
            self._bridge.run(lambda: app.download(step.id), lambda _: None, self.failed.emit)
        else:
            self._bridge.run(
                lambda: choose_and_start(app, step.id),
                lambda _: self.tried.emit() if step.builtin else None,
                self.start_failed.emit,
            )
        self.show_status(self._bridge.status)
