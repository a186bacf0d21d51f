"""Another app's model, and what the searches in the other modules share. Reads folders and small files.

Other programs wrote everything that is read here. Whatever it is, it never ends a search and takes little
time: numbers of files and folders are limited, and so are the sizes of files that are read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.download.verify import HEAD_BYTES, begins_as_model
from tray_app.models.model_files import parts_of, split_of, stem_of
from tray_app.models.projectors import is_named_so
from tray_app.models.tree import files_below
from tray_app.system.files import NOT_JSON, open_without_waiting, read_regular
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_NOTE_BYTES = 256 << 10
"""The largest settings, manifests and pointers of other apps that are read; real ones have a few
kilobytes."""

_MOST_FILES = 5000
"""In one folder and its sub-folders; each is opened."""


class OtherApp(StrEnum):
    """The names of the apps whose models are found."""

    LM_STUDIO = "LM Studio"
    OLLAMA = "Ollama"
    JAN = "Jan"
    GPT4ALL = "GPT4All"
    LLAMA_CPP = "llama.cpp"
    HUGGING_FACE = "Hugging Face"
    """The cache that its own and other libraries share."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model of another app. Its file starts like a model; its header has not been read."""

    app: OtherApp
    name: str
    """The name that the app uses; it is also shown here, unless another model has the same."""
    path: Path
    """Its file, or the first one if it is split. It need not end in `.gguf`."""
    size_bytes: int
    """Of all its files, without the projector."""
    projector: Path | None = None
    """Its projector, if the app names one; there may be others in the same folder."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the user's files are on this system."""

    home: Path
    environ: Mapping[str, str]
    system: System
    shared: Path = Path("/usr/share")
    """Where services on Linux keep their data."""

    @property
    def caches(self) -> Path:
        """The folder for caches."""
        match self.system:
            case System.MACOS:
                return self.home / "Library" / "Caches"
            case System.WINDOWS:
                return self.told("LOCALAPPDATA") or self.home / "AppData" / "Local"
        return self.told("XDG_CACHE_HOME") or self.home / ".cache"

    @property
    def data(self) -> Path:
        """The folder for data; on Windows, the one that roams to the user's other computers."""
        match self.system:
            case System.MACOS:
                return self.home / "Library" / "Application Support"
            case System.WINDOWS:
                return self.told("APPDATA") or self.home / "AppData" / "Roaming"
        return self.told("XDG_DATA_HOME") or self.home / ".local" / "share"

    @property
    def local_data(self) -> Path:
        """The same, but on Windows the one for this computer only."""
        if self.system is System.WINDOWS:
            return self.told("LOCALAPPDATA") or self.home / "AppData" / "Local"
        return self.data

    @property
    def config(self) -> Path:
        """The folder for settings."""
        if self.system is System.WINDOWS:
            return self.data
        return self.told("XDG_CONFIG_HOME") or self.home / ".config"

    def told(self, variable: str) -> Path | None:
        """The folder that an environment variable names by an absolute path; None if there is none."""
        return full_path(self.environ.get(variable, ""))


def full_path(text: str) -> Path | None:
    """A path that another app has written, without quotes and with `~` expanded; None if it is not
    absolute.
    """
    text = text.strip().strip("\"'")
    if not is_path(text):
        return None
    path = Path(os.path.expanduser(text))  # noqa: PTH111  Path's raises for an unknown user
    return path if path.is_absolute() else None


def is_path(text: str) -> bool:
    """Whether a file could have this path."""
    try:
        return bool(text) and b"\0" not in os.fsencode(text)
    except ValueError:  # lone surrogates
        return False


def chosen_folder(home: Path, key: str) -> Path | None:
    """The folder that an app's `settings.json` in its folder `home` has under a key; None if there is
    none.
    """
    try:
        values: Any = msgspec.json.decode(note_of(home / "settings.json") or b"{}")
    except NOT_JSON:
        return None
    folder = values.get(key) if isinstance(values, dict) else None
    return full_path(folder) if isinstance(folder, str) else None


def note_of(path: Path) -> bytes | None:
    """The content of a small file of another app; None if there is none, or it is too large to be one."""
    try:
        return read_regular(path, _NOTE_BYTES)
    except (OSError, ValueError):  # ValueError: a path that no file can have
        return None


def models_below(app: OtherApp, folder: Path) -> Iterator[FoundModel]:
    """The models in a folder and its sub-folders, known by their file names and in the order of these."""
    try:
        found = sorted(each.name for each in files_below(folder) if not each.partial)
    except OSError:  # the folder does not exist or cannot be listed
        return
    there = frozenset(found)
    for name in islice((name for name in found if _may_be_whole(name, there)), _MOST_FILES):
        path = folder / name
        yield from model_at(app, stem_of(path) or path.name, path)


def _may_be_whole(name: str, there: Collection[str]) -> bool:
    """Whether a file is a model, or the first file of a split one whose last file is in `there`: looking for
    all of up to 999 files would take long.
    """
    path = PurePosixPath(name)
    split = split_of(path.stem)
    if is_named_so(path):
        return False
    return split is None or (
        split.number == 1 and str(path.with_name(split.name(split.count) + path.suffix)) in there
    )


def model_at(app: OtherApp, name: str, path: Path, projector: Path | None = None) -> Iterator[FoundModel]:
    """The model in this file; nothing if it does not start like a model, or its path cannot be passed to an
    engine.
    """
    try:
        str(path).encode()
        size_bytes = sum(part.stat().st_size for part in parts_of(path))
    except (OSError, ValueError):  # ValueError: a path that cannot be encoded or has a NUL
        return
    if _begins_as_model(path):
        there = projector if projector and _begins_as_model(projector) else None
        yield FoundModel(app, name, path, size_bytes, there)


def _begins_as_model(path: Path) -> bool:
    """Whether this is a regular file that starts like a model."""
    try:
        if not stat.S_ISREG(
            path.stat().st_mode
        ):  # before it is opened, because opening a device can have effects
            return False
        with open_without_waiting(path) as file:
            return begins_as_model(file.read(HEAD_BYTES))
    except (OSError, ValueError):
        return False
