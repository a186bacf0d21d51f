"""What answers at each path of the public address. Runs on the event loop."""

from __future__ import annotations

from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from tray_app.gateway.apis.forms import FORM, AnsweredError, answered
from tray_app.gateway.apis.functions import FunctionsForm
from tray_app.gateway.apis.messages import COUNT_TOKENS, MESSAGES, CountForm, MessageForm
from tray_app.gateway.apis.ollama import ASKED, OllamaModels
from tray_app.gateway.apis.rerank import RERANK_ROUTES
from tray_app.gateway.apis.responses import RESPONSES, ResponseForm
from tray_app.gateway.concurrency import ConcurrencyLimit
from tray_app.gateway.engine_errors import answers_budget, engine_faults, whole_answer
from tray_app.gateway.engine_info import public_part
from tray_app.gateway.events import BROKEN
from tray_app.gateway.guard import is_opened_by_person
from tray_app.gateway.intake import BODY, FIELDS, Intake, bodies_budget
from tray_app.gateway.leases import Leased, available, refusal
from tray_app.gateway.limits import (
    MAX_ALL_REPEATED_BYTES,
    MAX_BODY_BYTES,
    MAX_TEXT_BODY_BYTES,
    SMALL_BODY_BYTES,
    connections_here,
    requests_within,
)
from tray_app.gateway.llamacpp_routes import NATIVE_ROUTES, ROUTES_OF_ONE_TEXT
from tray_app.gateway.metrics import CONTENT_TYPE, prometheus_text
from tray_app.gateway.model_list import all_models, one_model
from tray_app.gateway.openai import ApiError, Fields, ModelList, decode, named_model
from tray_app.gateway.replies import json_response
from tray_app.gateway.routing import Router, server_of
from tray_app.gateway.silence import Silence
from tray_app.gateway.upstream import LOADED, Unavailable
from tray_app.gateway.welcome import as_html, as_text
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from aiohttp import ClientSession

    from tray_app.gateway.apis.forms import Form
    from tray_app.gateway.apis.rerank import Ranking
    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.counters import Counters
    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.openai import ModelCard
    from tray_app.gateway.replies import Handler
    from tray_app.gateway.rules import Rules
    from tray_app.gateway.upstream import Backend, Upstream

