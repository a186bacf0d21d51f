"""What clients get when PowerInfer's own server is behind the gateway."""

from __future__ import annotations

import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateways import SETTING_TEMPERATURE, behind, gateway_to, get, post
from tests.fakes.powerinfer_server import CONTEXT_SIZE, powerinfer_server, vector_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.powerinfer_server import PowerInferServer


@pytest.fixture
def engine() -> Iterator[PowerInferServer]:
    with powerinfer_server() as server:
        yield server
        assert not server.dead.is_set()
        assert not server.hung


@pytest.fixture
def url(engine: PowerInferServer) -> Iterator[str]:
    with gateway_to(behind(engine)) as base_url:
        yield base_url


def complete(url: str, **body: Any) -> dict[str, Any]:
    response = post(f"{url}/completions", {"prompt": "once upon", **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_each_text_gets_its_own_vector_of_length_one(engine: PowerInferServer, url: str) -> None:
    texts = ["The quick brown fox", "jumps", "über den Zaun 🦊"]
    answer = post(f"{url}/embeddings", {"input": texts}).json()
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    for text, item in zip(texts, answer["data"], strict=True):
        norm = math.hypot(*vector_of(text))
        assert item["embedding"] == pytest.approx([value / norm for value in vector_of(text)])
    assert [body["content"] for body in engine.bodies("/embedding")] == texts


def test_usage_counts_the_token_that_begins_each_text(url: str) -> None:
    answer = post(f"{url}/embeddings", {"input": ["one two three", "one"]}).json()
    assert answer["usage"] == {"prompt_tokens": 4 + 2, "total_tokens": 4 + 2}


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({}, "bamboo"),
        ({"model": ""}, "bamboo"),
        ({"model": None}, "bamboo"),
        ({"model": ["x"]}, "bamboo"),
        ({"model": "gpt-4o-mini"}, "gpt-4o-mini"),
    ],
)
def test_any_model_is_accepted_and_echoed_and_the_real_one_named_where_none_is(
    url: str, model: dict[str, Any], told: str
) -> None:
    assert post(f"{url}/embeddings", {"input": "x", **model}).json()["model"] == told
    assert complete(url, max_tokens=1, **model)["model"] == told


def test_a_text_that_does_not_fit_is_refused_with_the_numbers(engine: PowerInferServer, url: str) -> None:
    response = post(f"{url}/embeddings", {"input": "x " * (CONTEXT_SIZE - 1) + "x"})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert f"{CONTEXT_SIZE + 1} tokens, but at most {CONTEXT_SIZE - 1}" in error["message"]
    assert engine.bodies("/embedding") == []


def test_the_longest_text_that_fits_is_embedded_whole(url: str) -> None:
    text = " ".join(["x"] * (CONTEXT_SIZE - 2))
    answer = post(f"{url}/embeddings", {"input": text}).json()
    norm = math.hypot(*vector_of(text))
    assert answer["data"][0]["embedding"] == pytest.approx([value / norm for value in vector_of(text)])


@pytest.mark.parametrize(("dimensions", "status"), [(8, 200), (512, 400)])
def test_only_the_native_number_of_dimensions_is_given(url: str, dimensions: int, status: int) -> None:
    assert post(f"{url}/embeddings", {"input": "x", "dimensions": dimensions}).status_code == status


@pytest.mark.parametrize("wanted", range(1, 9))
def test_a_completion_has_exactly_the_tokens_asked_for(url: str, wanted: int) -> None:
    answer = complete(url, max_tokens=wanted)
    assert answer["choices"][0]["text"] == "".join(f" w{index}" for index in range(wanted))
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": wanted, "total_tokens": 3 + wanted}


@pytest.mark.parametrize("body", [{}, {"max_tokens": 100_000}])
def test_a_completion_ends_before_the_context_is_full(url: str, body: dict[str, int]) -> None:
    answer = complete(url, **body)
    assert answer["usage"]["total_tokens"] == CONTEXT_SIZE - 1
    assert answer["choices"][0]["finish_reason"] == "length"


def test_a_prompt_that_leaves_no_room_is_refused(url: str) -> None:
    response = post(f"{url}/completions", {"prompt": "x " * CONTEXT_SIZE})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "context_length_exceeded")


def test_the_end_of_the_text_is_a_stop(engine: PowerInferServer, url: str) -> None:
    engine.end_of_text_at = 3
    answer = complete(url, max_tokens=20)
    assert answer["choices"][0]["text"] == " w0 w1 w2"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stop", ["w2", ["never", "w2"]])
