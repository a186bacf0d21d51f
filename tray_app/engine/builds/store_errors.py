"""The errors about installed engines that are missing, changed, in use or cannot be written. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import joined, phrase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tray_app.phrases import Text

_SHOWN = 3
"""How many of the changed files are named."""


def not_installed(build_id: str) -> EngineError:
    """Nothing has this name."""
    return EngineError(
        ErrorCode.ENGINE_NOT_INSTALLED,
        phrase("There is no engine “{id}”", id=build_id),
        "No engine with this name is installed.",
        "To list the available engines, run: powerinfer-tray engines list",
    )


def notes_unreadable(build_id: str, why: Text) -> EngineError:
    """The notes of a build are missing or damaged."""
    return EngineError(
        ErrorCode.ENGINE_NOTES_UNREADABLE,
        phrase("The engine “{id}” cannot be used", id=build_id),
        phrase("Its installation record is missing or damaged: {why}", why=why),
        phrase("Reinstall it, or remove it: powerinfer-tray engines remove {id}", id=build_id),
    )


def changed(build_id: str, source: str, differences: Sequence[Text]) -> EngineError:
    """Files of a build that was installed from `source` have changed; `differences` say which."""
    more = len(differences) - _SHOWN
    told = joined(", ", differences[:_SHOWN])
    again = (
        phrase("Reinstall it: powerinfer-tray engines install {id}", id=build_id)
        if "://" in source
        else phrase("Reinstall it from {path}", path=source)
    )
    return EngineError(
        ErrorCode.ENGINE_CHANGED,
        phrase("The engine “{id}” has changed since it was installed", id=build_id),
        phrase(
            "{changes}. An antivirus program may have removed or replaced files. The engine was not started.",
            changes=phrase("{told} and {count} more", told=told, count=more) if more > 0 else told,
        ),
        phrase(
            "{again}. If it happens again, exclude its folder in your antivirus program.",
            again=again,
        ),
    )


def open_elsewhere(build_id: str) -> EngineError:
    """The system does not let the files be moved."""
    return EngineError(
        ErrorCode.ENGINE_IN_USE,
        phrase("The engine “{id}” is in use", id=build_id),
        "Its files are in use by the engine itself or by another program.",
        "Stop the server and try again.",
    )


def unreadable(folder: Path, exc: OSError) -> EngineError:
    """The folder or something in it cannot be read."""
    return EngineError(
        ErrorCode.ENGINE_NOT_STORED,
        "The engines folder could not be read",
        phrase("{path}: {reason}", path=exc.filename or folder, reason=exc.strerror or exc),
        "Check the permissions of this folder.",
    )


def unwritable(folder: Path, exc: OSError) -> EngineError:
    """Nothing can be kept in the folder."""
    return EngineError(
        ErrorCode.ENGINE_NOT_STORED,
        "Could not write to the engines folder",
        phrase("{path}: {reason}", path=exc.filename or folder, reason=exc.strerror or exc),
        "Check the permissions of this folder and the free space on its disk.",
    )


def locked_elsewhere(folder: Path) -> EngineError:
    """Another program holds the lock."""
    return EngineError(
        ErrorCode.ENGINES_LOCKED,
        "Another program is changing the engines",
        phrase("It has locked {folder}.", folder=folder),
        "Try again when it has finished. If that does not help, quit the other PowerInfer Tray.",
    )


def cannot_be_noted(build_id: str, why: Text) -> EngineError:
    """Its files cannot be listed, so nobody could say later whether they changed."""
    return EngineError(
        ErrorCode.ENGINE_NOT_STORED,
        phrase("The engine “{id}” could not be saved", id=build_id),
        phrase("The list of its files could not be written: {why}", why=why),
        "Rename its files and folders, using only letters and digits.",
    )
