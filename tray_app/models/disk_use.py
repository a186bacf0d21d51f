"""The disk space of each model, and which models have not been used for months. Any thread; reads folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.last_use import DAY_S, calendar_s
from tray_app.models.model_files import companions_of, parts_of
from tray_app.models.space import free_bytes
from tray_app.system.disk import bytes_on_disk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tray_app.models.library import Library
    from tray_app.models.model import Model
    from tray_app.models.model_files import Partial

UNUSED_S = 90 * DAY_S
"""A model that was not used for this long counts as unused."""


@dataclass(frozen=True, slots=True)
class ModelSpace:
    """The disk space of one model."""

    id: str
    name: str
    path: Path
    held_bytes: int
    """What its removal would free; for another app's model, which stays, the size of its files."""
    app: str
    """The other app that owns it; empty if this app does."""
    last_used_s: float | None
    """When it was last loaded, in seconds since 1970; None if that was never noted."""
    arrived_s: float
    """When its newest file was written, in seconds since 1970."""
    unused: bool
    """Whether it was neither used nor downloaded within `UNUSED_S`."""


@dataclass(frozen=True, slots=True)
class DiskUse:
    """The disk space of all models."""

    models: tuple[ModelSpace, ...]
    """The largest first, without the built-in one."""
    unusable_bytes: int
    """Of files that cannot be served, without those of other apps."""
    partials: tuple[Partial, ...]
    total_bytes: int
    """Of this app's models, unusable files and unfinished downloads."""
    free_bytes: int
    """The space for models on the disk of the models folder."""


def disk_use(library: Library, last_use: Mapping[str, float], now_s: float) -> DiskUse:
    """The present disk space of a library's models. `last_use`: seconds since 1970 by id. `ModelError` if the
    free space cannot be read.
    """
    contents = library.contents()
    models = [
        _space(model, last_use.get(model.id), now_s)
        for model in contents.models
        if model.path != library.builtin
    ]
    useless = [each.path for each in contents.unusable if not library.adopted(each.path)]
    unusable = sum(_held(part) for path in useless for part in parts_of(path))
    own = sum(each.held_bytes for each in models if not each.app)
    return DiskUse(
        models=tuple(sorted(models, key=lambda each: (-each.held_bytes, each.id))),
        unusable_bytes=unusable,
        partials=contents.partials,
        total_bytes=own + unusable + sum(each.held_bytes for each in contents.partials),
        free_bytes=free_bytes(library.folder),
    )


def _space(model: Model, last_used_s: float | None, now_s: float) -> ModelSpace:
    files = parts_of(model.path)
    arrived_s = max(_written_s(file) for file in files)
    return ModelSpace(
        id=model.id,
        name=model.name,
        path=model.path,
        held_bytes=model.size_bytes if model.app else sum(map(_held, (*files, *companions_of(model.path)))),
        app=model.app,
        last_used_s=last_used_s,
        arrived_s=arrived_s,
        unused=now_s - max(last_used_s or 0.0, arrived_s) > UNUSED_S,
    )


def _held(path: Path) -> int:
    """The disk space of a file, or of the link itself if it is a link."""
    try:
        return bytes_on_disk(path.lstat())
    except OSError:  # gone meanwhile
        return 0


def _written_s(path: Path) -> float:
    try:
        return calendar_s(path.stat().st_mtime)
    except OSError:
        return calendar_s(0.0)
