"""Tells one model file from another without reading all of it. Any thread; reads some megabytes."""

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
"""Header and settings of a model are at its beginning."""


class Fingerprints:
    """The fingerprints that were made, which hold until a file has changed.

    Two trainings of one model, or two quantizations, differ nearly everywhere, so samples tell them apart. It
    is no checksum: a file in which a few bytes are damaged may have the same.
    """

    def __init__(self) -> None:
        self._made: dict[Path, tuple[tuple[Stamp, ...], str]] = {}

    def of(self, path: Path) -> str:
        """That of a model whose first file this is: 64 hexadecimal digits. `OSError` if it cannot be read."""
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
