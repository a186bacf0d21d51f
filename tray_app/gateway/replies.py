"""The answers that clients get: JSON, and errors in the form of each API. Runs on the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway.apis.forms import FORM
from tray_app.gateway.openai import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Middleware

    from tray_app.gateway.body_worker import BodyWorker

REQUEST_ID = "x-request-id"
"""Of each answer, as OpenAI has it: made here, whatever a client sends under this name."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def errors_as(body_of: Callable[[ApiError], bytes]) -> Middleware:
    """What turns every error, also those of the HTTP library, into the JSON that clients of an API read."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        def response(error: ApiError, **headers: str) -> web.Response:
            return error_response(error, body_of(error), **headers)

        try:
            return await handler(request)
        except ApiError as error:
            return response(error)
        except web.HTTPMethodNotAllowed as exc:
            return response(ApiError(405, exc.text or ""), Allow=exc.headers["Allow"])
        except web.HTTPNotFound:
            return response(ApiError(404, f"There is nothing at {request.path}.", code="unknown_url"))
        except web.HTTPRequestEntityTooLarge:
            return response(ApiError(413, "The body is too large."))
        except web.RequestPayloadError:
            return response(ApiError(400, "The body does not match the encoding in its headers."))

    return told


def errors_below(forms: Mapping[str, Callable[[ApiError], bytes]]) -> Middleware:
    """What turns errors at these paths, and below them, into the JSON that clients of other APIs read."""
    middlewares = {path: errors_as(body_of) for path, body_of in forms.items()}

    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        for path, middleware in middlewares.items():
            if f"{request.path}/".startswith(f"{path}/"):
                return await middleware(request, handler)
        return await handler(request)

    return told


def error_response(error: ApiError, body: bytes | None = None, **headers: str) -> web.Response:
    """An error as an HTTP response, with the body that OpenAI's clients expect unless another is given.

    It has an id also where no application answers.
    """
    headers[REQUEST_ID] = new_id()
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.final:
        headers["x-should-retry"] = "false"  # otherwise OpenAI's clients and AI Kit would try twice more
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=error.status, body=body or error.body(), content_type="application/json", headers=headers
    )


openai_errors = errors_as(ApiError.body)
"""As OpenAI's clients read them."""


def new_id() -> str:
    """An id for one answer."""
    return f"req_{token_hex(16)}"


def json_response(body: bytes) -> web.Response:
    """An answer that is JSON already."""
    return web.Response(body=body, content_type="application/json")


async def sent_whole(request: web.Request, body: bytes, body_worker: BodyWorker) -> web.Response:
    """An answer in the form of the request's API that its client has taken, or has not wanted any more: until
    then it counts.
    """
    if form := request.get(FORM):
        answer = body
        body = await body_worker.run(len(answer), lambda: form.whole(answer))
    response = json_response(body)
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()
    return response
