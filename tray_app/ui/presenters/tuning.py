"""What is said of a measurement with several numbers of threads. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.app.tuning import ThreadMeasurement, Tuning
    from tray_app.phrases import Translate

Points = tuple[tuple[int, float], ...]


def tuning_text(tuning: Tuning, tr: Translate) -> str:
    """What would be best, or that nothing needs to change."""
    advice = tuning.advice
    numbers = {"writing": advice.generation, "reading": advice.prompt}
    if not tuning.complete:
        return tr("Stopped before everything was measured. The server runs as before.")
    if advice == tuning.present:
        return tr("Keep what is set: nothing is faster by more than 5 %.")
    if advice.generation == advice.prompt:
        return tr("Fastest with {writing} threads.").format(**numbers)
    return tr("Fastest with {writing} threads, and {reading} for batches.").format(**numbers)


def embedding_points(samples: tuple[ThreadMeasurement, ...]) -> Points:
    """Threads, and embeddings per second."""
    return tuple((sample.threads, sample.embeddings_per_s) for sample in samples)


def token_points(samples: tuple[ThreadMeasurement, ...]) -> Points:
    """Threads, and tokens per second; nothing for a model that writes none."""
    return tuple((sample.threads, sample.tokens_per_s) for sample in samples if sample.tokens_per_s)
