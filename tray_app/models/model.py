"""What is known of the models on this computer, as values. Pure."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray_app.models.header import Pooling
from tray_app.models.naming import AmbiguousError, ModelNames
from tray_app.settings.model_settings import effective

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tray_app.errors import ModelError
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.header import ModelHeader
    from tray_app.models.model_files import Partial
    from tray_app.models.projectors import Projector
    from tray_app.settings.schema import ModelSettings, Settings


@dataclass(frozen=True, slots=True)
class Model:
    """A whole model file on this computer."""

    id: str
    """What programs call it, and no other: letters and digits of every alphabet, ".", "_" and "-"."""
    name: str
    """What people call it, fit to be shown."""
    path: Path
    """Its file; the first of them where it is split."""
    size_bytes: int
    """Of all its files."""
    header: ModelHeader
    projector: Projector | None = None
    """What it sees pictures with, or hears with."""
    app: str = ""
    """The other app whose file it is, and stays; empty for one of this app's."""
    entry: CatalogEntry | None = None
    """What the catalogue says of this very file; None if it is of another one, or of none."""

    @property
    def weights_bytes(self) -> int:
        """What the weights take in memory, with all that its projector takes."""
        return self.size_bytes + (self.projector.memory_bytes if self.projector else 0)

    @property
    def sees(self) -> bool:
        """Whether requests may have pictures for it."""
        return self.projector is not None and self.projector.sees

    @property
    def defaults(self) -> ModelSettings:
        """By name, what the catalogue knows of its settings, and the file does not say itself."""
        known = self.entry.defaults if self.entry else {}
        told = {"pooling"} if self.header.pooling not in (None, Pooling.NONE) else set()
        return {name: value for name, value in known.items() if name not in told}

    def settings_in(self, settings: Settings) -> Settings:
        """What holds for it of what a person chose, and else of what the catalogue knows."""
        return effective(settings, self.id, self.defaults)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that has the name of a model and cannot be served."""

    id: str
    """As that of a model."""
    name: str
    """As that of a model."""
    path: Path
    """The first file, where it is split."""
    size_bytes: int
    """Of what is there."""
    error: ModelError
    arriving: bool
    """Whether it was written to a moment ago: then somebody is probably still copying it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything in the models folder and below that has to do with models."""

    models: tuple[Model, ...]
    """The whole models of the folder by name, those of other apps, then the one that comes with the app."""
    unusable: tuple[Unusable, ...]
    partials: tuple[Partial, ...]


@dataclass(frozen=True, slots=True)
class Installed:
    """The models that can be served, at one moment."""

    models: tuple[Model, ...] = ()
    """As in `Contents`."""
    created: Mapping[str, int] = field(default_factory=dict)
    """By id, when the newest of a model's files was written, in seconds since 1970."""
    names: ModelNames = field(default_factory=lambda: ModelNames({}, {}))
    errors: Mapping[str, ModelError] = field(default_factory=dict)
    """By id, why other files of the folder cannot be served: one is damaged, or still being copied."""
    unusable: ModelNames = field(default_factory=lambda: ModelNames({}, {}))
    """The names of these."""

    def error_of(self, name: str) -> ModelError | None:
        """Why the file that has this name cannot be served; None if there is none, or if several have it."""
        with suppress(AmbiguousError):
            return self.errors.get(self.unusable.resolve(name) or "")
        return None
