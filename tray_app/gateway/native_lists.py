"""Long lists at llama.cpp's own routes, asked in portions as those at /v1/embeddings are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Raw

from tray_app.gateway.portions import moved, portions
from tray_app.gateway.raw_json import decode_part, opening
from tray_app.gateway.vectors import check_native_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.gateway.portions import Portion
    from tray_app.gateway.raw_json import Fields

EMBEDDINGS = ("/embedding", "/embeddings")
_LISTS = ("input", "content")
"""Where they have their lists; if both are there, llama.cpp takes the first."""
_IS_ONE = (b'"', b"[", b"{")
"""How an entry begins that stands for itself. With a number among them, all entries are one text together."""


@dataclass(frozen=True, slots=True)
class NativeList:
    """A request's list, and the name of the field in which it is."""

    name: str
    parts: Sequence[Portion]


def native_list(path: str, fields: Fields) -> NativeList | None:
    """A list that is so long that it is asked for in portions; None where there is none."""
    name = next((name for name in _LISTS if name in fields), None) if path in EMBEDDINGS else None
    if name is None or opening(fields[name]) != b"[":
        return None
    items = decode_part(fields[name], list[Raw])
    if not all(opening(item) in _IS_ONE for item in items):
        return None
    parts = portions(items)
    return NativeList(name, parts) if len(parts) > 1 else None


def joined_natively(parts: Sequence[Portion], answers: Sequence[bytes]) -> bytes:
    """One answer to a whole list."""
    lists = (moved(one, part.first) for part, one in zip(parts, answers, strict=True))
    return b"[" + b",".join(each[1:-1] for each in lists) + b"]"


def check_natively(path: str, answer: bytes, first: int = 0) -> None:
    """Refuse vectors that are none. `first`: the index in the whole list of the first one."""
    if path in EMBEDDINGS:
        check_native_embeddings(answer, first)
