"""Whether the sources of models offer newer files, by digest. Any thread; blocks; nothing is downloaded.

The results are kept in a file of the state folder, so that they can be shown without a network.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from tray_app.download.faults import UnreachableError
from tray_app.download.source import describe_file, parse_source
from tray_app.errors import DownloadError
from tray_app.models.headers import stamp_of
from tray_app.models.integrity import known_checksum
from tray_app.models.model_files import parts_of
from tray_app.models.sources import FileSource, path_of, path_text
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tray_app.download.session import Session
    from tray_app.download.source import RemoteFile
    from tray_app.models.model import Model
    from tray_app.phrases import Text

_TIMEOUT_S = (10.0, 30.0)
_FIRST_BYTE = {"Range": "bytes=0-0"}
"""Only the headers of the answer are needed, so the server must not start to send the whole file."""
_FILE_NAME = "newer-models.json"
_log = logging.getLogger(__name__)


class Freshness(StrEnum):
    """How the file of a model compares with its source."""

    CURRENT = "current"
    NEWER = "newer"
    """The source offers another file."""
    UNKNOWN = "unknown"
    """The source does not say enough, does not answer, or is not known."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result for one model."""

    id: str
    name: str
    path: Path
    source: str
    """The URL that its file came from; empty if it is not known."""
    freshness: Freshness
    why: Text = ""
    """Why the freshness is unknown."""


def compare(
    models: Iterable[Model],
    noted: Mapping[Path, FileSource],
    session: Session,
    endpoint: str,
) -> tuple[Comparison, ...]:
    """Compare each model with its source, which is `noted` or in the catalog; `endpoint`: where `hf:` leads.

    `DownloadError` if there are sources and none of them can be reached.
    """
    asker = _Asker(session, endpoint)
    found = []
    for model in models:
        files = _sources_of(model, noted)
        try:
            found.append(_compared(model, files, asker))
        except DownloadError as exc:
            source = next(iter(files.values())).url
            found.append(Comparison(model.id, model.name, model.path, source, Freshness.UNKNOWN, exc.title))
    if asker.silent and not asker.answered:
        raise next(iter(asker.silent.values()))
    return tuple(found)


class _Asker:
    """Asks sources. A host that does not answer is asked only once, because each wait takes long."""

    def __init__(self, session: Session, endpoint: str) -> None:
        self._session = session
        self._endpoint = endpoint
        self.silent: dict[str, UnreachableError] = {}
        """The errors of the hosts that could not be reached."""
        self.answered = False
        """Whether any host has answered."""

    def ask(self, address: str) -> RemoteFile:
        """What the server says about the file at an address. `DownloadError`."""
        source = parse_source(address, self._endpoint)
        host = urlsplit(source.url).netloc
        if host in self.silent:
            raise self.silent[host]
        try:
            hops = self._session.get_hops(source.url, _FIRST_BYTE, _TIMEOUT_S)
        except UnreachableError as exc:
            self.silent[host] = exc
            raise
        except DownloadError:
            self.answered = True
            raise
        self.answered = True
        with closing(hops[-1]):
            return describe_file(source, [hop.headers for hop in hops])


def _sources_of(model: Model, noted: Mapping[Path, FileSource]) -> dict[Path, FileSource]:
    """The sources of all files of a model; empty if one of them is not known."""
    parts = parts_of(model.path)
    projector = (model.projector.path,) if model.projector and model.projector.path in noted else ()
    if all(part in noted for part in parts):
        return {file: noted[file] for file in (*parts, *projector)}
    if model.entry and model.entry.source:
        # It imports the libraries for HTTP, which are not needed to show earlier results.
        from tray_app.models.remote_header import all_parts

        addresses = all_parts(model.entry.source)
        if len(addresses) == len(parts):
            return {part: FileSource(address) for part, address in zip(parts, addresses, strict=True)}
    return {}


def _compared(model: Model, files: Mapping[Path, FileSource], asker: _Asker) -> Comparison:
    """`DownloadError` if a source does not answer."""
    if not files:
        return Comparison(
            model.id,
            model.name,
            model.path,
            "",
            Freshness.UNKNOWN,
            phrase("It is not known where {name} came from.", name=model.path.name),
        )
    each = [_same(file, note, asker.ask(note.url)) for file, note in files.items()]
    source = next(iter(files.values())).url
    if False in each:
        return Comparison(model.id, model.name, model.path, source, Freshness.NEWER)
    if None in each:
        why: Text = "The server does not give versions of the file."
        return Comparison(model.id, model.name, model.path, source, Freshness.UNKNOWN, why)
    return Comparison(model.id, model.name, model.path, source, Freshness.CURRENT)


def _same(file: Path, note: FileSource, offered: RemoteFile) -> bool | None:
    """Whether the source offers the same file; None if that cannot be decided."""
    known = known_checksum(file) or note.sha256
    if known and offered.sha256:
        return known == offered.sha256
    here_bytes = stamp_of(file).size_bytes
    if here_bytes and offered.size_bytes is not None and offered.size_bytes != here_bytes:
        return False
    if note.validator and offered.validator:
        return note.validator.removeprefix("W/") == offered.validator.removeprefix("W/")
    return None


class _NewerModel(msgspec.Struct, frozen=True):
    source: str
    file: str
    """The path of the installed file, see `path_text`."""


class _Found(msgspec.Struct, frozen=True):
    """The results of a look at all sources."""

    checked_at_s: float = 0.0
    """In seconds since 1970; 0 if there was no look."""
    newer: dict[str, _NewerModel] = {}
    """By model id."""


def keep_found(state: Path, found: Iterable[Comparison], now_s: float) -> None:
    """Keep the results of a look at all sources, made at `now_s`, in the folder `state`."""
    newer = {
        each.id: _NewerModel(each.source, path_text(each.path))
        for each in found
        if each.freshness is Freshness.NEWER
    }
    try:
        write_atomically(state / _FILE_NAME, msgspec.json.encode(_Found(now_s, newer)))
    except OSError as exc:
        _log.warning("Which models are newer at their sources cannot be noted: %s", exc)


def newer_models(state: Path) -> dict[str, str]:
    """The URLs of the newer files that the last look found, by model id.

    Without models that were removed or replaced since.
    """
    last = _last_found(state)
    return {
        model_id: each.source
        for model_id, each in last.newer.items()
        if 0 < stamp_of(path_of(each.file)).modified_ns / 1e9 <= last.checked_at_s
    }


def last_look_s(state: Path) -> float:
    """When all sources were last looked at, in seconds since 1970; 0 if never."""
    return _last_found(state).checked_at_s


def _last_found(state: Path) -> _Found:
    try:
        return msgspec.json.decode(read_regular(state / _FILE_NAME), type=_Found)
    except (OSError, *NOT_JSON):
        return _Found()
