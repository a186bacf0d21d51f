"""Server-sent events: read from an engine, written to a client. Runs on the gateway's event loop.

AI Kit splits what arrives at newlines, gives up at a line that is no `data: …`, and does not put together
characters that were cut. Hence one write for each event, ASCII only, no comments, no pings.
"""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway.engine_errors import too_large
from tray_app.gateway.limits import MAX_LOCAL_EVENT_BYTES
from tray_app.gateway.openai import ApiError, ascii_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator


DONE = b"[DONE]"
EVENT_STREAM = "text/event-stream"
BROKEN = web.RequestKey("broken", bool)
"""Set on a request whose answer broke off after its status had been sent."""

_FIELD, _DATA = b"data:", b"data: "
_NOTHING = (b"", b"null")
"""llama.cpp begins the stream of several prompts with null."""


class _ClientLeftError(Exception):
    """Nobody takes the answer any more."""


class EventSplitter:
    """Cuts what arrives in pieces of any size into the payloads of its `data:` lines.

    The blank behind the colon may be missing (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    """

    def __init__(self, most_bytes: int = MAX_LOCAL_EVENT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._pending = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes; `ApiError` if an event is larger than any that is right."""
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        if len(self._pending) > self._most_bytes:
            raise too_large(self._most_bytes)
        return _payloads(lines)

    def end(self) -> list[bytes]:
        """What the last line holds, if the engine ended it without a newline."""
        return _payloads([self._pending])


def _payloads(lines: list[bytes]) -> list[bytes]:
    """What is no data is left out: comments, and events that only keep a connection alive."""
    found = (line.removeprefix(_FIELD).strip(b" \t\r") for line in lines if line.startswith(_FIELD))
    return [payload for payload in found if payload not in _NOTHING]


async def write_events(request: web.Request, payloads: AsyncGenerator[bytes]) -> web.StreamResponse:
    """Answer with one event for each payload, at once, for as long as the client takes them.

    Raises
    ------
    ApiError
        If it happens before the first event; later, the status is sent and the error becomes an event.

    """
    response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache"})
    try:
        async with aclosing(payloads):
            try:
                async for payload in payloads:
                    await _write_event(request, response, payload)
            except ApiError as error:
                if not response.prepared:
                    raise
                request[BROKEN] = True
                await _write_event(request, response, error.body())
        if not response.prepared:
            raise ApiError(502, "The engine ended its answer before it began.", code="engine_answer")
        with _taken_by_client():
            await response.write_eof()
    except _ClientLeftError:
        pass  # no fault of anybody's; aiohttp ends the connection
    return response


async def _write_event(request: web.Request, response: web.StreamResponse, payload: bytes) -> None:
    with _taken_by_client():
        if not response.prepared:
            await response.prepare(request)
        await response.write(_DATA + ascii_json(payload) + b"\n\n")


@contextmanager
def _taken_by_client() -> Iterator[None]:
    """Around each writing, so that what fails there is not taken for a failure of the engine."""
    try:
        yield
    except ConnectionError as exc:
        raise _ClientLeftError from exc
