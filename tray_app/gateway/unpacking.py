"""Bodies that come packed, unpacked in small pieces. Pure.

aiohttp would unpack on, many connections in turn, what has been refused and is only read to its end.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.limits import UNPACKED_AT_ONCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODINGS = ("gzip", "deflate", "identity")

_GZIP = zlib.MAX_WBITS + 16
_DEFLATE_METHOD = 8
"""In the low half of the first byte, where deflated data has the header of RFC 9110; some send it without."""


class Unpacker(Protocol):
    """Takes a body in pieces of any size, and gives it as it was before it was packed."""

    def add(self, piece: bytes) -> Iterator[bytes]:
        """What this piece unpacks to, in small pieces; `ApiError` if it does not match its encoding."""

    def end(self) -> None:
        """Called at the end of the body; `ApiError` if it is incomplete."""


def unpacker(encoding: str) -> Unpacker:
    """For the value of a `Content-Encoding` header; `ApiError` 415 for one that is not known here."""
    match encoding.strip().lower():
        case "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate" as known:  # x-gzip is the same: RFC 9110, 8.4.1.3
            return _Zlib(is_gzip=known != "deflate")
        case _:
            raise ApiError(
                415,
                "The body's 'Content-Encoding' is not supported. Supported: "
                f"{', '.join(ENCODINGS)}. Or send the body without compression.",
            )


class _Plain:
    def add(self, piece: bytes) -> Iterator[bytes]:
        yield piece

    def end(self) -> None:
        pass


class _Zlib:
    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._stream: zlib._Decompress | None = None

    def add(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._stream is None or (self._is_gzip and self._stream.eof):  # gzip may have several parts
                self._stream = self._begin(piece)
            if self._stream.eof:
                raise _broken()
            try:
                yield self._stream.decompress(piece, UNPACKED_AT_ONCE_BYTES)
            except zlib.error as exc:
                raise _broken() from exc
            piece = self._stream.unconsumed_tail or self._stream.unused_data

    def end(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise _broken()

    def _begin(self, piece: bytes) -> zlib._Decompress:
        if self._is_gzip:
            return zlib.decompressobj(_GZIP)
        has_header = piece[0] & 0xF == _DEFLATE_METHOD
        return zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _broken() -> ApiError:
    return ApiError(400, "The body does not match the encoding in its headers.")
