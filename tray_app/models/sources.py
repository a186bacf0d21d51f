"""Where the files of models were downloaded from; kept in a file of the state folder.

Any thread. Several programs may download at the same time.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from tray_app.system.file_lock import locked
from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE_NAME = "sources.json"
_WAIT_S = 5.0
"""How long to wait while another program writes the file."""
_log = logging.getLogger(__name__)


class FileSource(msgspec.Struct, frozen=True):
    """What a download has noted about a file."""

    url: str
    sha256: str = ""
    """Empty if it was not computed."""
    validator: str = ""
    """The server's ETag or date for this version of the file; empty if it gave none."""


class FileSources:
    """The notes of all files, in the folder `state`."""

    def __init__(self, state: Path) -> None:
        self._path = state / _FILE_NAME

    def note(self, path: Path, source: FileSource) -> None:
        """Note the source of a downloaded file, and forget files that no longer exist. A failure is only
        logged.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._path.with_suffix(".lock"), _WAIT_S):
                kept = {file: note for file, note in self.all().items() if os.path.lexists(file)}
                written = {path_text(file): note for file, note in {**kept, path: source}.items()}
                write_atomically(self._path, msgspec.json.encode(written))
        except OSError as exc:  # the file itself is there
            _log.warning("Where %s came from cannot be noted: %s", path.name, exc)

    def all(self) -> Mapping[Path, FileSource]:
        """The noted sources, by file."""
        try:
            noted = msgspec.json.decode(read_regular(self._path), type=dict[str, FileSource])
        except (OSError, *NOT_JSON):
            return {}
        return {path_of(text): note for text, note in noted.items()}


def path_text(path: Path) -> str:
    """A path in percent-encoding, because JSON cannot contain undecodable bytes."""
    return quote_from_bytes(os.fsencode(path))


def path_of(text: str) -> Path:
    """The path for a text from `path_text`."""
    return Path(os.fsdecode(unquote_to_bytes(text)))
