"""One short run of an engine, to find out whether it computes right: started, asked and ended in time.

On the thread that tests the engine; the thread `proof-limit` ends one that takes too long.
"""

from __future__ import annotations

import http.client
import logging
import queue
import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tray_app.engine.builds.installation import raise_if_canceled
from tray_app.engine.devices import parse_devices
from tray_app.engine.diagnosis import failure_to_start, hung
from tray_app.engine.lifecycle import Exited
from tray_app.engine.output import EngineOutput
from tray_app.engine.probe import request_vectors
from tray_app.engine.run import EngineRun, address_for
from tray_app.errors import EngineError
from tray_app.system.child import Launch
from tray_app.system.engine_id import EngineId, RunId
from tray_app.system.environment import engine_environment
from tray_app.system.process import usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tray_app.engine.devices import EngineDevice
    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.lifecycle import Event
    from tray_app.engine.run import HealthCheckTimeouts
    from tray_app.system.child import Launcher

_log = logging.getLogger(__name__)

_ENGINE = EngineId("proof")
_LOOK_S = 0.1
_LAST_WORDS_S = 10.0
"""How long to wait for the report that a process has ended."""
_WEIGHTS_ON = re.compile(r"\b(\w+) model buffer size =")
"""Where llama.cpp keeps weights: a card, by the name that it lists, or such as `CPU_Mapped`. That it has
“offloaded” layers it says without any card, too."""


class TrialRun:
    """One process of an engine, from its start to its end. All methods are for one thread.

    It is ended when `cancelled` is set, or after `longest_s`, the seconds that it may take in all.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        launcher: Launcher,
        folder: Path,
        cancelled: threading.Event,
        *,
        timeouts: HealthCheckTimeouts,
        longest_s: float,
    ) -> None:
        self._plan = plan
        self._launcher = launcher
        self._folder = folder
        self._cancelled = cancelled
        self._timeouts = timeouts
        self._longest_s = longest_s
        self._output = EngineOutput(None, _ENGINE)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._run: EngineRun | None = None
        self._stopped = threading.Event()
        self._too_long = False
        self.ended = False
        """Whether its process has ended, or was never there."""

    @property
    def devices(self) -> tuple[EngineDevice, ...]:
        """The cards that it has named so far."""
        return parse_devices("\n".join(self._output.since(0)))

    def is_off(self, cards: Iterable[EngineDevice]) -> bool:
        """Whether it says where its weights are, and none of them is on one of these cards."""
        found = filter(None, map(_WEIGHTS_ON.search, self._output.since(0)))
        places = {each[1] for each in found}
        return bool(places) and places.isdisjoint(each.id for each in cards)

    def start(self) -> None:
        """Start it, and wait until it answers. `EngineError` if it ends, `CALLED_OFF` if it is canceled."""
        address = address_for(self._plan)
        env = {**engine_environment(), **address.environment}
        command = self._plan.command(address.port, address.host)
        try:
            child = self._launcher.launch(Launch(command, env, self._folder))
            self._run = EngineRun(RunId(_ENGINE, 1), self._plan, address, child, self._output)
            self._run.watch(self._events.put, time.monotonic, self._timeouts)
        except OSError as exc:
            self.ended = True
            raise failure_to_start(exc).error from exc
        threading.Thread(target=self._limit, name="proof-limit", daemon=True).start()
        self._raise_if_ended(self._next_event(self._longest_s + _LAST_WORDS_S))

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vector of each text. `EngineError` if it ends over that, or hangs."""
        assert self._run  # noqa: S101  it was started
        kind, address = self._plan.engine.kind, self._run.address
        try:
            return request_vectors(kind, texts, address, self._longest_s)
        except TimeoutError:
            self._run.kill()
            raise hung(self._longest_s).error from None
        except (OSError, http.client.HTTPException) as exc:
            _log.debug("The engine of a proof gave no answer: %r", exc)
        self._raise_if_ended(self._next_event(_LAST_WORDS_S))
        raise hung(_LAST_WORDS_S).error

    def took_s(self, texts: Sequence[str]) -> float:
        """How much time of all processors it takes for so many texts. As `embed`."""
        before_s = self._used_s()
        self.embed(texts)
        return self._used_s() - before_s

    def stop(self) -> None:
        """End it, and wait for its end."""
        self._stopped.set()
        if self._run is None:
            return
        self._run.kill()
        with suppress(EngineError):  # one that the system does not end is left to it
            while not self.ended:
                self.ended = isinstance(self._next_event(_LAST_WORDS_S), Exited)

    def _next_event(self, timeout_s: float) -> Event:
        """What happens to it next. `EngineError` if nothing does."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            raise hung(timeout_s).error from None

    def _used_s(self) -> float:
        assert self._run  # noqa: S101  it was started
        return usage(self._run.pid).cpu_s

    def _limit(self) -> None:
        """End the process when nobody wants it any more, or it takes too long."""
        end_s = time.monotonic() + self._longest_s
        while not self._stopped.wait(_LOOK_S):
            self._too_long = time.monotonic() > end_s
            if self._run and (self._too_long or self._cancelled.is_set()):
                self._run.kill()
                return

    def _raise_if_ended(self, event: Event) -> None:
        if not isinstance(event, Exited):
            return
        self.ended = True
        raise_if_canceled(self._cancelled)
        raise hung(self._longest_s).error if self._too_long else event.failure.error
