"""Whether a model runs on this machine, as a word with a shape and as a sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.models.memory import Fit
from tray_app.ui.presenters.formatting import error_lines, memory_text

if TYPE_CHECKING:
    from tray_app.engine.report import ModelReport
    from tray_app.models.memory import Verdict
    from tray_app.ui.presenters import Translate

_SHAPES = {Fit.FITS: "●", Fit.TIGHT: "◐", Fit.TOO_LARGE: "○"}
_NO_ENGINE = "✕"


def fit_shape(report: ModelReport) -> str:
    """A sign that tells the verdicts apart without their colour or language."""
    return _NO_ENGINE if report.obstacle else _SHAPES[report.verdict.fit]


def fit_word(report: ModelReport, tr: Translate) -> str:
    """The verdict in a word or two."""
    if report.obstacle:
        return tr("No engine")
    match report.verdict.fit:
        case Fit.FITS:
            return tr("Fits")
        case Fit.TIGHT:
            return tr("Tight")
        case Fit.TOO_LARGE:
            return tr("Does not fit")


def fit_reason(report: ModelReport, tr: Translate) -> str:
    """Why that is the verdict, and what helps."""
    if report.obstacle:
        return f"{error_lines(report.obstacle, tr)[0]} {tr.said(report.obstacle.texts[2])}".strip()
    return memory_reason(report.verdict, tr)


def memory_reason(verdict: Verdict, tr: Translate) -> str:
    """What a model needs of the memory that there is."""
    numbers = {
        "need": memory_text(verdict.need.total_bytes, tr),
        "room": memory_text(verdict.room.usable_bytes, tr),
        "context": tr.number(verdict.context_size),
        "smaller": tr.number(verdict.better_context or 0),
        "weights": memory_text(verdict.need.weights_bytes, tr),
    }
    match verdict.fit:
        case Fit.FITS:
            text = tr("It needs {need} of the {room} of memory that can be used.")
        case Fit.TIGHT:
            text = tr("It needs {need} of the {room} of memory that can be used: close other programs.")
        case Fit.TOO_LARGE if verdict.better_context:
            text = tr(
                "With a context of {context} it needs {need}, and {room} of memory can be used: "
                "try context {smaller}."
            )
        case Fit.TOO_LARGE if verdict.need.weights_bytes <= verdict.room.usable_bytes:
            text = tr(
                "It needs {need}, and {room} of memory can be used: try a smaller quantization or model."
            )
        case Fit.TOO_LARGE:
            text = tr(
                "Its weights alone take {weights}, and {room} of memory can be used: "
                "try a smaller quantization or model."
            )
    return text.format(**numbers)
