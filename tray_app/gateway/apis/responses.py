"""OpenAI's newer API: /v1/responses, asked as a chat (`responses_requests.py`), and its answers. Event loop.

Shapes: https://platform.openai.com/docs/api-reference/responses. llama.cpp has this route itself, but its
events lack what OpenAI's own clients read; asked as a chat it is the same on every engine, and all that holds
for chats holds for it.
"""

from __future__ import annotations

import io
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.chat_answers import Added, Begun, Ended, answer_parts, whole_answer_of
from tray_app.gateway.apis.forms import named_event
from tray_app.gateway.apis.responses_requests import ResponseBody, chat_of
from tray_app.gateway.events import EVENT_STREAM, WRITER
from tray_app.gateway.limits import LARGE_BODY_BYTES
from tray_app.gateway.raw_json import NULL, Fields, decode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiohttp import web

    from tray_app.gateway.apis.chat_answers import Block, Usage
    from tray_app.gateway.byte_budget import ByteBudget, Held
    from tray_app.gateway.dialect import Dialect
    from tray_app.gateway.upstream import Upstream

RESPONSES = "/v1/responses"

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
        asked, given = decode(body, ResponseBody), decode(body, Fields)
        self._echoed = _echoed(given)
        return chat_of(asked, given)

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
