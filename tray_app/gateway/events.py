"""Server-sent events: read from an engine, written to a client. Runs on the gateway's event loop.

AI Kit splits what arrives at newlines, gives up at a line that is no `data: …`, and does not put together
characters that were cut. Hence one write for each event, ASCII only, no comments, no pings.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway.openai import ApiError, ascii_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


DONE = b"[DONE]"
EVENT_STREAM = "text/event-stream"
BROKEN = web.RequestKey("broken", bool)
"""Set on a request whose answer broke off after its status had been sent."""

_DATA = b"data: "


class EventSplitter:
    """Cuts what arrives in pieces of any size into the payloads of its `data: ` lines."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        return [line.removeprefix(_DATA).rstrip(b"\r") for line in lines if line.startswith(_DATA)]


async def write_events(request: web.Request, payloads: AsyncGenerator[bytes]) -> web.StreamResponse:
    """Answer with one event for each payload, at once.

    Raises
    ------
    ApiError
        If it happens before the first event; later, the status is sent and the error becomes an event.

    """
    response: web.StreamResponse | None = None
    async with aclosing(payloads):
        try:
            async for payload in payloads:
                if response is None:
                    response = web.StreamResponse(
                        headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache"}
                    )
                    await response.prepare(request)
                await response.write(_event(payload))
        except ApiError as error:
            if response is None:
                raise
            request[BROKEN] = True
            await response.write(_event(error.body()))
    if response is None:
        raise ApiError(502, "The engine ended its answer before it began.", code="engine_answer")
    await response.write_eof()
    return response


def _event(payload: bytes) -> bytes:
    return _DATA + ascii_json(payload) + b"\n\n"
