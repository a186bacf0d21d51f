"""The models on this computer: finds one by what a person calls it, and lists those that are whole.

Any thread may call. Only headers are read, and again only when a file has changed.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tray_app.download.address import is_address
from tray_app.download.part import PART_ENDING
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.gguf import read_header
from tray_app.models.header import GgufFileType
from tray_app.models.index import Index
from tray_app.models.model_files import SUFFIX, Partial, is_fresh, parts_of, split_of, stem_of
from tray_app.models.tree import files_below
from tray_app.phrases import joined, phrase, presentable
from tray_app.settings.aliases import same_name
from tray_app.settings.model_settings import is_an_id
from tray_app.system.disk import bytes_on_disk
from tray_app.system.paths import expanded, resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tray_app.errors import SettingsError
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.header import ModelHeader
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.paths import AppPaths

_MOST_NAMED = 5
"""Of the models that a name may mean, so many are listed."""


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
    """The whole models of the folder by name, then the one that comes with the app."""
    unusable: tuple[Unusable, ...]
    partials: tuple[Partial, ...]


class NotInstalledError(ModelError):
    """The catalogue knows the model, but it has not been downloaded yet."""

    def __init__(self, entry: CatalogEntry) -> None:
        super().__init__(
            ErrorCode.MODEL_NOT_DOWNLOADED,
            phrase("{name} has not been downloaded yet", name=entry.name),
            phrase("{name} is not in the models folder.", name=entry.file_name),
            phrase("Download it: powerinfer-tray download {source}", source=entry.source),
        )
        self.entry = entry


class AmbiguousError(ModelError):
    """A reference that several models have, or several unfinished downloads."""

    def __init__(self, reference: str, names: Sequence[Text], hint: Text) -> None:
        super().__init__(
            ErrorCode.MODEL_AMBIGUOUS,
            phrase("Several models are called {reference}", reference=reference),
            phrase("{models}.", models=joined(", ", names[:_MOST_NAMED])),
            hint,
        )


def models_folder(settings: Settings, paths: AppPaths) -> Path:
    """Where models are and go."""
    return expanded(settings.models_folder) if settings.models_folder else paths.models


def builtin_model() -> Path:
    """The file of the model that comes with the app."""
    return resources() / "test-model" / "test.gguf"


_Indexed = tuple[list[str], Index]
"""The names of a folder's files, and their index."""


