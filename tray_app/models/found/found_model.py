"""What is found of another app's model, and where it is looked for. Pure, but for the looks at files.

Other programs wrote all that is read here. Whatever it is, it never ends a search, and takes it little time:
folders and files are counted, and small files are read only as far as such are long.
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
"""The longest settings, manifests and pointers of other apps that are read: real ones have some kilobytes."""

_MOST_FILES = 5000
"""In one folder and below; each is opened."""


class OtherApp(StrEnum):
    """An app whose models are found, by its name."""

    LM_STUDIO = "LM Studio"
    OLLAMA = "Ollama"
    JAN = "Jan"
    GPT4ALL = "GPT4All"
    LLAMA_CPP = "llama.cpp"
    HUGGING_FACE = "Hugging Face"
    """The cache that its own libraries, and others, share."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model of another app, that begins as a model does. Its header has not been read."""

    app: OtherApp
    name: str
    """What the app calls it; as long as no two do, what people call it here."""
    path: Path
    """Its file; the first of them where it is split. It need not be called like a model."""
    size_bytes: int
    """Of all its files, without the projector."""
    projector: Path | None = None
    """What it sees pictures with, where the app says so; others may lie beside it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where this person's files are on this system."""

    home: Path
    environ: Mapping[str, str]
    system: System
    shared: Path = Path("/usr/share")
    """Where services of Linux keep what is theirs."""

    @property
    def caches(self) -> Path:
        """The folder for what programs can fetch again."""
        match self.system:
            case System.MACOS:
                return self.home / "Library" / "Caches"
            case System.WINDOWS:
                return self.told("LOCALAPPDATA") or self.home / "AppData" / "Local"
        return self.told("XDG_CACHE_HOME") or self.home / ".cache"

    @property
    def data(self) -> Path:
        """The folder for what programs keep, on Windows also on the person's other computers."""
        match self.system:
            case System.MACOS:
                return self.home / "Library" / "Application Support"
            case System.WINDOWS:
                return self.told("APPDATA") or self.home / "AppData" / "Roaming"
        return self.told("XDG_DATA_HOME") or self.home / ".local" / "share"

    @property
    def local_data(self) -> Path:
        """The same, on Windows for this computer alone."""
        if self.system is System.WINDOWS:
            return self.told("LOCALAPPDATA") or self.home / "AppData" / "Local"
        return self.data

    @property
    def config(self) -> Path:
        """The folder for the settings of programs."""
        if self.system is System.WINDOWS:
            return self.data
        return self.told("XDG_CONFIG_HOME") or self.home / ".config"

    def told(self, variable: str) -> Path | None:
        """The folder that a variable of the environment names in full."""
        return full_path(self.environ.get(variable, ""))


def full_path(text: str) -> Path | None:
    """The path that another app has noted; None if it is none that means the same for every program."""
    text = text.strip().strip("\"'")
    if not is_path(text):
        return None
    path = Path(os.path.expanduser(text))  # noqa: PTH111  Path's raises for an unknown user
    return path if path.is_absolute() else None


def is_path(text: str) -> bool:
    """Whether a file could have this path."""
    try:
        return bool(text) and b"\0" not in os.fsencode(text)
    except ValueError:  # halves of characters
        return False


def folder_in(settings: Path, key: str) -> Path | None:
    """The folder that another app's settings in JSON name under a key; None if they name none."""
    try:
        values: Any = msgspec.json.decode(note_of(settings) or b"{}")
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
    """The models that lie in a folder and its sub-folders under names of their own, in the order of these."""
    try:
        found = sorted(each.name for each in files_below(folder) if not each.partial)
    except OSError:  # there is no such folder, or it cannot be seen
        return
    there = frozenset(found)
    for name in islice((name for name in found if _may_be_whole(name, there)), _MOST_FILES):
        path = folder / name
        yield from model_at(app, stem_of(path) or path.name, path)


def _may_be_whole(name: str, there: Collection[str]) -> bool:
    """Whether a file is a model or the first of one, of which the last is there, too: who looks for all 999
    files of each would take long.
    """
    path = PurePosixPath(name)
    split = split_of(path.stem)
    if is_named_so(path):
        return False
    return split is None or (
        split.number == 1 and str(path.with_name(split.name(split.count) + path.suffix)) in there
    )


def model_at(app: OtherApp, name: str, path: Path, projector: Path | None = None) -> Iterator[FoundModel]:
    """The model of this file; none if it does not begin as a model does, or cannot be named to an engine."""
    try:
        str(path).encode()
        size_bytes = sum(part.stat().st_size for part in parts_of(path))
    except (OSError, ValueError):  # ValueError: a name that is no text, or that no file can have
        return
    if _begins_as_model(path):
        there = projector if projector and _begins_as_model(projector) else None
        yield FoundModel(app, name, path, size_bytes, there)


def _begins_as_model(path: Path) -> bool:
    """Whether this is an ordinary file that begins as a model does."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before it is opened: even that can have effects
            return False
        with open_without_waiting(path) as file:
            return begins_as_model(file.read(HEAD_BYTES))
    except (OSError, ValueError):
        return False
