"""aiohttp's connections with what it has no hooks for: idle times, unread answers, and errors as JSON.

aiohttp answers some errors by itself before any of our code is called. So its connections are made of a class
that overrides its public methods.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong, PayloadEncodingError

from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.limits import READ_AT_ONCE_BYTES
from tray_app.gateway.openai import ApiError
from tray_app.gateway.replies import error_response


class WireRunner(web.AppRunner):
    """Runs an application with `Connection` for its connections."""

    wire: WireServer

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = WireServer  # aiohttp has no parameter for the connections that it makes
        self.wire = cast("WireServer", server)
        self.wire.open, self.wire.changed = {}, asyncio.Event()
        return server


class WireServer(web.Server):
    """Makes the connections, and has a list of the open ones.

    `changed` is set when a connection has begun or ended, or its request has ended.
    """

    open: dict[Connection, asyncio.Transport]
    changed: asyncio.Event

    def __call__(self) -> web.RequestHandler:
        """A protocol for a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """A client has come."""
        self.open[cast("Connection", handler)] = transport
        self.changed.set()
        super().connection_made(handler, transport)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A client is gone."""
        self.open.pop(cast("Connection", handler), None)
        self.changed.set()
        super().connection_lost(handler, exc)


class Connection(web.RequestHandler):
    """One client's connection.

    `is_busy`: whether it has a request that is not answered yet. `idle_since_s` and `taken_s`, by the loop's
    clock: when its last request ended, and when its client was last seen to take some of an answer.
    """

    def __init__(self, server: WireServer, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        self._server = server
        self.idle_since_s = self.taken_s = loop.time()
        self.is_busy = False
        self._unread = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        # asyncio has no parameter for how much is read before it is somebody else's turn: 256 KiB of each of
        # a hundred clients that send bodies take a third of a second. A loop of another kind ignores it.
        transport.max_size = READ_AT_ONCE_BYTES  # type: ignore[attr-defined]
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """A client has sent something; a part of a head is no request yet."""
        super().data_received(data)
        self.is_busy = self.is_busy or bool(self._messages)

    def look(self, unread: int, now_s: float) -> None:
        """Note how many bytes of answers are still to be taken."""
        if unread < self._unread or not unread:
            self.taken_s = now_s
        self._unread = unread

    def resume_writing(self) -> None:
        """Most of what was to be taken has been."""
        super().resume_writing()
        self.taken_s = self._loop.time()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no request, or has made our code fail; it is the connection's last."""
        super().handle_error(request, status, exc, message)  # writes the log
        response = error_response(_error(status, exc))
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; those that aiohttp raises before our code is asked are made ours.

        aiohttp keeps both request and answer until the next request comes: their bodies go before.
        """
        for key in (BODY, FIELDS):
            request.pop(key, None)
        if isinstance(resp, web.HTTPException):
            resp = error_response(_error(resp.status, resp))
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            if isinstance(resp, web.Response):
                resp.body = None
            self.idle_since_s = self._loop.time()
            self.is_busy = bool(self._messages)
            self._server.changed.set()


def _error(status: int, exc: BaseException | None) -> ApiError:
    return ApiError(status, _words(exc))


def _words(exc: BaseException | None) -> str:
    """What is wrong, without what the sender has sent."""
    match exc:
        case PayloadEncodingError():
            words = "The body does not match the encoding in its headers."
        case LineTooLong():
            words = "The URL or a header of the request is too long."
        case BadHttpMethod() if "HTTPS" in exc.message:
            words = "This address uses http, not https. Start it with http://"
        case HttpProcessingError() if "Host" in exc.message:
            words = "The request must have one 'Host' header."
        case HttpProcessingError():
            words = "The request is not valid HTTP."
        case web.HTTPExpectationFailed():
            words = "The only supported value of 'Expect' is 100-continue. Leave it out."
        case web.HTTPException():
            words = f"{exc.reason}."
        case _:
            words = "The app failed to handle this request. See its log."
    return words
