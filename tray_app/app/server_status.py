"""The server's state and the address that is really bound, as one value for all who show it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.lifecycle import State

if TYPE_CHECKING:
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.settings.schema import Settings


class ServerState(StrEnum):
    """The state of the server as people and clients see it: made of address, engine and wishes."""

    STOPPED = "stopped"
    """There is no address and no engine, and no start is under way."""
    PREPARING = "preparing"
    """A start is finding or downloading its model; the engine has not been told yet."""
    ASLEEP = "asleep"
    """The address is open; the engine is stopped until a request or a person starts it."""
    STARTING = "starting"
    """The engine's process is about to start, perhaps after an earlier one has ended."""
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    """The engine has ended by itself and will be started again."""
    WAITING = "waiting"
    """The engine will start when the drive or folder of its model is back."""
    STOPPING = "stopping"
    FAILED = "failed"
    """The engine has ended by itself, and starting it again would not help."""

    @property
    def gets_ready(self) -> bool:
        """Whether the engine will be ready soon without further action."""
        return self in _GETTING_READY

    @property
    def runs(self) -> bool:
        """Whether there is an engine, or one will start by itself."""
        return self.gets_ready or self in (ServerState.READY, ServerState.WAITING)


_GETTING_READY = (
    ServerState.PREPARING,
    ServerState.STARTING,
    ServerState.LOADING,
    ServerState.RESTARTING,
)


_OF_ENGINE = {
    State.STOPPED: ServerState.STOPPED,
    State.STARTING: ServerState.STARTING,
    State.LOADING: ServerState.LOADING,
    State.READY: ServerState.READY,
    State.STOPPING: ServerState.STOPPING,
    State.BACKOFF: ServerState.RESTARTING,
    State.WAITING: ServerState.WAITING,
    State.FAILED: ServerState.FAILED,
}
_ENDED = (State.STOPPED, State.STOPPING, State.FAILED)


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The server at one moment."""

    state: ServerState = ServerState.STOPPED
    base_url: str | None = None
    """The base URL for clients on this computer, such as `http://127.0.0.1:8080/v1`; None while no address is
    open.

    It is the bound address; the settings may already say another one.
    """

    @property
    def port(self) -> int | None:
        """The port that is bound; None while no address is open."""
        return port_of(self.base_url)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `Server` wants of the engine."""

    asleep: bool = False
    starting: bool = False
    """A start is under way and has not told the engine yet."""
    told: bool = False
    """The engine was told to run, but its snapshot does not show that yet."""
    awaits_drive: bool = False


def server_state(engine: EngineSnapshot, wishes: Wishes, *, is_open: bool) -> ServerState:
    """The server's state. While an idle engine is being stopped, the server already counts as asleep."""
    succeeds = engine.state is State.STOPPING and engine.plan  # while STOPPING, `plan` is the one to run next
    if succeeds or (wishes.told and engine.state is not State.READY):
        return ServerState.STARTING
    if engine.state not in _ENDED and not wishes.asleep:
        return _OF_ENGINE[engine.state]
    if wishes.starting:
        return ServerState.PREPARING
    if wishes.asleep:
        return ServerState.ASLEEP if is_open else ServerState.STOPPED
    return ServerState.WAITING if wishes.awaits_drive else _OF_ENGINE[engine.state]


def port_of(base_url: str | None) -> int | None:
    """The port of a URL; None if there is no URL."""
    return urlsplit(base_url).port if base_url else None


def planned_url(settings: Settings) -> str:
    """The base URL that a start would open. Another program may have that port."""
    from tray_app.system.ports import LOOPBACK  # which loads much, and who only names a state needs nothing

    return f"http://{LOOPBACK}:{settings.port}/v1"