def test_a_stop_word_ends_the_text_and_the_work(engine: PowerInferServer, url: str, stop: object) -> None:
    engine.hold_at = 5  # a server that went on would stay here
    answer = complete(url, stop=stop)
    assert answer["choices"][0] == {
        "index": 0, "text": " w0 w1 ", "logprobs": None, "finish_reason": "stop", "stop_reason": "w2"
    }  # fmt: skip
    assert engine.client_left.wait(10)


def test_the_temperature_of_the_request_counts_else_that_of_the_settings(
    engine: PowerInferServer, url: str
) -> None:
    complete(url, max_tokens=1)
    complete(url, max_tokens=1, temperature=0)
    complete(url, max_tokens=1, temperature=None, top_p=0.5)
    sent = engine.bodies("/completion")
    assert [body["temperature"] for body in sent] == [SETTING_TEMPERATURE, 0, SETTING_TEMPERATURE]
    assert [body.get("top_p") for body in sent] == [None, None, 0.5]


def test_a_chat_is_written_in_the_form_of_the_model(engine: PowerInferServer, url: str) -> None:
    engine.word = lambda index: [" Hello", " there", "\nUS", "ER:", " more", " and", " more"][index]
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": "gpt-4o-mini", "messages": messages, "n": 1, "max_completion_tokens": 7}
    answer = post(f"{url}/chat/completions", body).json()
    assert engine.bodies("/completion")[0]["prompt"] == "USER: Hi\nASSISTANT:"
    choice = answer["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Hello there\n"}
    assert choice["finish_reason"] == "stop"


def test_a_streamed_chat_has_the_events_that_clients_expect(url: str) -> None:
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 2,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    response = post(f"{url}/chat/completions", body)
    assert response.headers["Content-Type"].startswith("text/event-stream")
    *events, done, nothing = response.text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "w0"},
        {"content": " w1"},
        {},
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 2


def test_only_known_fields_reach_the_engine(engine: PowerInferServer, url: str) -> None:
    complete(
        url,
        max_tokens=5,
        system_prompt="x",
        grammar="!!",
        n_predict="4",
        slot_id=3,
        cache_prompt=True,
        stop="x",
    )
    sent = engine.bodies("/completion")[0]
    assert sent == {"prompt": "once upon", "n_predict": 4, "temperature": SETTING_TEMPERATURE, "stream": True}


HI = {"messages": [{"role": "user", "content": "Hi"}]}
FUNCTION = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("completions", "echo", True),
        ("completions", "suffix", "and so on"),
        ("completions", "logprobs", 3),
        ("completions", "best_of", 2),
        ("completions", "logit_bias", {"50256": -100}),
        ("completions", "n", 2),
        ("chat/completions", "logprobs", True),
        ("chat/completions", "tools", [FUNCTION]),
        ("chat/completions", "response_format", {"type": "json_object"}),
        ("chat/completions", "modalities", ["text", "audio"]),
    ],
)
def test_what_would_be_missing_in_the_answer_is_refused(
    engine: PowerInferServer, url: str, path: str, name: str, value: object
) -> None:
    response = post(f"{url}/{path}", {"prompt": "once upon", **HI, name: value})
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)
    assert name in response.json()["error"]["message"]
    assert engine.seen == []


@pytest.mark.parametrize(
    "body",
    [
        {"echo": False, "suffix": None, "logprobs": None, "best_of": 1, "logit_bias": {}, "n": 1},
        {"logprobs": False, "tools": [], "response_format": {"type": "text"}, "modalities": ["text"]},
        {"seed": 7, "user": "me", "tool_choice": "auto", "parallel_tool_calls": True, "store": False},
    ],
)
def test_what_changes_nothing_in_the_answer_is_let_through(url: str, body: dict[str, object]) -> None:
    for path in ("completions", "chat/completions"):
        assert post(f"{url}/{path}", {"prompt": "x", **HI, "max_tokens": 1, **body}).status_code == 200


@pytest.mark.warns("The chat template of .* cannot be used")
@pytest.mark.parametrize("template", ["{% if %}", "x" * 300_000])
def test_a_template_that_is_none_gives_way_to_the_form_of_the_family(
    engine: PowerInferServer, template: str
) -> None:
    with gateway_to(dataclasses.replace(behind(engine), chat_template=template)) as url:
        for _ in range(2):  # once worked out, and once known
            body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
            assert post(f"{url}/chat/completions", body).status_code == 200

    prompts = [body["prompt"] for body in engine.bodies("/completion")]
    assert prompts == ["USER: Hi\nASSISTANT:"] * 2


