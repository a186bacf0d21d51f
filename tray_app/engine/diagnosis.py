"""Turns the end of an engine into a cause, a remedy and the lines that show it. Pure.

The tables of causes are in `failure_patterns.py`.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray_app.engine.failure_patterns import CAUSES_BY_EXIT, CAUSES_BY_LINE, NAMED, OTHER_ENGINE, PORT_TAKEN
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.phrases import phrase
from tray_app.settings.fields import FIELDS
from tray_app.system.drives import title_of
from tray_app.system.shortage import passes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tray_app.engine.failure_patterns import Cause
    from tray_app.phrases import Text

LOOKED_AT_LINES = 2000
"""How many of the last lines are searched for a cause; earlier warnings have nothing to do with the end."""
_EVIDENCE_LINES = 3
_NO_LETTER = "''"
"""How an empty argument is shown: as a shell writes it."""
_FIRST_NTSTATUS = 0xC0000000
_SETTINGS = frozenset(field.name for field in FIELDS)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an engine ended by itself, and whether starting it again would end the same way."""

    error: EngineError
    permanent: bool
    absent: Path | None = None
    """The path that must exist again before another start can help; None if nothing is missing."""


class ShortageError(EngineError):
    """The system is short of memory, files or processes at the moment: the same attempt may succeed later."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(
            ErrorCode.SYSTEM_RESOURCES_EXHAUSTED,
            "The system cannot start the engine right now",
            phrase("It says: {reason}.", reason=reason.strerror or str(reason)),
            "The app will try again. If this continues, close other programs.",
        )


def diagnose(exit_code: int, lines: Sequence[str]) -> Failure:
    """Why an engine ended by itself, from its exit code (negative for a signal) and what it printed.

    `EngineError.evidence` has the line that names the cause and those around it, or else the last lines.
    """
    said = [line for line in lines[-LOOKED_AT_LINES:] if line]
    for pattern, cause in CAUSES_BY_LINE:
        for at, line in enumerate(said):
            if found := pattern.search(line):
                named = next(filter(None, found.groups()), _NO_LETTER)
                return _failure(cause, named, _around(said, at))
    last = tuple(said[-_EVIDENCE_LINES:])
    name = _exit_name(exit_code)
    if name in CAUSES_BY_EXIT:
        return _failure(CAUSES_BY_EXIT[name], "it", last)
    return _unknown(name, last)


def failure_to_start(reason: OSError | EngineError) -> Failure:
    """The failure of an engine that was not even run."""
    if isinstance(reason, EngineError):
        return Failure(reason, permanent=not isinstance(reason, ShortageError))
    if passes(reason):
        return Failure(ShortageError(reason), permanent=False)
    error = EngineError(
        ErrorCode.ENGINE_NOT_STARTED,
        "The engine could not be started",
        reason.strerror or str(reason),
        OTHER_ENGINE,
        fix=Fix.CHOOSE_ENGINE,
    )
    return Failure(error, permanent=True)


_OR_AUTO: Text = "Or set “Engine” to auto, so that another engine is used when this one fails."


def with_other_engine(failure: Failure) -> Failure:
    """The same failure of an engine that a person has named, with the hint that there are others."""
    error = failure.error
    title, message, hint = error.texts
    return replace(
        failure,
        error=EngineError(
            error.code,
            title,
            message,
            phrase("{hint} {other}", hint=hint, other=_OR_AUTO) if hint else _OR_AUTO,
            fix=Fix.CHOOSE_ENGINE,
            setting=error.setting,
            evidence=error.evidence,
        ),
    )


def will_not_recover(lines: Sequence[str]) -> bool:
    """Whether an engine has printed a line after which it never answers again.

    PowerInfer's server then decodes the same batch for ever, and keeps computing while it does.
    """
    return any("failed to decode the batch" in line for line in lines)


def hung(silent_s: float) -> Failure:
    """The failure of an engine that was ended because it had stopped responding."""
    error = EngineError(
        ErrorCode.ENGINE_HUNG,
        "The engine is not responding",
        phrase("It has not worked on any request for {seconds:.0f} seconds.", seconds=silent_s),
        "If it happens again, choose another model or engine.",
    )
    return Failure(error, permanent=False)


def over_load_limits(reason: Text) -> Failure:
    """The failure of an engine that was ended because it took too much while it loaded."""
    error = EngineError(
        ErrorCode.MODEL_EXCEEDS_LIMITS,
        "This model file makes the engine use too many resources",
        reason,
        "The chat template in the file may be the cause. Choose another model, or download "
        "this one from its publisher.",
        fix=Fix.SETTING,
        setting="model",
    )
    return Failure(error, permanent=True)


def stuck_on_request(spun_s: float) -> Failure:
    """The failure of an engine that was ended because it computed without end before it had begun to work on
    a request.
    """
    error = EngineError(
        ErrorCode.REQUEST_EXCEEDS_LIMITS,
        "A request makes the engine use too many resources",
        phrase("It has been busy for {seconds:.0f} seconds without working on a request.", seconds=spun_s),
        "The chat template in the model file may be the cause. If it happens again, choose another model.",
    )
    return Failure(error, permanent=False)


def port_taken() -> Failure:
    """The failure of an engine whose port another program has taken."""
    return Failure(PORT_TAKEN.error("", "", ()), PORT_TAKEN.permanent)


def gone(model: Path, place: Path) -> Failure:
    """The failure of an engine whose model is gone because its drive or folder (`place`) is gone."""
    error = EngineError(
        ErrorCode.DRIVE_NOT_CONNECTED,
        title_of(place),
        phrase("The model was read from {model}.", model=model),
        "When it is back, the server starts automatically. Or choose another model.",
        fix=Fix.SETTING,
        setting="model",
    )
    return Failure(error, permanent=False, absent=model)


def defect(title: Text, exc: Exception, hint: Text = "See the app's log.") -> EngineError:
    """The error about a bug in this app."""
    return EngineError(
        ErrorCode.INTERNAL_ERROR,
        title,
        phrase("This is a bug in the app: {reason}", reason=repr(exc)),
        hint,
    )


def _failure(cause: Cause, named: str, evidence: tuple[str, ...]) -> Failure:
    setting = cause.setting
    if setting == NAMED:
        argument = named.removeprefix("--").replace("-", "_")
        setting = argument if argument in _SETTINGS else "extra_arguments"
    return Failure(cause.error(named, setting, evidence), cause.permanent)


def _around(lines: Sequence[str], at: int) -> tuple[str, ...]:
    first = max(0, min(at - 1, len(lines) - _EVIDENCE_LINES))
    return tuple(lines[first : first + _EVIDENCE_LINES])


def _exit_name(code: int) -> str:
    if code >= _FIRST_NTSTATUS:
        return f"0x{code:08X}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _unknown(name: str, last: tuple[str, ...]) -> Failure:
    error = EngineError(
        ErrorCode.ENGINE_ENDED,
        "The engine stopped unexpectedly",
        phrase("It stopped with {name}.", name=name),
        "See the engine's log for details.",
        evidence=last,
    )
    return Failure(error, permanent=False)
