"""The composition root: builds every service once, wires them, and turns wishes into their calls. Any thread.

User interfaces call `App` and show `AppStatus`; nothing else in the app knows more than its own room.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from psygnal import Signal

from tray_app.download.fleet import Limits
from tray_app.download.queue import DownloadQueue
from tray_app.download.ramp import MOST_CONNECTIONS
from tray_app.download.session import Session
from tray_app.download.source import HUGGING_FACE
from tray_app.engine.kinds import EngineFinder, EngineKind, choose_engine
from tray_app.engine.lifecycle import State
from tray_app.engine.plan import plan_launch
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import AppError, DownloadError, EngineError, ModelError, SettingsError
from tray_app.gateway.client import embed
from tray_app.gateway.control import Control
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Unavailable, Upstream
from tray_app.models.catalog import load_catalog
from tray_app.models.library import Library, NotInstalledError
from tray_app.settings.schema import AUTO
from tray_app.settings.store import SettingsStore
from tray_app.system.autostart import app_command, autostart_for
from tray_app.system.awake import keep_awake_on
from tray_app.system.child import launcher_for
from tray_app.system.host import detect_host
from tray_app.system.logs import log_to_file
from tray_app.system.paths import AppPaths, resources
from tray_app.system.ports import PortInUseError, port_owners
from tray_app.system.secrets import get_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tray_app.download.progress import Progress
    from tray_app.engine.plan import LaunchPlan
    from tray_app.engine.supervisor import EngineSnapshot
    from tray_app.gateway.client import Embeddings
    from tray_app.models.library import Model
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)

_RETRY_AFTER_S = 2

TEST_MODEL = "test"
"""The catalogue's id of the model that comes with the app."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """Everything a person may be shown at one moment."""

    settings: Settings
    engine: EngineSnapshot
    model_name: str | None
    """The chosen model in words; None while none is chosen."""
    base_url: str
    """What clients are given, `http://127.0.0.1:8080/v1`."""
    serving: bool
    """Whether the public address is open."""
    downloads: tuple[Progress, ...]
    problem: AppError | None
    """Why the last start did not get as far as the engine, or what is wrong with the settings file."""


