"""Requests for an engine that speaks OpenAI's dialect itself (llama.cpp, or a remote server). Event loop.

Bodies and answers go through unchanged, except for what the gateway promises: the model's name is replaced by
the engine's own, requests without a temperature get that of the settings, vectors have the number of
dimensions that is asked for, errors have one form, and events are such that every client can read them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from tray_app.gateway.apis.forms import FOR_LLAMACPP
from tray_app.gateway.asked import as_sent, asked_completion, asked_embeddings, size_of, value_of
from tray_app.gateway.bodies import chat_fault
from tray_app.gateway.engine_errors import answers_budget, decode_answer, engine_faults, whole_answer
from tray_app.gateway.events import DONE, EVENT_STREAM, engine_payloads, write_events
from tray_app.gateway.forced_calls import forced_call
from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.json_shape import AnswerShape
from tray_app.gateway.limits import MAX_EVENT_BYTES, MAX_LOCAL_EVENT_BYTES, NUMBERS_AT_ONCE_BYTES, SLICE_BYTES
from tray_app.gateway.llamacpp_routes import LlamaCppRoutes
from tray_app.gateway.multiple_choices import Tally, Whole, asked_as_stream, number_of_answers
from tray_app.gateway.openai import (
    NULL,
    ApiError,
    Fields,
    StreamOptions,
    TokenCount,
    asked_model,
    check_embeds,
    decode_part,
    raw_texts,
    shorter_length,
)
from tray_app.gateway.portions import EmbeddedPortion, Portion, in_order, joined_portions, portions
from tray_app.gateway.refusals import clients_error, local_error, read_error_event, remote_error, told_refusal
from tray_app.gateway.replies import json_response, sent_whole
from tray_app.gateway.slices import in_slices
from tray_app.gateway.text_lengths import Tokenizer, cut_texts, prompts_of, too_long_error, too_long_prompts
from tray_app.gateway.tools import TemplateCheck, wants_tools
from tray_app.gateway.vectors import check_embeddings, cut_vectors
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator

    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.counters import Counters
    from tray_app.gateway.engine_connections import EngineConnections, HttpAnswer
    from tray_app.gateway.forced_calls import ForcedCall
    from tray_app.gateway.refusals import Refusal
    from tray_app.gateway.text_lengths import Prompt
    from tray_app.gateway.upstream import Upstream

_EMBEDDINGS, _COMPLETIONS, _CHAT = "/v1/embeddings", "/v1/completions", "/v1/chat/completions"
_COUNT = "/v1/chat/completions/input_tokens"
_PARAMS = {_EMBEDDINGS: "input", _COMPLETIONS: "prompt", _CHAT: "messages"}
"""Where each has its texts."""
_CHATS_PARTS = (None, "messages", "tools")
_READS_A_CHAT = "/apply-template"
"""A route that makes llama.cpp read a chat without computing an answer."""
_OPENING_BYTES = 200
"""Where an answer says that it is an error, if it is one."""
_MOST_KEPT = 4
"""So many connections to an engine are kept open. Older servers of llama.cpp have a fixed number of threads
for requests, five at least, and each connection takes one even while it is idle: with more of them, a new
one would wait until one is closed. Newer ones, as the built-in engine, start more threads, each of which
looks a hundred times a second whether something has come.

