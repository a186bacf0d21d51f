"""Requests for an engine that speaks OpenAI's dialect itself (llama.cpp). Runs on the gateway's event loop.

Bodies and answers go through as they are, save for what the gateway promises: the model's real id, the
temperature of the settings for requests that name none, errors in one shape, and events that every client can
read.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from tray_app.gateway.events import DONE, EVENT_STREAM, EventSplitter, write_events
from tray_app.gateway.faults import RETRY_AFTER_S, decode_answer, engine_faults
from tray_app.gateway.openai import ApiError, decode, embedding_texts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import aiohttp

    from tray_app.gateway.upstream import Upstream

Fields = dict[str, Raw]

_JSON = {"Content-Type": "application/json"}
_NULL = Raw(b"null")


class _EngineFault(Struct, frozen=True):
    """What llama.cpp says in `error`; its code repeats the status."""

    message: str
    type: str = ""


class _EngineRefusal(Struct, frozen=True):
    error: _EngineFault


class Passthrough:
    """Passes requests on to an OpenAI-speaking engine."""

    def __init__(self, session: aiohttp.ClientSession, temperature: Callable[[], float]) -> None:
        self._session = session
        self._temperature = temperature

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings."""
        fields = decode(await request.read(), Fields)
        embedding_texts(decode(bytes(fields.get("input", _NULL)), object))
        return await self._forward(request, upstream, fields)

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""
        fields = decode(await request.read(), Fields)
        if bytes(fields.get("temperature", _NULL)) == b"null":
            fields["temperature"] = Raw(msgspec.json.encode(self._temperature()))
        return await self._forward(request, upstream, fields)

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        return await self.completions(request, upstream)

    async def _forward(self, request: web.Request, upstream: Upstream, fields: Fields) -> web.StreamResponse:
        url = upstream.base_url + request.path
        body = _with_model(fields, upstream)
        with engine_faults():
            async with self._session.post(url, data=body, headers=_JSON) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer.status, await answer.read())
                if answer.content_type == EVENT_STREAM:
                    return await write_events(request, _events(answer.content, upstream))
                whole = decode_answer(await answer.read(), Fields)
                return web.Response(body=_with_model(whole, upstream), content_type="application/json")


def _with_model(fields: Fields, upstream: Upstream) -> bytes:
    return msgspec.json.encode({**fields, "model": upstream.model_id})


async def _events(content: aiohttp.StreamReader, upstream: Upstream) -> AsyncGenerator[bytes]:
    splitter = EventSplitter()
    with engine_faults():
        async for chunk in content.iter_any():
            for payload in splitter.feed(chunk):
                yield payload if payload == DONE else _with_model(decode_answer(payload, Fields), upstream)


def _refusal(status: int, answer: bytes) -> ApiError:
    fault = decode_answer(answer, _EngineRefusal).error
    code = "context_length_exceeded" if fault.type == "exceed_context_size_error" else None
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ApiError(status, fault.message, code="engine_unavailable", retry_after_s=RETRY_AFTER_S)
    # A 500 would be ours to mend; this one is the engine's.
    return ApiError(502 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else status, fault.message, code=code)
