"""What Anthropic's messages and OpenAI's responses ask of a chat."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.fakes.played_chats import EVERYTHING, streamed_chat
from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.messages import CountForm, MessageForm, anthropic_error
from tray_app.gateway.apis.responses import ResponseForm
from tray_app.gateway.byte_budget import ByteBudget
from tray_app.gateway.engine_errors import answers_budget

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tray_app.gateway.events import Writer

SCHEMA = {"type": "object", "properties": {"a": {"type": "null"}}}
FUNCTION = {"name": "f", "description": "Does.", "parameters": SCHEMA}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}


def message(**fields: Any) -> dict[str, Any]:
    """The chat that a message is asked as."""
    body = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return plain(MessageForm().question(json.dumps(body).encode()))


def response(**fields: Any) -> dict[str, Any]:
    """The chat that a response is asked as."""
    form = ResponseForm(answers_budget())
    return plain(form.question(json.dumps({"input": "Hi", **fields}).encode()))


def plain(fields: object) -> dict[str, Any]:
    chat: dict[str, Any] = json.loads(msgspec.json.encode(fields))
    return chat


def test_a_message_keeps_what_a_chat_has_too() -> None:
    kept = {"model": "m", "temperature": 0.5, "top_p": 0.9, "top_k": 7}
    chat = message(**kept, metadata={"user_id": "x"}, stop_sequences=["a", ""], stream=True)
    assert chat == {
        **kept,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 5,
        "stop": ["a"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_blocks_of_a_message_become_parts() -> None:
    blocks = [
        {"type": "text", "text": "é\n\\", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Read."}},
    ]
    assert message(messages=[{"role": "user", "content": blocks}])["messages"][0]["content"] == [
        {"type": "text", "text": "é\n\\"},
        PICTURE,
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        {"type": "text", "text": "Read."},
    ]


def test_calls_and_results_of_a_message_become_messages_in_openais_order() -> None:
    turns = [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "I ask."},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"a": None}},
                {"type": "tool_use", "id": "2", "name": "g"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "There:"},
                {"type": "tool_result", "tool_use_id": "1", "content": "one"},
                {
                    "type": "tool_result",
                    "tool_use_id": "2",
                    "content": [{"type": "text", "text": "t"}, {"type": "text", "text": "wo"}],
                },
                {"type": "tool_result", "tool_use_id": "3"},
            ],
        },
    ]
    assert message(
        messages=turns, system=[{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]
    )["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "I ask."}],
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": null}'}},
                {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "tool", "tool_call_id": "3", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "There:"}]},
    ]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tools_of_a_message_become_functions(choice: object, wanted: object) -> None:
    tool = {"name": "f", "description": "Does.", "input_schema": SCHEMA, "type": "custom"}
    chat = message(tools=[tool], tool_choice=choice)
    assert chat["tools"] == [{"type": "function", "function": FUNCTION}]
    assert chat["tool_choice"] == wanted
    assert "parallel_tool_calls" not in chat


def test_only_one_call_at_once_is_asked_as_openai_does() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert message(tools=[{"name": "f"}], tool_choice=choice)["parallel_tool_calls"] is False


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_form_of_the_answer_is_asked_as_openai_does(where: str) -> None:
    wanted = {"type": "json_schema", "schema": SCHEMA}
    asked = {where: {"format": wanted} if where == "output_config" else wanted}
    assert message(**asked)["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"container": "x"}, "container"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools"),
        ({"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"system": [{"type": "image"}]}, "system"),
        ({"system": 5}, "system"),
        *(
            ({"messages": [{"role": "user", "content": [block]}]}, "messages")
            for block in (
                {"type": "document", "source": {"type": "base64", "data": "x"}},
                {"type": "image"},
                {"type": "image", "source": {"type": "file", "file_id": "x"}},
                {"type": "image", "source": {"type": "base64", "data": 5}},
                {"type": "server_tool_use"},
                {"type": "tool_use", "id": "1", "name": "f", "input": "x"},
                {"type": "tool_result", "content": "x"},
            )
        ),
    ],
)
def test_what_a_message_cannot_ask_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as refused:
        message(**fields)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_what_is_counted_is_the_same_chat_without_an_answer() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "system": "s", "stream": True, "max_tokens": 5}
    assert plain(CountForm().question(json.dumps(body).encode())) == {
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi"}]
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
    ],
)
def test_errors_have_anthropics_types(status: int, kind: str) -> None:
    assert json.loads(anthropic_error(ApiError(status, "No."))) == {
        "type": "error",
        "error": {"type": kind, "message": "No."},
    }


def test_a_response_keeps_what_a_chat_has_too() -> None:
    kept = {"model": "m", "temperature": 0.5, "top_p": 0.9, "parallel_tool_calls": False}
    chat = response(**kept, stream=True, reasoning={"effort": "low"}, metadata={"a": "b"}, store=True)
    assert chat == {
        **kept,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "reasoning_effort": "low",
    }


def test_items_of_a_response_become_messages() -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I ask."}, {"type": "refusal", "refusal": " No."}],
        },
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
        {
            "type": "function_call_output",
            "call_id": "2",
            "output": [{"type": "input_text", "text": "two"}],
        },
        {"type": "function_call", "call_id": "3", "name": "f", "arguments": "{}"},
        {"role": "system", "content": "Go on."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "See:"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"},
            ],
        },
    ]

    def call(number: str, name: str) -> dict[str, Any]:
        return {"id": number, "type": "function", "function": {"name": name, "arguments": "{}"}}

    assert response(input=items, instructions="You help.")["messages"] == [
        {"role": "system", "content": "You help.\n\nBe brief."},
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "I ask. No.", "tool_calls": [call("1", "f"), call("2", "g")]},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "assistant", "content": None, "tool_calls": [call("3", "f")]},
        {"role": "system", "content": "Go on."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See:"},
                {**PICTURE, "image_url": {**PICTURE["image_url"], "detail": "low"}},  # type: ignore[dict-item]
            ],
        },
    ]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("required", "required"),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tools_of_a_response_become_functions(choice: object, wanted: object) -> None:
    chat = response(tools=[{"type": "function", **FUNCTION, "strict": True}], tool_choice=choice)
    assert chat["tools"] == [{"type": "function", "function": {**FUNCTION, "strict": True}}]
    assert chat["tool_choice"] == wanted


def test_the_form_of_a_responses_text_is_that_of_a_chats_answer() -> None:
    wanted = {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True}
    told = {"name": "x", "schema": SCHEMA, "strict": True}
    assert response(text={"format": wanted})["response_format"] == {
        "type": "json_schema",
        "json_schema": told,
    }
    assert response(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert "response_format" not in response(text={"format": {"type": "text"}})


def test_a_long_field_is_not_repeated_in_each_event() -> None:
    form = ResponseForm(answers_budget())
    form.question(json.dumps({"input": "Hi", "instructions": "x" * 40_000}).encode())
    events = written(form, streamed_chat({"content": "a"}))
    assert len(b"".join(events)) < 10_000


def test_what_streamed_answers_hold_to_repeat_it_is_limited() -> None:
    budget = ByteBudget(1000, lambda: ApiError(503, "Too much."))
    pieces = [{"content": "x" * 1000}] * 100
    with pytest.raises(ApiError, match="Too much"):
        written(ResponseForm(budget), streamed_chat(*pieces))
    assert written(ResponseForm(budget), streamed_chat(*pieces[:60]))  # all of it was given back


@pytest.mark.parametrize("form", [MessageForm(), ResponseForm(answers_budget())])
def test_events_are_in_ascii_with_their_name(form: Writer) -> None:
    data = b"".join(written(form, streamed_chat(*EVERYTHING, finish="tool_calls")))
    assert data.isascii()
    for event in filter(None, data.decode().split("\n\n")):
        name, told = event.split("\n")
        assert json.loads(told.removeprefix("data: "))["type"] == name.removeprefix("event: ")


def written(form: Writer, stream: bytes) -> list[bytes]:
    """What a client gets of an engine's stream."""

    async def payloads() -> AsyncGenerator[bytes]:
        for event in filter(None, stream.split(b"\n\n")):
            yield event.removeprefix(b"data: ")

    async def write() -> list[bytes]:
        return [piece async for piece in form.pieces(payloads())]

    return asyncio.run(write())
