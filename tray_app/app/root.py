"""The composition root: builds every service once, connects them, and calls them for the user interfaces. Any
thread.

User interfaces call `App` and show `AppStatus`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from psygnal import Signal

from tray_app.app.diagnostic_report import RunningApp
from tray_app.app.diagnostics import DiagnosticInputs, run_diagnostics
from tray_app.app.model_manager import ModelManager
from tray_app.app.public_address import listening_address
from tray_app.app.server import Server
from tray_app.app.status import AppStatus, ProblemSource, problems_of, status_document
from tray_app.download.connection_pool import TransferLimits
from tray_app.download.connection_scaler import MOST_CONNECTIONS
from tray_app.download.queue import DownloadQueue
from tray_app.download.repository import address_of_file
from tray_app.download.session import Session
from tray_app.engine.kinds import EngineFinder, EngineKind, choose_engine
from tray_app.engine.lastfailure import FailureKeeper
from tray_app.engine.launch_plan import LaunchPlan, plan_launch, plan_remote
from tray_app.engine.lifecycle import State
from tray_app.engine.resource_usage import resource_usage
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import AppError, DownloadError, GatewayError, ModelError
from tray_app.gateway.client import SlowAnswerError, complete, find_running, request_embeddings
from tray_app.gateway.control import Control, Removed
from tray_app.models.catalog import load_all
from tray_app.models.gguf import implied_size
from tray_app.models.library import Library, NotInstalledError, builtin_model, models_folder
from tray_app.models.model_files import parts_of
from tray_app.models.remote_header import all_parts
from tray_app.models.watch import FolderWatch
from tray_app.phrases import phrase
from tray_app.settings.keys import REMOTE, token_name
from tray_app.settings.keystore import KeyStore
from tray_app.settings.schema import AUTO
from tray_app.settings.store import SettingsStore
from tray_app.system.autostart import Login, app_command, autostart_for, login_state, switch
from tray_app.system.awake import keep_awake_on
from tray_app.system.descriptors import raise_limit
from tray_app.system.drives import DriveGoneError, is_drive, missing_place
from tray_app.system.host import detect_host
from tray_app.system.launcher import launcher_for
from tray_app.system.logs import AppLog
from tray_app.system.paths import AppPaths, expanded, resources
from tray_app.system.ports import PortInUseError, nearest_free_port, port_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tray_app.app.diagnostic_report import DiagnosticReport
    from tray_app.app.server import ServerDelays
    from tray_app.app.start_job import StartJob
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.resource_usage import ResourceUsage
    from tray_app.gateway.client import Embeddings
    from tray_app.gateway.control import Removing
    from tray_app.models.library import Model
    from tray_app.models.removal import Removal
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.keystore import KeptKeys
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.system.ports import PortOwner

_log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 10.0

TEST_MODEL = "test"
"""The catalogue's id of the model that comes with the app."""


