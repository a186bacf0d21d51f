"""Rankings: how well each of many documents answers a question. Runs on the gateway's event loop.

Clients ask in the form of Jina or Cohere (`documents`), or of Text Embeddings Inference (`texts`). The engine
gets llama.cpp's form without the wishes for the answer, which is put together here: the same for every form,
and also where the documents went to the engine in portions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tray_app.gateway.asked import as_sent, size_of
from tray_app.gateway.bodies import letters_in, without_nulls
from tray_app.gateway.engine_errors import answers_budget, decode_answer, engine_faults, whole_answer
from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.json_shape import AnswerShape
from tray_app.gateway.openai import MAX_TEXTS, NULL, ApiError, Fields, TokenUsage, asked_model, decode_part
from tray_app.gateway.portions import Portion, in_order, portions
from tray_app.gateway.refusals import local_error, remote_error, told_refusal
from tray_app.gateway.replies import json_response
from tray_app.gateway.slices import in_slices
from tray_app.gateway.text_lengths import (
    Tokenizer,
    check_letters,
    most_letters,
    too_long_error,
    too_long_prompts,
)
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import aiohttp
    from aiohttp import web

    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.counters import Counters
    from tray_app.gateway.refusals import Refusal
    from tray_app.gateway.upstream import OfferedModel, Upstream

RERANK_ROUTES = ("/v1/rerank", "/v1/reranking", "/v2/rerank")
"""Cohere's clients ask at /v2/rerank, or without a version, as Jina's do."""
_ENGINES_ROUTE = "/v1/rerank"
_SECOND_VERSION = "/v2/"
_MOST_NAMED = 10


class _Document(Struct, frozen=True):
    text: Raw


class _Wishes(Struct, frozen=True):
    return_documents: bool | None = None
    return_text: bool | None = None
    top_n: Any = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be ranked. `most`: so many of the best are wanted, with their texts if `tells_texts`."""

    fields: Fields
    name: str
    query: Raw
    texts: Sequence[Raw]
    most: int
    tells_texts: bool


class _Rank(Struct, frozen=True):
    """Of one document, as llama.cpp tells it; a score that is not finite is null."""

    index: Annotated[int, Meta(ge=0)]
    relevance_score: float | None


class _Usage(Struct, frozen=True):
    prompt_tokens: int = 0
    total_tokens: int = 0


class _Ranks(Struct, frozen=True):
    results: list[_Rank]
    usage: _Usage = _Usage()


class _Result(Struct, frozen=True):
    index: int
    relevance_score: float
    document: _Document | UnsetType = UNSET


class _Version(Struct, frozen=True):
    version: str


class _Tokens(Struct, frozen=True):
    input_tokens: int
    output_tokens: int = 0


class _About(Struct, frozen=True):
    """What Cohere's clients read besides the results."""

    api_version: _Version
    tokens: _Tokens


class _Ranking(Struct, frozen=True):
    id: str
    model: str
    results: list[_Result]
    usage: TokenUsage
    meta: _About
    object: str = "list"


class _Scored(Struct, frozen=True):
    """A result in the form of Text Embeddings Inference."""

    index: int
    score: float
    text: Raw | UnsetType = UNSET