class Library:
    """The models of one folder, the one that comes with the app, and any other that is named by its path.

    `aliases` gives, by the other names that a person has chosen, the ids of the models that they mean.
    """

    def __init__(
        self,
        folder: Path,
        catalog: tuple[CatalogEntry, ...],
        builtin: Path,
        clock: Callable[[], float] = time.time,
        aliases: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.folder = folder
        self.catalog = catalog
        self.builtin = builtin
        self._clock = clock
        self._aliases = aliases
        self._headers: dict[Path, tuple[_Stamp, ModelHeader]] = {}
        self._indexed: _Indexed | None = None
        self._named: tuple[_Indexed | None, object, str] | None = None
        """The last answer of `name_of`, which is asked ten times a second, and what it was made of."""

    def find(self, reference: str) -> Model:
        """The model that is meant by an id, an alias, the name of a file in the folder, or a path.

        `.gguf` may be left out.
        `NotInstalledError` if it is one of the catalogue that is not here yet, other `ModelError`s if it is
        unknown, if several are called so, or if its file is not a whole model.
        """
        index = self._index()
        return self._model(self._located(reference, index), index)

    def locate(self, reference: str) -> Path:
        """Where the file is that is meant, whole or not; the errors of `find` if there is none.

        What fits exactly goes first: an id, a file's name below the folder, a path. A single word never means
        a file of the current folder, which is another one for each program: that takes a path, `./word`.
        An alias counts where no model here has the name.
        """
        return self._located(reference, self._index())

    def id_of(self, reference: str) -> str:
        """The id of the model that is meant, here or still to be downloaded; the other errors of `find`."""
        index = self._index()
        try:
            return index.id_of(parts_of(self._located(reference, index))[0])
        except NotInstalledError as exc:
            return exc.entry.id

    def hidden_aliases(self, aliases: Mapping[str, str]) -> dict[str, SettingsError]:
        """Those of these aliases that mean another model, whose name they are, with an error about each."""
        index = self._index()
        hidden: dict[str, SettingsError] = {}
        for alias, model_id in aliases.items():
            with suppress(AmbiguousError):
                meant = self._id_named(alias, index)
                if meant not in (None, model_id):
                    hidden[alias] = is_an_id(alias, model_id, str(meant))
        return hidden

    def lists(self, path: Path) -> bool:
        """Whether a file is one of the folder's that `contents` tells of."""
        return path in self._index()

    def holds(self, path: Path) -> bool:
        """Whether a file is really in the folder or below, and not only reached through a link from there."""
        try:
            return path.parent.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError):  # RuntimeError: links that lead round in a circle
            return False

    def partial_named(self, reference: str) -> Partial | None:
        """What an unfinished download of this name or path has left, if it has.

        `AmbiguousError` if several folders have one of this name.
        """
        given = _absolute(reference)
        named = []
        for partial in self.partials():
            name = partial.final.relative_to(self.folder).as_posix()
            whole, short = (name, f"{name}{PART_ENDING}"), (partial.final.name, partial.path.name)
            if given in (partial.final, partial.path) or reference in {*whole, *map(presentable, whole)}:
                return partial
            if reference in {*short, *map(presentable, short)}:
                named.append(partial)
        if len(named) > 1:
            raise AmbiguousError(reference, [str(partial.path) for partial in named], "Name one by its path.")
        return next(iter(named), None)

    def contents(self) -> Contents:
        """What is in the folder, good or bad; and the model that comes with the app."""
        names, partials = self._look()
        index = self._index_of(names)
        models, unusable = [], []
        for path in (*index.files, self.builtin):
            try:
                models.append(self._model(path, index))
            except ModelError as exc:
                unusable.append(self._unusable(path, index, exc))
        return Contents(tuple(models), tuple(unusable), partials)

    def partials(self) -> tuple[Partial, ...]:
        """Downloads into the folder that have not ended, and the disk they hold."""
        return self._look()[1]

    def name_of(self, reference: str) -> str:
        """What people call the model, as `contents` does; by what is known of the folder, without a look."""
        if entry := self._entry_named(reference):
            return entry.name
        named, indexed, asked = self._named, self._indexed, (reference, self._aliases())
        if named is None or named[0] is not indexed or named[1] != asked:
            named = self._named = (indexed, asked, self._name_in(indexed, reference))
        return named[2]

    def _name_in(self, indexed: _Indexed | None, reference: str) -> str:
        if indexed and reference:
            index = indexed[1]
            named = index.with_id(reference)
            meant = (named,) if named else index.resembling(reference)
            if len(meant) == 1:
                return index.name_of(meant[0])
        model_id = self._aliased(reference)
        if model_id not in (None, reference):
            return self.name_of(str(model_id))
        return presentable(stem_of(Path(reference)))

    def _look(self) -> tuple[list[str], tuple[Partial, ...]]:
        """The names of what may be models, of split ones the first file's, and what downloads have left."""
        names: list[str] = []
        partials: list[Partial] = []
        with suppress(OSError):  # there is no folder, or it cannot be listed
            for found in files_below(self.folder):
                if found.partial:
                    partials += _partial(self.folder / found.name, found.entry)
                elif (split := split_of(found.name[: -len(SUFFIX)])) is None or split.number == 1:
                    names.append(found.name)
        return names, tuple(sorted(partials, key=lambda partial: partial.path))

    def _index(self) -> Index:
        return self._index_of(self._look()[0])

    def _index_of(self, names: list[str]) -> Index:
        """An index of these names: the last one, if it was of the same."""
        names.sort()
        known = self._indexed
        if known is None or known[0] != names:
            known = self._indexed = (names, Index(self.folder, names, self.catalog, self.builtin))
        return known[1]

    def _located(self, reference: str, index: Index) -> Path:
        if not reference:
            raise file_errors.none_chosen()
        entry = self._entry_named(reference)
        if entry and (path := self._path_of(entry)):
            return path
        may_be_another = entry is None or reference == entry.file_name
        if may_be_another and (path := self._found(reference, index, by_alias=entry is None)):
            return path
        if entry:
            raise NotInstalledError(entry)
        if _is_path(reference) and not is_address(reference):
            return _absolute(reference)  # reading it will say what is wrong
        raise self._unknown(reference)

    def _found(self, reference: str, index: Index, *, by_alias: bool) -> Path | None:
        """The file of a model that is here; `AmbiguousError` if several may be meant."""
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

    def _entry_named(self, reference: str) -> CatalogEntry | None:
        for entry in self.catalog:
            names = (entry.id,) if entry.builtin else (entry.id, entry.file_name, entry.source)
            if reference in names:
                return entry
        return None

    def _path_of(self, entry: CatalogEntry) -> Path | None:
        """Where a model of the catalogue is: in the folder itself, not below. None if it is not here."""
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

    def _path_below(self, reference: str) -> Path | None:
        """The file of this name below the folder; its suffix may be left out."""
        return None if _is_path_alone(reference) else _file(reference, self.folder / reference)

    def _path_elsewhere(self, reference: str) -> Path | None:
        """The file of this path; its suffix may be left out."""
        return _file(reference, _absolute(reference)) if _is_path(reference) else None

    def _aliased(self, reference: str) -> str | None:
        """The id of the model that has this alias, in small or capital letters."""
        name = same_name(reference)
        return next((each for alias, each in self._aliases().items() if same_name(alias) == name), None)

    def _path_of_alias(self, reference: str, index: Index) -> Path | None:
        """The file of the model that has this alias, or None, `NotInstalledError` if it can be had."""
        model_id = self._aliased(reference)
        if model_id is None:
            return None
        entry = next((each for each in self.catalog if each.id == model_id), None)
        path = self._path_of(entry) if entry else index.with_id(model_id)
        if entry and path is None:
            raise NotInstalledError(entry)
        return path

    def _id_named(self, reference: str, index: Index) -> str | None:
        """The id of the model that has this name by itself, here or in the catalogue; None if none has."""
        entry = self._entry_named(reference)
        if entry is None:
            same = (each for each in self.catalog if same_name(each.id) == same_name(reference))
            entry = next(same, None)
        if entry:
            return entry.id
        path = index.with_id(reference) or self._path_below(reference)
        found = [path] if path else index.resembling(reference)
        if len(found) > 1:
            raise _ambiguous(reference, found, index)
        return index.id_of(parts_of(found[0])[0]) if found else None

    def _unknown(self, reference: str) -> ModelError:
        """What is said of a name that nothing here has."""
        if is_address(reference):
            return ModelError(
                ErrorCode.MODEL_NOT_DOWNLOADED,
                phrase("{name} has not been downloaded yet", name=reference),
                "It is an address, and not a model on this computer.",
                phrase("Download it: powerinfer-tray download {source}", source=reference),
            )
        if model_id := self._aliased(reference):
            return ModelError(
                ErrorCode.MODEL_NOT_FOUND,
                phrase("There is no model {reference}", reference=model_id),
                phrase("{alias} is another name of it, and it is not installed.", alias=reference),
                "Install it, or give the name to another model.",
            )
        hint: Text = "Check the name, give the path of a file, or download a model."
        if any(os.path.isfile(name) for name in (reference, f"{reference}{SUFFIX}")):  # noqa: PTH113 as above
            hint = phrase("If you mean the file in the current folder, write ./{name}", name=reference)
        return ModelError(
            ErrorCode.MODEL_NOT_FOUND,
            phrase("There is no model {reference}", reference=reference),
            phrase("It is no id of the catalogue and no file in {folder}.", folder=self.folder),
            hint,
        )

    def _model(self, path: Path, index: Index) -> Model:
        parts = parts_of(path)
        path = parts[0]
        stamps = [_stamp(part) for part in parts]
        headers = [self._header(part, stamp) for part, stamp in zip(parts, stamps, strict=True)]
        header = replace(headers[0], parameters=sum(each.parameters for each in headers))
        if header.role is not GgufFileType.MODEL:
            raise file_errors.not_to_be_served(path.name, header.role)
        return Model(
            id=index.id_of(path),
            name=index.name_of(path),
            path=path,
            size_bytes=sum(stamp.size_bytes for stamp in stamps),
            header=header,
        )

    def _unusable(self, path: Path, index: Index, error: ModelError) -> Unusable:
        stamps = [_stamp(part) for part in parts_of(path)]
        newest_s = max(stamp.modified_ns for stamp in stamps) / 1e9
        return Unusable(
            id=index.id_of(path),
            name=index.name_of(path),
            path=path,
            size_bytes=sum(stamp.size_bytes for stamp in stamps),
            error=error,
            arriving=is_fresh(newest_s, self._clock()),
        )

    def _header(self, path: Path, stamp: _Stamp) -> ModelHeader:
        known = self._headers.get(path)
        if known is None or known[0] != stamp:
            known = self._headers[path] = (stamp, read_header(path))
        return known[1]


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


