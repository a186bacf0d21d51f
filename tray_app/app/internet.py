"""The way to the internet: sessions with access tokens, queues within the limits of the settings.

Any thread. What HTTP takes to load is loaded when it is first needed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tray_app.errors import AppError
from tray_app.settings.keys import token_name
from tray_app.settings.schema import AUTO
from tray_app.system.awake import keep_awake_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.download.connection_pool import TransferLimits
    from tray_app.download.queue import DownloadQueue
    from tray_app.download.session import Session
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.host import System

_log = logging.getLogger(__name__)


class Internet:
    """What a person's app may use of the internet. `settings` returns the present settings."""

    def __init__(self, settings: Callable[[], Settings], secrets: KeyStore, system: System) -> None:
        self._settings = settings
        self._secrets = secrets
        self._system = system

    def session(self) -> Session:
        """A new session, which sends a token to Hugging Face, or its mirror, alone."""
        from tray_app.download.session import Session

        return Session(self.token)

    def token(self, address: str) -> str | None:
        """The access token for Hugging Face or its mirror; None if there is none, or if it cannot be read."""
        name = token_name(address, self._settings())
        if name is None:
            return None
        try:
            return self._secrets.get(name)
        except AppError as exc:
            _log.info("No access token: %s. %s", exc.title, exc.message)
            return None

    def new_queue(self) -> DownloadQueue:
        """A queue of its own for engines or packages: none of them waits for a model of 40 GB."""
        from tray_app.download.queue import DownloadQueue

        return DownloadQueue(self.session, limits=self._limits, keep_awake=keep_awake_on(self._system))

    def new_model_queue(self) -> DownloadQueue:
        """The queue of models, which knows where `hf:` leads and how large a model must be."""
        from tray_app.download.queue import DownloadQueue
        from tray_app.models.gguf import implied_size

        return DownloadQueue(
            self.session,
            limits=self._limits,
            endpoint=lambda: self._settings().hf_endpoint,
            keep_awake=keep_awake_on(self._system),
            measure=implied_size,
        )

    def _limits(self) -> TransferLimits:
        from tray_app.download.connection_pool import TransferLimits
        from tray_app.download.connection_scaler import MOST_CONNECTIONS

        settings = self._settings()
        connections = MOST_CONNECTIONS if settings.connections == AUTO else settings.connections
        return TransferLimits(connections, settings.speed_limit * 1e6 or None)
