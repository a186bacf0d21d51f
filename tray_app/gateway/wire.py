"""Errors that aiohttp answers by itself, before any of our code is asked, in the JSON that clients read.

It has no hook for them: so its connections are made of a class that overrides its two public methods.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_exceptions import (
    BadHttpMethod,
    ContentEncodingError,
    HttpProcessingError,
    LineTooLong,
    PayloadEncodingError,
)

from tray_app.gateway.guard import error_response, unknown_encoding
from tray_app.gateway.openai import ApiError


class JsonErrorsRunner(web.AppRunner):
    """Runs an application of which every answer is one that clients can read."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # aiohttp has no parameter for the connections that it makes
        return server


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
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
        """Send an answer; those that aiohttp raises before our code is asked are made ours."""
        if isinstance(resp, web.HTTPException):
            resp = error_response(_error(resp.status, resp))
        return await super().finish_response(request, resp, start_time)


def _error(status: int, exc: BaseException | None) -> ApiError:
    if isinstance(exc, ContentEncodingError) and "install" in exc.message:
        return unknown_encoding()
    return ApiError(status, _words(exc))


def _words(exc: BaseException | None) -> str:
    """What is wrong, without what the sender has sent."""
    match exc:
        case PayloadEncodingError():
            words = "The body is not encoded as its headers say."
        case LineTooLong():
            words = "The address or a header of the request is too long."
        case BadHttpMethod() if "HTTPS" in exc.message:
            words = "This address speaks http, not https. Begin it with http://"
        case HttpProcessingError() if "Host" in exc.message:
            words = "The request must have one 'Host' header."
        case HttpProcessingError():
            words = "The request is not valid HTTP."
        case web.HTTPExpectationFailed():
            words = "Of 'Expect', only 100-continue is known here. Leave it out."
        case web.HTTPException():
            words = f"{exc.reason}."
        case _:
            words = "The app failed at this request. Its log says why."
    return words
