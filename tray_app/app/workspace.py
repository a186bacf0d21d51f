"""What a person has: settings, keys, models, engines and downloads, before any server runs. Any thread.

`App` is a workspace that also runs a server. A terminal command beside which no app runs works on the
workspace alone: it opens no log for writing and makes no folder that it does not fill.

What only some of its work needs is imported where that is done: a command that prints a setting needs neither
the network nor a server.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from tray_app.app.engine_manager import EngineManager
from tray_app.app.internet import Internet
from tray_app.app.model_upkeep import ModelUpkeep
from tray_app.app.put_off import PutOff
from tray_app.engine.builds.fallback import Fallbacks
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.engine_setting import engine_setting, is_remote
from tray_app.engine.finding import EngineFinder
from tray_app.errors import DownloadError, ErrorCode, ModelError
from tray_app.models.catalog import load_all
from tray_app.models.file_errors import none_chosen
from tray_app.models.library import Library, builtin_model, models_folder
from tray_app.models.references import NotInstalledError
from tray_app.phrases import phrase
from tray_app.settings.keys import REMOTE
from tray_app.settings.keystore import KeyStore
from tray_app.settings.model_settings import aliases_of, effective
from tray_app.settings.store import SettingsStore
from tray_app.system.autostart import Login, app_command, autostart_for, login_state, switch
from tray_app.system.drives import DriveGoneError, is_drive, missing_place
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths, expanded, resources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tray_app.app.diagnostic_findings import DiagnosticReport, RunningApp
    from tray_app.app.diagnostic_inputs import DiagnosticInputs
    from tray_app.app.discovery import Discovery, Picked
    from tray_app.app.engines_report import EnginesReport
    from tray_app.app.model_manager import ModelManager
    from tray_app.app.start_job import StartJob
    from tray_app.app.temporary_server import TemporaryServer
    from tray_app.app.tuning import EngineOption
    from tray_app.chats.store import ChatStore
    from tray_app.download.connection_pool import TransferLimits
    from tray_app.download.progress import Progress
    from tray_app.download.queue import DownloadQueue
    from tray_app.download.session import Session
    from tray_app.engine.launch_plan import Plan
    from tray_app.errors import AppError
    from tray_app.gateway.public_client import Embeddings
    from tray_app.models.model import Model
    from tray_app.models.removal import Removal
    from tray_app.phrases import Text
    from tray_app.settings.keys import KeyChanges
    from tray_app.settings.keystore import KeptKeys
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)

_CLOSE_S = 5.0

TEST_MODEL = "test"
"""The catalog's ID of the model that comes with the app."""


