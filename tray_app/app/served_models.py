"""Which model a request means by the name it gives, and which models there are to name. Any thread.

What the models folder holds is remembered, because it is asked for each request. Before a name is said to
be nobody's, the folder is looked at again: its model may just have arrived, and another one must not answer
for it.
"""

from __future__ import annotations

import math
import re
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, ModelError
from tray_app.gateway.upstream import LOADED, OfferedModel, Unavailable, public_id, without_tag
from tray_app.models.header import Purpose
from tray_app.models.library import NO_PROJECTOR
from tray_app.models.naming import AmbiguousError, ModelNames
from tray_app.models.references import NotInstalledError
from tray_app.phrases import phrase
from tray_app.settings.aliases import same_name
from tray_app.settings.model_settings import aliases_of, effective

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.pool import PoolSnapshot
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.models.header import ModelHeader
    from tray_app.models.library import Library
    from tray_app.models.model import Installed, Model
    from tray_app.settings.schema import Settings

_LOADING = (State.STARTING, State.LOADING, State.BACKOFF)
_THINKS = re.compile("enable_thinking|reasoning_content|<think>")
"""In a template: how models are told to think first, or their thoughts are told apart."""
_FRESH_S = 0.25
"""A look at the models folder holds so long, for names that are nobody's."""
_NOT_HERE = (ErrorCode.MODEL_NOT_FOUND, ErrorCode.MODEL_NOT_DOWNLOADED, ErrorCode.MODEL_FILE_MISSING)
_MOST_NAMED = 20
"""Of the models that there are, so many are listed in an error."""