_MODEL = "/v1/models/"
_READS = ("/props", "/model.json", "/slots", "/lora-adapters")
_PAGE = ("/", "/index.js", "/completion.js", "/json-schema-to-grammar.mjs")
"""The engine's own web page, which works only with the engine's own routes."""
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class Routes:
    """Answers each route: from what is known of the models, or by the engine of the model that is named.

    `session` is for engines that tell of themselves. `silence_limit_s`: see `Gateway`.
    """

    def __init__(  # noqa: PLR0913 - all are named where it is made
        self,
        *,
        backend: Backend,
        rules: Callable[[], Rules],
        counters: Counters,
        body_worker: BodyWorker,
        session: ClientSession,
        ranking: Ranking,
        silence_limit_s: float,
        dialect_of: Callable[[Upstream], Dialect],
    ) -> None:
        self._backend = backend
        self._rules = rules
        self._counters = counters
        self._body_worker = body_worker
        self._session = session
        self._ranking = ranking
        self._silence_limit_s = silence_limit_s
        self._dialect_of = dialect_of
        self._admission = ConcurrencyLimit(requests_within(connections_here()))
        self._intake, self._bodies = Intake(), bodies_budget()
        self._addresses: list[tuple[str, str]] = []
        self._repeated = answers_budget(MAX_ALL_REPEATED_BYTES)

    def router(self) -> Router:
        """The router with all routes."""
        switches = {"/metrics": "metrics"} | dict.fromkeys(NATIVE_ROUTES, "native_routes")
        router = Router(self._table(), self._rules, switches)
        self._addresses = router.addresses()
        return router

    def _table(self) -> list[web.RouteDef]:
        openai = {
            "/embeddings": self._engine(
                Purpose.EMBEDDING, lambda dialect: dialect.embeddings, MAX_BODY_BYTES
            ),
            "/completions": self._engine(
                Purpose.CHAT, lambda dialect: dialect.completions, MAX_TEXT_BODY_BYTES
            ),
            "/chat/completions": self._engine(Purpose.CHAT, answered, MAX_BODY_BYTES, FunctionsForm),
        }
        rank = self._engine(Purpose.RERANK, lambda _: self._ranking.answer, MAX_BODY_BYTES)
        chats: dict[str, Callable[[], Form]] = {
            MESSAGES: MessageForm,
            COUNT_TOKENS: CountForm,
            RESPONSES: lambda: ResponseForm(self._repeated),
        }
        return [
            web.get("/health", self._health),
            web.get("/metrics", self._metrics),
            web.get("/v1/models", self._models),
            web.get(_MODEL, self._model),
            *(web.post(f"/v1{path}", handler) for path, handler in openai.items()),
            *(web.post(path, rank) for path in RERANK_ROUTES),
            *OllamaModels(self._backend, self._small_body).routes(),
            *(
                web.post(path, self._engine(asked.task, answered, MAX_BODY_BYTES, asked.form))
                for path, asked in ASKED.items()
            ),
            *(
                web.post(path, self._engine(Purpose.CHAT, answered, MAX_BODY_BYTES, form))
                for path, form in chats.items()
            ),
            *(web.get(path, self._read) for path in _READS),
            *(web.get(path, self._read_page) for path in _PAGE),
            *(web.post(path, self._native(path, openai.get(path))) for path in sorted(NATIVE_ROUTES)),
        ]

    def _engine(
        self,
        task: Purpose,
        pick: Callable[[Dialect], Callable[[web.Request, Upstream], Awaitable[web.StreamResponse]]],
        most_bytes: int,
        form_of: Callable[[], Form] | None = None,
    ) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            if form_of:
                request[FORM] = form_of()
            began_s = self._counters.begin()
            status: int | None = None
            served: tuple[str, float] | None = None
            try:
                with self._admission.slot(), self._bodies.holding() as held:
                    asked = await self._asked(request, most_bytes, held)
                    async with Leased(self._backend, asked, task) as upstream:
                        served = upstream.model_id, self._counters.begin_at(upstream.model_id)
                        with self._watched(upstream):
                            answer = await pick(self._dialect_of(upstream))(request, upstream)
                    answer = await self._in_form(request, answer)
                status = HTTPStatus.BAD_GATEWAY if BROKEN in request else answer.status
            except AnsweredError as told:
                answer, status = json_response(told.body), HTTPStatus.OK
            except (ApiError, web.HTTPException) as error:
                status = error.status
                raise
            finally:
                self._counters.end(began_s, status)
                if served:
                    self._counters.end_at(*served, status)
            return answer

        return handler

    async def _asked(self, request: web.Request, most_bytes: int, held: Held) -> str:
        """The name of the model in a request's body, which is taken in: before that nothing is loaded."""
        data = request[BODY] = await self._intake.take(request, most_bytes, held)
        form = request.get(FORM)

        def read() -> tuple[bytes, Fields]:
            question = form.question(data) if form else None
            body = data if question is None else msgspec.json.encode(question)
            return body, decode(body, Fields)

        request[BODY], request[FIELDS] = await self._body_worker.run(len(data), read)
        held.add(max(0, len(request[BODY]) - len(data)))  # nothing keeps the other one
        return named_model(request[FIELDS])

    async def _in_form(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        """A whole answer in the form of the API in which it was asked, unless it is there already."""
        form = request.get(FORM)
        body = answer.body if isinstance(answer, web.Response) and not answer.prepared else None
        if form is None or not isinstance(body, bytes):
            return answer
        told = await self._body_worker.run(len(body), lambda: form.whole(body))
        return json_response(told)

    async def _small_body(self, request: web.Request) -> bytes:
        """The body of a request that only asks for what is known."""
        with self._admission.slot(), self._bodies.holding() as held:
            return await self._intake.take(request, SMALL_BODY_BYTES, held)

    def _native(self, path: str, other: Handler | None) -> Handler:
        """Answer by one of the engine's own routes; `other` answers if the engine has none of this name."""
        most_bytes = MAX_TEXT_BODY_BYTES if path in ROUTES_OF_ONE_TEXT else MAX_BODY_BYTES
        own = self._engine(NATIVE_ROUTES[path], lambda dialect: dialect.native, most_bytes)

        async def permitted(request: web.Request) -> web.StreamResponse:
            try:
                return await own(request)
            except web.HTTPNotFound:
                if other is None:
                    raise
            return await other(request)

        return permitted

    async def _read(self, request: web.Request) -> web.Response:
        """The public part of what the engine says about itself. Does not load its model."""
        answer, _ = await self._ask(request, available(self._backend.look(_named_in_address(request))))
        body = public_part(request.path, answer, everything=self._rules().native_routes)
        return json_response(body)

    async def _ask(self, request: web.Request, upstream: Upstream) -> tuple[bytes, str]:
        """Body and content type of the engine's answer, without its CORS headers for every web page."""
        if upstream.is_remote:
            raise web.HTTPNotFound
        with engine_faults(), self._watched(upstream):
            async with self._session.get(upstream.url(request.path), headers=upstream.headers) as answer:
                if answer.status != HTTPStatus.OK:
                    raise web.HTTPNotFound
                return await whole_answer(answer), answer.content_type

    def _watched(self, upstream: Upstream) -> AbstractContextManager[object]:
        """Wraps a request to a llama.cpp: while it takes long, the engine is checked; even a busy one answers
        that.

        PowerInfer does not; it is watched by its client, which knows when it was silent
        (`powerinfer/client.py`).
        """
        if upstream.is_remote or not upstream.speaks_openai:
            return nullcontext()
        return Silence(self._silence_limit_s, lambda: self._backend.suspect(upstream.run))

    async def _read_page(self, request: web.Request) -> web.Response:
        """The engine's web page, or what this is. Opened by a person the engine's loads the model; requests
        from other pages do not.
        """
        if self._rules().native_routes:
            answer, kind = await self._page(request)
            return web.Response(body=answer, content_type=kind)
        if request.path != "/":
            raise web.HTTPNotFound
        if "text/html" not in request.headers.get("Accept", ""):
            return web.Response(text=as_text(server_of(request), self._addresses), headers={"Vary": "Accept"})
        return web.Response(
            text=as_html(server_of(request), self._addresses),
            content_type="text/html",
            headers={"Vary": "Accept", "Content-Security-Policy": _PAGE_POLICY},
        )

    async def _page(self, request: web.Request) -> tuple[bytes, str]:
        asked = _named_in_address(request)
        if not is_opened_by_person(request):
            return await self._ask(request, available(self._backend.look(asked)))
        async with Leased(self._backend, asked, Purpose.CHAT) as upstream:
            return await self._ask(request, upstream)

    async def _health(self, _request: web.Request) -> web.Response:
        found = self._backend.look()
        if isinstance(found, Unavailable) and not (_sleeps(found) or self._is_any_loaded()):
            raise refusal(found)
        return json_response(b'{"status":"ok"}')

    async def _metrics(self, _request: web.Request) -> web.Response:
        ready = not isinstance(self._backend.look(), Unavailable) or self._is_any_loaded()
        text = prometheus_text(self._counters.snapshot(), self._counters.of_models(), ready=ready)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    def _is_any_loaded(self) -> bool:
        return any(model.state == LOADED for model in self._backend.offered())

    async def _models(self, _request: web.Request) -> web.Response:
        return _json(ModelList(all_models(self._backend)))

    async def _model(self, request: web.Request) -> web.Response:
        return _json(one_model(self._backend, request.path.removeprefix(_MODEL)))


def _named_in_address(request: web.Request) -> str:
    """The model that a request without a body names: /props?model=ID."""
    return request.query.get("model", "")


def _sleeps(found: Unavailable) -> bool:
    """Whether a request would be answered all the same, and nothing is under way that must end first."""
    return found.held and found.retry_after_s is None


def _json(answer: ModelList | ModelCard) -> web.Response:
    return json_response(msgspec.json.encode(answer))
