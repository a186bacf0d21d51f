"""Headers made to be read for long or with much memory. Random ones: `tests/fuzz/models.py`."""

from __future__ import annotations

import contextlib
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
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.models import Value


def test_no_more_is_fetched_than_a_header_may_be_long() -> None:
    def array(size: int) -> bytes:
        return struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 0, size)

    content = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + array(45 << 20) + bytes(45 << 20) + array(5 << 20)
    wishes = []

    def extend(known: bytearray, wanted_bytes: int) -> None:
        wishes.append(wanted_bytes)
        known += content[len(known) : wanted_bytes]

    with pytest.raises(ModelError):
        read_growing("x", extend)

    assert max(wishes) == MAX_HEADER_BYTES


def test_a_file_full_of_empty_texts_takes_bounded_time(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    start = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
    with path.open("wb") as file:
        file.write(start + struct.pack("<IIQ", 9, 8, MAX_HEADER_BYTES // 8 - 100))
        file.truncate(1 << 30)
    begun = time.process_time()

    with pytest.raises(ModelError):
        read_header(path)

    assert time.process_time() - begun < 10  # usually below one second


def _key(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _numbers(key: bytes, count: int, number: int = 4, size: int = 4) -> bytes:
    return _key(key) + struct.pack("<IIQ", 9, number, count) + bytes(count * size)


def _header(entries: list[bytes], tensors: list[bytes] = []) -> bytes:  # noqa: B006 - only read
    name = _key(b"general.architecture") + struct.pack("<I", 8) + _key(b"llama")
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries) + 1) + name
    return start + b"".join(entries) + b"".join(tensors)


def _short_arrays() -> bytes:
    return _header([_numbers(b"k%d" % number, 1180) for number in range(9990)])


def _used_arrays() -> bytes:
    return _header(
        [_numbers(b"a%d.feed_forward_length" % number, 4096, 0, 1) for number in range(9990)]
        + [_numbers(b"tokenizer.ggml.tokens", 1 << 20, 4, 4)]
    )


def _texts() -> bytes:
    text = _key(b"x" * (1 << 20))
    return _header([_key(b"k%d" % number) + struct.pack("<I", 8) + text for number in range(47)])


def _used_texts() -> bytes:
    text = _key(b"x" * (1 << 20))
    entry = _key(b"tokenizer.chat_template") + struct.pack("<I", 8) + text
    return _header([entry] * 47)


def _long_keys() -> bytes:
    return _header(
        [_key(b"k%07d" % number + b"x" * 4900) + struct.pack("<II", 4, 0) for number in range(9990)]
    )


def _empty_texts() -> bytes:
    count = 12 << 17  # four times as many are read above, where the memory is not traced, which is slow
    texts = _key(b"k") + struct.pack("<IIQ", 9, 8, count) + bytes(8 * count)
    return _header([texts, _numbers(b"n", 35 << 18)])


def _tensors() -> bytes:
    tensor = struct.pack("<I4QIQ", 4, *[2**64 - 1] * 4, 0, 2**64 - 1)
    return _header([], [_key(b"t" * 850) + tensor for _ in range(49_000)])


LARGE = [_short_arrays, _used_arrays, _texts, _used_texts, _long_keys, _empty_texts, _tensors]


@pytest.mark.parametrize("make", LARGE)
def test_a_header_full_of_anything_takes_little_memory_and_time(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(make())
    assert 38 << 20 < path.stat().st_size < MAX_HEADER_BYTES
    begun = time.process_time()
    with contextlib.suppress(ModelError):
        read_header(path)
    took_s = time.process_time() - begun

    tracemalloc.start()
    try:
        with contextlib.suppress(ModelError):
            header = read_header(path)
            kept_bytes = tracemalloc.get_traced_memory()[0]
            assert header.architecture == "llama"
            assert kept_bytes < 3 << 20
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 64 << 20
    assert took_s < 10  # usually below two seconds


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
