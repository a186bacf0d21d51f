"""What an engine does wrong, told to clients. Pure.

503 with Retry-After where asking again helps (the engine is gone and is being restarted), 502 where it does
not.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiohttp
import msgspec

from tray_app.gateway import limits
from tray_app.gateway.openai import ApiError
from tray_app.gateway.utf8 import check_utf8
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

Answer = TypeVar("Answer")

RETRY_AFTER_S = 2


@contextmanager
def engine_faults() -> Iterator[None]:
    """Turn a connection that fails into an answer: the engine has died, and the supervisor starts another."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise ApiError(
            503,
            "The engine stopped while it worked on this request. Try again.",
            code="engine_unavailable",
            retry_after_s=RETRY_AFTER_S,
        ) from exc


class Looker(Protocol):
    """Looks at an answer as it arrives."""

    def add(self, piece: bytes) -> None:
        """Look at what comes next; `ApiError` if the answer cannot be used."""


async def whole_answer(
    answer: aiohttp.ClientResponse,
    most_bytes: int = limits.MAX_ANSWER_BYTES,
    looked_at_by: Looker | None = None,
) -> bytes:
    """The body of an engine's answer; 502 if it is larger than any that is right, or takes too long."""
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.MAX_ANSWER_S):
            while piece := await answer.content.readany():
                pieces.append(piece)
                size += len(piece)
                if size > most_bytes:
                    raise too_large(most_bytes)
                if looked_at_by:
                    looked_at_by.add(piece)
    except TimeoutError as exc:
        raise ApiError(502, "The engine's answer did not end.", code="engine_answer", final=True) from exc
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(most_bytes: int) -> ApiError:
    """The refusal of an answer, or an event of it, that is larger than any that is right."""
    return ApiError(
        502,
        f"The engine's answer is larger than {most_bytes // limits.MIB} MiB. Ask for less at once.",
        code="engine_answer",
        final=True,
    )


def decode_answer(data: bytes, kind: type[Answer]) -> Answer:
    """An engine's answer as a value; 502 if it is none. The message leaves out what the answer says."""
    try:
        check_utf8(data)
        return msgspec.json.decode(data, type=kind)
    except NOT_JSON as exc:
        raise ApiError(502, "The engine's answer is not what was expected.", code="engine_answer") from exc
