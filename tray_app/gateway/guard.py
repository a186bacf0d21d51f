"""What every request passes first: who may ask, and errors in one shape. Runs on the event loop.

A web page that a person visits can send requests to loopback addresses. Two checks keep it out: it has no
key, or where none is asked for, the `Host` header must name this machine; and a request that names an
`Origin` must come from a page of ours or one that the person allows. The engine's own
`Access-Control-Allow-Origin: *` is never passed on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from tray_app.gateway.openai import ApiError
from tray_app.gateway.rules import Rules
from tray_app.settings.origins import OPAQUE, can_be_allowed

MAX_BODY_BYTES = 32 * 2**20
BODY_TIMEOUT_S = 60.0
_ENCODINGS = ("gzip", "deflate", "identity")
_MOST_QUOTED = 200
"""So many characters of a header are repeated in an error."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def openai_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal, ours or the HTTP library's, into the JSON that clients read."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_response(error)
    except web.HTTPMethodNotAllowed as exc:
        return error_response(ApiError(405, exc.text or ""), Allow=exc.headers["Allow"])
    except web.HTTPNotFound:
        return error_response(ApiError(404, f"There is nothing at {request.path}.", code="unknown_url"))
    except web.HTTPRequestEntityTooLarge:
        return error_response(ApiError(413, f"The body is larger than {MAX_BODY_BYTES // 2**20} MiB."))
    except web.RequestPayloadError:
        return error_response(ApiError(400, "The body is not encoded as its headers say."))


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page of somebody else may have sent."""
    _check_host(Rules(), request)
    _check_origin(Rules(), request, told=())
    return await handler(request)


class Guard:
    """Lets in what the rules permit, with its body read and within the limits."""

    def __init__(self, rules: Callable[[], Rules], body_timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._rules = rules
        self._body_timeout_s = body_timeout_s

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who may not ask; answer a browser's question what it may send; take the body in."""
        rules = self._rules()
        if not rules.key:
            _check_host(rules, request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            _check_origin(rules, request, told=())
            return _permission(request)  # it never carries a key
        if rules.key:
            check_key(rules.key, request)
        _check_origin(rules, request, told=rules.origins)
        if request.can_read_body:
            _check_encoding(request)
            await self._read(request)
        return await handler(request)

    async def tell_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a permitted web page read the answer. For `on_response_prepare`."""
        origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
        if origin not in (None, f"http://{host}") and self._rules().permits_origin(origin, host):
            response.headers["Access-Control-Allow-Origin"] = origin
        response.headers.add("Vary", "Origin")  # or a page would get what a cache keeps for another one

    async def _read(self, request: web.Request) -> None:
        """Take the whole body in; aiohttp keeps it, so that handlers get it without waiting."""
        try:
            async with asyncio.timeout(self._body_timeout_s):
                await request.read()
        except TimeoutError as exc:
            raise ApiError(408, f"The body did not arrive within {self._body_timeout_s:g} s.") from exc


def error_response(error: ApiError, **headers: str) -> web.Response:
    """An error as clients read it."""
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.final:
        headers["x-should-retry"] = "false"  # OpenAI's clients and AI Kit would ask twice more
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=error.status, body=error.body(), content_type="application/json", headers=headers
    )


def unknown_encoding() -> ApiError:
    """The refusal of a body that is compressed in a way that nothing here can undo."""
    return ApiError(
        415,
        f"The body's 'Content-Encoding' is not known here, but {', '.join(_ENCODINGS)}. Send it as it is.",
    )


def check_key(key: str, request: web.Request) -> None:
    """Refuse who does not show the key; how long that takes tells nothing of it."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = secrets.compare_digest(given.encode(errors="surrogateescape"), key.encode())
    if not same or scheme.lower() != "bearer":
        raise ApiError(401, "The API key is missing or wrong.", code="invalid_api_key")


def _check_host(rules: Rules, request: web.Request) -> None:
    host = request.headers.get("Host", "")
    if not rules.permits_host(host):
        raise ApiError(
            403,
            f"Without an API key, this server does not answer to the name {_quoted(host)}: a web page could "
            "have bound its own name to this computer. Use localhost or 127.0.0.1 in the address, or ask for "
            "a key, with which any name will do: powerinfer-tray key set gateway, then "
            "powerinfer-tray settings set network lan",
            code="host_not_allowed",
        )


def _check_origin(rules: Rules, request: web.Request, told: tuple[str, ...]) -> None:
    """Refuse pages that may not ask; `told` are the entries of the setting that the sender may hear of."""
    origin = request.headers.get("Origin")
    if origin is None or rules.permits_origin(origin, request.headers.get("Host", "")):
        return
    raise ApiError(
        403,
        f"Web pages of {_quoted(origin)} may not use this server. {_how_to_allow(origin, told)}",
        code="origin_not_allowed",
    )


def _how_to_allow(origin: str, told: tuple[str, ...]) -> str:
    """What its owner can type. Only what is an origin gets into a command: the header is anybody's text."""
    if not can_be_allowed(origin):
        return "The setting allowed_origins says which may; this is not the origin of one."
    entries = " ".join((*told, origin.lower()))
    whose = " (any page can pretend to be one of these)" if origin == OPAQUE else ""
    return (
        f"To allow them{whose}, add them to the setting allowed_origins: "
        f'powerinfer-tray settings set allowed_origins "{entries}"'
    )


def _quoted(text: str) -> str:
    """What a sender has sent, fit to be shown."""
    return repr(text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}…")


def _check_encoding(request: web.Request) -> None:
    """Refuse a body that is compressed in a way that would be taken for JSON as it is."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in _ENCODINGS:
        raise unknown_encoding()


def _permission(request: web.Request) -> web.Response:
    asked = request.headers.get("Access-Control-Request-Headers", "")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Allow-Private-Network": "true",
            "Access-Control-Max-Age": "600",
            "Vary": "Access-Control-Request-Headers",
        },
    )