class App:
    """The one object that user interfaces talk to. Everything may be called from any thread.

    What starts or stops the server, `apply`, `download`, `reload`, `move_to_free_port`, `kept_keys`,
    `preview`, `resource_usage`, `port_owners`, `wait_until_ready`, `run_diagnostics`, `embed` and `complete`
    may take long: a thread that draws windows must not call them itself.
    """

    changed = Signal(object)
    """Emitted with an `AppStatus` after every change, at most about ten times a second, on any thread."""

    def __init__(
        self,
        paths: AppPaths,
        host: Host,
        overrides: Mapping[str, Any] | None = None,
        secrets: KeyStore | None = None,
        delays: ServerDelays | None = None,
    ) -> None:
        self._log = AppLog(paths.logs)
        self.paths = paths
        self.host = host
        self.store = SettingsStore(paths.settings_file, overrides)
        self._secrets = secrets or KeyStore(paths.keys, os.environ)
        self.downloads = DownloadQueue(
            self._session,
            limits=lambda: _limits(self.store.current),
            endpoint=lambda: self.store.current.hf_endpoint,
            keep_awake=keep_awake_on(host.system),
            measure=implied_size,
        )
        self.autostart = autostart_for(host.system, os.environ, app_command())
        self._catalog, self.catalog_problem = load_all(resources() / "catalog.toml", paths.own_models_file)
        self._login = self._login_state()
        self._library = self._library_of(self.models_folder)
        self._engines = EngineFinder(host)
        self._folder_changes = 0
        self._trial_threads: int | None = None
        self._watch = FolderWatch(lambda: self.models_folder, self._folder_changed)
        self._supervisor = Supervisor(launcher_for(host.system), paths.state, paths.logs)
        self._server = Server(
            self._supervisor,
            settings=lambda: self.store.current,
            secrets=self._secrets,
            plan=lambda start: self.preview(self._with_trial(), start=start),
            announce=self._announce,
            delays=delays,
        )
        self.models = ModelManager(
            library=lambda: self.library,
            settings=lambda: self.store.current,
            session=self._session,
            served=self._served_path,
            engines=self._engines,
            host=host,
        )
        self.app_lines = self._log.lines
        self.engine_lines = self._supervisor.lines
        self._control: Control | None = None
        self.downloads.changed.connect(self.models.note_checksums)
        self.downloads.restore(self.models_folder)
        self.downloads.changed.connect(self._announce)
        self._supervisor.changed.connect(self._announce)
        self._failures = FailureKeeper(paths.state)
        self._supervisor.changed.connect(self._failures.note)

    @classmethod
    def on_this_machine(cls, overrides: Mapping[str, Any] | None = None) -> App:
        """The app of the person who runs this process. Raises the limit of open files first."""
        raise_limit()
        return cls(AppPaths.from_environment(os.environ), detect_host(), overrides)

    def status(self) -> AppStatus:
        """The present status."""
        settings = self.store.current
        server, engine = self._server.snapshot()
        problems = {
            ProblemSource.START: self._server.problem,
            ProblemSource.SETTINGS_FILE: self.store.problem,
            ProblemSource.CATALOGUE: self.catalog_problem,
        }
        return AppStatus(
            settings=settings,
            engine=engine,
            model_name=self._model_name(settings),
            server=server,
            downloads=self.downloads.snapshot(),
            problems=problems_of(engine, problems),
            login=self._login,
            folder_changes=self._folder_changes,
            traffic=self._server.traffic(),
        )

    def resource_usage(self) -> ResourceUsage | None:
        """What the engine uses now; None if there is none, or if it runs on another machine."""
        pid = self._supervisor.snapshot().pid
        return resource_usage(pid, self.host) if pid else None

    @property
    def models_folder(self) -> Path:
        """The present models folder."""
        return models_folder(self.store.current, self.paths)

    @property
    def library(self) -> Library:
        """The models in the present models folder."""
        if self._library.folder != self.models_folder:
            self._library = self._library_of(self.models_folder)
        return self._library

    def begin(self) -> None:
        """Do what the settings say for the start of the app: start the server, open its address only, or
        nothing.

        Also starts watching the models folder.
        """
        self._watch.start()
        settings = self.store.current
        if settings.start_server_with_app:
            self.start_server()
        elif settings.start_on_demand and (settings.model or settings.engine == EngineKind.REMOTE):
            self._server.stand_by()

    def start_server(self) -> None:
        """Start the server with the chosen model, downloading it first if it is missing.

        Returns when the engine has been told to start, by this call or by a newer one that replaced it;
        `wait_until_ready` waits until it answers. `AppError` if the server cannot be started; one that is
        running goes on. `StartCalledOffError` if the server was stopped meanwhile.
        """
        self._server.start()

    def stop_server(self) -> None:
        """Stop the engine and free the public port; also calls off a start that is under way."""
        self._server.stop()

    def restart_server(self) -> None:
        """Stop the engine if it runs, then `start_server`."""
        self._server.restart()

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """The plan that runs, once the engine answers; `EngineError` if it was given up or stopped, or after
        the time-out.
        """
        return self._server.wait_until_ready(timeout_s)

    def try_threads(self, count: int | None) -> None:
        """Restart a running engine with so many threads without changing the settings; None restores those of
        the settings.

        `AppError` if the engine cannot be started so.
        """
        self._trial_threads = count
        self._server.apply_settings()

    def apply(self, new: Settings, keys: KeyChanges | None = None) -> None:
        """Save `new` and act on the differences. `AppError` says what could not be done.

        `keys` are stored or deleted first. If the keychain refuses, nothing is saved.
        """
        self._secrets.keep(keys or {}, new)
        old = self.store.current
        self.store.replace(new)
        if new.launch_at_login != old.launch_at_login:
            self._launch_at_login(new.launch_at_login)
        self._apply_change(old)

    def reload(self) -> None:
        """Act on settings and keys that another program has changed. `AppError` as `apply`."""
        old = self.store.current
        try:
            self.store.reload()
        finally:
            self._announce()  # also if the file has an error
        self.refresh_login()  # it is not in the settings file
        self._apply_change(old)

    def refresh_login(self) -> None:
        """Read again whether the system starts this app at login: people can change that in the system's
        settings.
        """
        login = self._login_state()
        if login is not self._login:
            self._login = login
            self._announce()

    def move_to_free_port(self) -> None:
        """Change the port to the nearest free one. `AppError`."""
        settings = self.store.current
        self.apply(replace(settings, port=nearest_free_port(settings.port)))

    def kept_keys(self) -> KeptKeys:
        """The stored keys and where they are. `KeychainError` if the keychain refuses."""
        return self._secrets.kept()

    def preview(
        self, settings: Settings, keys: KeyChanges | None = None, *, start: StartJob | None = None
    ) -> Plan:
        """The plan for these settings and `keys` (see `apply`); `AppError` if the engine could not be
        started.

        For a `start`, a model that is missing is downloaded first.
        """
        if settings.engine == EngineKind.REMOTE:
            key = keys[REMOTE.name] if keys and REMOTE.name in keys else self._secrets.get(REMOTE.name)
            return plan_remote(settings, key or "")
        model = self._model(settings, start)
        engine = choose_engine(settings.engine, model.header.sparse, self._engines)
        return plan_launch(settings, model, engine, self.host)

    def download(
        self, source: str, folder: Path | None = None, *, sha256: str | None = None
    ) -> tuple[int, ...]:
        """Queue a download of an address (see `download/address.py`) or of a catalogue id.

        Returns the numbers of its files in the queue, in order: several for a split model. An address of a
        repository without a file is looked up first, which may take long; `DownloadError` if no file or
        several match. `sha256` is that of the file that `source` names.
        """
        entry = next((entry for entry in self._catalog if entry.id == source), None)
        if entry and entry.builtin:
            raise DownloadError(
                phrase("{name} comes with the app", name=entry.name), "There is nothing to download."
            )
        address = address_of_file(
            entry.source if entry else source, self._session, self.store.current.hf_endpoint
        )
        return tuple(
            self.downloads.add(part, folder or self.models_folder, sha256=sha256 if part == address else None)
            for part in all_parts(address)
        )

    def remove_model(self, reference: str, *, for_good: bool = False, anywhere: bool = False) -> Removal:
        """Put a model into the trash or delete it, see `ModelManager.remove_model`. Returns what was removed.

        If the server has it open, or would load it for the next request, the server is stopped first.
        `AppError`.
        """
        stops = self.models.is_served(self.models.to_remove(reference, anywhere=anywhere))
        if stops:
            self.stop_server()
            self._supervisor.wait_for({State.STOPPED, State.FAILED}, _STOP_TIMEOUT_S)
        removal = self.models.remove_model(reference, for_good=for_good, anywhere=anywhere)
        return dataclasses.replace(removal, stopped_server=stops)

    def port_owners(self, port: int) -> tuple[PortOwner, ...]:
        """The programs that have this port, so that the server could not; empty if it is free or this server
        has it.

        `PortRefusedError` if no program has it, but the system refuses it.
        """
        server, _ = self._server.snapshot()
        if port == server.port:
            return ()
        obstacle = port_obstacle(port, listening_address(self.store.current))
        if isinstance(obstacle, PortInUseError):
            return obstacle.owners
        if obstacle:
            raise obstacle
        return ()

    def run_diagnostics(self) -> DiagnosticReport:
        """Check everything that the server depends on, as `powerinfer-tray doctor` does."""
        status, complaints = self.status(), (self.store.problem, self.catalog_problem)
        base_url = status.server.base_url
        state, plan = status.engine.state, status.engine.plan
        kind = plan.engine.kind if plan else None
        return run_diagnostics(
            DiagnosticInputs(
                paths=self.paths,
                host=self.host,
                settings=status.settings,
                library=self.library,
                finder=self._engines,
                secrets=self._secrets,
                running=RunningApp(os.getpid(), state, base_url is not None, base_url, engine=kind),
                known_errors=tuple(filter(None, complaints)),
            )
        )

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts as any client would, through the public address. `GatewayError`."""
        base_url, key = self._server.access()
        return request_embeddings(base_url, texts, key=key)

    def complete(self, prompt: str, max_tokens: int, cancelled: threading.Event) -> Iterator[str]:
        """The model's continuation of a text, in pieces, through the public address like any client.

        `GatewayError`.
        """
        base_url, key = self._server.access()
        return complete(base_url, prompt, max_tokens, cancelled, key=key)

    def open_control(
        self, quit_app: Callable[[], None], show_window: Callable[[str], None] | None = None
    ) -> None:
        """Open the control address for terminal commands and a second start of the app, unless another app
        has it.

        `AppError` if another program, or another user, has the lock of the app that is asked.

        `quit_app` and `show_window` are called on a thread of the control listener; `show_window` gets the
        address of a model to download, or an empty text.
        """
        control = Control(
            self.paths.state,
            status=lambda: status_document(self.status()),
            actions={
                "start": self.start_server,
                "stop": self.stop_server,
                "restart": self.restart_server,
                "reload": self.reload,
                "quit": quit_app,
            },
            show=show_window or _no_window,
            remove=self._remove_for_terminal,
        )
        while not control.open():
            if self._another_is_asked():
                return
        self._control = control

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the engine and all downloads (they continue next time) and release everything."""
        deadline_s = time.monotonic() + timeout_s

        def rest_s() -> float:
            return max(0.0, deadline_s - time.monotonic())

        self._watch.close(rest_s())
        self._server.stop(rest_s())
        # before the control address, where a request may be waiting for a download
        self.downloads.close(rest_s())
        if self._control:
            self._control.close(rest_s())
        self._supervisor.close(rest_s())
        self._log.close()

    def _another_is_asked(self) -> bool:
        """Whether another app answers; if none does, only a command that looked at the lock held it."""
        try:
            return find_running(self.paths.state) is not None
        except SlowAnswerError:
            return True

    def _apply_change(self, old: Settings) -> None:
        if self.store.current.models_folder != old.models_folder:
            self.downloads.restore(self.models_folder)
        self._server.apply_settings()
        self._announce()

    def _launch_at_login(self, wanted: bool) -> None:  # noqa: FBT001 - the value of the setting
        try:
            switch(self.autostart, on=wanted)
        finally:
            self.refresh_login()

    def _login_state(self) -> Login:
        """What the system does at login. It overrides the setting, whatever the settings file says."""
        login = login_state(self.autostart)
        self.store.override(launch_at_login=login is Login.ON)
        return login

    def _with_trial(self) -> Settings:
        settings, count = self.store.current, self._trial_threads
        return settings if count is None else replace(settings, threads=count, threads_batch=count)

    def _model(self, settings: Settings, start: StartJob | None) -> Model:
        if not settings.model:
            raise ModelError(
                "No model is chosen yet",
                "The server needs a model to run.",
                "Choose one on the page Models, or type: powerinfer-tray serve --model test",
            )
        try:
            return self.library.find(settings.model)
        except ModelError as exc:
            # A model on a drive that is not connected must not be downloaded again.
            place = missing_place(self.models_folder / expanded(settings.model))
            if place and is_drive(place):
                raise DriveGoneError(place) from exc
            if start is None or not isinstance(exc, NotInstalledError):
                raise
            # First check that an engine can run it: a download may have 40 GB.
            choose_engine(settings.engine, exc.entry.sparse, self._engines)
            start.wait_for_downloads(self.downloads, self.download(exc.entry.id))
            return self.library.find(settings.model)

    def _model_name(self, settings: Settings) -> str | None:
        if settings.engine == EngineKind.REMOTE:
            return settings.remote_model or settings.remote_url or None
        return self.library.name_of(settings.model) if settings.model else None

    def _session(self) -> Session:
        return Session(self._token)

    def _token(self, address: str) -> str | None:
        """The access token for Hugging Face or its mirror; None if there is none, or if it cannot be read."""
        name = token_name(address, self.store.current)
        if name is None:
            return None
        try:
            return self._secrets.get(name)
        except AppError as exc:
            _log.info("No access token: %s. %s", exc.title, exc.message)
            return None

    def _library_of(self, folder: Path) -> Library:
        return Library(folder, self._catalog, builtin_model())

    def _served_path(self) -> Path | None:
        """The first file of the model that an engine has open, or that a sleeping server would load."""
        server, engine = self._server.snapshot()
        if isinstance(engine.plan, LaunchPlan) and engine.pid:
            return engine.plan.model.path
        settings = self.store.current
        if server.base_url and settings.engine != EngineKind.REMOTE:
            with suppress(ModelError):  # no model is chosen, or it is not installed
                return parts_of(self.library.locate(settings.model))[0]
        return None

    def _remove_for_terminal(self, wish: Removing) -> Removed:
        removal = self.remove_model(str(wish.path), for_good=not wish.trash, anywhere=wish.anywhere)
        return Removed(removal.paths, removal.kept, removal.trashed, removal.stopped_server)

    def _folder_changed(self) -> None:
        self._folder_changes += 1
        self._announce()

    def _announce(self, *_: object) -> None:
        self.changed.emit(self.status())


def _no_window(_source: str) -> None:
    raise GatewayError("There is no window", "The app runs in a terminal.")


def _limits(settings: Settings) -> TransferLimits:
    connections = settings.connections
    return TransferLimits(
        MOST_CONNECTIONS if connections == AUTO else connections,
        settings.speed_limit * 1e6 or None,
    )
