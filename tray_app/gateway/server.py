"""The public address: when it is open, and what is built to answer there. Thread: "gateway"."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

from tray_app.gateway.apis.messages import MESSAGES, anthropic_error
from tray_app.gateway.apis.ollama import ollama_errors
from tray_app.gateway.apis.rerank import Ranking
from tray_app.gateway.apis.responses import RESPONSES, responses_error
from tray_app.gateway.body_worker import BodyWorker
from tray_app.gateway.counters import Counters
from tray_app.gateway.engine_client import EngineClient
from tray_app.gateway.engine_connections import CONNECT_S, KEEP_ALIVE_S, READ_S, EngineConnections
from tray_app.gateway.guard import Guard
from tray_app.gateway.intake import expect_nothing_yet
from tray_app.gateway.limits import MAX_REFUSED_ORIGINS, connections_here
from tray_app.gateway.listener import Listener
from tray_app.gateway.passthrough import Passthrough
from tray_app.gateway.powerinfer.client import PowerInfer
from tray_app.gateway.powerinfer.templates import TemplateRenderer
from tray_app.gateway.powerinfer.translation import Translation
from tray_app.gateway.replies import errors_below, openai_errors
from tray_app.gateway.routes import Routes
from tray_app.system.certificates import system_trust
from tray_app.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp.typedefs import Middleware

    from tray_app.gateway.counters import Traffic
    from tray_app.gateway.replies import Handler
    from tray_app.gateway.rules import Rules
    from tray_app.gateway.upstream import Backend

# No limit for the whole request: a generation may be long, and a slow processor needs minutes for a long
# prompt.
_TIMEOUT = ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
_IDLE_LOOK_S = 30.0
"""Half of the shortest time that settings can name: what becomes idle meanwhile is seen before it is due."""
_LEAST_PAUSE_S = 0.01
"""Between two looks for idle engines, also where one is due that cannot go yet."""

_ERRORS = {MESSAGES: anthropic_error, RESPONSES: responses_error}
"""How errors are told below these paths, to clients of other APIs than OpenAI's chats."""


class Gateway:
    """Offers the models of `backend` at one address, within `rules`.

    Both are called on the gateway's thread for each request, and must return at once. A llama.cpp is
    suspected to hang after each `silence_limit_s` of a request, a PowerInfer server if it was silent for so
    long. `page_refused` is called on that thread after `refused_origins` has grown.
    """

    def __init__(
        self,
        backend: Backend,
        rules: Callable[[], Rules],
        *,
        silence_limit_s: float = 10.0,
        page_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._backend = backend
        self._rules = rules
        self._silence_limit_s = silence_limit_s
        self._page_refused = page_refused
        self._refused: dict[str, None] = {}  # changed by the gateway's thread alone
        self._counters = Counters()
        self._listener = Listener("gateway", self._application, connections_here())

    @property
    def base_url(self) -> str | None:
        """The base URL for clients on this computer, such as http://127.0.0.1:8080/v1; None while closed."""
        port = self._listener.port
        return None if port is None else f"http://{LOOPBACK}:{port}/v1"

    @property
    def host(self) -> str | None:
        """The address that it listens on: the loopback address or every address; None while closed."""
        return self._listener.host

    def traffic(self) -> Traffic:
        """Counts of requests and tokens since the app started. Any thread."""
        return self._counters.snapshot()

    def traffic_of(self) -> Mapping[str, Traffic]:
        """The same for each model that was asked, by its id. Any thread."""
        return self._counters.of_models()

    def refused_origins(self) -> tuple[str, ...]:
        """Entries of `allowed_origins` that would let in the apps, and pages of this computer, that were
        refused since the app started, each once and only so many. Any thread.
        """
        return tuple(self._refused)

    def open(self, port: int, host: str = LOOPBACK) -> None:
        """Open the address; blocks until it is bound. `OSError` if it cannot be bound. 0: any free port."""
        self._listener.open(port, host)

    def close(self, timeout_s: float = 5.0) -> None:
        """Close the address and end requests under way. It may be opened again."""
        self._listener.close(timeout_s)

    @asynccontextmanager
    async def _application(self) -> AsyncIterator[web.Application]:
        # PowerInfer sends header and body separately: on a kept connection each answer waits 40 ms for an
        # acknowledgement, so each of its requests gets a connection of its own.
        trust = system_trust()
        async with (
            _session(TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=trust)) as kept,
            _session(TCPConnector(limit=0, force_close=True, ssl=trust)) as fresh,
        ):
            templates = TemplateRenderer()
            powerinfer = PowerInfer(fresh, self._backend.suspect, silence_limit_s=self._silence_limit_s)
            body_worker = BodyWorker()
            engines = EngineConnections()
            client = EngineClient(kept, fresh, engines, body_worker)
            speaking = Passthrough(client, fresh, body_worker, self._counters)
            translated = Translation(powerinfer, templates, self._counters)
            routes = Routes(
                backend=self._backend,
                rules=self._rules,
                counters=self._counters,
                body_worker=body_worker,
                session=fresh,
                ranking=Ranking(fresh, body_worker, self._counters, self._backend.offered),
                silence_limit_s=self._silence_limit_s,
                dialect_of=lambda upstream: speaking if upstream.speaks_openai else translated,
            )
            guard, router = Guard(self._rules, self._refuse), routes.router()
            # Not as aiohttp's middlewares: it keeps a thousand applications that had some, closed or not.
            answer = _within(
                *(router.answer, guard.check, ollama_errors, errors_below(_ERRORS)),
                *(router.put_right, openai_errors),
            )
            application = web.Application()
            application.on_response_prepare.append(guard.tell_origin)
            application.router.add_route("*", "/{path:.*}", answer, expect_handler=expect_nothing_yet)
            idle = asyncio.create_task(self._watch_idleness())
            try:
                yield application
            finally:
                idle.cancel()
                with suppress(asyncio.CancelledError):
                    await idle
                engines.close()
                await templates.close()
                body_worker.close()

    def _refuse(self, entry: str) -> None:
        if entry not in self._refused and len(self._refused) < MAX_REFUSED_ORIGINS:
            self._refused[entry] = None
            self._page_refused()

    async def _watch_idleness(self) -> None:
        while True:
            next_s = self._backend.unload_idle()
            wait_s = _IDLE_LOOK_S if next_s is None else min(next_s, _IDLE_LOOK_S)
            await asyncio.sleep(max(wait_s, _LEAST_PAUSE_S))


def _within(handler: Handler, *around: Middleware) -> Handler:
    """A handler with what each request passes before it; the innermost first."""
    for one in around:
        handler = _inside(one, handler)
    return handler


def _inside(outer: Middleware, inner: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await outer(request, inner)

    return answer


def _session(connector: TCPConnector) -> ClientSession:
    return ClientSession(
        connector=connector,
        timeout=_TIMEOUT,
        cookie_jar=DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "Content-Type": "application/json"},
    )
