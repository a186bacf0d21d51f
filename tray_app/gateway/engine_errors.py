"""Failures of an engine as errors for clients. Pure.

503 with Retry-After if asking again helps (the engine has crashed and is being restarted), 502 if it does
not.
"""

from __future__ import annotations

import asyncio
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import aiohttp

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.byte_budget import ByteBudget
from tray_app.gateway.raw_json import from_json
from tray_app.gateway.upstream import ENGINE_UNAVAILABLE
from tray_app.gateway.utf8 import check_utf8
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.engine_connections import HttpAnswer

Answer = TypeVar("Answer")

RETRY_AFTER_S = 2


@contextmanager
def engine_faults() -> Iterator[None]:
    """Turn a failed connection to the engine into 503: the engine has crashed, and the supervisor starts it
    again.
    """
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise ApiError(
            503,
            "The engine stopped while it worked on this request. Try again.",
            code=ENGINE_UNAVAILABLE,
            retry_after_s=RETRY_AFTER_S,
        ) from exc


class ChunkCheck(Protocol):
    """Checks an answer piece by piece as it arrives."""

    def add(self, piece: bytes) -> None:
        """Check the next piece; `ApiError` if the answer cannot be used."""


async def whole_answer(
    answer: HttpAnswer,
    most_bytes: int = limits.MAX_ANSWER_BYTES,
    check: ChunkCheck | None = None,
    held: Held | None = None,
) -> bytes:
    """The body of an engine's answer; 502 if it is larger than any that is right, or takes too long.

    `held` counts it.
    """
    body = io.BytesIO()
    try:
        is_here = answer.content.is_eof()  # as most are: a clock for it would cost more than to read it
        async with asyncio.timeout(None if is_here else limits.MAX_ANSWER_S):
            while piece := await answer.content.readany():
                body.write(piece)
                if body.tell() > most_bytes:
                    raise too_large(most_bytes)
                if held:
                    held.add(len(piece))
                if check:
                    check.add(piece)
    except TimeoutError as exc:
        raise ApiError(502, "The engine's answer did not end.", code="engine_answer", final=True) from exc
    return body.getvalue()


def answers_budget(most_bytes: int = limits.MAX_ALL_ANSWERS_BYTES) -> ByteBudget:
    """What the answers of remote servers may hold; 503 for more."""
    return ByteBudget(
        most_bytes,
        lambda: ApiError(
            503,
            "The answers in progress are too large together. Try again.",
            code="queue_full",
            retry_after_s=RETRY_AFTER_S,
        ),
    )


def too_large(most_bytes: int) -> ApiError:
    """The error for an answer, or an event of it, that is too large."""
    return ApiError(
        502,
        f"The engine's answer is larger than {most_bytes // limits.MIB} MiB. Ask for less at once.",
        code="engine_answer",
        final=True,
    )


def decode_answer(data: bytes, kind: type[Answer]) -> Answer:
    """An engine's answer as a value; 502 if it is not of this type. The message does not quote the answer."""
    try:
        check_utf8(data)
        return from_json(data, kind)
    except NOT_JSON as exc:
        raise ApiError(502, "The engine's answer is not what was expected.", code="engine_answer") from exc
