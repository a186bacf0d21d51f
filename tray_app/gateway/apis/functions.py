"""Functions as OpenAI's chats had them before there were tools: `functions` and `function_call`. Pure.

Older programs still send them. No engine knows them, so they are asked as tools, and the answer is told as a
call of a function. There can be only one in an answer.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.events import DONE, EVENT_STREAM, WRITER, plain_event
from tray_app.gateway.raw_json import NULL, Fields, decode, decode_part

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp import web

    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.upstream import Upstream

_OLD_FIELD = re.compile(rb'"function(?:s|_call)"\s*:')
_OLD_MESSAGE = re.compile(rb'"function(?:_call)?"')


class FunctionsForm:
    """One request of /v1/chat/completions, which may have functions. See `Form` and `Writer`."""

    content_type = EVENT_STREAM

    def __init__(self) -> None:
        self._has_functions = False

    def question(self, body: bytes) -> Fields | None:
        """See `Form`: None where there are no functions."""
        asked = _as_tools(body) if _OLD_FIELD.search(body) else None
        self._has_functions = asked is not None
        return asked

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """See `Form`."""
        if self._has_functions:
            request[WRITER] = self
        return await dialect.chat(request, upstream)

    def whole(self, answer: bytes) -> bytes:
        """See `Form`."""
        return _told(answer, "message") if self._has_functions else answer

    async def pieces(self, payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """See `Writer`."""
        async with aclosing(payloads):
            async for payload in payloads:
                yield plain_event(payload if payload == DONE else _told(payload, "delta"))

    def fault(self, error: ApiError) -> bytes:
        """See `Writer`."""
        return plain_event(error.body())


def _as_tools(data: bytes) -> Fields | None:
    """A chat with functions as one with tools; None for a chat that has none."""
    fields = decode(data, Fields)
    functions, call = (fields.pop(name, NULL) for name in ("functions", "function_call"))
    messages = _newer_messages(fields.get("messages", NULL))
    if messages is not None:
        fields["messages"] = messages
    if functions == NULL and call == NULL:
        return None if messages is None else fields
    if fields.get("tools", NULL) != NULL:
        raise ApiError(400, "Send either 'tools' or 'functions', not both.", param="functions")
    fields["tools"] = Raw(msgspec.json.encode(_tools(functions)))
    fields["parallel_tool_calls"] = Raw(b"false")
    if call != NULL:
        fields["tool_choice"] = Raw(msgspec.json.encode(_choice(call)))
    return fields


def _tools(functions: Raw) -> list[dict[str, object]]:
    try:
        listed = [] if functions == NULL else decode_part(functions, list[Raw])
    except ApiError as exc:
        raise ApiError(400, "'functions' must be a list.", param="functions") from exc
    return [{"type": "function", "function": function} for function in listed]


def _choice(call: Raw) -> object:
    match decode_part(call, object):
        case {"name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case "none" | "auto" as word:
            return word
        case _:
            raise ApiError(
                400, "'function_call' must be 'none', 'auto' or name a function.", param="function_call"
            )


def _newer_messages(messages: Raw) -> Raw | None:
    """The messages with calls of functions as calls of tools; None if they have none."""
    if not _OLD_MESSAGE.search(messages):
        return None
    try:
        listed = decode_part(messages, list[Fields])
    except ApiError:
        return None  # said by whoever checks messages
    calls = 0
    changed = False
    for number, message in enumerate(listed):
        call = message.get("function_call", NULL)
        if call != NULL and "tool_calls" not in message:
            calls += 1
            made = {"id": f"call_{calls}", "type": "function", "function": call}
            kept = {name: value for name, value in message.items() if name != "function_call"}
            listed[number] = {**kept, "tool_calls": Raw(msgspec.json.encode([made]))}
            changed = True
        elif message.get("role") == Raw(b'"function"'):
            listed[number] = {
                **message,
                "role": Raw(b'"tool"'),
                "tool_call_id": Raw(msgspec.json.encode(f"call_{calls}")),
            }
            changed = True
    return Raw(msgspec.json.encode(listed)) if changed else None


def _told(answer: bytes, part: str) -> bytes:
    """An answer, or an event, with the first call of a tool as that of a function."""
    fields = decode_answer(answer, Fields)
    choices = decode_answer(bytes(fields.get("choices", b"[]")), list[dict[str, Any]])
    for choice in choices:
        if isinstance(said := choice.get(part), dict):
            match said.pop("tool_calls", None):
                case [{"index": int(index)}, *_] if index > 0:
                    pass  # a piece of another call
                case [{"function": function}, *_]:
                    said["function_call"] = function
        if choice.get("finish_reason") == "tool_calls":
            choice["finish_reason"] = "function_call"
    return msgspec.json.encode({**fields, "choices": choices})
