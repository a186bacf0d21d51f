"""A server that lives as long as one command needs it, beside the one that people use. Any thread.

It is for this computer alone, at a free port, with an engine of its own whose output is kept in memory.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from tray_app.app.served_models import OneModel
from tray_app.app.server import Server
from tray_app.app.server_client import ServerClient
from tray_app.app.start_job import StartCalledOffError
from tray_app.engine.lifecycle import RestartPolicy
from tray_app.engine.pool import EnginePool
from tray_app.engine.supervisor import Supervisor, Timing
from tray_app.system.launcher import launcher_for
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tray_app.app.start_job import StartJob
    from tray_app.engine.launch_plan import Plan
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_NO_RESTART = Timing(policy=RestartPolicy(restart_delays_s=()))
"""An engine that crashes is not started again: the command that waits for it hears the reason at once."""
_FOLDER = "temporary-server"
"""Below the state folder: both servers have an engine of the same name, so each keeps its own records."""


class TemporaryServer:
    """A server as `settings` say, but for its address. Use it with `with`: leaving the block ends it.

    The settings are those in force for its model. `plan` makes what the engine is started with; see
    `Workspace.preview`.
    """

    def __init__(
        self,
        settings: Settings,
        plan: Callable[[Settings, StartJob | None], Plan],
        *,
        host: Host,
        state_dir: Path,
        secrets: KeyStore,
    ) -> None:
        self._settings = replace(settings, port=free_port(), network="local")
        self._trial: Mapping[str, Any] = {}
        launcher, folder = launcher_for(host.system), state_dir / _FOLDER
        self._pool = EnginePool(
            lambda engine_id: Supervisor(launcher, folder, None, _NO_RESTART, engine_id),
            budget=lambda _: host.memory_bytes,
            is_kept=lambda _: False,
            called_off=StartCalledOffError,
        )
        self._serving = Server(
            self._pool,
            OneModel(),
            settings=lambda: self._settings,
            settings_of=lambda _: self._settings,
            secrets=secrets,
            plan=lambda start: plan(replace(self._settings, **self._trial), start),
            announce=lambda: None,
        )
        self.client = ServerClient(self._serving.access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.stop()
        self._pool.close()

    def start(self) -> None:
        """Start it, downloading the model first if it is missing; returns when it answers. `AppError`."""
        self._serving.start()
        self._serving.wait_until_ready()

    def stop(self) -> None:
        """Stop it, or cancel its start, which then fails."""
        self._serving.stop()

    def try_settings(self, values: Mapping[str, Any]) -> None:
        """See `tuning.TuningTarget`."""
        self._trial = dict(values)
        self._serving.apply_settings()

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """See `tuning.TuningTarget`."""
        return self._serving.wait_until_ready(timeout_s)
