"""Bytes made to break the header reader: the outcome is a header or a ModelError, soon, whatever they are."""

from __future__ import annotations

import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.models import Tensor, header_bytes, model_bytes
from tray_app.errors import ModelError
from tray_app.models.gguf import MAX_HEADER_BYTES, NeedMoreBytesError, parse_header, read_growing, read_header
from tray_app.models.header import Pooling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.models import Value

WHOLE = header_bytes(
    {
        "general.architecture": "llama",
        "general.alignment": 32,
        "llama.context_length": 2048,
        "llama.embedding_length": 64,
        "llama.block_count": 2,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": [2, 2],
        "llama.feed_forward_length": 128,
        "tokenizer.ggml.tokens": ["<unk>", "a", "b"],
        "tokenizer.ggml.token_type": [2, 1, 1],
    },
    [Tensor(), Tensor("norm", (32,), 0, 128)],
)
NASTY = st.sampled_from([0, 1, 2, 4, 8, 9, 255, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])


def check_outcome(data: bytes) -> None:
    """A header, an error of readable length, or the wish for bytes that are not there yet."""
    try:
        parse_header(data, "x")
    except ModelError as error:
        length = len(str(error))
    except NeedMoreBytesError as need:
        length = len(data) - need.size_bytes
    else:
        return
    assert length < 1000


@given(st.sampled_from([b"GGUF\x03\0\0\0", b"PWRI\x03\0\0\0", b"GGUF", b""]), st.binary(max_size=300))
def test_any_bytes_have_an_outcome(start: bytes, rest: bytes) -> None:
    check_outcome(start + rest)


@settings(max_examples=300)
@given(st.integers(4, len(WHOLE) - 8), NASTY, st.sampled_from("BIQ"))
def test_a_header_with_one_number_replaced_has_an_outcome(at: int, number: int, layout: str) -> None:
    patch = struct.pack(f"<{layout}", number % (1 << 8 * struct.calcsize(layout)))
    check_outcome(WHOLE[:at] + patch + WHOLE[at + len(patch) :])


@given(st.lists(st.tuples(st.integers(4, len(WHOLE) - 1), st.integers(0, 255)), max_size=20))
def test_a_header_with_some_bytes_replaced_has_an_outcome(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    check_outcome(bytes(data))


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
