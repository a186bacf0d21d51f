"""Which models can chat and take pictures, read again whenever that may have changed. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.ui.chat_operations import chat_models
from tray_app.ui.latest_query import LatestQuery
from tray_app.ui.presenters.chat import ChatModels
from tray_app.ui.presenters.model_facts import facts_key
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from tray_app.errors import AppError
    from tray_app.ui.bridge import Bridge


class ChatModelsLook(QObject):
    """Reads only while the page is visible."""

    changed = Signal()
    """`models` or `sees` has changed."""
    failed = Signal(object)
    """An `AppError`: the models could not be read."""

    def __init__(self, bridge: Bridge, page: QWidget) -> None:
        super().__init__(page)
        self._bridge = bridge
        self._page = page
        self.models = ChatModels()
        self.known = False
        """Whether the models have been read."""
        self.sees = False
        """Whether the model that was asked about last takes pictures."""
        self._asked = ""
        self._facts_of: object = None
        self._forget: Callable[[], None] = lambda: None
        self._sight: LatestQuery[tuple[str, object], bool] = LatestQuery(
            bridge, lambda subject: bridge.app.client.can_see(subject[0])
        )
        bridge.status_changed.connect(self.refresh)

    def refresh(self) -> None:
        """Read the models again if something has changed since the last time."""
        status = self._bridge.status
        facts_of = facts_key(status), status.settings
        if facts_of != self._facts_of and self._page.isVisible():
            self._facts_of = facts_of
            app = self._bridge.app
            self._forget()  # an earlier read may end later
            self._forget = self._bridge.run(lambda: chat_models(app), self._adopt, self.failed.emit)

    def ask_about(self, model_id: str) -> None:
        """Find out whether this model takes pictures; `changed` follows if that is another answer."""
        if model_id != self._asked:
            self._asked, self.sees = model_id, False
        self._sight.ask((model_id, self._facts_of), self._hear_sight)

    def named(self, model_id: str) -> str:
        """The name of a model."""
        return tr.said(self.models.name_of(model_id))

    def take_over(self, old: ChatModelsLook) -> None:
        """Show the models that `old` has read."""
        self.models, self.known = old.models, old.known

    def _adopt(self, models: ChatModels) -> None:
        self.models, self.known = models, True
        self.changed.emit()

    def _hear_sight(self, subject: tuple[str, object], answer: bool | AppError) -> None:  # noqa: FBT001
        if subject == (self._asked, self._facts_of):
            if self.sees != (answer is True):
                self.sees = answer is True
                self.changed.emit()
        else:
            self.ask_about(self._asked)