class ServedModels:
    """The models of a library as requests name them; `plan` makes the plan for settings that choose one."""

    def __init__(
        self,
        library: Callable[[], Library],
        settings: Callable[[], Settings],
        plan: Callable[[Settings], Plan],
    ) -> None:
        self._library = library
        self._settings = settings
        self._plan = plan
        self._lock = threading.Lock()  # guards the next two
        self._look: Future[None] | None = None
        self._looked_s = -math.inf
        self._seen: dict[str, str] = {}
        """By id, the files of all models that were here at some time. Replaced, as others may read it."""

    def look(self) -> None:
        """See `Models`."""
        self._seen = {**self._seen, **self._library().installed().names.files}

    def meant(self, asked: str, task: Purpose, chosen_id: str | None) -> str | Unavailable | None:
        """See `Models`.

        A name that is nobody's means the default model for the task, or no model where names are strict. That
        of a file that cannot be served, or of a model that is not here, is somebody's: another model must not
        answer for it.
        """
        settings, known = self._settings(), self._library().known()
        if asked and _same(asked, settings.model):
            return None  # also while it is still to be downloaded
        try:
            chosen_id = chosen_id or self._chosen_id(settings)
            model_id = self._named(asked, chosen_id) if asked else None
            if model_id is None and asked and (no := self._refusal(asked, chosen_id, known, settings)):
                return no
        except AmbiguousError as exc:
            return Unavailable(str(exc), code=exc.code, status=HTTPStatus.BAD_REQUEST)
        try:
            model_id = model_id or self._default(settings, task)
        except ModelError as exc:
            return Unavailable(str(exc), code=exc.code)
        return None if model_id == chosen_id else model_id

    def look_if_unknown(self, asked: str, chosen_id: str | None) -> Future[None] | None:
        """See `Models`."""
        if not asked or self.identify(asked, chosen_id):
            return None
        with self._lock:
            if self._look is None:
                if time.monotonic() - self._looked_s < _FRESH_S:
                    return None
                self._look = Future()
                threading.Thread(
                    target=self._look_again, args=(self._look,), name="models-look", daemon=True
                ).start()
            return self._look

    def _look_again(self, look: Future[None]) -> None:
        try:
            self.look()
        finally:
            with self._lock:
                self._look, self._looked_s = None, time.monotonic()
            look.set_result(None)

    def identify(self, asked: str, chosen_id: str | None) -> str | None:
        """See `Models`."""
        with suppress(AmbiguousError):
            return self._named(asked, chosen_id)
        return None

    def answering(self, asked: str) -> Model:
        """The model that answers a chat which names this one; for an empty name, the default one for chats.

        `ModelError` if it is not here: in a conversation, no other model must answer in its place.
        """
        settings = self._settings()
        if not asked:
            return self._library().find(self._default(settings, Purpose.CHAT) or settings.model)
        chosen_id = self._chosen_id(settings) or settings.model
        is_chosen = bool(chosen_id) and self._is_chosen(asked, chosen_id)
        try:
            return self._library().find(settings.model if is_chosen else asked)
        except ModelError as exc:
            if exc.code not in _NOT_HERE:
                raise
            raise ModelError(
                exc.code,
                "The model for this conversation is missing",
                phrase("{model} was removed or renamed.", model=asked),
                "Choose another model for this conversation, or download this one again.",
            ) from exc

    def plan(self, model_id: str) -> LaunchPlan:
        """See `Models`."""
        plan = self._plan(replace(self._settings(), model=model_id))
        assert isinstance(plan, LaunchPlan)  # noqa: S101 - a model of its own has no remote engine
        return plan

    def offered(self, chosen_id: str | None, pool: PoolSnapshot, *, sleeps: bool) -> tuple[OfferedModel, ...]:
        """See `Models`. The built-in test model is listed only while it is used: its answers mean nothing."""
        known = self._library().known()
        status_of = {each.model_id: each for each in pool.engines if each.model_id}
        used = {chosen_id, *status_of}
        listed = [each for each in known.models if each.path != self._library().builtin or each.id in used]
        ids = {each.id for each in listed}
        main = pool.main.told or pool.main.engine.plan
        if isinstance(main, LaunchPlan) and main.model.id not in ids:  # it is not in the models folder
            listed.insert(0, main.model)
        offered = []
        for model in listed:
            status = status_of.get(model.id)
            plan = status.told if status and isinstance(status.told, LaunchPlan) else None
            header = model.header
            offered.append(
                OfferedModel(
                    id=public_id(model.id),
                    created=known.created.get(model.id, 0),
                    state=_state(status, sleeps=sleeps and model.id == chosen_id),
                    kind=plan.purpose if plan else header.purpose,
                    context=plan.context_size if plan else header.context_length,
                    dimensions=header.embedding_length,
                    size_bytes=model.size_bytes,
                    engine=plan.engine.kind if plan else None,
                    architecture=header.architecture,
                    quantization=header.quantization,
                    parameters=header.parameters if header.split_count == 1 else None,
                    abilities=_abilities(header),
                    pictures=plan.sees if plan else self.sees(model),
                )
            )
        return tuple(offered)

    def sees(self, model: Model) -> bool:
        """Whether a model that is not loaded would see pictures. What its setting names is not looked at."""
        wanted = effective(self._settings(), model.id).projector.strip()
        return model.sees if not wanted else wanted.casefold() != NO_PROJECTOR

    def _chosen_id(self, settings: Settings) -> str | None:
        """The id of the model that the settings choose; None if several have that name."""
        with suppress(AmbiguousError):
            return self._names().resolve(settings.model)
        return None

    def _named(self, asked: str, chosen_id: str | None) -> str | None:
        """The id of the model that has this name, or has it without Ollama's tag.

        `AmbiguousError` if several have it.
        """
        for name in filter(None, dict.fromkeys((asked, without_tag(asked)))):
            if chosen_id and self._is_chosen(name, chosen_id):
                return chosen_id
            if found := self._names().resolve(name):
                return found
        return None

    def _names(self) -> ModelNames:
        return self._library().known().names

    def _is_chosen(self, asked: str, chosen_id: str) -> bool:
        """Whether this is a name of the chosen model, which need not be in the models folder."""
        if _same(asked, chosen_id):
            return True
        aliases = aliases_of(self._settings()) if self._settings().models else {}
        return any(_same(alias, asked) and each == chosen_id for alias, each in aliases.items())

    def _refusal(
        self, asked: str, chosen_id: str | None, known: Installed, settings: Settings
    ) -> Unavailable | None:
        """Why no other model answers for a name that no installed model has; None if one may."""
        for name in filter(None, dict.fromkeys((asked, without_tag(asked)))):
            if error := known.error_of(name):
                return Unavailable(str(error), code=error.code)
            if missing := self._missing(name, known.names):
                return missing
        return self._unknown(asked, chosen_id) if settings.strict_models else None

    def _missing(self, asked: str, names: ModelNames) -> Unavailable | None:
        """Why a model that is known by this name does not answer: it has been removed, or not downloaded."""
        for entry in self._library().catalog:
            if _same(entry.id, asked):
                return Unavailable(
                    str(NotInstalledError(entry)),
                    code=ErrorCode.MODEL_NOT_DOWNLOADED,
                    status=HTTPStatus.NOT_FOUND,
                )
        gone = {each: file for each, file in self._seen.items() if each not in names.files}
        with suppress(AmbiguousError):
            if gone and (model_id := ModelNames(gone, names.aliases).resolve(asked)):
                return Unavailable(
                    f"The model {model_id!r} is gone: {gone[model_id]!r} is not in the models folder.",
                    code=ErrorCode.MODEL_FILE_MISSING,
                    status=HTTPStatus.NOT_FOUND,
                )
        return None

    def _default(self, settings: Settings, task: Purpose) -> str | None:
        """The id of the model for requests that name none; None for the chosen one."""
        reference = settings.default_chat if task is Purpose.CHAT else settings.default_embedding
        if not reference:
            return None
        model_id = self._names().resolve(reference)
        if model_id is None:
            raise ModelError(
                ErrorCode.MODEL_NOT_FOUND,
                phrase("The default model {name} is not installed", name=repr(reference)),
                "It answers requests that do not name an installed model.",
                "Download it, or choose another model in the settings.",
            )
        return model_id

    def _unknown(self, asked: str, chosen_id: str | None) -> Unavailable:
        ids = dict.fromkeys((*((chosen_id,) if chosen_id else ()), *self._names().files))
        listed = ", ".join(map(repr, list(ids)[:_MOST_NAMED])) or "none"
        return Unavailable(
            f"There is no model {asked!r} here. Installed: {listed}.",
            code=ErrorCode.MODEL_NOT_FOUND,
            status=HTTPStatus.NOT_FOUND,
        )


