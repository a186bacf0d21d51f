"""Keeps an engine running that is wanted. The thread "engine-ID-supervisor" starts and ends it, alone.

A remote server is an engine too: "running" means that it answers.

Public methods may be called by any thread: they leave a request in the inbox and return, or read a frozen
snapshot. `lifecycle.py` decides what happens next; this module does it.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psygnal import EmitLoopError, Signal

from tray_app.engine.diagnosis import defect, failure_to_start, with_other_engine
from tray_app.engine.failure_patterns import may_be_of_engine
from tray_app.engine.launch_dir import prepare
from tray_app.engine.launch_plan import RemotePlan
from tray_app.engine.lifecycle import (
    Await,
    Due,
    EngineFsm,
    Ensure,
    Exited,
    Kill,
    RestartPolicy,
    Spawn,
    Spawned,
    State,
    Stop,
    Terminate,
    WakeLater,
    step,
)
from tray_app.engine.output import EngineOutput
from tray_app.engine.remote_engine import RemoteRun
from tray_app.engine.run import EngineRun, HealthCheckTimeouts, address_for
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.errors import EngineError
from tray_app.system import runfolder, runrecord
from tray_app.system.child import Launch
from tray_app.system.drives import PathWatcher
from tray_app.system.engine_id import MAIN_ENGINE, RunId
from tray_app.system.environment import engine_environment
from tray_app.system.files import unwritable
from tray_app.system.runfolder import RunFolder
from tray_app.system.shortage import passes
from tray_app.system.sleep import SleepWatch, wall_clock_s

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from pathlib import Path

    from tray_app.engine.launch_plan import LaunchPlan, Plan
    from tray_app.engine.lifecycle import Effect, Event
    from tray_app.engine.program import Engine
    from tray_app.system.child import Child, Launcher
    from tray_app.system.engine_id import EngineId
    from tray_app.system.logs import Lines

_logger = logging.getLogger(__name__)
_JITTER = (0.8, 1.2)
_RUN_FOLDERS = "engine-runs"
"""The folder, below the state folder, in which each run has a folder of its own. PowerInfer writes its log
there."""


def _spread(delay_s: float) -> float:
    return delay_s * random.uniform(*_JITTER)  # noqa: S311  no secret


@dataclass(frozen=True, slots=True)
class Timing:
    """Every clock and delay of a supervisor."""

    policy: RestartPolicy = field(default_factory=lambda: RestartPolicy(jitter=_spread))
    timeouts: HealthCheckTimeouts = field(default_factory=HealthCheckTimeouts)
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = wall_clock_s
    look_for_sleep_s: float = 10.0


class _Close:
    """The request to stop the engine and to accept no more requests."""


@dataclass(frozen=True, slots=True)
class _Check:
    """The request to find out whether the engine of a run hangs."""

    run: RunId


class Supervisor:
    """Owns the engine's process."""

    changed = Signal(EngineSnapshot)
    """Emitted on the supervisor's thread after every change, and when it has heard a request that changes
    nothing. Listeners must return soon and must not call `wait_for`."""

    def __init__(
        self,
        launcher: Launcher,
        state_dir: Path,
        log_dir: Path | None,
        timing: Timing | None = None,
        engine_id: EngineId = MAIN_ENGINE,
        *,
        check_engine: Callable[[Engine], None] = lambda _: None,
    ) -> None:
        """`check_engine` raises an `EngineError` about an engine that must not be started."""
        self.id = engine_id
        self._check_engine = check_engine
        self._launcher = launcher
        self._state_dir = state_dir
        self._environ = engine_environment()
        self._timing = timing or Timing()
        self._output = EngineOutput(log_dir, engine_id)
        self._fsm = EngineFsm(self._timing.policy)
        self._run: EngineRun | RemoteRun | None = None
        self._record: Path | None = None
        self._folder: RunFolder | None = None
        self._wake: tuple[float, Due] | None = None
        self._path_watcher: PathWatcher | None = None
        self._sleep = SleepWatch(self._timing.look_for_sleep_s, self._timing.clock, self._timing.wall_clock)
        self._inbox: queue.SimpleQueue[Event | _Close | _Check] = queue.SimpleQueue()
        self._moved = threading.Condition()
        self._asked = self._taken = self._heard = self._done = 0
        """Numbers of requests: put into the inbox, taken out of it, visible in the snapshot, completed."""
        self._closing = self._ended = False
        self._snapshot = EngineSnapshot(engine_id, State.STOPPED, None, 0, None, None, time.time(), 0, None)
        # A daemon, so that a crash of the main thread ends the process; the kernel then ends the engine.
        self._thread = threading.Thread(
            target=self._serve, name=f"engine-{engine_id}-supervisor", daemon=True
        )
        self._thread.start()

    def ensure(self, plan: Plan) -> None:
        """Ask for this plan to run, instead of any other; nothing happens if it runs already."""
        self._ask(Ensure(plan))

    def stop(self) -> None:
        """Ask for the engine to stop; also cancels earlier requests to start one."""
        self._ask(Stop())

    def check(self, run: RunId) -> None:
        """Say that a request to the engine of this run gets no answer: if it hangs, it is started again.

        Nothing happens if that run is over, or is one of another engine.
        """
        self._ask(_Check(run))

    def snapshot(self) -> EngineSnapshot:
        """The engine now; cheap enough for every request."""
        return self._snapshot

    @property
    def has_heard(self) -> bool:
        """Whether `snapshot` shows the effect of all requests so far. Cheap enough for every request."""
        # Without the lock: both only grow, and the one that may be too old by then is read first.
        return self._heard >= self._asked or self._ended

    @property
    def lines(self) -> Lines:
        """What the engine prints, with the time at which it came."""
        return self._output.lines

    def wait_for(self, states: Container[State], timeout_s: float) -> EngineSnapshot:
        """The first snapshot in one of these states, once all requests are taken.

        `TimeoutError` if there is none in time, or can be none: the supervisor was closed in another state.
        """
        with self._moved:
            asked = self._asked
            self._moved.wait_for(
                lambda: (self._done >= asked and self._snapshot.state in states) or self._ended,
                timeout_s,
            )
            snapshot, taken = self._snapshot, self._done >= asked or self._ended
        if taken and snapshot.state in states:
            return snapshot
        raise TimeoutError(f"The engine is {snapshot.state}, run {snapshot.run}")

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the engine and the thread, and take no more requests."""
        self._ask(_Close())
        self._thread.join(timeout_s)
        self._output.close()

    def _ask(self, request: Event | _Close | _Check) -> None:
        with self._moved:
            self._asked += 1
            self._inbox.put(request)

    def _serve(self) -> None:
        try:
            for pid in runrecord.reap(self._state_dir):
                _logger.warning("Ended process %d, left over from an earlier start", pid)
            runfolder.sweep(self._state_dir / _RUN_FOLDERS)
            while not (self._closing and self._fsm.state is State.STOPPED):
                self._take(self._next())
        except Exception as exc:
            _logger.exception("The supervisor cannot go on")
            failure = defect("Monitoring of the engine failed", exc, "Restart the app.")
            self._publish(replace(self._snapshot, state=State.FAILED, failure=failure))
        finally:
            if self._run:
                self._run.kill()
            with self._moved:
                self._ended = True
                self._moved.notify_all()

    def _next(self) -> Event | _Close | _Check:
        while True:
            try:
                return self._inbox.get(timeout=self._time_to_wake_s())
            except queue.Empty:
                if self._wake and self._wake[0] <= self._timing.clock():
                    due, self._wake = self._wake[1], None
                    return due
            finally:
                self._look_for_sleep()  # before anything changes: waits are short only while READY

    def _time_to_wake_s(self) -> float | None:
        limits_s = [max(0.0, self._wake[0] - self._timing.clock())] if self._wake else []
        if self._fsm.state is State.READY:
            limits_s.append(self._timing.look_for_sleep_s)
        return min(limits_s, default=None)

    def _look_for_sleep(self) -> None:
        """An engine may not survive that the machine sleeps, above all one that uses a graphics card."""
        if self._sleep.has_slept() and self._fsm.state is State.READY and self._run:
            _logger.info("The machine has slept: is the engine of run %s still there?", self._run.id)
            self._run.check(self._timing.clock, self._timing.timeouts)

    def _take(self, request: Event | _Close | _Check) -> None:
        asked = isinstance(request, Ensure | Stop | _Close | _Check)
        self._taken += asked
        if isinstance(request, _Close):
            self._closing = True
            self._advance(Stop())
        elif isinstance(request, _Check):
            self._check(request.run)
        elif not (self._closing and isinstance(request, Ensure)):
            self._advance(request)
        if asked:
            self._publish(self._snapshot)
            with self._moved:
                self._done = self._taken
                self._moved.notify_all()

    def _check(self, run: RunId) -> None:
        if self._run and self._run.id == run and self._fsm.state is State.READY:
            self._run.check(self._timing.clock, self._timing.timeouts)

    def _advance(self, event: Event) -> None:
        if isinstance(event, Exited):
            if self._run and event.run == self._run.id.number:
                self._forget_run()
            event = self._with_hint(event)
        self._fsm, effects = step(self._fsm, event, self._timing.clock())
        if self._path_watcher and self._fsm.state is not State.WAITING:
            self._path_watcher.cancel()
            self._path_watcher = None
        self._publish(self._current_snapshot())
        for effect in effects:
            self._perform(effect)

    def _with_hint(self, event: Exited) -> Exited:
        """The end of an engine, with what a person may do who has named this installed one."""
        engine = self._fsm.plan.engine if self._fsm.plan else None
        insists = engine is not None and engine.build is not None and not engine.replaceable
        if not (insists and may_be_of_engine(event.failure.error)):
            return event
        return replace(event, failure=with_other_engine(event.failure))

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Spawn(number, plan):
                self._advance(self._spawn(number, plan))
            case Terminate() if self._run:
                self._run.terminate()
            case Kill() if self._run:
                self._run.kill()
            case WakeLater(number, delay_s):
                self._wake = self._timing.clock() + delay_s, Due(number)
            case Await(number, path):
                self._await(number, path)

    def _await(self, number: int, path: Path) -> None:
        look_s = self._timing.timeouts.return_look_s
        name = f"engine-{RunId(self.id, number)}-return"
        try:
            self._path_watcher = PathWatcher(name, path, lambda: self._inbox.put(Due(number)), look_s)
        except RuntimeError:  # no thread can be started now: the next run finds out whether the path is there
            self._wake = self._timing.clock() + look_s, Due(number)

    def _spawn(self, number: int, plan: Plan) -> Event:
        try:
            if isinstance(plan, RemotePlan):
                self._output.add(f"[run {number}] {plan.url}")
                self._run = RemoteRun(RunId(self.id, number), plan, self._output)
            else:
                self._run = self._launch(number, plan)
            self._run.watch(self._inbox.put, self._timing.clock, self._timing.timeouts)
        except (OSError, EngineError) as exc:
            self._forget_run()
            return Exited(number, failure_to_start(exc))
        return Spawned(number)

    def _launch(self, number: int, plan: LaunchPlan) -> EngineRun:
        """Start a process. `OSError`, `EngineError`."""
        self._check_engine(plan.engine)
        address = address_for(plan)
        self._output.add(f"[run {number}] {plan.display(address.port, address.host)}")
        command = plan.command(address.port, address.host)
        env = {**self._environ, **address.environment}
        child = self._launcher.launch(Launch(command, env, self._make_folder(plan)))
        self._record = self._remember(child, address.port)
        return EngineRun(RunId(self.id, number), plan, address, child, self._output)

    def _make_folder(self, plan: LaunchPlan) -> Path:
        """Make the private folder of a run.

        Returns the folder in which the engine runs, which mostly is that one.
        """
        parent = self._state_dir / _RUN_FOLDERS
        try:
            self._folder = RunFolder.make(parent)
            return prepare(plan.launch_dir, plan.model.path, self._folder)
        except OSError as exc:
            if passes(exc):
                raise
            raise unwritable(exc, EngineError) from exc

    def _remember(self, child: Child, port: int) -> Path | None:
        try:
            return runrecord.remember(self._state_dir, self.id, child, port)
        except OSError as exc:
            _logger.warning("The engine's process cannot be recorded: %s", exc)
            return None

    def _forget_run(self) -> None:
        self._run = None
        if self._record:
            with suppress(OSError):  # Windows refuses while it is read; the next start removes it
                self._record.unlink(missing_ok=True)
            self._record = None
        if self._folder:
            self._folder.remove()
            self._folder = None

    def _current_snapshot(self) -> EngineSnapshot:
        fsm, before = self._fsm, self._snapshot
        return EngineSnapshot(
            engine=self.id,
            state=fsm.state,
            plan=fsm.plan,
            run=fsm.run,
            address=self._run.address if self._run else None,
            pid=self._run.pid if self._run else None,
            since_s=before.since_s if fsm.state is before.state else time.time(),
            restarts=len(fsm.restarts_s),
            failure=fsm.failure.error if fsm.failure else None,
            models=self._run.models if self._run and fsm.state is State.READY else (),
            gave_up=fsm.state is State.FAILED and not (fsm.failure and fsm.failure.permanent),
        )

    def _publish(self, snapshot: EngineSnapshot) -> None:
        with self._moved:
            has_changed, hears = snapshot != self._snapshot, self._heard < self._taken
            self._heard = self._taken
            if not (has_changed or hears):
                return
            self._snapshot = snapshot
            self._moved.notify_all()
        if has_changed:
            _logger.info("engine %s: %s, run %d", self.id, snapshot.state, snapshot.run)
        try:
            self.changed.emit(snapshot)
        except EmitLoopError:  # a defect in a listener must not end this thread
            _logger.exception("A listener has failed")
