"""What every request passes first: who may ask, and errors in one shape. Runs on the event loop.

A web page that a person visits can send requests to loopback addresses. Two checks keep it out: the `Host`
header must name this machine (a page whose own name was re-bound to 127.0.0.1 keeps its name there), and a
request that names an `Origin` must come from a page of ours. The engine's own `Access-Control-Allow-Origin:
*` is never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from tray_app.gateway.openai import ApiError

MAX_BODY_BYTES = 32 * 2**20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)


@web.middleware
async def openai_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal, ours or the HTTP library's, into the JSON that clients read."""
    try:
        return await handler(request)
    except ApiError as error:
        return _response(error)
    except web.HTTPMethodNotAllowed as exc:
        return _response(ApiError(405, f"{request.method} is not allowed here."), Allow=exc.headers["Allow"])
    except web.HTTPNotFound:
        return _response(ApiError(404, f"There is nothing at {request.path}.", code="unknown_url"))
    except web.HTTPRequestEntityTooLarge:
        return _response(ApiError(413, f"The body is larger than {MAX_BODY_BYTES // 2**20} MiB."))


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page of somebody else may have sent."""
    host = request.headers.get("Host", "")
    if not _LOCAL_HOST.fullmatch(host):
        raise ApiError(
            403, "This server answers only requests to localhost or 127.0.0.1.", code="host_not_allowed"
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise ApiError(403, "Web pages may not use this server.", code="origin_not_allowed")
    return await handler(request)


def _response(error: ApiError, **headers: str) -> web.Response:
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return web.Response(
        status=error.status, body=error.body(), content_type="application/json", headers=headers
    )
