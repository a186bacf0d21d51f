"""Handles an existing file with the final name: a complete one is used, an incomplete one is continued.

The 4D component leaves both behind. Any other file with that name belongs to the user and is not touched.
Runs on the downloads thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.download.faults import RangeRefusedError
from tray_app.download.progress import Phase
from tray_app.download.segments import Span
from tray_app.download.verify import HEAD_BYTES, refuse_foreign, sha256_of
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.download.part import PartFile
    from tray_app.download.progress import Observer
    from tray_app.download.response_body import ResponseBody
    from tray_app.download.source import RemoteFile

_SAMPLE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Offer:
    """The source's file, compared with the existing one."""

    remote: RemoteFile
    same_end: bool
    """Whether the last bytes of the existing file are at the same place in the source's. False if the server
    does not send parts that could be compared."""


class Existing:
    """The existing file with the final name."""

    def __init__(self, path: Path, observer: Observer, keep_going: Callable[[], None]) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._observer = observer
        self._keep_going = keep_going

    def has_digest(self, sha256: str) -> bool:
        """Whether the file has this SHA-256."""
        self._observer.on_bytes(self._size, self._size)
        self._observer.on_phase(Phase.VERIFYING)
        return sha256_of(self._path, self._keep_going) == sha256

    def compare(self, ask: Callable[[Span], ResponseBody]) -> Offer:
        """Compare the end of the file with the source's bytes. `DownloadError` if they differ."""
        start = max(0, self._size - _SAMPLE_BYTES)
        try:
            answer = ask(Span(start, max(self._size, 1)))
        except RangeRefusedError as exc:
            raise self._name_taken() from exc
        with answer.response:
            answer.refuse_unusable(None)
            if answer.is_piece and answer.read_exactly(self._size - start) != self._end(start):
                raise self._name_taken()
            return Offer(answer.remote, same_end=answer.is_piece)

    def is_complete(self, offer: Offer, sha256: str | None) -> bool:
        """Whether the file is the complete one of the source; `DownloadError` if it is something else.

        `sha256`: the digest that the user has given, which the file does not have.
        """
        if self._size != offer.remote.size_bytes:
            return False
        if sha256:
            raise self._name_taken()
        if offer.remote.sha256:
            if not self.has_digest(offer.remote.sha256):
                raise self._name_taken()
            return True
        with self._path.open("rb") as file:
            refuse_foreign(file.read(HEAD_BYTES), any_content=False)
        self._observer.on_bytes(self._size, self._size)
        return True

    def adopt(self, part: PartFile, offer: Offer, sha256: str | None) -> None:
        """Make the file the beginning of the download; `DownloadError` if it may be something else.

        Only if a digest will show at the end whether that was right.
        """
        remote = offer.remote
        shorter = remote.size_bytes is not None and self._size < remote.size_bytes
        if not (shorter and offer.same_end and (sha256 or remote.sha256)):
            raise self._name_taken()
        part.adopt(self._path, remote)

    def _end(self, start: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read()

    def _name_taken(self) -> DownloadError:
        return DownloadError(
            ErrorCode.FILE_EXISTS,
            "There is already another file with this name",
            phrase(
                "{path} is not the file that the server offers, so it was left unchanged.", path=self._path
            ),
            "Rename or delete it, then download again.",
        )
