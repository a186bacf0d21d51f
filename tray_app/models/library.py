"""The models on this computer: finds one by what a person calls it, and lists those that are whole.

Any thread may call. Only headers are read, and again only when a file has changed.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tray_app.download.address import is_address
from tray_app.errors import ModelError
from tray_app.models import faults
from tray_app.models.files import (
    SUFFIX,
    is_fresh,
    partials_in,
    parts_of,
    split_of,
    stem_of,
    without_suffix,
)
from tray_app.models.gguf import read_header
from tray_app.models.header import Role
from tray_app.phrases import phrase
from tray_app.system.paths import expanded, resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.files import Partial
    from tray_app.models.header import ModelHeader
    from tray_app.settings.schema import Settings
    from tray_app.system.paths import AppPaths


@dataclass(frozen=True, slots=True)
class Model:
    """A whole model file on this computer."""

    id: str
    """What clients call it: letters, digits, ".", "_" and "-"; stays while the file keeps its name."""
    name: str
    """What people call it."""
    path: Path
    """Its file; the first of them where it is split."""
    size_bytes: int
    """Of all its files."""
    header: ModelHeader


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file that has the name of a model and cannot be served."""

    path: Path
    """The first file, where it is split."""
    size_bytes: int
    """Of what is there."""
    error: ModelError
    arriving: bool
    """Whether it was written to a moment ago: then somebody is probably still copying it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything in the models folder that has to do with models."""

    models: tuple[Model, ...]
    """As `Library.installed`."""
    unusable: tuple[Unusable, ...]
    partials: tuple[Partial, ...]


class NotInstalledError(ModelError):
    """The catalogue knows the model, but it has not been downloaded yet."""

    def __init__(self, entry: CatalogEntry) -> None:
        super().__init__(
            phrase("{name} has not been downloaded yet", name=entry.name),
            phrase("{name} is not in the models folder.", name=entry.file_name),
            phrase("Download it: powerinfer-tray download {source}", source=entry.source),
        )
        self.entry = entry


def models_folder(settings: Settings, paths: AppPaths) -> Path:
    """Where models are and go."""
    return expanded(settings.models_folder) if settings.models_folder else paths.models


def builtin_model() -> Path:
    """The file of the model that comes with the app."""
    return resources() / "test-model" / "test.gguf"


