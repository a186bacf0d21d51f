"""Requests for an engine that speaks OpenAI's dialect itself (llama.cpp, or a remote server). Event loop.

Bodies and answers go through as they are, save for what the gateway promises: the engine's own name of the
model, the temperature of the settings for requests that name none, only the native number of dimensions,
errors in one shape, and events that every client can read.
"""

from __future__ import annotations

from base64 import b64decode
from contextlib import aclosing, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Meta, Raw, Struct

from tray_app.gateway.events import DONE, EVENT_STREAM, EventSplitter, write_events
from tray_app.gateway.faults import RETRY_AFTER_S, decode_answer, engine_faults
from tray_app.gateway.openai import (
    NULL,
    ApiError,
    Fields,
    check_abilities,
    check_dimensions,
    decode,
    embedding_texts,
)
from tray_app.phrases import one_line
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from tray_app.gateway.counters import Counters
    from tray_app.gateway.upstream import Upstream

NATIVE_ROUTES = frozenset(
    f"/{name}"
    for name in (
        *("completion", "completions", "embedding", "embeddings", "infill"),
        *("tokenize", "detokenize", "apply-template", "rerank", "reranking"),
    )
)

_MISSING = ("echo", "suffix", "best_of")
"""What llama.cpp takes no notice of, and an answer would be wrong without."""
_FLOAT32_BYTES = 4
_TOO_LONG = "exceed_context_size_error"
_GATEWAY_FAULTS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class _EngineFault(Struct, frozen=True):
    """What llama.cpp says in `error`; its code repeats the status."""

    message: str
    type: str | None = None


class _EngineRefusal(Struct, frozen=True):
    """llama.cpp has `error`; older servers of others have the message alone."""

    error: _EngineFault | None = None
    message: str | None = None


class _Dimensions(Struct, frozen=True):
    dimensions: Annotated[int, Meta(ge=1)] | None = None


class _Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Vector(Struct, frozen=True):
    embedding: list[float] | str


class _Vectors(Struct, frozen=True):
    data: Annotated[list[_Vector], Meta(min_length=1)]


