"""Keeps engine and public address as people, clients and settings want them. Any thread.

    stopped: no address, no engine ── start ──▶ serving ── nobody asks for long ──▶ asleep: address, no engine
        ▲                                        │   ▲                                  │
        └──────────────── stop ──────────────────┘   └─────────── a request ────────────┘

A person's stop wins: it closes the address, so that no request can start anything.
"""

from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.kinds import EngineKind
from tray_app.engine.lifecycle import State
from tray_app.engine.plan import LaunchPlan, RemotePlan
from tray_app.errors import AppError, EngineError, Fix, SettingsError
from tray_app.gateway.listener import EVERYWHERE, LOOPBACK
from tray_app.gateway.rules import Rules
from tray_app.gateway.server import Gateway
from tray_app.gateway.upstream import Unavailable, Upstream, offered_id
from tray_app.settings.keys import GATEWAY
from tray_app.system.drives import DriveGoneError, Return
from tray_app.system.ports import PortInUseError, nearest_free_port, port_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.engine.plan import Plan
    from tray_app.engine.supervisor import EngineSnapshot, Supervisor
    from tray_app.gateway.counters import Traffic
    from tray_app.settings.schema import Settings
    from tray_app.system.keychain import Secrets
    from tray_app.system.ports import PortError

_RETRY_AFTER_S = 2
_MINUTE_S = 60.0
_LOOK_FOR_DRIVE_S = 1.0
_SETTLED = (State.READY, State.WAITING, State.FAILED, State.STOPPED)
_ON_ITS_WAY = (State.STARTING, State.LOADING, State.BACKOFF)

_logger = logging.getLogger(__name__)


class Planner(Protocol):
    """What the settings ask for now."""

    def __call__(self, *, download: bool) -> Plan:
        """The plan; `AppError` if there can be none. `download`: fetch a model that is missing first."""


