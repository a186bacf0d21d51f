"""Finds the file that a person means by an id, an alias, a file name or a path. Any thread; looks at files.

Names in requests of apps, which are never paths and must be resolved at once, are resolved by `naming.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.address import is_address
from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.model_files import parts_of
from tray_app.models.naming import AmbiguousError
from tray_app.phrases import phrase
from tray_app.settings.aliases import same_name
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.index import Index
    from tray_app.phrases import Text


class NotInstalledError(ModelError):
    """The model is in the catalog but has not been downloaded yet."""

    def __init__(self, entry: CatalogEntry) -> None:
        super().__init__(
            ErrorCode.MODEL_NOT_DOWNLOADED,
            phrase("{name} has not been downloaded yet", name=entry.name),
            phrase("{name} is not in the models folder.", name=entry.file_name),
            phrase("Download it: powerinfer-tray download {source}", source=entry.source),
        )
        self.entry = entry


class Finder:
    """Finds models in a folder by its index, the built-in one, and others by their paths.

    `aliases` returns model ids by the other names that the user has chosen.
    """

    def __init__(
        self,
        folder: Path,
        catalog: tuple[CatalogEntry, ...],
        builtin: Path,
        aliases: Callable[[], Mapping[str, str]],
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._builtin = builtin
        self._aliases = aliases

    def located(self, reference: str, index: Index) -> Path:
        """The path of the file that is meant; order and errors as in `Library.locate`."""
        if not reference:
            raise file_errors.none_chosen()
        entry = self.entry_named(reference)
        if entry and (path := self._path_of(entry) or index.with_id(entry.id)):
            return path
        may_be_another = entry is None or reference == entry.file_name
        if may_be_another and (path := self._found(reference, index, by_alias=entry is None)):
            return path
        if entry:
            raise NotInstalledError(entry)
        if _is_path(reference) and not is_address(reference):
            return absolute(reference)  # reading it reports the error
        raise self._unknown(reference)

    def id_named(self, reference: str, index: Index) -> str | None:
        """The id of the model that has this name without an alias, here or in the catalog; None if there is
        none. `AmbiguousError` if several files have it.
        """
        entry = self.entry_named(reference)
        if entry is None:
            same = (each for each in self._catalog if same_name(each.id) == same_name(reference))
            entry = next(same, None)
        if entry:
            return entry.id
        path = index.with_id(reference) or self._path_below(reference)
        found = [path] if path else index.resembling(reference)
        if len(found) > 1:
            raise _ambiguous(reference, found, index)
        return index.id_of(parts_of(found[0])[0]) if found else None

    def entry_named(self, reference: str) -> CatalogEntry | None:
        """The catalog's entry with exactly this id, file name or source."""
        for entry in self._catalog:
            names = (entry.id,) if entry.builtin else (entry.id, entry.file_name, entry.source)
            if reference in names:
                return entry
        return None

    def aliased(self, reference: str) -> str | None:
        """The id of the model with this alias, ignoring case; None if there is none."""
        name = same_name(reference)
        return next((each for alias, each in self._aliases().items() if same_name(alias) == name), None)

    def _found(self, reference: str, index: Index, *, by_alias: bool) -> Path | None:
        """The file of an installed model or at a path; `AmbiguousError` if several may be meant."""
        if path := index.with_id(reference) or self._path_below(reference):
            return path
        resembling = index.resembling(reference)
        if by_alias and not resembling and (path := self._path_of_alias(reference, index)):
            return path
        if path := self._path_elsewhere(reference):
            return path
        if len(resembling) > 1:
            raise _ambiguous(reference, resembling, index)
        return next(iter(resembling), None)

    def _path_of(self, entry: CatalogEntry) -> Path | None:
        """The file of a catalog model directly in the folder, not in sub-folders; None if it is not there."""
        if entry.builtin:
            return self._builtin
        path = self._folder / entry.file_name
        try:
            path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            pass  # it may exist: reading it reports the error
        return path

    def _path_below(self, reference: str) -> Path | None:
        """The file with this name below the folder; its suffix may be left out."""
        return None if _is_path_alone(reference) else _file_at(reference, self._folder / reference)

    def _path_elsewhere(self, reference: str) -> Path | None:
        """The file with this path; its suffix may be left out."""
        return _file_at(reference, absolute(reference)) if _is_path(reference) else None

    def _path_of_alias(self, reference: str, index: Index) -> Path | None:
        """The file of the model with this alias; None if there is none. `NotInstalledError` if that model is
        in the catalog but not downloaded.
        """
        model_id = self.aliased(reference)
        if model_id is None:
            return None
        entry = next((each for each in self._catalog if each.id == model_id), None)
        path = (self._path_of(entry) if entry else None) or index.with_id(model_id)
        if entry and path is None:
            raise NotInstalledError(entry)
        return path

    def _unknown(self, reference: str) -> ModelError:
        """The error for a name that nothing here has."""
        if is_address(reference):
            return ModelError(
                ErrorCode.MODEL_NOT_DOWNLOADED,
                phrase("{name} has not been downloaded yet", name=reference),
                "It is a URL, not a model on this computer.",
                phrase("Download it: powerinfer-tray download {source}", source=reference),
            )
        if model_id := self.aliased(reference):
            return ModelError(
                ErrorCode.MODEL_NOT_FOUND,
                phrase("There is no model {reference}", reference=model_id),
                phrase("{alias} is another name for this model, which is not installed.", alias=reference),
                "Download it, or give this name to another model.",
            )
        hint: Text = "Check the name, enter the path of a file, or download a model."
        if any(os.path.isfile(name) for name in (reference, f"{reference}{MODEL_SUFFIX}")):  # noqa: PTH113 as below
            hint = phrase("For the file in the current folder, type ./{name}", name=reference)
        return ModelError(
            ErrorCode.MODEL_NOT_FOUND,
            phrase("There is no model {reference}", reference=reference),
            phrase("It is neither a model in the catalog nor a file in {folder}.", folder=self._folder),
            hint,
        )


def absolute(reference: str) -> Path:
    """A reference as an absolute path. `ModelError` if it ends with a slash and is not a folder."""
    path = expanded(reference).absolute()
    if reference.endswith(("/", os.sep)) and not path.is_dir():
        raise file_errors.no_folder(reference)
    return path


def _file_at(reference: str, path: Path) -> Path | None:
    """The file at `path`, which was given as `reference`; its suffix may have been left out."""
    if reference.endswith(("/", os.sep)):  # means a folder, but `path` has lost the slash
        return None
    for candidate in (path, Path(f"{path}{MODEL_SUFFIX}")):
        if os.path.isfile(candidate):  # noqa: PTH113 Path's raises where permission is lacking
            return candidate
    return None


def _is_path(reference: str) -> bool:
    """Whether a reference can be a path: a single word cannot."""
    return Path(reference).name != reference


def _is_path_alone(reference: str) -> bool:
    """Whether a reference can only be a path, and not a name below the models folder."""
    path = expanded(reference)
    begins_here = reference.startswith(("./", f".{os.sep}"))
    return path.is_absolute() or bool(path.drive) or begins_here or ".." in path.parts


def _ambiguous(reference: str, paths: Sequence[Path], index: Index) -> AmbiguousError:
    shown = [phrase("{id} ({path})", id=index.id_of(path), path=path) for path in paths]
    return AmbiguousError(reference, shown, "Choose one of them by its ID.")
