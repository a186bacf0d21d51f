"""The composition root: builds every service once, wires them, and turns wishes into their calls. Any thread.

User interfaces call `App` and show `AppStatus`; nothing else in the app knows more than its own room.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from psygnal import Signal

from tray_app.app.public_address import listening_address
from tray_app.app.server import Server
from tray_app.app.server_status import ServerState
from tray_app.app.status import AppStatus, ProblemSource, problems_of, running_app, status_document
from tray_app.command_service import CommandService
from tray_app.engine.kinds import EngineKind
from tray_app.engine.lastfailure import FailureKeeper
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.resource_usage import resource_usage
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import GatewayError, ModelError
from tray_app.gateway.client import SlowAnswerError, complete, find_running, request_embeddings
from tray_app.gateway.control import Control
from tray_app.models.model_files import parts_of
from tray_app.models.watch import FolderWatch
from tray_app.system.child import launcher_for
from tray_app.system.descriptors import raise_limit
from tray_app.system.host import detect_host
from tray_app.system.logs import AppLog
from tray_app.system.paths import AppPaths
from tray_app.system.ports import PortInUseError, nearest_free_port, port_obstacle
from tray_app.system.single_instance import SingleInstanceLock
from tray_app.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tray_app.app.diagnostic_report import RunningApp
    from tray_app.app.diagnostics import DiagnosticInputs
    from tray_app.app.server import ServerDelays
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.resource_usage import ResourceUsage
    from tray_app.errors import AppError
    from tray_app.gateway.client import Embeddings
    from tray_app.models.removal import Removal
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.system.ports import PortOwner

_log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 10.0


class App(Workspace):
    """The one object that user interfaces talk to: a workspace with a server, which any thread may call.

    What starts or stops the server, `apply`, `change`, `download`, `reload`, `move_to_free_port`,
    `kept_keys`, `preview`, `vitals`, `port_owners`, `wait_until_ready`, `run_diagnostics`, `request_embeddings` and `complete` may
    take long: a thread that draws windows must not call them itself.
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
        self._writes_logs = SingleInstanceLock(paths.state, "logs")
        logs = paths.logs if self._writes_logs.take() else None
        self._log = AppLog(logs)
        if logs is None:
            _log.warning("Another PowerInfer Tray writes the log files: the lines of this one stay in memory")
        super().__init__(paths, host, overrides, secrets)
        self._folder_changes = 0
        self._trial_threads: int | None = None
        self._watch = FolderWatch(lambda: self.models_folder, self._folder_changed)
        self._supervisor = Supervisor(launcher_for(host.system), paths.state, logs)
        self._serving = Server(
            self._supervisor,
            settings=lambda: self.store.current,
            secrets=self._secrets,
            plan=lambda start: self.preview(self._with_trial(), start=start),
            announce=self._announce,
            delays=delays,
        )
        self.app_lines = self._log.lines
        self.engine_lines = self._supervisor.lines
        self._control: Control | None = None
        self._wishes = 0
        """How often people wanted the server to run, or not to."""
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
        self._wishes += 1
        self._serving.start()

    def stop_server(self) -> None:
        """Stop the engine and free the public port; also calls off a start that is under way."""
        self._wishes += 1
        self._serving.stop()

    def restart_server(self) -> None:
        """Stop the engine if it runs, then `start_server`."""
        self._wishes += 1
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

        `keys` are kept or forgotten with it. Where the keychain refuses, nothing is saved.
        """
        self._secrets.keep(keys or {}, new)
        old = self.store.current
        self.store.replace(new)
        self._act_on_change(old)

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
        """See `Workspace`."""
        before = self._login
        super().refresh_login()
        if self._login is not before:
            self._announce()

    def move_to_free_port(self) -> None:
        """Offer the server at the free port that is nearest to the chosen one, from now on. `AppError`."""
        settings = self.store.current
        self.apply(replace(settings, port=nearest_free_port(settings.port)))

    def remove_model(self, reference: str, *, for_good: bool = False, anywhere: bool = False) -> Removal:
        """Put a model into the trash or delete it, see `ModelManager`; what is gone.

        A server that has it, or would load it for the next request, is stopped first. `AppError`.
        """
        stops = self.models.is_served(self.models.to_remove(reference, anywhere=anywhere))
        if stops:
            self.stop_server()
            self._wait_until_stopped()
        removal = super().remove_model(reference, for_good=for_good, anywhere=anywhere)
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

    def patient(self, running: RunningApp | None = None, *complaints: AppError) -> DiagnosticInputs:
        """See `Workspace`; this app is the one that runs."""
        return super().patient(running or running_app(self.status(), os.getpid()), *complaints)

    def embed_if_open(self, texts: tuple[str, ...]) -> Embeddings | None:
        """See `Workspace`."""
        return self.embed(texts) if self.status().server.base_url else None

    @contextmanager
    def server_at_rest(self) -> Iterator[None]:
        """See `Workspace`. Afterwards the server is as before, unless a person has wished otherwise."""
        server, _ = self._serving.look()
        wishes = self._wishes
        if server.base_url:
            self._serving.stop()
            self._wait_until_stopped()
        try:
            yield
        finally:
            if server.base_url and self._wishes == wishes:
                if server.state is ServerState.ASLEEP:
                    self._serving.stand_by()
                else:
                    self._serving.start()

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
            commands=CommandService(self),
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

        self._wishes += 1
        self._watch.close(rest_s())
        self._serving.stop(rest_s())
        super().close(rest_s())  # before the control address, where a start may wait for a download
        if self._control:
            self._control.end_jobs(rest_s())
            self._control.close(rest_s())
        self._supervisor.close(rest_s())
        self._log.close()
        self._writes_logs.release()

    def _wait_until_stopped(self) -> None:
        self._supervisor.wait_for({State.STOPPED, State.FAILED}, _STOP_TIMEOUT_S)

    def _another_is_asked(self) -> bool:
        """Whether another app answers; if not, the lock is free again: it was only looked at."""
        try:
            return find_running(self.paths.state) is not None
        except SlowAnswerError:
            return True

    def _act_on_change(self, old: Settings) -> None:
        super()._act_on_change(old)
        self._take_up(old)

    def _take_up(self, old: Settings) -> None:
        if self.store.current.models_folder != old.models_folder:
            self.downloads.restore(self.models_folder)
        self._serving.apply_settings()
        self._announce()

    def _with_trial(self) -> Settings:
        settings, count = self.store.current, self._trial_threads
        return settings if count is None else replace(settings, threads=count, threads_batch=count)

    def _model_name(self, settings: Settings) -> str | None:
        if settings.engine == EngineKind.REMOTE:
            return settings.remote_model or settings.remote_url or None
        return self.library.name_of(settings.model) if settings.model else None

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

    def _folder_changed(self) -> None:
        self._folder_changes += 1
        self._announce()

    def _announce(self, *_: object) -> None:
        self.changed.emit(self.status())


def _no_window(_source: str) -> None:
    raise GatewayError("There is no window", "The app runs in a terminal.")
