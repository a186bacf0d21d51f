"""Packed bodies."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.unpacking import unpacker

if TYPE_CHECKING:
    from collections.abc import Callable


def without_header(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def unpacked(encoding: str, data: bytes, size: int) -> bytes:
    body = unpacker(encoding)
    pieces = [piece for start in range(0, len(data), size) for piece in body.add(data[start : start + size])]
    body.end()
    assert all(len(piece) <= limits.UNPACKED_AT_ONCE_BYTES for piece in pieces)
    return b"".join(pieces)


FORMS = [
    ("gzip", gzip.compress),
    (" GZip ", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", without_header),
]


@pytest.mark.parametrize(("encoding", "pack"), FORMS)
@given(data=st.binary(min_size=1), times=st.sampled_from([1, 1000]), size=st.sampled_from([1, 7, 65536]))
def test_it_comes_out_as_it_went_in(
    encoding: str, pack: Callable[[bytes], bytes], data: bytes, times: int, size: int
) -> None:
    assert unpacked(encoding, pack(data * times), size) == data * times


def test_gzip_may_have_several_parts() -> None:
    assert unpacked("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), 5) == b"one two"


@pytest.mark.parametrize(("encoding", "pack"), FORMS)
def test_half_of_it_and_what_follows_it_are_refused(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    data = pack(bytes(range(256)))
    for wrong in (data[:-1], data[: len(data) // 2], data + b"more", b"hello"):
        with pytest.raises(ApiError, match="does not match the encoding"):
            unpacked(encoding, wrong, 65536)


def test_what_is_not_packed_passes() -> None:
    assert unpacked("identity", b"hello", 2) == b"hello"
    assert unpacked("gzip", b"", 1) == b""
