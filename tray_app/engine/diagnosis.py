"""Turns the end of an engine into a cause and a remedy, by tables of log lines and exit codes. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.errors import EngineError
from tray_app.phrases import Phrase, phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.phrases import Text

_SHOWN_LINES = 8
_OTHER_MODEL = "Download the model again, or choose another one."
_OTHER_ENGINE = "Choose another engine in the settings."
_LESS_MEMORY = "Lower the context size, choose a smaller model, or close other programs."


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an engine ended by itself, and whether starting it again would end the same way."""

    error: EngineError
    permanent: bool


@dataclass(frozen=True, slots=True)
class _Cause:
    """What a person is told; {named} in title and message stands for what a log line names."""

    title: Text
    message: Text
    hint: Text
    permanent: bool = True

    def failure(self, named: str = "") -> Failure:
        title, message = (Phrase(str(text), {"named": named}) for text in (self.title, self.message))
        return Failure(EngineError(title, message, self.hint), self.permanent)


# The first row that fits any line wins: causes stand before the consequences that engines print after them.
_LINES = (
    (
        r"^error: (?:unknown|invalid) argument: (\S+)",
        _Cause(
            "The engine does not know the argument {named}",
            "It was started with an argument that it has no meaning for.",
            "Remove it from «Extra arguments» in the settings.",
        ),
    ),
    (
        r"^error: invalid (?:parameter|value) for argument: (\S+)",
        _Cause(
            "The engine does not accept the value of {named}",
            "It was started with a value that it cannot use.",
            "Correct it in the settings.",
        ),
    ),
    (
        r"^exec-child: cannot run (.+)",
        _Cause(
            "The engine could not be started",
            "The system does not run {named}.",
            "If it has vanished, a virus scanner may have taken it: install it again, or choose another.",
        ),
    ),
    (
        r"error while loading shared libraries: ([^:\s]+)",
        _Cause(
            "The engine lacks a system library",
            "It needs {named}, which is not on this machine.",
            "Install the package that contains it, or choose another engine in the settings.",
        ),
    ),
    (
        r"couldn't bind (?:to|HTTP) server socket",
        _Cause(
            "The engine's port was taken by another program",
            "Somebody else took the free port that was chosen for it.",
            "It is started again with another port.",
            permanent=False,
        ),
    ),
    (
        r"invalid magic characters:? '?PWRI",
        _Cause(
            "This model needs the PowerInfer engine",
            "It is a sparse model, which other engines cannot read.",
            "Choose a PowerInfer server as the engine in the settings.",
        ),
    ),
    (
        r"invalid magic characters|failed to read magic",
        _Cause(
            "The model file is not a model", "Its first bytes are not those of a GGUF file.", _OTHER_MODEL
        ),
    ),
    (
        r"failed to open (?:GGUF file )?'?(.+?)'?:? \(?No such file",
        _Cause("The model file is gone", "There is no {named}.", "Put it back, or choose another model."),
    ),
    (
        r"not within the file bounds|failed to read key-value pairs",
        _Cause("The model file is not whole", "It ends before its last weight.", _OTHER_MODEL),
    ),
    (
        r"unknown model architecture: '([^']*)'",
        _Cause(
            "The engine does not know models of the kind «{named}»",
            "It was made before this kind, or without it.",
            "Choose another model, or another engine in the settings.",
        ),
    ),
    (
        r"std::bad_alloc|out of memory|failed to allocate",
        _Cause(
            "There is not enough memory for this model",
            "The engine asked for more than the machine could give.",
            _LESS_MEMORY,
        ),
    ),
)

_ILLEGAL_INSTRUCTION = _Cause(
    "This engine does not suit this processor",
    "It uses an instruction that the processor does not have.",
    "Choose an engine that was built for older processors.",
)
_BAD_ACCESS = _Cause(
    "The engine crashed",
    "It reached for memory that is not there. A damaged model file can be the reason.",
    _OTHER_MODEL,
    permanent=False,
)
_ENDED = _Cause(
    "The engine was ended from outside",
    "Another program ended it, or the system did for want of memory.",
    _LESS_MEMORY,
    permanent=False,
)
_EXITS = {
    "SIGILL": _ILLEGAL_INSTRUCTION,
    "0xC000001D": _ILLEGAL_INSTRUCTION,
    "SIGSEGV": _BAD_ACCESS,
    "SIGBUS": _BAD_ACCESS,
    "0xC0000005": _BAD_ACCESS,
    "SIGKILL": _ENDED,
    "SIGTERM": _ENDED,
    "0xC0000135": _Cause(
        "The engine lacks a system library", "A DLL that it needs is not on this machine.", _OTHER_ENGINE
    ),
    "0xC0000017": _Cause(
        "There is not enough memory for this model", "The system refused to give any.", _LESS_MEMORY
    ),
}
"""By the name of the signal, or Windows' status."""
_FIRST_NTSTATUS = 0xC0000000


def diagnose(exit_code: int, lines: Sequence[str]) -> Failure:
    """Why an engine ended by itself, from its exit code (negative for a signal) and what it printed."""
    for pattern, cause in _LINES:
        for line in lines:
            if found := re.search(pattern, line, re.IGNORECASE):
                return cause.failure(found[1] if found.re.groups else "")
    name = _exit_name(exit_code)
    return _EXITS[name].failure() if name in _EXITS else _unknown(name, lines)


def failure_to_start(reason: OSError) -> Failure:
    """The failure of an engine that the system did not even try to run."""
    error = EngineError("The engine could not be started", reason.strerror or str(reason), _OTHER_ENGINE)
    return Failure(error, permanent=True)


def will_not_recover(lines: Sequence[str]) -> bool:
    """Whether an engine has said that it will answer no more.

    PowerInfer's server tries to decode the same batch for ever, and goes on computing meanwhile.
    """
    return any("failed to decode the batch" in line for line in lines)


def hung(silent_s: float) -> Failure:
    """The failure of an engine that was ended because nothing came from it any more."""
    error = EngineError(
        "The engine hangs",
        phrase("For {seconds:.0f} seconds it has done nothing that was asked of it.", seconds=silent_s),
        "If it happens again, choose another model or engine.",
    )
    return Failure(error, permanent=False)


def _exit_name(code: int) -> str:
    if code >= _FIRST_NTSTATUS:
        return f"0x{code:08X}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _unknown(name: str, lines: Sequence[str]) -> Failure:
    last = [line for line in lines if line][-_SHOWN_LINES:]
    error = EngineError(
        "The engine ended by itself",
        phrase("It ended with {name}. Its last lines:\n{lines}", name=name, lines="\n".join(last))
        if last
        else phrase("It ended with {name}.", name=name),
        "The engine's log says more.",
    )
    return Failure(error, permanent=False)
