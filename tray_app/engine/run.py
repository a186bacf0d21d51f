"""One process of an engine and the threads that watch it. They report events; the supervisor decides.

One thread reads the output, one waits for the end, one probes until the engine answers. Later, when a request
gets no answer, another one finds out whether the engine hangs (docs/decisions/0004-hung-engine.md).
"""

from __future__ import annotations

import errno
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.access import Address, new_key
from tray_app.engine.diagnosis import (
    Failure,
    diagnose,
    gone,
    hung,
    over_load_limits,
    port_taken,
    stuck_on_request,
    will_not_recover,
)
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import HOST
from tray_app.engine.lifecycle import Answered, Exited
from tray_app.engine.load_limits import LoadWatch, SpinWatch
from tray_app.engine.probe import QuietWatch, answers_probe, last_tasks, probe_request_for, shows_life
from tray_app.errors import EngineError
from tray_app.system.drives import device_of, missing_place
from tray_app.system.ports import LOOPBACK, free_port, own_loopback
from tray_app.system.process import listens, usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.lifecycle import Event
    from tray_app.engine.output import EngineOutput
    from tray_app.system.child import Child
    from tray_app.system.engine_id import RunId
    from tray_app.system.process import ProcessUsage

_logger = logging.getLogger(__name__)
_LAST_LINES_S = 1.0


@dataclass(frozen=True, slots=True)
class HealthCheckTimeouts:
    """How an engine that loads, or seems to hang, is watched."""

    ask_every_s: float = 0.05
    """How often an engine that loads is asked for an answer."""
    look_every_s: float = 1.0
    """How often it is measured what its process uses."""
    quiet_limit_s: float = 120.0
    """While it loads, an engine that prints, reads and computes nothing for so long counts as hung."""
    hang_limit_s: float = 10.0
    """The same while a request waits and the probe gets no answer."""
    slow_limit_s: float = 180.0
    """How long an engine that computes may leave the probe unanswered: a long prompt is one step for it."""
    probe_timeout_s: float = 5.0
    """How long to wait for each answer of an engine that seems to hang."""
    spin_limit_s: float = 60.0
    """An engine that computes for so long and works on no request is stuck on one whose chat template never
    ends."""
    return_look_s: float = 1.0
    """How often it is checked whether a model's drive is back."""
    remote_every_s: float = 10.0
    """How often a remote server is asked whether it is there."""
    remote_again_s: float = 1.0
    """When it is asked again if it does not answer."""
    remote_limit_s: float = 60.0
    """If a remote server cannot be reached for so long, this run of it ends."""


def address_for(plan: LaunchPlan) -> Address:
    """A new address for one run of a plan: a free port, and a key if its engine takes one. `OSError`."""
    key = new_key() if plan.engine.kind.takes_key else ""
    return Address(own_loopback() if HOST in plan.argv else LOOPBACK, free_port(), key)