class Library:
    """The models of one folder, the one that comes with the app, and any other that is named by its path."""

    def __init__(
        self,
        folder: Path,
        catalog: tuple[CatalogEntry, ...],
        builtin: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.catalog = catalog
        self.builtin = builtin
        self._clock = clock
        self._headers: dict[Path, tuple[_Stamp, ModelHeader]] = {}

    def find(self, reference: str) -> Model:
        """The model that is meant by an id, a file name in the folder, or a path; `.gguf` may be left out.

        `NotInstalledError` if it is one of the catalogue that is not here yet, other `ModelError`s if it is
        unknown or its file is not a whole model.
        """
        return self._model(self.locate(reference))

    def locate(self, reference: str) -> Path:
        """Where the file is that is meant, whole or not; the errors of `find` if there is none."""
        if not reference:
            raise ModelError(
                "No model is chosen",
                "The setting «model» is empty.",
                "Choose one, or try the built-in one: test",
            )
        entry = self._entry_named(reference)
        path = self._path_of(entry) if entry else self._path_named(reference)
        if path:
            return path
        if entry:
            raise NotInstalledError(entry)
        raise ModelError(
            phrase("There is no model {reference}", reference=reference),
            phrase("It is no id of the catalogue and no file in {folder}.", folder=self.folder),
            "Check the name, give the path of a file, or download a model.",
        )

    def installed(self) -> tuple[Model, ...]:
        """The whole models of the folder by name, then the one that comes with the app."""
        return self.contents().models

    def contents(self) -> Contents:
        """What is in the folder, good or bad; and the model that comes with the app."""
        models, unusable = [], []
        for path in (*self._files(), self.builtin):
            try:
                models.append(self._model(path))
            except ModelError as exc:
                unusable.append(self._unusable(path, exc))
        return Contents(tuple(models), tuple(unusable), self.partials())

    def partials(self) -> tuple[Partial, ...]:
        """Downloads into the folder that have not ended, and the disk they hold."""
        return partials_in(self.folder)

    def name_of(self, reference: str) -> str:
        """What people call the model, without looking whether it is here."""
        entry = self._entry_named(reference)
        return entry.name if entry else stem_of(Path(reference))

    def _entry_named(self, reference: str) -> CatalogEntry | None:
        for entry in self.catalog:
            names = (entry.id,) if entry.builtin else (entry.id, entry.file_name, entry.source)
            if reference in names:
                return entry
        return None

    def _entry_of(self, path: Path) -> CatalogEntry | None:
        for entry in self.catalog:
            if (path == self.builtin) if entry.builtin else (path.name == entry.file_name):
                return entry
        return None

    def _path_of(self, entry: CatalogEntry) -> Path | None:
        if entry.builtin:
            return self.builtin
        path = self.folder / entry.file_name
        try:
            path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            pass  # it may be there: reading it will say what is wrong
        return path

    def _path_named(self, reference: str) -> Path | None:
        """The file that is meant; for what can only be a path, that path even if nothing is there."""
        if is_address(reference):
            raise ModelError(
                phrase("{name} has not been downloaded yet", name=reference),
                "It is an address, and not a model on this computer.",
                phrase("Download it: powerinfer-tray download {source}", source=reference),
            )
        given = expanded(reference).absolute()
        is_path = Path(reference).name != reference
        for path in (given,) if is_path else (self.folder / reference, given):
            for candidate in (path, Path(f"{path}{SUFFIX}")):
                if os.path.isfile(candidate):  # noqa: PTH113 Path's raises where permission is lacking
                    return candidate
        if is_path:
            return given
        return next((path for path in (*self._files(), self.builtin) if self._id(path) == reference), None)

    def _files(self) -> list[Path]:
        """What may be models in the folder, of split ones the first file; none if there is no folder.

        Hidden files are none: macOS puts a `._name` beside each file on foreign drives.
        """
        try:
            paths = sorted(
                path
                for path in self.folder.iterdir()
                if path.suffix.lower() == SUFFIX and not path.name.startswith(".")
            )
        except OSError:
            return []
        return [path for path in paths if (split := split_of(path.stem)) is None or split.number == 1]

    def _model(self, path: Path) -> Model:
        parts = parts_of(path)
        path = parts[0]
        stamps = [_stamp(part) for part in parts]
        headers = [self._header(part, stamp) for part, stamp in zip(parts, stamps, strict=True)]
        header = replace(headers[0], parameters=sum(each.parameters for each in headers))
        if header.role is not Role.MODEL:
            raise faults.not_to_be_served(path.name, header.role)
        entry = self._entry_of(path)
        return Model(
            id=self._id(path),
            name=entry.name if entry else stem_of(path),
            path=path,
            size_bytes=sum(stamp.size_bytes for stamp in stamps),
            header=header,
        )

    def _unusable(self, path: Path, error: ModelError) -> Unusable:
        stamps = [_stamp(part) for part in parts_of(path)]
        newest_s = max(stamp.modified_ns for stamp in stamps) / 1e9
        size_bytes = sum(stamp.size_bytes for stamp in stamps)
        return Unusable(path, size_bytes, error, arriving=is_fresh(newest_s, self._clock()))

    def _header(self, path: Path, stamp: _Stamp) -> ModelHeader:
        known = self._headers.get(path)
        if known is None or known[0] != stamp:
            known = self._headers[path] = (stamp, read_header(path))
        return known[1]

    def _id(self, path: Path) -> str:
        if entry := self._entry_of(path):
            return entry.id
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", without_suffix(path)).strip("-") or "model"
        taken = any(entry.id == name for entry in self.catalog)
        return name + SUFFIX if taken else name


class _Stamp(NamedTuple):
    """Tells whether a file has changed."""

    modified_ns: int
    size_bytes: int


def _stamp(path: Path) -> _Stamp:
    try:
        info = path.stat()
    except (OSError, ValueError):  # reading the header will say what is wrong
        return _Stamp(0, 0)
    return _Stamp(info.st_mtime_ns, info.st_size)
