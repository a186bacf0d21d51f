"""Whether the files of models are still what their sources offer, by digest. Blocks; nothing is downloaded.

Any thread. What was found is kept in a file of the state folder, so that it can be shown without a network.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from tray_app.download.network_errors import UnreachableError
from tray_app.download.source import describe_file, parse_source
from tray_app.errors import DownloadError
from tray_app.models.integrity import known_checksum
from tray_app.models.model_files import parts_of
from tray_app.models.remote_header import all_parts
from tray_app.models.sources import FileSource
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tray_app.download.session import Session
    from tray_app.download.source import RemoteFile
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.library import Model
    from tray_app.phrases import Text

_TIMEOUT_S = (10.0, 30.0)
_FIRST_BYTE = {"Range": "bytes=0-0"}
"""Asked for, as the headers of the answer tell all; a whole file must not begin to come."""
_FILE_NAME = "newer-models.json"
_log = logging.getLogger(__name__)


class Freshness(StrEnum):
    """How the file of a model compares with its source."""

    CURRENT = "current"
    NEWER = "newer"
    """The source offers another file now."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found of one model."""

    id: str
    name: str
    source: str
    """Where its file came from; empty if nobody has noted it."""
    freshness: Freshness
    why: Text = ""
    """Why it could not be told."""


def compare(
    models: Iterable[Model],
    noted: Mapping[Path, FileSource],
    catalog: Iterable[CatalogEntry],
    session: Session,
    endpoint: str,
) -> tuple[Comparison, ...]:
    """How each of these models compares with its source, as downloads have `noted` it or the catalogue says.

    `DownloadError` if there are sources, and none of them can be reached.
    """
    by_file = {entry.file_name: entry.source for entry in catalog if entry.source}
    found, unreachable = [], []
    for model in models:
        files = _sources_of(model, noted, by_file)
        try:
            found.append(_compared(model, files, session, endpoint))
        except DownloadError as exc:
            if isinstance(exc, UnreachableError):
                unreachable.append(exc)
            source = next(iter(files.values())).url
            found.append(Comparison(model.id, model.name, source, Freshness.UNKNOWN, exc.title))
    if unreachable and len(unreachable) == sum(bool(each.source) for each in found):
        raise unreachable[0]
    return tuple(found)


def _sources_of(
    model: Model, noted: Mapping[Path, FileSource], by_file: Mapping[str, str]
) -> dict[Path, FileSource]:
    """Where all files of a model came from; empty if that is not known of one of them."""
    parts = parts_of(model.path)
    projector = (model.projector.path,) if model.projector and model.projector.path in noted else ()
    if all(part in noted for part in parts):
        return {file: noted[file] for file in (*parts, *projector)}
    if source := by_file.get(parts[0].name):
        addresses = all_parts(source)
        if len(addresses) == len(parts):
            return {part: FileSource(address) for part, address in zip(parts, addresses, strict=True)}
    return {}


def _compared(model: Model, files: Mapping[Path, FileSource], session: Session, endpoint: str) -> Comparison:
    """`DownloadError` if a source does not answer."""
    if not files:
        return Comparison(
            model.id,
            model.name,
            "",
            Freshness.UNKNOWN,
            phrase("Nobody has noted where {name} came from.", name=model.path.name),
        )
    each = [_same(file, note, _ask(note.url, session, endpoint)) for file, note in files.items()]
    source = next(iter(files.values())).url
    if False in each:
        return Comparison(model.id, model.name, source, Freshness.NEWER)
    if None in each:
        why = "Its source does not tell one version of the file from another."
        return Comparison(model.id, model.name, source, Freshness.UNKNOWN, why)
    return Comparison(model.id, model.name, source, Freshness.CURRENT)


def _ask(address: str, session: Session, endpoint: str) -> RemoteFile:
    source = parse_source(address, endpoint)
    hops = session.get_hops(source.url, _FIRST_BYTE, _TIMEOUT_S)
    with closing(hops[-1]):
        return describe_file(source, [hop.headers for hop in hops])


def _same(file: Path, note: FileSource, offered: RemoteFile) -> bool | None:
    """Whether the source offers the file that is here; None if that cannot be told."""
    known = known_checksum(file) or note.sha256
    if known and offered.sha256:
        return known == offered.sha256
    if offered.size_bytes is not None and offered.size_bytes != file.stat().st_size:
        return False
    if note.validator and offered.validator:
        return note.validator.removeprefix("W/") == offered.validator.removeprefix("W/")
    return None


class NewerModels(msgspec.Struct, frozen=True):
    """What the last look at all sources has found."""

    checked_at_s: float = 0.0
    """As `time.time` has it; 0 if there was none."""
    sources: dict[str, str] = {}
    """By the ids of models whose file has changed at its source, where that is."""


def keep_found(state: Path, found: Iterable[Comparison], now_s: float) -> None:
    """Keep what a look at all sources has found in the folder `state`."""
    newer = {each.id: each.source for each in found if each.freshness is Freshness.NEWER}
    try:
        write_atomically(state / _FILE_NAME, msgspec.json.encode(NewerModels(now_s, newer)))
    except OSError as exc:
        _log.warning("Which models are newer at their sources cannot be noted: %s", exc)


def last_found(state: Path) -> NewerModels:
    """What was kept last."""
    try:
        return msgspec.json.decode(read_regular(state / _FILE_NAME), type=NewerModels)
    except (OSError, *NOT_JSON):
        return NewerModels()