def _partial(path: Path, entry: os.DirEntry[str]) -> Iterator[Partial]:
    """What a download has left; nothing if it has just ended, or if a link was made there."""
    with suppress(OSError):
        if entry.is_file(follow_symlinks=False):
            yield Partial(path, path.with_suffix(""), bytes_on_disk(entry.stat(follow_symlinks=False)))


def _file(reference: str, path: Path) -> Path | None:
    """The file at a path that was given as `reference`, whose suffix may have been left out."""
    if reference.endswith(("/", os.sep)):  # a file's path would lose the slash on the way
        return None
    for candidate in (path, Path(f"{path}{SUFFIX}")):
        if os.path.isfile(candidate):  # noqa: PTH113 Path's raises where permission is lacking
            return candidate
    return None


def _is_path(reference: str) -> bool:
    """Whether a reference can be read as a path: a single word is none."""
    return Path(reference).name != reference


def _is_path_alone(reference: str) -> bool:
    """Whether a reference can only be a path, and no name below the models folder."""
    path = expanded(reference)
    begins_here = reference.startswith(("./", f".{os.sep}"))
    return path.is_absolute() or bool(path.drive) or begins_here or ".." in path.parts


def _absolute(reference: str) -> Path:
    """The path that a reference is; one that ends like a folder's stays different from a file's."""
    path = expanded(reference).absolute()
    if reference.endswith(("/", os.sep)) and not path.is_dir():
        raise file_errors.no_folder(reference)
    return path


def _ambiguous(reference: str, paths: Sequence[Path], index: Index) -> AmbiguousError:
    shown = [phrase("{id} ({path})", id=index.id_of(path), path=path) for path in paths]
    return AmbiguousError(reference, shown, "Name one of them by its id.")
