"""Counts requests and tokens. Written by the gateway's event loop, read by any thread; bounded memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REMEMBERED_REQUESTS = 1000
WINDOW_S = 10
"""Rates are averages over so many seconds."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests to the engine since the app started."""

    requests: int = 0
    """Requests that have ended, with or without success."""
    errors: int = 0
    active: int = 0
    """Requests that are under way now."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_per_s: float = 0.0
    """Tokens read and generated per second, over the last ten seconds."""
    requests_per_s: float = 0.0
    latency_p50_ms: float | None = None
    """Percentiles of the last thousand requests, to the end of the answer; None before the first."""
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_sum_s: float = 0.0


class Counters:
    """Counts requests and tokens: all together, and those of each model.

    A model is counted under its id, as the backend has it. What a client calls it would take memory for ever.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._all = _Count()
        self._models: dict[str, _Count] = {}

    def begin(self) -> float:
        """A request has come. Returns what must be passed to `end`."""
        with self._lock:
            self._all.active += 1
        return self._clock()

    def end(self, began_s: float, status: int | None) -> None:
        """The request has ended with this HTTP status; None if its client disconnected before."""
        now_s = self._clock()
        with self._lock:
            self._all.end(now_s, now_s - began_s, status)

    def begin_at(self, model_id: str) -> float:
        """A request has got the engine of a model. Returns what must be passed to `end_at`."""
        with self._lock:
            self._of(model_id).active += 1
        return self._clock()

    def end_at(self, model_id: str, began_s: float, status: int | None) -> None:
        """As `end`, for the model."""
        now_s = self._clock()
        with self._lock:
            self._of(model_id).end(now_s, now_s - began_s, status)

    def tokens(self, model_id: str, prompt: int, completion: int) -> None:
        """Add tokens that a model has read (prompt) and generated."""
        with self._lock:
            now_s = self._clock()
            self._all.tokens(now_s, prompt, completion)
            self._of(model_id).tokens(now_s, prompt, completion)

    def snapshot(self) -> Traffic:
        """Everything counted so far."""
        with self._lock:
            return self._all.traffic(self._clock())

    def of_models(self) -> dict[str, Traffic]:
        """The same for each model that was asked since the app started, by its id."""
        with self._lock:
            now_s = self._clock()
            return {model_id: count.traffic(now_s) for model_id, count in self._models.items()}

    def _of(self, model_id: str) -> _Count:
        """With the lock held."""
        if model_id not in self._models:
            self._models[model_id] = _Count()
        return self._models[model_id]


class _Count:
    """Requests and tokens. The lock of `Counters` is held."""

    def __init__(self) -> None:
        self.active = 0
        self._requests = self._errors = 0
        self._prompt_tokens = self._completion_tokens = 0
        self._latency_sum_s = 0.0
        self._latencies_s: deque[float] = deque(maxlen=REMEMBERED_REQUESTS)
        self._recent: deque[_Second] = deque(maxlen=WINDOW_S + 1)

    def end(self, now_s: float, took_s: float, status: int | None) -> None:
        self.active -= 1
        self._requests += 1
        self._errors += status is not None and status >= HTTPStatus.BAD_REQUEST
        self._latencies_s.append(took_s)
        self._latency_sum_s += took_s
        self._second(now_s).requests += 1

    def tokens(self, now_s: float, prompt: int, completion: int) -> None:
        self._prompt_tokens += prompt
        self._completion_tokens += completion
        self._second(now_s).tokens += prompt + completion

    def traffic(self, now_s: float) -> Traffic:
        recent = [second for second in self._recent if now_s - second.at_s <= WINDOW_S]
        p50_ms, p95_ms, p99_ms = _percentiles_ms(self._latencies_s)
        return Traffic(
            requests=self._requests,
            errors=self._errors,
            active=self.active,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            tokens_per_s=sum(second.tokens for second in recent) / WINDOW_S,
            requests_per_s=sum(second.requests for second in recent) / WINDOW_S,
            latency_p50_ms=p50_ms,
            latency_p95_ms=p95_ms,
            latency_p99_ms=p99_ms,
            latency_sum_s=self._latency_sum_s,
        )

    def _second(self, now_s: float) -> _Second:
        at_s = int(now_s)
        if not self._recent or self._recent[-1].at_s != at_s:
            self._recent.append(_Second(at_s))
        return self._recent[-1]


@dataclass(slots=True)
class _Second:
    """The tokens of one second."""

    at_s: int
    requests: int = 0
    tokens: int = 0


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` (1 to 99) of the values do not exceed, interpolated; of at least one value."""
    return _percentiles(values)[percent - 1]


def _percentiles(values: Sequence[float]) -> list[float]:
    """Those for 1 to 99 percent."""
    import statistics  # which commands that only read a `Traffic` do without

    if len(values) == 1:
        return [*values] * 99
    return statistics.quantiles(values, n=100, method="inclusive")


def _percentiles_ms(values_s: Sequence[float]) -> tuple[float, float, float] | tuple[None, None, None]:
    """Those for 50, 95 and 99 percent; None without values."""
    if not values_s:
        return None, None, None
    found_s = _percentiles(values_s)
    return 1000 * found_s[49], 1000 * found_s[94], 1000 * found_s[98]
