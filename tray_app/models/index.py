"""Which file of the models folder, or of another app, is meant by what a person or a program calls it. Pure.

Made of the files' names alone, so that it costs no look into them.
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
    """The files of a models folder, those of other apps that are used from here, and the model that comes
    with the app, by all that they may be called.

    `names` are the files below `folder`, with "/" between the parts; of a split model the first one alone.
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
        self._adopted: dict[Path, Adopted] = {}
        for each in adopted:
            self._add_adopted(each)

    def _add_adopted(self, adopted: Adopted) -> None:
        """List a model of another app, unless its file is one of the folder, too: these keep their names."""
        path, ids = adopted.path, self._ids.values()
        if path in self._ids:
            return
        model_id = (
            free_id(str(path), adopted.id, {*ids, *self._reserved}) if adopted.id in ids else adopted.id
        )
        taken = adopted.name in self._shown.values()
        self._shown[path] = f"{adopted.name} ({model_id})" if taken else presentable(adopted.name)
        self._ids[path] = model_id
        self._adopted[path] = adopted

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the folder, by name, then those of other apps."""
        return (*self._names, *self._adopted)

    def adopted(self, path: Path) -> Adopted | None:
        """What is known of a file as one of another app; None if it is none."""
        return self._adopted.get(path)

    def __contains__(self, path: object) -> bool:
        return path in self._names

    def neighbors_of(self, path: Path) -> Neighbors:
        """The files in the folder of this one of the models folder, itself among them, by name."""
        return self._neighbors[path.parent]

    def id_of(self, path: Path) -> str:
        """What programs call a file: no other here is called so. Also of one that is elsewhere."""
        if known := self._ids.get(path):
            return known
        wanted = plain_id(path.name, self._reserved)
        taken = {*self._ids.values(), *self._reserved}
        return free_id(str(path), wanted, taken) if wanted in taken else wanted

    def file_name(self, path: Path) -> str:
        """A file's name below the folder, with "/" between the parts; of another app's, what that calls it;
        of one that is elsewhere, its own.
        """
        if adopted := self._adopted.get(path):
            return adopted.name
        return self._names.get(path, path.name)

    def name_of(self, path: Path) -> str:
        """What people call it."""
        return self._shown.get(path) or presentable(stem_of(path))

    def with_id(self, reference: str) -> Path | None:
        """The file of this id."""
        return next((path for path, known in self._ids.items() if known == reference), None)

    def resembling(self, reference: str) -> tuple[Path, ...]:
        """The files that are called so in a way that need not be unique; none if there is none.

        The ways are tried one after the other, the nearest first, see `_ways`; then again without regard to
        upper and lower case.
        """
        for fold in (_composed, _caseless):
            wanted = fold(reference)
            for way in range(_WAYS):
                fitting = [path for path in self.files if wanted in map(fold, self._ways(path)[way])]
                if fitting:
                    return tuple(fitting)
        return ()

    def _ways(self, path: Path) -> tuple[tuple[str, ...], ...]:
        """What a file may be called: by its name; as people see it; by the ids that it had or would have."""
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
