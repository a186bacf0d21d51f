"""The client of PowerInfer's server, which keeps harmful requests from it. Runs on the gateway's event loop.

PowerInfer's server works on one request at a time, crashes on fields of the wrong type, silently cuts texts
that are too long, and hangs for ever when a generation fills the context. Only this module sends it requests:
typed values of known fields, one request after the other, within the context. Source:
examples/server/server.cpp of PowerInfer at commit d3ebd7c.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import RETRY_AFTER_S, decode_answer, engine_faults, whole_answer
from tray_app.gateway.events import EventSplitter
from tray_app.gateway.powerinfer.stops import StopScanner
from tray_app.gateway.powerinfer.turns import Turns
from tray_app.gateway.refusals import Limit
from tray_app.gateway.silence import Silence
from tray_app.gateway.text_lengths import check_letters, most_letters, too_long_error
from tray_app.gateway.vectors import check_vector, decode_numbers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import aiohttp

    from tray_app.gateway.openai import FinishReason
    from tray_app.gateway.upstream import Upstream
    from tray_app.system.engine_id import RunId

BUSY = "slot unavailable"
BUSY_PAUSE_S = 0.01
LEAST_TOKENS = 4  # the server generates at least so many tokens, whatever it is told


class _Content(Struct, frozen=True):
    """Body of /tokenize and /embedding. Only a text: lists of numbers crash the server."""

    content: str


class _Prompt(Struct, frozen=True, omit_defaults=True):
    """Body of /completion.

    Stop words are found by the gateway (`stops.py`); `system_prompt` and `grammar` are never sent.
    """

    prompt: str
    n_predict: int
    temperature: float
    stream: bool
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class _Tokens(Struct, frozen=True):
    tokens: list[int]


class _Embedding(Struct, frozen=True):
    embedding: list[float | None] = []
    content: str = ""


class _Event(Struct, frozen=True):
    content: str
    stop: bool
    tokens_predicted: int = 0
    stopped_eos: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; None leaves it to the engine."""

    temperature: float
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding as the engine gives it, and the number of its tokens.

    `is_cut`: whether the text was too long and was shortened.
    """

    values: Sequence[float]
    tokens: int
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a generation. `stop_word`: the one that has ended it."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    stop_word: str | None = None


class PowerInfer:
    """PowerInfer's servers. Each gets one request at a time, in order of arrival. Belongs to one event loop.

    `busy_limit_s`: how long a server may answer that it is busy with another request. `suspect` is called
    with the server's run after each `silence_limit_s` without any answer to a request: the server may hang.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        suspect: Callable[[RunId], None],
        *,
        silence_limit_s: float,
        busy_limit_s: float = 60.0,
    ) -> None:
        self._session = session
        self._suspect = suspect
        self._busy_limit_s = busy_limit_s
        self._silence_limit_s = silence_limit_s
        self._turns = Turns()

    async def tokenize(self, upstream: Upstream, text: str) -> list[int]:
        """The tokens of a text, without the one that the server adds before every prompt."""
        answer = await self._post(upstream, "/tokenize", msgspec.json.encode(_Content(text)))
        return decode_answer(answer, _Tokens).tokens

    async def count(self, upstream: Upstream, text: str, param: str) -> int:
        """How many tokens a prompt has; `param`: the field of the request that has it."""
        check_letters(upstream, {0: len(text)}, param)
        async with self._turns.turn(upstream) as worker:
            return await self._prompt_tokens(worker, text)

    async def embed(self, upstream: Upstream, text: str, index: int = 0, *, truncate: bool = False) -> Vector:
        """The embedding of one text, the one at `index` of its request. `truncate`: cut it if it is too long.

        Raises
        ------
        ApiError
            400 if the text does not fit into the context; 502 for a vector that is none; 503 for a dead
            engine.

        """
        most = upstream.context_size - 1
        if not truncate:
            check_letters(upstream, {index: len(text)}, "input", can_truncate=True)
        async with self._turns.turn(upstream) as worker:
            kept = text[: most_letters(worker)]
            tokens = await self._prompt_tokens(worker, kept)
            if tokens > most:
                if not truncate:
                    limit = Limit(tokens, most, upstream.context_size)
                    raise too_long_error(upstream, limit, {index: tokens}, "input", can_truncate=True)
                kept = await self._cut(worker, kept, most)
                tokens = await self._prompt_tokens(worker, kept)
            body = msgspec.json.encode(_Content(kept))
            give_up_s = time.monotonic() + self._busy_limit_s
            while True:
                answer = decode_numbers(await self._post(worker, "/embedding", body), _Embedding)
                if answer.content != BUSY:
                    return Vector(check_vector(answer.embedding, index), tokens, is_cut=kept != text)
                await _pause(give_up_s)

    async def _cut(self, upstream: Upstream, text: str, most: int) -> str:
        """The longest beginning of a text that fits, found with the engine's own tokenizer."""
        fits, too_long = 0, len(text)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            if await self._prompt_tokens(upstream, text[:middle]) <= most:
                fits = middle
            else:
                too_long = middle
        return text[:fits]

    async def generate(
        self,
        upstream: Upstream,
        prompt: str,
        max_tokens: int | None,
        sampling: Sampling,
        stops: Sequence[str],
        param: str = "prompt",
    ) -> AsyncGenerator[str | Finished]:
        """Pieces of text as they are generated, then how it ended. Leaving the iteration ends the engine's
        work.

        At most `max_tokens`, and never so many that the context is full. `ApiError` as `embed`; `param`: the
        field of the request that has the prompt.
        """
        check_letters(upstream, {0: len(prompt)}, param)
        async with self._turns.turn(upstream) as worker:
            prompt_tokens = await self._prompt_tokens(worker, prompt)
            room = upstream.context_size - prompt_tokens - 1
            if room < LEAST_TOKENS:
                room_for_prompt = upstream.context_size - 1 - LEAST_TOKENS
                limit_of_prompt = Limit(prompt_tokens, room_for_prompt, upstream.context_size)
                raise too_long_error(upstream, limit_of_prompt, {}, param)
            limit = min(max_tokens or room, room)
            scanner = StopScanner(stops)
            made = 0
            async with aclosing(self._events(worker, prompt, limit, sampling)) as events:
                async for event in events:
                    if event.stop:
                        yield scanner.flush()
                        yield _finished(event, prompt_tokens)
                        return
                    made += 1
                    yield scanner.feed(event.content)
                    if scanner.stopped:
                        yield Finished("stop", prompt_tokens, made, scanner.found)
                        return
                    if made == limit < LEAST_TOKENS:
                        yield scanner.flush()
                        yield Finished("length", prompt_tokens, made)
                        return
        raise ApiError(502, "The engine stopped in the middle of its answer.", code="engine_answer")

    async def _events(
        self, upstream: Upstream, prompt: str, limit: int, sampling: Sampling
    ) -> AsyncGenerator[_Event]:
        body = msgspec.json.encode(
            _Prompt(
                prompt=prompt,
                n_predict=max(limit, LEAST_TOKENS) - 1,  # the server generates one more than it is told
                temperature=sampling.temperature,
                stream=True,
                top_p=sampling.top_p,
                presence_penalty=sampling.presence_penalty,
                frequency_penalty=sampling.frequency_penalty,
            )
        )
        give_up_s = time.monotonic() + self._busy_limit_s
        busy = True
        while busy:
            splitter = EventSplitter()
            with engine_faults(), self._silence(upstream) as silence:
                async with self._session.post(upstream.url("/completion"), data=body) as answer:
                    _check(answer)
                    async for chunk in answer.content.iter_any():
                        silence.heard()
                        for payload in splitter.feed(chunk):
                            busy = False  # a busy server sends no event at all
                            yield decode_answer(payload, _Event)
            if busy:
                await _pause(give_up_s)

    async def _prompt_tokens(self, upstream: Upstream, text: str) -> int:
        begin_of_text = 1  # the server adds one before every prompt, but not to its list of tokens
        return begin_of_text + len(await self.tokenize(upstream, text))

    async def _post(self, upstream: Upstream, path: str, body: bytes) -> bytes:
        with engine_faults(), self._silence(upstream):
            async with self._session.post(upstream.url(path), data=body) as answer:
                _check(answer)
                return await whole_answer(answer)

    def _silence(self, upstream: Upstream) -> Silence:
        return Silence(self._silence_limit_s, lambda: self._suspect(upstream.run))


async def _pause(give_up_s: float) -> None:
    """Wait before asking a busy server again; it does not tell when it is free."""
    if time.monotonic() > give_up_s:
        raise ApiError(503, "The engine is busy.", code="engine_busy", retry_after_s=RETRY_AFTER_S)
    await asyncio.sleep(BUSY_PAUSE_S)


def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status != HTTPStatus.OK:
        raise ApiError(502, f"The engine answered with status {answer.status}.", code="engine_answer")


def _finished(event: _Event, prompt_tokens: int) -> Finished:
    """The end of a generation.

    `tokens_predicted` is 0 at the first token; an end-of-text token does not count as text.
    """
    if event.stopped_eos:
        return Finished("stop", prompt_tokens, event.tokens_predicted)
    return Finished("length", prompt_tokens, event.tokens_predicted + 1)
