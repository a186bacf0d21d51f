"""Reads the header of a model at a URL, from the first bytes of the file. Any thread; blocks."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.download.address import HUGGING_FACE
from tray_app.download.faults import broken_transfer
from tray_app.download.file_names import last_name
from tray_app.download.repository import address_of_file
from tray_app.download.response_body import pieces_of
from tray_app.download.session import Session
from tray_app.download.source import answered_span, describe_file, parse_source
from tray_app.errors import DownloadError, ErrorCode
from tray_app.models import file_errors
from tray_app.models.gguf import read_growing
from tray_app.models.header import GgufFileType
from tray_app.models.model import Model
from tray_app.models.model_files import split_of
from tray_app.models.model_names import plain_id
from tray_app.phrases import phrase, presentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.download.source import DownloadSource, RemoteFile
    from tray_app.models.header import ModelHeader
    from tray_app.models.model_files import Split

_TIMEOUT_S = (10.0, 30.0)
_LONGEST_READ_S = 120.0
"""For one answer. A person waits for it; the longest headers in use take that long at 200 KB/s."""
MOST_PARTS = 200
"""The most files of a split model, whose number comes from a name alone. The largest models have about
sixty."""
_PLACE_IN_SPLIT = re.compile(r"-\d{5}-of-(?=\d{5}\.gguf)")


def all_parts(text: str) -> tuple[str, ...]:
    """The URLs of all files of the model to which the file at `text` belongs; only `text` if it is not split.

    `DownloadError` if `text` is not a URL, or there would be more than `MOST_PARTS` files.
    """
    split = _split_of(parse_source(text))
    if split is None:
        return (text,)
    return tuple(dict.fromkeys(_numbered(text, number) for number in range(1, split.count + 1)))


def fetch_remote_header(
    text: str, session_factory: Callable[[], Session] = Session, endpoint: str = HUGGING_FACE
) -> Model:
    """The model at a URL as it would be after its download; its path is only a file name.

    `text` may also be a repository with a quantization, see `repository.address_of_file`. Reads a few hundred
    KB of each file of the model, more only if the header is longer. `DownloadError` if `text` is not a URL or
    there is no answer, `ModelError` if the file is not a model, or ends before its last weight.
    """
    source = parse_source(address_of_file(text, session_factory, endpoint), endpoint)
    with session_factory() as session:
        files = [_peek_file(session, part) for part in _parts(source)]
    first = files[0].header
    path = Path(source.file_name if source.settled else files[0].name)
    if first.role is not GgufFileType.MODEL:
        raise file_errors.not_to_be_served(path.name, first.role)
    return Model(
        id=plain_id(path.name, ()),
        name=presentable(path.stem),
        path=path,
        size_bytes=sum(file.size_bytes for file in files),
        header=replace(first, parameters=sum(file.header.parameters for file in files)),
    )


def _parts(source: DownloadSource) -> tuple[DownloadSource, ...]:
    """The sources of all files of a model, in order. `DownloadError` as in `all_parts`."""
    split = _split_of(source)
    if split is None:
        return (source,)
    return tuple(
        replace(source, url=_numbered(source.url, number), file_name=_numbered(source.file_name, number))
        for number in range(1, split.count + 1)
    )


def _split_of(source: DownloadSource) -> Split | None:
    split = split_of(Path(source.file_name).stem)
    if split and split.count > MOST_PARTS:
        raise DownloadError(
            ErrorCode.MODEL_HAS_TOO_MANY_FILES,
            "The model has too many files",
            phrase(
                "According to its name, {name} is one of {count:,} files. The limit is {most:,}.",
                name=source.file_name,
                count=split.count,
                most=MOST_PARTS,
            ),
            "Download them with another program and put them all in the models folder.",
        )
    return split


def _numbered(text: str, number: int) -> str:
    """The URL or name of the file with this number in a split model."""
    return _PLACE_IN_SPLIT.sub(f"-{number:05}-of-", text)


@dataclass(frozen=True, slots=True)
class _File:
    """What is known about a file without downloading it."""

    name: str
    size_bytes: int
    header: ModelHeader


def _peek_file(session: Session, source: DownloadSource) -> _File:
    """The header of one file, and its size according to the server, or else to the header."""
    told: RemoteFile | None = None

    def fetch(data: bytearray, wanted_bytes: int) -> None:
        nonlocal told
        told = _fetch(session, source, data, wanted_bytes)

    header = read_growing(source.file_name, fetch)
    implied_bytes = header.implied_size_bytes
    called = told.name if told else None
    name = source.file_name if source.settled else last_name(source.url, called, is_model=True)
    size_bytes = implied_bytes if told is None or told.size_bytes is None else told.size_bytes
    if size_bytes < implied_bytes:
        raise file_errors.bytes_missing(name, size_bytes, implied_bytes)
    return _File(name, size_bytes, header)


def _fetch(session: Session, source: DownloadSource, data: bytearray, wanted_bytes: int) -> RemoteFile:
    """Append to `data`, the first bytes of the file, up to `wanted_bytes`; returns what the server says about
    it.
    """
    asked = {"Range": f"bytes={len(data)}-{wanted_bytes - 1}"}
    hops = session.get_hops(source.url, asked, _TIMEOUT_S)
    with closing(hops[-1]) as answer:
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            data.clear()  # the server does not support ranges and sends the file from its first byte
        elif (answered_span(answer.headers) or (None,))[0] != len(data):
            raise broken_transfer("The server sent a different part of the file than requested.")
        for piece in pieces_of(answer, wanted_bytes - len(data), _LONGEST_READ_S):
            data += piece
    return describe_file(source, [hop.headers for hop in hops])