class Serving:
    """The engine behind its public address.

    `settings` gives those in force, `plan` what they ask for, and `announce` is called after each change of
    the address.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        settings: Callable[[], Settings],
        secrets: Secrets,
        plan: Planner,
        announce: Callable[[], None],
    ) -> None:
        self._supervisor = supervisor
        self._settings = settings
        self._secrets = secrets
        self._plan = plan
        self._announce = announce
        self._gateway = Gateway(self, lambda: self._rules)
        self._rules = Rules()
        self._starting = threading.Lock()  # held through a whole start, a download included
        self._lock = threading.Lock()  # guards the wish below; the gateway's thread must never wait for it
        self._wanted = False
        self._asleep = False
        self._offered: tuple[str, ...] = ()
        self._waking: Future[None] | None = None
        self._return: Return | None = None
        self.problem: AppError | None = None
        """Why the last start did not get as far as the engine."""
        supervisor.changed.connect(self._begin_to_idle)

    @property
    def is_open(self) -> bool:
        """Whether the public address can be asked."""
        return self._gateway.base_url is not None

    @property
    def asleep(self) -> bool:
        """Whether the engine is stopped until a request comes, or a person starts it."""
        return self._asleep

    def traffic(self) -> Traffic:
        """What clients have asked for."""
        return self._gateway.traffic()

    def start(self) -> None:
        """Offer what the settings ask for; nothing if it is offered already. `AppError` as `plan`."""
        with self._lock:
            self._wanted = True
        self._bring_up()

    def stand_by(self) -> None:
        """Offer the address and leave the engine asleep; nothing if the server is there already."""
        with self._lock:
            if self._wanted:
                return
            self._wanted = self._asleep = True
        try:
            self._open()
            self._foresee_models()
        except AppError as exc:
            self.stop()
            self.problem = exc
            raise

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop the engine and close the address; also calls off a start that is under way."""
        with self._lock:
            self._wanted = self._asleep = False
            self._wait_no_more()
            self._supervisor.stop()
            self._gateway.close(timeout_s)
        self._announce()

    def restart(self) -> None:
        """Stop the engine if it runs, then `start`."""
        self._supervisor.stop()
        self.start()

    def adopt(self) -> None:
        """Act on settings or keys that have changed. `AppError` if that cannot be done."""
        self.problem = None
        if self._asleep:
            self._open()
            self._foresee_models()
        elif self._wanted:
            self.start()
        else:
            self._current_rules()  # says now what would be in the way of a start

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """What runs, once it answers; `EngineError` if it is given up, waits, was stopped or time is over."""
        snapshot = self._supervisor.wait_for(_SETTLED, timeout_s)
        if snapshot.state is State.READY and snapshot.plan:
            return snapshot.plan
        raise snapshot.failure or EngineError(
            "The server is not ready", "It was stopped, or did not get ready in time."
        )

    def find(self) -> Upstream | Unavailable:
        """See `Backend`."""
        engine = self._supervisor.glance()
        if engine.state is State.READY and not self._asleep:
            match engine.plan:
                case LaunchPlan():
                    return _local(engine, engine.plan)
                case RemotePlan():
                    return _remote(engine, engine.plan)
                case None:
                    pass
        on_demand = self._settings().start_on_demand
        if self._asleep:
            hint = "Send a request to start it." if on_demand else "Start it in the app."
            return Unavailable(f"The server sleeps. {hint}", wakes=on_demand, models=self._offered)
        waiting = engine.state in _ON_ITS_WAY
        why = engine.failure.title if engine.state is State.WAITING and engine.failure else engine.state
        return Unavailable(
            f"The model is not ready ({why}).",
            _RETRY_AFTER_S if waiting else None,
            wakes=on_demand and self._wanted and engine.state is not State.FAILED,
        )

    def wake(self) -> Future[None]:
        """See `Backend`: one start for all requests that come meanwhile."""
        if self._waking is None or self._waking.done():
            self._waking = Future()
            threading.Thread(target=self._wake, args=(self._waking,), name="wake", daemon=True).start()
        return self._waking

    def suspect(self, run: int) -> None:
        """See `Backend`."""
        self._supervisor.check(run)

    def rest(self) -> None:
        """See `Backend`. A remote server costs nothing here, so it is left alone."""
        if not self._lock.acquire(blocking=False):
            return  # somebody starts or stops the server just now
        try:
            engine = self._supervisor.glance()
            if engine.state is State.READY and isinstance(engine.plan, LaunchPlan):
                self._asleep, self._offered = True, _models_of(engine.plan)
                self._supervisor.stop()
        finally:
            self._lock.release()

    def _begin_to_idle(self, engine: EngineSnapshot) -> None:
        """Loading may take longer than an engine may be idle: the time begins when it is ready."""
        if engine.state is State.READY:
            self._gateway.stay_awake()

    def _wake(self, done: Future[None]) -> None:
        try:
            self._bring_up()
            self.wait_until_ready()
        except Exception as exc:  # noqa: BLE001 - the top of a thread: whoever waits must hear of it
            done.set_exception(exc)
        else:
            done.set_result(None)

    def _bring_up(self) -> None:
        with self._starting:
            try:
                self.problem = None
                with self._lock:
                    self._wait_no_more()
                self._open()
                plan = self._plan(download=True)
            except AppError as exc:
                self.problem = exc
                self._close_if_of_no_use()
                self._announce()
                if isinstance(exc, DriveGoneError):
                    self._await(exc.place)
                raise
            with self._lock:
                if self._wanted:
                    self._gateway.stay_awake()
                    self._supervisor.ensure(plan)
                    self._asleep = False

    def _await(self, place: Path) -> None:
        """Start when a drive is there that was not, unless somebody stops or starts the server before."""
        with self._lock:
            if self._wanted:
                self._return = Return("drive-return", place, self._start_again, _LOOK_FOR_DRIVE_S)

    def _wait_no_more(self) -> None:
        if self._return:
            self._return.cancel()
            self._return = None

    def _start_again(self) -> None:
        with suppress(AppError):  # it is kept as the problem
            self._bring_up()

    def _open(self) -> None:
        settings = self._settings()
        host = listening_address(settings)
        rules = self._current_rules()
        with self._lock:
            if not self._wanted:
                return
            place = (f"http://{LOOPBACK}:{settings.port}/v1", host)
            if (self._gateway.base_url, self._gateway.host) == place:
                self._rules = rules
                return
            moves = self._gateway.base_url != place[0]
            if moves and (obstacle := port_obstacle(settings.port, host)):
                raise obstacle
            self._gateway.close()
            self._rules = (
                rules  # not before: an address in the network must not lose its key while it is open
            )
            try:
                self._gateway.open(settings.port, host)
            except OSError as exc:
                raise _refused(settings.port, host) from exc
        self._announce()

    def _close_if_of_no_use(self) -> None:
        with self._lock:
            if not self._asleep and self._supervisor.glance().state in (State.STOPPED, State.FAILED):
                self._gateway.close()

    def _current_rules(self) -> Rules:
        settings = self._settings()
        network = settings.network == "lan"
        key = check_key(settings, self._secrets)
        return Rules(
            temperature=settings.temperature,
            key=key,
            origins=tuple(origin.rstrip("/") for origin in settings.allowed_origins),
            network=network,
            names=_names_of_this_computer() if network else (),
            native_routes=settings.native_routes,
            metrics=settings.metrics,
            idle_after_s=_MINUTE_S * settings.idle_minutes or None,
        )

    def _foresee_models(self) -> None:
        """Work out what a sleeping server offers; nothing if even that cannot be told yet."""
        try:
            self._offered = _models_of(self._plan(download=False))
        except AppError as exc:
            _logger.info("What will be served is not known yet: %s", exc.title)
            self._offered = ()


