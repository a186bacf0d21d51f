"""What the answer to a chat consists of, whole or streamed: thoughts, text, calls of tools. Pure.

For the forms of other APIs, which send each of these as a block of its own.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from msgspec import Struct, field

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import decode_answer
from tray_app.gateway.events import DONE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

BlockKind = Literal["thoughts", "text", "call"]


@dataclass(frozen=True, slots=True)
class Block:
    """One part of an answer. `call_id` and `name`: of the tool that a "call" is for."""

    kind: BlockKind
    index: int
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `cached`: those of the prompt that had been read before. `thoughts`: those of the answer that
    are not text, where the engine tells.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    thoughts: int = 0


@dataclass(frozen=True, slots=True)
class Begun:
    """A streamed answer has begun; of the tokens, only those of the prompt may be known."""

    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Added:
    """A text that is added to a block: for a call, to its arguments in JSON. The first opens the block."""

    block: Block
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an answer.

    `reason` is OpenAI's finish_reason; `stop_word` the one that ended the text, where the engine tells.
    """

    reason: str
    usage: Usage
    stop_word: str | None


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer that came as one."""

    model: str
    blocks: list[Added]
    end: Ended


class _Cached(Struct, frozen=True):
    cached_tokens: int | None = None


class _Thoughts(Struct, frozen=True):
    reasoning_tokens: int | None = None


class _Usage(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None
    completion_tokens_details: _Thoughts | None = None

    def read(self) -> Usage:
        cached = self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens
        thoughts = self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens
        return Usage(self.prompt_tokens or 0, cached or 0, self.completion_tokens or 0, thoughts or 0)


class _Timings(Struct, frozen=True):
    """With `timings_per_token`, llama.cpp tells with each token how many of the prompt it has read, and how
    many it had read before.
    """

    prompt_n: int = 0
    cache_n: int = 0

    def read(self) -> Usage:
        return Usage(max(0, self.prompt_n) + max(0, self.cache_n), max(0, self.cache_n))


class _Verbose(Struct, frozen=True):
    stopping_word: str | None = None


class _Function(Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct, frozen=True):
    index: int = 0
    id: str | None = None
    function: _Function = _Function()


class _Said(Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct, frozen=True):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    """As vLLM and our own PowerInfer tell it: the stop word."""


class _Chat(Struct, frozen=True):
    model: str = ""
    choices: list[_Choice] = []
    usage: _Usage | None = None
    timings: _Timings | None = None
    verbose: _Verbose | None = field(name="__verbose", default=None)

    def stop_word(self) -> str | None:
        """The stop word that has ended the text, as far as it is told."""
        if self.verbose and self.verbose.stopping_word:
            return self.verbose.stopping_word
        told = self.choices[0].stop_reason if self.choices else None
        return told if isinstance(told, str) else None


def whole_answer_of(data: bytes) -> WholeAnswer:
    """The answer to a chat; 502 if it is none."""
    chat = decode_answer(data, _Chat)
    choice = chat.choices[0] if chat.choices else _Choice()
    blocks = list(_Blocks().added(choice.message or _Said(), whole=True))
    end = Ended(choice.finish_reason or "stop", (chat.usage or _Usage()).read(), chat.stop_word())
    return WholeAnswer(chat.model, blocks, end)


async def answer_parts(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[Begun | Added | Ended]:
    """The parts of a streamed chat: `Begun`, what is `Added`, `Ended`. 502 if it ends halfway."""
    blocks, begun, done = _Blocks(), False, False
    reason = stop_word = None
    usage, model = Usage(), ""
    async with aclosing(chunks):
        async for data in chunks:
            if data == DONE:
                done = True
                continue
            chat = decode_answer(data, _Chat)
            model = chat.model
            choice = chat.choices[0] if chat.choices else _Choice()
            added = list(blocks.added(choice.delta or _Said()))
            reason, stop_word = choice.finish_reason or reason, chat.stop_word() or stop_word
            if chat.usage:
                usage = chat.usage.read()
            if not begun and (added or reason):
                begun = True
                yield Begun(model, (chat.timings or _Timings()).read())
            for one in added:
                yield one
    if not (reason or done):
        raise ApiError(502, "The engine stopped in the middle of its answer.", code="engine_answer")
    if not begun:
        yield Begun(model, Usage())
    yield Ended(reason or "stop", usage, stop_word)


class _Blocks:
    """Tells which block each text belongs to."""

    def __init__(self) -> None:
        self._index = -1
        self._current: tuple[BlockKind, int] | None = None
        self._block = Block("text", 0)

    def added(self, said: _Said, *, whole: bool = False) -> Iterator[Added]:
        """What a message, or the next piece of one, adds. In a `whole` one, all calls are others."""
        if said.reasoning_content:
            yield Added(self._at("thoughts"), said.reasoning_content)
        if said.content:
            yield Added(self._at("text"), said.content)
        for place, call in enumerate(said.tool_calls or ()):
            block = self._at("call", place if whole else call.index, call)
            yield Added(block, call.function.arguments or "")

    def _at(self, kind: BlockKind, number: int = 0, call: _Call | None = None) -> Block:
        if self._current != (kind, number):
            self._current = kind, number
            self._index += 1
            call_id = (call.id or f"call_{uuid4().hex}") if call else ""
            self._block = Block(kind, self._index, call_id, (call and call.function.name) or "")
        return self._block
