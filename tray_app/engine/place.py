"""Where an engine runs and by which name it opens its model.

PowerInfer opens files by the narrow calls of C: on Windows these know only letters of the system's code page,
and paths of 259 characters. There it is given a plain name in the folder of the model. `place_for` is pure;
`settle` does what it says, on the supervisor's thread.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.kinds import EngineKind
from tray_app.errors import EngineError
from tray_app.phrases import phrase
from tray_app.system.host import System

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.system.runfolder import RunFolder

_LONGEST_PATH = 259
"""What Windows' narrow calls take."""
_LEFT_LOG = "llama.log"
"""PowerInfer writes it where it runs, with all text that it generates."""


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` is None for the private folder of the run; `link` is a name to be made for the model first."""

    model: str
    """The model as the command line names it."""
    folder: Path | None = None
    link: Path | None = None


def place_for(model: Path, kind: EngineKind, system: System) -> Place:
    """How an engine of this kind gets at a model; `model` is a full path."""
    text = str(model)
    if kind is not EngineKind.POWERINFER or system is not System.WINDOWS or _is_plain(text):
        return Place(text)
    if _is_plain(model.name):
        return Place(model.name, model.parent)
    # Hidden by its first letter, so that nobody takes it for another model.
    link = model.with_name(f".powerinfer-{hashlib.sha256(model.name.encode()).hexdigest()[:12]}.gguf")
    return Place(link.name, model.parent, link)


def settle(place: Place, model: Path, run_folder: RunFolder) -> Path:
    """Make what the place needs; the folder to run in. `EngineError` if that is not possible."""
    if place.folder is None:
        return run_folder.path
    log = place.folder / _LEFT_LOG
    leavings = [path for path in (place.link, log) if path and not (path is log and log.exists())]
    run_folder.remove_too(*leavings)
    if place.link:
        _make_link(place.link, model)
    return place.folder


def _make_link(link: Path, model: Path) -> None:
    try:
        link.unlink(missing_ok=True)
        os.link(model, link)
    except OSError as exc:
        raise EngineError(
            phrase("PowerInfer cannot open a file with the name {name}", name=model.name),
            phrase(
                "It knows plain letters only, and another name cannot be given here: {reason}.",
                reason=exc.strerror or exc,
            ),
            "Rename the file so that it has only letters from a to z and digits, or move it to an NTFS disk.",
        ) from exc


def _is_plain(text: str) -> bool:
    return text.isascii() and " " not in text and len(text) <= _LONGEST_PATH
