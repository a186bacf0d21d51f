"""The results of measuring several engines and numbers of threads, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.engine_kind import EngineKind

if TYPE_CHECKING:
    from tray_app.app.tuning import EngineMeasurement, EngineOption, ThreadMeasurement, Tuning
    from tray_app.phrases import Translate

Points = tuple[tuple[int, float], ...]


def tuning_text(tuning: Tuning, tr: Translate) -> str:
    """Which settings are the fastest, or that nothing needs to change."""
    advice = tuning.advice
    values = {"writing": advice.generation, "reading": advice.prompt, "engine": tuning.engine}
    if not tuning.complete:
        return tr("Stopped early. The server runs as before.")
    if tuning.keeps:
        return tr("Keep the current settings: nothing else is more than 5 % faster.")
    other_engine = tuning.engine != tuning.present_engine
    if advice.generation == advice.prompt:
        if other_engine:
            return tr("Fastest on {engine} with {writing} threads.").format(**values)
        return tr("Fastest with {writing} threads.").format(**values)
    if other_engine:
        return tr("Fastest on {engine} with {writing} threads, and {reading} for prompts.").format(**values)
    return tr("Fastest with {writing} threads, and {reading} for prompts.").format(**values)


def engines_text(tuning: Tuning, tr: Translate, *, crashed: bool) -> str:
    """A line for each engine that was compared: how fast it is, or why that is not known.

    `crashed`: the one that is being measured has crashed and is about to start again.
    """
    lines = [_engine_line(tuning, each, tr) for each in tuning.engines]
    if tuning.measuring:
        line = tr("{engine}: it has crashed; trying again…") if crashed else tr("{engine}: measuring…")
        lines.append(line.format(engine=_engine_name(tuning.measuring)))
    return "\n".join(lines)


def progress_text(tuning: Tuning, total: int, tr: Translate) -> str:
    """The progress of the measurement."""
    done = len(tuning.engines) + len(tuning.samples)
    return tr("{done} of {total} measured").format(done=tr.number(done), total=tr.number(total))


def _engine_name(option: EngineOption) -> str:
    return f"{option.setting} {option.release}".strip()


def _engine_line(tuning: Tuning, measured: EngineMeasurement, tr: Translate) -> str:
    name = _engine_name(measured.option)
    if measured.failure:
        return tr("{engine}: not measured. {reason}").format(engine=name, reason=tr.said(measured.failure))
    parts = [tr("{rate} embeddings/s").format(rate=tr.number(measured.embeddings_per_s, 1))]
    if measured.tokens_per_s is not None:
        parts.append(tr("{rate} tokens/s").format(rate=tr.number(measured.tokens_per_s, 1)))
    times = tuning.times_built_in(measured)
    if times is not None and measured.option.setting != EngineKind.LLAMA_CPP:
        parts.append(tr("{times} times as fast as the built-in engine").format(times=tr.number(times, 2)))
    return f"{name}: {' · '.join(parts)}"


def embedding_points(samples: tuple[ThreadMeasurement, ...]) -> Points:
    """Pairs of threads and embeddings per second."""
    return tuple((sample.threads, sample.embeddings_per_s) for sample in samples)


def token_points(samples: tuple[ThreadMeasurement, ...]) -> Points:
    """Pairs of threads and tokens per second; empty for a model that does not generate text."""
    return tuple((sample.threads, sample.tokens_per_s) for sample in samples if sample.tokens_per_s)
