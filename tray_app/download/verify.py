"""Whether received bytes are the model that was asked for. Reads files; on the downloads thread."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tray_app.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD_BYTES = 512
"""So many bytes tell what a file is."""

_BLOCK_BYTES = 1 << 20
_MODEL_MAGICS = (b"GGUF", b"PWRI")
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def web_page_error() -> DownloadError:
    """A server gave a page for people where a file was expected."""
    return DownloadError(
        "The address gives a web page, not a file",
        "The server answered with HTML: a sign-in page, a notice of the network, or a page about the file.",
        "Open the address in a browser, then copy the address of its download button.",
    )


def refuse_foreign(head: bytes, *, any_content: bool) -> None:
    """DownloadError if a file that begins so is no model; with `any_content` only if it is a stand-in."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML_STARTS):
        raise web_page_error()
    if head.startswith(_LFS_POINTER):
        raise DownloadError(
            "The address gives a pointer, not the file",
            "The server holds only a Git LFS pointer of 130 bytes here.",
            "Use the address of the download button, which has /resolve/ in it.",
        )
    if not any_content and not head.startswith(_MODEL_MAGICS):
        raise DownloadError(
            "This is not a model file",
            "It begins with neither GGUF nor PWRI, as every model for this app does.",
            "Choose a file that ends in .gguf or .powerinfer.gguf.",
        )


def refuse_wrong_digest(expected: str, actual: str) -> None:
    """DownloadError if the two SHA-256 differ."""
    if expected != actual:
        raise DownloadError(
            "The file is damaged or is not the one expected",
            f"Its SHA-256 is {actual}, but should be {expected}.",
            "Download it again. If that does not help, the source offers another file.",
        )


def hash_file(path: Path, length_bytes: int, keep_going: Callable[[], None]) -> hashlib._Hash:
    """The running SHA-256 of the first `length_bytes` bytes. `keep_going` is called often and may raise."""
    sha256 = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while length_bytes > 0 and (block := file.read(min(_BLOCK_BYTES, length_bytes))):
            sha256.update(block)
            length_bytes -= len(block)
            keep_going()
    return sha256
