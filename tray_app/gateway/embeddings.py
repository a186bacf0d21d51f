"""Vectors of texts, by an engine that speaks OpenAI's dialect. Runs on the event loop.

A long list is asked for in portions, texts that are too long are cut where a client wants that, and vectors
are checked and have the number of dimensions that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tray_app.gateway.asked import as_sent, asked_embeddings, size_of
from tray_app.gateway.engine_client import EMBEDDINGS, RefusedError, told_tokens, whole_result
from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.limits import NUMBERS_AT_ONCE_BYTES
from tray_app.gateway.openai import Fields, asked_model, check_embeds, decode_part, shorter_length
from tray_app.gateway.portions import EmbeddedPortion, Portion, in_order, joined_portions, portions
from tray_app.gateway.replies import json_response, sent_whole
from tray_app.gateway.text_lengths import cut_texts
from tray_app.gateway.vectors import check_embeddings, cut_vectors

if TYPE_CHECKING:
    from aiohttp import web

    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.counters import Counters
    from tray_app.gateway.engine_client import EngineClient
    from tray_app.gateway.upstream import Upstream


class Embeddings:
    """Answers requests for embeddings."""

    def __init__(self, client: EngineClient, body_worker: BodyWorker, counters: Counters) -> None:
        self._client = client
        self._body_worker = body_worker
        self._counters = counters

    async def answer(self, request: web.Request, upstream: Upstream, held: Held | None) -> web.StreamResponse:
        """POST /v1/embeddings. `held` counts the answer of a remote server."""
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
            self._counters.tokens(upstream.model_id, *(told_tokens(part.answer) or (0, 0)))
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

    async def _embedded(
        self, upstream: Upstream, fields: Fields, portion: Portion, held: Held | None, *, truncate: bool
    ) -> tuple[bytes, list[int]]:
        """The engine's answer to a portion of a request, and the indexes of texts that were cut."""
        cut: list[int] = []
        try:
            try:
                return await self._whole(upstream, {**fields, "input": portion.as_json()}, held), cut
            except RefusedError as refused:
                limit = None if upstream.is_remote else refused.refusal.limit
                if limit is None or not truncate:
                    raise
                texts = [decode_part(text, str) for text in portion.texts]
                prompts, cut = await cut_texts(self._client.tokenizer, upstream, texts, limit.most)
                shorter = {**fields, "input": Raw(msgspec.json.encode(prompts))}
                return await self._whole(upstream, shorter, held), cut
        except RefusedError as refused:
            raise await self._client.explained(refused.refusal, upstream, EMBEDDINGS, fields) from refused

    async def _whole(self, upstream: Upstream, fields: Fields, held: Held | None) -> bytes:
        async with self._client.asked(upstream, EMBEDDINGS, fields) as answer:
            return await whole_result(answer, held)


def _usage_with(answer: Fields, truncated: list[int]) -> Raw:
    usage = decode_answer(bytes(answer.get("usage", b"{}")), Fields)
    return Raw(msgspec.json.encode({**usage, "truncated": truncated}))
