"""Keeps engine and public address as people, clients and settings want them. Any thread.

    stopped ── start ──▶ preparing ── the engine is told ──▶ starting … ready ── nobody asks ──▶ asleep
       ▲                    │ ▲                                           │                          │
       └────── stop ────────┴─┼───────────────────────────────────────────┘                          │
                              └─────────────────── a request, or a person ───────────────────────────┘

A start is a job: a newer wish replaces it, and a stop calls it off. What is wished is decided under one lock
that is never held over anything slow: no look for a model, no download, no binding of an address. A person's
stop wins: it closes the address, so that no request can start anything.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tray_app.app.public_address import PublicAddress
from tray_app.app.server_status import ServerState, ServerStatus, Wishes, server_state
from tray_app.app.start_job import StartCalledOffError, StartJob
from tray_app.engine.kinds import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.errors import AppError, EngineError
from tray_app.gateway.upstream import Unavailable, Upstream, public_id
from tray_app.system.drives import DriveGoneError, PathWatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.supervisor import EngineSnapshot, Supervisor
    from tray_app.gateway.counters import Traffic
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings

_RETRY_AFTER_S = 2
_SETTLED = (State.READY, State.WAITING, State.FAILED, State.STOPPED)

_logger = logging.getLogger(__name__)


class Planner(Protocol):
    """What the settings ask for now."""

    def __call__(self, start: StartJob | None) -> Plan:
        """The plan; `AppError` if there can be none.

        For a `start`, a model that is missing is downloaded first, for as long as that start is not over.
        """


@dataclass(frozen=True, slots=True)
class ServerDelays:
    """Every delay of `Server`."""

    idle_minute_s: float = 60.0
    """How long a minute of the setting `idle_minutes` is."""
    look_for_drive_s: float = 1.0
    try_again_s: float = 60.0
    """An engine that was given up is tried again for a request that comes so long afterwards."""


class Server:
    """The engine behind its public address.

    `settings` gives those in force, `model_settings` the same for the chosen model, `plan` what they ask for,
    and `announce` is called after each change of the server's status.
    """

    def __init__(  # noqa: PLR0913 - all are named where it is made
        self,
        supervisor: Supervisor,
        *,
        settings: Callable[[], Settings],
        model_settings: Callable[[], Settings],
        secrets: KeyStore,
        plan: Planner,
        announce: Callable[[], None],
        delays: ServerDelays | None = None,
    ) -> None:
        self._supervisor = supervisor
        self._settings = settings
        self._plan = plan
        self._announce = announce
        self._delays = delays or ServerDelays()
        self._address = PublicAddress(self, model_settings, secrets, self._delays.idle_minute_s)
        self._lock = threading.Lock()  # guards the wishes below, and is held for moments only
        self._wanted = False
        self._asleep = False
        self._told: Plan | None = None
        self._job: StartJob | None = None
        self._problem: AppError | None = None
        self._return: PathWatcher | None = None
        self._offered: tuple[str, ...] = ()
        self._waiting: list[Future[None]] = []
        supervisor.changed.connect(self._begin_to_idle)

    def look(self) -> tuple[ServerStatus, EngineSnapshot]:
        """The server now, and the engine at the same moment."""
        with self._lock:
            return self._look()

    @property
    def problem(self) -> AppError | None:
        """Why the last start did not get as far as the engine; None after a newer wish."""
        return self._problem

    def access(self) -> tuple[str, str]:
        """The address that is bound, and the key that clients must show there. `GatewayError` without one."""
        return self._address.access()

    def traffic(self) -> Traffic:
        """What clients have asked for."""
        return self._address.traffic()

    def start(self) -> None:
        """Offer what the settings ask for; the engine goes on if it runs with that already.

        Returns when the engine has been told, by this start or by one that came later. `AppError` as `plan`,
        `StartCalledOffError` if a stop came before.
        """
        with self._lock:
            self._wanted = True
            job = self._begin(wakes=True)
        self._perform(job)

    def stand_by(self) -> None:
        """Offer the address and leave the engine asleep; nothing if the server is there already."""
        with self._lock:
            if self._wanted:
                return
            self._wanted = self._asleep = True
            job = self._begin(wakes=False)
        self._perform(job)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop the engine and close the address; also calls off a start that is under way."""
        with self._lock:
            self._wanted = self._asleep = False
            self._problem = None
            self._stop_engine()
            self._cancel_drive_wait()
            if self._job:
                self._job.end.set_exception(StartCalledOffError())
                self._job = None
            self._answer(self._waiting, StartCalledOffError())
        self._address.close_if(self._is_unwanted, timeout_s)
        self._announce()

    def restart(self) -> None:
        """Stop the engine if it runs, then `start`."""
        with self._lock:
            self._wanted = True
            job = self._begin(wakes=True)
            self._stop_engine()
        self._perform(job)

    def apply_settings(self) -> None:
        """Act on settings or keys that have changed. `AppError` if that cannot be done.

        A server that sleeps goes on sleeping. Of one that is stopped, only what would be in the way is said.
        """
        with self._lock:
            self._problem = None
            waking = self._job is not None and self._job.wakes
            job = self._begin(wakes=waking or not self._asleep) if self._wanted else None
        if job is None:
            self._address.check()
            return
        with suppress(StartCalledOffError):  # the settings are adopted, and the server is stopped
            self._perform(job)

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """What runs, once it answers; `AppError` if it is given up, waits, was stopped or time is over."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            with suppress(TimeoutError):
                if job := self._job:
                    job.wait(max(0.0, left_s))
            engine = self._supervisor.wait_for(_SETTLED, max(0.0, left_s))
            if engine.state is State.READY and engine.plan:
                return engine.plan
            if left_s <= 0:
                raise EngineError("The server is not ready", "It did not get ready in time.")
            server, _ = self.look()
            if not server.state.gets_ready:
                raise engine.failure or EngineError("The server is not ready", "It was stopped.")

    def find(self) -> Upstream | Unavailable:
        """See `Backend`."""
        server, engine = self.look()
        on_demand = self._settings().start_on_demand
        match server.state, engine.plan:
            case ServerState.READY, LaunchPlan() as plan:
                return _local(engine, plan)
            case ServerState.READY, RemotePlan() as plan:
                return _remote(engine, plan)
            case ServerState.ASLEEP, _:
                hint = "Send a request to start it." if on_demand else "Start it in the app."
                return Unavailable(f"The server sleeps. {hint}", held=on_demand, models=self._offered)
            case ServerState.WAITING, _:
                return Unavailable(_not_ready(engine, server), held=on_demand)
            case ServerState.FAILED, _:
                rest_s = math.ceil(self._rest_s(engine)) if engine.gave_up else None
                return Unavailable(_not_ready(engine, server), rest_s or None, held=rest_s == 0)
            case state, _:
                held = state.gets_ready
                return Unavailable(
                    f"The model is not ready ({state}).", _RETRY_AFTER_S if held else None, held=held
                )

    def wake(self) -> Future[None]:
        """See `Backend`: one thread waits for the engine on behalf of all requests that do."""
        waiting: Future[None] = Future()
        with self._lock:
            alone = not self._waiting
            self._waiting[:] = [each for each in self._waiting if not each.cancelled()] + [waiting]
            together = self._waiting
        if alone:
            threading.Thread(target=self._wake, args=(together,), name="wake", daemon=True).start()
        return waiting

    def suspect(self, run: int) -> None:
        """See `Backend`."""
        self._supervisor.check(run)

    def suspend_if_idle(self) -> None:
        """See `Backend`. A remote server costs nothing here, so it is left alone."""
        with self._lock:
            engine = self._supervisor.glance()
            if self._job or not self._supervisor.has_heard or engine.state is not State.READY:
                return  # somebody starts or stops the server just now
            if isinstance(engine.plan, LaunchPlan):
                self._asleep, self._offered = True, _models_of(engine.plan)
                self._stop_engine()

    def _look(self) -> tuple[ServerStatus, EngineSnapshot]:
        """With the lock held."""
        wishes = Wishes(
            asleep=self._asleep,
            starting=self._job is not None and self._job.wakes,
            told=self._told is not None and not self._supervisor.has_heard,
            awaits_drive=self._return is not None,
        )
        engine = self._supervisor.glance()  # after the question whether it has heard
        base_url = self._address.base_url
        state = server_state(engine, wishes, is_open=base_url is not None)
        return ServerStatus(state, base_url), engine

    def _begin(self, *, wakes: bool) -> StartJob:
        """A start in place of any other that is under way. With the lock held."""
        job, old = StartJob(wakes=wakes), self._job
        self._job, self._problem = job, None
        self._cancel_drive_wait()
        if old:
            old.end.set_result(job)
        return job

    def _perform(self, job: StartJob) -> None:
        """Do what a start is to do, as long as it is the newest wish; returns when that one is fulfilled."""
        try:
            if self._address.open(unless=lambda: job.is_over):
                self._announce()
            if not job.is_over:
                self._carry_out(job)
        except AppError as exc:
            self._fail(job, exc)
        except BaseException:  # a defect, or Ctrl-C: nobody must wait for this start any more
            self._fail(job, StartCalledOffError())
            raise
        job.wait()

    def _carry_out(self, job: StartJob) -> None:
        if job.wakes:
            self._tell(job, self._plan(job))
        else:
            self._predict_models(job)

    def _tell(self, job: StartJob, plan: Plan) -> None:
        with self._lock:
            if self._job is not job:
                return
            self._job, self._asleep = None, False
            self._told = plan
            self._address.stay_awake()
            self._supervisor.ensure(plan)
        job.end.set_result(None)
        self._announce()

    def _predict_models(self, job: StartJob) -> None:
        """Work out what a sleeping server offers; nothing if even that cannot be told yet."""
        try:
            offered = _models_of(self._plan(None))
        except AppError as exc:
            _logger.info("What will be served is not known yet: %s", exc.title)
            offered = ()
        with self._lock:
            if self._job is not job:
                return
            self._job, self._offered = None, offered
        job.end.set_result(None)
        self._announce()

    def _fail(self, job: StartJob, error: AppError) -> None:
        """Note why a start failed, unless a newer wish has taken its place."""
        with self._lock:
            if self._job is not job:
                return
            self._job = None
            self._problem = error
            if self._address.base_url is None:
                self._stop_engine()  # nobody can ask it any more
            if isinstance(error, DriveGoneError):
                self._return = PathWatcher(
                    "drive-return", error.place, self._start_again, self._delays.look_for_drive_s
                )
        self._address.close_if(self._is_unwanted)
        job.end.set_exception(error)
        self._announce()

    def _wake(self, waiting: list[Future[None]]) -> None:
        error: Exception | None = None
        try:
            if job := self._job_to_wake():
                self._perform(job)
            self.wait_until_ready()
        except Exception as exc:  # noqa: BLE001 - the top of a thread: whoever waits must hear of it
            error = exc
        with self._lock:
            self._answer(waiting, error)

    def _answer(self, waiting: list[Future[None]], error: Exception | None) -> None:
        """Tell requests that wait how it ended; those that come from now on wait anew. With the lock held."""
        if self._waiting is waiting:
            self._waiting = []
        for each in waiting:
            if each.done() or not each.set_running_or_notify_cancel():
                continue  # it has been told already, or its client has left
            if error:
                each.set_exception(error)
            else:
                each.set_result(None)

    def _job_to_wake(self) -> StartJob | None:
        """A start for requests; None where the engine comes by itself, or a person has stopped the server."""
        with self._lock:
            server, engine = self._look()
            match server.state:
                case ServerState.ASLEEP | ServerState.WAITING:
                    wakes = self._wanted
                case ServerState.FAILED:
                    wakes = self._wanted and engine.gave_up and not self._rest_s(engine)
                case _:
                    wakes = False
            return self._begin(wakes=True) if wakes else None

    def _rest_s(self, engine: EngineSnapshot) -> float:
        """How long an engine that was given up is left alone still; people may start it at once."""
        return max(0.0, engine.since_s + self._delays.try_again_s - time.time())

    def _start_again(self) -> None:
        with self._lock:
            job = self._begin(wakes=True) if self._wanted and self._return else None
        if job:
            with suppress(AppError):  # it is kept as the problem
                self._perform(job)

    def _stop_engine(self) -> None:
        """With the lock held."""
        self._told = None
        self._supervisor.stop()

    def _cancel_drive_wait(self) -> None:
        """With the lock held."""
        if self._return:
            self._return.cancel()
            self._return = None

    def _begin_to_idle(self, engine: EngineSnapshot) -> None:
        """Loading may take longer than an engine may be idle: the time begins when it is ready."""
        if engine.state is State.READY:
            self._address.stay_awake()

    def _is_unwanted(self) -> bool:
        """Whether no engine is behind the address, nor will be one by anybody's present wish."""
        with self._lock:
            return not (self._wanted and (self._asleep or self._told or self._job))


def _not_ready(engine: EngineSnapshot, server: ServerStatus) -> str:
    why = engine.failure.title if engine.failure else server.state
    return f"The model is not ready ({why})."


def _models_of(plan: Plan) -> tuple[str, ...]:
    return (plan.model.id,) if isinstance(plan, LaunchPlan) else ()


def _local(engine: EngineSnapshot, plan: LaunchPlan) -> Upstream:
    return Upstream(
        base_url=engine.base_url or "",
        key=engine.address.key if engine.address else "",
        speaks_openai=plan.engine.kind is not EngineKind.POWERINFER,
        model_id=plan.model.id,
        model_name=plan.model.name,
        context_size=plan.context_size,
        chat_template=plan.model.header.chat_template,
        run=engine.run,
        trained_context=plan.model.header.context_length or 0,
        purpose=plan.purpose,
    )


def _remote(engine: EngineSnapshot, plan: RemotePlan) -> Upstream:
    base_url = plan.url.removesuffix("/v1")
    return Upstream(
        base_url=base_url,
        speaks_openai=True,
        model_id=public_id(engine.models[0]),
        model_name=engine.models[0],
        api_path=plan.url.removeprefix(base_url),
        models=engine.models,
        key=plan.key,
        run=engine.run,
    )
