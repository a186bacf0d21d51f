"""Requests of /v1/responses as chats. Pure.

Shapes: https://platform.openai.com/docs/api-reference/responses. What refers to an earlier response is
refused, because none is kept. Texts and pictures stay the JSON that they are in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.raw_json import NULL, decode_part, is_text, joined, opening, raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.gateway.raw_json import Fields

_SAME = ("model", "temperature", "top_p", "stream", "parallel_tool_calls")
"""Fields that a chat has, too."""
_IMPOSSIBLE = {
    "previous_response_id": "Responses are not stored. Send the whole conversation in 'input'.",
    "conversation": "Conversations are not stored. Send the whole conversation in 'input'.",
    "background": "Background responses are not supported. Wait for the response, or use 'stream'.",
    "prompt": "Stored prompts are not supported. Send the text in 'instructions' and 'input'.",
    "top_logprobs": "Probabilities are available only at /v1/chat/completions.",
}
_NOTHING = (b"null", b"false", b"0", b'""')


class _Part(Struct, frozen=True):
    """One part of an item's content, of any type. `image_url` is a text."""

    type: str
    text: Raw = NULL
    refusal: Raw = NULL
    image_url: Raw = NULL
    detail: Raw = NULL


class _Item(Struct, frozen=True):
    """One item of `input`, of any type."""

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: Raw = NULL
    call_id: Raw = NULL
    name: Raw = NULL
    arguments: Raw = NULL
    output: Raw = NULL


class _Tool(Struct, frozen=True):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = NULL
    strict: bool | None = None


class _NamedTool(Struct, frozen=True):
    type: str
    name: str | None = None


