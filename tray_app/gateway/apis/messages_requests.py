"""Requests of Anthropic's API as chats of OpenAI's. Pure.

Shapes: https://docs.claude.com/en/api/messages. Texts and pictures stay the JSON that they are in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.raw_json import NULL, decode_part, inside, is_text, joined, opening, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.gateway.raw_json import Fields

_SAME = ("model", "temperature", "top_p", "top_k")
"""Fields that a chat has, too."""
_NOTHING = (b"null", b'""', b"[]")
NO_ARGUMENTS = Raw(b"{}")


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


class CountBody(Struct, frozen=True, kw_only=True):
    """POST /v1/messages/count_tokens, and what /v1/messages has too."""

    messages: Annotated[list[_Message], Meta(min_length=1)]
    system: Raw = NULL
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    mcp_servers: list[Raw] | None = None
    container: Raw | None = None


class MessagesBody(CountBody, frozen=True, kw_only=True):
    """POST /v1/messages."""

    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None


def chat_of(body: CountBody, given: Fields) -> Fields:
    """The chat that is asked for. `given`: the same request, with the fields that stay as they are.

    `ApiError` for what no engine here can do.
    """
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


def for_llamacpp(body: MessagesBody, *, tells_stop_word: bool) -> Fields:
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
    arguments = NO_ARGUMENTS if block.input == NULL else block.input
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