All other requests get a connection of their own at once, so that the engine takes them in their order. If
they waited here for a kept one, gateway and engine would take a quarter less processor time for 64 clients
of the test model, but no less for those of a model of MiniLM's size, where a connection costs a fiftieth of
a text. And engines with more slots or a graphics card would wait for us, and all for a client that does not
read."""
_PLAIN_CHAT: Fields = {"messages": Raw(b'[{"role":"user","content":"Hi"}]')}


class _RefusedError(Exception):
    """The engine gave no result."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class _Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Passthrough:
    """Passes requests on to an OpenAI-speaking engine."""

    def __init__(
        self,
        kept: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        engines: EngineConnections,
        body_worker: BodyWorker,
        counters: Counters,
    ) -> None:
        self._kept = kept
        self._fresh = fresh
        self._engines = engines
        self._body_worker = body_worker
        self._counters = counters
        self._on_kept: Counter[str] = Counter()
        """By the address of each engine, the requests that have one of its kept connections."""
        self._tokenizer = Tokenizer(fresh)
        self._answers = answers_budget()  # of remote servers; an engine of ours is within its own limits
        self._native = LlamaCppRoutes(fresh, body_worker)
        self._templates = TemplateCheck(fresh)

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""
        with self._answers.holding() as held:
            return await self._vectors(request, upstream, held if upstream.is_remote else None)

    async def _vectors(
        self, request: web.Request, upstream: Upstream, held: Held | None
    ) -> web.StreamResponse:
        check_embeds(upstream.purpose)
        asked = await self._body_worker.run(
            len(request[BODY]), lambda: asked_embeddings(request[FIELDS], upstream)
        )
        fields, texts, wanted, truncate = asked.fields, asked.texts, asked.dimensions, asked.truncate

        async def ask(portion: Portion) -> EmbeddedPortion:
            answer, cut = await self._embedded(upstream, fields, portion, held, truncate=truncate)

            def read() -> EmbeddedPortion:
                native = check_embeddings(answer, portion.first)
                length = shorter_length(wanted, native, can_be_cut=upstream.cuts_vectors)
                whole = decode_answer(answer, Fields)
                if length:
                    whole["data"] = cut_vectors(whole["data"], length, portion.first)
                return EmbeddedPortion.of(portion, whole, cut)

            part = await self._body_worker.run(len(answer), read, at_once=NUMBERS_AT_ONCE_BYTES)
            self._counters.tokens(upstream.model_id, *(_told_tokens(part.answer) or (0, 0)))
            return part

        # What a remote server does with a list, and what each request costs there, is its own business.
        whole_list = Portion(0, texts, fields["input"])
        parts = [whole_list] if upstream.is_remote or len(texts) == 1 else portions(texts)
        answers = await in_order(ask, parts)
        told = upstream.response_model(asked_model(fields))

        def write() -> bytes:
            whole = joined_portions(answers)
            if truncate and not upstream.is_remote:
                whole["usage"] = _usage_with(whole, [index for each in answers for index in each.cut])
            return as_sent(whole, told)

        body = await self._body_worker.run(sum(size_of(each.answer) for each in answers), write)
        answers.clear()
        return await sent_whole(request, body, self._body_worker) if held else json_response(body)

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""
        return await self._completion(request, upstream, _COMPLETIONS)

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self._completion(request, upstream, _CHAT)

    async def count(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """How many tokens a chat has, as a `TokenCount`."""
        fields = await self._body_worker.run(
            len(request[BODY]), lambda: asked_completion(request[FIELDS], upstream, _PARAMS[_CHAT])
        )
        if not upstream.is_remote and wants_tools(fields):
            await self._templates.check(upstream)
        try:
            async with self._asked(upstream, _COUNT, fields) as answer:
                return json_response(
                    msgspec.json.encode(decode_answer(await whole_answer(answer), TokenCount))
                )
        except _RefusedError as refused:
            if refused.refusal.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise ApiError(404, "This engine does not count tokens.", code="unknown_url") from refused
            raise await self._refused(refused.refusal, upstream, _CHAT, fields) from refused

    async def _completion(self, request: web.Request, upstream: Upstream, path: str) -> web.StreamResponse:
        fields = await self._body_worker.run(
            len(request[BODY]), lambda: asked_completion(request[FIELDS], upstream, _PARAMS[path])
        )
        if "temperature" not in fields:
            fields["temperature"] = Raw(msgspec.json.encode(upstream.temperature))
        if not upstream.is_remote:
            fields |= request.get(FOR_LLAMACPP, {})
            if path == _CHAT and wants_tools(fields):
                await self._templates.check(upstream)
        try:
            with self._answers.holding() as held:
                share = held if upstream.is_remote else None
                return await self._completed(request, upstream, path, fields, share)
        except _RefusedError as refused:
            raise await self._refused(refused.refusal, upstream, path, fields) from refused

    async def native(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of llama.cpp's own routes; a remote server's are not known."""
        if upstream.is_remote:
            raise web.HTTPNotFound
        return await self._native.answer(request, upstream)

    async def _embedded(
        self, upstream: Upstream, fields: Fields, portion: Portion, held: Held | None, *, truncate: bool
    ) -> tuple[bytes, list[int]]:
        """The engine's answer to a portion of a request, and the indexes of texts that were cut."""
        cut: list[int] = []
        try:
            try:
                return await self._whole(upstream, {**fields, "input": portion.as_json()}, held), cut
            except _RefusedError as refused:
                limit = None if upstream.is_remote else refused.refusal.limit
                if limit is None or not truncate:
                    raise
                texts = [decode_part(text, str) for text in portion.texts]
                prompts, cut = await cut_texts(self._tokenizer, upstream, texts, limit.most)
                shorter = {**fields, "input": Raw(msgspec.json.encode(prompts))}
                return await self._whole(upstream, shorter, held), cut
        except _RefusedError as refused:
            raise await self._refused(refused.refusal, upstream, _EMBEDDINGS, fields) from refused

    async def _whole(self, upstream: Upstream, fields: Fields, held: Held | None) -> bytes:
        async with self._asked(upstream, _EMBEDDINGS, fields) as answer:
            return await _result(answer, held)

    async def _completed(
        self, request: web.Request, upstream: Upstream, path: str, fields: Fields, held: Held | None
    ) -> web.StreamResponse:
        told = upstream.response_model(asked_model(fields))
        call: ForcedCall | None = None
        if not upstream.is_remote:
            fields, call = forced_call(fields)
            if number_of_answers(fields) > 1:
                return await self._several(request, upstream, path, fields, call)
        async with self._asked(upstream, path, fields) as answer:
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
        data = await _result(answer, held)
        whole = await self._body_worker.run(len(data), lambda: decode_answer(data, Fields))
        self._counters.tokens(upstream.model_id, *(_told_tokens(whole) or (0, 0)))
        return await self._body_worker.run(
            len(data), lambda: as_sent(call.tell(whole) if call else whole, told)
        )

    async def _several(
        self, request: web.Request, upstream: Upstream, path: str, fields: Fields, call: ForcedCall | None
    ) -> web.StreamResponse:
        tally = Tally(number_of_answers(fields) // max(1, len(prompts_of(fields))))
        async with self._asked(upstream, path, asked_as_stream(fields)) as answer:
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
                    raise _RefusedError(read_error_event(payload))
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
        except _RefusedError as refused:
            raise await self._refused(refused.refusal, upstream, path, fields) from refused

    async def _refused(self, refusal: Refusal, upstream: Upstream, path: str, fields: Fields) -> ApiError:
        """The error for a refusal: 400 if the request is at fault, 502 or 503 if the engine is."""
        if upstream.is_remote:
            return remote_error(refusal)
        param = _PARAMS[path]
        if limit := refusal.limit:
            prompts = [] if path == _CHAT else _prompts(fields, param)
            found = await too_long_prompts(self._tokenizer, upstream, prompts, limit)
            return too_long_error(upstream, limit, found, param, can_truncate=path == _EMBEDDINGS)
        error = local_error(refusal, fields)
        if path != _CHAT or error.code or error.param not in _CHATS_PARTS or not refusal.reason:
            return error
        if fault := await self._body_worker.run(size_of(fields), lambda: chat_fault(fields)):
            return clients_error(refusal, fields, fault.words, fault.param)
        if error.status == HTTPStatus.BAD_GATEWAY and await self._cannot_read(upstream, fields):
            return clients_error(refusal, fields)
        return error

    async def _cannot_read(self, upstream: Upstream, fields: Fields) -> bool:
        """Whether the engine cannot even read this chat, though it can read others."""
        return not await self._reads(upstream, fields) and await self._reads(upstream, _PLAIN_CHAT)

    async def _reads(self, upstream: Upstream, chat: Fields) -> bool:
        with engine_faults():
            body = await self._body_worker.run(size_of(chat), lambda: msgspec.json.encode(chat))
            async with self._fresh.post(
                upstream.url(_READS_A_CHAT), data=in_slices(body), headers=upstream.headers
            ) as answer:
                return answer.status == HTTPStatus.OK

    @asynccontextmanager
    async def _asked(self, upstream: Upstream, path: str, fields: Fields) -> AsyncIterator[HttpAnswer]:
        """The engine's answer, over a kept connection where that is safe; `_RefusedError` for no result."""
        # llama.cpp hangs up after a stream, and nothing tells before the next request is lost.
        with self._kept_place(upstream, wanted=value_of(fields, "stream") is not True) as kept:
            async with self._reply(upstream, path, fields, kept=kept) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _RefusedError(await told_refusal(answer))
                yield answer

    @contextmanager
    def _kept_place(self, upstream: Upstream, *, wanted: bool) -> Iterator[bool]:
        """Whether a request may have a kept connection."""
        url = upstream.base_url
        has = wanted and (upstream.is_remote or self._on_kept[url] < _MOST_KEPT)
        self._on_kept[url] += has
        try:
            yield has
        finally:
            self._on_kept[url] -= has
            if not self._on_kept[url]:
                del self._on_kept[url]  # engines come and go, each at a port of its own

    @asynccontextmanager
    async def _reply(
        self, upstream: Upstream, path: str, fields: Fields, *, kept: bool
    ) -> AsyncIterator[HttpAnswer]:
        name = upstream.upstream_model(asked_model(fields)) if upstream.is_remote else upstream.model_id
        body = await self._body_worker.run(size_of(fields), lambda: as_sent(fields, name))

        async def post(*, kept: bool) -> HttpAnswer:
            if not upstream.is_remote and len(body) <= SLICE_BYTES:
                return await self._engines.post(upstream, path, body, keep=kept)
            # A large body for an engine of ours gets a connection of its own: `_MOST_KEPT` holds for all.
            session = self._kept if kept and upstream.is_remote else self._fresh
            # Not to where it may point: what a client asks is for the server that a person has chosen.
            return await session.post(
                upstream.url(path), data=in_slices(body), headers=upstream.headers, allow_redirects=False
            )

        with engine_faults():
            try:
                answer = await post(kept=kept)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not kept:
                    raise
                # Perhaps only the kept connection had ended. Sending it again is harmless: nothing is
                # changed by an answer that nobody got.
                answer = await post(kept=False)
            async with answer:
                yield answer

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
                    raise _RefusedError(read_error_event(payload))
                read_now, made_now = _told_tokens(event) or (read, made + 1)
                self._counters.tokens(upstream.model_id, read_now - read, made_now - made)
                read, made = read_now, made_now
                yield as_sent(call.tell(event) if call else event, told)


def _told_tokens(answer: Fields) -> tuple[int, int] | None:
    """The tokens read and generated according to an answer; None if it does not say."""
    told = answer.get("usage", NULL)
    if told == NULL:
        return None
    try:
        usage = msgspec.json.decode(told, type=_Usage)
    except NOT_JSON:
        return None
    return usage.prompt_tokens or 0, usage.completion_tokens or 0


async def _result(answer: HttpAnswer, held: Held | None) -> bytes:
    """The body of an answer; `_RefusedError` for an error with status 200, as LM Studio has it.

    `held` counts that of a remote server, which is looked at as it comes.
    """
    body = await whole_answer(answer, check=AnswerShape() if held else None, held=held)
    if b'"error"' in body[:_OPENING_BYTES] and decode_answer(body, Fields).get("error", NULL) != NULL:
        raise _RefusedError(read_error_event(body))
    return body


def _usage_with(answer: Fields, truncated: list[int]) -> Raw:
    usage = decode_answer(bytes(answer.get("usage", b"{}")), Fields)
    return Raw(msgspec.json.encode({**usage, "truncated": truncated}))


def _prompts(fields: Fields, param: str) -> Iterable[Prompt]:
    if param == "input":
        return (decode_part(text, str) for text in raw_texts(fields["input"]))
    return prompts_of(fields)


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
