"""What the gateway must know of the engines behind it, as values. Pure.

The package `app` makes these values; the package `engine` is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from tray_app.models.header import Purpose
from tray_app.system.engine_id import MAIN_ENGINE, RunId

if TYPE_CHECKING:
    from concurrent.futures import Future

ENGINE_UNAVAILABLE = "engine_unavailable"
"""What clients are told where no cause is known, or it is a remote server's own."""

_QUERIES = ("query", "search_query")
_DOCUMENTS = ("document", "passage", "search_document")
"""`input_type` as Cohere, Voyage, Jina and NVIDIA have it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of an engine: where it answers, and its run."""

    base_url: str
    run: RunId


@dataclass(frozen=True, slots=True)
class Upstream:
    """An engine that answers requests now.

    `base_url` ends without a slash; OpenAI's routes are below it at `api_path`. `model_id` is the model's
    name for clients; `model_name` is for people and shows the model's family. `context_size` is the number of
    tokens that the engine was started with, `trained_context` the number that the model was trained for; 0 if
    unknown. `models` are the models of a remote server, `key` is the key that the engine asks for, `run`
    tells each process of each engine from all others, and `purpose` what the model is for. `temperature` is
    for requests that name none. `workers` are the processes that answer for this engine where it has several.
    `cuts_vectors`: whether the model was trained for vectors with fewer dimensions. `prefix_query` and
    `prefix_document` stand before texts of these kinds.
    """

    base_url: str
    speaks_openai: bool
    model_id: str
    model_name: str
    context_size: int = 0
    api_path: str = "/v1"
    chat_template: str | None = None
    models: tuple[str, ...] = ()
    key: str = field(default="", repr=False)
    run: RunId = RunId(MAIN_ENGINE, 0)  # noqa: RUF009  immutable
    trained_context: int = 0
    purpose: Purpose = Purpose.CHAT
    temperature: float = 0.7
    workers: tuple[Worker, ...] = ()
    cuts_vectors: bool = False
    prefix_query: str = ""
    prefix_document: str = ""

    @property
    def processes(self) -> tuple[Worker, ...]:
        """The processes that answer now, each of them equally well."""
        return self.workers or (Worker(self.base_url, self.run),)

    def at(self, worker: Worker) -> Upstream:
        """The engine with one of its processes alone."""
        return replace(self, base_url=worker.base_url, run=worker.run, workers=()) if self.workers else self

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request to the engine must have."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def is_remote(self) -> bool:
        """Whether it is a remote server, of which only OpenAI's routes are known."""
        return bool(self.models)

    def prefix(self, input_type: object) -> str:
        """What stands before texts of the kind that a request for embeddings names; empty for others."""
        if input_type in _QUERIES:
            return self.prefix_query
        return self.prefix_document if input_type in _DOCUMENTS else ""

    def url(self, path: str) -> str:
        """The engine's URL for the gateway's `path`; a remote server has all routes below `api_path`."""
        tail = path.removeprefix("/v1")
        return self.base_url + (path if tail == path and not self.is_remote else self.api_path + tail)

    def model_ids(self) -> tuple[str, ...]:
        """The ids in the list of models for clients."""
        return tuple(map(public_id, self.models)) or (self.model_id,)

    def upstream_model(self, asked: object) -> str:
        """The engine's name for the model that a client asked for; its default if it has no such model."""
        wanted = (asked, without_tag(asked)) if isinstance(asked, str) else ()
        for name in self.models:
            if name in wanted or public_id(name) in wanted:
                return name
        return self.models[0] if self.models else self.model_id

    def response_model(self, asked: object) -> str:
        """The model's name in an answer: the one in the request, because some clients compare them."""
        return asked if isinstance(asked, str) and asked else self.model_id


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No engine answers now. `retry_after_s`: when to ask again; None if waiting does not help.

    `reason` is for people, `code` for programs: that of the error that is the cause. `status` is that of the
    answer: 404 where there is no such model.
    `held`: a request waits until the engine answers, and starts it if it sleeps: see `Backend.acquire`.
    """

    reason: str
    retry_after_s: int | None = None
    held: bool = False
    code: str = ENGINE_UNAVAILABLE
    status: int = HTTPStatus.SERVICE_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model that requests can name. None: not known.

    `created` is when its file was, in seconds since 1970; `kind` what it is for, `state` how far it is:
    "loaded", "loading", "sleeping", "not loaded" or "failed". `dimensions` are those of its vectors.
    `architecture` and `quantization` (how the weights are stored) are the file's own words, empty if not
    known; `parameters` is the number of weights. `abilities`: of "tools" and "thinking", what a chat may use;
    `pictures`: whether it may have pictures.
    """

    id: str
    created: int
    state: str
    kind: str
    context: int | None = None
    dimensions: int | None = None
    size_bytes: int | None = None
    engine: str | None = None
    architecture: str = ""
    quantization: str = ""
    parameters: int | None = None
    abilities: tuple[str, ...] = ()
    pictures: bool = False


LOADED = "loaded"
"""The state of a model whose engine answers."""


class Lease(Protocol):
    """The right to ask an engine, which is not unloaded meanwhile."""

    @property
    def upstream(self) -> Upstream:
        """The engine."""

    def release(self) -> None:
        """Give the engine back. Any thread; called once."""


class Backend(Protocol):
    """The engines as the gateway sees them. Called on the gateway's thread; every method returns at once."""

    def acquire(self, asked: str, task: Purpose) -> Lease | Unavailable | Future[Lease | Unavailable]:
        """The engine of the model that a request names, or why there is none.

        `asked` is the request's `model`, empty if it names none; `task` decides what that means, and what an
        unknown name means. A future for a model that is being loaded, or must be first; it has an `AppError`
        if that fails. It is cancelled if the client leaves, which gives its place up.
        """

    def look(self, asked: str = "", task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        """As `acquire`, but without loading or leasing anything."""

    def offered(self) -> tuple[OfferedModel, ...]:
        """All models that requests can name. Loads nothing."""

    def identify(self, asked: str) -> str | None:
        """The id of the offered model of this name; None if there is none."""

    def suspect(self, run: RunId) -> None:
        """Report that the engine of this run was silent for too long during a request."""

    def unload_idle(self) -> float | None:
        """Unload each engine that nobody has asked for as long as its settings say.

        Returns in how many seconds the next may be due, at the earliest: one at work or being loaded counts
        as if it became idle now. None if no engine ever is.
        """


def public_id(name: str) -> str:
    """A model's name without ":", which AI Kit uses as a separator."""
    return name.replace(":", "-")


def without_tag(name: str) -> str:
    """A model's name without the tag that Ollama's clients add to names that have none."""
    return name.removesuffix(":latest")
