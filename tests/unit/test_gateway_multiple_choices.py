from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tray_app.gateway.multiple_choices import Tally, Whole

if TYPE_CHECKING:
    from collections.abc import Iterator


def chunk(index: int, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": None}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}


def test_calls_of_tools_are_put_together_from_their_pieces() -> None:
    def call(number: int, **function: str) -> dict[str, Any]:
        return {"index": number, "function": function}

    whole = Whole()
    for event in (
        chunk(1, role="assistant", content=None),
        chunk(1, tool_calls=[{**call(0, name="look", arguments=""), "id": "a", "type": "function"}]),
        chunk(0, role="assistant", content="Well"),
        chunk(1, tool_calls=[call(0, arguments='{"x"')]),
        chunk(1, tool_calls=[{**call(1, name="hear", arguments="{}"), "id": "b", "type": "function"}]),
        chunk(1, tool_calls=[call(0, arguments=":1}")]),
        chunk(0, content=", hello", reasoning_content="short"),
        {**chunk(0), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ):
        whole.add(event)
    answer = whole.answer({"total_tokens": 1})
    said, calling = (choice["message"] for choice in answer["choices"])
    assert said == {"role": "assistant", "content": "Well, hello", "reasoning_content": "short"}
    assert [(one["id"], one["function"]) for one in calling["tool_calls"]] == [
        ("a", {"name": "look", "arguments": '{"x":1}'}),
        ("b", {"name": "hear", "arguments": "{}"}),
    ]
    assert (answer["choices"][0]["finish_reason"], answer["object"]) == ("stop", "chat.completion")


def test_usage_that_an_engine_does_not_tell_counts_nothing() -> None:
    tally = Tally(2)
    assert tally.take({"choices": [{"text": "a"}], "usage": {}}) == {"choices": [{"text": "a"}]}
    assert tally.take({"choices": [], "usage": {"completion_tokens": 3}}) is None
    assert tally.usage() == {"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 3}


def test_probabilities_of_tokens_are_appended_without_a_look_at_those_before() -> None:
    looks = 0

    class Tokens(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            nonlocal looks
            looks += 1
            return super().__iter__()

    whole = Whole()
    for number in range(100):
        event = chunk(0, content="a")
        tokens = [{"token": "a", "logprob": -number}]
        event["choices"][0]["logprobs"] = {"content": tokens if number else Tokens(tokens)}
        whole.add(event)

    (choice,) = whole.answer({})["choices"]
    assert looks == 0
    assert [token["logprob"] for token in choice["logprobs"]["content"]] == [-number for number in range(100)]
