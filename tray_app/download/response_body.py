"""Answers whose body is the file or a piece of it: which bytes, and whether to take them. Any thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING

from tray_app.download.faults import RefusedError, broken_transfer
from tray_app.download.network_errors import broken_body
from tray_app.download.source import answered_span, describe_file, full_size
from tray_app.download.strict_http import StrictResponse
from tray_app.download.verify import refuse_wrong_digest, web_page_error
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests import Response

    from tray_app.download.segments import Span
    from tray_app.download.session import Session
    from tray_app.download.source import DownloadSource, RemoteFile

CHUNK_BYTES = 96 * 1024
"""Larger ones are hardly faster, but the C library keeps some for each thread."""
_LONGEST_SAMPLE_S = 60.0
"""A few kilobytes take less on any line that could bring a model."""


@dataclass(frozen=True, slots=True)
class ResponseBody:
    """A body that is still to be read."""

    response: Response
    remote: RemoteFile
    span: tuple[int, int | None] | None
    """Its bytes in the file, the end None if that is not known; None: a piece that was not asked for."""

    @property
    def is_piece(self) -> bool:
        """Whether the server gave a range: then others can be had, too."""
        return self.response.status_code == HTTPStatus.PARTIAL_CONTENT

    def continues(self, remote: RemoteFile, offset: int) -> bool:
        """Whether its bytes may follow the first `offset` ones of `remote`."""
        return self.span is not None and self.span[0] == offset and self.remote.is_same_as(remote)

    def refuse_unusable(self, sha256: str | None) -> None:
        """DownloadError if the headers show that the body is not the file, or could not be checked.

        `sha256`: what the file must have, where a person said so.
        """
        headers, remote = self.response.headers, self.remote
        if headers.get("Content-Type", "").lower().startswith("text/html"):
            raise web_page_error()
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadError(
                ErrorCode.SOURCE_SENDS_COMPRESSED,
                "The server sent a compressed file",
                "The app cannot use it.",
                "Try another server.",
            )
        if self.span is None:
            raise broken_transfer("The server sent a different part of the file than requested.")
        if sha256 and remote.sha256:
            refuse_wrong_digest(sha256, remote.sha256)
        size = full_size(headers)
        if size is not None and size != remote.size_bytes:
            raise broken_transfer(
                phrase(
                    "The server first reported a size of {first} bytes, then {second}.",
                    first=remote.size_bytes,
                    second=size,
                )
            )
        if not (remote.size_bytes is not None or self._shows_its_end or sha256 or remote.sha256):
            raise DownloadError(
                ErrorCode.FILE_NOT_VERIFIABLE,
                "The download could not be checked",
                "The server gives neither the size nor the SHA-256 of the file, so an incomplete "
                "file would go unnoticed.",
                "Use another server, or enter the SHA-256.",
            )

    def read(self, most: int) -> bytes:
        """What has arrived, at most so many bytes; empty at the end. TransientError if the body was cut."""
        return _read(self.response, most)

    def read_into(self, buffer: memoryview) -> int:
        """Put what has arrived into the buffer; how much that is, 0 at the end. Errors as `read`."""
        raw = self.response.raw
        wire = raw._original_response  # noqa: SLF001 - `requests` itself finds the headers there
        if not (isinstance(wire, StrictResponse) and wire.tells_its_length):
            data = self.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        try:
            count = wire.receive(buffer)
        except (HTTPException, OSError) as exc:
            raise broken_body(exc) from exc
        if wire.isclosed():
            raw.release_conn()
        return count

    def read_exactly(self, size: int) -> bytes:
        """So many bytes; fewer if the body has no more. TransientError if it was cut."""
        return b"".join(pieces_of(self.response, size, _LONGEST_SAMPLE_S))

    @property
    def _shows_its_end(self) -> bool:
        return "chunked" in self.response.headers.get("Transfer-Encoding", "").lower()


def pieces_of(response: Response, most_bytes: int, limit_s: float) -> Iterator[bytes]:
    """A body as it arrives, up to so many bytes. TransientError if it was cut, or takes longer than that.

    The time-out of a connection bounds each silence alone: a byte every few seconds would never end.
    """
    end_s = time.monotonic() + limit_s
    while most_bytes > 0 and (piece := _read(response, min(most_bytes, CHUNK_BYTES))):
        yield piece
        most_bytes -= len(piece)
        if time.monotonic() > end_s:
            raise broken_transfer("The server is sending almost no data.")


def _read(response: Response, most: int) -> bytes:
    try:
        data: bytes = response.raw.read1(most, decode_content=False)
    except Exception as exc:
        from urllib3.exceptions import HTTPError  # those who ask have loaded it, an app that starts has not

        if isinstance(exc, HTTPError):
            raise broken_body(exc) from exc
        raise
    return data


@dataclass(frozen=True, slots=True)
class _Route:
    """Where the redirects led, and what they said about the file."""

    url: str
    facts: tuple[Mapping[str, str], ...]


class Asker:
    """Asks for pieces of one source; shared by all connections of a download.

    Remembers where the redirects led, so that they are followed once and not for each piece. The signed
    addresses that they lead to expire: then the way is asked for anew.
    """

    def __init__(self, session: Session, source: DownloadSource, timeout_s: tuple[float, float]) -> None:
        """`timeout_s`: for connecting, and for each silence."""
        self._session = session
        self._source = source
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._route: _Route | None = None

    def ask(self, span: Span | None) -> ResponseBody:
        """Ask for a piece, or for the whole file. DownloadError if there is no answer with a body."""
        headers = {"Range": f"bytes={span.start}-{span.end - 1}"} if span else {}
        route = self._route
        if route is not None:
            try:
                return self._request(route, headers, span)
            except RefusedError:
                self._forget(route)  # and ask the source itself, which knows better
            except DownloadError:
                self._forget(route)
                raise
        return self._request(_Route(self._source.url, ()), headers, span)

    def _request(self, route: _Route, headers: Mapping[str, str], span: Span | None) -> ResponseBody:
        hops = self._session.get_hops(route.url, headers, self._timeout_s, named=self._source.url)
        facts = (*route.facts, *(hop.headers for hop in hops[:-1]))
        if facts:
            with self._lock:
                self._route = _Route(hops[-1].url, facts)
        response = hops[-1]
        remote = describe_file(self._source, [*facts, response.headers])
        return ResponseBody(response, remote, _span_of(response, remote, span))

    def _forget(self, route: _Route) -> None:
        with self._lock:
            if self._route is route:
                self._route = None


def _span_of(response: Response, remote: RemoteFile, asked: Span | None) -> tuple[int, int | None] | None:
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        return (0, remote.size_bytes)
    given = answered_span(response.headers)
    return given if asked and given and given[0] == asked.start and given[1] > given[0] else None
