"""Asks a public address as any client does: for terminal, self-test and window. Any thread; blocks."""

from __future__ import annotations

import json
import time
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
    decoded,
)
from tray_app.gateway.openai import TokenUsage
from tray_app.phrases import one_line
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from threading import Event


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: TokenUsage
    model: str = ""


class _Addition(msgspec.Struct):
    text: str = ""


class _Event(msgspec.Struct):
    choices: list[_Addition] = []
    error: Reason | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of their texts, tokens in all, and the time that a client waits for them."""

    vectors: tuple[tuple[float, ...], ...]
    dimensions: int
    tokens: int
    elapsed_ms: float
    model: str = ""
    """The one that made them."""


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
    with LoopbackConnection(base_url) as connection:
        response = connection.send("POST", "/completions", timeout_s, _to_json(body), _headers(key))
        if response.status != HTTPStatus.OK:
            raise _refusal(response.status, connection.content(response))
        try:
            # Leaving closes the connection, by which the engine hears that nobody waits any more.
            for line in connection.lines(response):
                if cancelled.is_set() or line == b"data: [DONE]":
                    return
                if line.startswith(b"data: "):
                    yield _piece(line.removeprefix(b"data: "))
        except (NobodyAnswersError, SlowAnswerError) as exc:
            raise GatewayError(
                ErrorCode.ANSWER_BROKE_OFF, "The answer broke off", "The server closed the connection."
            ) from exc


def _refusal(status: int, content: bytes) -> GatewayError:
    reason = decoded(status, content, ErrorBody).error.message
    return GatewayError(ErrorCode.REQUEST_REFUSED, "The server refused the text", reason)


def _to_json(body: dict[str, Any]) -> bytes:
    # `json`, unlike msgspec, also writes letters that are none; the server then says so.
    return json.dumps(body).encode()


def _headers(key: str) -> dict[str, str]:
    authorization = {"Authorization": f"Bearer {key}"} if key else {}
    return {"Content-Type": "application/json", **authorization}


def _piece(payload: bytes) -> str:
    """The text that one event of a stream adds; `GatewayError` if it says that something went wrong."""
    try:
        event = msgspec.json.decode(payload, type=_Event)
    except NOT_JSON as exc:
        raise GatewayError(
            ErrorCode.ANSWER_NOT_UNDERSTOOD,
            "Unexpected answer from the server",
            "An event of the stream is not what this app expects.",
        ) from exc
    if event.error:
        raise GatewayError(ErrorCode.ANSWER_BROKE_OFF, "The answer broke off", one_line(event.error.message))
    return "".join(choice.text for choice in event.choices)
