"""The composition root: builds every service once, wires them, and turns wishes into their calls. Any thread.

User interfaces call `App` and show `AppStatus`; nothing else in the app knows more than its own room.
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
from tray_app.models.library import NotInstalledError, library_of, models_folder
from tray_app.models.model_files import parts_of
from tray_app.models.remote_header import all_parts
from tray_app.models.watch import FolderWatch
from tray_app.phrases import phrase
from tray_app.settings.keys import REMOTE, token_name
from tray_app.settings.keystore import KeyStore
from tray_app.settings.model_settings import aliases_of, effective, without_own
from tray_app.settings.schema import AUTO
from tray_app.settings.store import SettingsStore
from tray_app.system.autostart import Login, app_command, autostart_for, look_at, switch
from tray_app.system.awake import keep_awake_on
from tray_app.system.child import launcher_for
from tray_app.system.descriptors import raise_limit
from tray_app.system.drives import DriveGoneError, is_drive, missing_place
from tray_app.system.host import detect_host
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
    from tray_app.models.library import Library, Model
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
    """An `AppStatus` after every change, about ten times a second at most, from any thread."""

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
        self._login = self._look_at_login()
        self._library = self._library_of_now()
        self._engines = EngineFinder(host)
        self._folder_changes = 0
        self._trial_threads: int | None = None
        self._watch = FolderWatch(lambda: self.models_folder, self._folder_changed)
        self._supervisor = Supervisor(launcher_for(host.system), paths.state, paths.logs)
        self._serving = Server(
            self._supervisor,
            settings=lambda: self.store.current,
            model_settings=lambda: effective(self.store.current, self.chosen_id()),
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
        """The app of the person who runs this process, with as many descriptors as it may have."""
        raise_limit()
        return cls(AppPaths.from_environment(os.environ), detect_host(), overrides)

    def status(self) -> AppStatus:
        """Everything there is to show now."""
        settings = self.store.current
        server, engine = self._serving.look()
        problems = {
            ProblemSource.START: self._serving.problem,
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
            traffic=self._serving.traffic(),
        )

    def resource_usage(self) -> ResourceUsage | None:
        """What the engine takes of this machine now; None while there is none, or it runs elsewhere."""
        pid = self._supervisor.glance().pid
        return resource_usage(pid, self.host) if pid else None

    @property
    def models_folder(self) -> Path:
        """Where models are and go."""
        return models_folder(self.store.current, self.paths)

    @property
    def library(self) -> Library:
        """The models in the folder that is chosen now."""
        if self._library.folder != self.models_folder:
            self._library = self._library_of_now()
        return self._library

    def chosen_id(self) -> str | None:
        """The id of the chosen model, here or still to be downloaded; None if none is chosen, or none known.

        A remote server has models of its own.
        """
        settings = self.store.current
        if not settings.model or settings.engine == EngineKind.REMOTE:
            return None
        try:
            return self.library.id_of(settings.model)
        except ModelError:
            return None

    def begin(self) -> None:
        """Do what the settings ask for when the app starts: start the server, have it wait, or nothing.

        From now on the models folder is watched.
        """
        self._watch.start()
        settings = self.store.current
        if settings.start_server_with_app:
            self.start_server()
        elif settings.start_on_demand and (settings.model or settings.engine == EngineKind.REMOTE):
            self._serving.stand_by()

    def start_server(self) -> None:
        """Offer the chosen model, downloading it first if it is missing; nothing if it is offered already.

        Returns when the engine has been told, by this start or by a newer one that has taken its place;
        `wait_until_ready` waits for it. `AppError` says what is in the way: a server that ran before goes on.
        `StartCalledOffError` if the server was stopped meanwhile.
        """
        self._serving.start()

    def stop_server(self) -> None:
        """Stop the engine and free the public port; also calls off a start that is under way."""
        self._serving.stop()

    def restart_server(self) -> None:
        """Stop the engine if it runs, then `start_server`."""
        self._serving.restart()

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """What runs, once it answers; `EngineError` if it has been given up, was stopped or time is over."""
        return self._serving.wait_until_ready(timeout_s)

    def try_threads(self, count: int | None) -> None:
        """Let a server that runs use so many threads, without setting that; None ends the trial.

        `AppError` if the engine cannot be started so.
        """
        self._trial_threads = count
        self._serving.apply_settings()

    def apply(self, new: Settings, keys: KeyChanges | None = None) -> None:
        """Save `new` and act on what is different. `AppError` says what could not be done.

        `keys` are kept or forgotten with it. Where the keychain refuses, or a new alias is another model's
        name, nothing is saved.
        """
        old = self.store.current
        known = self.library.hidden_aliases(aliases_of(old))
        for alias, error in self.library.hidden_aliases(aliases_of(new)).items():
            if alias not in known:  # a model that came later may have the name of an alias of before
                raise error
        self._secrets.keep(keys or {}, new)
        self.store.replace(new)
        if new.launch_at_login != old.launch_at_login:
            self._launch_at_login(new.launch_at_login)
        self._take_up(old)

    def reload(self) -> None:
        """Act on settings and keys that another program has changed. `AppError` as `apply`."""
        old = self.store.current
        try:
            self.store.reload()
        finally:
            self._announce()  # also that the file has a fault
        self.refresh_login()  # the file does not say it
        self._take_up(old)

    def refresh_login(self) -> None:
        """Look again at what the system does at login: a person may change that in its own settings."""
        login = self._look_at_login()
        if login is not self._login:
            self._login = login
            self._announce()

    def move_to_free_port(self) -> None:
        """Offer the server at the free port that is nearest to the chosen one, from now on. `AppError`."""
        settings = self.store.current
        self.apply(replace(settings, port=nearest_free_port(settings.port)))

    def kept_keys(self) -> KeptKeys:
        """The keys that there are, and where. `KeychainError` if the keychain refuses to tell."""
        return self._secrets.kept()

    def preview(
        self, settings: Settings, keys: KeyChanges | None = None, *, start: StartJob | None = None
    ) -> Plan:
        """What the engine would be started with; `AppError` if it could not be started. `keys` as `apply`.

        For a `start`, a model that is missing is downloaded first.
        """
        if settings.engine == EngineKind.REMOTE:
            key = keys[REMOTE.name] if keys and REMOTE.name in keys else self._secrets.get(REMOTE.name)
            return plan_remote(settings, key or "")
        model = self._model(settings, start)
        of_model = effective(settings, model.id)
        engine = choose_engine(of_model.engine, model.header.sparse, self._engines)
        return plan_launch(of_model, model, engine, self.host)

    def download(
        self, source: str, folder: Path | None = None, *, sha256: str | None = None
    ) -> tuple[int, ...]:
        """Queue a download from an address, see `address.py`, or a catalogue id; its number in the queue.

        An address that names a repository and no file is asked first, which may take long: `DownloadError`
        if it has none or several that fit.

        Of a model that is split, every file is queued: their numbers in order. `sha256` is that of the file
        that `source` names.
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
        """Put a model into the trash or delete it, see `ModelManager`; what is gone.

        A server that has it, or would load it for the next request, is stopped first. `AppError`.
        """
        stops = self.models.is_served(self.models.to_remove(reference, anywhere=anywhere))
        if stops:
            self.stop_server()
            self._supervisor.wait_for({State.STOPPED, State.FAILED}, _STOP_TIMEOUT_S)
        removal = self.models.remove_model(reference, for_good=for_good, anywhere=anywhere)
        return dataclasses.replace(removal, stopped_server=stops)

    def port_owners(self, port: int) -> tuple[PortOwner, ...]:
        """Who keeps the public address from having this port; nobody if it is free or ours.

        `PortRefusedError` if nobody has it, and still it is not to be had.
        """
        server, _ = self._serving.look()
        if port == server.port:
            return ()
        obstacle = port_obstacle(port, listening_address(self.store.current))
        if isinstance(obstacle, PortInUseError):
            return obstacle.owners
        if obstacle:
            raise obstacle
        return ()

    def run_diagnostics(self) -> DiagnosticReport:
        """Look at all that the server depends on, as `powerinfer-tray doctor` does."""
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
        base_url, key = self._serving.access()
        return request_embeddings(base_url, texts, key=key)

    def complete(self, prompt: str, max_tokens: int, cancelled: threading.Event) -> Iterator[str]:
        """What the model adds to a text, in pieces, as any client would get it. `GatewayError`."""
        base_url, key = self._serving.access()
        return complete(base_url, prompt, max_tokens, cancelled, key=key)

    def open_control(
        self, quit_app: Callable[[], None], show_window: Callable[[str], None] | None = None
    ) -> None:
        """Let terminal commands and a second start ask this app, unless they ask another one already.

        `AppError` if another program, or another user, has the lock of the app that is asked.

        `quit_app` and `show_window` are called when they say so, on a thread of the control listener;
        `show_window` with a model that somebody wants to have, or an empty text.
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
        """Stop the engine and every download (they go on next time) and free everything."""
        deadline_s = time.monotonic() + timeout_s

        def rest_s() -> float:
            return max(0.0, deadline_s - time.monotonic())

        self._watch.close(rest_s())
        self._serving.stop(rest_s())
        self.downloads.close(rest_s())  # before the control address, where a start may wait for one
        if self._control:
            self._control.close(rest_s())
        self._supervisor.close(rest_s())
        self._log.close()

    def _another_is_asked(self) -> bool:
        """Whether another app answers; if not, the lock is free again: it was only looked at."""
        try:
            return find_running(self.paths.state) is not None
        except SlowAnswerError:
            return True

    def _take_up(self, old: Settings) -> None:
        if self.store.current.models_folder != old.models_folder:
            self.downloads.restore(self.models_folder)
        self._serving.apply_settings()
        self._announce()

    def _launch_at_login(self, wanted: bool) -> None:  # noqa: FBT001 - the value of the setting
        try:
            switch(self.autostart, on=wanted)
        finally:
            self.refresh_login()

    def _look_at_login(self) -> Login:
        """What the system does at login, which then also is the setting, whatever its file says."""
        login = look_at(self.autostart)
        self.store.override(launch_at_login=login is Login.ON)
        return login

    def _with_trial(self) -> Settings:
        settings, count = self.store.current, self._trial_threads
        if count is None:
            return settings
        trial = {"threads": count, "threads_batch": count}
        return replace(without_own(settings, frozenset(trial)), **trial)

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
            # Else what is on a drive that is not connected would be downloaded again, into its empty place.
            place = missing_place(self.models_folder / expanded(settings.model))
            if place and is_drive(place):
                raise DriveGoneError(place) from exc
            if start is None or not isinstance(exc, NotInstalledError):
                raise
            # What could not be run is not fetched first: it may be 40 GB.
            choose_engine(effective(settings, exc.entry.id).engine, exc.entry.sparse, self._engines)
            start.wait_for_downloads(self.downloads, self.download(exc.entry.id))
            return self.library.find(settings.model)

    def _model_name(self, settings: Settings) -> str | None:
        if settings.engine == EngineKind.REMOTE:
            return settings.remote_model or settings.remote_url or None
        return self.library.name_of(settings.model) if settings.model else None

    def _session(self) -> Session:
        return Session(self._token)

    def _token(self, address: str) -> str | None:
        """The access token for Hugging Face or its mirror; None if there is none, or it cannot be told."""
        name = token_name(address, self.store.current)
        if name is None:
            return None
        try:
            return self._secrets.get(name)
        except AppError as exc:
            _log.info("No access token: %s. %s", exc.title, exc.message)
            return None

    def _library_of_now(self) -> Library:
        return library_of(lambda: self.store.current, self.paths, self._catalog)

    def _served_path(self) -> Path | None:
        """The model that an engine has open, or that the open server would load; its first file."""
        server, engine = self._serving.look()
        if isinstance(engine.plan, LaunchPlan) and engine.pid:
            return engine.plan.model.path
        settings = self.store.current
        if server.base_url and settings.engine != EngineKind.REMOTE:
            with suppress(ModelError):  # none is chosen, or it is not here
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
