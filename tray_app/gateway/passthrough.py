"""Requests for an engine that speaks OpenAI's dialect itself (llama.cpp, or a remote server). Event loop.

Bodies and answers go through unchanged, except for what the gateway promises: the model's name is replaced by
the engine's own, requests without a temperature get that of the settings, vectors have the number of
dimensions that is asked for, errors have one form, and events are such that every client can read them.
"""

from __future__ import annotations

from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from msgspec import Raw

from tray_app.gateway.apis.forms import FOR_LLAMACPP
from tray_app.gateway.asked import as_sent, asked_completion, value_of
from tray_app.gateway.embeddings import Embeddings
from tray_app.gateway.engine_client import (
    CHAT,
    COMPLETIONS,
    COUNT,
    PARAMS,
    RefusedError,
    told_tokens,
    whole_result,
)
from tray_app.gateway.engine_errors import answers_budget, decode_answer, whole_answer
from tray_app.gateway.events import DONE, EVENT_STREAM, engine_payloads, write_events
from tray_app.gateway.forced_calls import forced_call
from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.limits import MAX_EVENT_BYTES, MAX_LOCAL_EVENT_BYTES
from tray_app.gateway.llamacpp_routes import LlamaCppRoutes
from tray_app.gateway.multiple_choices import Tally, Whole, asked_as_stream, number_of_answers
from tray_app.gateway.openai import (
    NULL,
    ApiError,
    Fields,
    StreamOptions,
    TokenCount,
    asked_model,
    decode_part,
)
from tray_app.gateway.refusals import read_error_event
from tray_app.gateway.replies import json_response, sent_whole
from tray_app.gateway.text_lengths import prompts_of
from tray_app.gateway.tools import TemplateCheck, wants_tools

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import aiohttp

    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.counters import Counters
    from tray_app.gateway.engine_client import EngineClient
    from tray_app.gateway.engine_connections import HttpAnswer
    from tray_app.gateway.forced_calls import ForcedCall
    from tray_app.gateway.upstream import Upstream


