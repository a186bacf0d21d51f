"""Decides what happens to the engine next. Pure: a machine and an event give a machine and what to do.

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

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.engine.diagnosis import Failure
    from tray_app.engine.launch_plan import Plan


class State(StrEnum):
    """Where in its life the engine is."""

    STOPPED = "stopped"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """It has ended by itself and will be started again."""
    WAITING = "waiting"
    """As BACKOFF, once its model's folder is there again."""
    FAILED = "failed"
    """It has ended by itself and starting it again would not help."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How patient the machine is."""

    restart_delays_s: tuple[float, ...] = (1, 2, 4, 8, 16)
    """Before the first, second, … restart; when all are used up within `window_s`, the engine has failed."""
    window_s: float = 300
    steady_s: float = 60
    """An engine that was ready for so long has all restarts before it again."""
    grace_s: float = 3
    """What an engine that is asked to end may take before it is killed."""
    jitter: Callable[[float], float] = float
    """Changes each delay before a restart a little, unless it is the identity."""


@dataclass(frozen=True, slots=True)
class Ensure:
    """A plan shall be running."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing shall be running."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """The process of a run exists."""

    run: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The engine of a run has given a real answer."""

    run: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The process of a run is gone, or never came to be."""

    run: int
    failure: Failure
    """What it died of, should it not have been asked to end."""


@dataclass(frozen=True, slots=True)
class Due:
    """The time that `WakeLater` of a run named has come, or the file that its `Await` named."""

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
    """Send `Due` after this time; only the latest counts."""

    run: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Await:
    """Send `Due` when this file is there."""

    run: int
    path: Path


Effect = Spawn | Terminate | Kill | WakeLater | Await


@dataclass(frozen=True, slots=True)
class EngineFsm:
    """All that the next decision depends on."""

    policy: RestartPolicy = RestartPolicy()
    state: State = State.STOPPED
    run: int = 0
    plan: Plan | None = None
    """What runs, or is about to; while STOPPING, what shall run next."""
    ready_since_s: float = 0
    restarts_s: tuple[float, ...] = ()
    """When the engine was started again since it last ran steadily or a person started it."""
    failure: Failure | None = None
    """Why the engine last ended by itself; forgotten when it is ready or a person decides anew."""


Outcome = tuple[EngineFsm, tuple[Effect, ...]]


def step(machine: EngineFsm, event: Event, now_s: float) -> Outcome:
    """The machine after an event at a moment of a clock that only moves forward, and what to do."""
    match event:
        case Ensure(plan):
            return _ensure(machine, plan)
        case Stop():
            return _stop(machine)
        case _ if event.run == machine.run:
            return _happened(machine, event, now_s)
        case _:
            return machine, ()


def _happened(machine: EngineFsm, event: Spawned | Answered | Exited | Due, now_s: float) -> Outcome:
    match event:
        case Spawned() if machine.state is State.STARTING:
            return replace(machine, state=State.LOADING), ()
        case Answered() if machine.state is State.LOADING:
            return replace(machine, state=State.READY, ready_since_s=now_s, failure=None), ()
        case Exited(failure=failure):
            return _exited(machine, failure, now_s)
        case Due():
            return _due(machine, now_s)
        case _:
            return machine, ()


def _ensure(machine: EngineFsm, plan: Plan) -> Outcome:
    match machine.state:
        case State.STOPPED | State.FAILED | State.WAITING:  # whoever has a plan has seen the model
            return _spawn(machine, plan)
        case State.BACKOFF if plan != machine.plan:
            return _spawn(machine, plan)
        case State.STOPPING:
            return replace(machine, plan=plan), ()
        case State.STARTING | State.LOADING | State.READY if plan != machine.plan:
            return _end(machine, plan)
        case _:
            return machine, ()


def _stop(machine: EngineFsm) -> Outcome:
    match machine.state:
        case State.STARTING | State.LOADING | State.READY:
            return _end(machine, None)
        case State.STOPPING:
            return replace(machine, plan=None), ()
        case _:
            return _stopped(machine), ()


def _exited(machine: EngineFsm, failure: Failure, now_s: float) -> Outcome:
    match machine.state:
        case State.STOPPING:
            return _spawn(machine, machine.plan) if machine.plan else (_stopped(machine), ())
        case State.STARTING | State.LOADING | State.READY:
            return _recover(machine, failure, now_s)
        case _:
            return machine, ()


def _due(machine: EngineFsm, now_s: float) -> Outcome:
    match machine.state:
        case State.STOPPING:
            return machine, (Kill(machine.run),)
        case State.BACKOFF if machine.plan:
            restarts_s = (*machine.restarts_s, now_s)
            return _spawn(machine, machine.plan, restarts_s, machine.failure)
        case State.WAITING if machine.plan:
            return _spawn(machine, machine.plan, machine.restarts_s, machine.failure)
        case _:
            return machine, ()


def _recover(machine: EngineFsm, failure: Failure, now_s: float) -> Outcome:
    policy = machine.policy
    was_steady = machine.state is State.READY and now_s - machine.ready_since_s >= policy.steady_s
    recent_s = () if was_steady else tuple(at for at in machine.restarts_s if now_s - at < policy.window_s)
    after = replace(machine, restarts_s=recent_s, failure=failure)
    if failure.absent:
        return replace(after, state=State.WAITING), (Await(machine.run, failure.absent),)
    if failure.permanent or len(recent_s) >= len(policy.restart_delays_s):
        return replace(after, state=State.FAILED), ()
    delay_s = policy.jitter(policy.restart_delays_s[len(recent_s)])
    return replace(after, state=State.BACKOFF), (WakeLater(machine.run, delay_s),)


def _spawn(
    machine: EngineFsm, plan: Plan, restarts_s: tuple[float, ...] = (), failure: Failure | None = None
) -> Outcome:
    run = machine.run + 1
    after = replace(machine, state=State.STARTING, run=run, plan=plan, restarts_s=restarts_s, failure=failure)
    return after, (Spawn(run, plan),)


def _end(machine: EngineFsm, then: Plan | None) -> Outcome:
    after = replace(machine, state=State.STOPPING, plan=then)
    return after, (Terminate(machine.run), WakeLater(machine.run, machine.policy.grace_s))


def _stopped(machine: EngineFsm) -> EngineFsm:
    return EngineFsm(policy=machine.policy, run=machine.run)
