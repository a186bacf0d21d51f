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
    """The unique name that apps use: letters and digits of every alphabet, ".", "_" and "-"."""
    name: str
    """The name that people see, without harmful characters."""
    path: Path
    """Its file, or the first one if it is split."""
    size_bytes: int
    """Of all its files, without the projector."""
    header: ModelHeader
    projector: Projector | None = None
    """The file that turns pictures or sounds into what the model reads."""
    app: str = ""
    """The other app that owns the file; empty if this app does."""
    entry: CatalogEntry | None = None
    """The catalog's entry for exactly this file; None if it has none."""

    @property
    def weights_bytes(self) -> int:
        """The memory in bytes for the weights and for the projector."""
        return self.size_bytes + (self.projector.memory_bytes if self.projector else 0)

    @property
    def sees(self) -> bool:
        """Whether requests to it may contain pictures."""
        return self.projector is not None and self.projector.sees

    @property
    def defaults(self) -> ModelSettings:
        """The catalog's defaults for its settings, by name, without those that its file gives itself."""
        known = self.entry.defaults if self.entry else {}
        told = {"pooling"} if self.header.pooling not in (None, Pooling.NONE) else set()
        return {name: value for name, value in known.items() if name not in told}

    def settings_in(self, settings: Settings) -> Settings:
        """The settings that apply to it: its own values, or else its defaults, or else those for all
        models.
        """
        return effective(settings, self.id, self.defaults)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file with the name of a model that cannot be served."""

    id: str
    """As for a `Model`."""
    name: str
    """As for a `Model`."""
    path: Path
    """Its file, or the first one if it is split."""
    size_bytes: int
    """Of the files that exist."""
    error: ModelError
    """Why it cannot be served."""
    arriving: bool
    """Whether it was written to a moment ago, so that it is probably still being copied."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All models that are known on this computer, usable or not, and the unfinished downloads."""

    models: tuple[Model, ...]
    """The models in the folder by name, then those of other apps, then the built-in one."""
    unusable: tuple[Unusable, ...]
    partials: tuple[Partial, ...]


@dataclass(frozen=True, slots=True)
class Installed:
    """The models that can be served at one moment."""

    models: tuple[Model, ...] = ()
    """As in `Contents`."""
    created: Mapping[str, int] = field(default_factory=dict)
    """When the newest file of each model was written, in seconds since 1970, by id."""
    names: ModelNames = field(default_factory=lambda: ModelNames({}, {}))
    errors: Mapping[str, ModelError] = field(default_factory=dict)
    """Why other files cannot be served, by id: they may be damaged, or still being copied."""
    unusable: ModelNames = field(default_factory=lambda: ModelNames({}, {}))
    """The names of these files."""

    def error_of(self, name: str) -> ModelError | None:
        """Why the file with this name cannot be served; None if no file or several files have this name."""
        with suppress(AmbiguousError):
            return self.errors.get(self.unusable.resolve(name) or "")
        return None
