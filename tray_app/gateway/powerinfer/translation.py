"""OpenAI's dialect for an engine that does not speak it: PowerInfer. Runs on the gateway's event loop."""

from __future__ import annotations

import logging
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from tray_app.gateway.concurrency import together
from tray_app.gateway.events import DONE, write_events
from tray_app.gateway.intake import BODY, FIELDS
from tray_app.gateway.openai import (
    ApiError,
    ChatBody,
    Completion,
    CompletionBody,
    CompletionChoice,
    Embedding,
    EmbeddingsAnswer,
    EmbeddingsBody,
    Message,
    TokenCount,
    TokenUsage,
    as_base64,
    check_abilities,
    decode,
    embedding_texts,
    shorter_length,
    stop_words,
    wanted_dimensions,
)
from tray_app.gateway.powerinfer.client import Finished, Sampling
from tray_app.gateway.powerinfer.native import Native
from tray_app.gateway.powerinfer.prompts import chat_style
from tray_app.gateway.powerinfer.templates import STOPS, UnusableTemplateError
from tray_app.gateway.replies import json_response
from tray_app.gateway.tools import wants_tools
from tray_app.gateway.vectors import check_vector, unit

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from aiohttp import web
    from msgspec import UnsetType

    from tray_app.gateway.counters import Counters
    from tray_app.gateway.openai import ChatMessage, Fields, SamplingBody
    from tray_app.gateway.powerinfer.client import PowerInfer
    from tray_app.gateway.powerinfer.templates import TemplateRenderer
    from tray_app.gateway.upstream import Upstream

