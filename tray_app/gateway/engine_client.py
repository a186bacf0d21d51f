"""Asks an engine that speaks OpenAI's dialect, and finds out why it refuses. Runs on the event loop."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.asked import as_sent
from tray_app.gateway.chat_faults import chat_fault
from tray_app.gateway.engine_errors import decode_answer, engine_faults, whole_answer
from tray_app.gateway.json_shape import AnswerShape
from tray_app.gateway.limits import SLICE_BYTES
from tray_app.gateway.openai import asked_model, raw_texts
from tray_app.gateway.raw_json import NULL, Fields, decode_part, size_of, value_of
from tray_app.gateway.refusals import clients_error, local_error, read_error_event, remote_error, told_refusal
from tray_app.gateway.slices import in_slices
from tray_app.gateway.text_lengths import Tokenizer, prompts_of, too_long_error, too_long_prompts
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from tray_app.gateway.api_error import ApiError
    from tray_app.gateway.body_worker import BodyWorker
    from tray_app.gateway.byte_budget import Held
    from tray_app.gateway.engine_connections import EngineConnections, HttpAnswer
    from tray_app.gateway.refusals import Refusal
    from tray_app.gateway.text_lengths import Prompt
    from tray_app.gateway.upstream import Upstream

EMBEDDINGS, COMPLETIONS, CHAT = "/v1/embeddings", "/v1/completions", "/v1/chat/completions"
COUNT = "/v1/chat/completions/input_tokens"
PARAMS = {EMBEDDINGS: "input", COMPLETIONS: "prompt", CHAT: "messages"}
"""Where each has its texts."""
_CHATS_PARTS = (None, "messages", "tools")
_READS_A_CHAT = "/apply-template"
"""A route that makes llama.cpp read a chat without computing an answer."""
_OPENING_BYTES = 200
"""Where an answer says that it is an error, if it is one."""
_MOST_KEPT = 4
"""So many connections to an engine are kept open. A server of llama.cpp with a fixed number of threads has
five for requests at least, and each connection takes one even while it is idle: with more of them, a new
one would wait until one is closed. The built-in engine starts more threads when it needs them; 40 idle
connections to it were measured to take 5 % of a core.

All other requests get a connection of their own at once, so that the engine takes them in their order.
Made to wait here for a kept one, 64 clients of the test model cost gateway and engine a quarter less
processor time, but those of a model of MiniLM's size no less. And an engine with more slots than this
would leave some of them empty, and streams would either overtake what waits or, if they waited too, let
one client that does not read hold up all others."""
_PLAIN_CHAT: Fields = {"messages": Raw(b'[{"role":"user","content":"Hi"}]')}


class RefusedError(Exception):
    """The engine gave no result."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class EngineClient:
    """Asks llama.cpp and remote servers.

    `kept` is a session that keeps its connections, `fresh` one that does not; `engines` has the connections
    to engines of this computer.
    """

    def __init__(
        self,
        kept: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        engines: EngineConnections,
        body_worker: BodyWorker,
    ) -> None:
        self._kept = kept
        self._fresh = fresh
        self._engines = engines
        self._body_worker = body_worker
        self._on_kept: Counter[str] = Counter()
        """By the address of each engine, the requests that have one of its kept connections."""
        self.tokenizer = Tokenizer(fresh)

    @asynccontextmanager
    async def asked(self, upstream: Upstream, path: str, fields: Fields) -> AsyncIterator[HttpAnswer]:
        """The engine's answer to a POST of `fields` at `path`, over a kept connection where that is safe.

        Raises
        ------
        RefusedError
            For any status but 200.
        ApiError
            503 if there is no answer.

        """
        # llama.cpp hangs up after a stream, and nothing tells before the next request is lost.
        with self._kept_place(upstream, wanted=value_of(fields, "stream") is not True) as kept:
            async with self._reply(upstream, path, fields, kept=kept) as answer:
                if answer.status != HTTPStatus.OK:
                    raise RefusedError(await told_refusal(answer))
                yield answer

    async def explained(self, refusal: Refusal, upstream: Upstream, path: str, fields: Fields) -> ApiError:
        """What a client is told of a refusal: 400 if its request is at fault, 502 or 503 if the engine is."""
        if upstream.is_remote:
            return remote_error(refusal)
        param = PARAMS[path]
        if limit := refusal.limit:
            prompts = [] if path == CHAT else _prompts(fields, param)
            found = await too_long_prompts(self.tokenizer, upstream, prompts, limit)
            return too_long_error(upstream, limit, found, param, can_truncate=path == EMBEDDINGS)
        error = local_error(refusal, fields)
        if path != CHAT or error.code or error.param not in _CHATS_PARTS or not refusal.reason:
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


class _Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def told_tokens(answer: Fields) -> tuple[int, int] | None:
    """The tokens read and generated according to an answer; None if it does not say."""
    told = answer.get("usage", NULL)
    if told == NULL:
        return None
    try:
        usage = msgspec.json.decode(told, type=_Usage)
    except NOT_JSON:
        return None
    return usage.prompt_tokens or 0, usage.completion_tokens or 0


async def whole_result(answer: HttpAnswer, held: Held | None) -> bytes:
    """The body of an answer; `RefusedError` for an error with status 200, as LM Studio has it.

    `held` counts that of a remote server, which is looked at as it comes.
    """
    body = await whole_answer(answer, check=AnswerShape() if held else None, held=held)
    if b'"error"' in body[:_OPENING_BYTES] and decode_answer(body, Fields).get("error", NULL) != NULL:
        raise RefusedError(read_error_event(body))
    return body


def _prompts(fields: Fields, param: str) -> Iterable[Prompt]:
    if param == "input":
        return (decode_part(text, str) for text in raw_texts(fields["input"]))
    return prompts_of(fields)