class EngineRun:
    """One process of an engine. `report` is called with its events, from any thread."""

    def __init__(
        self, run: RunId, plan: LaunchPlan, address: Address, child: Child, output: EngineOutput
    ) -> None:
        self.id = run
        self.address = address
        self.child = child
        self._kind = plan.engine.kind
        self._load_limits = plan.load_limits
        self._probe = probe_request_for(plan.engine.kind, plan.purpose)
        self._model = plan.model.path
        self._device = device_of(self._model)
        self._output = output
        self._first_line = output.count
        self._ended = threading.Event()
        self._ended_by_us: Failure | None = None
        self._check: threading.Thread | None = None
        self.models = (plan.model.id,)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.child.pid

    def terminate(self) -> None:
        """Ask the engine to end."""
        self.child.terminate()

    def kill(self) -> None:
        """End the engine."""
        self.child.kill()

    def watch(
        self, report: Callable[[Event], None], clock: Callable[[], float], timeouts: HealthCheckTimeouts
    ) -> None:
        """Start the threads; they end with the process.

        `OSError` if no thread can be started: the process is then ended.
        """
        try:
            reader = self._thread("output", self._read)
            self._thread("probe", lambda: self._await_answer(report, clock, timeouts))
            self._thread("exit", lambda: self._await_exit(reader, report))
        except RuntimeError as exc:
            self._ended.set()
            self.child.kill()
            self.child.wait()
            raise OSError(errno.EAGAIN, str(exc)) from exc

    def check(self, clock: Callable[[], float], timeouts: HealthCheckTimeouts) -> None:
        """Find out whether the engine hangs, and end it if so; returns at once. For one caller.

        Nothing happens if no thread can be started: whoever suspects the engine does so again.
        """
        if self._check is None or not self._check.is_alive():
            try:
                self._check = self._thread("check", lambda: self._end_if_it_hangs(clock, timeouts))
            except RuntimeError as exc:
                _logger.info("The engine of run %s cannot be checked now: %s", self.id, exc)

    def _thread(self, what: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"engine-{self.id}-{what}", daemon=True)
        thread.start()
        return thread

    def _read(self) -> None:
        for batch in self.child.batches():
            self._output.extend(batch)

    def _await_exit(self, reader: threading.Thread, report: Callable[[Event], None]) -> None:
        code = self.child.wait()
        self._ended.set()
        reader.join(_LAST_LINES_S)  # a child of the engine that survives may keep the pipe open
        if place := missing_place(self._model, self._device):
            failure = gone(self._model, place)
        else:
            failure = self._ended_by_us or diagnose(code, self._output.since(self._first_line))
        report(Exited(self.id.number, failure))

    def _await_answer(
        self, report: Callable[[Event], None], clock: Callable[[], float], timeouts: HealthCheckTimeouts
    ) -> None:
        quiet = QuietWatch(timeouts.quiet_limit_s, clock())
        load = LoadWatch(self._load_limits, clock())
        look_at_s = clock() + timeouts.look_every_s
        while not self._ended.wait(timeouts.ask_every_s):
            failure = None
            try:
                answered = answers_probe(self._probe, self.address)
            except EngineError as exc:
                answered, failure = True, Failure(exc, permanent=True)
            if answered:
                self._conclude(failure, report)
                return
            now_s = clock()
            if now_s >= look_at_s:
                look_at_s = now_s + timeouts.look_every_s
                used = self._used()
                if reason := load.excess(used, self._output.count, now_s):
                    self._end(over_load_limits(reason))
                    return
                if quiet.exceeded(used, self._output.count, now_s):
                    self._end(hung(timeouts.quiet_limit_s))
                    return

    def _conclude(self, failure: Failure | None, report: Callable[[Event], None]) -> None:
        """Report that the engine has answered. End it if that was a `failure`, or if another program has
        taken its port and answered instead, whatever it said.
        """
        if not listens(self.child.pid, self.address.host, self.address.port):
            failure = port_taken()
        if failure:
            self._end(failure)
        else:
            report(Answered(self.id.number))

    def _end_if_it_hangs(self, clock: Callable[[], float], timeouts: HealthCheckTimeouts) -> None:
        if self._shows_life(clock, timeouts) and self._kind is not EngineKind.POWERINFER:
            self._end_if_spinning(clock, timeouts)

    def _shows_life(self, clock: Callable[[], float], timeouts: HealthCheckTimeouts) -> bool:
        """Whether the engine answers within the limits; if not, it is ended."""
        watch = QuietWatch(timeouts.hang_limit_s, clock(), self._used(), self._output.count)
        searched, lost = self._first_line, False
        while not shows_life(self._probe, self._kind, self.address, timeouts.probe_timeout_s):
            if not watch.watched_s:
                _logger.warning("The engine of run %s does not answer", self.id)
            count = self._output.count
            quiet = watch.exceeded(self._used(), count, clock())
            lost = lost or will_not_recover(self._output.since(searched))
            searched = count
            limit_s = timeouts.hang_limit_s if lost else timeouts.slow_limit_s
            if quiet or watch.watched_s >= limit_s:
                self._end(hung(watch.watched_s))
                return False
            if self._ended.wait(timeouts.ask_every_s):
                return False
        return True

    def _end_if_spinning(self, clock: Callable[[], float], timeouts: HealthCheckTimeouts) -> None:
        """End a llama.cpp that computes without end but has no task in any slot: it is stuck before it begins
        on a request.
        """
        tasks = last_tasks(self.address, timeouts.probe_timeout_s)
        watch = SpinWatch(timeouts.spin_limit_s, clock(), self._used())
        while tasks is not None and not self._ended.wait(timeouts.look_every_s):
            if not watch.look(self._used(), clock()):
                return
            if watch.exceeded:
                self._end(stuck_on_request(watch.spun_s))
                return
            if last_tasks(self.address, timeouts.probe_timeout_s) != tasks:
                return  # it works on other requests

    def _used(self) -> ProcessUsage:
        return usage(self.child.pid)

    def _end(self, why: Failure) -> None:
        self._ended_by_us = why
        self.child.kill()
