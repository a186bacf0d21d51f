"""What JSON may be built like, and that it costs next to nothing to see it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.json_shape import BodyShape, JsonShape

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK_S = 1.0
PIECE_BYTES = 64 * 1024


def excess(data: bytes, size: int = PIECE_BYTES) -> str | None:
    shape = JsonShape(limits.MAX_STRINGS)
    for start in range(0, len(data), size):
        shape.add(data[start : start + size])
    return shape.excess


def object_of(keys: int) -> bytes:
    return b"{" + b",".join(b'"k%d":0' % number for number in range(keys)) + b"}"


TOOL = {
    "type": "function",
    "function": {
        "parameters": {"properties": {f"p{n}": {"type": "string", "description": "d"} for n in range(20)}}
    },
}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: object_of(limits.MAX_KEYS + 1), "an object with more than 1000 keys"),
        (lambda: object_of(60_000), "an object with more than 1000 keys"),
        (lambda: object_of(1_000_000), "an object with more than 1000 keys"),
        (lambda: b'{"metadata":{"x":[1,' + object_of(2000) + b"]}}", "an object with more than 1000 keys"),
        (lambda: b"[" * (limits.MAX_DEPTH + 1), "levels of"),
        (lambda: b'{"a":' * 10**6, "levels of"),
        (lambda: b'{"input":[' + b"[]," * 300_000, "objects and lists"),
        (lambda: b'{"input":[' + b'"",' * 300_000, "strings"),
        (lambda: b'{"prompt":[' + b"1," * 2_000_000, "values"),
        (lambda: b'{"seed":' + b"9" * 4301 + b"}", "digits"),
        (lambda: b'{"seed":0.' + b"12" * 100_000 + b"}", "digits"),
    ],
)
def test_what_would_keep_an_engine_busy_for_minutes_is_seen_at_once(
    body: Callable[[], bytes], words: str
) -> None:
    data = body()
    began_s = time.process_time()
    assert words in (excess(data) or "")
    assert time.process_time() - began_s < QUICK_S
    with pytest.raises(ApiError) as refused:
        BodyShape().add(data)
    assert (refused.value.status, refused.value.code) == (400, "body_too_complex")


def in_json(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "body",
    [
        lambda: object_of(limits.MAX_KEYS),
        lambda: b"[" * limits.MAX_DEPTH + b"]" * limits.MAX_DEPTH,
        lambda: in_json({"tools": [TOOL] * 1000}),
        lambda: in_json({"input": ["a text, with: {signs} [in] it"] * 2048}),
        lambda: in_json({"input": '{"a":' * 100_000}),  # in a text, all of it is nothing
        lambda: in_json({"input": "[" * 100_000 + ":" * 100_000 + "," * 2_000_000}),
        lambda: in_json({"input": "7" * 10_000}),
        lambda: in_json({"prompt": list(range(limits.MAX_NUMBERS))}),
        lambda: in_json({"logit_bias": {str(token): -100 for token in range(300)}}),
        lambda: b'{"input":"' + b"\\" * 5_000_000 + b'"}',
        lambda: b"",
        lambda: b"]]]}}}:::",
    ],
)
def test_what_people_send_passes(body: Callable[[], bytes]) -> None:
    assert excess(body()) is None


VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\:,{}[]7é'),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='b"\\{:'), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=VALUES, size=st.integers(1, 9), ascii_only=st.booleans())
def test_wherever_the_pieces_are_cut_the_same_is_counted(value: object, size: int, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    whole, cut = JsonShape(100), JsonShape(100)
    whole.add(data)
    for start in range(0, len(data), size):
        cut.add(data[start : start + size])
    counted = [(shape._quotes, shape._numbers, shape._brackets, shape._keys) for shape in (whole, cut)]
    assert counted[0] == counted[1]
    assert counted[0][3] == [0]  # every bracket has found its other one
    assert counted[0][2] == brackets(value)


def brackets(value: object) -> int:
    match value:
        case dict():
            return 1 + sum(map(brackets, value.values()))
        case list():
            return 1 + sum(map(brackets, value))
        case _:
            return 0