class _Format(Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: Raw = NULL
    strict: bool | None = None


class _TextOptions(Struct, frozen=True):
    format: _Format | None = None


class _Reasoning(Struct, frozen=True):
    effort: str | None = None


class ResponseBody(Struct, frozen=True, kw_only=True):
    """POST /v1/responses, but for the fields that stay as they are."""

    input: Raw = NULL
    instructions: Raw = NULL
    max_output_tokens: int | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedTool | None = None
    text: _TextOptions | None = None
    reasoning: _Reasoning | None = None


def chat_of(asked: ResponseBody, given: Fields) -> Fields:
    """The chat that is asked for. `given`: the same request, with the fields that stay as they are.

    `ApiError` for what no engine here can do.
    """
    for name, words in _IMPOSSIBLE.items():
        if memoryview(given.get(name, NULL)) not in _NOTHING:
            raise ApiError(
                400, f"{name!r} is not supported: {words}", param=name, code="unsupported_parameter"
            )
    fields = {name: given[name] for name in _SAME if name in given}
    fields["messages"] = raw(_conversation(asked))
    if asked.max_output_tokens is not None:
        if asked.max_output_tokens < 1:
            raise ApiError(400, "'max_output_tokens' must be 1 or more.", param="max_output_tokens")
        fields["max_tokens"] = Raw(b"%d" % asked.max_output_tokens)
    if asked.stream:
        fields["stream_options"] = Raw(b'{"include_usage":true}')
    if asked.tools:
        fields["tools"] = raw([_tool(tool) for tool in asked.tools])
        if asked.tool_choice is not None:
            fields["tool_choice"] = raw(_tool_choice(asked.tool_choice))
    if (wanted := asked.text and asked.text.format) and wanted.type != "text":
        fields["response_format"] = raw(_response_format(wanted))
    if asked.reasoning and asked.reasoning.effort:
        fields["reasoning_effort"] = raw(asked.reasoning.effort)
    return fields


def _conversation(body: ResponseBody) -> list[dict[str, Any]]:
    """The messages of a chat: what the model is told first, then those of the conversation."""
    first = [] if body.instructions == NULL else [_text(body.instructions, "instructions")]
    found: list[dict[str, Any]] = []
    for item in _items(body.input):
        if item.type == "message" and item.role in ("system", "developer") and not found:
            first.append(joined(_texts(item.content)))
            continue
        message = _message(item)
        if not message:
            continue
        if found and item.type == "function_call" and found[-1]["role"] == "assistant":
            # a message with all that it calls: most templates know no other
            found[-1].setdefault("tool_calls", []).extend(message["tool_calls"])
        else:
            found.append(message)
    if not found and not first:
        raise ApiError(400, "'input' must contain at least one message.", param="input")
    system = [{"role": "system", "content": joined(first, b"\\n\\n")}] if first else []
    return [*system, *found]


def _items(value: Raw) -> list[_Item]:
    match opening(value):
        case b'"':
            return [_Item(role="user", content=value)]
        case b"[":
            return decode_part(value, list[_Item])
        case _:
            raise ApiError(400, "'input' must be a string or a list of items.", param="input")


def _message(item: _Item) -> dict[str, Any] | None:
    """An item as a message of a chat; None for what a model has thought, which is not for it to read."""
    match item.type:
        case "message":
            return _said(item)
        case "function_call":
            function = {
                "name": _text(item.name, "input"),
                "arguments": _text(item.arguments, "input"),
            }
            call = {"id": _text(item.call_id, "input"), "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case "function_call_output":
            content = item.output if is_text(item.output) else _content(item.output)
            return {"role": "tool", "tool_call_id": _text(item.call_id, "input"), "content": content}
        case "reasoning":
            return None
        case "item_reference":
            raise _impossible("Items are not stored, so they cannot be referenced. Send the item itself.")
        case other:
            raise _impossible(f"Items of the type {other!r} are not supported.")


def _said(item: _Item) -> dict[str, Any]:
    match item.role:
        case None:
            raise ApiError(400, "A message in 'input' is missing its 'role'.", param="input")
        case "system" | "developer":
            return {"role": "system", "content": joined(_texts(item.content))}
        case role:
            content = item.content if is_text(item.content) else _content(item.content)
            return {"role": role, "content": content}


def _content(value: Raw) -> object:
    """Parts of a message; one text if there are only texts."""
    parts = _parts(value)
    if all(part.type != "input_image" for part in parts):
        return joined(map(_part_text, parts))
    return [_chat_part(part) for part in parts]


def _texts(value: Raw) -> Iterable[Raw]:
    return [value] if is_text(value) else map(_part_text, _parts(value))


def _parts(value: Raw) -> list[_Part]:
    if opening(value) != b"[":
        raise ApiError(400, "The content of an item must be a string or a list of parts.", param="input")
    return decode_part(value, list[_Part])


def _chat_part(part: _Part) -> object:
    if part.type != "input_image":
        return {"type": "text", "text": _part_text(part)}
    if not is_text(part.image_url):
        raise _impossible("An image must be sent in the request, as a data URL in 'image_url'.")
    picture = {"url": part.image_url} | ({} if part.detail == NULL else {"detail": part.detail})
    return {"type": "image_url", "image_url": picture}


def _part_text(part: _Part) -> Raw:
    match part.type:
        case "input_text" | "output_text" | "text":
            return _text(part.text, "input")
        case "refusal":
            return _text(part.refusal, "input")
        case other:
            raise _impossible(f"Parts of the type {other!r} are not supported.")


def _tool(tool: _Tool) -> object:
    if tool.type != "function":
        raise ApiError(
            400,
            f"The tool {tool.type!r} is not available. The model can call functions, which your app runs.",
            param="tools",
            code="unsupported_parameter",
        )
    if not tool.name:
        raise ApiError(400, "A function in 'tools' is missing its 'name'.", param="tools")
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    given = {name: value for name, value in function.items() if value not in (None, NULL)}
    return {"type": "function", "function": given}


def _tool_choice(choice: str | _NamedTool) -> object:
    match choice:
        case str():
            return choice
        case _NamedTool(type="function", name=str(name)):
            return {"type": "function", "function": {"name": name}}
        case _:
            raise ApiError(
                400,
                f"A 'tool_choice' of the type {choice.type!r} is not supported. Name a function, or "
                "use 'none', 'auto' or 'required'.",
                param="tool_choice",
                code="unsupported_parameter",
            )


def _response_format(wanted: _Format) -> object:
    if wanted.type == "json_object":
        return {"type": "json_object"}
    if wanted.schema == NULL:
        raise ApiError(400, "'text.format' is missing its 'schema'.", param="text.format")
    schema: dict[str, object] = {"name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _impossible(words: str) -> ApiError:
    return ApiError(400, words, param="input", code="unsupported_content")


def _text(value: Raw, param: str) -> Raw:
    """A text in JSON; 400 for anything else."""
    if not is_text(value):
        raise ApiError(400, f"{param!r} must be a string.", param=param)
    return value
