"""Chats with tools, functions and forms of answers, on the real llama.cpp with a model that calls tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel, SecretStr

from tests.fakes.chat_templates import write_caller
from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HOUR = {
    "type": "object",
    "properties": {"hour": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["hour"],
    "additionalProperties": False,
}
FUNCTIONS: list[Any] = [
    {"name": "weather", "description": "The weather of a city", "parameters": CITY},
    {"name": "clock", "parameters": HOUR},
]
TOOLS: list[ChatCompletionToolParam] = [{"type": "function", "function": each} for each in FUNCTIONS]
CLOCK = {"type": "function", "function": {"name": "clock"}}
ENOUGH = 400
"""Tokens for any answer that ends by itself: a letter is one."""


class Hour(BaseModel):
    """When it is."""

    hour: int


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = write_caller(tmp_path_factory.mktemp("caller") / "caller.gguf")
    with llamacpp(path, context_size=2048) as engine, gateway_to(engine) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def url_without() -> Iterator[str]:
    """Where the model's chat template does not support tools."""
    with llamacpp() as engine, gateway_to(engine) as base_url:
        yield base_url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def chat(url: str, **fields: Any) -> Any:
    response = post(f"{url}/chat/completions", {"messages": MESSAGES, "max_tokens": ENOUGH, **fields})
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def refusal(url: str, **fields: Any) -> tuple[int, str | None, str]:
    response = post(f"{url}/chat/completions", {"messages": MESSAGES, "max_tokens": 5, **fields})
    error = response.json()["error"]
    return response.status_code, error["param"], error["message"]


@pytest.mark.client("openai Python", "tools")
def test_openai_gets_calls_of_tools(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="", messages=MESSAGES, tools=TOOLS, max_tokens=ENOUGH)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.id
    assert set(json.loads(call.function.arguments)) <= {"city", "hour"}


@pytest.mark.client("openai Python", "tools, one named by `tool_choice`")
@pytest.mark.parametrize("stream", [False, True])
def test_a_named_tool_is_the_one_that_is_called(url: str, stream: bool) -> None:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        asked: Any = {"model": "", "messages": MESSAGES, "tools": TOOLS, "tool_choice": CLOCK}
        message: Any
        if stream:
            with client.chat.completions.stream(**asked, max_tokens=ENOUGH) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked, max_tokens=ENOUGH).choices[0].message
    (call,) = message.tool_calls or []
    assert call.function.name == "clock"
    assert set(json.loads(call.function.arguments)) == {"hour"}


def test_a_tool_is_called_where_one_is_required_and_several_if_they_may_be(url: str) -> None:
    one = chat(url, tools=TOOLS, tool_choice="required", parallel_tool_calls=False)
    assert len(one["message"]["tool_calls"]) == 1
    # A comma stands between calls: with so many of them, the answer ends with its tokens.
    endless = {"logit_bias": [[",", 40]], "max_tokens": 200}
    several = chat(url, tools=TOOLS, tool_choice=CLOCK, parallel_tool_calls=True, **endless)
    assert {call["function"]["name"] for call in several["message"]["tool_calls"]} == {"clock"}
    assert len(several["message"]["tool_calls"]) > 1


@pytest.mark.parametrize("fields", [{"tools": TOOLS, "tool_choice": "none"}, {"tools": []}])
def test_no_tool_is_called_where_none_is_wanted(url: str, fields: dict[str, Any]) -> None:
    assert "tool_calls" not in chat(url, **{"max_tokens": 5, **fields})["message"]


@pytest.mark.client("openai Python", "results of tools")
def test_the_result_of_a_tool_is_read(client: openai.OpenAI) -> None:
    asked = client.chat.completions.create(model="", messages=MESSAGES, tools=TOOLS, max_tokens=ENOUGH)
    call = asked.choices[0].message
    (made,) = call.tool_calls or []
    messages: list[Any] = [
        *MESSAGES,
        call.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": made.id, "content": "sunny"},
    ]
    answer = client.chat.completions.create(
        model="", messages=messages, tools=TOOLS, tool_choice="none", max_tokens=5
    )
    assert answer.usage
    assert asked.usage
    assert answer.usage.prompt_tokens > asked.usage.prompt_tokens


@pytest.mark.client("openai Python", "functions, as before tools")
@pytest.mark.parametrize("stream", [False, True])
def test_functions_are_called_as_they_were_before_tools(client: openai.OpenAI, stream: bool) -> None:
    asked: Any = {
        "model": "",
        "messages": MESSAGES,
        "functions": FUNCTIONS,
        "function_call": {"name": "clock"},
        "max_tokens": ENOUGH,
    }
    answer: Any = client.chat.completions.create(**asked, stream=stream)
    if stream:
        *_, last = choices = [event.choices[0] for event in answer if event.choices]
        pieces = [each.delta.function_call for each in choices if each.delta.function_call]
        name, arguments = pieces[0].name, "".join(each.arguments for each in pieces)
        assert not any(each.delta.tool_calls for each in choices)
    else:
        last = answer.choices[0]
        name, arguments = last.message.function_call.name, last.message.function_call.arguments
        assert last.message.tool_calls is None
    assert last.finish_reason == "function_call"
    assert (name, set(json.loads(arguments))) == ("clock", {"hour"})


