"""Decides what happens to the engine next. Pure: a state and an event give the next state and the effects.

    STOPPED ─ensure─▶ STARTING ─spawned─▶ LOADING ─answered─▶ READY ─stop─▶ STOPPING ─exited─▶ STOPPED
                         └──────────┴─────────┴── exited ─▶ BACKOFF ─due─▶ STARTING, or FAILED,
                                                         or WAITING ─due─▶ STARTING

Every spawn has a number, its run. Events carry the run they are about; those of an older run change nothing.
A run lives from `Spawn` until its `Exited`, and no `Spawn` is asked for while one lives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.engine.failure_patterns import may_be_of_engine
from tray_app.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.engine.diagnosis import Failure
    from tray_app.engine.launch_plan import Plan


class State(StrEnum):
    """The engine's state."""

    STOPPED = "stopped"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """It has ended by itself and will be started again after a delay."""
    WAITING = "waiting"
    """Its model's drive or folder is gone; it will be started again when that is back."""
    FAILED = "failed"
    """It has ended by itself and starting it again would not help."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When an engine that ended by itself is started again, and when it is given up."""

    restart_delays_s: tuple[float, ...] = (1, 2, 4, 8, 16)
    """The delays before the first, second, … restart. If all were used within `window_s`, the engine has
    failed."""
    window_s: float = 300
    steady_s: float = 60
    """After an engine was ready for so long, the count of restarts begins anew."""
    grace_s: float = 3
    """How long an engine that is asked to end may take before it is killed."""
    jitter: Callable[[float], float] = float
    """Varies each delay before a restart."""


_OTHER_PORT_DELAYS_S = (1.0, 1.0, 1.0)
"""Of engines that are otherwise not restarted: another program took the port, so another one is tried."""


@dataclass(frozen=True, slots=True)
class Ensure:
    """The wish that this plan be running."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Stop:
    """The wish that nothing be running."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """The process of a run was started."""

    run: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The engine of a run has given a real answer."""

    run: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The process of a run has ended, or could not be started."""

    run: int
    failure: Failure
    """Why it ended; ignored if it was asked to end."""


@dataclass(frozen=True, slots=True)
class Due:
    """The delay of a run's `WakeLater` is over, or the path of its `Await` exists again."""

    run: int


Event = Ensure | Stop | Spawned | Answered | Exited | Due


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a process."""

    run: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask the process to end."""

    run: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process."""

    run: int


@dataclass(frozen=True, slots=True)
class WakeLater:
    """Send `Due` after this delay; a newer `WakeLater` replaces an older one."""

    run: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Await:
    """Send `Due` when this path exists."""

    run: int
    path: Path


Effect = Spawn | Terminate | Kill | WakeLater | Await


@dataclass(frozen=True, slots=True)
class EngineFsm:
    """The state of the engine's life: all that the next decision depends on."""

    policy: RestartPolicy = RestartPolicy()
    state: State = State.STOPPED
    run: int = 0
    plan: Plan | None = None
    """The plan that runs or is about to; while STOPPING, the one to run next."""
    ready_since_s: float = 0
    restarts_s: tuple[float, ...] = ()
    """The times of restarts since the engine last ran steadily, or since a person started it."""
    failure: Failure | None = None
    """Why the engine last ended by itself; None again when it is ready or a person starts or stops it."""


Outcome = tuple[EngineFsm, tuple[Effect, ...]]


def step(fsm: EngineFsm, event: Event, now_s: float) -> Outcome:
    """The state after an event, and the effects to perform. `now_s` is from a monotonic clock."""
    match event:
        case Ensure(plan):
            return _ensure(fsm, plan)
        case Stop():
            return _stop(fsm)
        case _ if event.run == fsm.run:
            return _happened(fsm, event, now_s)
        case _:
            return fsm, ()


def _happened(fsm: EngineFsm, event: Spawned | Answered | Exited | Due, now_s: float) -> Outcome:
    match event:
        case Spawned() if fsm.state is State.STARTING:
            return replace(fsm, state=State.LOADING), ()
        case Answered() if fsm.state is State.LOADING:
            return replace(fsm, state=State.READY, ready_since_s=now_s, failure=None), ()
        case Exited(failure=failure):
            return _exited(fsm, failure, now_s)
        case Due():
            return _due(fsm, now_s)
        case _:
            return fsm, ()


