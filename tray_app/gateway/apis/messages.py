"""Anthropic's API: /v1/messages and /v1/messages/count_tokens, each asked as a chat of OpenAI's. Event loop.

Shapes: https://docs.claude.com/en/api/messages. llama.cpp has these routes itself; asked as chats they are
the same on every engine, and all that holds for chats holds for them. Texts and pictures stay the JSON that
they are in.
"""

from __future__ import annotations

from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

import msgspec
from msgspec import Meta, Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.chat_answers import Added, Begun, Ended, answer_parts, whole_answer_of
from tray_app.gateway.apis.forms import FOR_LLAMACPP, named_event
from tray_app.gateway.events import EVENT_STREAM, WRITER
from tray_app.gateway.raw_json import NULL, Fields, decode, decode_part, inside, is_text, joined, opening, raw
from tray_app.phrases import visible

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiohttp import web

    from tray_app.gateway.apis.chat_answers import Block, Usage
    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.upstream import Upstream

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"

_SAME = ("model", "temperature", "top_p", "top_k")
"""Fields that a chat has, too."""
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
_NOTHING = (b"null", b'""', b"[]")
_NO_ARGUMENTS = Raw(b"{}")


class _Source(Struct, frozen=True):
    type: str
    media_type: Raw = NULL
    data: Raw = NULL
    url: Raw = NULL


class _Block(Struct, frozen=True):
    """One block of a message's content, of any type."""

    type: str
    text: Raw = NULL
    thinking: Raw = NULL
    source: _Source | None = None
    id: Raw = NULL
    name: Raw = NULL
    input: Raw = NULL
    tool_use_id: Raw = NULL
    content: Raw = NULL


