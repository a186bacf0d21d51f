"""The working folder of an engine, and the name by which it opens its model.

PowerInfer opens files with C's `fopen`. On Windows that accepts only characters of the system's code page and
paths of 259 characters, so there PowerInfer runs in the model's folder and is given a plain name for the
model. No engine accepts a path that is not UTF-8, so such a model is linked into the folder of the run. So is
another app's for PowerInfer, which writes beside a model.
`launch_dir_for` is pure; `prepare` creates what it says, on the supervisor's thread.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.engine.engine_kind import EngineKind
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.model_files import ACTIVATION, GPU_INDEX, parts_of, split_of
from tray_app.phrases import phrase
from tray_app.system.host import System
from tray_app.system.shortage import passes

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.system.runfolder import RunFolder

_LONGEST_PATH = 259
"""The longest path that Windows' calls without wide characters accept."""
_PLAIN = "model"
_LEFT_LOG = "llama.log"
"""PowerInfer writes this file into its working folder, with all text that it generates."""


@dataclass(frozen=True, slots=True)
class LaunchDir:
    """Where an engine runs. `folder` is None for the private folder of the run; `link` is a link to the model
    that must be made first.
    """

    model: str
    """The model's path in the command line."""
    folder: Path | None = None
    link: Path | None = None
    linked: bool = False
    """Whether all files of the model must be linked into the private folder, the first one as `model`."""


def launch_dir_for(model: Path, kind: EngineKind, system: System, *, own: bool = True) -> LaunchDir:
    """Where an engine of this kind runs for a model. `model` is a full path; `own`: it is no other app's."""
    text = str(model)
    if not _is_text(text) or (kind is EngineKind.POWERINFER and not own):
        return LaunchDir(_plain_part(model), linked=True)
    if kind is not EngineKind.POWERINFER or system is not System.WINDOWS or _is_plain(text):
        return LaunchDir(text)
    if _is_plain(model.name):
        return LaunchDir(model.name, model.parent)
    # Hidden by the dot, so that nobody takes it for another model.
    link = model.with_name(f".powerinfer-{hashlib.sha256(model.name.encode()).hexdigest()[:12]}.gguf")
    return LaunchDir(link.name, model.parent, link)


def prepare(launch_dir: LaunchDir, model: Path, run_folder: RunFolder) -> Path:
    """Make the links that are needed. Returns the folder to run in. `EngineError` if they cannot be made."""
    if launch_dir.linked:
        _link_files(model, run_folder.path)
    if launch_dir.folder is None:
        return run_folder.path
    log = launch_dir.folder / _LEFT_LOG
    leavings = [path for path in (launch_dir.link, log) if path and not (path is log and log.exists())]
    run_folder.remove_too(*leavings)
    if launch_dir.link:
        _make_link(launch_dir.link, model)
    return launch_dir.folder


def _link_files(model: Path, folder: Path) -> None:
    """Link all files that an engine opens under plain names: the model's parts, and what PowerInfer reads
    beside them.
    """
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
            phrase("The engine cannot open a file named {name}", name=model.name),
            phrase(
                "It accepts only names in UTF-8, and a link could not be created: {reason}.",
                reason=exc.strerror or exc,
            ),
            "Rename the file so that its name contains only valid characters.",
        ) from exc


def _plain_part(part: Path) -> str:
    split = split_of(part.stem)
    return (replace(split, stem=_PLAIN).name(split.number) if split else _PLAIN) + MODEL_SUFFIX


def _make_link(link: Path, model: Path) -> None:
    """Make a hard link. One that is right stays: another process of the same model may have it open, and
    Windows then refuses to delete it.
    """
    try:
        if link.exists() and link.samefile(model):
            return
        link.unlink(missing_ok=True)
        os.link(model, link)
    except OSError as exc:
        if passes(exc):
            raise
        raise EngineError(
            ErrorCode.MODEL_FILE_NAME_UNUSABLE,
            phrase("PowerInfer cannot open a file named {name}", name=model.name),
            phrase(
                "It accepts only ASCII names, and the file could not be given another name here: {reason}.",
                reason=exc.strerror or exc,
            ),
            "Rename the file using only the letters a to z and digits, or move it to an NTFS disk.",
        ) from exc


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_plain(text: str) -> bool:
    return text.isascii() and " " not in text and len(text) <= _LONGEST_PATH
