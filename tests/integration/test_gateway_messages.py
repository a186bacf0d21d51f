"""Anthropic's API with Anthropic's own client, on both kinds of engine and on engines that are played."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateways import behind, gateway_to, post
from tests.fakes.libraries import WhenUsed
from tests.fakes.llamacpp import llamacpp
from tests.fakes.played_chats import CALL, EVERYTHING, SECOND_CALL, streamed_chat, whole_chat
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import anthropic
    from anthropic.types import MessageParam, ToolParam

    from tests.fakes.powerinfer_server import PowerInferServer
    from tray_app.gateway.upstream import Upstream
else:
    anthropic = WhenUsed("anthropic")

HI: list[MessageParam] = [{"role": "user", "content": "Hi"}]
TOOLS: list[ToolParam] = [
    {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
    {"name": "clock", "input_schema": {"type": "object"}},
]
STREAM = "text/event-stream"
PATIENCE_S = 10.0


@contextmanager
def client_of(url: str, key: str = "none") -> Iterator[anthropic.Anthropic]:
    base_url = url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0) as client:
        yield client


@contextmanager
def client_before(upstream: Upstream | Unavailable) -> Iterator[anthropic.Anthropic]:
    with gateway_to(upstream) as url, client_of(url) as client:
        yield client


@contextmanager
def client_told(answer: bytes, **how: Any) -> Iterator[anthropic.Anthropic]:
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
def client(url: str) -> Iterator[anthropic.Anthropic]:
    with client_of(url) as client:
        yield client


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.client("anthropic Python", "messages.create", powerinfer=True)
def test_a_message_is_answered(client: anthropic.Anthropic) -> None:
    answer = client.messages.create(model="claude-any", max_tokens=5, messages=HI, system="Be brief.")
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "claude-any")
    assert text_of(answer)
    assert (answer.stop_reason, answer.stop_sequence) == ("max_tokens", None)
    assert answer.usage.output_tokens == 5
    assert answer.usage.input_tokens


@pytest.mark.client("anthropic Python", "messages.create with blocks of text", powerinfer=True)
def test_blocks_of_text_are_read_as_texts(client: anthropic.Anthropic) -> None:
    def tokens(system: Any, content: Any) -> int:
        messages: list[Any] = [{"role": "user", "content": content}]
        return client.messages.count_tokens(model="m", system=system, messages=messages).input_tokens

    blocks = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    assert tokens(blocks, blocks) == tokens("Hi", "Hi") > tokens([], "Hi")


@pytest.mark.client("anthropic Python", "messages.stream", powerinfer=True)
def test_the_helper_for_streams_reads_our_events(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="claude-any", max_tokens=5, messages=HI) as stream:
        kinds = [event.type for event in stream]
        whole = stream.get_final_message()
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert kinds.count("content_block_delta") >= 4
    assert text_of(whole)
    assert (whole.model, whole.stop_reason, whole.usage.output_tokens) == ("claude-any", "max_tokens", 5)
    assert whole.usage.input_tokens


@pytest.mark.client("anthropic Python", "AsyncAnthropic", powerinfer=True)
def test_its_asynchronous_client_is_answered_many_times_at_once(url: str) -> None:
    async def ask() -> list[anthropic.types.Message]:
        base_url = url.removesuffix("/v1")
        async with anthropic.AsyncAnthropic(base_url=base_url, api_key="none", max_retries=0) as client:
            return await asyncio.gather(
                *(client.messages.create(model="m", max_tokens=3, messages=HI) for _ in range(6))
            )

    assert all(text_of(answer) for answer in asyncio.run(ask()))


@pytest.mark.client("anthropic Python", "messages.count_tokens", powerinfer=True)
def test_tokens_are_counted_as_they_are_used(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="m", messages=HI, system="Be brief.")
    used = client.messages.create(model="m", max_tokens=1, messages=HI, system="Be brief.").usage
    assert counted.input_tokens == used.input_tokens + (used.cache_read_input_tokens or 0)


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.client("anthropic Python", "stop_sequences, stop_sequence", powerinfer=True)
def test_the_stop_sequence_that_came_is_told(url: str, *, is_streamed: bool) -> None:
    letters = list("aeiounthsw")  # one of them comes soon, whatever the model says
    with client_of(url) as client:
        asked: Any = {"model": "m", "max_tokens": 40, "messages": HI, "stop_sequences": [*letters, ""]}
        if is_streamed:
            with client.messages.stream(**asked) as stream:
                answer: anthropic.types.Message = stream.get_final_message()
        else:
            answer = client.messages.create(**asked)
    assert answer.stop_reason == "stop_sequence"
    assert answer.stop_sequence in letters
    assert not set(letters) & set(text_of(answer))


@pytest.mark.client("anthropic Python", "models.list", powerinfer=True)
def test_the_models_are_listed(client: anthropic.Anthropic) -> None:
    assert client.messages.create(model=client.models.list().data[0].id, max_tokens=1, messages=HI)


@pytest.mark.client(
    "anthropic Python",
    "messages.create with too long a text",
    works=False,
    how="400 with the number of tokens",
)
def test_what_is_too_long_is_refused_with_the_numbers(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match=r"\d+ tokens") as refused:
        client.messages.create(model="m", max_tokens=5, messages=[{"role": "user", "content": "a " * 2000}])
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": HI}, "'max_tokens' is missing"),
        ({"messages": HI, "max_tokens": 0}, "max_tokens"),
        ({"messages": [], "max_tokens": 5}, "messages"),
        ({"max_tokens": 5}, "messages"),
        ({"messages": [{"role": "user", "content": 5}], "max_tokens": 5}, "string or a list of blocks"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}], "max_tokens": 5}, "'text'"),
        ({"messages": [{"role": "tool", "content": "x"}], "max_tokens": 5}, "role"),
        ([], "not valid"),
    ],
)
def test_what_is_wrong_is_said_in_anthropics_form(url: str, body: object, words: str) -> None:
    answer = post(f"{url}/messages", body)
    assert answer.status_code == 400
    told = answer.json()
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert words in told["error"]["message"]


@pytest.mark.parametrize("path", ["/messages", "/messages/count_tokens", "/v1//messages/"])
def test_every_spelling_of_the_address_refuses_in_its_own_form(url: str, path: str) -> None:
    told = post(f"{url}{path}", {"messages": "x"}).json()
    assert told["type"] == "error"


@pytest.mark.client(
    "anthropic Python",
    "an engine that is not available",
    works=False,
    how="503 with `Retry-After` if `max_retries=0`",
)
def test_an_engine_that_is_not_there_is_overloaded() -> None:
    with (
        client_before(Unavailable("The model is being loaded.", 2)) as client,
        pytest.raises(anthropic.APIStatusError, match="being loaded") as refused,
    ):
        client.messages.create(model="m", max_tokens=5, messages=HI)
    assert (refused.value.status_code, refused.value.type) == (503, "overloaded_error")
    assert refused.value.response.headers["Retry-After"] == "2"


@pytest.mark.client("anthropic Python", "messages.create, unknown model", works=False, how="404")
def test_an_unknown_model_is_not_found() -> None:
    missing = Unavailable("There is no model x.", status=404, code="model_not_found")
    with client_before(missing) as client, pytest.raises(anthropic.NotFoundError) as refused:
        client.messages.create(model="x", max_tokens=5, messages=HI)
    assert refused.value.type == "not_found_error"


@pytest.mark.warns("Wrong API keys")
@pytest.mark.client("anthropic Python", "a key as x-api-key")
def test_anthropics_key_counts_as_a_key(llama: Upstream) -> None:
    key = "k" * 32
    with gateway_to(llama, key=key) as url:
        with client_of(url, key) as client:
            assert client.messages.create(model="m", max_tokens=1, messages=HI)
        with client_of(url, "wrong") as client, pytest.raises(anthropic.AuthenticationError) as refused:
            client.messages.create(model="m", max_tokens=1, messages=HI)
    assert refused.value.type == "authentication_error"


def test_llamacpp_says_the_same_as_through_the_gateway(llama: Upstream) -> None:
    body = {
        "model": "m",
        "max_tokens": 12,
        "temperature": 0,
        "system": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "One?"}]},
            {"role": "assistant", "content": "Two."},
            {"role": "user", "content": "Three?"},
        ],
    }

    def bare(answer: dict[str, Any]) -> dict[str, Any]:
        usage = answer.pop("usage")
        usage["input_tokens"] += usage.pop("cache_read_input_tokens")
        return {**{name: value for name, value in answer.items() if name not in ("id", "model")}, **usage}

    def events(url: str) -> list[Any]:
        lines = post(url, {**body, "stream": True}).text.split("\n")
        told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        start, end = told[0], told[-2]
        end["usage"] = end["usage"]["output_tokens"]
        return [lines[0::3], bare(start.pop("message")), told]

    with gateway_to(llama) as url:
        ours, theirs = f"{url}/messages", f"{llama.base_url}/v1/messages"
        assert bare(post(ours, body).json()) == bare(post(theirs, body).json())
        assert events(ours) == events(theirs)
        count = {name: body[name] for name in ("system", "messages")}
        path = "/count_tokens"
        assert post(ours + path, count).json() == post(theirs + path, count).json()


@pytest.mark.client(
    "anthropic Python", "messages.create with tools, thinking", how="if the model's template supports them"
)
def test_a_whole_answer_has_thoughts_text_and_calls() -> None:
    message = {"reasoning_content": "Hm.", "content": "I ask.", "tool_calls": [CALL, SECOND_CALL]}
    with client_told(whole_chat(message, "tool_calls")) as client:
        answer = client.messages.create(model="m", max_tokens=50, messages=HI, tools=TOOLS)
    told = [block.to_dict() for block in answer.content]
    assert [block["type"] for block in told] == ["thinking", "text", "tool_use", "tool_use"]
    assert told[2] == {"type": "tool_use", "id": "a1", "name": "weather", "input": {"city": "Nîmes"}}
    assert told[3]["input"] == {}
    assert answer.stop_reason == "tool_use"
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (5, 15)


@pytest.mark.client(
    "anthropic Python", "messages.stream with tools, thinking", how="if the model's template supports them"
)
def test_a_streamed_answer_has_thoughts_text_and_calls() -> None:
    body = streamed_chat(*EVERYTHING, finish="tool_calls")
    asked: Any = {"model": "m", "max_tokens": 50, "messages": HI, "tools": TOOLS}
    with client_told(body, content_type=STREAM) as client, client.messages.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        answer: anthropic.types.Message = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 4
    told = [block.to_dict() for block in answer.content]
    assert [block["type"] for block in told] == ["thinking", "text", "tool_use", "tool_use"]
    assert told[0]["thinking"] == "Let me look."
    assert told[1]["text"] == "I ask twice."
    assert (told[2]["id"], told[2]["name"], told[2]["input"]) == ("a1", "weather", {"city": "Nîmes"})
    assert (told[3]["id"], told[3]["name"], told[3]["input"]) == ("b2", "clock", {})
    assert answer.stop_reason == "tool_use"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 9)


def test_a_call_that_the_limit_has_cut_is_called_with_nothing() -> None:
    cut = {**CALL, "function": {"name": "weather", "arguments": '{"city":"N'}}
    answer = whole_chat({"content": None, "tool_calls": [cut]}, "length")
    with client_told(answer) as client:
        told = client.messages.create(model="m", max_tokens=5, messages=HI, tools=TOOLS)
    assert told.stop_reason == "max_tokens"
    assert told.content[0].to_dict()["input"] == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (streamed_chat({"content": "a"}, finish=None, done=False), "in the middle"),
        (streamed_chat({"content": "a"}, finish=None, done=False) + b"data: nonsense\n\n", "not what was"),
    ],
)
def test_an_engine_that_fails_halfway_is_an_error_event(body: bytes, words: str) -> None:
    with (
        client_told(body, content_type=STREAM) as client,
        pytest.raises(anthropic.APIStatusError, match=words),
    ):
        list(client.messages.create(model="m", max_tokens=5, messages=HI, stream=True))


@pytest.mark.parametrize("body", [b"[]", b'{"choices":[{"message":{"content":5}}]}', b"nonsense"])
def test_an_answer_that_is_none_is_the_engines_fault(body: bytes) -> None:
    with client_told(body) as client, pytest.raises(anthropic.InternalServerError) as refused:
        client.messages.create(model="m", max_tokens=5, messages=HI)
    assert (refused.value.status_code, refused.value.type) == (502, "api_error")


def test_an_engine_that_cannot_count_says_so() -> None:
    missing = client_told(b'{"error":{"message":"no such file"}}', status=404)
    with missing as client, pytest.raises(anthropic.NotFoundError, match="does not count tokens"):
        client.messages.count_tokens(model="m", messages=HI)


@pytest.mark.client(
    "anthropic Python",
    "messages.create, messages.count_tokens with tools, for a model without tool support",
    works=False,
    how="400 that names `tools`",
)
def test_tools_are_refused_where_the_model_would_not_hear_of_them(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="'tools'"):
        client.messages.create(model="m", max_tokens=5, messages=HI, tools=TOOLS)
    with pytest.raises(anthropic.BadRequestError, match="'tools'"):
        client.messages.count_tokens(model="m", messages=HI, tools=TOOLS)


def test_a_client_that_leaves_ends_the_engines_work() -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url, client_of(url) as client:
        leave_a_stream(server, client)
        assert server.client_left.wait(PATIENCE_S)


def leave_a_stream(server: PowerInferServer, client: anthropic.Anthropic) -> None:
    server.hold_at = 3
    with client.messages.stream(model="m", max_tokens=50, messages=HI) as stream:
        assert next(stream.text_stream)
        assert server.holding.wait(PATIENCE_S)
