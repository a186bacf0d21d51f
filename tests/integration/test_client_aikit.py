"""4D AI Kit: each request that its classes can make, and of each answer what its classes read.

4D itself is not here: `tests/fakes/aikit.py` has what goes over the wire.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.aikit import Asked, chat, embeddings, message, requests_without_an_answer_here, tool
from tests.fakes.chat_templates import write_caller
from tests.fakes.gateways import behind, gateway_to
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

HI = message("user", "Hi")
HOUR = {
    "type": "object",
    "properties": {"hour": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["hour"],
    "additionalProperties": False,
}
CLOCK = tool("clock", HOUR)
SCHEMA = {"type": "json_schema", "json_schema": {"name": "clock", "strict": True, "schema": HOUR}}
ENOUGH = 400
OTHERS = dict(requests_without_an_answer_here())


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A llama.cpp whose model calls tools."""
    path = write_caller(tmp_path_factory.mktemp("caller") / "caller.gguf")
    with llamacpp(path, context_size=2048) as engine, gateway_to(engine) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def powerinfer() -> Iterator[str]:
    with powerinfer_server() as server, gateway_to(behind(server)) as base_url:
        yield base_url


@pytest.fixture(scope="module", params=["caller", "powerinfer"])
def url(request: pytest.FixtureRequest) -> str:
    base_url: str = request.getfixturevalue(request.param)
    return base_url


@pytest.mark.client("4D AI Kit", "models.list", "models.retrieve", powerinfer=True)
@pytest.mark.parametrize("slash", ["", "/"])
def test_models_are_listed_and_found(url: str, slash: str) -> None:
    listed = Asked("GET", "/models").send(url + slash).models
    assert listed
    for model in listed:
        assert Asked("GET", f"/models/{model['id']}").send(url).model == model
        assert ":" not in model["id"]  # what is before one is the name of a provider for AI Kit


@pytest.mark.client("4D AI Kit", "models.retrieve, unknown", works=False, how="404, not retried")
def test_an_unknown_model_is_an_error_that_is_not_tried_again(url: str) -> None:
    result = Asked("GET", "/models/gpt-4o-mini").send(url)
    assert result.error.status == 404
    assert "gpt-4o-mini" in result.error.message
    assert not result.is_tried_again


@pytest.mark.client("4D AI Kit", "embeddings.create", powerinfer=True)
@pytest.mark.parametrize(
    "options", [{}, {"user": "me"}, {"encoding_format": "float"}, {"encoding_format": "base64"}]
)
def test_texts_are_embedded(url: str, options: dict[str, object]) -> None:
    (one,) = embeddings("Crème brûlée / один 😀", **options).send(url).vectors
    result = embeddings(["two", "Crème brûlée / один 😀"], **options).send(url)
    assert result.success
    assert result.vectors[1] == pytest.approx(one, abs=1e-3)
    assert math.hypot(*one) == pytest.approx(1, abs=1e-5)
    assert result.usage["prompt_tokens"] == result.usage["total_tokens"] > 0
    same = embeddings("two", **options, dimensions=len(one)).send(url)
    assert same.vectors[0] == pytest.approx(result.vectors[0], abs=1e-3)


@pytest.mark.client("4D AI Kit", "embeddings.create, empty input", works=False, how="400, `param` is `input`")
@pytest.mark.parametrize("text", ["", [], [""], None, [1, 2]])
def test_what_is_no_text_is_an_error_that_names_it(url: str, text: object) -> None:
    result = embeddings(text).send(url)
    assert (result.error.status, result.error.param, result.is_tried_again) == (400, "input", False)


@pytest.mark.client("4D AI Kit", "chat.completions.create", "chat.create (helper)", powerinfer=True)
@pytest.mark.parametrize(
    ("messages", "options"),
    [
        ([HI], {}),
        ([{"role": "user", "content": "Hi"}], {}),
        ([message("system", "You are brief."), HI, message("assistant", "Yes?"), HI], {}),
        ([message("developer", "You are brief."), HI], {}),
        ([message("user", [{"type": "text", "text": "Hi"}])], {}),
        ([HI], {"user": "me", "temperature": 0, "top_p": 0.9, "store": True, "reasoning_effort": "low"}),
        ([HI], {"prediction": {"type": "content", "content": "Hi"}, "service_tier": "auto"}),
        ([HI], {"tools": [], "response_format": {"type": "text"}, "tool_choice": "auto"}),
        ([HI], {"tools": [CLOCK], "tool_choice": "none"}),
    ],
)
def test_a_chat_is_answered(url: str, messages: list[Any], options: dict[str, Any]) -> None:
    result = chat(*messages, max_completion_tokens=5, **options).send(url)
    assert result.success
    (choice,) = result.choices
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"]
    assert result.usage["completion_tokens"] == 5
    again = chat(*messages, choice["message"], HI, max_completion_tokens=5, **options).send(url)
    assert again.success  # the helper keeps what it was told