def _refused(port: int, host: str) -> PortError:
    """Why a port could not be had just now, even if whoever took it has gone again."""
    return port_obstacle(port, host) or PortInUseError(port, (), nearest_free_port(port))


def listening_address(settings: Settings) -> str:
    """The address of this machine that the server listens on."""
    return EVERYWHERE if settings.network == "lan" else LOOPBACK


def client_key(settings: Settings, secrets: Secrets) -> str:
    """What clients must show; empty where none is asked for. `AppError` if the keychain refuses to tell."""
    return (secrets.get(GATEWAY.name) or "") if settings.network == "lan" else ""


def check_key(settings: Settings, secrets: Secrets) -> str:
    """As `client_key`; `SettingsError` if one is needed and there is none."""
    key = client_key(settings, secrets)
    if settings.network == "lan" and not key:
        raise SettingsError(
            "The local network needs an API key",
            "Without one, everybody in the network could use this server.",
            "Choose one: in the settings under Network, or with powerinfer-tray key set gateway",
            fix=Fix.SETTING,
            setting=GATEWAY.name,
        )
    return key


def _models_of(plan: Plan) -> tuple[str, ...]:
    return (plan.model.id,) if isinstance(plan, LaunchPlan) else ()


def _local(engine: EngineSnapshot, plan: LaunchPlan) -> Upstream:
    return Upstream(
        base_url=engine.base_url or "",
        speaks_openai=plan.engine.kind is not EngineKind.POWERINFER,
        model_id=plan.model.id,
        model_name=plan.model.name,
        context_size=plan.context_size,
        chat_template=plan.model.header.chat_template,
        run=engine.run,
        purpose=plan.purpose,
    )


def _remote(engine: EngineSnapshot, plan: RemotePlan) -> Upstream:
    base_url = plan.url.removesuffix("/v1")
    return Upstream(
        base_url=base_url,
        speaks_openai=True,
        model_id=offered_id(engine.models[0]),
        model_name=engine.models[0],
        api_path=plan.url.removeprefix(base_url),
        models=engine.models,
        key=plan.key,
        run=engine.run,
    )


def _names_of_this_computer() -> tuple[str, ...]:
    """What other computers call this one: its name, and that of multicast DNS."""
    full = socket.gethostname().lower()
    short = full.partition(".")[0]
    return tuple({full, short, f"{short}.local"})
