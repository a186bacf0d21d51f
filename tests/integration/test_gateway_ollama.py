"""Ollama's API, asked with Ollama's own client, on both kinds of engine."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ollama
import pytest

from tests.fakes.gateways import FixedBackend, NamedBackend, behind, gateway_to, get, post
from tests.fakes.llamacpp import llamacpp
from tests.fakes.powerinfer_server import powerinfer_server
from tests.fakes.remote_server import KEY, remote_server
from tests.fakes.scripted_engine import engine_that_answers
from tray_app.gateway.upstream import Unavailable, Upstream
from tray_app.models.header import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tray_app.gateway.upstream import Backend

MESSAGES = [{"role": "user", "content": "Hi"}]
FEW = {"num_predict": 5, "temperature": 0}
PICTURE = b"\x89PNG\r\n\x1a\n"
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@contextmanager
def client_of(upstream: Upstream | Unavailable | Backend, **rules: Any) -> Iterator[ollama.Client]:
    with gateway_to(upstream, **rules) as url, ollama.Client(host=url.removesuffix("/v1")) as client:
        yield client


@pytest.fixture(scope="module", params=["llama.cpp", "PowerInfer"])
def upstream(request: pytest.FixtureRequest) -> Iterator[Upstream]:
    if request.param == "llama.cpp":
        with llamacpp() as engine:
            yield engine
    else:
        with powerinfer_server() as server:
            yield behind(server)


@pytest.fixture(scope="module")
def client(upstream: Upstream) -> Iterator[ollama.Client]:
    with client_of(upstream) as client:
        yield client


@pytest.fixture
def model(upstream: Upstream) -> str:
    return f"{upstream.model_id}:latest"


@contextmanager
def refused(status: int, words: str) -> Iterator[None]:
    """The block is refused so, in the form that Ollama's client reads."""
    with pytest.raises(ollama.ResponseError, match=words) as error:
        yield
    assert error.value.status_code == status
    assert isinstance(error.value.error, str)


# What there is


@pytest.mark.client("ollama Python", "list", "ps", "show", powerinfer=True)
def test_the_models_are_listed_as_ollamas_with_a_tag(client: ollama.Client, model: str) -> None:
    [listed] = client.list().models
    assert listed.model == model
    assert len(listed.digest or "") == 64
    [running] = client.ps().models
    assert (running.model, running.digest) == (model, listed.digest)
    assert client.show(model).capabilities == ["completion"]
    assert client.show(model.removesuffix(":latest")).modelinfo


@pytest.mark.client("ollama Python", "pull of an installed model", powerinfer=True)
def test_what_is_installed_is_as_good_as_pulled(client: ollama.Client, model: str) -> None:
    assert client.pull(model).status == "success"
    assert [each.status for each in client.pull(model, stream=True)] == ["pulling manifest", "success"]


@pytest.mark.client(
    "ollama Python",
    "pull, show of an unknown model",
    powerinfer=True,
    works=False,
    how="404 with the available models",
)
def test_what_is_not_here_is_named_with_what_is(client: ollama.Client, upstream: Upstream) -> None:
    with refused(
        404, rf"model 'llama3' not found\. Installed models: {upstream.model_id}\..*Download others in"
    ):
        client.pull("llama3", stream=False)
    with refused(404, "'llama3' not found"):
        list(client.pull("llama3", stream=True))
    with refused(404, "'llama3:8b' not found"):
        client.show("llama3:8b")


@pytest.mark.client(
    "ollama Python",
    "create, copy, delete, push, create_blob",
    powerinfer=True,
    works=False,
    how="403: models are changed in the app",
)
def test_programs_change_no_models(client: ollama.Client, model: str) -> None:
    for ask in (
        lambda: client.delete(model),
        lambda: client.copy(model, "other"),
        lambda: client.create("other", from_=model),
        lambda: client.push(model),
        lambda: client.create_blob(__file__),
    ):
        with refused(403, "in PowerInfer Tray"):
            ask()


def test_what_programs_ask_without_a_client(upstream: Upstream) -> None:
    with gateway_to(upstream) as url:
        host = url.removesuffix("/v1")
        told = get(f"{host}/api/version").json()["version"]
        assert tuple(map(int, told.split("."))) >= (0, 6, 4)  # what VS Code wants
        assert get(host).status_code == 200
        nameless = post(f"{host}/api/show", {"verbose": True})
        assert (nameless.status_code, nameless.json()) == (400, {"error": "'model' is required."})
        wrong = post(f"{host}/api/generate", {"prompt": "a", "format": "xml"})
        assert (wrong.status_code, list(wrong.json())) == (400, ["error"])
        assert "'format' must be" in wrong.json()["error"]


