"""Examines a program and asks it for its help, and says why it cannot be used. Any thread."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tray_app.engine.diagnosis import ShortageError, diagnose
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.phrases import phrase
from tray_app.system.executable import is_quarantined, read_executable
from tray_app.system.process import ask
from tray_app.system.shortage import passes

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.phrases import Text
    from tray_app.system.executable import Executable
    from tray_app.system.host import Host
    from tray_app.system.process import ProgramOutput

_ANSWER_TIMEOUT_S = 10.0
CHOOSE = "Choose a PowerInfer server or a llama-server program."
_NO_HELP_FROM = 126
"""From this exit code on, the code is not the program's own: it could not be started, or it crashed."""


class UnusableEngineError(EngineError):
    """A program that cannot be used as the engine: the person must choose another one, or repair it."""

    def __init__(self, code: ErrorCode, title: Text, message: Text, hint: Text) -> None:
        super().__init__(code, title, message, hint, fix=Fix.CHOOSE_ENGINE)


def stat(path: Path) -> os.stat_result:
    """The facts about a file; `EngineError` if nothing is there."""
    try:
        return path.stat()
    except (OSError, ValueError) as exc:  # ValueError: not a possible path (a NUL in it)
        _raise_if_it_passes(exc)
        why = exc.strerror if isinstance(exc, OSError) else None
        raise UnusableEngineError(
            ErrorCode.ENGINE_NOT_FOUND,
            phrase("There is no engine at {path}", path=path),
            why or str(exc),
            CHOOSE,
        ) from exc


def inspect(path: Path, host: Host) -> Executable | None:
    """What a program was built for; None for a script or another file without a header.

    `EngineError` if it cannot run here.
    """
    if not path.is_file():
        raise _no_program(path, "It is a folder." if path.is_dir() else "It is not a file.")
    executable = _read(path)
    if executable and not (
        executable.system is host.system and set(executable.machines) & set(host.machines)
    ):
        raise UnusableEngineError(
            ErrorCode.ENGINE_FOR_OTHER_MACHINE,
            phrase("{name} was built for another kind of computer", name=path.name),
            phrase(
                "It runs on {system} ({machines}). This computer has {here} ({machine}).",
                system=executable.system.label,
                machines=", ".join(executable.machines),
                here=host.system.label,
                machine=host.machine,
            ),
            phrase(
                "Download the version for {system} ({machine}), or choose another engine.",
                system=host.system.label,
                machine=host.machine,
            ),
        )
    if not os.access(path, os.X_OK):
        raise UnusableEngineError(
            ErrorCode.ENGINE_NOT_EXECUTABLE,
            phrase("{name} is not executable", name=path.name),
            "The file has no execute permission.",
            phrase("If you trust this engine, run: chmod +x '{path}'", path=path),
        )
    return executable


def ask_for_help(path: Path) -> ProgramOutput:
    """The program's answer to `--help`; `EngineError` if it gives none."""
    try:
        return ask((str(path), "--help"), _ANSWER_TIMEOUT_S)
    except subprocess.TimeoutExpired as exc:
        raise UnusableEngineError(
            ErrorCode.NOT_AN_ENGINE,
            phrase("{name} is not an engine", name=path.name),
            "It did not answer when asked for its options.",
            CHOOSE,
        ) from exc
    except OSError as exc:  # a text file, or a format that was not recognized
        _raise_if_it_passes(exc)
        raise _no_program(path, exc.strerror or str(exc)) from exc


def ask_for_devices(path: Path) -> str:
    """The program's list of graphics cards that it can use; empty if it gives none.

    `ShortageError` if the program could not be started for lack of memory or the like.
    """
    try:
        return ask((str(path), "--list-devices"), _ANSWER_TIMEOUT_S).text
    except (OSError, subprocess.TimeoutExpired) as exc:
        _raise_if_it_passes(exc)
        return ""


def crash(path: Path, answer: ProgramOutput) -> EngineError | None:
    """Why a program crashed before it had printed its help; None if it did not crash."""
    if is_quarantined(path):  # checked only after a failure: a notarized program runs although it is marked
        return UnusableEngineError(
            ErrorCode.ENGINE_QUARANTINED,
            phrase("macOS blocked {name}", name=path.name),
            "macOS has quarantined it because it was downloaded.",
            phrase("If you trust it, run: xattr -d com.apple.quarantine '{path}'", path=path),
        )
    if answer.exit_code:
        reason = diagnose(answer.exit_code, answer.text.splitlines()).error
        # The loader of programs ends with 1, as programs do, if the system's own libraries are too old.
        too_old = reason.code is ErrorCode.ENGINE_NEEDS_NEWER_SYSTEM
        if too_old or answer.exit_code < 0 or answer.exit_code >= _NO_HELP_FROM:
            return reason
    return None


def _no_program(path: Path, why: Text) -> EngineError:
    return UnusableEngineError(
        ErrorCode.ENGINE_NOT_A_PROGRAM, phrase("{name} is not a program", name=path.name), why, CHOOSE
    )


def _read(path: Path) -> Executable | None:
    try:
        return read_executable(path)
    except OSError as exc:  # a program may be executable for people who cannot read it
        _raise_if_it_passes(exc)
        return None


def _raise_if_it_passes(exc: Exception) -> None:
    """Raise `ShortageError` for errors that pass by themselves: they are not faults of the program."""
    if isinstance(exc, OSError) and passes(exc):
        raise ShortageError(exc) from exc
