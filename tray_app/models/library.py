"""The models on this computer: finds one by a name that a person uses, and lists those that can be served.

Any thread. Only headers are read, and only again when a file has changed.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.file_names import MODEL_SUFFIX
from tray_app.download.part import PART_ENDING
from tray_app.errors import ErrorCode, ModelError
from tray_app.models import file_errors
from tray_app.models.headers import Headers, Stamp, stamp_of
from tray_app.models.index import Index
from tray_app.models.model import Contents, Installed, Unusable
from tray_app.models.model_files import Partial, is_fresh, parts_of, split_of, stem_of
from tray_app.models.model_reader import ModelReader, read_projector
from tray_app.models.naming import AmbiguousError, ModelNames
from tray_app.models.references import Finder, NotInstalledError, absolute
from tray_app.models.tree import files_below
from tray_app.phrases import phrase, presentable
from tray_app.settings.model_settings import is_an_id
from tray_app.system.disk import bytes_on_disk
from tray_app.system.paths import expanded, resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tray_app.errors import SettingsError
    from tray_app.models.adopted import Adopted
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.model import Model
    from tray_app.settings.schema import ModelSettings, Settings
    from tray_app.system.paths import AppPaths


def models_folder(settings: Settings, paths: AppPaths) -> Path:
    """The folder in which models are found, and into which they are downloaded."""
    return expanded(settings.models_folder) if settings.models_folder else paths.models


def builtin_model() -> Path:
    """The file of the built-in model."""
    return resources() / "test-model" / "test.gguf"


NO_PROJECTOR = "none"
"""The value of the setting `projector` for a model without one."""

_Indexed = tuple[list[str], tuple["Adopted", ...], Index]
"""The names of a folder's files, the files of other apps, and their index."""
_Stamps = dict[Path, tuple[Stamp, ...]]
"""The stamps of all files of each model, by the model's first file."""


