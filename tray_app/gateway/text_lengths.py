"""Texts that are too long for a model: which ones, by how much, and how they are cut. Runs on the event loop.

A request that fits costs nothing here: only after the engine has refused one, it is asked for the number of
tokens of each text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import decode_answer, engine_faults, whole_answer
from tray_app.gateway.limits import LETTERS_FOR_A_TOKEN
from tray_app.gateway.refusals import Limit
from tray_app.gateway.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import aiohttp

    from tray_app.gateway.raw_json import Fields
    from tray_app.gateway.upstream import Upstream

Prompt = str | list[int]

_ALONE = {"messages": "The conversation", "query": "The query"}
_OTHERS_NAMED = 10
"""How many more texts one message names."""


class _Content(Struct, frozen=True):
    content: str
    add_special: bool
    parse_special: bool = True  # as in a request for embeddings


class _Tokens(Struct, frozen=True):
    tokens: list[int]


class Tokenizer:
    """llama.cpp's own tokenizer, over HTTP."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def count(self, upstream: Upstream, prompt: Prompt) -> int:
        """The number of tokens of a text, including the special ones around it."""
        return len(prompt if isinstance(prompt, list) else await self._tokens(upstream, prompt))

    async def cut(self, upstream: Upstream, text: str, most: int) -> list[int] | None:
        """The first tokens of a text, at most so many with the special ones around it; None if all fit."""
        whole = await self._tokens(upstream, text)
        if len(whole) <= most:
            return None
        after = _behind(whole, await self._tokens(upstream, text, add_special=False))
        return whole[: most - after] + whole[len(whole) - after :]

    async def _tokens(self, upstream: Upstream, text: str, *, add_special: bool = True) -> list[int]:
        body = msgspec.json.encode(_Content(text, add_special))
        with engine_faults():
            async with self._session.post(
                upstream.url("/tokenize"), data=in_slices(body), headers=upstream.headers
            ) as answer:
                return decode_answer(await whole_answer(answer), _Tokens).tokens


def most_letters(upstream: Upstream) -> int | None:
    """The largest number of characters whose tokens are counted; None if the context is not known."""
    known = upstream.context_size and not upstream.is_remote
    return upstream.context_size * LETTERS_FOR_A_TOKEN if known else None


def check_letters(
    upstream: Upstream, letters: Mapping[int, int], param: str, *, can_truncate: bool = False
) -> None:
    """Refuse texts that have so many characters that counting their tokens would take too long."""
    most = most_letters(upstream)
    for index, number in letters.items():
        if most is not None and number > most:
            what = _ALONE.get(param, f"The text at index {index} of '{param}'")
            limit = Limit(number, upstream.context_size - 1, upstream.context_size)
            raise ApiError(
                400,
                f"{what} has {number} characters, far more than the context size of "
                f"{upstream.context_size} tokens allows. "
                f"{_what_helps(upstream, limit, can_truncate=can_truncate)}",
                param=param,
                code="context_length_exceeded",
            )


async def too_long_prompts(
    tokenizer: Tokenizer, upstream: Upstream, prompts: Iterable[Prompt], limit: Limit
) -> dict[int, int]:
    """For each prompt beyond the limit, by its index, the number of its tokens; of many only the first."""
    found: dict[int, int] = {}
    for index, prompt in enumerate(prompts):
        tokens = await tokenizer.count(upstream, prompt)
        if tokens > limit.most:
            found[index] = tokens
        if len(found) > _OTHERS_NAMED + 1:
            break
    return found


async def cut_texts(
    tokenizer: Tokenizer, upstream: Upstream, texts: Sequence[str], most: int
) -> tuple[list[Prompt], list[int]]:
    """The texts, those that are too long as a shortened list of tokens; and the indexes of these."""
    kept = [await tokenizer.cut(upstream, text, most) for text in texts]
    prompts = [text if cut is None else cut for text, cut in zip(texts, kept, strict=True)]
    return prompts, [index for index, cut in enumerate(kept) if cut is not None]


def prompts_of(fields: Fields) -> list[Prompt]:
    """The prompts of a completion; none if they are in a form that only llama.cpp knows."""
    match msgspec.json.decode(fields.get("prompt", b"null")):
        case str(text):
            return [text]
        case [int(), *_] as tokens if all(isinstance(token, int) for token in tokens):
            return [tokens]
        case list(prompts) if all(isinstance(prompt, str | list) for prompt in prompts):
            return prompts
        case _:
            return []


def too_long_error(
    upstream: Upstream, limit: Limit, found: dict[int, int], param: str, *, can_truncate: bool = False
) -> ApiError:
    """The error 400 that says which texts of `param` are too long, by how much, and what helps."""
    first, *others = found or [None]
    what = _ALONE.get(param, "The text") if first is None else f"The text at index {first} of '{param}'"
    tokens = limit.tokens if first is None else found[first]
    room = "" if limit.most == limit.size else f" in the context size of {limit.size}"
    message = f"{what} has {tokens} tokens, but at most {limit.most} fit{room}. {_named(others, found)}"
    return ApiError(
        400,
        message + _what_helps(upstream, limit, can_truncate=can_truncate),
        param=param,
        code="context_length_exceeded",
    )


def _named(others: Sequence[int | None], found: dict[int, int]) -> str:
    if not others:
        return ""
    named = ", ".join(f"{index} ({found[index]})" for index in others[:_OTHERS_NAMED] if index is not None)
    more = ", …" if len(others) > _OTHERS_NAMED else ""
    return f"Also too long (tokens): {named}{more}. "


def _what_helps(upstream: Upstream, limit: Limit, *, can_truncate: bool) -> str:
    trained = upstream.trained_context
    if limit.is_batch and limit.most < upstream.context_size:
        setting = "Or increase the setting “Batch size” (batch_size)."
    elif trained and upstream.context_size >= trained:
        setting = f"The model supports at most {trained} tokens, so no setting helps."
    else:
        most = f", up to the model's {trained}" if trained else ""
        setting = f"Or increase the setting “Context size” (ctx_size){most}."
    cut = ' Or send "truncate": true to cut it.' if can_truncate else ""
    return f"Shorten or split it. {setting}{cut}"


def _behind(whole: Sequence[int], inner: Sequence[int]) -> int:
    """The number of special tokens after those of the text."""
    around = len(whole) - len(inner)
    before = next((start for start in range(around) if whole[start : start + len(inner)] == inner), around)
    return around - before