class Ranking:
    """Answers requests for rankings by an engine that speaks OpenAI's dialect."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        body_worker: BodyWorker,
        counters: Counters,
        offered: Callable[[], tuple[OfferedModel, ...]],
    ) -> None:
        self._session = session
        self._body_worker = body_worker
        self._counters = counters
        self._offered = offered
        self._tokenizer = Tokenizer(session)
        self._answers = answers_budget()

    async def answer(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of `RERANK_ROUTES`."""
        if not upstream.is_remote:
            self._check_ranks(upstream)
        asked = await self._body_worker.run(
            len(request[BODY]), lambda: _asked_ranking(request[FIELDS], upstream)
        )
        with self._answers.holding() as held:
            parts = [Portion(0, asked.texts)] if upstream.is_remote else portions(asked.texts)
            found = await in_order(lambda part: self._ranked(upstream, asked, part, held), parts)
        version = "2" if request.path.startswith(_SECOND_VERSION) else "1"
        told = upstream.response_model(asked_model(request[FIELDS]))
        body = await self._body_worker.run(len(request[BODY]), lambda: _written(asked, found, told, version))
        return json_response(body)

    def _check_ranks(self, upstream: Upstream) -> None:
        """Refuse to rank with a model for something else: the likeness of embeddings is no such score."""
        if upstream.purpose is Purpose.RERANK and upstream.speaks_openai:
            return
        names = (model.id for model in self._offered() if model.kind == Purpose.RERANK)
        installed = ", ".join(islice(names, _MOST_NAMED))
        choice = f"Choose a reranker in 'model': {installed}." if installed else "Install a reranker."
        why = (
            "cannot rerank documents" if upstream.speaks_openai else "runs on PowerInfer, which cannot rerank"
        )
        raise ApiError(
            400,
            f"The model {upstream.model_id!r} {why}. {choice} To compare texts by their embeddings, use "
            "/v1/embeddings.",
            param="model",
            code="model_not_supported",
        )

    async def _ranked(self, upstream: Upstream, asked: _Asked, part: Portion, held: Held) -> _Ranks:
        """The ranks of a portion, each with its index in the whole list."""
        fields: Fields = {"query": asked.query, "documents": part.as_json()}
        if upstream.is_remote:  # it may know more fields, and give fewer results than are wanted
            number = Raw(b"%d" % len(part.texts))
            fields = {**asked.fields, **fields, "top_n": number, "return_documents": Raw(b"false")}
        name = upstream.upstream_model(asked_model(asked.fields))
        body = await self._body_worker.run(size_of(fields), lambda: as_sent(fields, name))
        with engine_faults():
            async with self._session.post(
                upstream.url(_ENGINES_ROUTE),
                data=in_slices(body),
                headers=upstream.headers,
                allow_redirects=False,
            ) as answer:
                refusal = None if answer.status == HTTPStatus.OK else await told_refusal(answer)
                shape = AnswerShape() if upstream.is_remote else None
                data = b"" if refusal else await whole_answer(answer, check=shape, held=held)
        if refusal:
            raise await self._error(refusal, upstream, asked, part)
        ranks = await self._body_worker.run(len(data), lambda: _read(data, part))
        self._counters.tokens(upstream.model_id, ranks.usage.prompt_tokens, 0)
        return ranks

    async def _error(self, refusal: Refusal, upstream: Upstream, asked: _Asked, part: Portion) -> ApiError:
        if upstream.is_remote:
            return remote_error(refusal)
        if not (limit := refusal.limit):
            return local_error(refusal, (asked.name, "query"))
        query = decode_part(asked.query, str)
        prompts = (f"{query} {decode_part(text, str)}" for text in part.texts)
        counted = await too_long_prompts(self._tokenizer, upstream, prompts, limit)
        found = {part.first + index: tokens for index, tokens in counted.items()}
        error = too_long_error(upstream, limit, found, asked.name)
        return ApiError(
            error.status,
            f"{error.message} The tokens of the query count with each document's.",
            param=error.param,
            code=error.code,
        )


def _asked_ranking(body: Fields, upstream: Upstream) -> _Asked:
    """What a body asks for; `ApiError` for what cannot be ranked."""
    fields = without_nulls(body)
    name = "texts" if "texts" in fields and "documents" not in fields else "documents"
    query = _text(fields.get("query", NULL))
    if query is None or not decode_part(query, str):
        raise ApiError(400, "'query' must be a string that is not empty.", param="query")
    texts = _texts(fields.get(name, NULL), name)
    most_bytes = most_letters(upstream)
    if most_bytes is not None:
        check_letters(upstream, {0: letters_in(query)}, "query")
        long = {index: text for index, text in enumerate(texts) if memoryview(text).nbytes > most_bytes}
        check_letters(upstream, {index: letters_in(text) for index, text in long.items()}, name)
    option = {each: fields[each] for each in _Wishes.__struct_fields__ if each in fields}
    wishes = decode_part(msgspec.json.encode(option), _Wishes)
    kept = {each: value for each, value in fields.items() if each not in ("texts", "return_text")}
    tells_texts = wishes.return_text if name == "texts" else wishes.return_documents
    return _Asked(kept, name, query, texts, _most(wishes.top_n, len(texts)), bool(tells_texts))