class _Message(Struct, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: Raw


class _Tool(Struct, frozen=True):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: Raw = NULL


class _ToolChoice(Struct, frozen=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(Struct, frozen=True):
    type: str
    budget_tokens: int | None = None


class _Format(Struct, frozen=True):
    type: Literal["json_schema"]
    schema: Raw


class _OutputConfig(Struct, frozen=True):
    format: _Format | None = None


class _CountBody(Struct, frozen=True, kw_only=True):
    """What both routes read, but for the fields that stay as they are."""

    messages: Annotated[list[_Message], Meta(min_length=1)]
    system: Raw = NULL
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    mcp_servers: list[Raw] | None = None
    container: Raw | None = None


class _MessagesBody(_CountBody, frozen=True, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None


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
        asked = decode(body, _MessagesBody)
        if asked.max_tokens is None:
            raise ApiError(
                400, "'max_tokens' is missing. It limits the length of the answer.", param="max_tokens"
            )
        fields = _chat(body, asked)
        fields["max_tokens"] = Raw(b"%d" % asked.max_tokens)
        stops = [word for word in asked.stop_sequences or () if word]
        if stops:
            fields["stop"] = raw(stops)
        if asked.stream:
            fields["stream"] = Raw(b"true")
            fields["stream_options"] = Raw(b'{"include_usage":true}')
        self._for_llamacpp = _for_llamacpp(asked, tells_stop_word=bool(stops))
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
        return _chat(body, decode(body, _CountBody))

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """See `Form`."""
        return await dialect.count(request, upstream)

    def whole(self, answer: bytes) -> bytes:
        """What is counted has the same form in both APIs."""
        return answer


def _chat(data: bytes, body: _CountBody) -> Fields:
    given = decode(data, Fields)
    if body.mcp_servers or body.container:
        name = "mcp_servers" if body.mcp_servers else "container"
        raise _impossible(
            f"{name!r} is a service by Anthropic that this server does not have. Leave it out.", name
        )
    fields = {name: given[name] for name in _SAME if name in given}
    fields["messages"] = raw([*_system(body.system), *_all_turns(body.messages)])
    if body.tools:
        fields["tools"] = raw([_tool(tool) for tool in body.tools])
        if choice := body.tool_choice:
            fields["tool_choice"] = raw(_tool_choice(choice))
            if choice.disable_parallel_tool_use:
                fields["parallel_tool_calls"] = Raw(b"false")
    if wanted := (body.output_config and body.output_config.format) or body.output_format:
        schema = {"name": "answer", "schema": wanted.schema, "strict": True}
        fields["response_format"] = raw({"type": "json_schema", "json_schema": schema})
    return fields


def _for_llamacpp(body: _MessagesBody, *, tells_stop_word: bool) -> Fields:
    """What makes llama.cpp tell the tokens of the prompt at the beginning, and the stop word at the end."""
    fields: Fields = {}
    if body.stream:
        fields["timings_per_token"] = Raw(b"true")
    if tells_stop_word:
        fields["verbose"] = Raw(b"true")
    if body.thinking and body.thinking.type == "enabled" and body.thinking.budget_tokens:
        fields["thinking_budget_tokens"] = Raw(b"%d" % body.thinking.budget_tokens)
    return fields


def _system(system: Raw) -> list[dict[str, object]]:
    if memoryview(system) in _NOTHING:
        return []
    found = _content(system, "system")
    content = joined(map(_plain_text, found)) if isinstance(found, list) else found
    return [{"role": "system", "content": content}]


def _all_turns(messages: list[_Message]) -> Iterable[dict[str, object]]:
    for message in messages:
        content = _content(message.content, "messages")
        if isinstance(content, list):
            yield from _turns(message.role, content)
        else:
            yield {"role": message.role, "content": content}


def _content(value: Raw, param: str) -> Raw | list[_Block]:
    """A text, still as JSON, or blocks."""
    match opening(value):
        case b'"':
            return value
        case b"[":
            return decode_part(value, list[_Block])
        case _:
            raise ApiError(400, "Content must be a string or a list of blocks.", param=param)


def _turns(role: str, blocks: list[_Block]) -> Iterable[dict[str, object]]:
    """One message as those of a chat: each result of a tool is one of its own, before all else."""
    parts: list[object] = []
    calls: list[object] = []
    thoughts: list[Raw] = []
    for block in blocks:
        match block.type:
            case "tool_use":
                calls.append(_called(block))
            case "tool_result":
                yield {
                    "role": "tool",
                    "tool_call_id": _text(block.tool_use_id, "tool_use_id"),
                    "content": _result(block.content),
                }
            case "thinking":
                thoughts.append(_text(block.thinking, "thinking"))
            case "redacted_thinking":
                pass  # nobody but Anthropic can read it
            case _:
                parts.append(_part(block))
    if parts or calls:
        turn: dict[str, object] = {"role": role, "content": parts or None}
        if thoughts:
            turn["reasoning_content"] = joined(thoughts)
        if calls:
            turn["tool_calls"] = calls
        yield turn


def _part(block: _Block) -> object:
    """A block of text, or a picture, as a part of a chat's message."""
    source = block.source
    match block.type:
        case "text":
            return {"type": "text", "text": _text(block.text, "text")}
        case "image" if source and source.type == "base64":
            kind, data = _text(source.media_type, "media_type"), _text(source.data, "data")
            url = Raw(b'"data:%s;base64,%s"' % (inside(kind), inside(data)))
            return {"type": "image_url", "image_url": {"url": url}}
        case "image" if source and source.type == "url":
            return {"type": "image_url", "image_url": {"url": _text(source.url, "url")}}
        case "document" if source and source.type == "text":
            return {"type": "text", "text": _text(source.data, "data")}
        case "document":
            raise _impossible("Documents can only be text, not PDF files or links.")
        case other:
            raise _impossible(f"Blocks of the type {other!r} are not supported.")


def _plain_text(block: _Block) -> Raw:
    if block.type != "text":
        raise _impossible(f"'system' can contain only text, not blocks of the type {block.type!r}.", "system")
    return _text(block.text, "text")


def _result(value: Raw) -> object:
    content = "" if value == NULL else _content(value, "messages")
    if not isinstance(content, list):
        return content
    if all(block.type == "text" for block in content):
        return joined(_text(block.text, "text") for block in content)
    return [_part(block) for block in content]


def _called(block: _Block) -> object:
    arguments = _NO_ARGUMENTS if block.input == NULL else block.input
    if opening(arguments) != b"{":
        raise ApiError(400, "The 'input' of a 'tool_use' must be an object.", param="messages")
    function = {"name": _text(block.name, "name"), "arguments": bytes(arguments).decode()}
    return {"id": _text(block.id, "id"), "type": "function", "function": function}


def _tool(tool: _Tool) -> object:
    if tool.type not in (None, "custom"):
        raise _impossible(
            f"Tools of the type {tool.type!r} are services by Anthropic that this server does "
            "not have. Describe your own tools with 'name', 'description' and 'input_schema'.",
            "tools",
        )
    function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
    given = {name: value for name, value in function.items() if value not in (None, NULL)}
    return {"type": "function", "function": given}


def _tool_choice(choice: _ToolChoice) -> object:
    match choice:
        case _ToolChoice(type="tool", name=str(name)):
            return {"type": "function", "function": {"name": name}}
        case _ToolChoice(type="tool"):
            raise ApiError(400, "A 'tool_choice' of the type 'tool' must have a 'name'.", param="tool_choice")
        case _:
            return "required" if choice.type == "any" else choice.type


def _impossible(words: str, param: str = "messages") -> ApiError:
    return ApiError(400, words, param=param, code="unsupported_content")


def _text(value: Raw, name: str) -> Raw:
    """A text in JSON; 400 for anything else."""
    if not is_text(value):
        raise ApiError(400, f"A block is missing its {name!r}, which must be a string.", param="messages")
    return value


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
        return _NO_ARGUMENTS
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
