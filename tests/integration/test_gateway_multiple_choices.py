"""Several answers to one request: all of their tokens are counted, for the client and for our own numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.gateways import gateway_to, get, post
from tests.fakes.llamacpp import llamacpp

if TYPE_CHECKING:
    from collections.abc import Iterator

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
ENDLESS = {"max_tokens": 4, "ignore_eos": True}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with llamacpp() as engine, gateway_to(engine, metrics=True) as base_url:
        yield base_url


def counted(url: str) -> tuple[int, int]:
    values = dict(line.rsplit(" ", 1) for line in get(url.replace("/v1", "/metrics")).text.splitlines())
    read, made = (int(values[f"powerinfer_tray_{kind}_tokens_total"]) for kind in ("prompt", "completion"))
    return read, made


def alone(url: str, path: str, body: dict[str, Any]) -> int:
    """How many tokens a prompt has when it is asked alone."""
    usage = post(f"{url}/{path}", {**body, "max_tokens": 1}).json()["usage"]
    return int(usage["prompt_tokens"])


@pytest.mark.parametrize(
    ("path", "body", "prompts", "answers"),
    [
        ("chat/completions", {**CHAT, "n": 2}, [CHAT], 2),
        ("completions", {"prompt": "Hi", "n": 3}, [{"prompt": "Hi"}], 3),
        ("completions", {"prompt": ["Hi", "Hello"]}, [{"prompt": "Hi"}, {"prompt": "Hello"}], 2),
        ("completions", {"prompt": ["Hi", "Ho"], "n": 2}, [{"prompt": "Hi"}, {"prompt": "Ho"}], 4),
        ("completions", {"prompt": [[5, 6], [7]]}, [{"prompt": [5, 6]}, {"prompt": [7]}], 2),
        ("completions", {"prompt": [5, 6]}, [{"prompt": [5, 6]}], 1),
    ],
)
def test_the_tokens_of_all_answers_count(
    url: str, path: str, body: dict[str, Any], prompts: list[dict[str, Any]], answers: int
) -> None:
    read = sum(alone(url, path, prompt) for prompt in prompts)
    before = counted(url)
    answer = post(f"{url}/{path}", {**body, **ENDLESS}).json()
    after = counted(url)
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (read, 4 * answers)
    assert usage["total_tokens"] == read + 4 * answers
    assert (after[0] - before[0], after[1] - before[1]) == (read, 4 * answers)
    assert [choice["index"] for choice in answer["choices"]] == list(range(answers))
    assert all(choice["finish_reason"] == "length" for choice in answer["choices"])


@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize(
    ("path", "body"), [("chat/completions", {**CHAT, "n": 2}), ("completions", {"prompt": ["Hi", "Ho"]})]
)
def test_a_stream_of_several_tells_them_once_to_who_asks(
    url: str, path: str, body: dict[str, Any], wants_usage: bool
) -> None:
    whole = post(f"{url}/{path}", {**body, **ENDLESS}).json()
    options = {"stream_options": {"include_usage": True}} if wants_usage else {}
    stream = post(f"{url}/{path}", {**body, **ENDLESS, "stream": True, **options}).content
    *events, done, nothing = stream.split(b"\n\n")
    told = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert (done, nothing) == (b"data: [DONE]", b"")
    assert [event["usage"] for event in told if "usage" in event] == [whole["usage"]] * wants_usage
    assert {choice["index"] for event in told for choice in event["choices"]} == {0, 1}


def test_the_answers_are_those_that_the_engine_gives(url: str) -> None:
    cold = {"temperature": 0, "logprobs": True, "top_logprobs": 2, **ENDLESS}
    one = post(f"{url}/chat/completions", {**CHAT, **cold}).json()
    two = post(f"{url}/chat/completions", {**CHAT, **cold, "n": 2}).json()
    assert {name for name in one if name != "timings"} == set(two)
    assert two["object"] == "chat.completion"
    for choice in two["choices"]:
        assert choice["message"] == one["choices"][0]["message"]
        tokens = [token["token"] for token in choice["logprobs"]["content"]]
        assert tokens == [token["token"] for token in one["choices"][0]["logprobs"]["content"]]