class App:
    """The one object that user interfaces talk to. Everything may be called from any thread.

    `start_server`, `restart_server`, `apply`, `preview`, `wait_until_ready` and `embed` may take long: a
    thread that draws windows must not call them itself.
    """

    changed = Signal(object)
    """An `AppStatus` after every change, about ten times a second at most, from any thread."""

    def __init__(self, paths: AppPaths, host: Host, overrides: Mapping[str, Any] | None = None) -> None:
        self.paths = paths
        self.host = host
        self.store = SettingsStore(paths.settings_file, overrides)
        self.downloads = DownloadQueue(
            lambda: Session(self._token),
            limits=lambda: _limits(self.store.current),
            endpoint=lambda: self.store.current.hf_endpoint,
            keep_awake=keep_awake_on(host.system),
        )
        self.autostart = autostart_for(host.system, os.environ, app_command())
        self._catalog = load_catalog(resources() / "catalog.toml")
        self._library = self._library_of(self.models_folder)
        self._engines = EngineFinder(host)
        self._supervisor = Supervisor(launcher_for(host.system), paths.state, paths.logs)
        self._gateway = Gateway(self._upstream, lambda: self.store.current.temperature)
        self._control: Control | None = None
        self._log_handler = log_to_file(paths.logs)
        self._starting = threading.Lock()  # held through a whole start, a download included
        self._lock = threading.Lock()  # guards the two below; never held for long
        self._wanted = False
        self._problem: AppError | None = self.store.problem
        self.downloads.restore(self.models_folder)
        self.downloads.changed.connect(self._announce)
        self._supervisor.changed.connect(self._announce)

    @classmethod
    def on_this_machine(cls, overrides: Mapping[str, Any] | None = None) -> App:
        """The app of the person who runs this process."""
        return cls(AppPaths.from_environment(os.environ), detect_host(), overrides)

    def status(self) -> AppStatus:
        """Everything there is to show now."""
        settings = self.store.current
        return AppStatus(
            settings=settings,
            engine=self._supervisor.snapshot(),
            model_name=self.library.name_of(settings.model) if settings.model else None,
            base_url=f"http://127.0.0.1:{settings.port}/v1",
            serving=self._gateway.base_url is not None,
            downloads=self.downloads.snapshot(),
            problem=self._problem,
        )

    @property
    def models_folder(self) -> Path:
        """Where models are and go."""
        chosen = self.store.current.models_folder
        return Path(chosen).expanduser() if chosen else self.paths.models

    @property
    def library(self) -> Library:
        """The models in the folder that is chosen now."""
        if self._library.folder != self.models_folder:
            self._library = self._library_of(self.models_folder)
        return self._library

    def start_server(self) -> None:
        """Offer the chosen model, downloading it first if it is missing; nothing if it is offered already.

        Returns when the engine has been told; `wait_until_ready` waits for it. `AppError` says what is in the
        way; a server that ran before goes on.
        """
        with self._lock:
            self._wanted = True
        with self._starting:
            try:
                self._problem = None
                self._open_gateway()
                self._launch(self.preview(self.store.current, download=True))
            except AppError as exc:
                self._problem = exc
                self._close_gateway_if_idle()
                self._announce()
                raise

    def stop_server(self) -> None:
        """Stop the engine and free the public port; also calls off a start that is under way."""
        with self._lock:
            self._wanted = False
            self._supervisor.stop()
            self._gateway.close()
        self._announce()

    def restart_server(self) -> None:
        """Stop the engine if it runs, then `start_server`."""
        self._supervisor.stop()
        self.start_server()

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> LaunchPlan:
        """What runs, once it answers; `EngineError` if it has been given up, was stopped or time is over."""
        snapshot = self._supervisor.wait_for({State.READY, State.FAILED, State.STOPPED}, timeout_s)
        if snapshot.state is State.READY and snapshot.plan:
            return snapshot.plan
        raise snapshot.failure or EngineError("The server is not ready", f"It is {snapshot.state}.")

    def apply(self, new: Settings) -> None:
        """Save `new` and act on what is different. `AppError` says what could not be done."""
        old = self.store.current
        self.store.replace(new)
        self._problem = None
        if new.models_folder != old.models_folder:
            self.downloads.restore(self.models_folder)
        if new.launch_at_login != old.launch_at_login:
            self.autostart.enable() if new.launch_at_login else self.autostart.disable()
        if self._wanted:
            self.start_server()
        self._announce()

    def override(self, **values: Any) -> None:
        """Let these settings hold for this run only."""
        self.store.override(**values)

    def preview(self, settings: Settings, *, download: bool = False) -> LaunchPlan:
        """What the engine would be started with; `AppError` if it could not be started."""
        model = self._model(settings, download=download)
        engine = choose_engine(settings.engine, model.header.sparse, self._engines)
        return plan_launch(settings, model, engine, self.host)

    def download(self, source: str, folder: Path | None = None, *, sha256: str | None = None) -> int:
        """Queue a download from a URL, `hf:…` or a catalogue id; its number in the queue. `DownloadError`."""
        entry = next((entry for entry in self._catalog if entry.id == source), None)
        if entry and entry.builtin:
            raise DownloadError(f"{entry.name} comes with the app", "There is nothing to download.")
        return self.downloads.add(
            entry.source if entry else source, folder or self.models_folder, sha256=sha256
        )

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts as any client would, through the public address. `GatewayError`."""
        return embed(self.status().base_url, texts)

    def open_control(self, quit_app: Callable[[], None]) -> None:
        """Let terminal commands and a second instance ask this one; `quit_app` is called when one says so."""
        self._control = Control(
            self.paths.state,
            status=lambda: status_document(self.status()),
            actions={"start": self.start_server, "stop": self.stop_server, "quit": quit_app},
        )
        self._control.open()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the engine and every download (they go on next time) and free everything."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._wanted = False
            self._supervisor.stop()
            self._gateway.close()
        if self._control:
            self._control.close()
        self.downloads.close(max(0.0, deadline - time.monotonic()))
        self._supervisor.close(max(0.0, deadline - time.monotonic()))
        self._log_handler.close()

    def _open_gateway(self) -> None:
        status = self.status()
        port = status.settings.port
        with self._lock:
            if not self._wanted or self._gateway.base_url == status.base_url:
                return
            if owners := port_owners(port):
                raise PortInUseError(port, owners)
            self._gateway.close()
            try:
                self._gateway.open(port)
            except OSError as exc:
                raise PortInUseError(port, port_owners(port)) from exc
        self._announce()

    def _close_gateway_if_idle(self) -> None:
        with self._lock:
            if self._supervisor.snapshot().state in (State.STOPPED, State.FAILED):
                self._gateway.close()

    def _model(self, settings: Settings, *, download: bool) -> Model:
        if not settings.model:
            raise ModelError(
                "No model is chosen yet",
                "The server needs a model to run.",
                "Choose one on the page Models, or type: powerinfer-tray serve --model test",
            )
        try:
            return self.library.find(settings.model)
        except NotInstalledError as exc:
            if not download:
                raise
            self.downloads.wait(self.download(exc.entry.id))
            return self.library.find(settings.model)

    def _launch(self, plan: LaunchPlan) -> None:
        with self._lock:
            if self._wanted:
                self._supervisor.ensure(plan)

    def _upstream(self) -> Upstream | Unavailable:
        engine = self._supervisor.snapshot()
        if engine.base_url is None or engine.plan is None:
            waiting = engine.state in (State.STARTING, State.LOADING, State.BACKOFF)
            return Unavailable(
                f"The model is not ready ({engine.state}).", _RETRY_AFTER_S if waiting else None
            )
        return Upstream(
            base_url=engine.base_url,
            speaks_openai=engine.plan.engine.kind is not EngineKind.POWERINFER,
            model_id=engine.plan.model.id,
            model_name=engine.plan.model.name,
            context_size=engine.plan.context_size,
        )

    def _token(self, host: str) -> str | None:
        """The access token for Hugging Face or its mirror; without a keychain there is none."""
        if host not in {urlsplit(HUGGING_FACE).hostname, urlsplit(self.store.current.hf_endpoint).hostname}:
            return None
        try:
            return get_token(host)
        except SettingsError as exc:
            _log.info("No access token: %s", exc.message)
            return None

    def _library_of(self, folder: Path) -> Library:
        return Library(folder, self._catalog, resources() / "test-model" / "test.gguf")

    def _announce(self, *_: object) -> None:
        self.changed.emit(self.status())


def _limits(settings: Settings) -> Limits:
    connections = settings.connections
    return Limits(
        MOST_CONNECTIONS if connections == AUTO else connections,
        settings.speed_limit * 1e6 or None,
    )


def status_document(status: AppStatus) -> dict[str, Any]:
    """The status as `powerinfer-tray status --json` and the control address give it."""
    plan = status.engine.plan
    return {
        "running": True,
        "state": status.engine.state,
        "model": status.model_name,
        "base_url": status.base_url,
        "serving": status.serving,
        "engine": {
            "kind": plan.engine.kind if plan else None,
            "version": plan.engine.version if plan else None,
            "pid": status.engine.pid,
            "restarts": status.engine.restarts,
        },
        "downloads": [
            {
                "name": progress.name,
                "phase": progress.phase,
                "received_bytes": progress.received_bytes,
                "total_bytes": progress.total_bytes,
            }
            for progress in status.downloads
        ],
        "problem": _error_document(status.problem or status.engine.failure),
    }


def _error_document(error: AppError | None) -> dict[str, str] | None:
    return {"title": error.title, "message": error.message, "hint": error.hint} if error else None
