"""OpenAI's newer API: /v1/responses, asked as a chat. Event loop.

Shapes: https://platform.openai.com/docs/api-reference/responses. llama.cpp has this route itself, but its
events lack what OpenAI's own clients read; asked as a chat it is the same on every engine, and all that holds
for chats holds for it. Nothing is kept: what refers to an earlier response is refused. Texts and pictures
stay the JSON that they are in.
"""

from __future__ import annotations

import io
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.chat_answers import Added, Begun, Ended, answer_parts, whole_answer_of
from tray_app.gateway.apis.forms import named_event
from tray_app.gateway.events import EVENT_STREAM, WRITER
from tray_app.gateway.limits import LARGE_BODY_BYTES
from tray_app.gateway.raw_json import NULL, Fields, decode, decode_part, is_text, joined, opening, raw

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiohttp import web

    from tray_app.gateway.apis.chat_answers import Block, Usage
    from tray_app.gateway.byte_budget import ByteBudget, Held
    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.upstream import Upstream

RESPONSES = "/v1/responses"

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
_ECHOED: dict[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}
"""Fields of a request that its response repeats, and what stands for those that are not set. Long ones are
not repeated: a streamed response would have them three times.
"""
_CHATS_NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
"""What a chat calls the fields of a response."""


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


class _Body(Struct, frozen=True, kw_only=True):
    """POST /v1/responses, but for the fields that stay as they are."""

    input: Raw = NULL
    instructions: Raw = NULL
    max_output_tokens: int | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _NamedTool | None = None
    text: _TextOptions | None = None
    reasoning: _Reasoning | None = None


def responses_error(error: ApiError) -> bytes:
    """As for a chat, with the names that this API has for its fields."""
    message, param = error.message, error.param
    for name, ours in _CHATS_NAMES.items():
        message = message.replace(f"'{name}'", f"'{ours}'")
        param = ours if param == name else param
    return ApiError(error.status, message, param=param, code=error.code).body()


class ResponseForm:
    """One request of /v1/responses. See `Form` and `Writer`.

    `budget`: for what streamed responses hold, because their ends repeat them.
    """

    content_type = EVENT_STREAM

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._head = {"id": f"resp_{uuid4().hex}", "object": "response", "created_at": int(time.time())}
        self._echoed: dict[str, object] = {}
        self._model = ""
        self._number = -1

    def question(self, body: bytes) -> Fields:
        """See `Form`."""
        asked, given = decode(body, _Body), decode(body, Fields)
        self._echoed = _echoed(given)
        return _chat(asked, given)

    async def answer(self, dialect: Dialect, request: web.Request, upstream: Upstream) -> web.StreamResponse:
        """See `Form`."""
        request[WRITER] = self
        return await dialect.chat(request, upstream)

    def whole(self, answer: bytes) -> bytes:
        """The answer of /v1/responses."""
        found = whole_answer_of(answer)
        self._model = found.model
        items = [_item(one.block, _new_id(one.block), one.text) for one in found.blocks]
        return msgspec.json.encode(self._ended(items, found.end))

    async def pieces(self, payloads: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """See `Writer`."""
        items: list[dict[str, Any]] = []
        current: _OpenItem | None = None
        with self._budget.holding() as held:
            async with aclosing(answer_parts(payloads)) as parts:
                async for part in parts:
                    match part:
                        case Begun(model):
                            self._model = model
                            begun = self._response("in_progress", [])
                            yield self._event("response.created", response=begun)
                            yield self._event("response.in_progress", response=begun)
                        case Added(block, text):
                            if current is None or block is not current.block:
                                if current:
                                    items.append(current.done())
                                    yield self._all(current.closing())
                                current = _OpenItem(block, held)
                                yield self._all(current.opening())
                            if text:
                                yield self._all([current.adding(text)])
                        case Ended(reason):
                            if current:
                                items.append(current.done())
                                yield self._all(current.closing())
                            name = "incomplete" if _why_incomplete(reason) else "completed"
                            yield self._event(f"response.{name}", response=self._ended(items, part))

    def fault(self, error: ApiError) -> bytes:
        """See `Writer`: what failed, then why. OpenAI's own clients look for "error"."""
        fault = msgspec.json.decode(responses_error(error))["error"]
        told = {"code": error.code or "server_error", "message": fault["message"]}
        failed = {**self._response("failed", []), "error": told}
        why = {**told, "param": fault["param"], "error": fault}
        return self._event("response.failed", response=failed) + self._event("error", **why)

    def _all(self, events: Iterable[tuple[str, dict[str, Any]]]) -> bytes:
        return b"".join(self._event(name, **fields) for name, fields in events)

    def _event(self, name: str, /, **fields: object) -> bytes:
        self._number += 1
        event = {"type": name, "sequence_number": self._number, **fields}
        return named_event(name, msgspec.json.encode(event))

    def _ended(self, items: list[dict[str, Any]], end: Ended) -> dict[str, Any]:
        why = _why_incomplete(end.reason)
        if why and items:
            items[-1] = {**items[-1], "status": "incomplete"}
        response = self._response("incomplete" if why else "completed", items)
        details = {"reason": why} if why else None
        return {
            **response,
            "completed_at": None if why else int(time.time()),
            "incomplete_details": details,
            "usage": _usage(end.usage),
        }

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            **self._head,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": output,
            "usage": None,
            **self._echoed,
        }


