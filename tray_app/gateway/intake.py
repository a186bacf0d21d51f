"""Takes in the bodies of requests, within what all of them may hold together. Runs on the event loop.

Nothing is read before a request has its place, and nothing at a path that takes no body. What a sender says
of its body's length is believed only where it is too much: what counts is what has come.
"""

from __future__ import annotations

import asyncio
import io
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.byte_budget import ByteBudget
from tray_app.gateway.engine_errors import RETRY_AFTER_S
from tray_app.gateway.json_shape import BodyShape
from tray_app.gateway.unpacking import unpacker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.raw_json import Fields
    from tray_app.gateway.unpacking import Unpacker

BODY = web.RequestKey("body", bytes)
"""Set on a request whose body has been taken in."""
FIELDS: web.RequestKey[Fields] = web.RequestKey("fields", dict)
"""The same as JSON: set once it is known to be an object. Nothing in it is copied."""


class Intake:
    """Reads bodies, also many at once.

    A body may take `grace_s`, and from then on must come at `LEAST_BODY_BYTES_PER_S`; `most_s` in all.
    """

    def __init__(
        self,
        grace_s: float = limits.BODY_GRACE_S,
        most_s: float = limits.MAX_BODY_S,
    ) -> None:
        self._grace_s = grace_s
        self._most_s = most_s

    async def take(self, request: web.Request, most_bytes: int, held: Held) -> bytes:
        """The whole body of a request, which `held` counts.

        Raises
        ------
        ApiError
            413 for one that is larger than `most_bytes`, 429 if all bodies together hold too much, 408 for
            one that comes too slowly, 415 or 400 for one that cannot be read.

        """
        if BODY in request:  # a route has handed it on to another
            held.add(len(request[BODY]))
            return request[BODY]
        body = unpacker(request.headers.get("Content-Encoding", "identity"))
        if (request.content_length or 0) > most_bytes:
            raise _too_large(most_bytes)
        await _ask_for(request)
        data, shape = io.BytesIO(), BodyShape()
        is_here = request.content.is_eof()  # as most are: a clock for it would cost more than to read it
        now_s = asyncio.get_running_loop().time()
        deadline_s, late_s = now_s + self._most_s, now_s + self._grace_s
        try:
            async with asyncio.timeout_at(None if is_here else min(late_s, deadline_s)) as clock:
                async for piece in _pieces(request, body):
                    data.write(piece)
                    if data.tell() > most_bytes:
                        raise _too_large(most_bytes)
                    held.add(len(piece))
                    shape.add(piece)
                    if not is_here:
                        earned_s = data.tell() / limits.LEAST_BODY_BYTES_PER_S
                        clock.reschedule(min(late_s + earned_s, deadline_s))
        except TimeoutError as exc:
            raise ApiError(408, "The body was sent too slowly.") from exc
        return data.getvalue()  # which makes no copy, as `bytes` of a `bytearray` does


def bodies_budget(most_bytes: int = limits.MAX_ALL_BODIES_BYTES) -> ByteBudget:
    """What the bodies of all requests at work may hold; 429 for who brings more."""
    return ByteBudget(
        most_bytes,
        lambda: ApiError(
            429,
            "The requests in progress contain too much data together. Try again.",
            code="queue_full",
            retry_after_s=RETRY_AFTER_S,
        ),
    )


async def expect_nothing_yet(request: web.Request) -> None:
    """For a client that asks before it sends its body: it hears 100 when that is wanted, or the refusal."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


async def _ask_for(request: web.Request) -> None:
    if "Expect" in request.headers and request.transport:
        request.transport.write(b"HTTP/1.1 %d Continue\r\n\r\n" % HTTPStatus.CONTINUE)


async def _pieces(request: web.Request, body: Unpacker) -> AsyncIterator[bytes]:
    """The body as it comes; others have their turn between the pieces that are unpacked."""
    while chunk := await request.content.readany():
        for piece in body.add(chunk):
            yield piece
            if len(piece) == limits.UNPACKED_AT_ONCE_BYTES:
                await asyncio.sleep(0)
    body.end()


def _too_large(most_bytes: int) -> ApiError:
    return ApiError(413, f"The body is larger than {most_bytes // limits.MIB} MiB.", code="body_too_large")
