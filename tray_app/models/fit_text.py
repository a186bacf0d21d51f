"""Texts about amounts of memory, and about whether a model fits. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.models.memory import GIB, MIB, Fit

if TYPE_CHECKING:
    from tray_app.models.memory import Verdict
    from tray_app.phrases import Translate


def memory_text(size_bytes: float, tr: Translate) -> str:
    """An amount of memory, such as `4.4 GiB` or `48 MiB`."""
    if size_bytes < GIB:
        return tr("{size} MiB").format(size=tr.number(size_bytes / MIB))
    return tr("{size} GiB").format(size=tr.number(size_bytes / GIB, 1))


def memory_reason(verdict: Verdict, tr: Translate) -> str:
    """How much memory a model needs and how much there is, and what to do if it does not fit."""
    numbers = {
        "need": memory_text(verdict.estimate.total_bytes, tr),
        "room": memory_text(verdict.budget.usable_bytes, tr),
        "context": tr.number(verdict.context_size),
        "smaller": tr.number(verdict.better_context or 0),
        "weights": memory_text(verdict.estimate.weights_bytes, tr),
    }
    match verdict.fit:
        case Fit.FITS:
            text = tr("It needs {need} of the {room} of available memory.")
        case Fit.TIGHT:
            text = tr("It needs {need} of the {room} of available memory. Close other programs first.")
        case Fit.TOO_LARGE if verdict.better_context:
            text = tr(
                "With a context size of {context} it needs {need}, but only {room} of memory is "
                "available. Try a context size of {smaller}."
            )
        case Fit.TOO_LARGE if verdict.estimate.weights_bytes <= verdict.budget.usable_bytes:
            text = tr(
                "It needs {need}, but only {room} of memory is available. Try a smaller quantization "
                "or model."
            )
        case Fit.TOO_LARGE:
            text = tr(
                "Its weights alone need {weights}, but only {room} of memory is available. Try a "
                "smaller quantization or model."
            )
    return text.format(**numbers)


def fit_line(verdict: Verdict, tr: Translate) -> str:
    """The verdict and its reason in one line, for the terminal and the diagnostic report."""
    return f"{verdict.fit}. {memory_reason(verdict, tr)}"