def test_a_template_without_end_is_refused_and_embeddings_are_answered_meanwhile(
    engine: PowerInferServer,
) -> None:
    template = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"
    with (
        gateway_to(dataclasses.replace(behind(engine), chat_template=template)) as url,
        ThreadPoolExecutor(1) as pool,
    ):
        chat = pool.submit(post, f"{url}/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
        while not chat.done():
            assert post(f"{url}/embeddings", {"input": "hello"}).status_code == 200

    error = chat.result().json()["error"]
    assert (chat.result().status_code, error["param"]) == (400, "messages")
    assert "too long or too much memory" in error["message"]


def test_the_models_own_template_writes_the_chat(engine: PowerInferServer) -> None:
    template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
    upstream = dataclasses.replace(behind(engine), chat_template=template)
    with gateway_to(upstream) as url:
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
        assert post(f"{url}/chat/completions", body).status_code == 200
    assert engine.bodies("/completion")[0]["prompt"] == "[user] Hi\n[assistant]"


def root(url: str) -> str:
    return url.removesuffix("/v1")


def test_reading_paths_are_passed_on_without_leave_for_other_pages(url: str) -> None:
    answer = get(f"{root(url)}/props")
    assert answer.json() == {"user_name": "", "assistant_name": ""}
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert get(f"{root(url)}/model.json").status_code == 404
    assert "PowerInfer Tray" in get(root(url)).text


@pytest.mark.parametrize("path", ["/completion", "/embedding", "/tokenize"])
def test_native_writing_routes_are_shut_unless_a_person_opens_them(
    engine: PowerInferServer, url: str, path: str
) -> None:
    refused = post(root(url) + path, {"content": "x", "prompt": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_url")
    assert engine.seen == []


def test_native_routes_that_are_open_answer_in_their_own_dialect(engine: PowerInferServer) -> None:
    with gateway_to(behind(engine), native_routes=True) as url:
        embedding = post(f"{root(url)}/embedding", {"content": "one two"}).json()
        tokens = post(f"{root(url)}/tokenize", {"content": "one two"}).json()
        whole = post(f"{root(url)}/completion", {"prompt": "once", "n_predict": 2}).json()
        stream = post(f"{root(url)}/completion", {"prompt": "once", "n_predict": 2, "stream": True}).text
    assert embedding == {"embedding": vector_of("one two")}
    assert len(tokens["tokens"]) == 2
    assert (whole["content"], whole["tokens_predicted"], whole["stop"]) == (" w0 w1", 2, True)
    parts = [json.loads(event.removeprefix("data: ")) for event in stream.split("\n\n") if event]
    assert "".join(part["content"] for part in parts) == " w0 w1"
    assert [part["stop"] for part in parts][-2:] == [False, True]


def test_with_native_routes_what_the_engine_has_none_of_is_openais(engine: PowerInferServer) -> None:
    with gateway_to(behind(engine), native_routes=True) as url:
        vectors = [
            post(f"{base}/embeddings", {"input": "one two"}).json()["data"] for base in (root(url), url)
        ]
        assert vectors[0] == vectors[1]
        assert post(f"{root(url)}/completions", {"prompt": "once", "max_tokens": 2}).json()["choices"]
        assert len(post(f"{url}/tokenize/", {"content": "one two"}).json()["tokens"]) == 2
        assert post(f"{root(url)}/infill", {}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/embedding", {"content": [[1]]}, 400),
        ("/embedding", {"content": ""}, 400),
        ("/embedding", {}, 400),
        ("/tokenize", {"content": None}, 400),
        ("/completion", {"prompt": [1]}, 400),
        ("/completion", {"prompt": ""}, 400),
        ("/completion", {"prompt": "x", "n_predict": "4"}, 400),
        ("/completion", {"prompt": "x", "stop": [1]}, 400),
        ("/infill", {"input_prefix": "x"}, 404),
        ("/detokenize", {"tokens": [99999]}, 404),
    ],
)
def test_native_routes_are_checked_the_same_way(
    engine: PowerInferServer, path: str, body: object, status: int
) -> None:
    with gateway_to(behind(engine), native_routes=True) as url:
        assert post(root(url) + path, body).status_code == status
    assert engine.bodies("/embedding") == engine.bodies("/completion") == []


@pytest.mark.parametrize("path", ["embeddings", "completions", "chat/completions"])
def test_a_text_beyond_all_measure_is_refused_without_the_engine(
    engine: PowerInferServer, url: str, path: str
) -> None:
    text = "one " * 100_000
    body = {"input": ["one", text], "prompt": text, "messages": [{"role": "user", "content": text}]}
    error = post(f"{url}/{path}", body).json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert not [one for one in engine.bodies("/tokenize") if len(one["content"]) > 1000]
    assert path != "embeddings" or "index 1" in error["message"]
