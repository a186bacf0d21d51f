"""Imports the user's own model files into the models folder. Any thread; slow."""

from __future__ import annotations

import errno
import functools
import os
import re
import shutil
import stat
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.disk_errors import is_too_large
from tray_app.download.file_names import MODEL_SUFFIX, names_a_model, safe_name
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.gguf import read_header
from tray_app.models.header import GgufFileType
from tray_app.models.import_modes import How
from tray_app.models.model_files import activation_of, companions_of, is_fresh, parts_of
from tray_app.models.removal import for_good, is_only_sparse_model
from tray_app.models.space import require_space
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.models.header import ModelHeader
    from tray_app.phrases import Text

    OnProgress = Callable[[int, int], object]

_BLOCK_BYTES = 1 << 20
_NO_PROGRAM = 0o666
_EMPTY_NAMES = frozenset({"model", "models", "hf", "tmp", "output", "unknown", "none", "gguf"})
_LONGEST_NAME = 100
_NO_SPACE = "Free some space, or link the model instead of copying it."


def import_model(model: Path, folder: Path, how: How, on_bytes: OnProgress) -> tuple[Path, ...]:
    """Bring a model with all that belongs to it into `folder`; the new paths, its first file first.

    `on_bytes` gets the bytes copied so far and their total; what it raises ends the work. If anything fails,
    nothing is changed. A file without the name of a model gets one, or it would not be found in the folder.
    `ModelError` if it is not a whole model, a target exists, or the disk is full or refuses.
    """
    parts = parts_of(model.absolute())
    headers = [read_header(part) for part in parts]
    if headers[0].role is not GgufFileType.MODEL:
        raise file_errors.not_to_be_served(model.name, headers[0].role)
    sources = [*parts, *companions_of(parts[0])]
    if headers[0].sparse and (activation := _activation_to_bring(parts[0], folder, how)):
        sources.append(activation)
    names = {part.name: _listed_name(part, header) for part, header in zip(parts, headers, strict=True)}
    targets = [folder / _renamed(source.name, names) for source in sources]
    for target in targets:
        _require_free(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            bring = _Bringer(how, sources, folder, on_bytes)
            for source, target in zip(sources, targets, strict=True):
                bring.bring(source, target)
                undo.callback(bring.take_back, source, target)
            bring.finish()
            undo.pop_all()
    except OSError as exc:
        raise ModelError(
            ErrorCode.MODEL_NOT_IMPORTED,
            phrase("{name} could not be imported", name=model.name),
            phrase("{reason} ({path}).", reason=exc.strerror or exc, path=exc.filename or folder),
            _advice(exc, how),
        ) from exc
    return tuple(targets)


def _advice(exc: OSError, how: How) -> Text:
    if is_too_large(exc):
        return (
            "This disk cannot store such large files (FAT32: 4 GB). Choose a models folder on "
            "another disk, or link the model."
        )
    if how is How.LINK:
        return (
            "Check that you have permission to write there. If links cannot be created, copy or "
            "move the model."
        )
    return "Check the free space and that you have permission to write there."


def _listed_name(part: Path, header: ModelHeader) -> str:
    """The file's name in the models folder: its own, or one made from its header if that names no model.

    The latter is for Ollama's blobs (`sha256-…`); the quantization is added, because a model often comes in
    several.
    """
    own = part.name.lstrip(".")
    if names_a_model(own):
        return own
    called = re.split(r"[/\\]", header.name or "")[-1].removesuffix(MODEL_SUFFIX).strip()
    if header.split_count > 1 or not _is_telling(called):
        return safe_name(f"{own}{MODEL_SUFFIX}")
    kind = header.quantization if re.fullmatch(r"\w*\d\w*", header.quantization) else ""
    if kind and kind.lower() not in called.lower():
        called = f"{called}-{kind}"
    return safe_name(re.sub(r"\s+", "-", called) + MODEL_SUFFIX)


def _is_telling(name: str) -> bool:
    """Whether this names a model, and is not what converters write if they were given no name."""
    return any(map(str.isalpha, name)) and name.lower() not in _EMPTY_NAMES and len(name) <= _LONGEST_NAME


def _renamed(name: str, names: dict[str, str]) -> str:
    """The new name of a file, or of one beside it whose name begins with it."""
    for old, new in names.items():
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _activation_to_bring(model: Path, folder: Path, how: How) -> Path | None:
    """The folder with the statistics of a sparse model; None if the target folder has one already, or if
    moving it would take it from another model.
    """
    activation = activation_of(model)
    if activation is None or os.path.lexists(folder / activation.name):
        return None
    return activation if how is not How.MOVE or is_only_sparse_model(model) else None


class _Bringer:
    """Copies, moves or links files and folders one after the other, and can undo that.

    What is moved to another disk is copied, and removed from its old place only by `finish`, so that nothing
    has to be copied back if the work ends earlier.
    """

    def __init__(self, how: How, sources: list[Path], folder: Path, on_bytes: OnProgress) -> None:
        self._how = how
        self._on_bytes = on_bytes
        self._left_behind: list[Path] = []
        self._copied_bytes = 0
        self._total_bytes = sum(_size_bytes(source) for source in sources)
        if how is How.COPY:
            require_space(folder, self._total_bytes, _NO_SPACE)

    def bring(self, source: Path, target: Path) -> None:
        """Bring one file or folder, or leave nothing at `target`. `OSError`; `ModelError` if something is
        there: another program may have made it while earlier files were copied.
        """
        _require_free(target)
        match self._how:
            case How.COPY:
                self._copy(source, target)
            case How.MOVE:
                self._move(source, target)
            case How.LINK:
                _link(source, target)

    def finish(self) -> None:
        """Remove from its old place what was copied in order to move it."""
        for source in self._left_behind:
            for_good(source)

    def take_back(self, source: Path, target: Path) -> None:
        """Undo what `bring` has done."""
        if self._how is How.MOVE and not os.path.lexists(source):
            shutil.move(target, source)
        else:
            for_good(target)

    def _move(self, source: Path, target: Path) -> None:
        if source.is_symlink():  # a relative one would lead nowhere from there
            _symlink(source, target)
            self._left_behind.append(source)
            return
        try:
            source.rename(target)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            require_space(target.parent, _size_bytes(source), _NO_SPACE)
            self._copy(source, target)
            self._left_behind.append(source)

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            target.mkdir(mode=stat.S_IMODE(source.stat().st_mode) | stat.S_IRWXU)
            try:
                for inner in _files_in(source):
                    self._copy(inner, target / inner.name)
            except BaseException:
                shutil.rmtree(target, ignore_errors=True)
                raise
            return
        partial = target.with_name(f".{target.name}.importing")
        _forget_interrupted(partial)
        # The copy is as private as the original, also while it is made.
        mode = stat.S_IMODE(source.stat().st_mode) & _NO_PROGRAM | stat.S_IWUSR
        # Outside the `try`: an existing file belongs to another import and must not be deleted.
        new = open(partial, "xb", opener=functools.partial(os.open, mode=mode))  # noqa: SIM115
        try:
            with new, source.open("rb") as old:
                while block := old.read(_BLOCK_BYTES):
                    require_space(partial.parent, len(block), _NO_SPACE)
                    new.write(block)
                    self._copied_bytes += len(block)
                    self._on_bytes(self._copied_bytes, self._total_bytes)
                new.flush()
                os.fsync(new.fileno())
            _require_free(target)
            partial.replace(target)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise


def _require_free(target: Path) -> None:
    """`ModelError` if something is there, even a link that leads nowhere."""
    if os.path.lexists(target):
        raise file_errors.taken(target)


def _forget_interrupted(partial: Path) -> None:
    """Remove the file of an import that was killed; a running one writes to its file all the time."""
    with suppress(FileNotFoundError):
        if not is_fresh(partial.stat().st_mtime, time.time()):
            partial.unlink()


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source.resolve())  # on Linux, a hard link to a link would be a link, too
    except OSError:  # another disk, a folder, or a file system without hard links
        _symlink(source, target)


def _symlink(source: Path, target: Path) -> None:
    target.symlink_to(source.resolve(), target_is_directory=source.is_dir())


def _files_in(folder: Path) -> Iterator[Path]:
    """The files directly in a folder of statistics: PowerInfer looks for nothing else there."""
    return filter(Path.is_file, folder.iterdir())


def _size_bytes(path: Path) -> int:
    if path.is_dir():
        return sum(inner.stat().st_size for inner in _files_in(path))
    return path.stat().st_size
