"""Server-sent events: read from an engine, written to a client. Runs on the gateway's event loop.

AI Kit splits each received piece at newlines, fails at a line that is not `data: …`, and does not join
characters that were cut. So each event is one write, in ASCII, without comments and pings.
"""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import engine_faults, too_large
from tray_app.gateway.limits import MAX_LOCAL_EVENT_BYTES
from tray_app.gateway.raw_json import ascii_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from aiohttp import StreamReader

DONE = b"[DONE]"
EVENT_STREAM = "text/event-stream"
BROKEN = web.RequestKey("broken", bool)
"""Set on a request whose answer failed after its status had been sent."""

_FIELD, _DATA = b"data:", b"data: "
_NOTHING = (b"", b"null")
"""Payloads to ignore: llama.cpp begins the stream for several prompts with null."""


class Writer(Protocol):
    """How an answer is streamed to clients of one API."""

    content_type: str

    def pieces(self, payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """What is written, each at once, for these payloads in OpenAI's form."""

    def fault(self, error: ApiError) -> bytes:
        """What is written if the answer cannot be ended."""


class _ServerSentEvents:
    """OpenAI's way."""

    content_type = EVENT_STREAM

    async def pieces(self, payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        async with aclosing(payloads):
            async for payload in payloads:
                yield plain_event(payload)

    def fault(self, error: ApiError) -> bytes:
        return plain_event(error.body())


WRITER: web.RequestKey[Writer] = web.RequestKey("writer", object)  # type: ignore[arg-type]  # a protocol
"""Set on a request whose answer is streamed in another way than OpenAI's."""


class _ClientLeftError(Exception):
    """The client has disconnected."""


class EventSplitter:
    """Turns pieces of any size into the payloads of their `data:` lines.

    The space after the colon may be missing (https://html.spec.whatwg.org/multipage/server-sent-events.html).
    """

    def __init__(self, most_bytes: int = MAX_LOCAL_EVENT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._pending: list[bytes] = []
        """The pieces of the line that has no end yet: joined once, as a large event has many."""
        self._pending_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads that `chunk` completes; `ApiError` if an event is too large."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join((*self._pending, lines[0]))
            self._pending, self._pending_bytes = [], 0
        self._pending.append(rest)
        self._pending_bytes += len(rest)
        if self._pending_bytes > self._most_bytes:
            raise too_large(self._most_bytes)
        return _payloads(lines)

    def end(self) -> list[bytes]:
        """The payload of the last line, if the engine ended it without a newline."""
        return _payloads([b"".join(self._pending)])


async def engine_payloads(
    content: StreamReader, most_bytes: int = MAX_LOCAL_EVENT_BYTES
) -> AsyncGenerator[bytes]:
    """The payloads that an engine sends, as they come."""
    splitter = EventSplitter(most_bytes)
    with engine_faults():
        async for chunk in content.iter_any():
            for payload in splitter.feed(chunk):
                yield payload
    for payload in splitter.end():
        yield payload


def _payloads(lines: list[bytes]) -> list[bytes]:
    """The payloads in these lines, without comments and events that only keep a connection alive."""
    found = (line.removeprefix(_FIELD).strip(b" \t\r") for line in lines if line.startswith(_FIELD))
    return [payload for payload in found if payload not in _NOTHING]


async def write_events(request: web.Request, payloads: AsyncGenerator[bytes]) -> web.StreamResponse:
    """Answer with one event for each payload as it comes, until the client disconnects.

    The payloads are in OpenAI's form; `WRITER` may be set on the request for a client of another API.

    Raises
    ------
    ApiError
        If it happens before the first event; later, the status is sent and the error becomes an event.

    """
    writer = request.get(WRITER) or _ServerSentEvents()
    response = web.StreamResponse(headers={"Content-Type": writer.content_type, "Cache-Control": "no-cache"})
    try:
        async with aclosing(writer.pieces(payloads)) as pieces:
            try:
                async for piece in pieces:
                    await _write(request, response, piece)
            except ApiError as error:
                if not response.prepared:
                    raise
                request[BROKEN] = True
                await _write(request, response, writer.fault(error))
        if not response.prepared:
            raise ApiError(502, "The engine stopped before its answer began.", code="engine_answer")
        with _taken_by_client():
            await response.write_eof()
    except _ClientLeftError:
        pass  # not an error; aiohttp closes the connection
    return response


async def _write(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    with _taken_by_client():
        if not response.prepared:
            await response.prepare(request)
        await response.write(piece)


def plain_event(payload: bytes) -> bytes:
    """A server-sent event without a name, in ASCII."""
    return _DATA + ascii_json(payload) + b"\n\n"


@contextmanager
def _taken_by_client() -> Iterator[None]:
    """Wraps each write to the client, so that its failure is not taken for a failure of the engine."""
    try:
        yield
    except ConnectionError as exc:
        raise _ClientLeftError from exc
