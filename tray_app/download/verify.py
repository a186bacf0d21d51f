"""Whether received bytes are the requested model: by their beginning and their SHA-256. Any thread."""

from __future__ import annotations

import errno
import hashlib
import threading
from typing import TYPE_CHECKING

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

    from tray_app.download.segments import Plan
    from tray_app.phrases import Text

HEAD_BYTES = 512
"""The number of first bytes that show what a file is."""

_BLOCK_BYTES = 1 << 20
_POLL_S = 0.05
_MODEL_MAGICS = (b"GGUF", b"PWRI")
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class ForeignContentError(DownloadError):
    """The received bytes are not those of a model."""


def web_page_error(kind: type[DownloadError] = DownloadError) -> DownloadError:
    """The error for a web page that a server has sent instead of a file."""
    title: Text = "The URL leads to a web page, not a file"
    cause: Text = "The server sent HTML: perhaps a sign-in page, a Wi-Fi login, or a page about the file."
    hint: Text = "Open the URL in a browser, then copy the link of the download button."
    return kind(ErrorCode.SOURCE_SENDS_WEB_PAGE, title, cause, hint)


def begins_as_model(head: bytes | bytearray) -> bool:
    """Whether a file with these first bytes is a model in GGUF or PowerInfer's PWRI."""
    return head.startswith(_MODEL_MAGICS)


def refuse_foreign(head: bytes, *, any_content: bool) -> None:
    """`ForeignContentError` if a file with these first bytes is not a model; with `any_content`, only if it
    is a web page or a Git LFS pointer.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML_STARTS):
        raise web_page_error(ForeignContentError)
    if head.startswith(_LFS_POINTER):
        raise ForeignContentError(
            ErrorCode.SOURCE_SENDS_POINTER,
            "The URL leads to a pointer, not the file",
            "The server has only a Git LFS pointer of 130 bytes here.",
            "Use the link of the download button, which contains /resolve/.",
        )
    if not any_content and not begins_as_model(head):
        raise ForeignContentError(
            ErrorCode.NOT_A_MODEL,
            "This is not a model file",
            "It does not start with GGUF or PWRI, as every model for this app does.",
            "Choose a file whose name ends in .gguf or .powerinfer.gguf.",
        )


def refuse_wrong_digest(expected: str, actual: str) -> None:
    """`DownloadError` if the two SHA-256 differ."""
    if expected != actual:
        raise DownloadError(
            ErrorCode.CHECKSUM_DIFFERS,
            "The file is damaged or is not the expected one",
            phrase("Its SHA-256 is {actual}, but should be {expected}.", actual=actual, expected=expected),
            "Download it again. If that does not help, the server has a different file.",
        )


def set_aside(error: DownloadError, name: str) -> DownloadError:
    """The same error, which also gives the name under which the received bytes are kept."""
    title, message, hint = error.texts
    return DownloadError(
        error.code,
        title,
        phrase("{message} The downloaded data is now in {name}.", message=message, name=name),
        hint,
    )


class Follower:
    """Computes a file's SHA-256 during its download, as far as bytes have arrived without a gap.

    Reads them back, usually from the system's cache, so that they may arrive in any order. Owns the thread
    `download-hash`.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.plan = plan
        self._path = path
        self._sha256 = hashlib.sha256()
        self._fault: OSError | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="download-hash", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether the digest is complete, or reading has failed."""
        return not self._thread.is_alive()

    def hexdigest(self, keep_going: Callable[[], None]) -> str:
        """Wait for the SHA-256 of the file, which must be complete; `OSError` if it cannot be read.
        `keep_going` is called often and may raise.
        """
        self._wake.set()
        while not self.has_ended:
            keep_going()
            self._thread.join(_POLL_S)
        if self._fault:
            raise self._fault
        return self._sha256.hexdigest()

    def close(self) -> None:
        """End the thread, which takes no longer than reading one block."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._path.open("rb", buffering=0) as file:
                self._follow(file)
        except OSError as exc:
            self._fault = exc

    def _follow(self, file: FileIO) -> None:
        block = memoryview(bytearray(_BLOCK_BYTES))
        hashed = 0
        while not self._stop.is_set():
            complete = self.plan.complete  # before the prefix, which cannot grow any more if this is True
            prefix = self.plan.prefix_bytes
            while hashed < prefix and not self._stop.is_set():
                count = file.readinto(block[: min(_BLOCK_BYTES, prefix - hashed)])
                if not count:
                    raise OSError(errno.EIO, "The partial file has become shorter", str(self._path))
                self._sha256.update(block[:count])
                hashed += count
            if complete:
                return
            self._wake.wait(_POLL_S)


def sha256_of(path: Path, keep_going: Callable[[], None]) -> str:
    """The SHA-256 of a file; `OSError` if it cannot be read. `keep_going` is called often and may raise."""
    sha256 = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            sha256.update(block[:count])
            keep_going()
    return sha256.hexdigest()
