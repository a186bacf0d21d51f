"""The public address: its routes, and which engine's dialect answers. Thread: "gateway"."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

from tray_app.gateway.guard import MAX_BODY_BYTES, local_only, openai_errors
from tray_app.gateway.listener import HOST, Listener
from tray_app.gateway.openai import ApiError, ModelCard, ModelList
from tray_app.gateway.passthrough import Passthrough
from tray_app.gateway.powerinfer import PowerInfer
from tray_app.gateway.translation import Translation
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tray_app.gateway.upstream import FindUpstream, Upstream

# No limit on the whole: a long generation is no fault. A slow processor may take minutes for a long prompt.
_TIMEOUT = ClientTimeout(total=None, sock_connect=5.0, sock_read=600.0)
_KEEP_ALIVE_S = 2.0  # shorter than llama.cpp's 5 s, so that it never hangs up on a request


class Dialect(Protocol):
    """Answers the three requests that need an engine."""

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""


class Gateway:
    """Offers whatever engine `upstream` names at one address. `temperature` is for requests that name none.

    Both are called on the gateway's thread, for each request, and must answer at once.
    """

    def __init__(self, upstream: FindUpstream, temperature: Callable[[], float]) -> None:
        self._upstream = upstream
        self._temperature = temperature
        self._listener = Listener("gateway", self._application)

    @property
    def base_url(self) -> str | None:
        """What a client is given, as http://127.0.0.1:8080/v1; None while closed."""
        port = self._listener.port
        return None if port is None else f"http://{HOST}:{port}/v1"

    def open(self, port: int) -> None:
        """Offer the address; blocks until it is bound. OSError if it cannot be. 0 takes any free port."""
        self._listener.open(port)

    def close(self, timeout_s: float = 5.0) -> None:
        """Withdraw the address and end what is under way. It may be opened again."""
        self._listener.close(timeout_s)

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[web.Application]:
        # PowerInfer sends header and body apart: on a kept connection each answer waits 40 ms for an
        # acknowledgement, so each of its requests gets a connection of its own.
        async with (
            _session(TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)) as kept,
            _session(TCPConnector(limit=0, force_close=True)) as fresh,
        ):
            application = web.Application(
                middlewares=[openai_errors, local_only], client_max_size=MAX_BODY_BYTES
            )
            application.add_routes(
                _Routes(
                    self._upstream,
                    speaking=Passthrough(kept, self._temperature),
                    translated=Translation(PowerInfer(fresh), self._temperature),
                ).table()
            )
            yield application


def _session(connector: TCPConnector) -> ClientSession:
    return ClientSession(
        connector=connector,
        timeout=_TIMEOUT,
        cookie_jar=DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
    )


class _Routes:
    """What is answered at which path."""

    def __init__(self, upstream: FindUpstream, *, speaking: Dialect, translated: Dialect) -> None:
        self._find = upstream
        self._speaking = speaking
        self._translated = translated

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._home),
            web.get("/health", self._health),
            web.get("/v1/models", self._models),
            web.get("/v1/models/{id:.+}", self._model),
            web.post("/v1/embeddings", self._engine(lambda dialect: dialect.embeddings)),
            web.post("/v1/completions", self._engine(lambda dialect: dialect.completions)),
            web.post("/v1/chat/completions", self._engine(lambda dialect: dialect.chat)),
        ]

    def _ready(self) -> Upstream:
        upstream = self._find()
        if isinstance(upstream, Unavailable):
            raise ApiError(
                503, upstream.reason, code="engine_unavailable", retry_after_s=upstream.retry_after_s
            )
        return upstream

    def _engine(
        self, pick: Callable[[Dialect], Callable[[web.Request, Upstream], Awaitable[web.StreamResponse]]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            upstream = self._ready()
            dialect = self._speaking if upstream.speaks_openai else self._translated
            return await pick(dialect)(request, upstream)

        return handler

    async def _home(self, _request: web.Request) -> web.Response:
        return web.Response(text="PowerInfer Tray. Programs use the address that ends in /v1.\n")

    async def _health(self, _request: web.Request) -> web.Response:
        self._ready()
        return web.Response(body=b'{"status":"ok"}', content_type="application/json")

    async def _models(self, _request: web.Request) -> web.Response:
        return _json(ModelList([ModelCard(self._ready().model_id)]))

    async def _model(self, request: web.Request) -> web.Response:
        wanted, offered = request.match_info["id"], self._ready().model_id
        if wanted != offered:
            raise ApiError(
                404,
                f"There is no model {wanted!r} here, but {offered!r}.",
                param="model",
                code="model_not_found",
            )
        return _json(ModelCard(offered))


def _json(answer: ModelList | ModelCard) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
