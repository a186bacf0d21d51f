"""The server: starts and stops engine and public address as people, requests and settings ask for it. Any
thread.

    stopped ── start ──▶ preparing ── the engine is told ──▶ starting … ready ── nobody asks ──▶ asleep
       ▲                    │ ▲                                           │                          │
       └────── stop ────────┴─┼───────────────────────────────────────────┘                          │
                              └─────────────────── a request, or a person ───────────────────────────┘

A start is a job: a newer wish replaces it, and a stop cancels it. The wishes are guarded by one lock, which
is never held during anything slow (finding a model, a download, binding an address). A person's stop also
closes the address, so that no request can start the engine again.
"""

from __future__ import annotations

import dataclasses
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
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.gateway.upstream import LOADED, OfferedModel, Unavailable, Upstream, public_id
from tray_app.models.header import Purpose
from tray_app.settings.aliases import same_name
from tray_app.system.drives import DriveGoneError, PathWatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.supervisor import EngineSnapshot, Supervisor
    from tray_app.gateway.counters import Traffic
    from tray_app.gateway.upstream import Lease
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.engine_id import RunId

_RETRY_AFTER_S = 2
_WITHOUT_ENGINE = (ServerState.RESTARTING, ServerState.WAITING, ServerState.FAILED)
_SETTLED = (State.READY, State.WAITING, State.FAILED, State.STOPPED)

_logger = logging.getLogger(__name__)


class Planner(Protocol):
    """Makes the plan for the present settings."""

    def __call__(self, start: StartJob | None) -> Plan:
        """The plan; `AppError` if there can be none.

        For a `start`, a model that is missing is downloaded first, for as long as that start is not over.
        """


@dataclass(frozen=True, slots=True)
class ServerDelays:
    """Every delay of `Server`."""

    idle_minute_s: float = 60.0
    """The length of a minute of the setting `idle_minutes`; shorter in tests."""
    look_for_drive_s: float = 1.0
    try_again_s: float = 60.0
    """An engine that was given up is tried again for a request that comes so long afterwards."""
    stop_s: float = 10.0
    """How long an engine may take to end before its model can be removed; it is killed long before."""