class Library:
    """The models of one folder, those of other apps that are used in place, the built-in one, and any other
    that is named by its path.

    `aliases` returns model ids by the other names that the user has chosen; `adopted` returns the models of
    other apps, of which only those with an existing file count.
    """

    def __init__(
        self,
        folder: Path,
        catalog: tuple[CatalogEntry, ...],
        builtin: Path,
        clock: Callable[[], float] = time.time,
        aliases: Callable[[], Mapping[str, str]] = dict,
        adopted: Callable[[], tuple[Adopted, ...]] = tuple,
    ) -> None:
        self.folder = folder
        self.catalog = catalog
        self.builtin = builtin
        self._clock = clock
        self._aliases = aliases
        self._adopted = adopted
        self._headers = Headers()
        self._finder = Finder(folder, catalog, builtin, aliases)
        self._indexed: _Indexed | None = None
        self._named: tuple[_Indexed | None, object, str] | None = None
        """The last result of `name_of`, which is called ten times a second, and what it was computed from."""
        self._looking = threading.Lock()
        self._seen: tuple[Index, _Stamps] | None = None
        """What `_installed` was read from; None if it has to be read again in any case."""
        self._installed = Installed()
        self._known = self._installed, self._installed
        """An earlier `_installed`, and the same with the aliases of that moment."""

    def find(self, reference: str) -> Model:
        """The model with this id, alias, file name or path; see `locate`.

        `NotInstalledError` if it is in the catalog but not downloaded yet, another `ModelError` if it is
        unknown or ambiguous, or its file is not a whole model.
        """
        index = self._index()
        return self._reader(index).read(self._finder.located(reference, index))

    def models_at(self, paths: Iterable[Path]) -> tuple[Model | ModelError, ...]:
        """For each of these files, listed or not, the model in it, or the error that says why there is
        none.
        """
        reader = self._reader(self._index())

        def read(path: Path) -> Model | ModelError:
            try:
                return reader.read(path)
            except ModelError as exc:
                return exc

        return tuple(map(read, paths))

    def locate(self, reference: str) -> Path:
        """The path of the file that is meant, even if it is not a whole model; the errors of `find` if there
        is none.

        Exact matches go first: an id, a file's name below the folder, a path. `.gguf` may be left out. A
        single word never means a file in the current folder, which differs between programs; `./word` does.
        An alias counts only if no model has it as its name.
        """
        return self._finder.located(reference, self._index())

    def id_of(self, reference: str) -> str:
        """The id of the model that is meant, even if it is not downloaded yet; otherwise the errors of
        `find`.
        """
        index = self._index()
        try:
            return index.id_of(parts_of(self._finder.located(reference, index))[0])
        except NotInstalledError as exc:
            return exc.entry.id

    def known_defaults(self, reference: str) -> ModelSettings:
        """The catalog's defaults, by name, for the settings of the model that is meant, even if it is not
        downloaded yet. Empty if there is no such model.
        """
        try:
            return self.find(reference).defaults
        except NotInstalledError as exc:
            return exc.entry.defaults
        except ModelError:
            return {}

    def hidden_aliases(self, aliases: Mapping[str, str]) -> dict[str, SettingsError]:
        """Those of these aliases that are the name of another model, each with an error."""
        index = self._index()
        hidden: dict[str, SettingsError] = {}
        for alias, model_id in aliases.items():
            with suppress(AmbiguousError):
                meant = self._finder.id_named(alias, index)
                if meant not in (None, model_id):
                    hidden[alias] = is_an_id(alias, model_id, str(meant))
        return hidden

    def lists(self, path: Path) -> bool:
        """Whether a file is one of the folder's files that `contents` lists."""
        return path in self._index()

    def adopted(self, path: Path) -> Adopted | None:
        """The other app's model whose file this is; None if it is not one."""
        return self._index().adopted(path)

    def holds(self, path: Path) -> bool:
        """Whether a file is in the folder or below it, and not only reached through a link to another
        folder.
        """
        try:
            return path.parent.resolve().is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError):  # RuntimeError: a circle of links
            return False

    def partial_named(self, reference: str) -> Partial | None:
        """The unfinished download with this file name or path; None if there is none.

        `AmbiguousError` if several folders have one with this name.
        """
        given = absolute(reference)
        named = []
        for partial in self.partials():
            name = partial.final.relative_to(self.folder).as_posix()
            whole, short = (name, f"{name}{PART_ENDING}"), (partial.final.name, partial.path.name)
            if given in (partial.final, partial.path) or reference in {*whole, *map(presentable, whole)}:
                return partial
            if reference in {*short, *map(presentable, short)}:
                named.append(partial)
        if len(named) > 1:
            raise AmbiguousError(
                reference, [str(partial.path) for partial in named], "Give the path of one of them."
            )
        return next(iter(named), None)

    def with_projector(self, model: Model, wanted: str) -> Model:
        """The same model with the projector that its setting names; `ModelError` if that is not a projector.

        `wanted` is a path, absolute or below the model's folder or the models folder, or `NO_PROJECTOR`; if
        it is empty, the model keeps the projector that was found beside it.
        """
        if not wanted.strip():
            return model
        if wanted.strip().casefold() == NO_PROJECTOR:
            return replace(model, projector=None)
        given = expanded(wanted)
        places = [folder / given for folder in (model.path.parent, self.folder)]
        path = next((place for place in places if place.is_file()), places[-1])
        if not path.is_file():
            raise file_errors.no_projector(
                model.name, wanted, phrase("There is no file at {path}.", path=path)
            )
        projector = read_projector(path, self._headers)
        if projector is None:
            raise file_errors.no_projector(model.name, wanted, "It is a different kind of file.")
        return replace(model, projector=projector)

    def contents(self) -> Contents:
        """All models that are known here, usable or not, and the unfinished downloads."""
        names, partials = self._look()
        index = self._index_of(names)
        reader = self._reader(index)
        models, unusable = [], []
        for path in (*index.files, self.builtin):
            try:
                models.append(reader.read(path))
            except ModelError as exc:
                unusable.append(self._unusable(path, index, exc))
        return Contents(tuple(models), tuple(unusable), partials)

    def installed(self) -> Installed:
        """The models that can be served now: looks at the names, sizes and times of all files.

        Not for an event loop: a hundred models take a millisecond or two, and changed ones are read. The same
        object as last time if nothing has changed.
        """
        with self._looking:  # otherwise an older look could replace a newer one
            index = self._index()
            paths = (*index.files, self.builtin)
            stamps = {path: tuple(map(stamp_of, parts_of(path))) for path in paths}
            if self._seen != (index, stamps):
                self._seen = (index, stamps) if self._read_installed(index, stamps) else None
        return self.known()

    def known(self) -> Installed:
        """What `installed` found last, with the present aliases, without looking at the disk.

        Empty before its first look. A caller that does not find a name here has to try `installed` before it
        reports the name as unknown: a file may have arrived since.
        """
        installed, (of, known), aliases = self._installed, self._known, self._aliases()
        if of is not installed or known.names.aliases != aliases:
            known = replace(
                installed,
                names=installed.names.with_aliases(aliases),
                unusable=installed.unusable.with_aliases(aliases),
            )
            self._known = installed, known
        return known

    def _read_installed(self, index: Index, stamps: _Stamps) -> bool:
        """Read these files into `_installed`; whether the result stays valid until a stamp changes."""
        reader = self._reader(index)
        models: list[Model] = []
        errors: dict[Path, ModelError] = {}
        for path in stamps:
            try:
                models.append(reader.read(path))
            except ModelError as exc:
                errors[path] = exc
        self._installed = Installed(
            tuple(models),
            {each.id: max(stamp.modified_ns for stamp in stamps[each.path]) // 10**9 for each in models},
            ModelNames({each.id: index.file_name(each.path) for each in models}, {}),
            {index.id_of(path): error for path, error in errors.items()},
            ModelNames({index.id_of(path): index.file_name(path) for path in errors}, {}),
        )
        # Permissions of a folder may change, which the stamps of the files in it do not show.
        return all(error.code is not ErrorCode.MODEL_FILE_UNREADABLE for error in errors.values())

    def partials(self) -> tuple[Partial, ...]:
        """The unfinished downloads in the folder, by path."""
        return self._look()[1]

    def name_of(self, reference: str) -> str:
        """The name that people see for the model that is meant, from what is known, without looking at the
        disk.
        """
        if entry := self._finder.entry_named(reference):
            return entry.name
        named, indexed, asked = self._named, self._indexed, (reference, self._aliases())
        if named is None or named[0] is not indexed or named[1] != asked:
            named = self._named = (indexed, asked, self._name_in(indexed, reference))
        return named[2]

    def _name_in(self, indexed: _Indexed | None, reference: str) -> str:
        if indexed and reference:
            index = indexed[-1]
            named = index.with_id(reference)
            meant = (named,) if named else index.resembling(reference)
            if len(meant) == 1:
                return index.name_of(meant[0])
        model_id = self._finder.aliased(reference)
        if model_id not in (None, reference):
            return self.name_of(str(model_id))
        return presentable(stem_of(Path(reference)))

    def _look(self) -> tuple[list[str], tuple[Partial, ...]]:
        """The names of possible models, by their first file if they are split, and the unfinished
        downloads.
        """
        names: list[str] = []
        partials: list[Partial] = []
        with suppress(OSError):  # the folder does not exist or cannot be listed
            for found in files_below(self.folder):
                if found.partial:
                    partials += _partial(self.folder / found.name, found.entry)
                elif (split := split_of(found.name[: -len(MODEL_SUFFIX)])) is None or split.number == 1:
                    names.append(found.name)
        return names, tuple(sorted(partials, key=lambda partial: partial.path))

    def _index(self) -> Index:
        return self._index_of(self._look()[0])

    def _index_of(self, names: list[str]) -> Index:
        """An index of these names; the last one if nothing has changed."""
        names.sort()
        adopted = tuple(each for each in self._adopted() if os.path.isfile(each.file))  # noqa: PTH113 often
        known = self._indexed
        if known is None or known[:-1] != (names, adopted):
            index = Index(self.folder, names, self.catalog, self.builtin, adopted)
            known = self._indexed = (names, adopted, index)
        return known[-1]

    def _reader(self, index: Index) -> ModelReader:
        return ModelReader(self._headers, self.catalog, self.builtin, index)

    def _unusable(self, path: Path, index: Index, error: ModelError) -> Unusable:
        stamps = [stamp_of(part) for part in parts_of(path)]
        newest_s = max(stamp.modified_ns for stamp in stamps) / 1e9
        return Unusable(
            id=index.id_of(path),
            name=index.name_of(path),
            path=path,
            size_bytes=sum(stamp.size_bytes for stamp in stamps),
            error=error,
            arriving=is_fresh(newest_s, self._clock()),
        )


def _partial(path: Path, entry: os.DirEntry[str]) -> Iterator[Partial]:
    """The unfinished download in this file; nothing if it has just ended, or if the file is a link."""
    with suppress(OSError):
        if entry.is_file(follow_symlinks=False):
            yield Partial(path, path.with_suffix(""), bytes_on_disk(entry.stat(follow_symlinks=False)))
