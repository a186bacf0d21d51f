"""Finds what a client means by a path, and says where to ask in place of one that is not there. Event loop.

Base URLs are typed with and without /v1, with it twice, with slashes too many: all of them are read here,
once the guard has let the request in, so that no form of a path gets around it.
"""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING

from aiohttp import web

from tray_app.gateway.openai import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tray_app.gateway.guard import Handler
    from tray_app.gateway.rules import Rules

BELOW = web.RequestKey("below", str)
"""Set on a request for a route that ends in a slash: what the path has after it."""
_VERSION = "v1"


class Router:
    """Answers any path with the handler of its route.

    A route whose path ends in a slash answers what is below it. `switches` names for a path the setting
    without which it is not there. With the engine's own routes, what is spelled as one of them is that one,
    though there is one with /v1 before it, too: /embeddings, /completions.
    """

    def __init__(
        self, routes: Iterable[web.RouteDef], rules: Callable[[], Rules], switches: Mapping[str, str]
    ) -> None:
        self._handlers: dict[str, dict[str, Handler]] = {}
        for route in routes:
            self._handlers.setdefault(route.path, {})[route.method] = route.handler
        self._rules = rules
        self._switches = switches

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The answer of the route that is meant; else 404 or 405, with the address that is right."""
        path = self._meant(request)
        handlers = self._handlers.get(path)
        if handlers is None or self._missing_setting(path):
            raise self._nothing(request, path)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in handlers:
            allowed = [*handlers, *(["HEAD"] if "GET" in handlers else [])]
            where = f"{_origin(request)}{path}{request.get(BELOW, '')}"
            text = f"{request.method} is not allowed at {request.path}: use {allowed[0]} {where}"
            raise web.HTTPMethodNotAllowed(request.method, allowed, text=text)
        try:
            return await handlers[method](request)
        except web.HTTPNotFound as exc:
            raise self._nothing(request, path) from exc

    def _meant(self, request: web.Request) -> str:
        """The path of the route that is meant; one that no route has if there is none."""
        if self._rules().native_routes and request.path in self._switches:
            return request.path
        name = "/".join(dropwhile(lambda word: word == _VERSION, words(request.path)))
        if not name:
            return f"/{_VERSION}" if words(request.path) else "/"
        group, slash, below = name.partition("/")
        if below and f"/{_VERSION}/{group}{slash}" in self._handlers:
            request[BELOW] = below
            return f"/{_VERSION}/{group}{slash}"
        return next(
            (path for path in (f"/{_VERSION}/{name}", f"/{name}") if path in self._handlers), f"/{name}"
        )

    def _missing_setting(self, path: str) -> str | None:
        """The setting that would have to be on for this path to be there."""
        setting = self._switches.get(path)
        return setting if setting and not getattr(self._rules(), setting) else None

    def _nothing(self, request: web.Request, path: str) -> ApiError:
        if setting := self._missing_setting(path):
            hint = f"It is there with: powerinfer-tray settings set {setting} true"
        elif near := self._nearest(request.path, path):
            hint = f"Do you mean {next(iter(self._handlers[near]))} {_origin(request)}{near}?"
        elif path == f"/{_VERSION}":
            hint = f"It is the base URL: programs add to it, as in GET {_origin(request)}{path}/models"
        else:
            hint = f"The base URL for programs is {_origin(request)}/{_VERSION}"
        return ApiError(404, f"There is nothing at {request.path}. {hint}", code="unknown_url")

    def _nearest(self, asked: str, path: str) -> str | None:
        """The route that has to be spelled as it is, or the one with /v1 whose name is the end of `asked`."""
        if path in self._handlers and path != asked:
            return path
        asked = f"/{'/'.join(words(asked))}".lower()
        names = [
            route.removeprefix(f"/{_VERSION}")
            for route in self._handlers
            if route.startswith(f"/{_VERSION}/")
        ]
        near = [name for name in names if asked.endswith(name)]
        return f"/{_VERSION}{max(near, key=len)}" if near else None


def words(path: str) -> list[str]:
    """The names in a path, whatever slashes stand between and around them."""
    return [word for word in path.split("/") if word]


def _origin(request: web.Request) -> str:
    """Scheme, name and port of this server, as the client has them."""
    return f"{request.scheme}://{request.headers.get('Host', '')}"
