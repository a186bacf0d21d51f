"""Checks every request first: who may send it. Runs on the event loop.

A web page that a person visits can send requests to loopback addresses. Two checks keep it out. It has no
key; where no key is needed, the `Host` header must name this machine. And a request with an `Origin` must
come from a page of this server or from one that the person allows. The engine's own
`Access-Control-Allow-Origin: *` is never passed on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway.key_guesses import Guesses
from tray_app.gateway.openai import ApiError
from tray_app.gateway.replies import REQUEST_ID, new_id
from tray_app.gateway.rules import Rules
from tray_app.settings.origins import OPAQUE, can_be_allowed, to_ask_about

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.gateway.replies import Handler


_SENDER = "Sec-Fetch-Site"
_OWN_SENDERS = ("none", "same-origin")
"""`Sec-Fetch-Site` of a request that a person has made in a browser, or a page of this server."""
_BROWSER = "Mozilla/"
"""How every browser begins its `User-Agent`, and an app that is one, as Obsidian and VS Code are."""
_MOST_QUOTED = 200
"""How many characters of a header are quoted in an error."""

_READ_BY_CLIENTS = f"{REQUEST_ID}, Retry-After, x-should-retry"


@web.middleware
async def local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a foreign web page may have sent."""
    _check_host(Rules(), request)
    _check_origin(Rules(), request, told=())
    return await handler(request)


class Guard:
    """Lets requests through that the rules permit. Bodies are checked where they are read (`intake.py`).

    `refused` is called with the entry that would let a page in which a person may be asked about.
    """

    def __init__(self, rules: Callable[[], Rules], refused: Callable[[str], None]) -> None:
        self._rules = rules
        self._refused = refused
        self._guesses = Guesses()

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests that are not permitted; answer a browser's preflight requests."""
        rules = self._rules()
        if not rules.key:
            _check_host(rules, request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            self._check_page(rules, request, told=())
            return _permission(request)  # a preflight request never carries a key
        if rules.key:
            self._guesses.check(rules.key, request)
        self._check_page(rules, request, told=rules.origins)
        return await handler(request)

    def _check_page(self, rules: Rules, request: web.Request, told: tuple[str, ...]) -> None:
        try:
            _check_origin(rules, request, told)
        except ApiError:
            is_browser = request.headers.get("User-Agent", "").startswith(_BROWSER)
            if is_browser and (entry := to_ask_about(request.headers.get("Origin", ""))):
                self._refused(entry)
            raise

    async def tell_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the answer's id, and what lets a permitted web page read it. For `on_response_prepare`."""
        response.headers.setdefault(REQUEST_ID, new_id())
        origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
        if origin not in (None, f"http://{host}") and self._rules().permits_origin(origin, host):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _READ_BY_CLIENTS
        # otherwise a cache could give one page the headers for another
        response.headers.add("Vary", "Origin")


def _check_host(rules: Rules, request: web.Request) -> None:
    host = request.headers.get("Host", "")
    if not rules.permits_host(host):
        raise ApiError(
            403,
            f"Without an API key, this server does not accept the host name {_quoted(host)}, "
            "because a web page could have bound its own name to this computer. Use localhost "
            "or 127.0.0.1 in the address, or require a key, which allows any name: "
            "powerinfer-tray key set gateway, then powerinfer-tray settings set network lan",
            code="host_not_allowed",
        )


def _check_origin(rules: Rules, request: web.Request, told: tuple[str, ...]) -> None:
    """Refuse web pages that are not permitted; `told` are the entries of the setting that the error may
    quote.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        if not rules.permits_every_page:
            _check_sender(request)
        return
    if rules.permits_origin(origin, request.headers.get("Host", "")):
        return
    raise ApiError(
        403,
        f"Web pages from {_quoted(origin)} may not use this server. {_how_to_allow(origin, told)}",
        code="origin_not_allowed",
    )


def _check_sender(request: web.Request) -> None:
    """Refuse requests of foreign pages that have no `Origin`: pictures, scripts, frames, forms.

    Such a page could not read the answers, but could notice that the app is running, and keep the engine
    busy. A link that opens the address as a page of its own is permitted. Programs that are not browsers send
    no such header (https://www.w3.org/TR/fetch-metadata/).
    """
    if request.headers.get(_SENDER, "none").lower() in _OWN_SENDERS or is_followed_link(request):
        return
    raise ApiError(
        403,
        "Web pages from other sites may not use this server. Add the ones that may to the "
        "setting allowed_origins. They must use fetch() with mode 'cors', so that the "
        "browser sends their origin.",
        code="origin_not_allowed",
    )


def is_followed_link(request: web.Request) -> bool:
    """Whether a browser opens the address as a page of its own, by a link or typed."""
    return (
        request.method in ("GET", "HEAD")
        and request.path == "/"
        and request.headers.get("Sec-Fetch-Mode", "").lower() == "navigate"
        and request.headers.get("Sec-Fetch-Dest", "").lower() == "document"
    )


def is_opened_by_person(request: web.Request) -> bool:
    """Whether a person has typed or chosen the address in a browser, or comes from a page of this server."""
    return is_followed_link(request) and request.headers.get(_SENDER, "").lower() in _OWN_SENDERS


def _how_to_allow(origin: str, told: tuple[str, ...]) -> str:
    """The command that permits an origin.

    The header is untrusted text, so it is quoted only if it is an origin.
    """
    if not can_be_allowed(origin):
        return "The setting allowed_origins lists the ones that may. This is not a valid origin."
    entries = " ".join((*told, origin.lower()))
    whose = " (any page can pretend to have this origin)" if origin == OPAQUE else ""
    return (
        f"To allow them{whose}, add them to the setting allowed_origins: "
        f'powerinfer-tray settings set allowed_origins "{entries}"'
    )


def _quoted(text: str) -> str:
    """A header's value, shortened and made harmless for an error text."""
    return repr(text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}…")


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
