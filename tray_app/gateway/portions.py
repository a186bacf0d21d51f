"""Sends a long list of texts to an engine in portions. Runs on the gateway's event loop.

llama.cpp finishes all texts of a request, also for a client that has disconnected. In portions, such a client
has only a few texts in the engine's queue, and other requests are worked on in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Raw, Struct

from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.limits import LEAST_PORTION_TEXTS, PORTION_BYTES, PORTION_TEXTS, PORTIONS_AT_ONCE
from tray_app.gateway.raw_json import Fields

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Portion:
    """Some texts of a list, in JSON, and the index of the first. `raw`: the texts as a client wrote them."""

    first: int
    texts: Sequence[Raw]
    raw: Raw | None = None

    def as_json(self) -> Raw:
        """The texts as JSON for an engine."""
        return self.raw or Raw(msgspec.json.encode(self.texts))


@dataclass(frozen=True, slots=True)
class EmbeddedPortion:
    """An engine's answer to a portion, with each vector's index in the whole list.

    `cut`: the indexes of texts that were shortened.
    """

    answer: Fields
    cut: Sequence[int]

    @classmethod
    def of(cls, portion: Portion, answer: Fields, cut: Sequence[int]) -> EmbeddedPortion:
        """Made of an engine's answer and the texts of the portion that were shortened."""
        first = portion.first
        if first:  # not at the end for all portions at once: nobody else would be answered meanwhile
            answer["data"] = Raw(moved(bytes(answer.get("data", b"[]")), first))
        return cls(answer, [first + index for index in cut])


class _Usage(Struct, frozen=True):
    prompt_tokens: int = 0
    total_tokens: int = 0


def portions(texts: Sequence[Raw]) -> list[Portion]:
    """The texts in portions so small that an engine is soon done with each."""
    found: list[Portion] = []
    first = size = 0
    for index, text in enumerate(texts):
        number = index - first
        if number == PORTION_TEXTS or (number >= LEAST_PORTION_TEXTS and size > PORTION_BYTES):
            found.append(Portion(first, texts[first:index]))
            first, size = index, 0
        size += memoryview(text).nbytes
    return [*found, Portion(first, texts[first:])]


async def in_order(
    ask: Callable[[Portion], Coroutine[object, object, Result]], parts: Sequence[Portion]
) -> list[Result]:
    """The answers to the portions, in order. The next ones are sent while one is worked on.

    The first error cancels the others, and so does a request that is canceled.
    """
    if len(parts) == 1:
        return [await ask(parts[0])]
    results: list[Result] = []
    under_way: deque[asyncio.Task[Result]] = deque()
    try:
        for part in parts:
            under_way.append(asyncio.create_task(ask(part)))
            if len(under_way) == PORTIONS_AT_ONCE:
                results.append(await _first(under_way))
        while under_way:
            results.append(await _first(under_way))
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return results


async def _first(under_way: deque[asyncio.Task[Result]]) -> Result:
    result = await under_way[0]
    under_way.popleft()
    return result


def joined_portions(answers: Sequence[EmbeddedPortion]) -> Fields:
    """One answer to the whole list, with the tokens of all portions."""
    first = answers[0].answer
    if len(answers) == 1:
        return first
    usage = summed_usage([each.answer for each in answers])
    items = b",".join(bytes(each.answer.get("data", b"[]")).strip()[1:-1] for each in answers)
    return {**first, "data": Raw(b"[" + items + b"]"), "usage": usage}


def summed_usage(answers: Sequence[Fields]) -> Raw:
    """The tokens that all these answers tell."""
    usages = [decode_answer(bytes(each.get("usage", b"{}")), _Usage) for each in answers]
    usage = _Usage(sum(one.prompt_tokens for one in usages), sum(one.total_tokens for one in usages))
    return Raw(msgspec.json.encode(usage))


def moved(data: bytes, first: int) -> bytes:
    """A list of vectors that begins at another index."""
    items = decode_answer(data, list[Fields])
    for position, item in enumerate(items):
        index = decode_answer(bytes(item["index"]), int) if "index" in item else position
        item["index"] = Raw(b"%d" % (first + index))
    return msgspec.json.encode(items)
