"""Looks again whether a model is what once arrived: by its SHA-256 where that is known. Any thread; slow."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.models import file_errors
from tray_app.models.gguf import read_header
from tray_app.models.model_files import checksum_file, parts_of
from tray_app.phrases import phrase
from tray_app.system.files import PUBLIC, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK_BYTES = 1 << 20
_LINE = re.compile(r"([0-9a-f]{64})(?: [ *].*)?\s*")
_BLOB = re.compile(r"(?:sha256-)?([0-9a-f]{64})")
"""The name of a file in Ollama's store, and in the cache of Hugging Face."""


class Check(StrEnum):
    """How sure it is that a model is in order."""

    DIGEST = "digest"
    """Every byte is the one that was downloaded."""
    HEADER = "header"
    """Header and size are right; the weights have not been looked at, as nobody knows what they should be."""


def note_checksum(part: Path, sha256: str) -> None:
    """Keep the digest of a file that has just arrived, in the form of `sha256sum`. `OSError`."""
    line = f"{sha256} *{part.name}\n".encode(errors="surrogateescape")
    write_atomically(checksum_file(part), line, mode=PUBLIC, through_links=False)


def verify_model(model: Path, on_bytes: Callable[[int, int], object]) -> Check:
    """How sure it is that all files of a model are in order; `ModelError` says which one is not.

    `on_bytes` is told how many bytes have been read, of how many; what it raises ends the work.
    """
    parts = parts_of(model)
    for part in parts:
        read_header(part)
    digests = {part: digest for part in parts if (digest := known_checksum(part))}
    total_bytes = sum(part.stat().st_size for part in digests)
    read_bytes = 0
    for part, digest in digests.items():
        sha256 = hashlib.sha256()
        try:
            with part.open("rb", buffering=0) as file:
                while block := file.read(_BLOCK_BYTES):
                    sha256.update(block)
                    read_bytes += len(block)
                    on_bytes(read_bytes, total_bytes)
        except OSError as exc:
            raise file_errors.unreadable(part, part.name, exc.strerror or str(exc)) from exc
        if sha256.hexdigest() != digest:
            raise file_errors.damaged(
                part.name,
                phrase(
                    "Its SHA-256 is now {actual} instead of {expected}.",
                    actual=sha256.hexdigest(),
                    expected=digest,
                ),
            )
    return Check.DIGEST if len(digests) == len(parts) else Check.HEADER


def known_checksum(part: Path) -> str | None:
    """The digest that was kept for a file, that its publisher has put beside it, or that another app has made
    its name; None if there is none.
    """
    with suppress(OSError, RuntimeError):  # RuntimeError: links that lead round in a circle
        if found := _BLOB.fullmatch(part.resolve().name):
            return found[1]
    try:
        found = _LINE.fullmatch(read_regular(checksum_file(part)).decode(errors="replace").lower())
    except OSError:
        return None
    return found[1] if found else None
