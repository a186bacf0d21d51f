"""Fingerprints that distinguish model files without reading all of them. Any thread; reads a few
megabytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tray_app.models.headers import stamp_of
from tray_app.models.model_files import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.models.headers import Stamp

_SAMPLES = 64
_SAMPLE_BYTES = 64 * 1024
_BEGINNING_BYTES = 1 << 20
"""Read completely, because it contains the header."""


class Fingerprints:
    """The fingerprints that were computed; each is valid until a file changes.

    Two trainings or quantizations of a model differ nearly everywhere, so samples distinguish them. A
    fingerprint is not a checksum: a file with a few damaged bytes may have the same.
    """

    def __init__(self) -> None:
        self._made: dict[Path, tuple[tuple[Stamp, ...], str]] = {}

    def of(self, path: Path) -> str:
        """The fingerprint, 64 hexadecimal digits, of the model with this first file. `OSError` if it is
        unreadable.
        """
        parts = parts_of(path)
        stamps = tuple(map(stamp_of, parts))
        known = self._made.get(path)
        if known is None or known[0] != stamps:
            digest = hashlib.sha256()
            for part, stamp in zip(parts, stamps, strict=True):
                digest.update(stamp.size_bytes.to_bytes(8))
                _sample(part, stamp.size_bytes, digest.update)
            known = self._made[path] = stamps, digest.hexdigest()
        return known[1]


def _sample(path: Path, size_bytes: int, take: Callable[[bytes], None]) -> None:
    with path.open("rb") as file:
        take(file.read(_BEGINNING_BYTES))
        for number in range(_SAMPLES):
            file.seek(max(0, size_bytes - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            take(file.read(_SAMPLE_BYTES))
