"""Reads the header of a model that is elsewhere, from the first bytes of its address. Any thread; blocks."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from tray_app.download.faults import broken_body
from tray_app.download.session import Session
from tray_app.download.source import HUGGING_FACE, describe, parse_source
from tray_app.models import faults
from tray_app.models.files import split_of
from tray_app.models.gguf import read_growing
from tray_app.models.header import Role
from tray_app.models.library import Model
from tray_app.models.naming import plain_id
from tray_app.phrases import presentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from tray_app.download.source import Source
    from tray_app.models.header import ModelHeader

_TIMEOUT_S = (10.0, 30.0)
_PLACE_IN_SPLIT = re.compile(r"-\d{5}-of-(?=\d{5}\.gguf)")


def is_address(reference: str) -> bool:
    """Whether a person means something that is elsewhere: `https://…` or `hf:owner/repo/file`."""
    return re.match(r"hf:|https?://", reference) is not None


def all_parts(text: str) -> tuple[str, ...]:
    """The addresses of all files of the model that one of them belongs to; only itself if it is not split.

    `DownloadError` if `text` is no address.
    """
    split = split_of(Path(parse_source(text).file_name).stem)
    if split is None:
        return (text,)
    return tuple(dict.fromkeys(_numbered(text, number) for number in range(1, split.count + 1)))


def peek(text: str, session_factory: Callable[[], Session] = Session, endpoint: str = HUGGING_FACE) -> Model:
    """What a model would be once it is downloaded; its path is only the name that it would have.

    Reads a few hundred KB (of each of its files, if it is split), more only where the header is longer.
    `DownloadError` if `text` is no address or nobody answers there, `ModelError` if what is there is no
    model, goes with one, or is shorter than its weights.
    """
    source = parse_source(text, endpoint)
    with session_factory() as session:
        files = [_peek_file(session, part) for part in _parts(source)]
    first, _ = files[0]
    if first.role is not Role.MODEL:
        raise faults.not_to_be_served(source.file_name, first.role)
    path = Path(source.file_name)
    return Model(
        id=plain_id(path.name, ()),
        name=presentable(path.stem),
        path=path,
        size_bytes=sum(size_bytes for _, size_bytes in files),
        header=replace(first, parameters=sum(header.parameters for header, _ in files)),
    )


def _parts(source: Source) -> tuple[Source, ...]:
    """All files of the model that one of them belongs to, in order."""
    split = split_of(Path(source.file_name).stem)
    if split is None:
        return (source,)
    return tuple(
        replace(source, url=_numbered(source.url, number), file_name=_numbered(source.file_name, number))
        for number in range(1, split.count + 1)
    )


def _numbered(text: str, number: int) -> str:
    """The address or name of another file of a split model."""
    return _PLACE_IN_SPLIT.sub(f"-{number:05}-of-", text)


def _peek_file(session: Session, source: Source) -> tuple[ModelHeader, int]:
    """The header of one file, and its size: as the server tells it, else as the header implies it."""
    told_bytes: int | None = None

    def fetch(data: bytes, wanted_bytes: int) -> bytes:
        nonlocal told_bytes
        data, told_bytes = _fetch(session, source, data, wanted_bytes)
        return data

    header = read_growing(source.file_name, fetch)
    size_bytes = header.implied_size_bytes if told_bytes is None else told_bytes
    if size_bytes < header.implied_size_bytes:
        raise faults.bytes_missing(source.file_name, size_bytes, header.implied_size_bytes)
    return header, size_bytes


def _fetch(session: Session, source: Source, data: bytes, wanted_bytes: int) -> tuple[bytes, int | None]:
    """The first `wanted_bytes` of a file of which `data` is known already, and the size of the whole file."""
    asked = {"Range": f"bytes={len(data)}-{wanted_bytes - 1}"}
    hops = session.get_hops(source.url, asked, _TIMEOUT_S)
    with closing(hops[-1]) as answer:
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            data = b""  # the server does not know ranges: it sends the file from its first byte on
        data += _read(answer, wanted_bytes - len(data))
    return data, describe(source, [hop.headers for hop in hops]).size_bytes


def _read(answer: Response, limit_bytes: int) -> bytes:
    """At most so many bytes of the body; fewer only at its end."""
    pieces: list[bytes] = []
    while limit_bytes > 0:
        try:
            piece: bytes = answer.raw.read(limit_bytes, decode_content=False)
        except HTTPError as exc:
            raise broken_body(exc) from exc
        if not piece:
            break
        pieces.append(piece)
        limit_bytes -= len(piece)
    return b"".join(pieces)
