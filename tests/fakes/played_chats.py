"""Answers to chats as llama.cpp gives them, for an engine that is played: thoughts, text, calls of tools."""

from __future__ import annotations

import json
from typing import Any

USAGE = {"prompt_tokens": 20, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 15}}
CALL = {"id": "a1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Nîmes"}'}}
SECOND_CALL = {"id": "b2", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
_TIMINGS = {"cache_n": 15, "prompt_n": 5}


def whole_chat(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    """An answer as one."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    return json.dumps({"model": "x", "choices": [choice], "usage": USAGE}).encode()


def streamed_chat(*deltas: dict[str, Any], finish: str | None = "stop", done: bool = True) -> bytes:
    """An answer as events; without a reason for its end, it breaks off. `done`: the last event is there."""
    pieces: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": None}}]}]
    pieces += [{"choices": [{"delta": delta}], "timings": _TIMINGS} for delta in deltas]
    if finish:
        pieces.append({"choices": [{"delta": {}, "finish_reason": finish}]})
        pieces.append({"choices": [], "usage": USAGE})
    events = [json.dumps({"model": "x", "object": "chat.completion.chunk", **piece}) for piece in pieces]
    return "".join(f"data: {event}\n\n" for event in [*events, *(["[DONE]"] if done else [])]).encode()


def call_piece(index: int, arguments: str, **first: str) -> dict[str, Any]:
    """A piece of a call; `first`: the id and the name, which come with the first piece."""
    function = {"arguments": arguments} | ({"name": first["name"]} if first else {})
    head = {"id": first["id"], "type": "function"} if first else {}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


EVERYTHING = (
    {"reasoning_content": "Let me "},
    {"reasoning_content": "look."},
    {"content": "I ask "},
    {"content": "twice."},
    call_piece(0, "", id="a1", name="weather"),
    call_piece(0, '{"city":'),
    call_piece(0, '"Nîmes"}'),
    call_piece(1, "{}", id="b2", name="clock"),
)
"""The pieces of an answer with all that there can be, and two calls."""