class Server:
    """The engine behind its public address.

    `settings` returns the present settings, `plan` makes the plan for them, and `announce` is called after
    each change of the server's status. `model_settings` returns those in force for the chosen model; it may
    look into the models folder, so it is not for every request.
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
        self._address = PublicAddress(
            _OneEngine(self, model_settings, self._delays.idle_minute_s), model_settings, secrets
        )
        self._lock = threading.Lock()  # guards the attributes below; never held during anything slow
        self._wanted = False
        self._asleep = False
        self._told: Plan | None = None
        self._job: StartJob | None = None
        self._problem: AppError | None = None
        self._drive_watcher: PathWatcher | None = None
        self._offered: tuple[str, ...] = ()
        self._waiting: list[Future[None]] = []
        self._idle_since_s = time.monotonic()
        supervisor.changed.connect(self._begin_to_idle)

    def snapshot(self) -> tuple[ServerStatus, EngineSnapshot]:
        """Server and engine at the same moment."""
        with self._lock:
            return self._snapshot()

    @property
    def problem(self) -> AppError | None:
        """Why the last start failed before the engine was told to start; None after a newer wish."""
        return self._problem

    def access(self) -> tuple[str, str]:
        """The bound address, and the key that clients must send. `GatewayError` if no address is open."""
        return self._address.access()

    def traffic(self) -> Traffic:
        """What clients have asked for."""
        return self._address.traffic()

    def start(self) -> None:
        """Start the server as the settings say. An engine that runs with an equal plan is not restarted.

        Returns when the engine has been told to start, by this start or by a newer one. `AppError` as `plan`;
        `StartCalledOffError` if the server was stopped meanwhile.
        """
        with self._lock:
            self._wanted = True
            job = self._begin(wakes=True)
        self._perform(job)

    def stand_by(self) -> None:
        """Open the address without starting the engine; nothing if the server is wanted already."""
        with self._lock:
            if self._wanted:
                return
            self._wanted = self._asleep = True
            job = self._begin(wakes=False)
        self._perform(job)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop the engine and close the address; also cancels a start that is under way."""
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
        """Act on changed settings or keys. `AppError` if that is not possible.

        A sleeping server keeps sleeping. For a stopped server, only what would prevent a start is reported.
        """
        with self._lock:
            self._problem = None
            waking = self._job is not None and self._job.wakes
            job = self._begin(wakes=waking or not self._asleep) if self._wanted else None
        if job is None:
            self._address.check()
            return
        with suppress(StartCalledOffError):  # a stop came meanwhile; the settings are in force all the same
            self._perform(job)

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """The plan that runs, once the engine answers; `AppError` if it is given up, waits for a drive or was
        stopped, or after the time-out.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            with suppress(TimeoutError):
                if job := self._job:
                    job.wait(max(0.0, left_s))
            try:
                engine = self._supervisor.wait_for(_SETTLED, max(0.0, left_s))
            except TimeoutError as exc:
                raise EngineError(
                    ErrorCode.SERVER_NOT_READY, "The server is not ready", "It did not get ready in time."
                ) from exc
            if engine.state is State.READY and engine.plan:
                return engine.plan
            server, _ = self.snapshot()
            if not server.state.gets_ready:
                raise engine.failure or EngineError(
                    ErrorCode.SERVER_NOT_READY, "The server is not ready", "It was stopped."
                )

    @property
    def offered_asleep(self) -> tuple[str, ...]:
        """What a sleeping server will serve."""
        return self._offered

    @property
    def idle_since_s(self) -> float:
        """When the engine was told to start, or answered first."""
        return self._idle_since_s

    def find(self) -> Upstream | Unavailable:
        """The engine that answers now, or why there is none."""
        server, engine = self.snapshot()
        on_demand = self._settings().start_on_demand
        match server.state, engine.plan:
            case ServerState.READY, LaunchPlan() as plan:
                return _local(engine, plan)
            case ServerState.READY, RemotePlan() as plan:
                return _remote(engine, plan)
            case ServerState.ASLEEP, _:
                hint = "Send a request to start it." if on_demand else "Start it in the app."
                return Unavailable(
                    f"The server sleeps. {hint}",
                    held=on_demand,
                    code=ErrorCode.SERVER_ASLEEP,
                )
            case ServerState.WAITING, _:
                return _unavailable(engine, server, held=on_demand)
            case ServerState.FAILED, _:
                pause_s = math.ceil(self._pause_s(engine)) if engine.gave_up else None
                return _unavailable(engine, server, pause_s or None, held=pause_s == 0)
            case state, _:
                held = state.gets_ready
                return _unavailable(engine, server, _RETRY_AFTER_S if held else None, held=held)

    def wake(self) -> Future[None]:
        """Start the engine if it sleeps. One thread waits for it on behalf of all waiting requests."""
        waiting: Future[None] = Future()
        with self._lock:
            alone = not self._waiting
            self._waiting[:] = [each for each in self._waiting if not each.cancelled()] + [waiting]
            together = self._waiting
        if alone:
            threading.Thread(target=self._wake, args=(together,), name="wake", daemon=True).start()
        return waiting

    def suspect(self, run: RunId) -> None:
        """Look whether the engine of this run hangs."""
        self._supervisor.check(run)

    def suspend_if_idle(self) -> None:
        """Put an idle engine to sleep. A remote server uses no memory here, so it is not stopped."""
        with self._lock:
            engine = self._supervisor.snapshot()
            if self._job or not self._supervisor.has_heard or engine.state is not State.READY:
                return  # the server is being started or stopped
            if isinstance(engine.plan, LaunchPlan):
                self._asleep, self._offered = True, _models_of(engine.plan)
                self._stop_engine()

    def _snapshot(self) -> tuple[ServerStatus, EngineSnapshot]:
        """With the lock held."""
        wishes = Wishes(
            asleep=self._asleep,
            starting=self._job is not None and self._job.wakes,
            told=self._told is not None and not self._supervisor.has_heard,
            awaits_drive=self._drive_watcher is not None,
        )
        # read after `has_heard`, so that it shows the effect of what was heard
        engine = self._supervisor.snapshot()
        base_url = self._address.base_url
        state = server_state(engine, wishes, is_open=base_url is not None)
        return ServerStatus(state, base_url), engine

    def _begin(self, *, wakes: bool) -> StartJob:
        """Begin a start that replaces any other one. With the lock held."""
        job, old = StartJob(wakes=wakes), self._job
        self._job, self._problem = job, None
        self._cancel_drive_wait()
        if old:
            old.end.set_result(job)
        return job

    def _perform(self, job: StartJob) -> None:
        """Carry out a start while it is the newest wish; returns when the newest wish is fulfilled."""
        try:
            if self._address.open(unless=lambda: job.is_over):
                self._announce()
            if not job.is_over:
                self._carry_out(job)
        except AppError as exc:
            self._fail(job, exc)
        except BaseException:  # a defect, or Ctrl-C: release whoever waits for this start
            self._fail(job, StartCalledOffError())
            raise
        job.wait()

    def _carry_out(self, job: StartJob) -> None:
        if job.wakes:
            self._tell_engine(job, self._plan(job))
        else:
            self._predict_models(job)

    def _tell_engine(self, job: StartJob, plan: Plan) -> None:
        with self._lock:
            if self._job is not job:
                return
            self._job, self._asleep = None, False
            self._told = plan
            self._idle_since_s = time.monotonic()
            self._supervisor.ensure(plan)
        job.end.set_result(None)
        self._announce()

    def _predict_models(self, job: StartJob) -> None:
        """Find out which models a sleeping server will serve; none if that cannot be told yet."""
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
        """Note why a start failed, unless a newer wish has replaced it."""
        with self._lock:
            if self._job is not job:
                return
            self._job = None
            self._problem = error
            if self._address.base_url is None:
                self._stop_engine()  # it cannot be reached any more
            if isinstance(error, DriveGoneError):
                self._drive_watcher = PathWatcher(
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
        except Exception as exc:  # noqa: BLE001 - the top of a thread: requests wait for it
            error = exc
        with self._lock:
            self._answer(waiting, error)

    def _answer(self, waiting: list[Future[None]], error: Exception | None) -> None:
        """Tell the waiting requests whether the engine answers.

        Later requests start a new wait. With the lock held.
        """
        if self._waiting is waiting:
            self._waiting = []
        for each in waiting:
            if each.done() or not each.set_running_or_notify_cancel():
                continue  # answered already, or its client has disconnected
            if error:
                each.set_exception(error)
            else:
                each.set_result(None)

    def _job_to_wake(self) -> StartJob | None:
        """A start on behalf of requests; None if the engine is starting anyway, or if a person has stopped
        the server.
        """
        with self._lock:
            server, engine = self._snapshot()
            match server.state:
                case ServerState.ASLEEP | ServerState.WAITING:
                    wakes = self._wanted
                case ServerState.FAILED:
                    wakes = self._wanted and engine.gave_up and not self._pause_s(engine)
                case _:
                    wakes = False
            return self._begin(wakes=True) if wakes else None

    def _pause_s(self, engine: EngineSnapshot) -> float:
        """How long requests may not yet restart an engine that was given up; people can start it at once."""
        return max(0.0, engine.since_s + self._delays.try_again_s - time.time())

    def _start_again(self) -> None:
        with self._lock:
            job = self._begin(wakes=True) if self._wanted and self._drive_watcher else None
        if job:
            with suppress(AppError):  # `problem` has it
                self._perform(job)

    def _stop_engine(self) -> None:
        """With the lock held."""
        self._told = None
        self._supervisor.stop()

    def _cancel_drive_wait(self) -> None:
        """With the lock held."""
        if self._drive_watcher:
            self._drive_watcher.cancel()
            self._drive_watcher = None

    def _begin_to_idle(self, engine: EngineSnapshot) -> None:
        """Count idle time from when the engine is ready: loading may take longer than the idle limit."""
        if engine.state is State.READY:
            self._idle_since_s = time.monotonic()

    def _is_unwanted(self) -> bool:
        """Whether the address should be closed: no engine is running, asleep or being started."""
        with self._lock:
            return not (self._wanted and (self._asleep or self._told or self._job))


def _unavailable(
    engine: EngineSnapshot, server: ServerStatus, retry_after_s: int | None = None, *, held: bool
) -> Unavailable:
    """Why no engine answers: what the last one died of, unless another is on its way already."""
    failure = engine.failure if server.state in _WITHOUT_ENGINE else None
    why, code = (failure.title, failure.code) if failure else (server.state, ErrorCode.SERVER_NOT_READY)
    return Unavailable(f"The model is not ready ({why}).", retry_after_s, held, code=code)


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
        run=engine.run_id,
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
        run=engine.run_id,
    )


class _OneEngine:
    """One engine as the gateway's `Backend`. The gateway's thread, except for what is said."""

    def __init__(self, server: Server, settings: Callable[[], Settings], idle_minute_s: float) -> None:
        self._server = server
        self._settings = settings
        self._idle_minute_s = idle_minute_s
        self._lock = threading.Lock()
        self._leases = 0
        self._used_s = 0.0

    def acquire(self, _asked: str, _task: Purpose) -> _Lease | Unavailable | Future[Lease]:
        found = self.look()
        if isinstance(found, Upstream):
            return self._lease(found)
        if not found.held:
            return found
        coming: Future[Lease] = Future()
        self._wait(coming)
        return coming

    def look(self, _asked: str = "", _task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        found = self._server.find()
        if isinstance(found, Upstream):
            return dataclasses.replace(found, temperature=self._settings().temperature)
        return found

    def offered(self) -> tuple[OfferedModel, ...]:
        found = self._server.find()
        if isinstance(found, Upstream):
            return (OfferedModel(found.model_id, 0, LOADED, found.purpose),)
        if found.code == ErrorCode.SERVER_ASLEEP and found.held:
            return tuple(OfferedModel(name, 0, "sleeping", "chat") for name in self._server.offered_asleep)
        return ()

    def identify(self, asked: str) -> str | None:
        offered, aliases = self.offered(), map(same_name, self._settings().aliases)
        return next((one.id for one in offered if one.id == asked or same_name(asked) in aliases), None)

    def suspect(self, run: RunId) -> None:
        self._server.suspect(run)

    def unload_idle(self) -> float | None:
        limit_s = self._idle_minute_s * self._settings().idle_minutes
        if not limit_s:
            return None
        with self._lock:
            since_s = max(self._used_s, self._server.idle_since_s)
            left_s = limit_s if self._leases else since_s + limit_s - time.monotonic()
        if left_s > 0:
            return left_s
        self._server.suspend_if_idle()
        return limit_s

    def _wait(self, coming: Future[Lease]) -> None:
        woken = self._server.wake()
        coming.add_done_callback(lambda _: woken.cancel())
        answer = threading.Thread(target=self._answer, args=(woken, coming), daemon=True)
        woken.add_done_callback(lambda _: answer.start())  # not here: the server's lock is held

    def _answer(self, woken: Future[None], coming: Future[Lease]) -> None:
        if coming.cancelled() or woken.cancelled():
            return
        if (error := woken.exception()) is not None:
            found: Upstream | Unavailable | BaseException = error
        elif isinstance(found := self.look(), Unavailable) and found.held:
            self._wait(coming)
            return
        if not coming.set_running_or_notify_cancel():
            return
        if isinstance(found, Upstream):
            coming.set_result(self._lease(found))
        elif isinstance(found, Unavailable):
            coming.set_exception(EngineError(ErrorCode(found.code), found.reason, found.reason))
        else:
            coming.set_exception(found)

    def _lease(self, upstream: Upstream) -> _Lease:
        with self._lock:
            self._leases += 1
        return _Lease(upstream, self._give_back)

    def _give_back(self) -> None:
        with self._lock:
            self._leases -= 1
            self._used_s = time.monotonic()


@dataclass(frozen=True, slots=True)
class _Lease:
    upstream: Upstream
    release: Callable[[], None]
