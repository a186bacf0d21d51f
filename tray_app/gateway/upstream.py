"""What the gateway must know of the engine behind it, as values. Pure.

The package `app` makes these values; the package `engine` is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tray_app.models.header import Purpose
from tray_app.system.engine_id import MAIN_ENGINE, RunId

if TYPE_CHECKING:
    from concurrent.futures import Future


ENGINE_UNAVAILABLE = "engine_unavailable"
"""What clients are told where no cause is known, or it is a remote server's own."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """An engine that answers requests now.

    `base_url` ends without a slash; OpenAI's routes are below it at `api_path`. `model_id` is the model's
    name for clients; `model_name` is for people and shows the model's family. `context_size` is the number of
    tokens that the engine was started with, `trained_context` the number that the model was trained for; 0 if
    unknown. `models` are the models of a remote server, `key` is the key that the engine asks for, `run`
    tells each process of each engine from all others, and `purpose` what the model is for.
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

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request to the engine must have."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def is_remote(self) -> bool:
        """Whether it is a remote server, of which only OpenAI's routes are known."""
        return bool(self.models)

    def url(self, path: str) -> str:
        """The engine's URL for the gateway's `path`; a remote server has all routes below `api_path`."""
        tail = path.removeprefix("/v1")
        return self.base_url + (path if tail == path and not self.is_remote else self.api_path + tail)

    def model_ids(self) -> tuple[str, ...]:
        """The ids in the list of models for clients."""
        return tuple(map(public_id, self.models)) or (self.model_id,)

    def upstream_model(self, asked: object) -> str:
        """The engine's name for the model that a client asked for; its default if it has no such model."""
        for name in self.models:
            if asked in (name, public_id(name)):
                return name
        return self.models[0] if self.models else self.model_id

    def response_model(self, asked: object) -> str:
        """The model's name in an answer: the one in the request, because some clients compare them."""
        return asked if isinstance(asked, str) and asked else self.model_id


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No engine answers now. `retry_after_s`: when to ask again; None if waiting does not help.

    `reason` is for people, `code` for programs: that of the error that is the cause.
    `held`: a request waits until the engine answers, and starts it if it sleeps: see `Backend.wake`.
    `models`: what clients of a sleeping engine are offered.
    """

    reason: str
    retry_after_s: int | None = None
    held: bool = False
    models: tuple[str, ...] = ()
    code: str = ENGINE_UNAVAILABLE


class Backend(Protocol):
    """The engine as the gateway sees it. Called on the gateway's thread; every method returns at once."""

    def find(self) -> Upstream | Unavailable:
        """The engine that answers now, or why there is none. Called for each request."""

    def wake(self) -> Future[None]:
        """Start the engine if it is asleep. The future is done when it answers, or has an `AppError` if it
        does not.

        Each call has its own future, which is cancelled when its client disconnects.
        """

    def suspect(self, run: RunId) -> None:
        """Report that the engine of this run was silent for too long during a request."""

    def suspend_if_idle(self) -> None:
        """Stop the engine, because there were no requests for as long as the settings say."""


def public_id(name: str) -> str:
    """A model's name without ":", which AI Kit uses as a separator."""
    return name.replace(":", "-")
