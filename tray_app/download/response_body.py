"""Answers whose body is a file or a part of it: which bytes they have, and whether to accept them. Any
thread.
"""

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
"""Larger ones are hardly faster, and the C library keeps some for each thread."""
_LONGEST_SAMPLE_S = 60.0
"""For a few kilobytes, which take less on any line that is fast enough for a model."""


@dataclass(frozen=True, slots=True)
class ResponseBody:
    """An answer whose body has not been read yet."""

    response: Response
    remote: RemoteFile
    span: tuple[int, int | None] | None
    """The offsets of its first byte and after its last one, the latter None if it is not known; None if the
    body is not the requested part."""

    @property
    def is_piece(self) -> bool:
        """Whether the server has sent a range, so that others can be requested, too."""
        return self.response.status_code == HTTPStatus.PARTIAL_CONTENT

    def continues(self, remote: RemoteFile, offset: int) -> bool:
        """Whether its bytes are those of `remote` from `offset` on."""
        return self.span is not None and self.span[0] == offset and self.remote.is_same_as(remote)

    def refuse_unusable(self, sha256: str | None) -> None:
        """`DownloadError` if the headers show that the body is not the file, or could not be checked.

        `sha256`: the digest that the user has given, if any.
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
        """The bytes that have arrived, at most `most`; empty at the end. `TransientError` if the body breaks
        off.
        """
        return _read(self.response, most)

    def read_into(self, buffer: memoryview) -> int:
        """Read the bytes that have arrived into the buffer; their number, 0 at the end. Errors as in
        `read`.
        """
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
        """`size` bytes, or fewer if the body ends. `TransientError` if it breaks off."""
        return b"".join(pieces_of(self.response, size, _LONGEST_SAMPLE_S))

    @property
    def _shows_its_end(self) -> bool:
        return "chunked" in self.response.headers.get("Transfer-Encoding", "").lower()


def pieces_of(response: Response, most_bytes: int, limit_s: float) -> Iterator[bytes]:
    """A body in pieces as they arrive, up to `most_bytes`. `TransientError` if it breaks off, or takes longer
    than `limit_s`.

    The connection's time-out only limits each pause: a byte every few seconds would go on forever.
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
        from urllib3.exceptions import HTTPError  # loaded already by whoever has made the request

        if isinstance(exc, HTTPError):
            raise broken_body(exc) from exc
        raise
    return data


@dataclass(frozen=True, slots=True)
class _Route:
    """The end of the redirects, and their headers about the file."""

    url: str
    facts: tuple[Mapping[str, str], ...]


class Asker:
    """Requests parts of one source; shared by all connections of a download.

    Remembers the end of the redirects, so that they are followed once and not for each part. It is often a
    signed URL that expires; then the redirects are followed again.
    """

    def __init__(self, session: Session, source: DownloadSource, timeout_s: tuple[float, float]) -> None:
        """`timeout_s`: the limits for connecting and for each pause."""
        self._session = session
        self._source = source
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._route: _Route | None = None

    def ask(self, span: Span | None) -> ResponseBody:
        """Request a part, or the whole file. `DownloadError` if there is no answer with a body."""
        headers = {"Range": f"bytes={span.start}-{span.end - 1}"} if span else {}
        route = self._route
        if route is not None:
            try:
                return self._request(route, headers, span)
            except RefusedError:
                self._forget(route)  # and ask the source itself below
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
