"""Headers made to be read for long or with much memory. Random ones: `tests/fuzz/models.py`."""

from __future__ import annotations

import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.fakes.models import model_bytes
from tray_app.errors import ModelError
from tray_app.models.gguf import MAX_HEADER_BYTES, read_growing, read_header

if TYPE_CHECKING:
    from pathlib import Path


def test_no_more_is_fetched_than_a_header_may_be_long() -> None:
    def array(size: int) -> bytes:
        return struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 0, size)

    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + array(60 << 20) + bytes(60 << 20) + array(2 << 20)
    wishes = []

    def extend(_known: bytes, wanted_bytes: int) -> bytes:
        wishes.append(wanted_bytes)
        return content[:wanted_bytes]

    with pytest.raises(ModelError):
        read_growing("x", extend)

    assert max(wishes) == MAX_HEADER_BYTES


def test_a_file_full_of_empty_texts_takes_bounded_time(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
    with path.open("wb") as file:
        file.write(start + struct.pack("<IIQ", 9, 8, MAX_HEADER_BYTES // 8 - 100))
        file.truncate(1 << 30)
    begun = time.monotonic()

    with pytest.raises(ModelError):
        read_header(path)

    assert time.monotonic() - begun < 10  # usually below one second


def test_reading_a_header_does_not_read_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_bytes())
    with path.open("r+b") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        read_header(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 2 << 20