class Passthrough:
    """Passes requests on to an OpenAI-speaking engine."""

    def __init__(
        self,
        client: EngineClient,
        session: aiohttp.ClientSession,
        body_worker: BodyWorker,
        counters: Counters,
    ) -> None:
        self._client = client
        self._body_worker = body_worker
        self._counters = counters
        self._embeddings = Embeddings(client, body_worker, counters)
        self._answers = answers_budget()  # of remote servers; an engine of ours is within its own limits
        self._native = LlamaCppRoutes(session, body_worker)
        self._templates = TemplateCheck(session)

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""
        with self._answers.holding() as held:
            return await self._embeddings.answer(request, upstream, held if upstream.is_remote else None)

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""
        return await self._completion(request, upstream, COMPLETIONS)

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self._completion(request, upstream, CHAT)

    async def count(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """How many tokens a chat has, as a `TokenCount`."""
        fields = await self._body_worker.run(
            len(request[BODY]), lambda: asked_completion(request[FIELDS], upstream, PARAMS[CHAT])
        )
        if not upstream.is_remote and wants_tools(fields):
            await self._templates.check(upstream)
        try:
            async with self._client.asked(upstream, COUNT, fields) as answer:
                return json_response(
                    msgspec.json.encode(decode_answer(await whole_answer(answer), TokenCount))
                )
        except RefusedError as refused:
            if refused.refusal.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise ApiError(404, "This engine does not count tokens.", code="unknown_url") from refused
            raise await self._client.explained(refused.refusal, upstream, CHAT, fields) from refused

    async def _completion(self, request: web.Request, upstream: Upstream, path: str) -> web.StreamResponse:
        fields = await self._body_worker.run(
            len(request[BODY]), lambda: asked_completion(request[FIELDS], upstream, PARAMS[path])
        )
        if "temperature" not in fields:
            fields["temperature"] = Raw(msgspec.json.encode(upstream.temperature))
        if not upstream.is_remote:
            fields |= request.get(FOR_LLAMACPP, {})
            if path == CHAT and wants_tools(fields):
                await self._templates.check(upstream)
        try:
            with self._answers.holding() as held:
                share = held if upstream.is_remote else None
                return await self._completed(request, upstream, path, fields, share)
        except RefusedError as refused:
            raise await self._client.explained(refused.refusal, upstream, path, fields) from refused

    async def native(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of llama.cpp's own routes; a remote server's are not known."""
        if upstream.is_remote:
            raise web.HTTPNotFound
        return await self._native.answer(request, upstream)

    async def _completed(
        self, request: web.Request, upstream: Upstream, path: str, fields: Fields, held: Held | None
    ) -> web.StreamResponse:
        told = upstream.response_model(asked_model(fields))
        call: ForcedCall | None = None
        if not upstream.is_remote:
            fields, call = forced_call(fields)
            if number_of_answers(fields) > 1:
                return await self._several(request, upstream, path, fields, call)
        async with self._client.asked(upstream, path, fields) as answer:
            if answer.content_type == EVENT_STREAM:
                most_bytes = MAX_EVENT_BYTES if upstream.is_remote else MAX_LOCAL_EVENT_BYTES
                events = self._events(answer.content, upstream, told, most_bytes, call)
                return await write_events(request, self._explained(events, upstream, path, fields))
            body = await self._whole_completion(answer, upstream, told, held, call)
            return await sent_whole(request, body, self._body_worker) if held else json_response(body)

    async def _whole_completion(
        self,
        answer: HttpAnswer,
        upstream: Upstream,
        told: str,
        held: Held | None,
        call: ForcedCall | None,
    ) -> bytes:
        data = await whole_result(answer, held)
        whole = await self._body_worker.run(len(data), lambda: decode_answer(data, Fields))
        self._counters.tokens(upstream.model_id, *(told_tokens(whole) or (0, 0)))
        return await self._body_worker.run(
            len(data), lambda: as_sent(call.tell(whole) if call else whole, told)
        )

    async def _several(
        self, request: web.Request, upstream: Upstream, path: str, fields: Fields, call: ForcedCall | None
    ) -> web.StreamResponse:
        tally = Tally(number_of_answers(fields) // max(1, len(prompts_of(fields))))
        async with self._client.asked(upstream, path, asked_as_stream(fields)) as answer:
            events = self._counted(answer.content, upstream, tally, asked_model(fields), call)
            if value_of(fields, "stream") is True:
                usage = "stream_options" in fields and _tells_usage(fields)
                payloads = _as_payloads(events, tally, usage=usage)
                return await write_events(request, self._explained(payloads, upstream, path, fields))
            whole = Whole()
            async with aclosing(events):
                async for event in events:
                    whole.add(event)
            return json_response(msgspec.json.encode(whole.answer(tally.usage())))

    async def _counted(
        self,
        content: aiohttp.StreamReader,
        upstream: Upstream,
        tally: Tally,
        asked: object,
        call: ForcedCall | None,
    ) -> AsyncGenerator[dict[str, Any]]:
        """The engine's events with the model's name as the client gave it, without their usage."""
        told = upstream.response_model(asked)
        async with aclosing(engine_payloads(content)) as payloads:
            async for payload in payloads:
                if payload == DONE:
                    continue
                event = decode_answer(payload, dict[str, Any])
                if event.get("error"):
                    raise RefusedError(read_error_event(payload))
                before = tally.usage()
                left = tally.take(event)
                now = tally.usage()
                self._counters.tokens(
                    upstream.model_id,
                    now["prompt_tokens"] - before["prompt_tokens"],
                    now["completion_tokens"] - before["completion_tokens"],
                )
                if left:
                    if call:
                        call.tell_choices(left["choices"])
                    yield {**left, "model": told}

    async def _explained(
        self, payloads: AsyncGenerator[bytes], upstream: Upstream, path: str, fields: Fields
    ) -> AsyncGenerator[bytes]:
        """The same payloads; an engine's error among them is explained like one before the first event."""
        try:
            async with aclosing(payloads):
                async for payload in payloads:
                    yield payload
        except RefusedError as refused:
            raise await self._client.explained(refused.refusal, upstream, path, fields) from refused

    async def _events(
        self,
        content: aiohttp.StreamReader,
        upstream: Upstream,
        told: str,
        most_bytes: int,
        call: ForcedCall | None,
    ) -> AsyncGenerator[bytes]:
        """The engine's events with the model's name as the client gave it.

        Each counts as a token until usage is known.
        """
        read = made = 0
        async with aclosing(engine_payloads(content, most_bytes)) as payloads:
            async for payload in payloads:
                if payload == DONE:
                    yield payload
                    continue
                event = decode_answer(payload, Fields)
                if event.get("error", NULL) != NULL:
                    raise RefusedError(read_error_event(payload))
                read_now, made_now = told_tokens(event) or (read, made + 1)
                self._counters.tokens(upstream.model_id, read_now - read, made_now - made)
                read, made = read_now, made_now
                yield as_sent(call.tell(event) if call else event, told)


def _tells_usage(fields: Fields) -> bool:
    return bool(decode_part(fields["stream_options"], StreamOptions).include_usage)


async def _as_payloads(
    events: AsyncGenerator[dict[str, Any]], tally: Tally, *, usage: bool
) -> AsyncGenerator[bytes]:
    """The events as payloads, those with token counts last."""
    last: dict[str, Any] = {}
    async with aclosing(events):
        async for event in events:
            last = event
            yield msgspec.json.encode(event)
    if usage:
        yield msgspec.json.encode({**last, "choices": [], "usage": tally.usage()})
    yield DONE