class Passthrough:
    """Passes requests on to an OpenAI-speaking engine."""

    def __init__(
        self,
        kept: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        temperature: Callable[[], float],
        counters: Counters,
    ) -> None:
        self._kept = kept
        self._fresh = fresh
        self._temperature = temperature
        self._counters = counters

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""
        data = await request.read()
        fields = decode(data, Fields)
        embedding_texts(_value(fields, "input"))
        wanted = decode(data, _Dimensions).dimensions if "dimensions" in fields else None
        if not upstream.is_remote:  # llama.cpp has one number of dimensions and takes no notice of others
            fields.pop("dimensions", None)
        answer = await self._forward(request, upstream, fields)
        if wanted is not None:
            check_dimensions(wanted, _native_dimensions(answer))
        return answer

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""
        fields = decode(await request.read(), Fields)
        if not upstream.is_remote:
            check_abilities(fields, _MISSING)
        if _value(fields, "temperature") is None:
            fields["temperature"] = Raw(msgspec.json.encode(self._temperature()))
        return await self._forward(request, upstream, fields)

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self.completions(request, upstream)

    async def native(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of llama.cpp's own routes: a JSON object there, whatever JSON it answers back."""
        if request.path not in NATIVE_ROUTES or upstream.is_remote:
            raise web.HTTPNotFound
        body = msgspec.json.encode(decode(await request.read(), Fields))
        with engine_faults():
            async with self._fresh.post(upstream.url(request.path), data=body) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer.status, await answer.read())
                if answer.content_type == EVENT_STREAM:
                    return await write_events(request, _payloads(answer.content))
                whole = bytes(decode_answer(await answer.read(), Raw))
                return web.Response(body=whole, content_type="application/json")

    async def _forward(self, request: web.Request, upstream: Upstream, fields: Fields) -> web.StreamResponse:
        asked = _value(fields, "model")
        body = _with_model(fields, upstream.own_name(asked))
        headers = {"Authorization": f"Bearer {upstream.key}"} if upstream.key else {}
        told = upstream.told_name(asked)
        with engine_faults():
            async with self._asked(upstream.url(request.path), body, headers, fields) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer.status, await answer.read())
                if answer.content_type == EVENT_STREAM:
                    return await write_events(request, self._events(answer.content, told))
                whole = decode_answer(await answer.read(), Fields)
                self._counters.tokens(*(_told_tokens(whole) or (0, 0)))
                return web.Response(body=_with_model(whole, told), content_type="application/json")

    @asynccontextmanager
    async def _asked(
        self, url: str, body: bytes, headers: dict[str, str], fields: Fields
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The engine's answer, over a kept connection where that is safe."""
        # llama.cpp hangs up after a stream, and nothing tells before the next request is lost.
        kept = _value(fields, "stream") is not True
        # Not to where it may point: what a client asks is for the server that a person has chosen.
        post = partial(aiohttp.ClientSession.post, url=url, data=body, headers=headers, allow_redirects=False)
        try:
            answer = await post(self._kept if kept else self._fresh)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if not kept:
                raise
            # Perhaps only the kept connection had ended. A second time would not do harm: nothing is changed
            # by an answer that nobody got.
            answer = await post(self._fresh)
        async with answer:
            yield answer

    async def _events(self, content: aiohttp.StreamReader, told: str) -> AsyncGenerator[bytes]:
        """The engine's events with the model's told name. Each counts as a token until usage is told."""
        read = made = 0
        async with aclosing(_payloads(content)) as payloads:
            async for payload in payloads:
                if payload == DONE:
                    yield payload
                    continue
                event = decode_answer(payload, Fields)
                if event.get("error", NULL) != NULL:
                    raise _refusal(HTTPStatus.BAD_GATEWAY, payload)
                read_now, made_now = _told_tokens(event) or (read, made + 1)
                self._counters.tokens(read_now - read, made_now - made)
                read, made = read_now, made_now
                yield _with_model(event, told)


def _with_model(fields: Fields, name: str) -> bytes:
    return msgspec.json.encode({**fields, "model": name})


def _value(fields: Fields, name: str) -> object:
    return decode(bytes(fields.get(name, NULL)), object)


def _told_tokens(answer: Fields) -> tuple[int, int] | None:
    """The tokens that an answer says were read and made; None if it does not: that makes it no worse."""
    try:
        usage = msgspec.json.decode(answer.get("usage", NULL), type=_Usage | None)
    except NOT_JSON:
        return None
    return None if usage is None else (usage.prompt_tokens or 0, usage.completion_tokens or 0)


async def _payloads(content: aiohttp.StreamReader) -> AsyncGenerator[bytes]:
    splitter = EventSplitter()
    with engine_faults():
        async for chunk in content.iter_any():
            for payload in splitter.feed(chunk):
                yield payload


def _native_dimensions(answer: web.StreamResponse) -> int:
    """How many numbers the vectors of an embeddings answer have."""
    body = answer.body if isinstance(answer, web.Response) else None
    first = decode_answer(body if isinstance(body, bytes) else b"", _Vectors).data[0].embedding
    return len(b64decode(first)) // _FLOAT32_BYTES if isinstance(first, str) else len(first)


def _refusal(status: int, answer: bytes) -> ApiError:
    refusal = decode_answer(answer, _EngineRefusal)
    message = refusal.error.message if refusal.error else refusal.message
    if message is None:
        return ApiError(502, f"The engine answered with status {status}.", code="engine_answer")
    message = one_line(message)
    code = "context_length_exceeded" if refusal.error and refusal.error.type == _TOO_LONG else None
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ApiError(status, message, code="engine_unavailable", retry_after_s=RETRY_AFTER_S)
    if status in _GATEWAY_FAULTS:  # the client's own key is not at fault
        return ApiError(502, f"The remote server refuses this app: {message}", code="engine_answer")
    # A 500 would be ours to mend; this one is the engine's. What is no error has no answer either.
    is_clients = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return ApiError(status if is_clients else 502, message, code=code)
