"""The server: opens the public address, and has the engines run that people, requests and settings ask for.
Any thread.

    stopped ── start ──▶ preparing ── the engine is told ──▶ starting … ready ── nobody asks ──▶ asleep
       ▲                    │ ▲                                           │                          │
       └────── stop ────────┴─┼───────────────────────────────────────────┘                          │
                              └─────────────────── a request, or a person ───────────────────────────┘

This is the way of the chosen model; the others come and go in the pool as requests name them. A start is a
job: a newer wish replaces it, and a stop cancels it. The wishes are guarded by one lock, which is never held
during anything slow (finding a model, a download, binding an address). A person's stop also closes the
address, so that no request can start an engine again.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tray_app.app.public_address import PublicAddress
from tray_app.app.server_status import ServerState, ServerStatus, Wishes, server_state
from tray_app.app.start_job import StartCalledOffError, StartJob
from tray_app.app.upstreams import ServedLease, after, failed, leased, upstream_of
from tray_app.engine.engine_setting import is_remote
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.pooled_engine import EngineLease
from tray_app.errors import AppError, EngineError, ErrorCode, GatewayError
from tray_app.gateway.upstream import Unavailable
from tray_app.models.header import Purpose
from tray_app.phrases import phrase
from tray_app.settings.model_settings import effective
from tray_app.settings.schema import AUTO
from tray_app.system.drives import DriveGoneError, PathWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.pool import EnginePool, PoolSnapshot
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.gateway.counters import Traffic
    from tray_app.gateway.upstream import Lease, OfferedModel, Upstream
    from tray_app.models.model import Model
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.engine_id import RunId

_RETRY_AFTER_S = 2
_SETTLED = (State.READY, State.WAITING, State.FAILED, State.STOPPED)

_logger = logging.getLogger(__name__)


class Planner(Protocol):
    """Makes the plan for the present settings."""

    def __call__(self, start: StartJob | None) -> Plan:
        """The plan; `AppError` if there can be none.

        For a `start`, a model that is missing is downloaded first, for as long as that start is not over.
        """


class Models(Protocol):
    """The models that the server can offer besides the chosen one.

    `look` and `plan` may take long, all others return at once.
    """

    def look(self) -> None:
        """Find out which models there are."""

    def meant(self, asked: str, task: Purpose, chosen_id: str | None) -> str | Unavailable | None:
        """The id of the model that a request means by its name; None for the chosen one."""

    def look_if_unknown(self, asked: str, chosen_id: str | None) -> Future[None] | None:
        """Look again what there is if a name is nobody's; None if that has been done just now."""

    def identify(self, asked: str, chosen_id: str | None) -> str | None:
        """The id of the model that has this name; None if none has, or several."""

    def plan(self, model_id: str) -> LaunchPlan:
        """The plan for a model that is not the chosen one; `AppError` if there can be none. Takes long."""

    def offered(self, chosen_id: str | None, pool: PoolSnapshot, *, sleeps: bool) -> tuple[OfferedModel, ...]:
        """All models that requests may name."""


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
    """The engines of `pool` behind their public address.

    `settings` returns the present settings, `settings_of` those in force for a model of this machine, or for
    all. `plan` makes the plan for the chosen one, and `announce` is called after each change of the server's
    status.
    """

    def __init__(  # noqa: PLR0913 - all are named where it is made
        self,
        pool: EnginePool,
        models: Models,
        *,
        settings: Callable[[], Settings],
        settings_of: Callable[[Model | None], Settings],
        secrets: KeyStore,
        plan: Planner,
        announce: Callable[[], None],
        delays: ServerDelays | None = None,
    ) -> None:
        self._pool = pool
        self._models = models
        self._settings = settings
        self._settings_of = settings_of
        self._plan = plan
        self._announce = announce
        self._delays = delays or ServerDelays()
        self._address = PublicAddress(self, settings, secrets, announce)
        self._lock = threading.Lock()  # guards the attributes below; never held during anything slow
        self._wanted = False
        self._job: StartJob | None = None
        self._problem: AppError | None = None
        self._drive_watcher: PathWatcher | None = None
        self._chosen_id: str | None = None
        """Of the model that the main engine has, or would have; None if that is not known."""

    def snapshot(self) -> tuple[ServerStatus, PoolSnapshot]:
        """Server and engines at the same moment."""
        with self._lock:
            pool = self._pool.snapshot()
            return self._status(pool.main), pool

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

    def traffic_of(self) -> Mapping[str, Traffic]:
        """The same of each model, by its id."""
        return self._address.traffic_of()

    def refused_origins(self) -> tuple[str, ...]:
        """The pages that a person is to be asked about."""
        return self._address.refused_origins()

    # What people want

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
        """Open the address without starting an engine; nothing if the server is wanted already."""
        with self._lock:
            if self._wanted:
                return
            self._wanted = True
            self._pool.put_to_sleep(made_room=False)
            job = self._begin(wakes=False)
        self._perform(job)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop all engines and close the address; also cancels a start that is under way."""
        with self._lock:
            self._wanted = False
            self._problem = None
            self._pool.stop_all()
            self._cancel_drive_wait()
            if self._job:
                self._job.end.set_exception(StartCalledOffError())
                self._job = None
        self._address.close_if(self._is_unwanted, timeout_s)
        self._announce()

    def restart(self) -> None:
        """Stop the chosen model's engine if it runs, then `start`."""
        with self._lock:
            self._wanted = True
            job = self._begin(wakes=True)
            self._pool.stop_main()
        self._perform(job)

    def apply_settings(self) -> None:
        """Act on changed settings or keys. `AppError` if that is not possible.

        Only engines whose plan has changed are restarted. A sleeping server keeps sleeping. For a stopped
        server, only what would prevent a start is reported.
        """
        with self._lock:
            self._problem = None
            waking = self._job is not None and self._job.wakes
            asleep = self._pool.main().asleep
            job = self._begin(wakes=waking or not asleep) if self._wanted else None
        if job is None:
            self._address.check()
            return
        error: AppError | None = None
        try:
            self._perform(job)
        except StartCalledOffError:
            pass  # a stop came meanwhile; the settings are in force all the same
        except AppError as exc:  # the others get theirs all the same
            error = exc
        error_of_others = self._plan_others_again()
        if self._settings().memory_budget != AUTO:
            self._pool.keep_to_budget()
        if error := error or error_of_others:
            raise error

    def load(self, model_id: str, *, forced: bool = False) -> Future[EngineLease] | None:
        """Have a model loaded: its lease, once it is ready; None for the chosen one, which `start` loads.

        `forced`: whatever memory it takes. `GatewayError` if the server does not run.
        """
        with self._lock:
            if not self._wanted:
                raise GatewayError(
                    ErrorCode.SERVER_NOT_RUNNING,
                    "The server is not running",
                    "A model can be loaded only while the server is running.",
                    "Start the server first.",
                )
            if is_remote(self._settings()):
                raise GatewayError(
                    ErrorCode.APP_REFUSED,
                    "The engine is a remote server",
                    "It has its own models, so none are loaded on this computer.",
                    "Choose another engine in the settings.",
                )
            if model_id != self._chosen_id:
                return self._pool.load(model_id, lambda: self._models.plan(model_id), forced=forced)
        self.start()
        return None

    def unload(self, model_id: str) -> bool:
        """Stop the engine of a model until somebody asks for it again; whether it had one."""
        with self._lock:
            if model_id != self._chosen_id:
                return self._pool.unload(model_id)
            main = self._pool.main()
            if self._job or (not main.told and not main.queued):
                return False
            self._pool.put_to_sleep(made_room=True)
            return True

    def wait_until_ready(self, timeout_s: float = threading.TIMEOUT_MAX) -> Plan:
        """The chosen model's plan that runs, once its engine answers; `AppError` if it is given up, waits for
        a drive or was stopped, or after the time-out.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            with suppress(TimeoutError):
                if job := self._job:
                    job.wait(max(0.0, left_s))
            try:
                engine = self._pool.wait_for_main(_SETTLED, max(0.0, left_s))
            except TimeoutError as exc:
                raise EngineError(
                    ErrorCode.SERVER_NOT_READY, "The server is not ready", "It was not ready in time."
                ) from exc
            if engine.state is State.READY and engine.plan:
                return engine.plan
            server, _ = self.snapshot()
            if not server.state.gets_ready:
                raise engine.failure or EngineError(
                    ErrorCode.SERVER_NOT_READY, "The server is not ready", "It was stopped."
                )

    # What requests want

    def acquire(self, asked: str, task: Purpose) -> Lease | Unavailable | Future[Lease | Unavailable]:
        """See `Backend`."""
        if not is_remote(self._settings()) and (look := self._models.look_if_unknown(asked, self._chosen_id)):
            return after(look, lambda: self._acquire(asked, task))
        return self._acquire(asked, task)

    def _acquire(self, asked: str, task: Purpose) -> Lease | Unavailable | Future[Lease | Unavailable]:
        meant = self._meant(asked, task)
        match meant:
            case Unavailable():
                return meant
            case None:
                return self._acquire_chosen()
            case model_id:
                return self._acquire_other(model_id)

    def look(self, asked: str = "", task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        """See `Backend`."""
        meant = self._meant(asked, task)
        if isinstance(meant, Unavailable):
            return meant
        if meant is None:
            with self._lock:
                main = self._pool.main()
                server = self._status(main)
            if server.state is ServerState.READY:
                return self._upstream(main.engine)
            return self._unavailable(server, main)
        status = self._pool.status_of(meant)
        if status and status.engine.state is State.READY and status.heard:
            return self._upstream(status.engine)
        return Unavailable(f"The model {meant!r} is not loaded.", held=True, code=ErrorCode.MODEL_NOT_LOADED)

    def offered(self) -> tuple[OfferedModel, ...]:
        """See `Backend`."""
        server, pool = self.snapshot()
        return self._models.offered(self._chosen_id, pool, sleeps=server.state is ServerState.ASLEEP)

    def identify(self, asked: str) -> str | None:
        """See `Backend`."""
        return self._models.identify(asked, self._chosen_id)

    def suspect(self, run: RunId) -> None:
        """See `Backend`."""
        self._pool.check(run)

    def unload_idle(self) -> float | None:
        """See `Backend`."""
        with self._lock:
            job = self._job

            def limit_s(model_id: str | None) -> float | None:
                if job and model_id == self._chosen_id:
                    return None  # it is being started
                settings = effective(self._settings(), model_id)
                return self._delays.idle_minute_s * settings.idle_minutes or None

            due_s = self._pool.unload_idle(limit_s)
        # Whatever is loaded meanwhile is seen before it is due.
        look_s = self._delays.idle_minute_s / 2
        return look_s if due_s is None else min(due_s, look_s)

    def _acquire_chosen(self) -> Lease | Unavailable | Future[Lease | Unavailable]:
        with self._lock:
            wait = self._pool.acquire_main()
            if not isinstance(wait, EngineLease):
                main = self._pool.main()
                server = self._status(main)
                unavailable = self._unavailable(server, main)
                if not (unavailable.held and self._wanted):  # a person's stop wins over every request
                    if wait:
                        wait.cancel()
                    return unavailable
                if wait is None or server.state in (ServerState.WAITING, ServerState.FAILED):
                    wait = self._woken()
        return self._served(wait)

    def _acquire_other(self, model_id: str) -> Lease | Unavailable | Future[Lease | Unavailable]:
        with self._lock:
            if not self._wanted:
                return self._unavailable(self._status(self._pool.main()), self._pool.main())
            status = self._pool.status_of(model_id)
            failed_now = status and status.told and status.engine.state is State.FAILED and status.heard
            if status and failed_now and not status.queued:
                pause_s = math.ceil(self._pause_s(status))
                if pause_s:
                    return failed(status, pause_s if status.engine.gave_up else None)
            wait = self._pool.acquire(model_id, lambda: self._models.plan(model_id))
        return self._served(wait)

    def _served(self, wait: EngineLease | Future[EngineLease]) -> Lease | Future[Lease | Unavailable]:
        return leased(wait, lambda lease: ServedLease(self._upstream(lease.engine), lease))

    def _upstream(self, engine: EngineSnapshot) -> Upstream:
        plan = engine.plan
        return upstream_of(engine, self._settings_of(plan.model if isinstance(plan, LaunchPlan) else None))

    def _woken(self) -> Future[EngineLease]:
        """A lease of the chosen model's engine, which is started for it. With the lock held."""
        if not (self._job and self._job.wakes):
            job = self._begin(wakes=True)
            threading.Thread(target=self._wake, args=(job,), name="wake", daemon=True).start()
        return self._pool.await_main()

    def _wake(self, job: StartJob) -> None:
        with suppress(AppError):  # `_fail` has told those who wait
            self._perform(job)

    # One start

    def _status(self, main: EngineStatus) -> ServerStatus:
        """With the lock held."""
        wishes = Wishes(
            asleep=main.asleep,
            starting=self._job is not None and self._job.wakes,
            told=main.queued or (main.told is not None and not main.heard),
            awaits_drive=self._drive_watcher is not None,
        )
        base_url = self._address.base_url
        return ServerStatus(server_state(main.engine, wishes, is_open=base_url is not None), base_url)

    def _unavailable(self, server: ServerStatus, main: EngineStatus) -> Unavailable:
        """Why the chosen model's engine does not answer. `held`: a request waits for it, and starts it."""
        on_demand = self._settings().start_on_demand or main.made_room
        match server.state:
            case ServerState.ASLEEP:
                hint = "Send a request to start it." if on_demand else "Start it in the app."
                return Unavailable(f"The server sleeps. {hint}", held=on_demand, code=ErrorCode.SERVER_ASLEEP)
            case ServerState.WAITING:
                return failed(main, held=on_demand)
            case ServerState.FAILED:
                pause_s = math.ceil(self._pause_s(main)) if main.engine.gave_up else None
                return failed(main, pause_s or None, held=pause_s == 0)
            case ServerState.RESTARTING:
                return failed(main, _RETRY_AFTER_S, held=True)
            case ServerState.STOPPED if self._problem:  # the others may well answer
                return Unavailable(f"The model is not ready: {self._problem}", code=self._problem.code)
            case state:
                held = state.gets_ready or state is ServerState.READY
                return Unavailable(
                    f"The model is not ready ({state}).",
                    _RETRY_AFTER_S if held else None,
                    held,
                    code=ErrorCode.SERVER_NOT_READY,
                )

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
        self._models.look()
        if job.wakes:
            plan = self._plan(job)
            self._pool.measure()  # what the others have counts now
            self._tell_engine(job, plan)
        else:
            self._predict_model(job)

    def _tell_engine(self, job: StartJob, plan: Plan) -> None:
        with self._lock:
            if self._job is not job:
                return
            # A budget that a person has set holds for the chosen model, too.
            self._pool.run_main(plan, in_any_case=self._settings().memory_budget == AUTO)
            self._job = None
            self._chosen_id = plan.model.id if isinstance(plan, LaunchPlan) else None
        job.end.set_result(None)
        self._announce()

    def _predict_model(self, job: StartJob) -> None:
        """Find out which model a sleeping server will serve; None if that cannot be told yet."""
        chosen_id = None
        try:
            plan = self._plan(None)
        except AppError as exc:
            _logger.info("What will be served is not known yet: %s", exc.title)
        else:
            chosen_id = plan.model.id if isinstance(plan, LaunchPlan) else None
        with self._lock:
            if self._job is not job:
                return
            self._job, self._chosen_id = None, chosen_id
        job.end.set_result(None)
        self._announce()

    def _fail(self, job: StartJob, error: AppError) -> None:
        """Note why a start failed, unless a newer wish has replaced it."""
        with self._lock:
            if self._job is not job:
                return
            self._job = None
            self._problem = error
            self._pool.refuse_main(error)
            if self._address.base_url is None:
                self._pool.stop_all()  # they cannot be reached any more
            if isinstance(error, DriveGoneError):
                self._drive_watcher = PathWatcher(
                    "drive-return", error.place, self._start_again, self._delays.look_for_drive_s
                )
        self._address.close_if(self._is_unwanted)
        job.end.set_exception(error)
        self._announce()

    def _plan_others_again(self) -> AppError | None:
        """Restart the engines whose settings have changed, besides the chosen model's.

        Returns why the first of those that cannot be planned runs on as it is.
        """
        _, pool = self.snapshot()
        error: AppError | None = None
        for each in pool.others:
            if each.model_id is None or not (each.told or each.queued):
                continue
            try:
                self._pool.run_again(each.model_id, self._models.plan(each.model_id))
            except AppError as exc:  # it runs on as it is
                error = error or _runs_on(each.model_id, exc)
        return error

    def _pause_s(self, status: EngineStatus) -> float:
        """How long requests may not yet restart an engine that was given up; people can start it at once."""
        return max(0.0, status.engine.since_s + self._delays.try_again_s - time.time())

    def _start_again(self) -> None:
        with self._lock:
            job = self._begin(wakes=True) if self._wanted and self._drive_watcher else None
        if job:
            with suppress(AppError):  # `problem` has it
                self._perform(job)

    def _cancel_drive_wait(self) -> None:
        """With the lock held."""
        if self._drive_watcher:
            self._drive_watcher.cancel()
            self._drive_watcher = None

    def _is_unwanted(self) -> bool:
        """Whether the address should be closed: no engine is running, asleep or being started."""
        with self._lock:
            pool = self._pool.snapshot()
            main = pool.main
            has_engine = main.asleep or main.queued or main.told is not None
            return not (self._wanted and (has_engine or self._job or any(each.told for each in pool.others)))

    def _meant(self, asked: str, task: Purpose) -> str | Unavailable | None:
        """See `Models.meant`. A remote server has models of its own."""
        return None if is_remote(self._settings()) else self._models.meant(asked, task, self._chosen_id)


def _runs_on(model_id: str, why: AppError) -> EngineError:
    """The error about changed settings that a loaded model cannot get; `why` does not say of which one."""
    title, message, hint = why.texts
    return EngineError(
        why.code,
        phrase("{model} is still running with its old settings: {reason}", model=model_id, reason=title),
        message,
        hint,
        fix=why.fix,
        setting=why.setting,
        evidence=why.evidence,
    )
