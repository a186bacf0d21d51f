"""Which file of the models folder, or of another app, a person or an app means by a name. Pure.

Works on the files' names alone, so no file has to be opened.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tray_app.models.model_files import stem_of, without_suffix
from tray_app.models.model_names import earlier_id, free_id, ids_of, names_of, plain_id
from tray_app.models.projectors import neighbors
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tray_app.models.adopted import Adopted
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.projectors import Neighbors


class Index:
    """All names of the files of a models folder, of the models of other apps that are used in place, and of
    the built-in model.

    `names` are the files below `folder`, with "/" between the parts; only the first file of a split model.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        catalog: Sequence[CatalogEntry],
        builtin: Path,
        adopted: Sequence[Adopted] = (),
    ) -> None:
        self._reserved = frozenset(entry.id for entry in catalog)
        of_catalog = {entry.file_name: entry for entry in catalog if not entry.builtin}
        known = {name: of_catalog[name] for name in names if name in of_catalog}
        ids = ids_of(names, {name: entry.id for name, entry in known.items()}, self._reserved)
        shown = names_of(ids) | {name: entry.name for name, entry in known.items()}
        self._names = {folder / name: name for name in sorted(names)}
        folders: dict[Path, list[Path]] = {}
        for path in self._names:
            folders.setdefault(path.parent, []).append(path)
        self._neighbors = {place: neighbors(files) for place, files in folders.items()}
        self._ids = {path: ids[name] for path, name in self._names.items()}
        self._shown = {path: shown[name] for path, name in self._names.items()}
        for entry in catalog:
            if entry.builtin:
                self._ids[builtin], self._shown[builtin] = entry.id, entry.name
        self._paths = {model_id: path for path, model_id in self._ids.items()}
        self._adopted: dict[Path, Adopted] = {}
        names_taken = set(self._shown.values())
        for each in adopted:
            if each.path not in self._ids:  # else it is in the folder, too, and keeps its name there
                self._add_adopted(each, names_taken)

    def _add_adopted(self, adopted: Adopted, names_taken: set[str]) -> None:
        path, model_id = adopted.path, adopted.id
        if model_id in self._paths:
            model_id = free_id(str(path), model_id, {*self._paths, *self._reserved})
        shown = presentable(adopted.name)
        if shown in names_taken:
            shown = f"{shown} ({model_id})"
        names_taken.add(shown)
        self._shown[path], self._ids[path], self._paths[model_id] = shown, model_id, path
        self._adopted[path] = adopted

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the folder by name, then those of other apps."""
        return (*self._names, *self._adopted)

    def adopted(self, path: Path) -> Adopted | None:
        """The other app's model whose file this is; None if it is not one."""
        return self._adopted.get(path)

    def __contains__(self, path: object) -> bool:
        """Whether this is a file of the models folder."""
        return path in self._names

    def neighbors_of(self, path: Path) -> Neighbors:
        """All files in the sub-folder of a file of the models folder, including itself, by name."""
        return self._neighbors[path.parent]

    def id_of(self, path: Path) -> str:
        """The unique id of a file; also for a file elsewhere, which gets one that nothing here has."""
        if known := self._ids.get(path):
            return known
        wanted = plain_id(path.name, self._reserved)
        taken = {*self._paths, *self._reserved}
        return free_id(str(path), wanted, taken) if wanted in taken else wanted

    def file_name(self, path: Path) -> str:
        """A file's name below the folder, with "/" between the parts; for another app's model, the name that
        the app uses; for a file elsewhere, its own name.
        """
        if adopted := self._adopted.get(path):
            return adopted.name
        return self._names.get(path, path.name)

    def name_of(self, path: Path) -> str:
        """The name that people see."""
        return self._shown.get(path) or presentable(stem_of(path))

    def with_id(self, reference: str) -> Path | None:
        """The file with exactly this id."""
        return self._paths.get(reference)

    def resembling(self, reference: str) -> tuple[Path, ...]:
        """The files that have this name in a way that need not be unique; empty if there are none.

        The first of the ways in `_ways` that finds any file counts; if none does, upper and lower case are
        ignored.
        """
        for fold in (_composed, _caseless):
            wanted = fold(reference)
            for way in range(_WAYS):
                fitting = [path for path in self.files if wanted in map(fold, self._ways(path)[way])]
                if fitting:
                    return tuple(fitting)
        return ()

    def _ways(self, path: Path) -> tuple[tuple[str, ...], ...]:
        """The names of a file, the nearest first: its file name; what people see; ids that it had or would
        have.
        """
        name = PurePosixPath(self.file_name(path))
        in_full = str(name)[: len(str(name)) - len(name.name)] + without_suffix(name)
        return (
            (str(name), in_full, name.name, path.name, without_suffix(name), stem_of(name)),
            (self._shown[path], presentable(name), presentable(name.name), self._ids[path]),
            (plain_id(name.name, self._reserved), earlier_id(name.name)),
        )


_WAYS = 3


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _caseless(text: str) -> str:
    return _composed(text).casefold()
