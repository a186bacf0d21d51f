"""The list of other apps' models that are used in place; kept in a file of the state folder.

Any thread, and several programs: each reads the changes of the others at its next look.
"""

from __future__ import annotations

import logging
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tray_app.errors import ModelError
from tray_app.models.headers import stamp_of
from tray_app.models.model_names import free_id, plain_id
from tray_app.system.file_lock import locked
from tray_app.system.files import read_regular, unwritable, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.headers import Stamp

_FILE_NAME = "adopted.toml"
_WAIT_S = 5.0
"""How long to wait while another program writes the file."""
_log = logging.getLogger(__name__)


class Adopted(msgspec.Struct, frozen=True):
    """A model that belongs to another app."""

    id: str
    """Its id here, unless a file in the models folder has the same one."""
    name: str
    """The name that the other app uses."""
    app: str
    """The name of the other app."""
    file: str
    """The path of its file, or of the first one if it is split. It need not end in `.gguf`."""
    projector_file: str = ""
    """The path of its projector; empty if the app names none."""

    @property
    def path(self) -> Path:
        """`file` as a path."""
        return Path(self.file)


class _List(msgspec.Struct):
    models: tuple[Adopted, ...] = ()


class AdoptedModels:
    """The list, in a file of the folder `state`."""

    def __init__(self, state: Path) -> None:
        self._path = state / _FILE_NAME
        self._lock = threading.Lock()
        self._read: tuple[Stamp, tuple[Adopted, ...]] | None = None

    def current(self) -> tuple[Adopted, ...]:
        """All models in the list, even if their files no longer exist. Reads the list only if it has
        changed.
        """
        with self._lock:
            stamp = stamp_of(self._path)
            if self._read is None or self._read[0] != stamp:
                self._read = stamp, self._load()
            return self._read[1]

    def add(self, found: FoundModel, model_id: str) -> None:
        """Add a model with this id. Replaces one with the same file, or with the same id and a missing file.
        `ModelError` if the list cannot be written.
        """
        self.add_all([(found, model_id)])

    def add_all(self, wanted: Iterable[tuple[FoundModel, str]]) -> None:
        """As `add`, for several models with their ids; the list is written once."""
        new = [
            Adopted(model_id, found.name, str(found.app), str(found.path), str(found.projector or ""))
            for found, model_id in wanted
        ]
        files, ids = {each.path for each in new}, {each.id for each in new}

        def is_replaced(old: Adopted) -> bool:
            return old.path in files or (old.id in ids and not old.path.exists())

        self._change(lambda old: (*(each for each in old if not is_replaced(each)), *new))

    def forget(self, path: Path) -> None:
        """Remove the model with this file from the list. `ModelError` if the list cannot be written."""
        self._change(lambda old: tuple(each for each in old if each.path != path))

    def _change(self, change: Callable[[tuple[Adopted, ...]], tuple[Adopted, ...]]) -> None:
        from tomlkit import dumps  # slow to import, and seldom needed

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._path.with_suffix(".lock"), _WAIT_S):
                models = msgspec.to_builtins(_List(change(self._load())))
                write_atomically(self._path, dumps(models).encode())
        except OSError as exc:
            raise unwritable(exc, ModelError) from exc

    def _load(self) -> tuple[Adopted, ...]:
        try:
            text = read_regular(self._path).decode()
            return msgspec.convert(tomllib.loads(text), _List).models
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except (OSError, ValueError) as exc:  # the errors of msgspec and tomllib are ValueErrors
            _log.warning("The list of models of other apps cannot be read, and counts as empty: %s", exc)
            return ()


def adopted_id(
    found: FoundModel, entry: CatalogEntry | None, taken: Collection[str], reserved: Collection[str]
) -> str:
    """The id for another app's model: that of its catalog `entry` if it has one, or else the id that a file
    with its name would get.

    `taken`: the ids of known models. `reserved`: the ids of the catalog.
    """
    if entry and entry.id not in taken:
        return entry.id
    wanted = plain_id(found.name.replace("/", "-"), reserved)
    return free_id(str(found.path), wanted, taken) if wanted in taken else wanted
