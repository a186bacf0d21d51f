"""What requests of Ollama's API become, and what answers become of OpenAI's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.apis.ollama_answers import ChatForm, EmbeddingsForm, EmbedForm, GenerateForm

if TYPE_CHECKING:
    from tray_app.gateway.apis.ollama_answers import OllamaForm

MESSAGES = [{"role": "user", "content": "Hi"}]
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def asked(form: OllamaForm, **body: Any) -> Any:
    """What OpenAI's route is asked."""
    return json.loads(msgspec.json.encode(form.question(json.dumps({"model": "m", **body}).encode())))


def test_a_chat_is_streamed_unless_it_says_otherwise() -> None:
    assert asked(ChatForm(), messages=MESSAGES) == {"model": "m", "messages": MESSAGES, **STREAMED}
    assert asked(ChatForm(), messages=MESSAGES, stream=None) == {
        "model": "m",
        "messages": MESSAGES,
        **STREAMED,
    }
    assert asked(ChatForm(), messages=MESSAGES, stream=False) == {"model": "m", "messages": MESSAGES}


def test_options_have_openais_names_and_others_are_left_out() -> None:
    options = {
        "num_predict": 3.0,
        "top_k": 40,
        "temperature": 0,
        "stop": ["a"],
        "num_ctx": 4096,
        "seed": None,
    }
    body = asked(GenerateForm(), prompt="x", raw=True, stream=False, options=options)
    assert body == {
        "model": "m",
        "prompt": "x",
        "max_tokens": 3,
        "top_k": 40,
        "temperature": 0.0,
        "stop": ["a"],
    }
    for endless in (-1, -2, 0):
        assert "max_tokens" not in asked(GenerateForm(), prompt="x", options={"num_predict": endless})


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("json", {"type": "json_object"}),
        ("", None),
        (None, None),
        (
            {"type": "object"},
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
        ),
    ],
)
def test_a_format_is_a_response_format(told: object, wanted: object) -> None:
    assert asked(ChatForm(), messages=MESSAGES, format=told).get("response_format") == wanted


@pytest.mark.parametrize(
    ("told", "thinks", "effort"), [(True, True, None), (False, False, None), ("low", True, "low")]
)
def test_a_model_is_told_whether_to_think(told: object, thinks: bool, effort: str | None) -> None:
    body = asked(ChatForm(), messages=MESSAGES, think=told)
    assert body["chat_template_kwargs"] == {"enable_thinking": thinks}
    assert body.get("reasoning_effort") == effort


def test_a_tools_answer_is_that_of_the_call_it_names_or_of_the_first_that_waits() -> None:
    def call(name: str, **more: object) -> dict[str, object]:
        return {"function": {"name": name, "arguments": {"a": None}}, **more}

    def told(name: str = "", **more: object) -> dict[str, object]:
        return {"role": "tool", "content": "1", "tool_name": name, **more}

    calls = [call("f"), call("g"), call("g"), call("h", id="own")]
    history = [
        {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": calls},
        *(told("g"), told(), told("h"), told("g"), told("late")),
        {"role": "assistant", "tool_calls": [call("f")]},
        told(tool_call_id="another"),
    ]
    first, *answers, second, last = asked(ChatForm(), messages=history)["messages"]
    ids = [each["id"] for each in first["tool_calls"]]
    assert first["reasoning_content"] == "Hm."
    assert ids[3] == "own"
    assert first["tool_calls"][0] == {
        "id": ids[0],
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": null}'},
    }
    assert [each["tool_call_id"] for each in answers] == [ids[1], ids[0], "own", ids[2], ""]
    assert second["tool_calls"][0]["id"] not in ids
    assert last["tool_call_id"] == "another"


@pytest.mark.parametrize(
    ("data", "address"),
    [
        ("iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo="),
        ("/9j/4AAQ", "data:image/jpeg;base64,/9j/4AAQ"),
        ("UklGRg==", "data:image/webp;base64,UklGRg=="),
        ("AAAA", "data:image/jpeg;base64,AAAA"),
        ("data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,iVBORw0KGgo="),
    ],
)
def test_pictures_are_addresses_that_have_their_data(data: str, address: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": address}}
    message = {"role": "user", "content": "What?", "images": [data]}
    assert asked(ChatForm(), messages=[message])["messages"][0]["content"] == [
        {"type": "text", "text": "What?"},
        picture,
    ]
    assert asked(GenerateForm(), prompt="", images=[data])["messages"][0]["content"] == [picture]
    with pytest.raises(ApiError, match="in base64") as refused:
        asked(ChatForm(), messages=[{**message, "images": [1]}])
    assert refused.value.param == "images"


def test_a_prompt_is_a_message_with_the_system_text_before_it() -> None:
    assert asked(GenerateForm(), prompt="Hi", system="Be brief.")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]
    assert asked(GenerateForm(), prompt="Hi", system="")["messages"] == MESSAGES


def test_one_prompt_is_no_larger_than_other_routes_take_it() -> None:
    with pytest.raises(ApiError, match="larger than 4 MiB") as refused:
        asked(GenerateForm(), prompt="x" * 2**22, raw=True)
    assert refused.value.status == 413


def test_texts_to_embed_are_cut_unless_a_client_says_otherwise() -> None:
    assert asked(EmbedForm(), input=["a"])["truncate"] is True
    assert asked(EmbedForm(), input=["a"], truncate=False, dimensions=8) == {
        "model": "m",
        "input": ["a"],
        "truncate": False,
        "dimensions": 8,
    }
    assert asked(EmbeddingsForm(), prompt="a") == {"model": "m", "input": "a", "truncate": True}
    with pytest.raises(ApiError, match="'prompt' must be a string"):
        asked(EmbeddingsForm(), prompt=["a"])


def test_vectors_come_in_the_order_of_their_texts() -> None:
    form = EmbedForm()
    asked(form, input=["a", "b"])
    answer = {"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]}
    told = json.loads(form.whole(json.dumps(answer).encode()))
    assert told["embeddings"] == [[1.0], [2.0]]
    assert told["prompt_eval_count"] == 0


def test_an_answer_that_is_none_is_the_engines_fault() -> None:
    for form in (ChatForm(), EmbedForm()):
        asked(form, messages=MESSAGES, input="x")
        with pytest.raises(ApiError) as refused:
            form.whole(b'{"choices":1,"data":2}')
        assert refused.value.status == 502
