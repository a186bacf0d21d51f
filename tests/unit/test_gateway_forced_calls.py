"""The one tool that must be called is asked for by its schema, and what comes is told as a call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tray_app.gateway.forced_calls import ForcedCall, forced_call
from tray_app.gateway.raw_json import Fields, decode

SCHEMA = {"type": "object", "properties": {"hour": {"type": "integer"}}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": SCHEMA}}


def fields(**values: object) -> Fields:
    return decode(json.dumps(values).encode(), Fields)


def plain(asked: Fields) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in asked.items()}


def test_the_answer_is_held_to_the_schema_and_the_prompt_keeps_the_tool() -> None:
    asked, call = forced_call(fields(tools=[CLOCK], tool_choice="required"))
    assert call
    assert plain(asked) == {
        "tools": [CLOCK],
        "tool_choice": "none",
        "response_format": {"type": "json_schema", "json_schema": {"name": "clock", "schema": SCHEMA}},
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [CLOCK]},
        {"tools": [CLOCK], "tool_choice": "auto"},
        {"tools": [CLOCK, CLOCK], "tool_choice": "required"},
        {"tools": [CLOCK], "tool_choice": "required", "parallel_tool_calls": True},
        {"tools": [{"type": "function", "function": {"name": "clock"}}], "tool_choice": "required"},
        {"tools": ["clock"], "tool_choice": "required"},
    ],
)
def test_other_chats_are_left_to_the_engine(asked: dict[str, object]) -> None:
    given = fields(**asked)
    assert forced_call(given) == (given, None)


def test_a_whole_answer_is_the_call_with_its_arguments() -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": '{"hour":7}', "reasoning_content": "Late."},
        "finish_reason": "stop",
    }
    (told,) = plain(ForcedCall("clock").tell(fields(choices=[choice])))["choices"]
    (call,) = told["message"].pop("tool_calls")
    assert call.pop("id")
    assert call == {"type": "function", "function": {"name": "clock", "arguments": '{"hour":7}'}}
    assert told == {
        "index": 0,
        "message": {"role": "assistant", "content": None, "reasoning_content": "Late."},
        "finish_reason": "tool_calls",
    }


def test_pieces_of_each_answer_are_pieces_of_its_own_call() -> None:
    forced = ForcedCall("clock")

    def tell(index: int, **delta: object) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "finish_reason": None}
        told: dict[str, Any] = plain(forced.tell(fields(choices=[choice])))["choices"][0]["delta"]
        return told

    assert tell(0, role="assistant", content=None) == {"role": "assistant", "content": None}
    ids = []
    for index in (0, 1):
        (call,) = tell(index, content="{")["tool_calls"]
        ids.append(call.pop("id"))
        function = {"name": "clock", "arguments": "{"}
        assert call == {"index": 0, "type": "function", "function": function}
    assert ids[0] != ids[1]
    assert tell(0, content='"hour"') == {"tool_calls": [{"index": 0, "function": {"arguments": '"hour"'}}]}
    assert tell(0, reasoning_content="Late.") == {"reasoning_content": "Late."}


@pytest.mark.parametrize("choices", [None, 7, [7], [{}], [{"message": 7, "delta": []}]])
def test_what_is_no_answer_stays_what_it_is(choices: object) -> None:
    assert plain(ForcedCall("clock").tell(fields(choices=choices))) == {"choices": choices}
