"""Whether a model runs on this computer, as a word with a sign and as a sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.models.fit_text import memory_reason
from tray_app.models.memory import Fit
from tray_app.ui.presenters.formatting import error_lines
from tray_app.ui.presenters.list_row import Piece
from tray_app.ui.presenters.tone import Tone

if TYPE_CHECKING:
    from tray_app.engine.report import ModelReport
    from tray_app.phrases import Translate

_SHAPES = {Fit.FITS: "●", Fit.TIGHT: "◐", Fit.TOO_LARGE: "○"}
_NO_ENGINE = "✕"
_TONES = {Fit.FITS: Tone.GOOD, Fit.TIGHT: Tone.WARNING, Fit.TOO_LARGE: Tone.BAD}


def fit_shape(report: ModelReport) -> str:
    """A sign that distinguishes the verdicts without color or language."""
    return _NO_ENGINE if report.obstacle else _SHAPES[report.verdict.fit]


def fit_tone(report: ModelReport) -> Tone:
    """Whether a verdict is good or bad news."""
    return Tone.BAD if report.obstacle else _TONES[report.verdict.fit]


def fit_piece(report: ModelReport, tr: Translate) -> Piece:
    """The verdict as a fact of a row."""
    return Piece(fit_word(report, tr), fit_tone(report), fit_shape(report))


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
