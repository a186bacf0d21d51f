"""PowerInfer's own routes, with the same checks as OpenAI's. Runs on the gateway's event loop.

/infill and /detokenize are not offered: their token numbers cannot be checked without the model's vocabulary.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from tray_app.gateway.events import write_events
from tray_app.gateway.intake import BODY
from tray_app.gateway.openai import ApiError, decode
from tray_app.gateway.powerinfer.client import Finished, Sampling
from tray_app.gateway.replies import json_response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tray_app.gateway.counters import Counters
    from tray_app.gateway.powerinfer.client import PowerInfer
    from tray_app.gateway.upstream import Upstream


class _Text(Struct, frozen=True):
    """Body of /embedding and /tokenize."""

    content: str


class _Completion(Struct, frozen=True):
    """Body of /completion. Other fields are ignored: some of them crash the server."""

    prompt: str
    n_predict: Annotated[int, Meta(ge=-1)] | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None = None
    stop: Annotated[list[str], Meta(max_length=16)] | None = None
    stream: bool | None = None


class _Part(Struct, frozen=True):
    content: str
    stop: bool = False


class _End(Struct, frozen=True):
    """The whole answer, or the last event."""

    content: str
    model: str
    tokens_predicted: int
    tokens_evaluated: int
    stopped_limit: bool
    truncated: bool = False
    stop: bool = True


class Native:
    """Answers in PowerInfer's own dialect."""

    def __init__(self, engine: PowerInfer, counters: Counters) -> None:
        self._engine = engine
        self._counters = counters

    async def answer(self, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """POST to a native route; 404 for those that are not offered."""
        data = request[BODY]
        match request.path:
            case "/embedding":
                vector = await self._engine.embed(
                    upstream, _not_empty(decode(data, _Text).content, "content")
                )
                self._counters.tokens(upstream.model_id, vector.tokens, 0)
                return _json({"embedding": vector.values})
            case "/tokenize":
                return _json({"tokens": await self._engine.tokenize(upstream, decode(data, _Text).content)})
            case "/completion":
                body = decode(data, _Completion)
                if body.stream:
                    return await write_events(request, self._events(upstream, body))
                return _json([event async for event in self._generate(upstream, body, whole=True)][-1])
            case _:
                raise web.HTTPNotFound

    async def _events(self, upstream: Upstream, body: _Completion) -> AsyncGenerator[bytes]:
        async with aclosing(self._generate(upstream, body, whole=False)) as events:
            async for event in events:
                yield msgspec.json.encode(event)

    async def _generate(
        self, upstream: Upstream, body: _Completion, *, whole: bool
    ) -> AsyncGenerator[_Part | _End]:
        sampling = Sampling(
            upstream.temperature if body.temperature is None else body.temperature,
            body.top_p,
            body.presence_penalty,
            body.frequency_penalty,
        )
        limit = body.n_predict if body.n_predict and body.n_predict > 0 else None
        prompt = _not_empty(body.prompt, "prompt")
        generated = self._engine.generate(upstream, prompt, limit, sampling, body.stop or ())
        texts: list[str] = []
        async with aclosing(generated) as pieces:
            async for piece in pieces:
                if isinstance(piece, Finished):
                    self._counters.tokens(upstream.model_id, piece.prompt_tokens, piece.completion_tokens)
                    yield _End(
                        content="".join(texts) if whole else "",
                        model=upstream.model_id,
                        tokens_predicted=piece.completion_tokens,
                        tokens_evaluated=piece.prompt_tokens,
                        stopped_limit=piece.reason == "length",
                    )
                elif whole:
                    texts.append(piece)
                else:
                    yield _Part(piece)


def _not_empty(text: str, name: str) -> str:
    if not text:
        raise ApiError(400, f"'{name}' must be a string that is not empty.", param=name)
    return text


def _json(answer: object) -> web.Response:
    return json_response(msgspec.json.encode(answer))