def test_a_remote_servers_models_are_listed_and_asked_by_their_names() -> None:
    with remote_server() as remote:
        upstream = Upstream(
            remote.url.removesuffix("/v1"), True, "llama3-8b", "llama3:8b", models=remote.names, key=KEY
        )
        with client_of(upstream) as client:
            names = [each.model for each in client.list().models]
            assert names == ["llama3-8b:latest", "embedder:latest"]
            answer = client.embed(model="embedder:latest", input="x")
            assert answer.embeddings == [[0.6, 0.8]]
            assert answer.prompt_eval_count == 3
        assert remote.seen == [("/v1/embeddings", {"model": "embedder", "input": "x"})]


# Embeddings


@pytest.mark.client("ollama Python", "embed", "embeddings", powerinfer=True)
def test_texts_are_embedded_in_their_order(client: ollama.Client, model: str) -> None:
    answer = client.embed(model=model, input=["one", "two", "one"])
    first, second, third = answer.embeddings
    assert first == pytest.approx(third, abs=1e-3)
    assert first != pytest.approx(second, abs=1e-3)
    assert math.hypot(*first) == pytest.approx(1, abs=1e-5)
    assert answer.model == model
    assert (answer.prompt_eval_count or 0) > 0
    assert (answer.total_duration or 0) >= (answer.load_duration or 0) > 0
    assert client.embed(model=model, input="one").embeddings[0] == pytest.approx(first, abs=1e-3)
    assert client.embeddings(model=model, prompt="one").embedding == pytest.approx(first, abs=1e-3)


@pytest.mark.client(
    "ollama Python", "embed of long texts", powerinfer=True, how="cut, unless `truncate=False`"
)
def test_long_texts_are_cut_unless_a_client_says_otherwise(client: ollama.Client, model: str) -> None:
    text = "word " * 5000
    assert len(client.embed(model=model, input=[text, "one"]).embeddings) == 2
    assert client.embeddings(model=model, prompt=text).embedding
    with refused(400, "index 0"):
        client.embed(model=model, input=[text, "one"], truncate=False)


def test_numbers_of_dimensions_that_there_are_not_are_refused(client: ollama.Client, model: str) -> None:
    with refused(400, "dimensions"):
        client.embed(model=model, input="one", dimensions=10**6)


def test_no_text_has_no_vector(client: ollama.Client, model: str) -> None:
    assert client.embed(model=model, input="").embeddings == []
    assert client.embed(model=model, input=[]).embeddings == []
    assert client.embeddings(model=model, prompt="").embedding == []


# Texts


@pytest.mark.client("ollama Python", "chat", powerinfer=True)
def test_a_chat_is_answered_with_counts_and_durations(client: ollama.Client, model: str) -> None:
    answer = client.chat(model=model, messages=MESSAGES, options=FEW)
    assert answer.model == model
    assert answer.message.role == "assistant"
    assert answer.message.content
    assert (answer.done, answer.done_reason, answer.eval_count) == (True, "length", 5)
    assert (answer.prompt_eval_count or 0) > 0
    assert (answer.total_duration or 0) > (answer.eval_duration or 0) > 0


@pytest.mark.client("ollama Python", "chat, stream", powerinfer=True)
def test_a_streamed_chat_says_the_same_in_pieces(client: ollama.Client, model: str) -> None:
    whole = client.chat(model=model, messages=MESSAGES, options=FEW)
    *pieces, end = client.chat(model=model, messages=MESSAGES, options=FEW, stream=True)
    assert "".join(each.message.content or "" for each in pieces) == whole.message.content
    assert not any(each.done for each in pieces)
    assert (end.done, end.done_reason, end.message.content) == (True, "length", "")
    assert (end.eval_count, end.prompt_eval_count) == (whole.eval_count, whole.prompt_eval_count)


def test_without_a_word_an_answer_is_streamed_as_lines(upstream: Upstream) -> None:
    with gateway_to(upstream) as url:
        answer = post(url.removesuffix("/v1") + "/api/chat", {"messages": MESSAGES, "options": FEW})
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["done"] for line in answer.content.splitlines()][-2:] == [False, True]


@pytest.mark.client("ollama Python", "generate", "generate, raw", "generate, raw, stream", powerinfer=True)
def test_a_prompt_is_continued_as_a_chat_or_as_it_is(client: ollama.Client, model: str) -> None:
    raw = client.generate(model=model, prompt="Hi", raw=True, options=FEW)
    assert raw.response
    assert (raw.done_reason, raw.eval_count) == ("length", 5)
    *pieces, end = client.generate(model=model, prompt="Hi", raw=True, options=FEW, stream=True)
    assert "".join(each.response or "" for each in pieces) == raw.response
    assert end.prompt_eval_count == raw.prompt_eval_count
    chat = client.generate(model=model, prompt="Hi", system="Be brief.", options=FEW)
    assert (chat.prompt_eval_count or 0) > (raw.prompt_eval_count or 0)


