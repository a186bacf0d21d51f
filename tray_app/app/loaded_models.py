"""The models that engines have in memory: loaded and unloaded as people ask, kept, and gone with their files.

Any thread.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tray_app.app.start_job import StartCalledOffError
from tray_app.engine.engine_setting import is_remote
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.errors import EngineError, ErrorCode, GatewayError, ModelError
from tray_app.models.model_files import parts_of
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from tray_app.app.server import Server
    from tray_app.engine.pool import EnginePool
    from tray_app.engine.pooled_engine import EngineLease
    from tray_app.models.library import Library
    from tray_app.models.model import Model
    from tray_app.settings.schema import Settings

_log = logging.getLogger(__name__)


class LoadedModels:
    """The models in the engines of `pool`, which `server` runs.

    `library` and `settings` return the present ones, `announce` is called after a change that no engine
    announces, and `stop_s` is how many seconds an engine may take to end.
    """

    def __init__(
        self,
        server: Server,
        pool: EnginePool,
        *,
        library: Callable[[], Library],
        settings: Callable[[], Settings],
        announce: Callable[[], None],
        stop_s: float,
    ) -> None:
        self._server = server
        self._pool = pool
        self._library = library
        self._settings = settings
        self._announce = announce
        self._stop_s = stop_s
        self._lock = threading.Lock()  # held while the next is replaced
        self._kept_for_this_run: frozenset[str] = frozenset()

    def is_kept(self, model_id: str | None) -> bool:
        """Whether a model is never unloaded for another, or because nobody asks."""
        if model_id is None:
            return False
        own = self._settings().models.get(model_id, {})
        return bool(own.get("keep_loaded")) or model_id in self._kept_for_this_run

    def load_kept(self) -> None:
        """Begin to load the models that are kept loaded, after the server was started with the chosen one."""
        settings, names = self._settings(), self._library().known().names
        if is_remote(settings):
            return
        for model_id in dict.fromkeys((*settings.models, *sorted(self._kept_for_this_run))):
            if not (self.is_kept(model_id) and names.resolve(model_id)):
                continue
            try:
                wait = self._server.load(model_id)
            except GatewayError as exc:
                if exc.code is ErrorCode.SERVER_NOT_RUNNING:
                    return  # it was stopped meanwhile
                raise
            if wait:
                wait.add_done_callback(_let_go)

    def load(self, reference: str, *, force: bool, keep: bool) -> str:
        """See `Workspace.load_model`."""
        model = self._library().find(reference)
        installed = {each.path.resolve(): each.id for each in self._library().installed().models}
        model_id = installed.get(model.path.resolve(), model.id)  # a path may lead there by a detour
        if model_id not in installed.values() and model.path != self.served_path():
            raise ModelError(
                ErrorCode.MODEL_NOT_IN_FOLDER,
                phrase("{name} is not in the models folder", name=model.name),
                "Only the model chosen in the setting “Model” may be in another folder. Requests "
                "could not name any other.",
                "Import it: powerinfer-tray models import PATH",
            )
        if keep:
            with self._lock:
                self._kept_for_this_run |= {model_id}
        wait = self._server.load(model_id, forced=force)
        self._announce()  # that it waits for memory is no change of an engine
        if wait is None:
            self._server.wait_until_ready()
        else:
            wait.result().release()
        return model_id

    def unload(self, reference: str) -> str:
        """See `Workspace.unload_model`."""
        model_id = self._loaded_id(reference)
        with self._lock:
            self._kept_for_this_run -= {model_id}
        if not self._server.unload(model_id):
            raise EngineError(
                ErrorCode.MODEL_NOT_LOADED,
                phrase("{model} is not loaded", model=model_id),
                "No engine is running it.",
                "To list the loaded models, run: powerinfer-tray ps",
            )
        self._announce()
        self.wait_until_gone(model_id)
        return model_id

    def unload_file(self, path: Path) -> None:
        """Stop the engine, besides the chosen model's, that has this file open. `EngineError` as
        `wait_until_gone`.
        """
        first = parts_of(path)[0].resolve()
        for each in self._pool.snapshot().others:
            plan = each.told
            if isinstance(plan, LaunchPlan) and plan.model.path.resolve() == first:
                self._server.unload(plan.model.id)
                self.wait_until_gone(plan.model.id)

    def wait_until_gone(self, model_id: str | None) -> None:
        """Wait for the end of a model's engine, which has its file open; None: of all engines. `EngineError`
        if it does not end in time.
        """
        try:
            self._pool.wait_until_gone(model_id, self._stop_s)
        except TimeoutError as exc:
            raise EngineError(
                ErrorCode.ENGINE_STILL_RUNNING,
                "The engine did not stop in time",
                "It is still using the model file.",
                "Try again in a moment.",
            ) from exc

    def unload_what_has_gone(self) -> None:
        """Unload what is not in the models folder any more, or is another file there."""
        installed = {each.id: each for each in self._library().known().models}
        pool = self._pool.snapshot()
        for each in (pool.main, *pool.others):
            plan = each.told
            if not isinstance(plan, LaunchPlan):
                continue
            now = installed.get(plan.model.id)
            if each is pool.main and (now is None or now.path != plan.model.path):
                continue  # the chosen model may be elsewhere, and goes on without its file
            if now is None or not _is_same_file(plan.model, now):
                self._server.unload(plan.model.id)

    def served_path(self) -> Path | None:
        """The first file of the chosen model, if an engine has it open or a sleeping server would load it."""
        server, pool = self._server.snapshot()
        engine = pool.main.engine
        if isinstance(engine.plan, LaunchPlan) and engine.pid:
            return engine.plan.model.path
        settings = self._settings()
        if server.base_url and not is_remote(settings):
            with suppress(ModelError):  # no model is chosen, or it is not installed
                return parts_of(self._library().locate(settings.model))[0]
        return None

    def builds_in_use(self) -> Mapping[str, tuple[str, ...]]:
        """The installed builds of engines that run now, by id, with the names of the models that they run."""
        used: dict[str, tuple[str, ...]] = {}
        for each in self._pool.snapshot().engines:
            plan = each.told or each.engine.plan
            if isinstance(plan, LaunchPlan) and plan.engine.build:
                build_id = plan.engine.build.id
                used[build_id] = (*used.get(build_id, ()), plan.model.name)
        return used

    def _loaded_id(self, reference: str) -> str:
        """The id of the model that is meant; that of a loaded one also if its file is gone."""
        if self._pool.snapshot().of(reference):
            return reference
        return self._library().id_of(reference)


def _is_same_file(model: Model, now: Model) -> bool:
    """Whether what an engine has loaded is what its file is now; its projector may be of a setting."""
    return (model.path, model.size_bytes, model.header) == (now.path, now.size_bytes, now.header)


def _let_go(loaded: Future[EngineLease]) -> None:
    """Give back the lease of a model that is to be loaded, but is not used yet."""
    error = loaded.exception()
    if error is None:
        loaded.result().release()
    elif not isinstance(error, StartCalledOffError):
        _log.warning("A model that is kept loaded could not be loaded: %s", error)
