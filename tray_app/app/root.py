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
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from tray_app.app.loaded_models import LoadedModels
from tray_app.app.public_address import listening_address
from tray_app.app.served_models import ServedModels
from tray_app.app.server import Server, ServerDelays
from tray_app.app.server_client import AppClient
from tray_app.app.server_status import ServerState
from tray_app.app.start_job import StartCalledOffError
from tray_app.app.status import AppStatus, ProblemSource, problems_of, running_app, status_document
from tray_app.app.updates import Updates
from tray_app.app.weekly_look import Look, WeeklyLook
from tray_app.app.workspace import Workspace
from tray_app.engine.engine_setting import is_remote
from tray_app.engine.lastfailure import FailureKeeper
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.pool import EnginePool
from tray_app.engine.resource_usage import resource_usage
from tray_app.engine.sizing import engine_budget
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import ErrorCode, GatewayError
from tray_app.gateway.control.client import find_running
from tray_app.gateway.loopback import SlowAnswerError
from tray_app.models.watch import FolderWatch
from tray_app.settings.model_settings import aliases_of, effective, with_own
from tray_app.system.descriptors import raise_limit
from tray_app.system.heap import keep_less
from tray_app.system.host import detect_host, free_memory
from tray_app.system.launcher import launcher_for
from tray_app.system.logs import AppLog
from tray_app.system.paths import AppPaths
from tray_app.system.ports import PortInUseError, nearest_free_port, port_obstacle
from tray_app.system.single_instance import SingleInstanceLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tray_app.app.diagnostic_findings import RunningApp
    from tray_app.app.diagnostic_inputs import DiagnosticInputs
    from tray_app.app.search_manager import SearchManager
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.resource_usage import ResourceUsage
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.errors import AppError, EngineError
    from tray_app.gateway.control.documents import StatusDocument
    from tray_app.gateway.control.routes import Control
    from tray_app.gateway.public_client import Embeddings
    from tray_app.models.removal import Removal
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.system.ports import PortOwner

_log = logging.getLogger(__name__)


