"""What the gateway must know of the engine behind it, as values. Pure.

The engine room knows far more (states, plans, processes); the composition root makes one of these of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tray_app.models.header import Purpose
from tray_app.system.engine_id import MAIN_ENGINE, RunId

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True)
class Upstream:
    """An engine that answers requests now.

    `base_url` ends without a slash; OpenAI's routes are below it at `api_path`. `model_id` is what clients
    are told; `model_name` is for people and tells the model's family. `context_size` is the number of tokens
    that the engine was started with, `trained_context` what the model was made for; 0 where one is not known.
    `models` are a remote server's own names, `key` is what it or the run of an engine asks for, and `run`
    tells each process of each engine from all others. `purpose` is what the model was made for.
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
        """What every request to it must have."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    @property
    def is_remote(self) -> bool:
        """Whether it is somebody else's server, of which only OpenAI's routes are known."""
        return bool(self.models)

    def url(self, path: str) -> str:
        """Where the engine has what the gateway offers at `path`; a remote one has all of it below one."""
        tail = path.removeprefix("/v1")
        return self.base_url + (path if tail == path and not self.is_remote else self.api_path + tail)

    def model_ids(self) -> tuple[str, ...]:
        """What clients are offered."""
        return tuple(map(public_id, self.models)) or (self.model_id,)

    def upstream_model(self, asked: object) -> str:
        """What the engine calls the model that a client asked for; the usual one if it has no such model."""
        for name in self.models:
            if asked in (name, public_id(name)):
                return name
        return self.models[0] if self.models else self.model_id

    def response_model(self, asked: object) -> str:
        """The model's name in an answer: what the client asked for, because some compare."""
        return asked if isinstance(asked, str) and asked else self.model_id


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No engine answers now. `retry_after_s`: when to ask again; None if waiting alone does not help.

    `held`: a request waits until the engine answers, and starts it if it sleeps: see `Backend.wake`.
    `models`: what clients of a sleeping engine are offered.
    """

    reason: str
    retry_after_s: int | None = None
    held: bool = False
    models: tuple[str, ...] = ()


class Backend(Protocol):
    """The engine as the gateway's thread sees it. Every method returns at once."""

    def find(self) -> Upstream | Unavailable:
        """The engine that answers now, or why none does. Called for each request."""

    def wake(self) -> Future[None]:
        """Start the engine if it sleeps; done when it answers, or an `AppError` if it will not.

        Each call has a future of its own, which may be cancelled when nobody waits any more.
        """

    def suspect(self, run: RunId) -> None:
        """The engine of this run has been silent for too long over a request."""

    def suspend_if_idle(self) -> None:
        """Nobody has asked for anything for as long as the settings say."""


def public_id(name: str) -> str:
    """A model's name without ":", which has a meaning of its own for AI Kit."""
    return name.replace(":", "-")
