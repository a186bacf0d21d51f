"""llama.cpp's own routes, as far as they are offered. Runs on the gateway's event loop."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tray_app.gateway.asked import check_pictures, size_of
from tray_app.gateway.engine_errors import decode_answer, engine_faults, whole_answer
from tray_app.gateway.events import DONE, EVENT_STREAM, engine_payloads, write_events
from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.known_fields import known
from tray_app.gateway.native_lists import EMBEDDINGS, check_natively, joined_natively, native_list
from tray_app.gateway.portions import in_order
from tray_app.gateway.refusals import clients_error, local_error, told_refusal
from tray_app.gateway.replies import json_response
from tray_app.gateway.slices import in_slices
from tray_app.gateway.text_lengths import too_long_error
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import aiohttp
    from aiohttp import web

    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.native_lists import NativeList
    from tray_app.gateway.openai import ApiError, Fields
    from tray_app.gateway.portions import Portion
    from tray_app.gateway.refusals import Refusal
    from tray_app.gateway.upstream import Upstream

NATIVE_ROUTES = {
    "/completion": Purpose.CHAT,
    "/completions": Purpose.CHAT,
    "/infill": Purpose.CHAT,
    "/tokenize": Purpose.CHAT,
    "/detokenize": Purpose.CHAT,
    "/apply-template": Purpose.CHAT,
    "/embedding": Purpose.EMBEDDING,
    "/embeddings": Purpose.EMBEDDING,
}
"""What each asks a model for."""
ROUTES_OF_ONE_TEXT = frozenset(("/completion", "/completions", "/infill", "/tokenize", "/detokenize"))
"""Routes that take one text; the others take lists of texts, or chats with pictures."""
_COMPUTES_NOTHING = ("/tokenize", "/detokenize", "/apply-template")
"""Routes that compute nothing: if they fail, the request is at fault."""


class LlamaCppRoutes:
    """Passes requests on to the engine's own routes: the body is a JSON object, the answer any JSON."""

    def __init__(self, session: aiohttp.ClientSession, body_worker: BodyWorker) -> None:
        self._session = session
        self._body_worker = body_worker

    async def answer(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to a native route."""
        path, body, size = request.path, request[FIELDS], len(request[BODY])
        fields = known(body)
        await self._body_worker.run(size, lambda: check_pictures(fields))
        if texts := await self._body_worker.run(size, lambda: native_list(path, fields)):
            return await self._list(upstream, path, fields, texts)
        async with self._asked(upstream, path, fields) as answer:
            if answer.content_type == EVENT_STREAM:
                return await write_events(request, _json_alone(engine_payloads(answer.content)))
            whole = await whole_answer(answer)
            check_natively(path, whole)
            return json_response(bytes(decode_answer(whole, Raw)))

    async def _list(
        self, upstream: Upstream, path: str, fields: Fields, texts: NativeList
    ) -> web.StreamResponse:
        async def ask(portion: Portion) -> bytes:
            part = {**fields, texts.name: portion.as_json()}
            async with self._asked(upstream, path, part) as answer:
                whole = await whole_answer(answer)
            await self._body_worker.run(len(whole), lambda: check_natively(path, whole, portion.first))
            return whole

        answers = await in_order(ask, texts.parts)
        size = sum(map(len, answers))
        return json_response(await self._body_worker.run(size, lambda: joined_natively(texts.parts, answers)))

    @asynccontextmanager
    async def _asked(
        self, upstream: Upstream, path: str, fields: Fields
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The engine's answer; `ApiError` if it is none."""
        with engine_faults():
            body = await self._body_worker.run(size_of(fields), lambda: msgspec.json.encode(fields))
            async with self._session.post(
                upstream.url(path), data=in_slices(body), headers=upstream.headers
            ) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _error(await told_refusal(answer), upstream, path, fields)
                yield answer


def _error(refusal: Refusal, upstream: Upstream, path: str, fields: Fields) -> ApiError:
    if limit := refusal.limit:
        return too_long_error(upstream, limit, {}, "content" if path in EMBEDDINGS else "prompt")
    if refusal.reason and path in _COMPUTES_NOTHING:
        return clients_error(refusal, fields)
    return local_error(refusal, fields)


async def _json_alone(payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same events; 502 for one that is not JSON."""
    async with aclosing(payloads):
        async for payload in payloads:
            if payload != DONE:
                decode_answer(payload, Raw)
            yield payload
