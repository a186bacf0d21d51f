"""Finds out on which engine and with how many threads the running model is fastest. Any thread; takes
minutes.

The engines are compared first, each with the present numbers of threads; then numbers of threads, on the
fastest engine.
"""

from __future__ import annotations

import logging
import math
import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.builds.build import weight_kind_of
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import BuildSetting
from tray_app.engine.ineffective_settings import ONE_THREAD
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.errors import AppError, EngineError, ErrorCode
from tray_app.phrases import phrase
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from threading import Event
    from typing import Any

    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.program import Engine
    from tray_app.gateway.public_client import Embeddings
    from tray_app.models.header import ModelHeader
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

_log = logging.getLogger(__name__)

WORTH_IT = 1.05
"""Another engine or number of threads must be faster by this factor; smaller differences are noise."""

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

    def try_settings(self, values: Mapping[str, Any]) -> None:
        """See `App.try_settings`."""

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
class EngineOption:
    """An engine of this machine that may run the model."""

    setting: str
    """What the setting `engine` calls it."""
    release: str = ""
    """Which version of it; empty if that is not known."""
    obstacle: Text = ""
    """Why it is not tried with this model; empty if it can be."""


@dataclass(frozen=True, slots=True)
class EngineMeasurement:
    """The speed of the model on one engine, or why it has none."""

    option: EngineOption
    embeddings_per_s: float = 0.0
    tokens_per_s: float | None = None
    """None if the model generates none, or too few to measure."""
    failure: Text = ""
    """Why it could not be measured; empty if it was."""

    def times(self, other: EngineMeasurement) -> float:
        """How many times as fast as another one this is: of embeddings and tokens, the geometric mean."""
        factor = self.embeddings_per_s / max(other.embeddings_per_s, _SHORTEST_S)
        if self.tokens_per_s and other.tokens_per_s:
            return math.sqrt(factor * self.tokens_per_s / other.tokens_per_s)
        return factor


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result of the measurement."""

    present: Threads
    samples: tuple[ThreadMeasurement, ...]
    """Ordered by number of threads."""
    complete: bool
    """Whether all candidates were measured; otherwise what is advised is what is there."""
    present_engine: str = ""
    """The engine that runs the model now, as the setting `engine` calls it."""
    engines: tuple[EngineMeasurement, ...] = ()
    """Empty if there was nothing to compare."""
    measuring: EngineOption | None = None
    """The engine that is being measured at the moment; None while numbers of threads are, and at the end."""

    @property
    def engine(self) -> str:
        """The fastest engine, or the present one where a change is not worth it."""
        measured = {each.option.setting: each for each in self.engines if not each.failure}
        if not (self.complete and measured):
            return self.present_engine
        present = measured.get(self.present_engine)
        reference = present or next(iter(measured.values()))
        best = max(measured.values(), key=lambda each: each.times(reference))
        if present and best.times(present) <= WORTH_IT:
            return self.present_engine
        return best.option.setting

    @property
    def keeps(self) -> bool:
        """Whether nothing needs to change."""
        return (self.engine, self.advice) == (self.present_engine, self.present)

    def times_built_in(self, measured: EngineMeasurement) -> float | None:
        """How many times as fast as the engine that comes with this app one is; None if that was not
        measured.
        """
        built_in = [each for each in self.engines if each.option.setting == EngineKind.LLAMA_CPP]
        if measured.failure or not built_in or built_in[0].failure:
            return None
        return measured.times(built_in[0])

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
            "Threads can be tuned only for an engine on this computer",
            "Set them on the remote server.",
        )
    return one_thread_only() if plan.model.header.sparse else None


def one_thread_only() -> EngineError:
    """Why a sparse model is not measured."""
    return EngineError(
        ErrorCode.THREADS_NOT_TUNABLE,
        "A sparse model always uses one thread",
        ONE_THREAD,
        "To use all cores, choose a regular GGUF model, which llama.cpp runs.",
    )


def engine_options(
    header: ModelHeader,
    built_in: Engine | None,
    builds: Iterable[InstalledBuild],
    set_aside: Mapping[str, Text],
) -> tuple[EngineOption, ...]:
    """The engines of this machine for a dense model: the built-in one, then the installed builds of
    llama.cpp, which are given the newest first.

    `set_aside` says of builds, by id, why they are not used for this model.
    """
    options = [EngineOption(built_in.name, built_in.version or "")] if built_in else []
    weights = weight_kind_of(header)
    for build in builds:
        setting = str(BuildSetting(build.kind, build.back_end))
        if build.kind is not EngineKind.LLAMA_SERVER or setting in {each.setting for each in options}:
            continue  # of several builds for one back end, the newest runs
        verdict = build.verdicts.get(weights)
        obstacle: Text = ""
        if verdict is None:
            obstacle = phrase("It was not tested with {weights} quantization.", weights=weights)
        elif not verdict.works:
            obstacle = phrase(
                "It does not work with {weights} quantization: {reason}",
                weights=weights,
                reason=verdict.reason,
            )
        options.append(EngineOption(setting, build.release, set_aside.get(build.id, obstacle)))
    return tuple(options)


def tune(
    server: TuningTarget,
    settings: Settings,
    host: Host,
    cancelled: Event,
    tell: Callable[[Tuning, int], object],
    options: Sequence[EngineOption] = (),
) -> Tuning:
    """Measure the running server on each engine and with each number of threads; afterwards it runs as its
    settings say again, also after an error.

    `tell` is called with what was measured so far and which engine comes next, and with how many measurements
    there are in all. An engine that fails is told among the others, with the reason. `AppError` if the server
    is not running, if the engine that was the fastest fails meanwhile, or if the model cannot be tuned (then
    nothing was changed).
    """
    plan = server.wait_until_ready(_READY_TIMEOUT_S)
    if obstacle := tuning_obstacle(plan):
        raise obstacle
    present = threads_of(settings, host)
    counts = candidates(host, present)
    found = Tuning(present, (), complete=False, present_engine=_engine_of(plan))
    options = _to_compare(options, found.present_engine)
    total = len(options) + len(counts)
    try:
        for option in options:
            if cancelled.is_set():
                return found
            tell(replace(found, measuring=option), total)
            found = replace(found, engines=(*found.engines, _measure_engine(server, option, cancelled)))
            tell(found, total)
        engine = replace(found, complete=True).engine
        on_engine = {"engine": engine} if options else {}
        for count in counts:
            if cancelled.is_set():
                return found
            server.try_settings({"threads": count, "threads_batch": count, **on_engine})
            speed = _measure(server, cancelled)
            found = replace(found, samples=(*found.samples, ThreadMeasurement(count, *speed)))
            tell(found, total)
    finally:
        server.try_settings({})
    return replace(found, complete=not cancelled.is_set())


def _engine_of(plan: Plan) -> str:
    """What the setting `engine` calls the engine of a plan: by its name, else by its program."""
    if not isinstance(plan, LaunchPlan):
        return EngineKind.REMOTE
    engine = plan.engine
    is_own = engine.build is None and engine.kind is not EngineKind.LLAMA_CPP
    return engine.command[0] if is_own else engine.name


def _to_compare(options: Sequence[EngineOption], present: str) -> tuple[EngineOption, ...]:
    """The engines, with the present one; those that can be tried only if there are at least two of them."""
    if present not in {option.setting for option in options}:
        options = (*options, EngineOption(present))
    usable = [option for option in options if not option.obstacle]
    return tuple(option for option in options if option.obstacle or len(usable) > 1)


def _measure_engine(server: TuningTarget, option: EngineOption, cancelled: Event) -> EngineMeasurement:
    """How fast one engine is. It may crash, or not even load the model: the others are compared all the
    same.
    """
    if option.obstacle:
        return EngineMeasurement(option, failure=option.obstacle)
    try:
        server.try_settings({"engine": option.setting})
        embeddings_per_s, tokens_per_s = _measure(server, cancelled)
        runs = _engine_of(server.wait_until_ready(_READY_TIMEOUT_S))
    except AppError as exc:
        _log.info("%s is not compared: %s", option.setting, exc)
        return EngineMeasurement(option, failure=exc.title)
    if runs != option.setting:  # it failed, and the server went on without it
        return EngineMeasurement(
            option, failure=phrase("It failed, and {engine} was used instead.", engine=runs)
        )
    return EngineMeasurement(option, embeddings_per_s, tokens_per_s)


def _measure(server: TuningTarget, cancelled: Event) -> tuple[float, float | None]:
    """Embeddings and tokens per second."""
    plan = server.wait_until_ready(_READY_TIMEOUT_S)
    # not measured: the first request after a start also reads the weights from the disk
    server.embed([_TEXT])
    writes = isinstance(plan, LaunchPlan) and not plan.model.header.encoder
    return _embeddings_per_s(server, cancelled), _tokens_per_s(server, cancelled) if writes else None


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
