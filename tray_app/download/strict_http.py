"""How an answer is read off the wire: as `http.client` does, but strictly where that trusts the server."""

from __future__ import annotations

import http.client
import re

_MOST_INTERIM = 20
"""Answers that announce another one (100 Continue, 103 Early Hints); servers send one or two."""
_MOST_TRAILERS = 100
"""Lines behind a chunked body; as many as `http.client` takes of headers."""
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}[ \t]*(?:;.*)?\r?\n", re.DOTALL)
_LONGEST_LINE = 65_536  # as for headers


class StrictResponse(http.client.HTTPResponse):
    """Passes over interim answers, and takes no chunk size but a plain one."""

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
