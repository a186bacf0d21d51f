"""Asks a public address as any client does: for terminal, self-test and window. Any thread; blocks."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.errors import ErrorCode, GatewayError
from tray_app.gateway.loopback import (
    ErrorBody,
    LoopbackConnection,
    NobodyAnswersError,
    Reason,
    SlowAnswerError,
    WaitCalledOffError,
    decoded,
)
from tray_app.gateway.openai import TokenUsage
from tray_app.phrases import one_line
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from http.client import HTTPResponse
    from threading import Event

    from tray_app.phrases import Text


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: TokenUsage
    model: str = ""


class _Words(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    """What Ollama and newer vLLM call it."""


class _Addition(msgspec.Struct):
    text: str = ""
    delta: _Words | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int | None = None


class _Event(msgspec.Struct):
    choices: list[_Addition] = []
    error: Reason | None = None
    model: str | None = None
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of their texts, tokens in all, and the time that a client waits for them."""

    vectors: tuple[tuple[float, ...], ...]
    dimensions: int
    tokens: int
    elapsed_ms: float
    model: str = ""
    """The one that made them."""


@dataclass(frozen=True, slots=True)
class ChatPiece:
    """What one event of a streamed answer adds to it. The last ones say how the answer came about."""

    text: str = ""
    reasoning: str = ""
    """What the model thinks before it answers."""
    tokens: int | None = None
    """All that the model has written, with its thoughts; told once, at the end, if the server tells it."""
    tokens_per_s: float | None = None
    """From the first piece to the last; told with the tokens, unless there was but one."""
    finish_reason: str = ""
    """`stop` if the model was done, `length` if no more fits into its context; empty before the end."""
    model_id: str = ""
    """The model that answers."""


def request_embeddings(
    base_url: str,
    texts: Sequence[str],
    *,
    key: str = "",
    model: str = "",
    more: Mapping[str, object] | None = None,
    timeout_s: float = 600.0,
) -> Embeddings:
    """The embeddings of `texts`, from the server at `base_url` (it ends in /v1).

    `model`: empty for the default one. `more` are further fields of the request.

    Raises
    ------
    GatewayError
        If nobody answers there, or the answer is a refusal; its message is then the server's.

    """
    body = {"input": list(texts), "model": model, "encoding_format": "float", **(more or {})}
    with LoopbackConnection(base_url) as connection:
        began_s = time.perf_counter()
        response = connection.send("POST", "/embeddings", timeout_s, _to_json(body), _headers(key))
        content = connection.content(response)
        elapsed_ms = (time.perf_counter() - began_s) * 1000
    if response.status != HTTPStatus.OK:
        raise _refusal(response.status, content)
    answer = decoded(response.status, content, _Vectors)
    vectors = tuple(tuple(item.embedding) for item in sorted(answer.data, key=lambda item: item.index))
    dimensions = len(vectors[0]) if vectors else 0
    return Embeddings(vectors, dimensions, answer.usage.prompt_tokens, elapsed_ms, answer.model)


def complete(
    base_url: str,
    prompt: str,
    max_tokens: int,
    cancelled: Event,
    *,
    key: str = "",
    timeout_s: float = 600.0,
) -> Iterator[str]:
    """What the server at `base_url` adds to `prompt`, piece by piece as it comes, until `cancelled` is set.

    Raises
    ------
    GatewayError
        As `request_embeddings`; also if the answer breaks off.

    """
    body = {"prompt": prompt, "max_tokens": max_tokens, "model": "", "stream": True}
    with suppress(WaitCalledOffError), LoopbackConnection(base_url, cancelled) as connection:
        response = connection.send("POST", "/completions", timeout_s, _to_json(body), _headers(key))
        if response.status != HTTPStatus.OK:
            raise _refusal(response.status, connection.content(response))
        for event in _events(connection, response, cancelled):
            yield "".join(choice.text for choice in event.choices)


