"""The engines of the app: which models are loaded, who uses them, and what has to go for another. Any thread.

    unloaded ── asked for ──▶ planning ── plan ──▶ queued ── memory is there ──▶ told ── ready ──▶ leased
        ▲                                            ▲                            │
        └────────── unloaded, idle, or another model needs the memory ────────────┴── asked for meanwhile

The main engine runs the model that the person has chosen, and is always there; each other one comes with the
first request for its model. Whoever uses an engine holds a lease: the number of leases is what "busy" means.
`eviction.py` decides who may load and who has to go; a supervisor starts and ends its engine.

One lock guards all of it and is never held during anything slow: supervisors only take requests, plans are
made on threads of their own, futures are settled after the lock is free.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from psygnal import Signal

from tray_app.engine.admission import Admission
from tray_app.engine.diagnosis import ShortageError, defect
from tray_app.engine.eviction import Load, Refuse, Wait
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.pooled_engine import EngineLease, PooledEngine, Waiter, model_of
from tray_app.engine.resource_usage import graphics_used_by, usage_together
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.engine.workers import WorkerGroup
from tray_app.errors import AppError
from tray_app.system.engine_id import MAIN_ENGINE, EngineId

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from tray_app.engine.eviction import Decision
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.pooled_engine import EngineStatus, Settlement
    from tray_app.engine.supervisor import Supervisor
    from tray_app.errors import EngineError
    from tray_app.models.memory import MemoryAmount
    from tray_app.system.engine_id import RunId
    from tray_app.system.process import ProcessUsage

_LONGEST_STAY_S = 10.0
"""The longest time for which an engine that has just been loaded is not unloaded for another one."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """All engines that are loaded, or about to be, at one moment."""

    main: EngineStatus
    others: tuple[EngineStatus, ...] = ()
    """In the order in which they were first asked for."""
    budget_bytes: int = 0
    """The main memory that all of them together may take."""
    graphics_budget_bytes: int = 0
    """The same of graphics cards that have memory of their own; 0 while no engine computes with any."""

    @property
    def engines(self) -> tuple[EngineStatus, ...]:
        """Those that hold memory, are about to, or have failed."""
        return tuple(each for each in (self.main, *self.others) if each.is_shown)

    def of(self, model_id: str) -> EngineStatus | None:
        """The engine of a model."""
        return next((each for each in self.engines if each.model_id == model_id), None)


class EnginePool:
    """Owns every engine of the app.

    `make_supervisor` makes the supervisor of an engine's process. `budget` returns the main memory in bytes
    that all engines may take, given what their processes have for themselves now. `is_kept` says whether a
    model is never unloaded for another. `called_off` makes the error for requests whose engine was stopped by
    a person. `instead_of` makes the plan of another engine for a model with which a replaceable one has
    failed, on a thread of its own; it may raise an `AppError`.
    """

    changed = Signal(EngineSnapshot)
    """Emitted after each change of an engine, mostly on the thread of its supervisor, and when no other one
    can take the place of one that has failed. Listeners must return soon."""

    def __init__(  # noqa: PLR0913 - all are named where it is made
        self,
        make_supervisor: Callable[[EngineId], Supervisor],
        *,
        budget: Callable[[int], int],
        is_kept: Callable[[str | None], bool],
        called_off: Callable[[], AppError],
        instead_of: Callable[[LaunchPlan, EngineError], LaunchPlan] | None = None,
        clock: Callable[[], float] = time.monotonic,
        longest_stay_s: float = _LONGEST_STAY_S,
    ) -> None:
        self._make_supervisor = make_supervisor
        self._budget = budget
        self._is_kept = is_kept
        self._called_off = called_off
        self._instead_of = instead_of
        self._clock = clock
        self._longest_stay_s = longest_stay_s
        self._timer: threading.Timer | None = None
        """Runs `_advance` when an engine that others wait for may be unloaded."""
        self._lock = threading.Condition()
        self._orders = count(1)
        self._others: dict[str, PooledEngine] = {}
        self._main = self._new_engine(MAIN_ENGINE)

    # What there is

    def snapshot(self) -> PoolSnapshot:
        """All engines now."""
        with self._lock:
            others = tuple(map(self._status, self._others.values()))
            budget = self._admission().memory_budget()
            return PoolSnapshot(self._status(self._main), others, budget.main_bytes, budget.graphics_bytes)

    def main(self) -> EngineStatus:
        """The main engine now."""
        with self._lock:
            return self._status(self._main)

    def status_of(self, model_id: str) -> EngineStatus | None:
        """The engine of a model other than the main one's; None if it was never asked for."""
        with self._lock:
            engine = self._others.get(model_id)
            return self._status(engine) if engine else None

    def supervisors(self) -> tuple[WorkerGroup, ...]:
        """The supervisors of all engines, that of the main one first; each may have several processes."""
        with self._lock:
            return tuple(each.supervisor for each in self._engines())

    def measure(self) -> Mapping[tuple[int, ...], ProcessUsage]:
        """Look how much memory each engine's processes have. It takes milliseconds.

        Returns what they use, by the processes of each engine.
        """
        with self._lock:
            engines = [(each, each.supervisor.snapshot()) for each in self._engines()]
        running = ((engine, snapshot) for engine, snapshot in engines if snapshot.pids)
        return {snapshot.pids: self._measure(engine, snapshot) for engine, snapshot in running}

    # What people and settings want

    def run_main(self, plan: Plan, *, in_any_case: bool) -> None:
        """Have the main engine run this plan; nothing happens if it does. It may wait for memory first.

        Another engine that has the same model is stopped: what waits for it then waits for this one.

        Raises
        ------
        EngineError
            If it can never fit into the memory that the engines may take, and is not wanted `in_any_case`.

        """
        with self._lock:
            main, model_id = self._main, model_of(plan)
            twins = [self._others[model_id]] if model_id in self._others else []
            refusal = self._admission().refusal(plan, main, *twins)
            if refusal and not in_any_case:
                raise refusal
            for twin in twins:
                twin.stop()
                main.waiting += twin.waiting
                twin.waiting, twin.next = [], None
            settled = self._run(main, plan, forced=refusal is not None)
        self._settle(settled)

    def run_again(self, model_id: str, plan: LaunchPlan) -> None:
        """Have an engine other than the main one run this plan instead of its own.

        One that is still to be started keeps its turn. Nothing happens if it is its own, or if the model is
        not wanted. `EngineError` as `run_main`.
        """
        with self._lock:
            engine = self._others.get(model_id)
            if engine is None:
                return
            if engine.told is None and (engine.next or engine.planning):
                engine.queue(plan)
                settled = self._advance()
            elif engine.told in (None, plan):
                return
            elif refusal := self._admission().refusal(plan, engine):
                raise refusal
            else:
                settled = self._run(engine, plan, forced=False)
        self._settle(settled)

    def load(
        self, model_id: str, make_plan: Callable[[], LaunchPlan], *, forced: bool = False
    ) -> Future[EngineLease]:
        """As `acquire` on behalf of a person: an engine that has failed is started again at once."""
        with self._lock:
            engine = self._engine_of(model_id)
            if self._is_given_up(engine):
                engine.stop()
            waiting = self._wait(engine)
            settled = self._plan_for(engine, make_plan)
            engine.forced = engine.forced or forced
            settled += self._advance()
        self._settle(settled)
        return waiting

    def unload(self, model_id: str) -> bool:
        """Stop the engine of a model other than the main one's; whether there was one."""
        with self._lock:
            engine = self._others.get(model_id)
            if engine is None or not (engine.told or engine.next or engine.planning):
                return False
            settled = engine.give_up(self._called_off())
            settled += self._advance()
        self._settle(settled)
        return True

    def keep_to_budget(self) -> None:
        """Unload what is idle and too much for a budget that has become smaller; what was forced stays."""
        with self._lock:
            self._make_room(self._admission().too_many(), self._by_key())

    def put_to_sleep(self, *, made_room: bool) -> None:
        """Stop the main engine until somebody asks for it; `made_room` as in `EngineStatus`."""
        with self._lock:
            settled = self._main.give_up(self._called_off())
            self._main.asleep, self._main.made_room = True, made_room
            settled += self._advance()
        self._settle(settled)

    def stop_main(self) -> None:
        """Stop the main engine, and take back that it is wanted. Requests that wait for it go on waiting."""
        with self._lock:
            self._main.next = None
            self._main.stop()
            settled = self._advance()
        self._settle(settled)

    def stop_all(self) -> None:
        """Stop every engine; whatever waits for one is told so."""
        with self._lock:
            settled = [each for engine in self._engines() for each in engine.give_up(self._called_off())]
            self._lock.notify_all()
        self._settle(settled)

    def wait_for_main(self, states: Container[State], timeout_s: float) -> EngineSnapshot:
        """As `Supervisor.wait_for`, once the main engine waits for memory no longer and no other engine is to
        take its place. `TimeoutError`.
        """
        main, deadline_s = self._main, time.monotonic() + timeout_s
        while True:
            with self._lock:
                left_s = max(0.0, deadline_s - time.monotonic())
                if not self._lock.wait_for(lambda: not (main.next or main.planning), left_s):
                    raise TimeoutError("The engine waits for memory")
            snapshot = main.supervisor.wait_for(states, max(0.0, deadline_s - time.monotonic()))
            with self._lock:
                if not (main.next or main.planning or self._failure_to_replace(main)):
                    return snapshot

    def wait_until_gone(self, model_id: str | None, timeout_s: float) -> None:
        """Wait until the engine of a model has ended; None: until all have. `TimeoutError`."""
        with self._lock:
            engines = [each for each in self._engines() if model_id in (None, each.model_id)]
            if not self._lock.wait_for(lambda: not any(each.holds_memory for each in engines), timeout_s):
                raise TimeoutError("An engine has not ended")

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop all engines and their supervisors."""
        deadline_s = time.monotonic() + timeout_s
        self.stop_all()
        with self._lock:
            if self._timer:
                self._timer.cancel()
        for supervisor in self.supervisors():
            supervisor.close(max(0.0, deadline_s - time.monotonic()))

    # What requests want

    def acquire_main(self) -> EngineLease | Future[EngineLease] | None:
        """A lease of the main engine: at once if it is ready, else later; None if it was not told to run.

        The future fails with an `AppError` if the engine has failed or was stopped.
        """
        with self._lock:
            main = self._main
            if lease := self._leased(main):
                return lease
            if not (main.told or main.next or main.awaited):
                return None
            waiting = self._wait(main)
            settled = self._grant(main)
        self._settle(settled)
        return waiting

    def await_main(self) -> Future[EngineLease]:
        """A lease of the main engine, which the caller is about to start: `run_main` or `refuse_main` must
        follow.
        """
        with self._lock:
            self._main.awaited = True
            return self._wait(self._main)

    def refuse_main(self, error: AppError) -> None:
        """Tell whatever waits for the main engine that it does not come."""
        with self._lock:
            self._main.awaited = False
            settled = self._main.refuse(error)
        self._settle(settled)

    def acquire(
        self, model_id: str, make_plan: Callable[[], LaunchPlan]
    ) -> EngineLease | Future[EngineLease]:
        """A lease of a model's engine: at once if it is ready, else when it has been loaded.

        `make_plan` is called on a thread of its own if the model is not loaded; it may raise an `AppError`.
        The future fails with an `AppError` if the model cannot be loaded. Cancel it to wait no more.
        """
        with self._lock:
            engine = self._engine_of(model_id)
            if lease := self._leased(engine):
                return lease
            if self._is_given_up(engine):
                engine.stop()
            waiting = self._wait(engine)
            settled = self._plan_for(engine, make_plan)
            settled += self._grant(engine)
        self._settle(settled)
        return waiting

    def check(self, run: RunId) -> None:
        """See `Supervisor.check`."""
        with self._lock:
            engines = self._engines()
        for engine in engines:
            engine.supervisor.check(run)

    def unload_idle(self, limit_s: Callable[[str | None], float | None]) -> float | None:
        """Stop the engines that nobody has used for as long as `limit_s` says of their model; None: never.

        Returns in how many seconds the next may be due, at the earliest; None if none ever is. One that is in
        use or loading counts as if it became idle now. Remote servers are left alone.
        """
        soonest_s: float | None = None
        with self._lock:
            for engine in self._engines():
                limit = limit_s(engine.model_id)
                if limit is None or not isinstance(engine.told, LaunchPlan) or self._is_kept(engine.model_id):
                    continue
                is_known_ready = engine.is_ready and engine.ready_run == engine.supervisor.snapshot().run_id
                idles = is_known_ready and not (engine.leases or engine.waiting or engine.next)
                left_s = limit - (self._clock() - engine.used_s) if idles else limit
                if left_s <= 0:
                    _logger.info("engine %s: idle for %.0f s", engine.supervisor.id, limit)
                    engine.stop(asleep=engine is self._main)
                elif soonest_s is None or left_s < soonest_s:
                    soonest_s = left_s
        return soonest_s

    # With the lock held

    def _admission(self) -> Admission:
        return Admission(self._engines(), self._budget, self._is_kept)

    def _engines(self) -> tuple[PooledEngine, ...]:
        return (self._main, *self._others.values())

    def _by_key(self) -> dict[str, PooledEngine]:
        return {each.key: each for each in self._engines()}

    def _engine_of(self, model_id: str) -> PooledEngine:
        engine = self._others.get(model_id)
        if engine is None:
            engine = self._others[model_id] = self._new_engine(EngineId.of_model(model_id), model_id)
        return engine

    def _new_engine(self, engine_id: EngineId, model_id: str | None = None) -> PooledEngine:
        engine = PooledEngine(WorkerGroup(engine_id, self._make_supervisor), model_id, used_s=self._clock())
        engine.supervisor.changed.connect(lambda snapshot: self._on_change(engine, snapshot))
        return engine

    def _status(self, engine: PooledEngine) -> EngineStatus:
        is_replaced = self._failure_to_replace(engine) is not None
        return engine.status(self._clock(), kept=self._is_kept(engine.model_id), is_replaced=is_replaced)

    def _leased(self, engine: PooledEngine) -> EngineLease | None:
        """A lease, if the engine is ready and nobody has to go first."""
        if engine.waiting or engine.drain_order is not None or not engine.is_ready:
            return None
        return self._lease(engine)

    def _lease(self, engine: PooledEngine) -> EngineLease:
        engine.leases += 1
        return EngineLease(engine.supervisor.snapshot(), lambda: self._give_back(engine))

    def _wait(self, engine: PooledEngine) -> Future[EngineLease]:
        waiter = Waiter(next(self._orders), Future())
        waiter.lease.add_done_callback(self._on_done)
        engine.waiting.append(waiter)
        return waiter.lease

    def _plan_for(self, engine: PooledEngine, make_plan: Callable[[], LaunchPlan]) -> list[Settlement]:
        """Begin to make a plan, unless the engine runs, is about to or has one made already."""
        if engine.told or engine.next or engine.planning:
            return []
        engine.forced = False
        try:
            self._begin_planning(engine, lambda token: self._plan(engine, token, make_plan))
        except ShortageError as exc:
            return engine.refuse(exc)
        return []

    def _begin_planning(self, engine: PooledEngine, work: Callable[[object], None]) -> None:
        """Run `work` on a thread of its own, with the token of this attempt. `ShortageError`."""
        token = object()
        name = f"plan-{engine.supervisor.id}"
        try:
            threading.Thread(target=work, args=(token,), name=name, daemon=True).start()
        except RuntimeError as exc:
            raise ShortageError(OSError(errno.EAGAIN, str(exc))) from exc
        engine.planning = token

    def _run(self, engine: PooledEngine, plan: Plan, *, forced: bool) -> list[Settlement]:
        """Have an engine run a plan, as soon as there is memory."""
        engine.model_id = model_of(plan)
        engine.asleep = engine.made_room = engine.awaited = False
        engine.planning = None
        admission = self._admission()
        if engine.told == plan:
            engine.next = None
            engine.supervisor.ensure(plan)
        elif (
            engine.told
            and engine.holds_memory
            and (size := admission.size_in_place(engine, plan, forced=forced))
        ):
            engine.tell(plan, self._clock(), size)
        else:
            if engine.told is not None:
                engine.stop()
            engine.next, engine.order = plan, next(self._orders)
        engine.forced = forced
        return self._advance()

    def _advance(self) -> list[Settlement]:
        """Do what can be done now: load, unload, give leases. Returns what is to be settled afterwards."""
        settled: list[Settlement] = []
        for engine in self._engines():
            engine.waiting = [each for each in engine.waiting if not each.lease.cancelled()]
            if engine is not self._main and not engine.waiting:
                engine.next = None  # those who have asked for it have left
        decisions = self._admission().decisions()
        engines = self._engines()
        for engine in engines:
            engine.drain_order = None
        for engine, size, decision in decisions:
            settled += self._carry_out(engine, size, decision)
        for engine in engines:
            settled += self._grant(engine)
        self._lock.notify_all()
        return settled

    def _carry_out(self, engine: PooledEngine, size: MemoryAmount, decision: Decision) -> list[Settlement]:
        by_key = self._by_key()
        match decision:
            case Load(unload):
                self._make_room(unload, by_key)
                if engine.next:
                    engine.tell(engine.next, self._clock(), size)
            case Wait(unload, drain):
                self._make_room([key for key in unload if self._may_go_now(by_key[key])], by_key)
                for key in drain:
                    if self._may_go_now(by_key[key]):
                        by_key[key].drain_order = engine.order_of_wish
            case Refuse() if engine.next:
                error = self._admission().does_not_fit(engine.next, decision)
                engine.next = None
                return engine.refuse(error)
        return []

    def _may_go_now(self, engine: PooledEngine) -> bool:
        """Whether an engine may be unloaded for another one now; if not, `_advance` is run again when it may.

        One that has just been loaded stays for as long as that took. Else models that do not fit side by side
        would be loaded for every single request, where their clients take turns.
        """
        left_s = engine.stays_until_s - self._clock()
        if left_s <= 0:
            return True
        if self._timer is None:
            self._timer = threading.Timer(left_s, self._on_time)
            self._timer.daemon = True
            self._timer.start()
        return False

    def _make_room(self, keys: Sequence[str], by_key: dict[str, PooledEngine]) -> None:
        for key in keys:
            engine = by_key[key]
            _logger.info("engine %s: unloaded to make room", engine.supervisor.id)
            engine.stop(asleep=engine is self._main, made_room=True)

    def _is_given_up(self, engine: PooledEngine) -> bool:
        """Whether nothing more happens to an engine that has failed."""
        return engine.has_failed and not engine.planning and self._failure_to_replace(engine) is None

    def _failure_to_replace(self, engine: PooledEngine) -> EngineError | None:
        """Why another engine is to take the place of one; None if none is."""
        if self._instead_of is None or engine.planning or not engine.has_failed:
            return None
        snapshot = engine.supervisor.snapshot()
        if not snapshot.makes_place or snapshot.failure is engine.failure:
            return None
        return snapshot.failure

    def _grant(self, engine: PooledEngine) -> list[Settlement]:
        """Leases for those who wait, if the engine is ready; why not, if it has failed."""
        if engine.is_ready:
            first = engine.drain_order
            granted = [each for each in engine.waiting if first is None or each.order < first]
            engine.waiting = [each for each in engine.waiting if each not in granted]
            return [(each.lease, self._lease(engine)) for each in granted]
        failure = self._failure_to_replace(engine)
        if failure and isinstance(engine.told, LaunchPlan):
            self._replace(engine, engine.told, failure)
        if engine.waiting and self._is_given_up(engine) and not engine.awaited:
            return engine.refuse(engine.supervisor.snapshot().failure or self._called_off())
        return []

    # Threads

    def _plan(self, engine: PooledEngine, token: object, make_plan: Callable[[], LaunchPlan]) -> None:
        plan: LaunchPlan | None = None
        try:
            plan = make_plan()
            self.measure()
        except AppError as exc:
            error: AppError | None = exc
        except Exception as exc:  # the top of a thread: requests wait for it
            _logger.exception("The start of %s cannot be planned", engine.model_id)
            error = defect("The model could not be loaded", exc)
        else:
            error = None
        with self._lock:
            if engine.planning is not token:
                return  # it was stopped, or has got another plan meanwhile
            engine.planning = None
            if plan is None:
                settled = engine.refuse(error or self._called_off())
            else:
                engine.queue(plan)
                settled = self._advance()
        self._settle(settled)

    def _replace(self, engine: PooledEngine, failed: LaunchPlan, failure: EngineError) -> None:
        """Begin to have another engine run the model with which one has failed. With the lock held."""
        engine.failure = failure
        try:
            self._begin_planning(engine, lambda token: self._plan_instead(engine, token, failed, failure))
        except ShortageError as exc:
            _logger.info("No other engine can be looked for: %s", exc)
            return
        if not engine.waiting:  # it was loaded, so the other one is to be
            self._wait(engine).add_done_callback(_let_go)

    def _plan_instead(
        self, engine: PooledEngine, token: object, failed: LaunchPlan, failure: EngineError
    ) -> None:
        plan: LaunchPlan | None = None
        try:
            plan = self._instead_of(failed, failure) if self._instead_of else None
            self.measure()
        except AppError as exc:
            _logger.info("No other engine can run %s: %s", engine.model_id, exc.title)
        except Exception:  # the top of a thread: requests wait for it
            _logger.exception("No other engine can be found for %s", engine.model_id)
        with self._lock:
            if engine.planning is not token:
                return  # it was stopped, or has got another plan meanwhile
            engine.planning = None
            # The chosen model goes on in any case, also if it now takes more of the main memory.
            forced = engine.forced or engine is self._main
            settled = self._run(engine, plan, forced=forced) if plan else self._advance()
        self._settle(settled)
        if plan is None:  # it has failed for good, which nobody was told yet
            self.changed.emit(engine.supervisor.snapshot())

    def _on_change(self, engine: PooledEngine, snapshot: EngineSnapshot) -> None:
        """On the thread of a supervisor, after a change of its engine."""
        if snapshot.state is State.READY and snapshot.pids:
            self._measure(engine, snapshot)
        with self._lock:
            if snapshot.state is State.READY:
                now_s = engine.used_s = self._clock()  # loading may take longer than the idle limit
                engine.stays_until_s = now_s + min(now_s - engine.told_s, self._longest_stay_s)
                engine.ready_run = snapshot.run_id
            settled = self._advance()
        self._settle(settled)
        self.changed.emit(snapshot)

    def _on_time(self) -> None:
        with self._lock:
            self._timer = None
            settled = self._advance()
        self._settle(settled)

    def _on_done(self, lease: Future[EngineLease]) -> None:
        """A model that nobody waits for any more is not loaded, and no other one is unloaded for it."""
        if lease.cancelled():
            with self._lock:
                settled = self._advance()
            self._settle(settled)

    def _give_back(self, engine: PooledEngine) -> None:
        with self._lock:
            engine.leases -= 1
            engine.used_s = self._clock()
            waits = engine.leases == 0 and any(each.next for each in self._engines())
            settled = self._advance() if waits else []
        self._settle(settled)

    def _measure(self, engine: PooledEngine, snapshot: EngineSnapshot) -> ProcessUsage:
        pids = snapshot.pids
        used = usage_together(pids, snapshot.weights_bytes)
        has_cards = isinstance(snapshot.plan, LaunchPlan) and snapshot.plan.graphics_room_bytes > 0
        graphics_bytes = graphics_used_by(pids) if has_cards else None
        with self._lock:
            if engine.told is not None and engine.supervisor.snapshot().pids == pids:
                engine.memory_bytes, engine.private_bytes = used.memory_bytes, used.private_bytes
                engine.graphics_bytes = graphics_bytes
        return used

    def _settle(self, settled: list[Settlement]) -> None:
        """Give those who wait what they wait for. Without the lock, as they may call the pool."""
        for waiting, outcome in settled:
            if not waiting.set_running_or_notify_cancel():  # its client has disconnected
                if isinstance(outcome, EngineLease):
                    outcome.release()
            elif isinstance(outcome, EngineLease):
                waiting.set_result(outcome)
            else:
                waiting.set_exception(outcome)


def _let_go(loaded: Future[EngineLease]) -> None:
    """Give back the lease of an engine that was loaded although nobody waits for it."""
    if not loaded.cancelled() and loaded.exception() is None:
        loaded.result().release()