_MISSING = (
    *("n", "best_of", "echo", "suffix", "logprobs", "logit_bias"),
    *("tools", "functions", "response_format", "modalities"),
)
"""Fields that PowerInfer cannot fulfil although the answer would be wrong without them."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """One generation that a request asks for."""

    model: str
    prompt: str
    max_tokens: int | None
    sampling: Sampling
    stops: tuple[str, ...]
    chat: bool
    told_stops: tuple[str, ...]
    """Those of the stops that the client has named."""


class Translation:
    """Answers OpenAI's requests with a PowerInfer server."""

    def __init__(
        self,
        engine: PowerInfer,
        templates: TemplateRenderer,
        counters: Counters,
    ) -> None:
        self._engine = engine
        self._templates = templates
        self._counters = counters
        self._native = Native(engine, counters)
        self._unusable: dict[str, str] = {}  # the template of each model that has a bad one

    async def embeddings(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/embeddings: one upstream request for each text, to each process one after the other."""
        body = decode(request[BODY], EmbeddingsBody)
        prefix = upstream.prefix(body.input_type)
        texts = [prefix + text for text in embedding_texts(body.input)]
        wanted = wanted_dimensions(body.dimensions)
        data: dict[int, Embedding] = {}
        cut: list[int] = []
        tokens = 0
        left = iter(enumerate(texts))

        async def embed() -> None:
            nonlocal tokens
            for index, text in left:
                vector = await self._engine.embed(upstream, text, index, truncate=bool(body.truncate))
                length = shorter_length(wanted, len(vector.values), can_be_cut=upstream.cuts_vectors)
                tokens += vector.tokens
                self._counters.tokens(upstream.model_id, vector.tokens, 0)
                if vector.is_cut:
                    cut.append(index)
                values = unit(check_vector(vector.values[:length], index))
                data[index] = Embedding(
                    index, as_base64(values) if body.encoding_format == "base64" else values
                )

        await together(*(embed() for _ in upstream.processes[: len(texts)]))
        usage = TokenUsage(tokens, tokens, truncated=sorted(cut) if body.truncate else UNSET)
        in_order = [data[index] for index in range(len(texts))]
        return _json(EmbeddingsAnswer(in_order, upstream.response_model(body.model), usage))

    async def completions(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/completions."""
        body = decode(request[BODY], CompletionBody)
        job = _Job(
            upstream.response_model(body.model),
            _one_prompt(body),
            body.max_tokens,
            _sampling(body, upstream),
            stop_words(body.stop),
            chat=False,
            told_stops=stop_words(body.stop),
        )
        return await self._answer(request, upstream, body, job)

    async def chat(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        body = decode(request[BODY], ChatBody)
        prompt, stops = await self._prompt(upstream, body.messages)
        job = _Job(
            upstream.response_model(body.model),
            prompt,
            body.max_completion_tokens or body.max_tokens,
            _sampling(body, upstream),
            (*stops, *stop_words(body.stop)),
            chat=True,
            told_stops=stop_words(body.stop),
        )
        return await self._answer(request, upstream, body, job)

    async def count(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """How many tokens a chat has, as a `TokenCount`."""
        check_abilities(request[FIELDS], _missing(request[FIELDS]))
        prompt, _ = await self._prompt(upstream, decode(request[BODY], ChatBody).messages)
        return _json(TokenCount(await self._engine.count(upstream, prompt, "messages")))

    async def native(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to one of PowerInfer's own routes."""
        return await self._native.answer(request, upstream)

    async def _prompt(
        self, upstream: Upstream, messages: Sequence[ChatMessage]
    ) -> tuple[str, tuple[str, ...]]:
        """A conversation as a prompt, and the stop words that end its answer.

        Uses the template in the model's file; without a usable one, the form for the model's family
        (`prompts.py`).
        """
        template = upstream.chat_template
        if template and template != self._unusable.get(upstream.model_id):
            try:
                return await self._templates.prompt(template, messages), STOPS
            except UnusableTemplateError as exc:
                _logger.warning("The chat template of %s cannot be used: %s", upstream.model_name, exc)
                self._unusable[upstream.model_id] = template
        style = chat_style(upstream.model_name)
        return style.prompt(messages), style.stops

    async def _answer(
        self, request: web.Request, upstream: Upstream, body: SamplingBody, job: _Job
    ) -> web.StreamResponse:
        check_abilities(request[FIELDS], _missing(request[FIELDS]))
        if body.stream:
            usage = body.stream_options is not None and bool(body.stream_options.include_usage)
            return await write_events(request, self._stream(upstream, job, usage=usage))
        return _json(await self._whole(upstream, job))

    async def _whole(self, upstream: Upstream, job: _Job) -> Completion:
        texts: list[str] = []
        async with aclosing(self._pieces(upstream, job)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    return Completion(
                        id=_new_id(job),
                        object="chat.completion" if job.chat else "text_completion",
                        created=int(time.time()),
                        model=job.model,
                        choices=[_whole_choice(job, "".join(texts), piece)],
                        usage=_usage(piece),
                    )
                texts.append(piece)
        raise AssertionError("a generation ends with Finished or an error")

    async def _stream(self, upstream: Upstream, job: _Job, *, usage: bool) -> AsyncGenerator[bytes]:
        event = Completion(
            id=_new_id(job),
            object="chat.completion.chunk" if job.chat else "text_completion",
            created=int(time.time()),
            model=job.model,
            choices=[],
        )
        first = job.chat
        async with aclosing(self._pieces(upstream, job)) as pieces:
            async for piece in pieces:
                if first:
                    opening = CompletionChoice(delta=Message("assistant", ""))
                    yield msgspec.json.encode(replace(event, choices=[opening]))
                    first = False
                yield msgspec.json.encode(replace(event, choices=[_part_choice(job, piece)]))
                if usage and isinstance(piece, Finished):
                    yield msgspec.json.encode(replace(event, usage=_usage(piece)))
        yield DONE

    async def _pieces(self, upstream: Upstream, job: _Job) -> AsyncGenerator[str | Finished]:
        """The generated pieces, without empty ones; for a chat, without the space at the beginning."""
        leading = job.chat
        param = "messages" if job.chat else "prompt"
        generated = self._engine.generate(
            upstream, job.prompt, job.max_tokens, job.sampling, job.stops, param
        )
        counted = 0
        async with aclosing(generated) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    self._counters.tokens(
                        upstream.model_id, piece.prompt_tokens, piece.completion_tokens - counted
                    )
                    yield piece
                    continue
                counted += 1
                self._counters.tokens(upstream.model_id, 0, 1)
                if text := piece.lstrip() if leading else piece:
                    leading = False
                    yield text


def _missing(fields: Fields) -> Iterable[str]:
    """What PowerInfer cannot do. Tools that the model must not call are no wish."""
    return [name for name in _MISSING if name != "tools" or wants_tools(fields)]


def _sampling(body: SamplingBody, upstream: Upstream) -> Sampling:
    return Sampling(
        upstream.temperature if body.temperature is None else body.temperature,
        body.top_p,
        body.presence_penalty,
        body.frequency_penalty,
    )


def _json(answer: EmbeddingsAnswer | Completion | TokenCount) -> web.Response:
    return json_response(msgspec.json.encode(answer))


def _new_id(job: _Job) -> str:
    return f"{'chatcmpl' if job.chat else 'cmpl'}-{uuid4().hex}"


def _usage(end: Finished) -> TokenUsage:
    return TokenUsage(end.prompt_tokens, end.prompt_tokens + end.completion_tokens, end.completion_tokens)


def _whole_choice(job: _Job, text: str, end: Finished) -> CompletionChoice:
    stop_reason = _stop_reason(job, end)
    if job.chat:
        message = Message("assistant", text)
        return CompletionChoice(message=message, finish_reason=end.reason, stop_reason=stop_reason)
    return CompletionChoice(text=text, finish_reason=end.reason, stop_reason=stop_reason)


def _part_choice(job: _Job, piece: str | Finished) -> CompletionChoice:
    if isinstance(piece, str):
        delta = Message(content=piece)
        return CompletionChoice(delta=delta) if job.chat else CompletionChoice(text=piece)
    stop_reason = _stop_reason(job, piece)
    if job.chat:
        return CompletionChoice(delta=Message(), finish_reason=piece.reason, stop_reason=stop_reason)
    return CompletionChoice(text="", finish_reason=piece.reason, stop_reason=stop_reason)


def _stop_reason(job: _Job, end: Finished) -> str | UnsetType:
    return end.stop_word if end.stop_word in job.told_stops else UNSET


def _one_prompt(body: CompletionBody) -> str:
    match body.prompt:
        case str(prompt) | [str(prompt)] if prompt:
            return prompt
        case _:
            raise ApiError(
                400,
                "This engine accepts one prompt, which must be a string that is not empty.",
                param="prompt",
            )
