"""One answer of a server whose body is the file or its rest: which bytes they are, and whether to take them.

Runs on the downloads thread. Every request starts at the source's own address, because the signed addresses
that it redirects to expire.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from tray_app.download.faults import broken_body, broken_transfer
from tray_app.download.source import describe, full_size, range_start
from tray_app.download.verify import refuse_wrong_digest, web_page_error
from tray_app.errors import DownloadError

if TYPE_CHECKING:
    from requests import Response

    from tray_app.download.session import Session
    from tray_app.download.source import RemoteFile, Source

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is still to be read."""

    response: Response
    remote: RemoteFile
    start: int | None
    """The offset of its first byte in the file; None: it is a piece that was not asked for."""

    def continues(self, remote: RemoteFile, offset: int) -> bool:
        """Whether its bytes may follow the first `offset` ones of `remote`."""
        return self.start == offset and self.remote.is_same_as(remote)

    def refuse_unusable(self, sha256: str | None) -> None:
        """DownloadError if the headers show that the body is not the file, or could not be checked.

        `sha256`: what the file must have, where a person said so.
        """
        headers, remote = self.response.headers, self.remote
        if headers.get("Content-Type", "").lower().startswith("text/html"):
            raise web_page_error()
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadError(
                "The server sends the file packed", "It was asked not to.", "Try another source."
            )
        if self.start is None:
            raise broken_transfer("The server sent another piece of the file than it was asked for.")
        if sha256 and remote.sha256:
            refuse_wrong_digest(sha256, remote.sha256)
        size = full_size(headers)
        if size is not None and size != remote.size_bytes:
            raise broken_transfer(f"The server announced {remote.size_bytes} bytes, then {size}.")
        if not (remote.size_bytes is not None or self._shows_its_end or sha256 or remote.sha256):
            raise DownloadError(
                "The file could not be checked",
                "The server says neither its size nor its SHA-256: half a file would look like a whole one.",
                "Use another source, or give the SHA-256.",
            )

    def read(self) -> bytes:
        """What has arrived, at most CHUNK_BYTES; empty at the end. TransientError if the body was cut."""
        try:
            data: bytes = self.response.raw.read1(CHUNK_BYTES, decode_content=False)
        except HTTPError as exc:
            raise broken_body(exc) from exc
        return data

    @property
    def _shows_its_end(self) -> bool:
        return "chunked" in self.response.headers.get("Transfer-Encoding", "").lower()


def ask(session: Session, source: Source, offset: int, timeout_s: tuple[float, float]) -> Answer:
    """Ask for the file from byte `offset` on. DownloadError if there is no answer with a body."""
    hops = session.get_hops(source.url, {"Range": f"bytes={offset}-"} if offset else {}, timeout_s)
    response = hops[-1]
    start: int | None = 0
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        start = offset if range_start(response.headers) == offset else None
    return Answer(response, describe(source, [hop.headers for hop in hops]), start)
