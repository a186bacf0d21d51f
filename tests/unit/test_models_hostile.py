"""Headers made to be read for long or with much memory. Random ones: `tests/fuzz/models.py`."""

from __future__ import annotations

import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.fakes.models import header_bytes, model_bytes
from tray_app.errors import ModelError
from tray_app.models.gguf import MAX_HEADER_BYTES, parse_header, read_growing, read_header
from tray_app.models.header import Pooling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.models import Value


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


@pytest.mark.parametrize("value", [0, 1, 5, 2**31, -1, True, 1.0, "mean", [1], [1, 2, 3]])
def test_a_pooling_of_any_kind_has_an_outcome(value: Value) -> None:
    facts: dict[str, Value] = {"general.architecture": "bert", "bert.pooling_type": value}
    header = parse_header(header_bytes(facts), "x")

    expected = {0: Pooling.NONE, 1: Pooling.MEAN}.get(value) if type(value) is int else None
    assert header.pooling is expected
    assert header.usual_pooling is Pooling.MEAN


@pytest.mark.parametrize("value", [0, 1, 2**31, "false", [0], 0.0])
def test_what_is_no_truth_says_nothing_of_the_direction_of_reading(value: Value) -> None:
    facts: dict[str, Value] = {"general.architecture": "llama", "llama.attention.causal": value}
    header = parse_header(header_bytes(facts), "x")

    assert header.causal is None
    assert not header.needs_whole_text
