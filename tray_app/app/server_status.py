"""Where in its life the server is, and the address that it really has: one value for everyone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.lifecycle import State
from tray_app.gateway.listener import LOOPBACK

if TYPE_CHECKING:
    from tray_app.engine.supervisor import EngineSnapshot
    from tray_app.settings.schema import Settings


class ServerState(StrEnum):
    """The server as people and clients meet it: address, engine and what is wished, together."""

    STOPPED = "stopped"
    """There is no address and no engine, and nothing is under way."""
    PREPARING = "preparing"
    """A start has not reached the engine yet: its model is looked for, or downloaded."""
    ASLEEP = "asleep"
    """The address is open and the engine is stopped until a request, or a person, starts it."""
    STARTING = "starting"
    """The engine's process is about to exist, perhaps once that of before has ended."""
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    """The engine has ended by itself and will be started again."""
    WAITING = "waiting"
    """The engine is started when the drive or folder of its model is there again."""
    STOPPING = "stopping"
    FAILED = "failed"
    """The engine has ended by itself, and starting it again would not help."""

    @property
    def gets_ready(self) -> bool:
        """Whether requests are answered soon without anybody's doing."""
        return self in _GETTING_READY

    @property
    def runs(self) -> bool:
        """Whether there is an engine, or one is wanted and comes by itself."""
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
    """What clients on this computer are given, `http://127.0.0.1:8080/v1`; None while no address is open.

    It is the address that is bound, whatever the settings say by now.
    """

    @property
    def port(self) -> int | None:
        """The port that is bound; None while no address is open."""
        return port_of(self.base_url)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `Server` has in mind for the engine."""

    asleep: bool = False
    starting: bool = False
    """A start is under way that has not reached the engine yet."""
    told: bool = False
    """The engine has been told to run, and has not heard it yet."""
    awaits_drive: bool = False


def server_state(engine: EngineSnapshot, wishes: Wishes, *, is_open: bool) -> ServerState:
    """The server's state. An engine that is told to stop because nobody asks for it is asleep at once."""
    succeeds = engine.state is State.STOPPING and engine.plan  # which is that of the engine to come
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
    """The port of an address; None without one."""
    return urlsplit(base_url).port if base_url else None


def planned_url(settings: Settings) -> str:
    """The address that a start would open, if it can be had: until then another program may have it."""
    return f"http://{LOOPBACK}:{settings.port}/v1"
