"""Reads HTTP answers like `http.client`, but strictly where that trusts the server."""

from __future__ import annotations

import http.client
import io
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_MOST_INTERIM = 20
"""Interim answers (100 Continue, 103 Early Hints) before the final one; servers send one or two."""
_MOST_TRAILERS = 100
"""Lines after a chunked body; the same limit as `http.client` has for headers."""
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_LONGEST_LINE = 65_536  # as for headers


class _Line(io.RawIOBase):
    """The bytes from a connection, at first within a time limit.

    The connection's time-out only limits each pause: headers that arrive byte by byte would go on forever.
    """

    def __init__(self, source: io.RawIOBase, limit_s: float | None) -> None:
        self._source = source
        self._end_s = None if limit_s is None else time.monotonic() + limit_s

    def lift_limit(self) -> None:
        """Do not limit the time for the rest."""
        self._end_s = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]
        if self._end_s is not None and time.monotonic() > self._end_s:
            raise TimeoutError("The headers did not come in time")
        return self._source.readinto(buffer)

    def close(self) -> None:
        super().close()
        self._source.close()


class StrictResponse(http.client.HTTPResponse):
    """Skips a limited number of interim answers, accepts only valid chunk sizes, and limits the time for
    headers.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        """Allow the headers twice the time of the longest pause."""
        super().__init__(sock, *args, **kwargs)
        timeout_s = sock.gettimeout()
        self._line = _Line(self.fp.detach(), 2 * timeout_s if timeout_s else None)
        self.fp = io.BufferedReader(self._line)
        self._most_ahead = io.DEFAULT_BUFFER_SIZE  # bytes of the body that were read along with the headers

    def begin(self) -> None:
        """See `http.client.HTTPResponse.begin`."""
        super().begin()
        self._line.lift_limit()

    @property
    def tells_its_length(self) -> bool:
        """Whether the length of the body is known and it is not chunked, so that `receive` can read it."""
        return self.length is not None and not self.chunked

    def receive(self, buffer: memoryview) -> int:
        """Read the bytes of the body that have arrived into the buffer; their number, 0 at the end.

        `http.client.IncompleteRead` if the body breaks off, `OSError` if the connection fails. Like `read1`,
        but without a new object for each piece, which would take more time than everything else here.
        """
        if self.isclosed() or not self.length:
            return 0
        if ahead := min(len(buffer), self.length, self._most_ahead):
            data = self.fp.read1(ahead)  # unlike `readinto1`, does not wait for more
            count = len(data)
            buffer[:count] = data
            self._most_ahead = 0 if count < ahead else self._most_ahead - count
        else:
            count = self._line.readinto(buffer[: self.length]) or 0
        if not count:
            raise http.client.IncompleteRead(b"", self.length)
        self.length -= count
        if not self.length:
            self.close()  # the connection can be used again
        return count

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INTERIM):
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if found[1] == http.HTTPStatus.SWITCHING_PROTOCOLS or found[1] >= http.HTTPStatus.OK:
                return found
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("The server announces an answer again and again")

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_LONGEST_LINE + 1)
        if not _CHUNK_SIZE.fullmatch(line):
            self.close()  # it is not known where the next chunk begins
            raise ValueError(line[:40])  # `http.client` treats this as a body that breaks off
        return int(line.partition(b";")[0], 16)

    def _read_and_discard_trailer(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if self.fp.readline(_LONGEST_LINE + 1) in {b"\r\n", b"\n", b""}:
                return
        raise http.client.HTTPException("The body does not end")
