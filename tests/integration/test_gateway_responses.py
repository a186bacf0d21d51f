"""OpenAI's responses with OpenAI's own client, on both kinds of engine and on engines that are played."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel

from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.played_chats import CALL, EVERYTHING, SECOND_CALL, streamed_chat, whole_chat
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types.responses import Response, ToolParam

    from tray_app.gateway.upstream import Upstream

WEATHER: ToolParam = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
STREAM = "text/event-stream"
PATIENCE_S = 10.0


class Answer(BaseModel):
    """What `parse` is asked for: short, whatever the model would say."""

    right: bool


@contextmanager
def client_of(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


@contextmanager
def client_before(upstream: Upstream | Unavailable) -> Iterator[openai.OpenAI]:
    with gateway_to(upstream) as url, client_of(url) as client:
        yield client


@contextmanager
def client_told(answer: bytes, **how: Any) -> Iterator[openai.OpenAI]:
    """A client of an engine that gives this answer."""
    with engine_that_answers(answer, knows_tools=True, **how) as engine, client_before(engine) as client:
        yield client


@pytest.fixture(scope="module")
def llama() -> Iterator[Upstream]:
    with llamacpp() as engine:
        yield engine


@pytest.fixture(scope="module", params=["llama.cpp", "PowerInfer"])
def url(request: pytest.FixtureRequest, llama: Upstream) -> Iterator[str]:
    if request.param == "llama.cpp":
        with gateway_to(llama) as base_url:
            yield base_url
    else:
        with powerinfer_server() as server, gateway_to(behind(server)) as base_url:
            yield base_url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with client_of(url) as client:
        yield client


def events_of(text: str) -> list[dict[str, Any]]:
    """The data of events, each of which is named in it, too."""
    found = []
    for event in filter(None, text.split("\n\n")):
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


@pytest.mark.client("openai Python", "responses.create", powerinfer=True)
def test_a_response_is_given(client: openai.OpenAI) -> None:
    answer = client.responses.create(
        model="gpt-any", input="Hi", instructions="Be brief.", max_output_tokens=5, store=True
    )
    assert (answer.object, answer.model, answer.error) == ("response", "gpt-any", None)
    assert answer.output_text
    assert (answer.status, answer.incomplete_details and answer.incomplete_details.reason) == (
        "incomplete",
        "max_output_tokens",
    )
    assert answer.usage
    assert answer.usage.output_tokens == 5
    assert answer.usage.total_tokens == answer.usage.input_tokens + 5
    assert (answer.instructions, answer.tools, answer.max_output_tokens) == ("Be brief.", [], 5)
    assert answer.to_dict()["store"] is False


@pytest.mark.client("openai Python", "responses.create with items", powerinfer=True)
def test_all_forms_of_a_text_are_the_same_to_the_model(client: openai.OpenAI) -> None:
    forms: list[Any] = [
        "Hi",
        [{"role": "user", "content": "Hi"}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "Hi"}],
    ]
    answers = [
        client.responses.create(model="m", input=form, max_output_tokens=4, temperature=0) for form in forms
    ]
    used = [answer.usage.input_tokens for answer in answers if answer.usage]
    assert used == [used[0]] * len(forms)


@pytest.mark.client("openai Python", "responses.create with instructions", powerinfer=True)
def test_instructions_are_what_the_system_says(client: openai.OpenAI) -> None:
    def used(**asked: Any) -> int:
        answer: Response = client.responses.create(model="m", max_output_tokens=1, **asked)
        assert answer.usage
        return answer.usage.input_tokens

    turns: list[Any] = [{"role": "user", "content": "Hi"}]
    as_system = used(input=[{"role": "system", "content": "Be brief."}, *turns])
    assert used(input="Hi", instructions="Be brief.") == as_system
    assert used(input=[{"role": "developer", "content": "Be brief."}, *turns]) == as_system


def test_the_events_of_a_response_come_in_openais_order(url: str) -> None:
    body = {"model": "gpt-any", "input": "Hi", "max_output_tokens": 3, "stream": True}
    events = events_of(post(f"{url}/responses", body).text)
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert kinds[4] == "output_text.delta"
    assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "incomplete"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    last = events[-1]["response"]
    assert last["output"][0]["content"][0]["text"] == text == events[-4]["text"]
    assert len({event["item_id"] for event in events[3:-2]} | {last["output"][0]["id"]}) == 1
    assert events[0]["response"]["id"] == last["id"]
    assert (events[0]["response"]["status"], last["model"]) == ("in_progress", "gpt-any")
    assert last["usage"]["output_tokens"] == 3


@pytest.mark.client("openai Python", "responses.stream", powerinfer=True)
def test_the_helper_for_streams_reads_our_events(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input="Hi", max_output_tokens=5) as stream:
        events = list(stream)
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == "".join(texts)


@pytest.mark.client("openai Python", "AsyncOpenAI: responses", powerinfer=True)
def test_its_asynchronous_client_is_answered_many_times_at_once(url: str) -> None:
    async def ask() -> list[Response]:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            return await asyncio.gather(
                *(client.responses.create(model="m", input="Hi", max_output_tokens=3) for _ in range(6))
            )

    assert all(answer.output_text for answer in asyncio.run(ask()))


@pytest.mark.client("openai Python", "responses.parse", "responses.stream with text_format")
def test_an_answer_is_parsed() -> None:
    """Played, for the model of the tests has no letters for JSON."""
    text = '{"right":true}'
    for stream, body in ((False, whole_chat({"content": text})), (True, streamed_chat({"content": text}))):
        kind = STREAM if stream else "application/json"
        asked: Any = {"model": "m", "input": "Is it?", "text_format": Answer}
        with client_told(body, content_type=kind) as client:
            if stream:
                with client.responses.stream(**asked) as events:
                    answer = events.get_final_response()
            else:
                answer = client.responses.parse(**asked)
        assert answer.output_parsed == Answer(right=True)


def test_the_text_is_what_llamacpp_says_itself(llama: Upstream) -> None:
    body = {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "One?"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Two."}],
            },
            {"role": "user", "content": [{"type": "input_text", "text": "Three?"}]},
        ],
        "max_output_tokens": 12,
        "temperature": 0,
    }
    with gateway_to(llama) as url:
        ours, theirs = (post(f"{base}/responses", body).json() for base in (url, f"{llama.base_url}/v1"))
    for answer in (ours, theirs):
        del answer["output"][0]["id"]
        del answer["output"][0]["status"]  # "completed" for llama.cpp, although the limit has cut it
        del answer["usage"]["input_tokens_details"]
    assert ours["output"] == theirs["output"]
    assert ours["usage"] | theirs["usage"] == ours["usage"]
    assert set(theirs) <= set(ours)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [{"type": "message", "content": "x"}]}, "input"),
        ({"input": [{"role": "user"}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input"),
        ({"input": [{"type": "web_search_call"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]}, "input"),
        ({"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "x", "conversation": "conv_1"}, "conversation"),
        ({"input": "x", "background": True}, "background"),
        ({"input": "x", "prompt": {"id": "p"}}, "prompt"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools"),
        ({"input": "x", "tools": [{"type": "function"}]}, "tools"),
        ({"input": "x", "tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "x", "text": {"format": {"type": "json_schema"}}}, "text.format"),
    ],
)
def test_what_is_not_possible_is_refused_with_its_field(url: str, body: object, param: str) -> None:
    answer = post(f"{url}/responses", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_what_many_clients_send_and_means_nothing_is_taken(url: str) -> None:
    nothing = {
        "previous_response_id": None,
        "background": False,
        "store": True,
        "tools": [],
        "top_logprobs": 0,
        "truncation": "auto",
        "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "reasoning": {"effort": None, "summary": "auto"},
        "metadata": {"a": "b"},
        "service_tier": "auto",
        "prompt_cache_key": "x",
    }
    answer = post(f"{url}/responses", {"input": "Hi", "max_output_tokens": 1, **nothing})
    assert answer.status_code == 200
    assert answer.json()["metadata"] == {"a": "b"}


@pytest.mark.client(
    "openai Python",
    "responses.create with too long a text",
    works=False,
    how="400 with the number of tokens",
)
def test_what_is_too_long_is_refused_with_the_numbers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"\d+ tokens") as refused:
        client.responses.create(model="m", input="a " * 2000)
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "input")


@pytest.mark.client(
    "openai Python",
    "an engine that is not available",
    works=False,
    how="503 with `Retry-After` if `max_retries=0`",
)
def test_an_engine_that_is_not_there_says_when_to_ask_again() -> None:
    loading = Unavailable("The model is being loaded.", 2)
    with (
        client_before(loading) as client,
        pytest.raises(openai.InternalServerError, match="being loaded") as refused,
    ):
        client.responses.create(model="m", input="x")
    assert refused.value.response.headers["Retry-After"] == "2"


@pytest.mark.client(
    "openai Python",
    "responses.create with previous_response_id, retrieve, delete, cancel",
    powerinfer=True,
    works=False,
    how="400 or 404: nothing is stored",
)
def test_no_response_is_kept(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Responses are not stored"):
        client.responses.create(model="m", input="Hi", previous_response_id="resp_1")
    for ask in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            ask("resp_1")


def test_a_field_that_an_engine_has_not_is_called_as_the_client_calls_it() -> None:
    wanted = {"format": {"type": "json_object"}}
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        error = post(f"{url}/responses", {"input": "Hi", "text": wanted}).json()["error"]
    assert error["param"] == "text.format"
    assert "'text.format'" in error["message"]


@pytest.mark.client(
    "openai Python", "responses.create with tools", how="if the model's template supports them"
)
def test_a_whole_answer_has_thoughts_text_and_calls() -> None:
    message = {"reasoning_content": "Hm.", "content": "I ask.", "tool_calls": [CALL, SECOND_CALL]}
    with client_told(whole_chat(message, "tool_calls")) as client:
        answer = client.responses.create(model="m", input="Hi", tools=[WEATHER])
    told = [item.to_dict() for item in answer.output]
    assert [item["type"] for item in told] == ["reasoning", "message", "function_call", "function_call"]
    assert answer.status == "completed"
    assert (told[2]["call_id"], told[2]["name"], told[2]["arguments"]) == (
        "a1",
        "weather",
        '{"city":"Nîmes"}',
    )
    assert answer.to_dict()["tools"] == [WEATHER]
    assert answer.usage
    assert answer.usage.input_tokens_details.cached_tokens == 15


@pytest.mark.client(
    "openai Python", "responses.stream with tools", how="if the model's template supports them"
)
def test_a_streamed_answer_has_thoughts_text_and_calls() -> None:
    body = streamed_chat(*EVERYTHING, finish="tool_calls")
    asked: Any = {"model": "m", "input": "Hi", "tools": [WEATHER]}
    with client_told(body, content_type=STREAM) as client, client.responses.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_response()
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 4
    assert kinds.count("response.function_call_arguments.done") == 2
    assert kinds[-1] == "response.completed"
    told: list[Any] = [item.to_dict() for item in answer.output]
    assert [item["type"] for item in told] == ["reasoning", "message", "function_call", "function_call"]
    assert answer.output_text == "I ask twice."
    assert (told[0]["content"][0]["text"], told[2]["arguments"]) == ("Let me look.", '{"city":"Nîmes"}')
    assert (told[3]["call_id"], told[3]["name"], told[3]["arguments"]) == ("b2", "clock", "{}")


def test_an_engine_that_fails_halfway_is_an_error_for_the_client() -> None:
    body = streamed_chat({"content": "a"}, finish=None, done=False)
    with engine_that_answers(body, content_type=STREAM) as engine, gateway_to(engine) as url:
        events = events_of(post(f"{url}/responses", {"input": "Hi", "stream": True}).text)
    with (
        client_told(body, content_type=STREAM) as client,
        pytest.raises(openai.APIError, match="in the middle"),
    ):
        list(client.responses.create(model="m", input="Hi", stream=True))
    failed, why = events[-2:]
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["message"] == why["message"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_a_client_that_leaves_ends_the_engines_work() -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url, client_of(url) as client:
        server.hold_at = 3
        with client.responses.create(model="m", input="Hi", max_output_tokens=50, stream=True) as stream:
            assert next(iter(stream))
            assert server.holding.wait(PATIENCE_S)
        assert server.client_left.wait(PATIENCE_S)
