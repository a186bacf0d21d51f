"""Finds out with how many threads the running model is fastest. Any thread; takes about a minute."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.errors import EngineError, ErrorCode
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from tray_app.engine.launch_plan import Plan
    from tray_app.gateway.public_client import Embeddings
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

WORTH_IT = 1.05
"""Another number of threads must be faster by this factor; smaller differences are noise."""

_TEXT = "The quick brown fox jumps over the lazy dog. " * 6
_PROMPT = "Once upon a time"
_TOKENS = 32
_FEWEST_TOKENS = 4  # with fewer, the rate cannot be measured
_FEWEST_RUNS, _MOST_RUNS = 3, 100
_SHORTEST_S = 1e-6
_LONG_ENOUGH_S = 2.0
_READY_TIMEOUT_S = 600.0


class TuningTarget(Protocol):
    """What is measured: the part of `App` that this needs."""

    def try_threads(self, count: int | None) -> None:
        """See `App.try_threads`."""

    def wait_until_ready(self, timeout_s: float) -> Plan:
        """See `App.wait_until_ready`."""

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """The embeddings of texts."""

    def complete(self, prompt: str, max_tokens: int, cancelled: Event) -> Iterator[str]:
        """What the model adds to a text, in pieces."""


@dataclass(frozen=True, slots=True)
class Threads:
    """The numbers of threads for generating tokens and for reading prompts (also embeddings)."""

    generation: int
    prompt: int


@dataclass(frozen=True, slots=True)
class ThreadMeasurement:
    """The speed of the model with one number of threads."""

    threads: int
    embeddings_per_s: float
    tokens_per_s: float | None
    """None if the model generates none, or too few to measure."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of the measurement."""

    present: Threads
    samples: tuple[ThreadMeasurement, ...]
    """Ordered by number of threads."""
    complete: bool
    """Whether all candidates were measured; otherwise `advice` is the present numbers."""

    @property
    def advice(self) -> Threads:
        """The fastest numbers of threads, or the present ones where a change is not worth it."""
        if not self.complete:
            return self.present
        reading = _fastest(
            {sample.threads: sample.embeddings_per_s for sample in self.samples}, self.present.prompt
        )
        writing = _fastest(
            {sample.threads: sample.tokens_per_s for sample in self.samples if sample.tokens_per_s},
            self.present.generation,
        )
        return Threads(writing, reading)


def threads_of(settings: Settings, host: Host) -> Threads:
    """The numbers of threads that the settings mean on this machine."""
    writing = host.physical_cores if settings.threads == AUTO else settings.threads
    return Threads(writing, writing if settings.threads_batch == AUTO else settings.threads_batch)


def candidates(host: Host, present: Threads) -> tuple[int, ...]:
    """The numbers to try: around that of the physical cores, up to that of the logical ones, and the present
    ones.
    """
    physical, logical = host.physical_cores, max(host.physical_cores, host.logical_cores)
    around = {physical // 2, physical * 3 // 4, physical, (physical + logical) // 2, logical}
    return tuple(sorted({max(1, count) for count in around} | {present.generation, present.prompt}))


def tuning_obstacle(plan: Plan) -> EngineError | None:
    """Why threads cannot be tuned for this plan; None if they can."""
    if not isinstance(plan, LaunchPlan):
        return EngineError(
            ErrorCode.THREADS_NOT_TUNABLE,
            "Threads can only be tuned for a local engine",
            "Set them on the remote machine.",
        )
    return one_thread_only() if plan.model.header.sparse else None


def one_thread_only() -> EngineError:
    """Why a sparse model is not measured."""
    return EngineError(
        ErrorCode.THREADS_NOT_TUNABLE,
        "A sparse model is always computed by one thread",
        ONE_THREAD,
        "For all cores, choose a dense model (GGUF), which llama.cpp runs.",
    )


def tune(
    server: TuningTarget,
    settings: Settings,
    host: Host,
    cancelled: Event,
    tell: Callable[[tuple[ThreadMeasurement, ...], int], object],
) -> Tuning:
    """Measure the running server with each candidate; afterwards it runs with its own threads again, also
    after an error.

    `tell` is called with the samples so far and their total number. `AppError` if the server is not running,
    if it fails meanwhile, or if threads cannot be tuned for it (then nothing was changed).
    """
    if obstacle := tuning_obstacle(server.wait_until_ready(_READY_TIMEOUT_S)):
        raise obstacle
    present = threads_of(settings, host)
    counts = candidates(host, present)
    samples: list[ThreadMeasurement] = []
    try:
        for count in counts:
            if cancelled.is_set():
                break
            server.try_threads(count)
            samples.append(_measure(server, count, cancelled))
            tell(tuple(samples), len(counts))
    finally:
        server.try_threads(None)
    return Tuning(present, tuple(samples), complete=not cancelled.is_set())


def _measure(server: TuningTarget, count: int, cancelled: Event) -> ThreadMeasurement:
    plan = server.wait_until_ready(_READY_TIMEOUT_S)
    # not measured: the first request after a start also reads the weights from the disk
    server.embed([_TEXT])
    writes = isinstance(plan, LaunchPlan) and not plan.model.header.encoder
    return ThreadMeasurement(
        count, _embeddings_per_s(server, cancelled), _tokens_per_s(server, cancelled) if writes else None
    )


def _embeddings_per_s(server: TuningTarget, cancelled: Event) -> float:
    def embed() -> float:
        return 1 / max(server.embed([_TEXT]).elapsed_ms / 1000, _SHORTEST_S)

    return _median_rate(embed, cancelled)


def _tokens_per_s(server: TuningTarget, cancelled: Event) -> float | None:
    """With the time that the prompt takes, of which there is little."""
    tokens = 0

    def write() -> float:
        nonlocal tokens
        began_s = time.perf_counter()
        tokens = sum(1 for _ in server.complete(_PROMPT, _TOKENS, cancelled))
        return tokens / max(time.perf_counter() - began_s, _SHORTEST_S)

    rate = _median_rate(write, cancelled)
    return rate if tokens >= _FEWEST_TOKENS else None


def _median_rate(measure: Callable[[], float], cancelled: Event) -> float:
    """The median of as many runs as there is time for; other programs disturb it less than a mean."""
    rates: list[float] = []
    began_s = time.perf_counter()
    while not rates or (len(rates) < _MOST_RUNS and not cancelled.is_set()):
        if len(rates) >= _FEWEST_RUNS and time.perf_counter() - began_s > _LONG_ENOUGH_S:
            break
        rates.append(measure())
    return statistics.median(rates)


def _fastest(rates: dict[int, float], present: int) -> int:
    """The number of threads with the highest rate, or the present one if the gain is too small."""
    if present not in rates:
        return present
    best = max(rates, key=lambda count: (rates[count], -count))
    return best if rates[best] > WORTH_IT * rates[present] else present