def stream_chat(
    base_url: str, body: Mapping[str, Any], cancelled: Event, *, key: str = "", timeout_s: float = 600.0
) -> Iterator[ChatPiece]:
    """The answer of the server at `base_url` to a chat, piece by piece as it comes; it ends at once when
    `cancelled` is set.

    `body` has `model` and `messages` in OpenAI's dialect, and what else is wanted but a stream.

    Raises
    ------
    GatewayError
        As `complete`. `CONVERSATION_TOO_LONG`, `MODEL_CANNOT_CHAT` and `MODEL_CANNOT_SEE` tell the refusals
        apart that a person can do something about.

    """
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with suppress(WaitCalledOffError), LoopbackConnection(base_url, cancelled) as connection:
        response = connection.send("POST", "/chat/completions", timeout_s, _to_json(asked), _headers(key))
        if response.status != HTTPStatus.OK:
            raise _chat_refusal(response.status, connection.content(response))
        first_s = last_s = 0.0
        tokens: int | None = None
        model_id = ""
        for event in _events(connection, response, cancelled):
            model_id = event.model or model_id
            tokens = event.usage.completion_tokens if event.usage else tokens
            for piece in _pieces(event):
                if piece.text or piece.reasoning:
                    last_s = time.perf_counter()
                    first_s = first_s or last_s
                yield piece
        if tokens and not cancelled.is_set():
            # The first token has come before the clock runs.
            per_s = (tokens - 1) / (last_s - first_s) if last_s > first_s else None
            yield ChatPiece(tokens=tokens, tokens_per_s=per_s, model_id=model_id)


def _pieces(event: _Event) -> Iterator[ChatPiece]:
    """What an event adds to a chat; nothing for one that only opens it."""
    for choice in event.choices:
        words = choice.delta or _Words()
        piece = ChatPiece(
            words.content or "",
            words.reasoning_content or words.reasoning or "",
            finish_reason=choice.finish_reason or "",
            model_id=event.model or "",
        )
        if piece.text or piece.reasoning or piece.finish_reason:
            yield piece


def _events(connection: LoopbackConnection, response: HTTPResponse, cancelled: Event) -> Iterator[_Event]:
    """What a server tells of a streamed answer, until it ends or `cancelled` is set."""
    try:
        # Leaving closes the connection, by which the engine hears that nobody waits any more.
        for line in connection.lines(response):
            if cancelled.is_set() or line == b"data: [DONE]":
                return
            if line.startswith(b"data: "):
                yield _event(line.removeprefix(b"data: "))
    except NobodyAnswersError as exc:
        raise GatewayError(
            ErrorCode.ANSWER_BROKE_OFF, "The answer was interrupted", "The server closed the connection."
        ) from exc
    except SlowAnswerError as exc:
        _, why, hint = exc.texts
        raise GatewayError(ErrorCode.ANSWER_BROKE_OFF, "The answer was interrupted", why, hint) from exc


def _refusal(status: int, content: bytes) -> GatewayError:
    reason = decoded(status, content, ErrorBody).error.message
    return GatewayError(ErrorCode.REQUEST_REFUSED, "The server refused the text", reason)


def _chat_refusal(status: int, content: bytes) -> GatewayError:
    reason = decoded(status, content, ErrorBody).error
    code, title, hint = _CHAT_REFUSALS.get(str(reason.code), _OTHER_REFUSAL)
    return GatewayError(code, title, one_line(reason.message), hint)


_OTHER_REFUSAL: tuple[ErrorCode, Text, Text] = (ErrorCode.REQUEST_REFUSED, "The server did not answer", "")
_CHAT_REFUSALS: Mapping[str, tuple[ErrorCode, Text, Text]] = {
    "context_length_exceeded": (
        ErrorCode.CONVERSATION_TOO_LONG,
        "The conversation is too long for the model",
        "It is kept. Start a new one, or continue from an earlier message.",
    ),
    "unsupported_content": (
        ErrorCode.MODEL_CANNOT_SEE,
        "The model cannot use these pictures",
        "Leave them out, or choose a model that can see.",
    ),
    "unsupported_model": (
        ErrorCode.MODEL_CANNOT_CHAT,
        "This model cannot chat",
        "Choose a chat model.",
    ),
}
"""By the code of the server's error."""


def _to_json(body: Mapping[str, Any]) -> bytes:
    # `json`, unlike msgspec, also writes letters that are none; the server then says so.
    return json.dumps(dict(body)).encode()


def _headers(key: str) -> dict[str, str]:
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    return {"Content-Type": "application/json", **authorization}


def _event(payload: bytes) -> _Event:
    """One event of a stream; `GatewayError` if it says that something went wrong."""
    try:
        event = msgspec.json.decode(payload, type=_Event)
    except NOT_JSON as exc:
        raise GatewayError(
            ErrorCode.ANSWER_NOT_UNDERSTOOD,
            "Unexpected answer from the server",
            "Part of the stream is not what this app expects.",
        ) from exc
    if event.error:
        raise GatewayError(
            ErrorCode.ANSWER_BROKE_OFF, "The answer was interrupted", one_line(event.error.message)
        )
    return event