@pytest.mark.client("4D AI Kit", "chat.completions.create, n = 2")
def test_two_answers_come_where_two_are_asked_for(caller: str) -> None:
    result = chat(HI, n=2, max_completion_tokens=5).send(caller)
    assert [choice["index"] for choice in result.choices] == [0, 1]
    assert result.usage["completion_tokens"] == 10


@pytest.mark.client("4D AI Kit", "chat.completions.create, onData", powerinfer=True)
@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_a_stream_is_read_line_by_line(url: str, options: dict[str, Any]) -> None:
    streamed = chat(HI, max_completion_tokens=5, stream=True, **options).send(url).stream()
    assert streamed.message["role"] == "assistant"
    assert streamed.message["content"]
    if options:
        assert streamed.last["usage"]["completion_tokens"] == 5
    else:
        assert streamed.last["choices"][0]["finish_reason"] == "length"


@pytest.mark.client("4D AI Kit", "chat.completions.create, response_format")
@pytest.mark.parametrize("form", [SCHEMA, {"type": "json_object"}])
def test_an_answer_is_json_where_that_is_asked_for(caller: str, form: dict[str, Any]) -> None:
    (choice,) = chat(HI, response_format=form).send(caller).choices
    said = json.loads(choice["message"]["content"])
    assert set(said) == {"hour"} if form is SCHEMA else isinstance(said, dict)


@pytest.mark.client("4D AI Kit", "chat.create (helper), registerTool")
@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "clock"}}])
def test_the_helper_is_told_of_a_call_and_tells_the_result(caller: str, choice: object) -> None:
    tools = [tool("weather", {"type": "object", "properties": {}}), CLOCK] if choice == "auto" else [CLOCK]
    asked = chat(message("system", "x"), HI, tools=tools, tool_choice=choice).send(caller)
    (first,) = asked.choices
    assert first["finish_reason"] == "tool_calls"
    (call,) = first["message"]["tool_calls"]
    assert isinstance(json.loads(call["function"]["arguments"]), dict)
    result = message("tool", "12", tool_call_id=call["id"])
    kept = message("assistant", first["message"].get("content"), tool_calls=[call])
    messages = (message("system", "x"), HI, kept, result)
    again = chat(*messages, tools=tools, tool_choice="none", max_completion_tokens=5).send(caller)
    assert again.success


@pytest.mark.client("4D AI Kit", "chat.create (helper), registerTool, onData")
def test_the_helper_joins_the_pieces_of_a_call(caller: str) -> None:
    streamed = chat(HI, max_completion_tokens=ENOUGH, stream=True, tools=[CLOCK]).send(caller).stream()
    (call,) = streamed.message["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "clock")
    assert set(json.loads(call["function"]["arguments"])) == {"hour"}
    assert streamed.last["choices"][0]["finish_reason"] == "tool_calls"
    result = message("tool", "12", tool_call_id=call["id"])
    kept = message("assistant", streamed.message["content"], tool_calls=streamed.message["tool_calls"])
    again = chat(HI, kept, result, max_completion_tokens=ENOUGH, stream=True, tools=[CLOCK]).send(caller)
    assert again.stream().message["tool_calls"]


@pytest.mark.client("4D AI Kit", "chat.vision", works=False, how="with a text-only model: 400, not retried")
@pytest.mark.client("4D AI Kit", "message.addFileId", works=False, how="400, not retried")
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ],
)
@pytest.mark.parametrize("options", [{}, {"stream": True}])
def test_pictures_and_files_are_refused_at_once(
    url: str, part: dict[str, Any], options: dict[str, Any]
) -> None:
    result = chat(message("user", [{"type": "text", "text": "What is it?"}, part]), **options).send(url)
    assert (result.error.status, result.error.param, result.is_tried_again) == (400, "messages", False)


@pytest.mark.client(
    "4D AI Kit", "moderations", "images", "files", "stored chats", works=False, how="404, 405"
)
@pytest.mark.parametrize("name", OTHERS)
def test_what_only_openai_can_keep_is_an_error_that_is_not_tried_again(caller: str, name: str) -> None:
    result = OTHERS[name].send(caller)
    assert not result.success
    assert result.error.status in (404, 405)
    assert result.error.message
    assert not result.is_tried_again


@pytest.mark.client("4D AI Kit", "an engine that is not available", how="retried after `Retry-After`")
def test_it_waits_as_long_as_it_is_told_for_a_model_that_loads() -> None:
    with gateway_to(Unavailable("The model is being loaded.", 2)) as base_url:
        result = embeddings("x").send(base_url)
    assert (result.is_tried_again, result.response.headers["Retry-After"]) == (True, "2")
    assert "being loaded" in result.error.message


@pytest.mark.warns("Wrong API keys")
@pytest.mark.client("4D AI Kit", "apiKey", how="the key from the settings, if one is set")
def test_its_key_is_the_one_that_is_checked() -> None:
    with llamacpp() as engine, gateway_to(engine, key="secret") as base_url:
        assert Asked("GET", "/models").send(base_url, key="secret").models
        assert Asked("GET", "/models").send(base_url, key="wrong").error.status == 401
