"""One process of an engine and the threads around it, which only report: the supervisor decides.

One reads what it prints, one waits for its end, one asks until it answers. Later, while a request gets no
answer, another finds out whether the engine hangs: PowerInfer's can, and then still answers /props.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.diagnosis import Failure, diagnose, gone, hung, will_not_recover
from tray_app.engine.lifecycle import Answered, Exited
from tray_app.engine.probe import QuietWatch, answers, gives_answer, question_for
from tray_app.errors import EngineError
from tray_app.system.drives import device_of, missing_place
from tray_app.system.process import usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.lifecycle import Event
    from tray_app.engine.output import EngineOutput
    from tray_app.engine.plan import LaunchPlan
    from tray_app.system.child import Child

_LAST_LINES_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How an engine that loads, or seems to hang, is watched."""

    ask_every_s: float = 0.05
    look_every_s: float = 1.0
    quiet_limit_s: float = 120.0
    """An engine that prints, reads and computes nothing for so long while it loads hangs."""
    hang_limit_s: float = 10.0
    """As above, while a request waits and a real probe gets no answer."""
    slow_limit_s: float = 180.0
    """An engine that computes but answers no probe may be slow: a long prompt is one step for it."""
    probe_timeout_s: float = 5.0
    return_look_s: float = 1.0
    """So often it is looked whether a model that is gone with its drive is back."""
    remote_every_s: float = 10.0
    remote_again_s: float = 1.0
    remote_limit_s: float = 60.0
    """A remote server that cannot be reached for so long is given a rest."""


class Run:
    """A spawned engine. `report` takes what happens to it, from any thread."""

    def __init__(self, number: int, plan: LaunchPlan, port: int, child: Child, output: EngineOutput) -> None:
        self.number = number
        self.port = port
        self.child = child
        self._question = question_for(plan.engine.kind, plan.purpose)
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
        """The process."""
        return self.child.pid

    def terminate(self) -> None:
        """Ask the engine to end."""
        self.child.terminate()

    def kill(self) -> None:
        """End the engine."""
        self.child.kill()

    def watch(self, report: Callable[[Event], None], clock: Callable[[], float], patience: Patience) -> None:
        """Start the threads; they end with the process."""
        reader = self._thread("output", self._read)
        self._thread("exit", lambda: self._await_exit(reader, report))
        self._thread("probe", lambda: self._await_answer(report, clock, patience))

    def check(self, clock: Callable[[], float], patience: Patience) -> None:
        """Find out whether the engine hangs, and end it if so. For one caller, which does not wait."""
        if self._check is None or not self._check.is_alive():
            self._check = self._thread("check", lambda: self._end_if_hung(clock, patience))

    def _thread(self, what: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"engine-{self.number}-{what}", daemon=True)
        thread.start()
        return thread

    def _read(self) -> None:
        for batch in self.child.batches():
            self._output.extend(batch)

    def _await_exit(self, reader: threading.Thread, report: Callable[[Event], None]) -> None:
        code = self.child.wait()
        self._ended.set()
        reader.join(_LAST_LINES_S)  # a descendant that got away may hold the pipe open
        if place := missing_place(self._model, self._device):
            failure = gone(self._model, place)
        else:
            failure = self._ended_by_us or diagnose(code, self._output.since(self._first_line))
        report(Exited(self.number, failure))

    def _await_answer(
        self, report: Callable[[Event], None], clock: Callable[[], float], patience: Patience
    ) -> None:
        watch = QuietWatch(patience.quiet_limit_s, clock())
        look_at_s = clock() + patience.look_every_s
        while not self._ended.wait(patience.ask_every_s):
            try:
                if gives_answer(self._question, self.port):
                    report(Answered(self.number))
                    return
            except EngineError as exc:
                self._end(Failure(exc, permanent=True))
                return
            now_s = clock()
            if now_s >= look_at_s:
                look_at_s = now_s + patience.look_every_s
                if watch.exceeded(usage(self.child.pid), self._output.count, now_s):
                    self._end(hung(patience.quiet_limit_s))
                    return

    def _end_if_hung(self, clock: Callable[[], float], patience: Patience) -> None:
        pid = self.child.pid
        watch = QuietWatch(patience.hang_limit_s, clock(), usage(pid), self._output.count)
        while not answers(self._question, self.port, patience.probe_timeout_s):
            quiet = watch.exceeded(usage(pid), self._output.count, clock())
            lost = will_not_recover(self._output.since(self._first_line))
            limit_s = patience.hang_limit_s if lost else patience.slow_limit_s
            if quiet or watch.watched_s >= limit_s:
                self._end(hung(watch.watched_s))
                return
            if self._ended.wait(patience.ask_every_s):
                return

    def _end(self, why: Failure) -> None:
        self._ended_by_us = why
        self.child.kill()
