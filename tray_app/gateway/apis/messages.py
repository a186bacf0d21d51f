"""Anthropic's API: /v1/messages and /v1/messages/count_tokens, asked as chats (`messages_requests.py`), and
their answers. Event loop.

Shapes: https://docs.claude.com/en/api/messages. llama.cpp has these routes itself; asked as chats they are
the same on every engine, and all that holds for chats holds for them.
"""

from __future__ import annotations

from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from msgspec import Raw

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.chat_answers import Added, Begun, Ended, answer_parts, whole_answer_of
from tray_app.gateway.apis.forms import FOR_LLAMACPP, named_event
from tray_app.gateway.apis.messages_requests import (
    NO_ARGUMENTS,
    CountBody,
    MessagesBody,
    chat_of,
    for_llamacpp,
)
from tray_app.gateway.events import EVENT_STREAM, WRITER
from tray_app.gateway.raw_json import Fields, decode, decode_part, raw
from tray_app.phrases import visible

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp import web

    from tray_app.gateway.apis.chat_answers import Block, Usage
    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.upstream import Upstream

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_STOP_REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_ERROR_TYPES = {
    int(HTTPStatus.UNAUTHORIZED): "authentication_error",
    int(HTTPStatus.FORBIDDEN): "permission_error",
    int(HTTPStatus.NOT_FOUND): "not_found_error",
    int(HTTPStatus.REQUEST_ENTITY_TOO_LARGE): "request_too_large",
    int(HTTPStatus.TOO_MANY_REQUESTS): "rate_limit_error",
    int(HTTPStatus.SERVICE_UNAVAILABLE): "overloaded_error",
}


def anthropic_error(error: ApiError) -> bytes:
    """The JSON that Anthropic's clients expect for an error."""
    fault = {"type": _error_type(error.status), "message": visible(error.message)}
    return msgspec.json.encode({"type": "error", "error": fault})


class MessageForm:
    """One request of /v1/messages. See `Form` and `Writer`."""

    content_type = EVENT_STREAM

    def __init__(self) -> None:
        self._for_llamacpp: Fields = {}

    def question(self, body: bytes) -> Fields:
        """See `Form`."""
        asked = decode(body, MessagesBody)
        if asked.max_tokens is None:
            raise ApiError(
                400, "'max_tokens' is missing. It limits the length of the answer.", param="max_tokens"
            )
        fields = chat_of(asked, decode(body, Fields))
        fields["max_tokens"] = Raw(b"%d" % asked.max_tokens)
        stops = [word for word in asked.stop_sequences or () if word]
        if stops:
            fields["stop"] = raw(stops)
        if asked.stream:
            fields["stream"] = Raw(b"true")
            fields["stream_options"] = Raw(b'{"include_usage":true}')
        self._for_llamacpp = for_llamacpp(asked, tells_stop_word=bool(stops))
        return fields

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """See `Form`."""
        request[WRITER], request[FOR_LLAMACPP] = self, self._for_llamacpp
        return await dialect.chat(request, upstream)

    def whole(self, answer: bytes) -> bytes:
        """The answer of /v1/messages."""
        found = whole_answer_of(answer)
        content = [_whole_block(one) for one in found.blocks]
        return msgspec.json.encode(
            {**_message(found.model, content, found.end.usage, complete=True), **_stop(found.end)}
        )

    async def pieces(self, payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """See `Writer`."""
        current: Block | None = None
        async with aclosing(answer_parts(payloads)) as parts:
            async for part in parts:
                match part:
                    case Begun(model, usage):
                        yield _event("message_start", message=_message(model, [], usage, complete=False))
                    case Added(block, text):
                        if block is not current:
                            if current:
                                yield _closed(current)
                            current = block
                            yield _event(
                                "content_block_start", index=block.index, content_block=_empty(block)
                            )
                        if text:
                            yield _event("content_block_delta", index=block.index, delta=_delta(block, text))
                    case Ended(_, usage):
                        if current:
                            yield _closed(current)
                        yield _event("message_delta", delta=_stop(part), usage=_usage(usage))
                        yield _event("message_stop")

    def fault(self, error: ApiError) -> bytes:
        """See `Writer`."""
        return named_event("error", anthropic_error(error))


class CountForm:
    """One request of /v1/messages/count_tokens. See `Form`."""

    def question(self, body: bytes) -> Fields:
        """See `Form`."""
        return chat_of(decode(body, CountBody), decode(body, Fields))

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """See `Form`."""
        return await dialect.count(request, upstream)

    def whole(self, answer: bytes) -> bytes:
        """What is counted has the same form in both APIs."""
        return answer


def _error_type(status: int) -> str:
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return _ERROR_TYPES.get(status, "api_error" if is_ours else "invalid_request_error")


def _message(model: str, content: list[object], usage: Usage, *, complete: bool) -> dict[str, Any]:
    told = _usage(usage) if complete else {**_usage(usage), "output_tokens": 0}
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "content": content,
        "model": model,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": told,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "cache_read_input_tokens": usage.cached,
        "input_tokens": max(0, usage.prompt - usage.cached),
        "output_tokens": usage.completion,
    }


def _stop(end: Ended) -> dict[str, str | None]:
    if end.stop_word and end.reason == "stop":
        return {"stop_reason": "stop_sequence", "stop_sequence": end.stop_word}
    return {"stop_reason": _STOP_REASONS.get(end.reason, "end_turn"), "stop_sequence": None}


def _whole_block(added: Added) -> object:
    match added.block.kind:
        case "thoughts":
            return {"type": "thinking", "thinking": added.text, "signature": ""}
        case "text":
            return {"type": "text", "text": added.text}
        case _:
            return {**_empty(added.block), "input": _arguments(added.text)}


def _arguments(text: str) -> Raw:
    """What a tool is called with; nothing if the token limit has cut it."""
    try:
        decode_part(text.encode(), dict[str, Raw])
    except ApiError:
        return NO_ARGUMENTS
    return Raw(text.encode())


def _empty(block: Block) -> dict[str, object]:
    match block.kind:
        case "thoughts":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "text":
            return {"type": "text", "text": ""}
        case _:
            return {"type": "tool_use", "id": block.call_id, "name": block.name, "input": {}}


def _delta(block: Block, text: str) -> dict[str, str]:
    match block.kind:
        case "thoughts":
            return {"type": "thinking_delta", "thinking": text}
        case "text":
            return {"type": "text_delta", "text": text}
        case _:
            return {"type": "input_json_delta", "partial_json": text}


def _closed(block: Block) -> bytes:
    end = _event("content_block_stop", index=block.index)
    if block.kind != "thoughts":
        return end
    signature = {"type": "signature_delta", "signature": ""}
    return _event("content_block_delta", index=block.index, delta=signature) + end


def _event(name: str, /, **fields: object) -> bytes:
    return named_event(name, msgspec.json.encode({"type": name, **fields}))
