"""Corrects the paths of requests, and names the right address for those that do not exist. Event loop.

People type base URLs with and without /v1, with it twice, and with too many slashes. All of these are
corrected here, before the guard sees the request, so that all later code sees one spelling of each path.
"""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway.openai import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tray_app.gateway.replies import Handler
    from tray_app.gateway.rules import Rules

_ASKED = web.RequestKey("asked", str)
"""Set on a request whose path was corrected: the original path."""
_VERSION = "v1"
_NO_FILES = "files are not stored. Send text in the request itself."
_NOT_OFFERED = {
    "images": "its models do not create images.",
    "videos": "its models do not create videos.",
    "audio": "its models do not support speech.",
    "realtime": "its models do not support speech.",
    "assistants": "assistants are not stored. Use /v1/chat/completions with the whole conversation.",
    "threads": "conversations are not stored. Use /v1/chat/completions with the whole conversation.",
    "conversations": "conversations are not stored. Send the whole conversation with each request.",
    "files": _NO_FILES,
    "uploads": _NO_FILES,
    "vector_stores": "vectors are not stored. Use /v1/embeddings to create them.",
    "containers": "it does not run code.",
    "batches": (
        "requests are answered immediately. Send them one by one, or send a list of texts to /v1/embeddings."
    ),
    "fine_tuning": "it does not train models.",
    "evals": "it does not evaluate models.",
    "moderations": "it does not moderate text.",
}
"""What OpenAI has and this server lacks, by the name after the version, and why or what to use."""


class Router:
    """Corrects paths, and calls the handler of the route.

    A route whose path ends in a slash answers everything below it. `switches`: for a path, the setting that
    must be on. If the engine's own routes are on, a path that is spelled like one of them means that one,
    although there is a route with /v1 too: /embeddings, /completions.
    """

    def __init__(
        self, routes: Iterable[web.RouteDef], rules: Callable[[], Rules], switches: Mapping[str, str]
    ) -> None:
        self._handlers: dict[str, dict[str, Handler]] = {}
        for route in routes:
            self._handlers.setdefault(route.path, {})[route.method] = route.handler
        self._rules = rules
        self._switches = switches

    def addresses(self) -> list[tuple[str, str]]:
        """The methods and paths that programs may always use, in their order."""
        shown = [path for path in self._handlers if path not in self._switches and path.count("/") > 1]
        return [
            (method, path if path.rstrip("/") == path else f"{path}ID")
            for path in shown
            for method in self._handlers[path]
        ]

    @web.middleware
    async def put_right(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Replace the path of a request by that of the route which is meant."""
        path = self._meant(request.path)
        if path == request.path:
            return await handler(request)
        request[_ASKED] = request.path
        return await handler(request.clone(rel_url=request.rel_url.with_path(path, keep_query=True)))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer by the route; otherwise 404 or 405 with the right address."""
        handlers = self._handlers.get(self._route(request.path))
        if handlers is None or self._missing_setting(request.path):
            raise self._nothing(request)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in handlers:
            allowed = [*handlers, *(["HEAD"] if "GET" in handlers else [])]
            if method == "OPTIONS":
                return web.Response(status=204, headers={"Allow": ", ".join((*allowed, method))})
            right = f"{allowed[0]} {server_of(request)}{request.path}"
            text = f"{request.method} is not allowed at {_asked(request)}. Use {right}"
            raise web.HTTPMethodNotAllowed(request.method, allowed, text=text)
        try:
            return await handlers[method](request)
        except web.HTTPNotFound as exc:
            raise self._nothing(request) from exc

    def _meant(self, path: str) -> str:
        """The path of the route that is meant; the cleaned path if there is none."""
        if not path.startswith("/") or (self._rules().native_routes and path in self._switches):
            return path
        words = _words(path)
        name = "/".join(dropwhile(lambda word: word == _VERSION, words))
        if not name:
            return f"/{_VERSION}" if words else "/"
        versioned = f"/{_VERSION}/{name}"
        return versioned if self._route(versioned) in self._handlers else f"/{name}"

    def _route(self, path: str) -> str:
        """The path of the route that answers at `path`, if there is one."""
        if path in self._handlers:
            return path
        return next((route for route in self._handlers if _is_below(path, route)), path)

    def _missing_setting(self, path: str) -> str | None:
        """The setting that must be switched on for this path."""
        setting = self._switches.get(path)
        return setting if setting and not getattr(self._rules(), setting) else None

    def _nothing(self, request: web.Request) -> ApiError:
        server, asked = server_of(request), _asked(request)
        if setting := self._missing_setting(request.path):
            hint = f"To enable it, run: powerinfer-tray settings set {setting} true"
        elif near := self._nearest(asked):
            hint = f"Did you mean {next(iter(self._handlers[near]))} {server}{near}?"
        elif why := _NOT_OFFERED.get(_name(request.path)):
            hint = f"This server does not support it: {why}"
        elif request.path == f"/{_VERSION}":
            hint = (
                f"This is the base URL. Clients add a path to it, such as GET {server}{request.path}/models"
            )
        else:
            hint = f"The base URL for clients is {server}/{_VERSION}"
        return ApiError(404, f"There is nothing at {asked}. {hint}", code="unknown_url")

    def _nearest(self, asked: str) -> str | None:
        """The route with /v1 whose name is at the end of `asked`, however it is written."""
        lowered = f"/{'/'.join(_words(asked))}".lower()
        versioned = [route for route in self._handlers if route.startswith(f"/{_VERSION}/")]
        near = [route for route in versioned if lowered.endswith(route.removeprefix(f"/{_VERSION}"))]
        return max(near, key=len, default=None)


def _words(path: str) -> list[str]:
    """The names in a path, without slashes."""
    return [word for word in path.split("/") if word]


def _name(path: str) -> str:
    """The first name in a path after the version."""
    return next(dropwhile(lambda word: word == _VERSION, _words(path)), "")


def _is_below(path: str, route: str) -> bool:
    return route != "/" and route.endswith("/") and path.startswith(route) and path != route


def _asked(request: web.Request) -> str:
    """The original path of a request."""
    asked: str = request.get(_ASKED, request.path)
    return asked


def server_of(request: web.Request) -> str:
    """Scheme, name and port of this server, as the client wrote them."""
    host = request.headers.get("Host", "").encode(errors="backslashreplace").decode()  # untrusted bytes
    return f"{request.scheme}://{host}"