def _same(name: str, other: str) -> bool:
    """Whether two names mean the same model for a client."""
    return same_name(public_id(name)) == same_name(public_id(other))


class OneModel:
    """The models of a server that has the chosen one alone; see `Models`."""

    def look(self) -> None:
        """There is nothing to find."""

    def meant(self, asked: str, task: Purpose, chosen_id: str | None) -> None:
        """Every name means the chosen one."""

    def look_if_unknown(self, asked: str, chosen_id: str | None) -> None:
        """Nothing else can arrive."""

    def identify(self, asked: str, chosen_id: str | None) -> str | None:
        """The chosen one, by its id."""
        return chosen_id if asked == chosen_id else None

    def plan(self, model_id: str) -> LaunchPlan:
        """There is no other one."""
        raise LookupError(model_id)

    def offered(self, chosen_id: str | None, pool: PoolSnapshot, *, sleeps: bool) -> tuple[()]:
        """Nobody asks: the address is known to one command alone."""
        del chosen_id, pool, sleeps
        return ()


def _state(status: EngineStatus | None, *, sleeps: bool) -> str:
    if status is None:
        return "sleeping" if sleeps else "not loaded"
    state = status.engine.state
    if state is State.READY and status.heard and status.told:
        return LOADED
    if status.queued or (status.told and (state in _LOADING or not status.heard)):
        return "loading"
    if status.told and state in (State.FAILED, State.WAITING):
        return "failed"
    return "sleeping" if sleeps else "not loaded"


def _abilities(header: ModelHeader) -> tuple[str, ...]:
    """What a chat with this model may use, by its template. PowerInfer, which runs sparse ones, has no
    tools.
    """
    template = header.chat_template or ""
    found = {"tools": "tools" in template and not header.sparse, "thinking": _THINKS.search(template)}
    return tuple(name for name, has in found.items() if has)
