"""Checks the vectors in an engine's answer. Pure.

A vector of NaN, infinities or zeros is not an embedding: a vector store fails on it, or stores it and finds
nothing. So the gateway answers with an error instead. JSON has no NaN: llama.cpp writes null, servers in
Python write `NaN`.
"""

from __future__ import annotations

import json
import math
import struct
from base64 import b64decode
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.limits import MAX_DIMENSIONS, MAX_NUMBERS
from tray_app.gateway.openai import as_base64
from tray_app.gateway.raw_json import Fields, from_json, is_text
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Answer = TypeVar("Answer")
Numbers = list[float | None]

_FLOAT32_BYTES = 4
_LEAST_LENGTH, _GREATEST_LENGTH = 2.0**-149, 3.5e38
"""The range of lengths that float32, which vector stores use, can tell from 0 and from infinity."""


class _Item(Struct, frozen=True):
    embedding: Numbers | str
    index: int | None = None


class _Items(Struct, frozen=True):
    data: Annotated[list[Raw], Meta(min_length=1)]


class _ItemsAtOnce(Struct, frozen=True):
    data: Annotated[list[_Item], Meta(min_length=1)]


class _NativeItem(Struct, frozen=True):
    """llama.cpp's own form: a list of vectors, one for each token if the model does not pool."""

    embedding: list[Any]
    index: int | None = None


def check_embeddings(answer: bytes, first: int = 0) -> int:
    """The number of dimensions in an answer of OpenAI's form; `ApiError` if a vector cannot be used.

    `first`: the index of the answer's first text in the whole request.
    """
    dimensions = 0
    for position, item in enumerate(_items(answer)):
        values = _floats(item.embedding) if isinstance(item.embedding, str) else item.embedding
        check_vector(values, first + (position if item.index is None else item.index))
        dimensions = dimensions or len(values)
    return dimensions


def cut_vectors(data: Raw, dimensions: int, first: int = 0) -> Raw:
    """The vectors of an answer's `data` with their first numbers alone, again of length 1.

    `first`: the index of the first text in the whole request.
    """
    items = decode_answer(bytes(data), list[Fields])
    for position, item in enumerate(items):
        packed = is_text(item["embedding"])
        values = _floats(decode_answer(bytes(item["embedding"]), str)) if packed else None
        whole = decode_answer(bytes(item["embedding"]), list[float]) if values is None else values
        short = unit(check_vector(whole[:dimensions], first + position))
        item["embedding"] = Raw(msgspec.json.encode(as_base64(short) if packed else short))
    return Raw(msgspec.json.encode(items))


def unit(values: Sequence[float]) -> list[float]:
    """The same direction with length 1."""
    norm = math.hypot(*values)
    return [value / norm for value in values]


def _items(answer: bytes) -> Iterator[_Item]:
    """The vectors, one after the other: all numbers at once would take ten times the memory of the answer."""
    try:
        items = msgspec.json.decode(answer, type=_Items).data
    except NOT_JSON:
        yield from decode_numbers(answer, _ItemsAtOnce).data
        return
    for item in items:
        _check_size(bytes(item).count(b","))
        yield decode_numbers(bytes(item), _Item)


def _check_size(numbers: int) -> None:
    if numbers > MAX_DIMENSIONS:
        raise ApiError(
            502,
            f"A vector from the engine has more than {MAX_DIMENSIONS} numbers.",
            code="engine_answer",
            final=True,
        )


def check_native_embeddings(answer: bytes, first: int = 0) -> None:
    """As `check_embeddings`, for the answer of llama.cpp's own route."""
    for position, item in enumerate(decode_numbers(answer, list[_NativeItem])):
        index = position if item.index is None else item.index
        rows = item.embedding
        for row in rows if rows and isinstance(rows[0], list) else [rows]:
            check_vector(row, first + index)


def check_vector(values: Sequence[float | None], index: int) -> Sequence[float]:
    """The vector of the text at `index`; 502 (final) if it cannot be used."""
    if not values:
        raise ApiError(
            502, f"The engine returned no vector for the text at index {index}.", code="engine_answer"
        )
    try:
        length = math.hypot(*values)  # type: ignore[arg-type]
    except TypeError:  # with null among them
        length = math.nan
    if not length <= _GREATEST_LENGTH:  # also for NaN
        raise _no_vector(
            index, "contains numbers that are not finite (NaN or infinity)", code="embedding_not_finite"
        )
    if length < _LEAST_LENGTH:
        raise _no_vector(index, "is all zeros", code="embedding_all_zeros")
    return values  # type: ignore[return-value]


def decode_numbers(answer: bytes, kind: type[Answer]) -> Answer:
    """As `decode_answer`, for answers that may contain NaN or infinities."""
    try:
        return from_json(answer, kind)
    except NOT_JSON:
        if answer.count(b",") > MAX_NUMBERS:  # Python's own JSON reader takes forty bytes for each number
            return decode_answer(answer, kind)
        try:
            return msgspec.convert(json.loads(answer), kind)
        except (ValueError, RecursionError):
            return decode_answer(answer, kind)


def _floats(text: str) -> tuple[float, ...]:
    _check_size(len(text) * 3 // 4 // _FLOAT32_BYTES)
    try:
        data = b64decode(text, validate=True)
        return struct.unpack(f"<{len(data) // _FLOAT32_BYTES}f", data)
    except (ValueError, struct.error) as exc:
        raise ApiError(
            502, "The engine's vector is not base64 of float32 numbers.", code="engine_answer"
        ) from exc


def _no_vector(index: int, what: str, *, code: str) -> ApiError:
    """The engine is at fault, hence 502; it would do the same again, hence `final`."""
    return ApiError(
        502,
        f"The engine's vector for the text at index {index} of 'input' {what}. This model "
        "file would give the same result again. Leave out the text, or use another file of "
        "the model.",
        param="input",
        code=code,
        final=True,
    )