class Workspace:
    """The settings, keys, models, engines and downloads of the person whose folders `paths` are."""

    def __init__(
        self,
        paths: AppPaths,
        host: Host,
        overrides: Mapping[str, Any] | None = None,
        secrets: KeyStore | None = None,
    ) -> None:
        self.paths = paths
        self.host = host
        self.store = SettingsStore(paths.settings_file, overrides)
        self._secrets = secrets or KeyStore(paths.keys, os.environ)
        self._internet = Internet(lambda: self.store.current, self._secrets, host.system)
        self._downloads: DownloadQueue | None = None
        self._making = threading.Lock()  # held while one of the following is made, when it is first asked for
        self._discovery: Discovery | None = None
        self._models: ModelManager | None = None
        self._chats: ChatStore | None = None
        self.autostart = autostart_for(host.system, os.environ, app_command(os.environ))
        self._catalog, self.catalog_problem = load_all(resources() / "catalog.toml", paths.own_models_file)
        self._login = self._login_state()
        self.upkeep = ModelUpkeep(
            paths.state,
            library=lambda: self.library,
            settings=lambda: self.store.current,
            session=self._internet.session,
            system=host.system,
        )
        self._library = self._library_of(self.models_folder)
        self._settings_of_library = self.store.current
        self.engine_store = EngineStore(paths.engines)
        self._fallbacks = Fallbacks(self.engine_store)
        self._finder = EngineFinder(host, self._fallbacks)
        self.engines = EngineManager(
            self.engine_store,
            self._finder,
            host,
            settings=lambda: self.store.current,
            new_queue=self._internet.new_queue,
            in_use=self._builds_in_use,
            act_on_change=self._act_on_engines,
            put_off=PutOff(paths.state / "put-off.json"),
        )

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Workspace:
        """What the person has who runs this process."""
        paths = AppPaths.from_environment(environ)
        return cls(paths, detect_host(), secrets=KeyStore(paths.keys, environ))

    def close(self, timeout_s: float = _CLOSE_S) -> None:
        """Pause every download and an installation; they go on next time."""
        deadline_s = time.monotonic() + timeout_s
        self.engines.close(timeout_s)
        if self._downloads:
            self._downloads.close(max(0.0, deadline_s - time.monotonic()))

    @property
    def downloads(self) -> DownloadQueue:
        """Made when it is first asked for, which an app does as it starts: before other threads could."""
        if self._downloads is None:
            queue = self._internet.new_model_queue()
            queue.changed.connect(self._note_checksums)
            queue.changed.connect(self.upkeep.note_sources)
            self._downloads = queue
        return self._downloads

    @property
    def discovery(self) -> Discovery:
        """Finds models that are not here yet."""
        with self._making:
            if self._discovery is None:
                from tray_app.app.discovery import Discovery

                self._discovery = Discovery(
                    settings=lambda: self.store.current,
                    session=self._internet.session,
                    engines=self._finder,
                    host=self.host,
                )
            return self._discovery

    @property
    def models(self) -> ModelManager:
        """What people do with models besides serving one."""
        with self._making:
            if self._models is None:
                from tray_app.app.model_manager import ModelManager

                self._models = ModelManager(
                    library=lambda: self.library,
                    settings=lambda: self.store.current,
                    fetch=lambda address: self.discovery.fetch(address),  # noqa: PLW0108 - made when needed
                    served=self._served_path,
                    engines=self._finder,
                    host=self.host,
                    forget=self.upkeep.adopted.forget,
                )
            return self._models

    @property
    def chats(self) -> ChatStore:
        """The conversations with models, on disk."""
        with self._making:
            if self._chats is None:
                from tray_app.chats.store import ChatStore

                self._chats = ChatStore(self.paths.chats)
            return self._chats

    @property
    def models_folder(self) -> Path:
        """Where models are and go."""
        return models_folder(self.store.current, self.paths)

    @property
    def library(self) -> Library:
        """The models in the folder that is chosen now."""
        settings = self.store.current
        if settings is not self._settings_of_library:  # this is asked for each request
            if self._library.folder != self.models_folder:
                self._library = self._library_of(self.models_folder)
            self._settings_of_library = settings
        return self._library

    def chosen_id(self, settings: Settings | None = None) -> str | None:
        """The id of the model that these settings choose, else the present ones; it may not be installed.

        None if no model is chosen, if there is none of this name, and for a remote server, which has models
        of its own.
        """
        settings = settings or self.store.current
        if not settings.model or is_remote(settings):
            return None
        try:
            return self.library.id_of(settings.model)
        except ModelError:
            return None

    def in_force(self, settings: Settings) -> Settings:
        """What holds for the model that these settings choose."""
        model_id = self.chosen_id(settings)
        known = self.library.known_defaults(settings.model) if model_id else None
        return effective(settings, model_id, known)

    def settings_of(self, model_id: str | None) -> Settings:
        """What holds now for one model, here or not, or for all."""
        known = self.library.known_defaults(model_id) if model_id else None
        return effective(self.store.current, model_id, known)

    def change(self, model_id: str | None = None, /, **values: Any) -> None:
        """Save these settings, whatever others change meanwhile, and act on them. `AppError`.

        With a model, each is saved where the model has it from; see `SettingsStore.change`.
        """
        self._act_on_change(self.store.change(model_id, **values))

    def write_setting(self, name: str, value: Any) -> None:
        """Write a value for all models to the settings file and act on it, see `SettingsStore.write`.
        `AppError`.
        """
        self._act_on_change(self.store.write(name, value))

    def change_own(self, model_id: str, /, **values: Any) -> None:
        """The same for one model alone; None where the value for all is to hold for it again. `AppError`."""
        self.check_aliases(dict.fromkeys(values.get("aliases") or (), model_id))
        self._act_on_change(self.store.change_own(model_id, **values))

    def check_aliases(self, aliases: Mapping[str, str]) -> None:
        """`SettingsError` if one of these aliases of models, by id, is the name of another model.

        One that has been there before may stay: it was free until that model came.
        """
        known = self.library.hidden_aliases(aliases_of(self.store.current))
        for alias, error in self.library.hidden_aliases(aliases).items():
            if alias not in known:
                raise error

    def kept_keys(self) -> KeptKeys:
        """The stored keys and where they are. `KeychainError` if the keychain refuses."""
        return self._secrets.kept()

    def preview(
        self, settings: Settings, keys: KeyChanges | None = None, *, start: StartJob | None = None
    ) -> Plan:
        """The plan for these settings and `keys` (see `App.apply`); `AppError` if the engine could not be
        started.

        For a `start`, a model that is missing is downloaded first.
        """
        from tray_app.engine.launch_plan import plan_launch, plan_remote

        if is_remote(settings):
            key = keys[REMOTE.name] if keys and REMOTE.name in keys else self._secrets.get(REMOTE.name)
            return plan_remote(settings, key or "")
        model = self._model(settings, start)
        of_model = model.settings_in(settings)
        model = self.library.with_projector(model, of_model.projector)
        needs = ModelNeeds.of(model.header, model.id)
        engine = choose_engine(engine_setting(of_model.engine), needs, self._finder)
        return plan_launch(of_model, model, engine, self.host)

    def download(
        self,
        source: str,
        folder: Path | None = None,
        *,
        projector: str = "",
        sha256: str | None = None,
        connections: int | None = None,
        bytes_per_s: float | None = None,
    ) -> tuple[int, ...]:
        """Queue a download of an address (see `download/address.py`) or of an ID of the catalog.

        Returns the numbers of its files in the queue, in order: several for a split model, the last one its
        projector's where the catalog names one, its repository has one, or `projector` is the address of one.
        An address of a repository without a file is looked up first, which may take long: see `pick`.
        `sha256` is that of the file that `source` names. `connections` and `bytes_per_s` limit this download;
        without them the settings do.
        """
        from tray_app.app.discovery import projector_name
        from tray_app.download.connection_pool import TransferLimits
        from tray_app.models.remote_header import all_parts

        entry = next((entry for entry in self._catalog if entry.id == source), None)
        if entry and entry.builtin:
            raise DownloadError(
                ErrorCode.MODEL_BUILT_IN,
                phrase("{name} comes with the app", name=entry.name),
                "There is nothing to download.",
            )
        picked = self.discovery.pick(entry.source if entry else source)
        files = [(part, "") for part in all_parts(picked.address)]
        if entry and entry.projector:
            files.append((self.discovery.pick(entry.projector).address, ""))
        elif sight := projector or picked.projector:
            files.append((sight, projector_name(sight, picked.address)))

        def limits(usual: TransferLimits) -> TransferLimits:
            return TransferLimits(connections or usual.connections, bytes_per_s or usual.bytes_per_s)

        return tuple(
            self.downloads.add(
                part,
                folder or self.models_folder,
                sha256=sha256 if part == picked.address else None,
                limits=limits if connections or bytes_per_s else None,
                file_name=name,
            )
            for part, name in files
        )

    def pick(self, source: str) -> Picked:
        """Which file a download of `source` brings, see `Discovery.pick`; that of the catalog is known."""
        from tray_app.app.discovery import Picked

        in_catalog = any(entry.id == source for entry in self._catalog)
        return Picked(source) if in_catalog else self.discovery.pick(source)

    def remove_model(self, reference: str, *, for_good: bool = False, anywhere: bool = False) -> Removal:
        """See `ModelManager.remove_model`."""
        return self.models.remove_model(reference, for_good=for_good, anywhere=anywhere)

    def run_diagnostics(self, session: Session | None = None, *known_errors: AppError) -> DiagnosticReport:
        """Check everything that the server depends on; with a `session`, also the network."""
        from tray_app.app.diagnostics import run_diagnostics

        return run_diagnostics(self.diagnostic_inputs(None, *known_errors), session)

    def ignored_settings(self, model: str = "") -> dict[str, Text]:
        """See `diagnostics.ignored_by`; for this model, else for the chosen one."""
        from tray_app.app.diagnostics import ignored_by

        inputs = self.diagnostic_inputs()
        settings = inputs.settings
        return ignored_by(replace(inputs, settings=structs.replace(settings, model=model or settings.model)))

    def diagnostic_inputs(
        self, running: RunningApp | None = None, *known_errors: AppError
    ) -> DiagnosticInputs:
        """What is checked; `known_errors` were found before, besides those of files."""
        from tray_app.app.diagnostic_inputs import DiagnosticInputs

        known = (self.store.problem, self.catalog_problem, *known_errors)
        return DiagnosticInputs(
            paths=self.paths,
            host=self.host,
            settings=self.store.current,
            library=self.library,
            finder=self._finder,
            secrets=self._secrets,
            running=running,
            known_errors=tuple(filter(None, known)),
        )

    def engine_options(self, settings: Settings) -> tuple[EngineOption, ...]:
        """The engines of this machine among which the model that these settings choose has a choice.

        `AppError` if there is no such model.
        """
        from tray_app.app.tuning import engine_options

        model, finder = self._model(settings, None), self._finder
        set_aside = {each.build_id: each.reason for each in finder.set_asides() if each.model_id == model.id}
        return engine_options(model.header, finder.embedded(), finder.builds(), set_aside)

    def examine_engines(self) -> EnginesReport:
        """See `engines_report`."""
        from tray_app.app.engines_report import examine_engines
        from tray_app.engine.builds.offers import published_builds

        builds = published_builds(mirror=self.store.current.engines_address)
        return examine_engines(self.host, self._finder, builds)

    def embed_if_open(self, texts: tuple[str, ...]) -> Embeddings | None:
        """The embeddings from the server that is open; None if none is. `GatewayError`."""
        del texts
        return None

    def load_model(self, reference: str, *, force: bool = False, keep: bool = False) -> str:
        """Load a model beside those that are loaded, and wait until it answers; its id.

        `force`: also where the memory that engines may use is not enough. `keep`: for as long as the app
        runs. `AppError`: only a running app can.
        """
        from tray_app.gateway.control.commands import not_running

        del reference, force, keep
        raise not_running()

    def unload_model(self, reference: str) -> str:
        """End the engine of one model, and wait until its memory is free; its id. `AppError` as above."""
        from tray_app.gateway.control.commands import not_running

        del reference
        raise not_running()

    def without_server(self) -> AbstractContextManager[None]:
        """A block in which no server of this app runs: two engines would measure each other."""
        return nullcontext()

    def temporary_server(self, settings: Settings) -> TemporaryServer:
        """A server for the work of one command."""
        from tray_app.app.temporary_server import TemporaryServer

        return TemporaryServer(
            self.in_force(settings),
            lambda tried, start: self.preview(tried, start=start),
            host=self.host,
            state_dir=self.paths.state,
            secrets=self._secrets,
        )

    def _act_on_change(self, old: Settings) -> None:
        """Do what follows from the settings being others than `old`."""
        if self.store.current.launch_at_login != old.launch_at_login:
            self._launch_at_login(self.store.current.launch_at_login)

    def _launch_at_login(self, wanted: bool) -> None:  # noqa: FBT001 - the value of the setting
        try:
            switch(self.autostart, on=wanted)
        finally:
            self.refresh_login()

    def refresh_login(self) -> None:
        """Read again whether the system starts this app at login: people can change that in its settings."""
        self._login = self._login_state()

    def _login_state(self) -> Login:
        """What the system does at login. It overrides the setting, whatever the settings file says."""
        login = login_state(self.autostart)
        self.store.override(launch_at_login=login is Login.ON)
        return login

    def _model(self, settings: Settings, start: StartJob | None) -> Model:
        if not settings.model:
            raise none_chosen()
        try:
            return self.library.find(settings.model)
        except ModelError as exc:
            # A model on a drive that is not connected must not be downloaded again.
            named = (
                each.path for each in self.upkeep.adopted.current() if settings.model in (each.id, each.name)
            )
            place = missing_place(next(named, self.models_folder / expanded(settings.model)))
            if place and is_drive(place):
                raise DriveGoneError(place) from exc
            if start is None or not isinstance(exc, NotInstalledError):
                raise
            from tray_app.engine.report import foreseen

            # First check that an engine can run it: a download may have 40 GB.
            wanted = effective(settings, exc.entry.id).engine
            needs = ModelNeeds.of(foreseen(exc.entry).header, exc.entry.id)
            choose_engine(engine_setting(wanted), needs, self._finder)
            start.wait_for_downloads(self.downloads, self.download(exc.entry.id))
            return self.library.find(settings.model)

    def _builds_in_use(self) -> Mapping[str, tuple[str, ...]]:
        """The installed builds of engines that run now, by id, with the names of the models that they run."""
        return {}

    def _act_on_engines(self) -> None:
        """Do what follows from another engine being the best one now. `AppError`."""

    def _note_checksums(self, downloads: tuple[Progress, ...]) -> None:
        if downloads:
            self.models.note_checksums(downloads)

    def _library_of(self, folder: Path) -> Library:
        return Library(
            folder,
            self._catalog,
            builtin_model(),
            aliases=lambda: aliases_of(self.store.current),
            adopted=self.upkeep.adopted.current,
        )

    def _served_path(self) -> Path | None:
        """The first file of the model that an engine has open, or that a sleeping server would load."""
        return None