def _texts(value: Raw, name: str) -> list[Raw]:
    if bytes(memoryview(value)[:1]) != b"[":
        raise ApiError(400, f"'{name}' must be a list of 1 to {MAX_TEXTS} strings.", param=name)
    documents = decode_part(value, list[Raw])
    if not 0 < len(documents) <= MAX_TEXTS:
        raise ApiError(
            400, f"'{name}' must be a list of 1 to {MAX_TEXTS} strings, not {len(documents)}.", param=name
        )
    texts = []
    for index, document in enumerate(documents):
        text = _text(document)
        if text is None:
            raise ApiError(
                400,
                f"'{name}' must contain strings or objects with a 'text', but the item at index "
                f"{index} is neither.",
                param=name,
            )
        texts.append(text)
    return texts


def _text(value: Raw) -> Raw | None:
    """A text, or that of an object with one; None for anything else."""
    if bytes(memoryview(value)[:1]) == b"{":
        value = decode_part(value, Fields).get("text", NULL)
    if bytes(memoryview(value)[:1]) != b'"':
        return None
    decode_part(value, str)  # or an engine would be told of half a character
    return value


def _most(top_n: object, documents: int) -> int:
    if top_n is None:
        return documents
    if isinstance(top_n, bool) or not isinstance(top_n, int | float) or top_n % 1 or top_n < 1:
        raise ApiError(
            400, "'top_n' must be a whole number of at least 1. Leave it out to get all.", param="top_n"
        )
    return min(int(top_n), documents)


def _read(data: bytes, part: Portion) -> _Ranks:
    """An engine's answer to a portion; 502 if it is none, or a score is no number."""
    ranks = decode_answer(data, _Ranks)
    moved = []
    for rank in ranks.results:
        if rank.index >= len(part.texts):
            raise ApiError(502, "The engine's answer is not what was expected.", code="engine_answer")
        index = part.first + rank.index
        if rank.relevance_score is None or not math.isfinite(rank.relevance_score):
            raise ApiError(
                502,
                f"The engine's score for the document at index {index} is not a number. This model "
                "file would give the same result again. Leave out the document, or use another "
                "file of the model.",
                code="engine_answer",
                final=True,
            )
        moved.append(_Rank(index, rank.relevance_score))
    return _Ranks(moved, ranks.usage)


def _written(asked: _Asked, found: Sequence[_Ranks], model: str, version: str) -> bytes:
    """The best documents first, in the form that was asked for; equal ones in their order."""
    scores = [(rank.relevance_score or 0.0, rank.index) for each in found for rank in each.results]
    best = sorted(scores, key=lambda one: (-one[0], one[1]))[: asked.most]
    if asked.name == "texts":
        return msgspec.json.encode(
            [_Scored(at, score, asked.texts[at] if asked.tells_texts else UNSET) for score, at in best]
        )
    prompt_tokens = sum(each.usage.prompt_tokens for each in found)
    total_tokens = sum(each.usage.total_tokens for each in found)
    answer = _Ranking(
        id=str(uuid4()),
        model=model,
        results=[
            _Result(at, score, _Document(asked.texts[at]) if asked.tells_texts else UNSET)
            for score, at in best
        ],
        usage=TokenUsage(prompt_tokens, total_tokens),
        meta=_About(_Version(version), _Tokens(total_tokens)),
    )
    return msgspec.json.encode(answer)
