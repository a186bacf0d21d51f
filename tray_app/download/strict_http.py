"""How an answer is read off the wire: as `http.client` does, but strictly where that trusts the server."""

from __future__ import annotations

import http.client
import io
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_MOST_INTERIM = 20
"""Answers that announce another one (100 Continue, 103 Early Hints); servers send one or two."""
_MOST_TRAILERS = 100
"""Lines behind a chunked body; as many as `http.client` takes of headers."""
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_LONGEST_LINE = 65_536  # as for headers


class _Line(io.RawIOBase):
    """What comes over a connection, for a limited time at first.

    A time-out bounds each silence alone: headers that come byte by byte would never end.
    """

    def __init__(self, source: io.RawIOBase, limit_s: float | None) -> None:
        self._source = source
        self.has_ended = False
        self._end_s = None if limit_s is None else time.monotonic() + limit_s

    def lift_limit(self) -> None:
        """Let the rest come as it likes."""
        self._end_s = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int | None:  # type: ignore[override]
        if self._end_s is not None and time.monotonic() > self._end_s:
            raise TimeoutError("The headers did not come in time")
        count = self._source.readinto(buffer)
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        super().close()
        self._source.close()


class StrictResponse(http.client.HTTPResponse):
    """Passes over interim answers, takes no chunk size but a plain one, and bounds the time for headers."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        """Let the headers take twice as long as a silence may."""
        super().__init__(sock, *args, **kwargs)
        timeout_s = sock.gettimeout()
        self._line = _Line(self.fp.detach(), 2 * timeout_s if timeout_s else None)
        self.fp = io.BufferedReader(self._line)
        self._most_ahead = io.DEFAULT_BUFFER_SIZE  # so much of the body may be there along with the headers

    def begin(self) -> None:
        """See `http.client.HTTPResponse.begin`, which takes headers that were cut for all there are."""
        super().begin()
        if self._line.has_ended:
            self.close()
            raise http.client.HTTPException("The headers were cut")
        self._line.lift_limit()

    @property
    def tells_its_length(self) -> bool:
        """Whether the body is the next so many bytes on the line: then `receive` can read it."""
        return self.length is not None and not self.chunked

    def receive(self, buffer: memoryview) -> int:
        """Put what has arrived of the body into the buffer; how much that is, 0 at the end.

        `http.client.IncompleteRead` if the body was cut, `OSError` if the connection has a fault.
        As `read1`, but without a new object for each piece: that would take more time than all else here.
        """
        if self.isclosed() or not self.length:
            return 0
        if ahead := min(len(buffer), self.length, self._most_ahead):
            data = self.fp.read1(ahead)  # never waits for more than that, as `readinto1` would
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
            self.close()  # nobody knows where the next chunk begins
            raise ValueError(line[:40])  # `http.client` takes that for a body that was cut
        return int(line.partition(b";")[0], 16)

    def _read_and_discard_trailer(self) -> None:
        for _ in range(_MOST_TRAILERS):
            if self.fp.readline(_LONGEST_LINE + 1) in {b"\r\n", b"\n", b""}:
                return
        raise http.client.HTTPException("The body does not end")
