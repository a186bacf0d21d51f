"""Where an engine runs and by which name it opens its model.

PowerInfer opens files by the narrow calls of C: on Windows these know only letters of the system's code page,
and paths of 259 characters. There it is given a plain name in the folder of the model. No engine takes a path
whose bytes are no letters of UTF-8: it is given links in the folder of its run. `launch_dir_for` is pure; `prepare`
does what it says, on the supervisor's thread.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray_app.engine.kinds import EngineKind
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.model_files import ACTIVATION, GPU_INDEX, SUFFIX, parts_of, split_of
from tray_app.phrases import phrase
from tray_app.system.host import System
from tray_app.system.shortage import passes

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.system.runfolder import RunFolder

_LONGEST_PATH = 259
"""What Windows' narrow calls take."""
_PLAIN = "model"
_LEFT_LOG = "llama.log"
"""PowerInfer writes it where it runs, with all text that it generates."""


@dataclass(frozen=True, slots=True)
class LaunchDir:
    """`folder` is None for the private folder of the run; `link` is a name to be made for the model first."""

    model: str
    """The model as the command line names it."""
    folder: Path | None = None
    link: Path | None = None
    linked: bool = False
    """Whether all files of the model are to be linked into the private folder, the first as `model`."""


def launch_dir_for(model: Path, kind: EngineKind, system: System) -> LaunchDir:
    """How an engine of this kind gets at a model; `model` is a full path."""
    text = str(model)
    if not _is_text(text):
        return LaunchDir(_plain_part(model), linked=True)
    if kind is not EngineKind.POWERINFER or system is not System.WINDOWS or _is_plain(text):
        return LaunchDir(text)
    if _is_plain(model.name):
        return LaunchDir(model.name, model.parent)
    # Hidden by its first letter, so that nobody takes it for another model.
    link = model.with_name(f".powerinfer-{hashlib.sha256(model.name.encode()).hexdigest()[:12]}.gguf")
    return LaunchDir(link.name, model.parent, link)


def prepare(place: LaunchDir, model: Path, run_folder: RunFolder) -> Path:
    """Make what the place needs; the folder to run in. `EngineError` if that is not possible."""
    if place.linked:
        _link_files(model, run_folder.path)
    if place.folder is None:
        return run_folder.path
    log = place.folder / _LEFT_LOG
    leavings = [path for path in (place.link, log) if path and not (path is log and log.exists())]
    run_folder.remove_too(*leavings)
    if place.link:
        _make_link(place.link, model)
    return place.folder


def _link_files(model: Path, folder: Path) -> None:
    """Make plain names for what an engine opens: the parts, and what PowerInfer looks for beside them."""
    links = {folder / _plain_part(part): part for part in parts_of(model)}
    first, plain = parts_of(model)[0], _plain_part(model)
    links[folder / f"{plain}{GPU_INDEX}"] = first.with_name(first.name + GPU_INDEX)
    links[folder / ACTIVATION] = first.with_name(ACTIVATION)
    try:
        for link, target in links.items():
            if target.exists():
                link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError as exc:
        if passes(exc):
            raise
        raise EngineError(
            ErrorCode.MODEL_FILE_NAME_UNUSABLE,
            phrase("The engine cannot open a file with the name {name}", name=model.name),
            phrase(
                "It takes letters of UTF-8 only, and a link cannot be made: {reason}.",
                reason=exc.strerror or exc,
            ),
            "Rename the file so that its name has letters only.",
        ) from exc


def _plain_part(part: Path) -> str:
    split = split_of(part.stem)
    return (replace(split, stem=_PLAIN).name(split.number) if split else _PLAIN) + SUFFIX


def _make_link(link: Path, model: Path) -> None:
    try:
        link.unlink(missing_ok=True)
        os.link(model, link)
    except OSError as exc:
        if passes(exc):
            raise
        raise EngineError(
            ErrorCode.MODEL_FILE_NAME_UNUSABLE,
            phrase("PowerInfer cannot open a file with the name {name}", name=model.name),
            phrase(
                "It knows plain letters only, and another name cannot be given here: {reason}.",
                reason=exc.strerror or exc,
            ),
            "Rename the file so that it has only letters from a to z and digits, or move it to an NTFS disk.",
        ) from exc


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_plain(text: str) -> bool:
    return text.isascii() and " " not in text and len(text) <= _LONGEST_PATH