def test_texts_end_where_a_client_wants(client: ollama.Client, model: str) -> None:
    whole = client.generate(model=model, prompt="Hi", raw=True, options=FEW).response or ""
    stop = whole.split()[1]
    short = client.generate(model=model, prompt="Hi", raw=True, options={**FEW, "stop": [stop]})
    assert short.done_reason == "stop"
    assert short.response == whole.partition(stop)[0]


@pytest.mark.client(
    "ollama Python", "chat, generate without a text", powerinfer=True, how="the model is loaded"
)
def test_without_a_text_a_model_is_only_loaded(client: ollama.Client, model: str) -> None:
    assert client.chat(model=model).done_reason == "load"
    assert client.generate(model=model).done_reason == "load"


def test_who_needs_a_model_no_longer_loads_and_unloads_nothing() -> None:
    backend = FixedBackend(Unavailable("The server sleeps.", held=True))
    with client_of(backend) as client:
        for keep_alive in (0, "0", "0s", 0.0):
            assert client.chat(model="x", keep_alive=keep_alive).done_reason == "unload"
            assert client.generate(model="x", keep_alive=keep_alive).done_reason == "unload"
        assert client.embed(model="x", input="", keep_alive="0m").embeddings == []
    assert backend.asked == []


def test_what_cannot_be_obeyed_is_refused_before_anything_is_loaded() -> None:
    backend = FixedBackend(Unavailable("The server sleeps.", held=True))
    with client_of(backend) as client:
        for words, more in (
            ("'suffix' is not supported", {"suffix": "b"}),
            ("'template' is not supported", {"template": "{{ .Prompt }}"}),
            ("'context' is not supported", {"context": [1, 2]}),
            (r"\$\.options\.top_k", {"options": {"top_k": "many"}}),
        ):
            with refused(400, words):
                client.generate(model="x", prompt="a", **more)
    assert backend.asked == []


@pytest.mark.client(
    "ollama Python",
    "chat, generate with images",
    powerinfer=True,
    works=False,
    how="with a text-only model: 400",
)
def test_pictures_for_a_model_that_reads_only_have_a_clear_error(client: ollama.Client, model: str) -> None:
    with refused(400, "reads only text"):
        client.chat(model=model, messages=[{"role": "user", "content": "What?", "images": [PICTURE]}])
    with refused(400, "reads only text"):
        client.generate(model=model, prompt="What?", images=[PICTURE])


def test_powerinfer_says_what_it_cannot_by_ollamas_names() -> None:
    with powerinfer_server() as server, client_of(behind(server)) as client:
        with refused(400, "'format'"):
            client.chat(model="x", messages=MESSAGES, format="json")
        with refused(400, "'tools'"):
            client.chat(model="x", messages=MESSAGES, tools=[WEATHER])


@pytest.mark.client("ollama Python", "chat, generate with logprobs")
def test_probabilities_are_told_as_ollama_does() -> None:
    with llamacpp() as engine, client_of(engine) as client:
        asked: Any = {"logprobs": True, "top_logprobs": 2, "options": FEW}
        chat = client.chat(model="x", messages=MESSAGES, **asked)
        raw = client.generate(model="x", prompt="Hi", raw=True, **asked)
        for answer in (chat, raw):
            assert len(answer.logprobs or ()) == 5
            assert [len(each.top_logprobs or ()) for each in answer.logprobs or ()] == [2] * 5
        pieces = list(client.chat(model="x", messages=MESSAGES, **asked, stream=True))
        assert sum(len(each.logprobs or ()) for each in pieces) == 5


@pytest.mark.client("ollama Python", "AsyncClient", powerinfer=True)
def test_the_asynchronous_client_is_answered(upstream: Upstream, model: str) -> None:
    async def ask(url: str) -> tuple[str, str, int]:
        async with ollama.AsyncClient(host=url.removesuffix("/v1")) as client:
            whole, vectors = await asyncio.gather(
                client.chat(model=model, messages=MESSAGES, options=FEW),
                client.embed(model=model, input=["a", "b"]),
            )
            stream = await client.chat(model=model, messages=MESSAGES, options=FEW, stream=True)
            pieces = [each.message.content or "" async for each in stream]
            return whole.message.content or "", "".join(pieces), len(vectors.embeddings)

    with gateway_to(upstream) as url:
        whole, streamed, count = asyncio.run(ask(url))
    assert whole == streamed
    assert count == 2


# Tools and thoughts: what an engine says when it calls a tool, in both forms

