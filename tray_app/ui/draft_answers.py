"""What the app answers about a draft of the settings: what it would start, who uses the port. GUI thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.errors import AppError
from tray_app.ui.latest_query import LatestQuery
from tray_app.ui.presenters.settings import port_doubt, port_praise
from tray_app.ui.texts import tr

if TYPE_CHECKING:
    from tray_app.engine.launch_plan import Plan
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.schema import Settings
    from tray_app.system.ports import PortOwner
    from tray_app.ui.app_protocol import AppProtocol
    from tray_app.ui.bridge import Bridge

    _Draft = tuple[Settings, KeyChanges]


class DraftAnswers(QObject):
    """The latest answers. A draft changes faster than the app can answer, so some drafts are skipped.

    It has no parent, since an answer may come after the dialog has been deleted.
    """

    changed = Signal()
    """There is another answer: ask again, about the draft as it is by now."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.plan: Plan | AppError | None = None
        """What the engine would be started with, with the model that is shown; None until that is known."""
        self.served_plan: Plan | AppError | None = None
        """The same with the chosen model, while the settings of another one are shown."""
        self.port_doubt = ""
        """Which programs use the port; empty if there are none."""
        self.port_praise = ""
        """That the port is free, or used by this server; empty until that is known."""
        self._plan_of = ""
        self._plan_query = LatestQuery(bridge, partial(_preview, bridge.app))
        self._served_query = LatestQuery(bridge, partial(_preview, bridge.app))
        self._port_query = LatestQuery(bridge, bridge.app.port_owners)

    def ask(self, shown: Settings, served: Settings, keys: KeyChanges) -> None:
        """Ask about a draft. `served` are its settings, `shown` the same with the model that is shown."""
        if self._plan_of != shown.model:
            self.plan = None  # it was of another model
        self._port_query.ask(served.port, self._hear_owners)
        self._plan_query.ask((shown, keys), self._hear_plan)
        if shown != served:
            self._served_query.ask((served, keys), self._hear_served)

    def _hear_plan(self, draft: _Draft, plan: Plan | AppError) -> None:
        self.plan, self._plan_of = plan, draft[0].model
        self.changed.emit()

    def _hear_served(self, _draft: _Draft, plan: Plan | AppError) -> None:
        self.served_plan = plan
        self.changed.emit()

    def _hear_owners(self, port: int, owners: tuple[PortOwner, ...] | AppError) -> None:
        doubt = tr.said(owners.texts[0]) if isinstance(owners, AppError) else port_doubt(owners, tr)
        self.port_doubt = doubt
        self.port_praise = "" if doubt else port_praise(self._bridge.status, port, tr)
        self.changed.emit()


def _preview(app: AppProtocol, draft: _Draft) -> Plan:
    return app.preview(*draft)
