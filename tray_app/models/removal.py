"""Removes the files of models, or the links to them, and their statistics, and nothing else. Any thread."""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import send2trash

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.download.verify import HEAD_BYTES, begins_as_model
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.gguf import read_header
from tray_app.models.model_files import activation_of, companions_of, parts_of
from tray_app.phrases import phrase
from tray_app.system.files import open_without_waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.phrases import Text

_STATISTICS = re.compile(r"activation_\d+\.pt")
"""The files that PowerInfer's tools write, one for each layer."""
_SORTS = (
    (stat.S_ISDIR, phrase("It is a folder.")),
    (stat.S_ISFIFO, phrase("It is a pipe.")),
    (stat.S_ISSOCK, phrase("It is a socket.")),
    (stat.S_ISBLK, phrase("It is a device.")),
    (stat.S_ISCHR, phrase("It is a device.")),
)


class NotDiscardedError(ModelError):
    """The system refused to remove a file; its disk may have no trash."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What has been removed."""

    paths: tuple[Path, ...]
    trashed: bool
    """Whether the files are in the trash; links are always deleted."""
    kept: tuple[Path, ...] = ()
    """The targets of removed links; they stay where they are."""
    stopped_server: bool = False
    """Whether a server was using the model and was stopped first."""
    forgotten: tuple[Path, ...] = ()
    """Files of other apps that are no longer used from here; they stay where they are."""


class _Doomed(NamedTuple):
    path: Path
    seen: os.stat_result
    """The result of `lstat` when the file was checked."""


def remove_model(model: Path, *, listed: bool, trash: bool) -> Removal:
    """Remove a model with everything that belongs only to it.

    `model` is a file that the models folder lists (`listed`), or any other that starts like a model; one file
    of a split model stands for all. Links are removed, not their targets. `ModelError` if it is something
    else, or cannot be removed.
    """
    doomed = _files_of(model, listed=listed)
    kept = tuple(each.path.resolve() for each in doomed if stat.S_ISLNK(each.seen.st_mode))
    for each in doomed:
        _take_away(each, to_trash if trash else for_good)
    return Removal(tuple(each.path for each in doomed), trash, tuple(path for path in kept if path.is_file()))


def require_model(model: Path, *, listed: bool) -> None:
    """`ModelError`, which says what the file is, unless `remove_model` would remove it."""
    _present_parts(model, listed=listed)


def to_trash(path: Path) -> None:
    """Move a file or folder to the trash. `OSError` if there is none for its disk."""
    send2trash.send2trash(path)


def for_good(path: Path) -> None:
    """Delete a file, a link or a folder permanently. `OSError`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def is_only_sparse_model(model: Path) -> bool:
    """Whether this is the only sparse model in its folder, so that the statistics there belong to it."""
    sparse = []
    for path in model.parent.iterdir():
        if path.suffix.lower() == MODEL_SUFFIX:
            with suppress(ModelError):  # a damaged file has no statistics
                if read_header(path).sparse:
                    sparse.append(path)
    return sparse == [model]


def _files_of(model: Path, *, listed: bool) -> list[_Doomed]:
    """Everything that is removed with a model, checked one by one. `ModelError` if a file is not a model."""
    present, first = _present_parts(model, listed=listed), parts_of(model)[0]
    more = [*companions_of(first)]
    if (activation := activation_of(first)) and _holds_statistics_of(first, activation):
        more.append(activation)
    return [*present, *(each for each in map(_look, more) if each)]


def _present_parts(model: Path, *, listed: bool) -> list[_Doomed]:
    present = [each for each in map(_look, parts_of(model)) if each]
    if not present:
        raise file_errors.missing(model.name, model)
    for part in present:
        _require_removable(part, listed=listed)
    return present


def _look(path: Path) -> _Doomed | None:
    try:
        return _Doomed(path, path.lstat())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL, which no path can have
        return None
    except OSError as exc:
        raise file_errors.unreadable(path, path.name, exc.strerror or str(exc)) from exc


def _require_removable(part: _Doomed, *, listed: bool) -> None:
    """`ModelError` unless it is a file, or a link to one, that is listed or starts like a model."""
    path, mode = part.path, part.seen.st_mode
    if stat.S_ISLNK(mode) and not path.is_dir():
        if listed or (path.is_file() and _begins_like_a_model(part)):
            return
    elif stat.S_ISREG(mode) and (listed or _begins_like_a_model(part)):
        return
    why: Text = "It does not start like a model."
    with suppress(OSError):  # a link without a target
        target = path.stat().st_mode
        why = next((words for is_such, words in _SORTS if is_such(target)), why)
    raise ModelError(
        ErrorCode.NOT_A_MODEL,
        phrase("{name} is not a model", name=path.name or path),
        why,
        "Only models can be removed. To list them, run: powerinfer-tray models list",
    )


def _begins_like_a_model(part: _Doomed) -> bool:
    try:
        with open_without_waiting(part.path) as file:  # a pipe may have taken its place
            if not stat.S_ISLNK(part.seen.st_mode) and _has_changed(part.seen, os.fstat(file.fileno())):
                raise _changed(part.path)
            return begins_as_model(file.read(HEAD_BYTES))
    except OSError as exc:
        raise file_errors.unreadable(part.path, part.path.name, exc.strerror or str(exc)) from exc


def _holds_statistics_of(model: Path, folder: Path) -> bool:
    """Whether a folder contains only the statistics of this model, or is a link, which is removed as a
    link.
    """
    try:
        if not is_only_sparse_model(model):
            return False
        return folder.is_symlink() or all(
            _STATISTICS.fullmatch(inner.name) and not inner.is_dir() for inner in folder.iterdir()
        )
    except OSError:  # a folder that cannot be checked is not deleted
        return False


def _take_away(doomed: _Doomed, discard: Callable[[Path], None]) -> None:
    path = doomed.path
    try:
        if _has_changed(doomed.seen, path.lstat()):
            raise _changed(path)
        (for_good if path.is_symlink() else discard)(path)
    except OSError as exc:
        raise NotDiscardedError(
            ErrorCode.MODEL_NOT_REMOVED,
            phrase("{name} could not be removed", name=path.name),
            phrase("{reason} ({path}).", reason=exc.strerror or exc, path=path),
            "Check its permissions. If there is no trash, delete it permanently.",
        ) from exc


def _has_changed(before: os.stat_result, now: os.stat_result) -> bool:
    """Whether the file is no longer the one that was checked."""

    def identity(info: os.stat_result) -> tuple[int, int, int]:
        return info.st_dev, info.st_ino, stat.S_IFMT(info.st_mode)

    return identity(before) != identity(now)


def _changed(path: Path) -> ModelError:
    return ModelError(
        ErrorCode.MODEL_REPLACED,
        phrase("{name} was replaced in the meantime", name=path.name),
        "It is no longer the file that was checked, so it was not touched.",
        "Check the list of models and try again.",
    )