CALLS = [
    {"role": "assistant", "content": None, "reasoning_content": "Hm."},
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "weather"}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": "Zoë'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '", "days": 2}'}}]},
    {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "time", "arguments": "{}"}}]},
    {"tool_calls": [{"index": 2, "id": "c", "function": {"name": "cut", "arguments": '{"a'}}]},
]
STREAM = b"".join(
    b"data: %s\n\n" % json.dumps(event).encode()
    for event in (
        *({"choices": [{"index": 0, "delta": delta}]} for delta in CALLS),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}},
    )
)
WHOLE = json.dumps(
    {
        "choices": [
            {
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "",
                    "reasoning_content": "Hm.",
                    "tool_calls": [
                        {
                            "id": "a",
                            "function": {"name": "weather", "arguments": '{"city": "Zoë", "days": 2}'},
                        },
                        {"id": "b", "function": {"name": "time", "arguments": ""}},
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 9},
    }
).encode()


@pytest.mark.client(
    "ollama Python",
    "chat, tools",
    "chat, tools, stream",
    "chat, think",
    how="as far as the model supports it",
)
@pytest.mark.parametrize(("answer", "stream"), [(STREAM + b"data: [DONE]\n\n", True), (WHOLE, False)])
def test_calls_of_tools_and_thoughts_come_as_ollama_tells_them(answer: bytes, stream: bool) -> None:
    kind = "text/event-stream" if stream else "application/json"
    with engine_that_answers(answer, content_type=kind) as engine, client_of(engine) as client:
        asked: Any = {"model": "x", "messages": MESSAGES, "tools": [WEATHER], "think": True}
        pieces = list(client.chat(**asked, stream=True)) if stream else [client.chat(**asked)]
    calls = [call.function for piece in pieces for call in piece.message.tool_calls or ()]
    assert [(call.name, call.arguments) for call in calls] == [
        ("weather", {"city": "Zoë", "days": 2}),
        ("time", {}),
    ]
    assert "".join(piece.message.thinking or "" for piece in pieces) == "Hm."
    assert (pieces[-1].done_reason, pieces[-1].prompt_eval_count, pieces[-1].eval_count) == ("stop", 7, 9)


def test_pictures_as_large_as_any_body_are_taken_in() -> None:
    pictures = [base64.b64encode(PICTURE + bytes(7 * 2**20)).decode()] * 3
    with engine_that_answers(WHOLE) as engine, client_of(engine) as client:
        answer = client.chat(model="x", messages=[{"role": "user", "content": "What?", "images": pictures}])
    assert answer.eval_count == 9


def test_an_error_within_a_stream_reaches_the_client() -> None:
    broken = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: {"error":{"message":"gone"}}\n\n'
    with engine_that_answers(broken, content_type="text/event-stream") as engine, client_of(engine) as client:
        pieces = client.chat(model="x", messages=MESSAGES, stream=True)
        assert next(pieces).message.content == "a"
        with pytest.raises(ollama.ResponseError, match="gone"):
            next(pieces)


# Names, and who may ask


def test_a_request_is_answered_by_the_model_it_names() -> None:
    with llamacpp() as engine, powerinfer_server() as server:
        backend = NamedBackend({"tiny": engine, "bamboo": behind(server)}, default="bamboo")
        with client_of(backend) as client:
            assert (
                client.chat(model="bamboo", messages=MESSAGES, options=FEW).message.content
                == "w0 w1 w2 w3 w4"
            )
            client.embed(model="tiny", input="x")
            assert backend.asked == [("bamboo", Purpose.CHAT), ("tiny", Purpose.EMBEDDING)]
            assert [each.model for each in client.ps().models] == ["tiny:latest", "bamboo:latest"]


@pytest.mark.client(
    "ollama Python",
    "headers={'Authorization': …}",
    powerinfer=True,
    how="the key from the settings, if one is set",
)
def test_keys_hosts_and_pages_are_checked_as_everywhere() -> None:
    with powerinfer_server() as server:
        with gateway_to(behind(server), key="secret-of-ours") as url:
            host = url.removesuffix("/v1")
            with ollama.Client(host=host) as stranger, refused(401, "key"):
                stranger.list()
            with ollama.Client(host=host, headers={"Authorization": "Bearer secret-of-ours"}) as friend:
                assert friend.list().models
        with gateway_to(behind(server)) as url:
            host = url.removesuffix("/v1")
            for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
                answer = get(f"{host}/api/tags", **headers)
                assert answer.status_code == 403
                assert isinstance(answer.json()["error"], str)
            wrong = get(f"{host}/api/chat")
            assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
            assert f"POST {host}/api/chat" in wrong.json()["error"]
            assert get(f"{host}/api/nowhere").status_code == 404
            doubled = post(f"{host}/v1/api/chat", {"messages": MESSAGES, "format": 1})
            assert isinstance(doubled.json()["error"], str)