class _OpenItem:
    """An item of a streamed response, of which more text comes. `held` counts the text."""

    def __init__(self, block: Block, held: Held) -> None:
        self.block = block
        self._id = _new_id(block)
        self._held = held
        self._text = io.StringIO()
        self._place = {"item_id": self._id, "output_index": block.index}

    def opening(self) -> list[tuple[str, dict[str, Any]]]:
        """What is told before the first text."""
        item = {**_item(self.block, self._id, ""), "status": "in_progress"}
        if "content" in item:
            item["content"] = []
        events = [("response.output_item.added", {"output_index": self.block.index, "item": item})]
        if self.block.kind != "call":
            part = {**self._place, "content_index": 0, "part": _part(self.block, "")}
            events.append(("response.content_part.added", part))
        return events

    def adding(self, text: str) -> tuple[str, dict[str, Any]]:
        """What is told of more text."""
        self._held.add(len(text))
        self._text.write(text)
        return f"{_event_name(self.block)}.delta", {**self._told(), "delta": text}

    def closing(self) -> list[tuple[str, dict[str, Any]]]:
        """What is told after the last text."""
        text, block = self._text.getvalue(), self.block
        whole = {"name": block.name, "arguments": text} if block.kind == "call" else {"text": text}
        events = [(f"{_event_name(block)}.done", {**self._told(), **whole})]
        if block.kind != "call":
            part = {**self._place, "content_index": 0, "part": _part(block, text)}
            events.append(("response.content_part.done", part))
        events.append(("response.output_item.done", {"output_index": block.index, "item": self.done()}))
        return events

    def done(self) -> dict[str, Any]:
        """The whole item."""
        return _item(self.block, self._id, self._text.getvalue())

    def _told(self) -> dict[str, Any]:
        match self.block.kind:
            case "call":
                return self._place
            case "text":
                return {**self._place, "content_index": 0, "logprobs": []}
            case _:
                return {**self._place, "content_index": 0}


def _chat(asked: _Body, given: Fields) -> Fields:
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


def _conversation(body: _Body) -> list[dict[str, Any]]:
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


def _echoed(given: Fields) -> dict[str, object]:
    told: dict[str, object] = {
        name: value if value != NULL and memoryview(value).nbytes <= LARGE_BODY_BYTES else default
        for name, default in _ECHOED.items()
        for value in [given.get(name, NULL)]
    }
    return {**told, "store": False, "previous_response_id": None, "truncation": "disabled"}


def _why_incomplete(reason: str) -> str | None:
    return {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)


def _event_name(block: Block) -> str:
    names = {"text": "output_text", "call": "function_call_arguments", "thoughts": "reasoning_text"}
    return f"response.{names[block.kind]}"


def _new_id(block: Block) -> str:
    prefix = {"text": "msg", "call": "fc", "thoughts": "rs"}[block.kind]
    return f"{prefix}_{uuid4().hex}"


def _item(block: Block, item_id: str, text: str) -> dict[str, Any]:
    match block.kind:
        case "call":
            called = {"call_id": block.call_id, "name": block.name, "arguments": text}
            return {"type": "function_call", "id": item_id, "status": "completed", **called}
        case "text":
            content = [_part(block, text)]
            head = {"type": "message", "id": item_id, "status": "completed", "role": "assistant"}
            return {**head, "content": content}
        case _:
            thought = {"summary": [], "content": [_part(block, text)]}
            return {"type": "reasoning", "id": item_id, "status": "completed", **thought}


def _part(block: Block, text: str) -> dict[str, Any]:
    if block.kind == "thoughts":
        return {"type": "reasoning_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.thoughts},
        "total_tokens": usage.prompt + usage.completion,
    }


def _impossible(words: str) -> ApiError:
    return ApiError(400, words, param="input", code="unsupported_content")


def _text(value: Raw, param: str) -> Raw:
    """A text in JSON; 400 for anything else."""
    if not is_text(value):
        raise ApiError(400, f"{param!r} must be a string.", param=param)
    return value
