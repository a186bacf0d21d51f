"""Which tools are sent to an engine for what a client asks, and chats with functions as chats with tools."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.functions import FunctionsForm
from tray_app.gateway.raw_json import Fields, decode
from tray_app.gateway.tools import wants_tools, with_chosen_tools

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

WEATHER, CLOCK = (
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("weather", "clock")
)
BOTH = [WEATHER, CLOCK]
NAMED = {"type": "function", "function": {"name": "clock"}}
FUNCTIONS = [WEATHER["function"], CLOCK["function"]]
USER = {"role": "user", "content": "Hi"}


def fields(**values: object) -> Fields:
    return decode(json.dumps(values).encode(), Fields)


def plain(chosen: Fields) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in chosen.items()}


def allowed(mode: str, *tools: object) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}


@pytest.mark.parametrize("choice", ["auto", "none", "required", "banana", None])
def test_a_choice_in_a_word_stays_as_it_is(choice: str | None) -> None:
    asked = fields(tools=BOTH, tool_choice=choice)
    assert with_chosen_tools(asked) == asked


@pytest.mark.parametrize(
    ("choice", "tools", "word"),
    [
        (NAMED, [CLOCK], "required"),
        (allowed("auto", NAMED), [CLOCK], "auto"),
        (allowed("required", WEATHER, NAMED), BOTH, "required"),
    ],
)
def test_only_what_may_be_called_is_sent(choice: object, tools: object, word: str) -> None:
    assert plain(with_chosen_tools(fields(tools=BOTH, tool_choice=choice))) == {
        "tools": tools,
        "tool_choice": word,
    }


@pytest.mark.parametrize(
    ("tools", "choice", "said"),
    [
        ([], "required", "is empty"),
        (None, "required", "is empty"),
        ([WEATHER], NAMED, "not in"),
        (["what", {}, {"function": 1}], NAMED, "not in"),
        (BOTH, allowed("auto"), "not in"),
        (BOTH, {"type": "custom", "custom": {"name": "clock"}}, "must be"),
        (BOTH, {"type": "function", "function": {"name": 7}}, "must be"),
        (BOTH, 7, "must be"),
    ],
)
def test_a_choice_that_nobody_can_make_is_refused(tools: object, choice: object, said: str) -> None:
    asked = fields(tools=tools, tool_choice=choice) if tools is not None else fields(tool_choice=choice)
    with pytest.raises(ApiError, match=said) as refused:
        with_chosen_tools(asked)
    assert (refused.value.status, refused.value.param) == (400, "tool_choice")


def test_tools_that_are_no_list_are_refused() -> None:
    with pytest.raises(ApiError, match="must be a list") as refused:
        with_chosen_tools(fields(tools="all", tool_choice="required"))
    assert refused.value.param == "tools"


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, False),
        ({"tools": None}, False),
        ({"tools": []}, False),
        ({"tools": BOTH}, True),
        ({"tools": BOTH, "tool_choice": "auto"}, True),
        ({"tools": BOTH, "tool_choice": "none"}, False),
    ],
)
def test_no_tools_and_none_of_them_are_no_wish(asked: dict[str, object], wanted: bool) -> None:
    assert wants_tools(fields(**asked)) is wanted


def as_tools(**body: object) -> dict[str, Any]:
    chat = FunctionsForm().question(json.dumps(body).encode())
    assert chat
    return plain(chat)


@pytest.mark.parametrize(("call", "choice"), [("auto", "auto"), ("none", "none"), ({"name": "clock"}, NAMED)])
def test_functions_are_asked_for_as_tools_of_which_one_is_called(call: object, choice: object) -> None:
    assert as_tools(messages=[USER], functions=FUNCTIONS, function_call=call) == {
        "messages": [USER],
        "tools": BOTH,
        "tool_choice": choice,
        "parallel_tool_calls": False,
    }
    assert "tool_choice" not in as_tools(messages=[USER], functions=FUNCTIONS)


def test_calls_in_a_conversation_and_their_results_become_those_of_tools() -> None:
    call = {"name": "clock", "arguments": "{}"}
    said = [
        USER,
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "clock", "content": "12:00"},
    ]
    assert as_tools(messages=said)["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": call}],
        },
        {"role": "tool", "name": "clock", "content": "12:00", "tool_call_id": "call_1"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [USER]},
        {"messages": [USER], "tools": BOTH, "tool_choice": NAMED},
        {"messages": [{"role": "user", "content": 'What does "functions": mean?'}]},
        {"messages": [USER], "functions": None, "function_call": None},
    ],
)
def test_a_chat_without_functions_is_left_alone(body: dict[str, object]) -> None:
    form = FunctionsForm()
    assert form.question(json.dumps(body).encode()) is None
    assert form.whole(b"{}") == b"{}"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"functions": "all"}, "functions"),
        ({"functions": FUNCTIONS, "tools": BOTH}, "functions"),
        ({"functions": FUNCTIONS, "function_call": "required"}, "function_call"),
        ({"functions": FUNCTIONS, "function_call": {"name": 7}}, "function_call"),
    ],
)
def test_functions_that_cannot_be_asked_for_are_refused(body: dict[str, object], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        FunctionsForm().question(json.dumps({"messages": [USER], **body}).encode())
    assert (refused.value.status, refused.value.param) == (400, param)


def test_an_answer_tells_the_first_call_as_that_of_a_function() -> None:
    form = FunctionsForm()
    assert form.question(json.dumps({"messages": [USER], "functions": FUNCTIONS}).encode())
    calls = [{"id": "a", "type": "function", "function": {"name": each, "arguments": "{}"}} for each in "xy"]
    choice = {"index": 0, "message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}
    told = json.loads(form.whole(json.dumps({"id": "1", "choices": [choice]}).encode()))
    assert told == {
        "id": "1",
        "choices": [
            {
                "index": 0,
                "message": {"content": None, "function_call": {"name": "x", "arguments": "{}"}},
                "finish_reason": "function_call",
            }
        ],
    }


def test_a_stream_tells_the_pieces_of_the_first_call() -> None:
    form = FunctionsForm()

    def event(**choice: object) -> bytes:
        return json.dumps({"choices": [{"index": 0, **choice}]}).encode()

    def part(index: int, **function: str) -> dict[str, object]:
        return {"tool_calls": [{"index": index, "function": function}]}

    async def stream() -> AsyncGenerator[bytes]:
        yield event(delta=part(0, name="x", arguments="{"))
        yield event(delta=part(1, arguments="no"))
        yield event(delta={}, finish_reason="tool_calls")
        yield b"[DONE]"

    async def told() -> list[bytes]:
        return [each async for each in form.pieces(stream())]

    *events, done = asyncio.run(told())
    assert done == b"data: [DONE]\n\n"
    assert [json.loads(each.removeprefix(b"data: "))["choices"][0] for each in events] == [
        {"index": 0, "delta": {"function_call": {"name": "x", "arguments": "{"}}},
        {"index": 0, "delta": {}},
        {"index": 0, "delta": {}, "finish_reason": "function_call"},
    ]
    error = form.fault(ApiError(502, "gone"))
    assert json.loads(error.removeprefix(b"data: "))["error"]["message"] == "gone"
