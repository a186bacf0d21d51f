"""Long lists at llama.cpp's own routes, asked in portions as those at /v1/embeddings are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tray_app.gateway.asked import value_of
from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.openai import Fields, decode_part
from tray_app.gateway.portions import moved, portions, summed_usage
from tray_app.gateway.vectors import check_native_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.gateway.portions import Portion

EMBEDDINGS = ("/embedding", "/embeddings")
RERANK = ("/rerank", "/reranking")

_LISTS = dict.fromkeys(EMBEDDINGS, ("input", "content")) | dict.fromkeys(RERANK, ("documents", "texts"))
"""Where each route has its list; if both are there, llama.cpp takes the first."""
_IS_ONE = (b'"', b"[", b"{")
"""How an entry begins that stands for itself. With a number among them, all entries are one text together."""


@dataclass(frozen=True, slots=True)
class NativeList:
    """A request's list, and the name of the field in which it is."""

    name: str
    parts: Sequence[Portion]


def native_list(path: str, fields: Fields) -> NativeList | None:
    """A list that is so long that it is asked for in portions; None where there is none."""
    name = next((name for name in _LISTS.get(path, ()) if name in fields), None)
    if name is None or _first(fields[name]) != b"[":
        return None
    items = decode_part(fields[name], list[Raw])
    if not all(_first(item) in _IS_ONE for item in items):
        return None
    parts = portions(items)
    return NativeList(name, parts) if len(parts) > 1 else None


def joined_natively(path: str, fields: Fields, parts: Sequence[Portion], answers: Sequence[bytes]) -> bytes:
    """One answer to a whole list."""
    if path in EMBEDDINGS:
        lists = (moved(one, part.first) for part, one in zip(parts, answers, strict=True))
        return b"[" + b",".join(each[1:-1] for each in lists) + b"]"
    if "texts" in fields:  # in the form of Text Embeddings Inference
        ranks = [decode_answer(one, list[dict[str, Any]]) for one in answers]
        return msgspec.json.encode(_best(fields, parts, ranks))
    wholes = [decode_answer(one, Fields) for one in answers]
    ranks = [decode_answer(bytes(one.get("results", b"[]")), list[dict[str, Any]]) for one in wholes]
    results = Raw(msgspec.json.encode(_best(fields, parts, ranks)))
    return msgspec.json.encode({**wholes[0], "usage": summed_usage(wholes), "results": results})


def check_natively(path: str, answer: bytes, first: int = 0) -> None:
    """Refuse vectors that are none. `first`: the index in the whole list of the first one."""
    if path in EMBEDDINGS:
        check_native_embeddings(answer, first)


def _best(
    fields: Fields, parts: Sequence[Portion], ranks: Sequence[list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The documents from the best on, each with its index in the whole list."""
    every = [
        {**rank, "index": part.first + _number(rank, "index")}
        for part, found in zip(parts, ranks, strict=True)
        for rank in found
    ]
    every.sort(key=lambda rank: _number(rank, "relevance_score", "score"), reverse=True)
    most = value_of(fields, "top_n")
    return every[:most] if isinstance(most, int) else every


def _number(rank: dict[str, Any], *names: str) -> Any:
    return next((rank[name] for name in names if isinstance(rank.get(name), int | float)), 0)


def _first(value: Raw) -> bytes:
    return bytes(memoryview(value)[:1])