@pytest.mark.client("openai Python", "`parse` with a schema")
def test_openai_parses_an_answer_by_a_schema(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="", messages=MESSAGES, response_format=Hour, max_tokens=ENOUGH
    )
    assert isinstance(answer.choices[0].message.parsed, Hour)


def test_a_json_object_is_one(url: str) -> None:
    said = chat(url, response_format={"type": "json_object"}, max_tokens=1500)
    assert said["finish_reason"] == "stop"
    assert isinstance(json.loads(said["message"]["content"]), dict)


@pytest.mark.client("LangChain Python", '`with_structured_output(method="function_calling")`', "`bind_tools`")
def test_langchain_structures_its_output_by_calling_a_function(url: str) -> None:
    from langchain_openai import ChatOpenAI  # takes seconds

    model: Any = ChatOpenAI(base_url=url, api_key=SecretStr("none"), model="x", max_retries=0)
    structured = model.with_structured_output(
        {"title": "clock", "description": "The time", **HOUR}, method="function_calling"
    )
    assert set(structured.invoke("Hi")) == {"hour"}
    called = model.bind_tools(TOOLS, tool_choice="clock").invoke("Hi")
    assert [call["name"] for call in called.tool_calls] == ["clock"]


@pytest.mark.client(
    "openai Python",
    "tools, with a model whose template knows none",
    works=False,
    how="400, `param` is `tools`",
)
@pytest.mark.parametrize("more", [{"tools": TOOLS}, {"functions": FUNCTIONS}, {"tools": TOOLS, "n": 2}])
def test_tools_that_the_model_would_not_hear_of_are_refused(url_without: str, more: dict[str, Any]) -> None:
    with openai.OpenAI(base_url=url_without, api_key="none", max_retries=0) as client:
        asked: Any = {"model": "", "messages": MESSAGES, **more}
        with pytest.raises(openai.BadRequestError, match="does not support tools") as refused:
            client.chat.completions.create(**asked)
    assert (refused.value.param, refused.value.code) == ("tools", "unsupported_parameter")


@pytest.mark.parametrize("fields", [{"tools": []}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": None}])
def test_tools_that_nobody_wants_are_no_fault_of_a_template_without_tools(
    url_without: str, fields: dict[str, Any]
) -> None:
    assert chat(url_without, **{"max_tokens": 3, **fields})["message"]["content"]


def test_that_a_model_cannot_be_held_to_a_form_is_said_in_own_words(url_without: str) -> None:
    status, _, message = refusal(url_without, response_format={"type": "json_object"})
    assert (status, "use a given format" in message) == (400, True)


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"tool_choice": "required"}, "tool_choice", "is empty"),
        ({"tools": TOOLS, "tool_choice": "perhaps"}, "tool_choice", "perhaps"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "no"}}},
            "tool_choice",
            "not in",
        ),
        ({"functions": FUNCTIONS, "function_call": {"name": "no"}}, "tool_choice", "not in"),
        ({"tools": [{"type": "web_search"}]}, "tools", "web_search"),
        ({"messages": []}, "messages", "at least one message"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            "messages",
            "no files",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,A"}}]}
                ]
            },
            "messages",
            "reads only text",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    url: str, fields: dict[str, Any], param: str, said: str
) -> None:
    status, named, message = refusal(url, **fields)
    assert (status, named) == (400, param)
    assert said in message


def test_a_seed_gives_the_same_answer_and_logprobs_come_along(url_without: str) -> None:
    asked = {"seed": 7, "max_tokens": 12, "logprobs": True, "top_logprobs": 2, "temperature": 1.5}
    first, again, other = (chat(url_without, **{**asked, "seed": seed}) for seed in (7, 7, 8))
    assert first["message"] == again["message"] != other["message"]
    tokens = first["logprobs"]["content"]
    assert len(tokens) == 12
    assert all(len(token["top_logprobs"]) == 2 for token in tokens)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": TOOLS}, "tools"),
        ({"functions": FUNCTIONS}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": []}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages",
        ),
    ],
)
def test_powerinfer_refuses_what_it_cannot_do(fields: dict[str, Any], param: str) -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        assert refusal(url, **fields)[:2] == (400, param)
        assert chat(url, tools=TOOLS, tool_choice="none", max_tokens=3)["message"]["content"]
