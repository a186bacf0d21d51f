"""Requests of Ollama's API from their bodies to their answers. Event loop; large ones are read beside it.

Durations are in nanoseconds: llama.cpp tells them, for other engines they are what was seen from here.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.apis.forms import AnsweredError
from tray_app.gateway.apis.ollama_requests import (
    ChatRequest,
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
)
from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.events import DONE, WRITER
from tray_app.gateway.intake import FIELDS
from tray_app.gateway.openai import Fields, ascii_json, decode
from tray_app.gateway.replies import json_response
from tray_app.phrases import visible
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiohttp import web

    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.openai import ApiError
    from tray_app.gateway.upstream import Upstream

_CALLED_HERE = {"'response_format'": "'format'", "'max_tokens'": "'num_predict'"}
"""What errors about a request in OpenAI's form call otherwise."""
_NS_IN_MS = 1_000_000
_TOO_LONG = "length"
"""Why a text has ended, if not by itself: both APIs call it so."""


class _Function(Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Words(Struct, frozen=True):
    """A message, or what an event adds to it."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Logprobs(Struct, frozen=True):
    content: list[Raw] | None = None


class _Choice(Struct, frozen=True):
    message: _Words | None = None
    delta: _Words | None = None
    text: str | None = None
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None

    @property
    def words(self) -> _Words:
        return self.message or self.delta or _Words(self.text)


class _Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Timings(Struct, frozen=True):
    prompt_ms: float = 0.0
    predicted_ms: float = 0.0


class _Completion(Struct, frozen=True):
    """A whole answer to a chat or a completion, or one event of it."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: _Timings | None = None


class _Vector(Struct, frozen=True):
    embedding: Raw
    index: int = 0


class _Vectors(Struct, frozen=True):
    data: list[_Vector]
    usage: _Usage | None = None


def error_body(error: ApiError) -> bytes:
    """An error as Ollama's clients read it."""
    told = error.message
    for name, here in _CALLED_HERE.items():
        told = told.replace(name, here)
    return msgspec.json.encode({"error": visible(told)})


class OllamaForm(ABC):
    """One request of Ollama's API that an engine answers. See `Form`."""

    body: type[ChatRequest | GenerateRequest | EmbedRequest | EmbeddingsRequest]

    def __init__(self) -> None:
        self._model: object = None
        self._is_empty = False
        self._began_ns = self._loaded_ns = time.monotonic_ns()

    def question(self, body: bytes) -> Fields:
        """See `Form`. Without a text it only asks that the model be loaded, or says that it may go.

        The latter is answered at once and changes nothing: others may use the model, and the settings say
        when it goes.
        """
        asked = decode(body, self.body)
        self._model, self._is_empty = asked.model, asked.is_empty
        if not self._is_empty:
            return asked.fields()
        if asked.ends_use:
            raise AnsweredError(self._nothing("unload"))
        return {"model": Raw(msgspec.json.encode(asked.model))}

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """The engine's answer; if nothing is asked, that it is loaded."""
        self._loaded_ns = time.monotonic_ns()
        if self._is_empty:
            return json_response(self._nothing("load"))
        return await self._ask(dialect, request, upstream)

    def whole(self, answer: bytes) -> bytes:
        """See `Form`."""
        return answer if self._is_empty else self._whole(answer)

    @abstractmethod
    def _whole(self, answer: bytes) -> bytes:
        """The engine's whole answer in this form."""

    @abstractmethod
    async def _ask(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """The engine's answer in OpenAI's form."""

    @abstractmethod
    def _nothing(self, reason: str) -> bytes:
        """The answer to a request without a text."""

    def _head(self) -> dict[str, object]:
        return {"model": self._model if isinstance(self._model, str) else ""}

    def _durations(self) -> dict[str, object]:
        return {
            "total_duration": time.monotonic_ns() - self._began_ns,
            "load_duration": self._loaded_ns - self._began_ns,
        }


class _WritingForm(OllamaForm):
    """A request for a text, whose answer may be streamed as lines of JSON. See `Writer` for that."""

    content_type = "application/x-ndjson"

    def _whole(self, answer: bytes) -> bytes:
        told = decode_answer(answer, _Completion)
        calls = _Calls()
        choice = next(iter(told.choices or ()), _Choice())
        calls.add(choice.words.tool_calls or ())
        piece = self._piece(choice.words, choice.logprobs, calls.told())
        return msgspec.json.encode({**piece, **self._end(choice.finish_reason, told, self._loaded_ns)})

    async def pieces(self, payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """See `Writer`. Calls of tools are told once they are whole."""
        calls, reason, first_ns = _Calls(), None, 0
        end = _Completion()
        async with aclosing(payloads):
            async for payload in payloads:
                if payload == DONE:
                    continue
                first_ns = first_ns or time.monotonic_ns()
                event = decode_answer(payload, _Completion)
                end = _Completion(usage=event.usage or end.usage, timings=event.timings or end.timings)
                for choice in event.choices or ():
                    words, reason = choice.words, choice.finish_reason or reason
                    calls.add(words.tool_calls or ())
                    if words.content or words.reasoning_content:
                        yield _line({**self._piece(words, choice.logprobs), "done": False})
        if not first_ns:
            return
        if called := calls.told():
            yield _line({**self._piece(_Words(), calls=called), "done": False})
        yield _line({**self._piece(_Words()), **self._end(reason, end, first_ns)})

    def fault(self, error: ApiError) -> bytes:
        """See `Writer`."""
        return error_body(error) + b"\n"

    async def _ask(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        request[WRITER] = self
        ask = dialect.completions if "prompt" in request[FIELDS] else dialect.chat
        return await ask(request, upstream)

    def _nothing(self, reason: str) -> bytes:
        return msgspec.json.encode({**self._piece(_Words()), "done": True, "done_reason": reason})

    def _head(self) -> dict[str, object]:
        return {**super()._head(), "created_at": moment(time.time())}

    def _piece(
        self, words: _Words, logprobs: _Logprobs | None = None, calls: list[object] | None = None
    ) -> dict[str, object]:
        piece = {**self._head(), **self._said(words.content or "", words.reasoning_content, calls)}
        return {**piece, "logprobs": logprobs.content} if logprobs and logprobs.content else piece

    @abstractmethod
    def _said(self, text: str, thought: str | None, calls: list[object] | None) -> dict[str, object]:
        """What the model has written."""

    def _end(self, reason: str | None, told: _Completion, first_ns: int) -> dict[str, object]:
        """What the last piece has besides. `first_ns`: when the first token was there."""
        usage, timings = told.usage or _Usage(), told.timings
        read_ns, written_ns = first_ns - self._loaded_ns, time.monotonic_ns() - first_ns
        if timings:
            read_ns, written_ns = int(timings.prompt_ms * _NS_IN_MS), int(timings.predicted_ms * _NS_IN_MS)
        return {
            "done": True,
            "done_reason": _TOO_LONG if reason == _TOO_LONG else "stop",
            **self._durations(),
            "prompt_eval_count": usage.prompt_tokens or 0,
            "prompt_eval_duration": read_ns,
            "eval_count": usage.completion_tokens or 0,
            "eval_duration": written_ns,
        }


class ChatForm(_WritingForm):
    """POST /api/chat."""

    body = ChatRequest

    def _said(self, text: str, thought: str | None, calls: list[object] | None) -> dict[str, object]:
        message: dict[str, object] = {"role": "assistant", "content": text}
        if thought:
            message["thinking"] = thought
        if calls:
            message["tool_calls"] = calls
        return {"message": message}


class GenerateForm(_WritingForm):
    """POST /api/generate."""

    body = GenerateRequest

    def _said(self, text: str, thought: str | None, _calls: list[object] | None) -> dict[str, object]:
        return {"response": text, "thinking": thought} if thought else {"response": text}


class EmbedForm(OllamaForm):
    """POST /api/embed."""

    body: type[EmbedRequest | EmbeddingsRequest] = EmbedRequest

    def _whole(self, answer: bytes) -> bytes:
        told = decode_answer(answer, _Vectors)
        vectors = [each.embedding for each in sorted(told.data, key=lambda vector: vector.index)]
        tokens = told.usage.prompt_tokens if told.usage else None
        return self._told(vectors, {**self._durations(), "prompt_eval_count": tokens or 0})

    async def _ask(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        if upstream.is_remote:  # it may refuse what is not OpenAI's
            del request[FIELDS]["truncate"]
        return await dialect.embeddings(request, upstream)

    def _nothing(self, _reason: str) -> bytes:
        return self._told([], {})

    def _told(self, vectors: list[Raw], more: dict[str, object]) -> bytes:
        return msgspec.json.encode({**self._head(), "embeddings": vectors, **more})


class EmbeddingsForm(EmbedForm):
    """POST /api/embeddings."""

    body = EmbeddingsRequest

    def _told(self, vectors: list[Raw], _more: dict[str, object]) -> bytes:
        return msgspec.json.encode({"embedding": vectors[0] if vectors else []})


class _Calls:
    """The calls of tools in an answer, which a stream has in pieces."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[_Call]] = {}

    def add(self, calls: Iterable[_Call]) -> None:
        """Calls of a whole answer, or parts of them from an event."""
        for place, call in enumerate(calls):
            self._pieces.setdefault(place if call.index is None else call.index, []).append(call)

    def told(self) -> list[object]:
        """The calls that are whole: a text that ended too early may end within one."""
        called = (self._told(index, pieces) for index, pieces in sorted(self._pieces.items()))
        return [call for call in called if call]

    def _told(self, index: int, pieces: list[_Call]) -> dict[str, object] | None:
        functions = [piece.function for piece in pieces if piece.function]
        arguments = "".join(each.arguments or "" for each in functions) or "{}"
        try:
            msgspec.json.decode(arguments, type=Fields)
        except NOT_JSON:
            return None
        call: dict[str, object] = {
            "function": {
                "index": index,
                "name": "".join(each.name or "" for each in functions),
                "arguments": Raw(arguments.encode()),
            }
        }
        call_id = next((piece.id for piece in pieces if piece.id), None)
        return {"id": call_id, **call} if call_id else call


def moment(time_s: float) -> str:
    """A time as Ollama tells it. `time_s`: in seconds since 1970."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _line(piece: dict[str, object]) -> bytes:
    return ascii_json(msgspec.json.encode(piece)) + b"\n"