def _ensure(fsm: EngineFsm, plan: Plan) -> Outcome:
    match fsm.state:
        case State.STOPPED | State.FAILED | State.WAITING:  # a plan is made only of a model that exists
            return _spawn(fsm, plan)
        case State.BACKOFF if plan != fsm.plan:
            return _spawn(fsm, plan)
        case State.STOPPING:
            return replace(fsm, plan=plan), ()
        case State.STARTING | State.LOADING | State.READY if plan != fsm.plan:
            return _end(fsm, plan)
        case _:
            return fsm, ()


def _stop(fsm: EngineFsm) -> Outcome:
    match fsm.state:
        case State.STARTING | State.LOADING | State.READY:
            return _end(fsm, None)
        case State.STOPPING:
            return replace(fsm, plan=None), ()
        case _:
            return _stopped(fsm), ()


def _exited(fsm: EngineFsm, failure: Failure, now_s: float) -> Outcome:
    match fsm.state:
        case State.STOPPING:
            return _spawn(fsm, fsm.plan) if fsm.plan else (_stopped(fsm), ())
        case State.STARTING | State.LOADING | State.READY:
            return _recover(fsm, failure, now_s)
        case _:
            return fsm, ()


def _due(fsm: EngineFsm, now_s: float) -> Outcome:
    match fsm.state:
        case State.STOPPING:
            return fsm, (Kill(fsm.run),)
        case State.BACKOFF if fsm.plan:
            restarts_s = (*fsm.restarts_s, now_s)
            return _spawn(fsm, fsm.plan, restarts_s, fsm.failure)
        case State.WAITING if fsm.plan:
            return _spawn(fsm, fsm.plan, fsm.restarts_s, fsm.failure)
        case _:
            return fsm, ()


def _recover(fsm: EngineFsm, failure: Failure, now_s: float) -> Outcome:
    policy = fsm.policy
    was_steady = fsm.state is State.READY and now_s - fsm.ready_since_s >= policy.steady_s
    recent_s = () if was_steady else tuple(at for at in fsm.restarts_s if now_s - at < policy.window_s)
    after = replace(fsm, restarts_s=recent_s, failure=failure)
    if failure.absent:
        return replace(after, state=State.WAITING), (Await(fsm.run, failure.absent),)
    delays_s = policy.restart_delays_s
    if failure.error.code is ErrorCode.ENGINE_PORT_TAKEN:
        delays_s = delays_s or _OTHER_PORT_DELAYS_S
    if failure.permanent or _makes_place(after) or len(recent_s) >= len(delays_s):
        return replace(after, state=State.FAILED), ()
    delay_s = policy.jitter(delays_s[len(recent_s)])
    return replace(after, state=State.BACKOFF), (WakeLater(fsm.run, delay_s),)


def _makes_place(fsm: EngineFsm) -> bool:
    """Whether an engine that has just failed is given up, so that another one takes its place: at once if it
    failed to load, otherwise if it fails again soon. One that was killed from outside has not failed to load.
    """
    if not (fsm.plan and fsm.plan.soon_replaceable and fsm.failure and may_be_of_engine(fsm.failure.error)):
        return False
    fails_to_load = fsm.state is not State.READY and fsm.failure.error.code is not ErrorCode.ENGINE_KILLED
    return fails_to_load or bool(fsm.restarts_s)


def _spawn(
    fsm: EngineFsm, plan: Plan, restarts_s: tuple[float, ...] = (), failure: Failure | None = None
) -> Outcome:
    run = fsm.run + 1
    after = replace(fsm, state=State.STARTING, run=run, plan=plan, restarts_s=restarts_s, failure=failure)
    return after, (Spawn(run, plan),)


def _end(fsm: EngineFsm, then: Plan | None) -> Outcome:
    after = replace(fsm, state=State.STOPPING, plan=then)
    return after, (Terminate(fsm.run), WakeLater(fsm.run, fsm.policy.grace_s))


def _stopped(fsm: EngineFsm) -> EngineFsm:
    return EngineFsm(policy=fsm.policy, run=fsm.run)
