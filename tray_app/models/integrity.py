"""Checks whether the files of a model are unchanged, by their SHA-256 if that is known. Any thread; slow."""

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
"""Names of files in Ollama's store and in Hugging Face's cache."""


class Check(StrEnum):
    """How thoroughly a model could be checked."""

    DIGEST = "digest"
    """Every byte is as it was downloaded."""
    HEADER = "header"
    """Header and size are right. The weights were not checked, because no digest of a file is known."""


def note_checksum(part: Path, sha256: str) -> None:
    """Write the digest of a file that was just downloaded into a file beside it, in `sha256sum`'s format.
    `OSError`.
    """
    line = f"{sha256} *{part.name}\n".encode(errors="surrogateescape")
    write_atomically(checksum_file(part), line, mode=PUBLIC, through_links=False)


def verify_model(model: Path, on_bytes: Callable[[int, int], object]) -> Check:
    """Check all files of a model; how thoroughly that was possible. `ModelError` says which file is damaged.

    `on_bytes` gets the bytes read so far and their total; what it raises ends the check.
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
    """The SHA-256 that a file should have: another app's name for it, or the content of the `.sha256` file
    beside it; None if neither exists.
    """
    with suppress(OSError, RuntimeError):  # RuntimeError: a circle of links
        if found := _BLOB.fullmatch(part.resolve().name):
            return found[1]
    try:
        found = _LINE.fullmatch(read_regular(checksum_file(part)).decode(errors="replace").lower())
    except OSError:
        return None
    return found[1] if found else None