class App(Workspace):
    """The one object that user interfaces talk to: a workspace with a server, which any thread may call.

    What starts or stops the server, `apply`, `change`, `download`, `reload`, `move_to_free_port`,
    `kept_keys`, `preview`, `resource_usage`, `port_owners`, `wait_until_ready`, `run_diagnostics`, all of
    `client`, `chats` and `updates` and nearly all of `search` may take long: a thread that draws windows must
    not call them itself.
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
        self._writes_logs = SingleInstanceLock(paths.state, "logs")
        logs = paths.logs if self._writes_logs.acquire() else None
        self._log = AppLog(logs)
        if logs is None:
            _log.warning("Another PowerInfer Tray writes the log files: the lines of this one stay in memory")
        super().__init__(paths, host, overrides, secrets)
        delays = delays or ServerDelays()
        self._folder_changes = 0
        self._trial: Mapping[str, Any] = {}
        self._watch = FolderWatch(
            lambda: self.models_folder,
            self._folder_changed,
            files=lambda: [each.path for each in self.upkeep.adopted.current()],
        )
        self.updates = Updates(
            paths,
            host,
            settings=lambda: self.store.current,
            is_answered=lambda: self.store.says("check_for_updates"),
            new_queue=self._internet.new_queue,
            announce=self._announce,
        )
        self._weekly = WeeklyLook(
            Look(
                "models are",
                self._look_for_newer,
                is_on=lambda: self.store.current.check_for_newer,
                last_s=self.upkeep.last_look_s,
            ),
            Look(
                "this app is",
                self.updates.look,
                is_on=self.updates.is_on,
                last_s=self.updates.last_look_s,
            ),
        )
        self._newer: Mapping[str, str] = {}
        launcher = launcher_for(host.system)
        self._pool = EnginePool(
            lambda engine_id: Supervisor(
                launcher,
                paths.state,
                logs,
                engine_id=engine_id,
                check_engine=self._fallbacks.check_engine,
            ),
            budget=lambda own_bytes: engine_budget(self.store.current, host, free_memory() + own_bytes),
            is_kept=lambda model_id: self._loaded.is_kept(model_id),  # noqa: PLW0108 - made below
            called_off=StartCalledOffError,
            instead_of=self._plan_instead,
        )
        self._served = ServedModels(lambda: self.library, lambda: self.store.current, self.preview)
        self._server = Server(
            self._pool,
            self._served,
            settings=lambda: self.store.current,
            settings_of=lambda model: (
                model.settings_in(self.store.current) if model else effective(self.store.current, None)
            ),
            secrets=self._secrets,
            plan=lambda start: self.preview(self._with_trial(), start=start),
            announce=self._announce,
            delays=delays,
        )
        self._loaded = LoadedModels(
            self._server,
            self._pool,
            library=lambda: self.library,
            settings=lambda: self.store.current,
            announce=self._announce,
            stop_s=delays.stop_s,
        )
        self.client = AppClient(
            self._server.access,
            served=self._served,
            offered=self._server.offered,
            settings=lambda: self.store.current,
        )
        self.app_lines = self._log.lines
        self.engine_lines = self._pool.supervisors()[0].lines
        self._search: SearchManager | None = None
        self._control: Control | None = None
        self._wishes = 0
        """How often people wanted the server to run, or not to."""
        self.downloads.restore(self.models_folder)
        self.downloads.changed.connect(self._announce)
        self._pool.changed.connect(self._announce)
        self._failures = FailureKeeper(paths.state)
        self._pool.changed.connect(self._failures.note)
        self._pool.changed.connect(self._fallbacks.note)
        self._pool.changed.connect(self._let_old_builds_go)
        self._pool.changed.connect(self._note_use)
        self.engines.changed.connect(self._announce)

    @classmethod
    def on_this_machine(cls, overrides: Mapping[str, Any] | None = None) -> App:
        """The app of the person who runs this process. Raises the limit of open files first."""
        raise_limit()
        keep_less()
        return cls(AppPaths.from_environment(os.environ), detect_host(), overrides)

    @property
    def search(self) -> SearchManager:
        """A person's own texts, found by their meaning."""
        with self._making:
            if self._search is None:
                from tray_app.app.search_manager import SearchManager

                self._search = SearchManager(
                    self.paths.search,
                    library=lambda: self.library,
                    settings=lambda: self.store.current,
                    embed=self.client.embed_as,
                )
            return self._search

    def status(self) -> AppStatus:
        """The present status."""
        settings = self.store.current
        server, pool = self._server.snapshot()
        problems = {
            ProblemSource.START: self._server.problem,
            ProblemSource.SETTINGS_FILE: self.store.problem,
            ProblemSource.CATALOGUE: self.catalog_problem,
        }
        return AppStatus(
            settings=settings,
            pool=pool,
            model_name=self._model_name(settings),
            server=server,
            downloads=self.downloads.snapshot(),
            problems=problems_of(pool.main.engine, problems),
            login=self._login,
            folder_changes=self._folder_changes,
            traffic=self._server.traffic(),
            traffic_of=self._server.traffic_of(),
            refused_origins=self._server.refused_origins(),
            installation=self.engines.installation(),
            newer_models=self._newer,
            updates=self.updates.status(),
        )

    def resource_usage(self) -> ResourceUsage | None:
        """What all engines use now; None if there is none on this machine.

        From then on, `status` says what each of them has of the memory.
        """
        measured = self._pool.measure()
        return resource_usage(measured, self.host) if measured else None

    def begin(self) -> None:
        """Do what the settings say for the start of the app: start the server, open its address only, or
        nothing. From then on the models folder is watched, and once a week it is looked for newer models and
        versions, if that is switched on. See also `EngineManager.begin`.
        """
        self._watch.start()
        self._newer = self.upkeep.newer()
        self._weekly.start()
        self.engines.begin()
        settings = self.store.current
        if settings.start_server_with_app:
            self.start_server()
        elif settings.start_on_demand and (settings.model or is_remote(settings)):
            self._server.stand_by()

    def start_server(self) -> None:
        """Start the server with the chosen model, downloading it first if it is missing.

        Returns when the engine has been told to start, by this call or by a newer one that replaced it;
        `wait_until_ready` waits until it answers. `AppError` if the server cannot be started; one that is
        running goes on. `StartCalledOffError` if the server was stopped meanwhile.
        """
        self._wishes += 1
        self._watch.start()
        self._server.start()
        self._loaded.load_kept()

    def stop_server(self) -> None:
        """Stop the engine and free the public port; also calls off a start that is under way."""
        self._wishes += 1
        self._server.stop()

    def restart_server(self) -> None:
        """Stop the chosen model's engine if it runs, then `start_server`."""
        self._wishes += 1
        self._watch.start()
        self._server.restart()
        self._loaded.load_kept()

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """The plan that runs, once the engine answers; `EngineError` if it was given up or stopped, or after
        the time-out.
        """
        return self._server.wait_until_ready(timeout_s)

    def try_settings(self, values: Mapping[str, Any]) -> None:
        """Restart the chosen model's engine with other values without changing the settings; none restores
        those of the settings. Other models run on as they are.

        `AppError` if the engine cannot be started so.
        """
        self._trial = dict(values)
        self._server.apply_settings()

    def apply(self, new: Settings, keys: KeyChanges | None = None) -> None:
        """Save `new` and act on the differences. `AppError` says what could not be done.

        `keys` are stored or deleted first. If the keychain refuses, or an alias is the name of another model,
        nothing is saved.
        """
        self.check_aliases(aliases_of(new))
        self._secrets.keep(keys or {}, new)
        old = self.store.current
        self.store.replace(new)
        self._act_on_change(old)

    def answer_origin(self, origin: str, *, allow: bool) -> None:
        """Let an app or a web page use the server from now on, or refuse it for good. `AppError` as `apply`.

        `origin` is an entry of `AppStatus.refused_origins`. The settings keep the answer.
        """
        settings = self.store.current
        allowed, refused = (
            tuple(each for each in entries if each != origin)
            for entries in (settings.allowed_origins, settings.refused_origins)
        )
        if allow:
            allowed += (origin,)
        else:
            refused += (origin,)
        self.change(allowed_origins=allowed, refused_origins=refused)

    def answer_update_question(self, *, wanted: bool) -> None:
        """Tell the person of new versions from now on, or not; they are not asked again. `AppError` as
        `apply`. The settings keep the answer.
        """
        self.write_setting("check_for_updates", wanted)

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
        """See `Workspace`."""
        before = self._login
        super().refresh_login()
        if self._login is not before:
            self._announce()

    def load_model(self, reference: str, *, force: bool = False, keep: bool = False) -> str:
        """See `Workspace`."""
        return self._loaded.load(reference, force=force, keep=keep)

    def unload_model(self, reference: str) -> str:
        """See `Workspace`."""
        return self._loaded.unload(reference)

    def move_to_free_port(self) -> None:
        """Change the port to the nearest free one. `AppError`."""
        self.change(port=nearest_free_port(self.store.current.port))

    def remove_model(self, reference: str, *, for_good: bool = False, anywhere: bool = False) -> Removal:
        """Put a model into the trash or delete it, see `ModelManager.remove_model`. Returns what was removed.

        If the chosen model's engine has it open, or would load it for the next request, the server is stopped
        first; any other engine that has it is stopped alone. `AppError`.
        """
        path = self.models.to_remove(reference, anywhere=anywhere)
        stops = self.models.is_served(path)
        if stops:
            self.stop_server()
            self._loaded.wait_until_gone(None)
        else:
            self._loaded.unload_file(path)
        removal = super().remove_model(reference, for_good=for_good, anywhere=anywhere)
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

    def diagnostic_inputs(
        self, running: RunningApp | None = None, *known_errors: AppError
    ) -> DiagnosticInputs:
        """See `Workspace`; this app is the one that runs."""
        return super().diagnostic_inputs(running or running_app(self.status(), os.getpid()), *known_errors)

    def embed_if_open(self, texts: tuple[str, ...]) -> Embeddings | None:
        """See `Workspace`."""
        return self.client.embed(texts) if self._server.snapshot()[0].base_url else None

    @contextmanager
    def without_server(self) -> Iterator[None]:
        """See `Workspace`. Afterwards the server is as before, unless somebody has started or stopped it."""
        server, _ = self._server.snapshot()
        wishes = self._wishes
        try:
            if server.base_url:
                self._server.stop()
                self._loaded.wait_until_gone(None)
            yield
        finally:
            if server.base_url and self._wishes == wishes:
                if server.state is ServerState.ASLEEP:
                    self._server.stand_by()
                else:
                    self._server.start()
                    self._loaded.load_kept()

    def open_control(
        self, quit_app: Callable[[], None], show_window: Callable[[str], None] | None = None
    ) -> None:
        """Open the control address for terminal commands and a second start of the app, unless another app
        has it.

        `AppError` if another program, or another user, has the lock of the app that is asked.

        `quit_app` and `show_window` are called on a thread of the control listener; `show_window` gets the
        address of a model to download, or an empty text.
        """
        # What speaks HTTP to clients takes a fifth of the time to the icon, which need not wait for it.
        from tray_app.app.command_service import CommandService
        from tray_app.gateway.control.routes import Control

        control = Control(
            self.paths.state,
            status=self._status_document,
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
        """Stop the engine and all downloads (they continue next time) and release everything."""
        deadline_s = time.monotonic() + timeout_s

        def remaining_s() -> float:
            return max(0.0, deadline_s - time.monotonic())

        self._wishes += 1
        self._watch.close(remaining_s())
        self._weekly.close(0.0)  # waited for below, as a server that does not answer would take all the time
        self.updates.close(remaining_s())
        self._server.stop(remaining_s())
        super().close(remaining_s())  # before the control address, where a start may wait for a download
        if self._control:
            self._control.end_jobs(remaining_s())
            self._control.close(remaining_s())
        self._pool.close(remaining_s())
        self._weekly.close(remaining_s())
        self._log.close()
        self._writes_logs.release()

    def _status_document(self) -> StatusDocument:
        self._pool.measure()
        return status_document(self.status(), apple_silicon=self.host.apple_silicon)

    def _another_is_asked(self) -> bool:
        """Whether another app answers; if none does, only a command that looked at the lock held it."""
        try:
            return find_running(self.paths.state) is not None
        except SlowAnswerError:
            return True

    def _act_on_change(self, old: Settings) -> None:
        try:
            super()._act_on_change(old)
        finally:  # the system may refuse to launch the app at login; the other changes hold all the same
            self._apply_change(old)

    def _apply_change(self, old: Settings) -> None:
        if self.store.current.models_folder != old.models_folder:
            self.downloads.restore(self.models_folder)
        self._weekly.wake()
        try:
            self._server.apply_settings()
        finally:
            self._announce()

    def _with_trial(self) -> Settings:
        settings, model_id = self.store.current, self.chosen_id()
        return with_own(settings, model_id, self._trial) if self._trial and model_id else settings

    def _plan_instead(self, failed: LaunchPlan, failure: EngineError) -> LaunchPlan:
        """The plan of another engine for a model with which an installed build has failed."""
        self._fallbacks.suspect(failed, failure)
        if failed.model.id != self._pool.main().model_id:
            return self._served.plan(failed.model.id)
        plan = self.preview(self._with_trial())
        if not isinstance(plan, LaunchPlan) or plan.model.id != failed.model.id:
            raise StartCalledOffError  # another model has been chosen meanwhile
        return plan

    def _model_name(self, settings: Settings) -> str | None:
        if is_remote(settings):
            return settings.remote_model or settings.remote_url or None
        return self.library.name_of(settings.model) if settings.model else None

    def _served_path(self) -> Path | None:
        """See `Workspace`."""
        return self._loaded.served_path()

    def _builds_in_use(self) -> Mapping[str, tuple[str, ...]]:
        """See `Workspace`."""
        return self._loaded.builds_in_use()

    def _let_old_builds_go(self, engine: EngineSnapshot) -> None:
        if engine.state is State.READY and isinstance(engine.plan, LaunchPlan) and engine.plan.engine.build:
            self.engines.let_older_go(engine.plan.engine.build.id)

    def _note_use(self, engine: EngineSnapshot) -> None:
        if engine.state is State.READY and isinstance(engine.plan, LaunchPlan):
            self.upkeep.last_use.note(engine.plan.model.id)

    def _look_for_newer(self) -> None:
        self.upkeep.outdated()
        self._newer = self.upkeep.newer()
        self._announce()

    def _act_on_engines(self) -> None:
        """See `Workspace`: engines whose plan is another one now start again."""
        if self._server.snapshot()[0].base_url:
            self._server.apply_settings()
        self._announce()

    def _folder_changed(self) -> None:
        self._folder_changes += 1
        self._served.look()  # requests can name what is there now
        self._loaded.unload_what_has_gone()
        self._newer = self.upkeep.newer()
        self._announce()

    def _announce(self, *_: object) -> None:
        self.changed.emit(self.status())


def _no_window(_source: str) -> None:
    raise GatewayError(ErrorCode.NO_WINDOW, "There is no window to show", "The app is running in a terminal.")
