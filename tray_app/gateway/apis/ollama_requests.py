"""Requests of Ollama's API as requests of OpenAI's. Pure.

Shapes: https://docs.ollama.com/api. Options about how a model is loaded (`num_ctx`, `num_gpu`, …) are
ignored, as are unknown ones: the settings say that, and Ollama's clients send many. What would change the
answer and cannot be obeyed is refused. Texts and pictures stay the JSON that they are in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Raw, Struct

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.limits import MAX_TEXT_BODY_BYTES, MIB
from tray_app.gateway.raw_json import NULL, decode_part, is_text, opening, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tray_app.gateway.raw_json import Fields

_Whole = Annotated[float, Meta(ge=-(2**53), le=2**53)]
"""A whole number: Ollama takes 40.0 for 40."""
_NOTHING = (NULL, Raw(b'""'), Raw(b"[]"))
_NO_TIME = re.compile(r"0*(\.0*)?[a-z]*")
"""A `keep_alive` of no time, with or without a unit."""
_PICTURES = {b"iVBOR": "png", b"/9j/": "jpeg", b"R0lGO": "gif", b"UklGR": "webp", b"Qk": "bmp"}
"""How the data of each kind of picture begins, in base64."""
_LONGEST_BEGINNING = 16
_PLAIN_OPTIONS = (
    *("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "stop"),
    *("presence_penalty", "frequency_penalty", "mirostat_tau", "mirostat_eta"),
)
_WHOLE_OPTIONS = ("top_k", "repeat_last_n", "seed", "mirostat")


class Options(Struct, frozen=True):
    """What engines can obey of `options`. `num_predict`: a number below 1 means no limit."""

    temperature: float | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    top_k: _Whole | None = None
    repeat_last_n: _Whole | None = None
    seed: _Whole | None = None
    mirostat: _Whole | None = None
    num_predict: _Whole | None = None
    stop: str | list[str] | None = None


class NamedModel(Struct, frozen=True, kw_only=True):
    """POST /api/show and /api/pull. `name` is what `model` was called until 2024."""

    model: Any = None
    name: Any = None
    stream: bool | None = None

    @property
    def asked(self) -> str:
        """The model's name; empty if there is none."""
        return next((each for each in (self.model, self.name) if isinstance(each, str)), "")


class _Asking(Struct, frozen=True, kw_only=True):
    """What all requests have that an engine answers."""

    model: Any = None
    keep_alive: Any = None

    @property
    def ends_use(self) -> bool:
        """Whether the client does not need the model any more afterwards."""
        return self.keep_alive is not None and bool(_NO_TIME.fullmatch(str(self.keep_alive)))


class _Writing(_Asking, frozen=True, kw_only=True):
    """What both requests for a text have."""

    options: Options | None = None
    stream: bool | None = None
    format: Raw = NULL
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None

    def _common(self) -> Fields:
        fields = {"model": raw(self.model), **_options(self.options or Options())}
        if self.stream is not False:
            fields["stream"] = raw(True)
            fields["stream_options"] = raw({"include_usage": True})
        if self.format not in _NOTHING:
            fields["response_format"] = _format(self.format)
        if self.think is not None:
            fields["chat_template_kwargs"] = raw({"enable_thinking": self.think is not False})
        if isinstance(self.think, str):
            fields["reasoning_effort"] = raw(self.think)
        return fields

    def _chat(self, messages: Iterable[Message]) -> Fields:
        fields = self._common()
        fields["messages"] = raw(list(_conversation(messages)))
        if self.logprobs:
            fields["logprobs"] = raw(True)
            fields["top_logprobs"] = raw(self.top_logprobs or 1)  # llama.cpp tells nothing with 0
        return fields


class _Function(Struct, frozen=True):
    name: str
    arguments: Raw = Raw(b"{}")


class _Call(Struct, frozen=True):
    function: _Function
    id: str | None = None


class Message(Struct, frozen=True):
    """One message of a chat. Its content is a text, its pictures are base64."""

    role: str
    content: Raw = NULL
    thinking: str | None = None
    images: list[Raw] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class ChatRequest(_Writing, frozen=True, kw_only=True):
    """POST /api/chat."""

    messages: list[Message] | None = None
    tools: list[dict[str, Raw]] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it only asks that the model be loaded."""
        return not self.messages

    def fields(self) -> Fields:
        """The chat that is asked for."""
        fields = self._chat(self.messages or ())
        if self.tools:
            fields["tools"] = raw([{"type": "function", **tool} for tool in self.tools])
        return fields


class GenerateRequest(_Writing, frozen=True, kw_only=True):
    """POST /api/generate."""

    prompt: Raw = NULL
    system: Raw = NULL
    images: list[Raw] | None = None
    raw: bool | None = None
    suffix: str | None = None
    template: str | None = None
    context: list[Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it only asks that the model be loaded."""
        return self.prompt in _NOTHING and not self.images

    def fields(self) -> Fields:
        """What is asked for: a chat of one message, or the completion of a raw prompt."""
        self._refuse("suffix", "Send the model's own fill-in-the-middle prompt with 'raw': true.")
        self._refuse("template", "Send the whole prompt with 'raw': true.")
        self._refuse("context", "Send the whole conversation to /api/chat.")
        if not self.raw:
            system = [] if self.system in _NOTHING else [Message("system", self.system)]
            return self._chat([*system, Message("user", self.prompt, images=self.images)])
        if memoryview(self.prompt).nbytes > MAX_TEXT_BODY_BYTES:
            raise ApiError(413, f"'prompt' is larger than {MAX_TEXT_BODY_BYTES // MIB} MiB.", param="prompt")
        logprobs = {"logprobs": raw(self.top_logprobs or 1)} if self.logprobs else {}
        return {**self._common(), **logprobs, "prompt": self.prompt}

    def _refuse(self, name: str, instead: str) -> None:
        if getattr(self, name):
            raise ApiError(400, f"'{name}' is not supported. {instead}", param=name)


class EmbedRequest(_Asking, frozen=True, kw_only=True):
    """POST /api/embed. Texts that are too long are cut unless a client says otherwise."""

    input: Raw = NULL
    truncate: bool | None = None
    dimensions: Raw = NULL

    @property
    def is_empty(self) -> bool:
        """Whether it only asks that the model be loaded."""
        return self.input in _NOTHING[1:]

    def fields(self) -> Fields:
        """The embeddings that are asked for."""
        return _embeddings(self.model, self.input, truncate=self.truncate is not False) | {
            "dimensions": self.dimensions
        }


class EmbeddingsRequest(_Asking, frozen=True, kw_only=True):
    """POST /api/embeddings, which is older and takes one text."""

    prompt: Raw = NULL

    @property
    def is_empty(self) -> bool:
        """Whether it only asks that the model be loaded."""
        return self.prompt in _NOTHING[:2]

    def fields(self) -> Fields:
        """The embedding that is asked for."""
        if not is_text(self.prompt):
            raise ApiError(400, "'prompt' must be a string.", param="prompt")
        return _embeddings(self.model, self.prompt, truncate=True)


def _embeddings(model: object, texts: Raw, *, truncate: bool) -> Fields:
    return {"model": raw(model), "input": texts, "truncate": raw(truncate)}


def _options(options: Options) -> Fields:
    fields = {name: getattr(options, name) for name in _PLAIN_OPTIONS}
    fields |= {name: _whole(getattr(options, name)) for name in _WHOLE_OPTIONS}
    most = _whole(options.num_predict) or 0
    fields["max_tokens"] = most if most > 0 else None
    return {name: raw(value) for name, value in fields.items() if value is not None}


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _format(told: Raw) -> Raw:
    """`format` as OpenAI's `response_format`."""
    value = decode_part(told, object)
    if value == "json":
        return raw({"type": "json_object"})
    if not isinstance(value, dict):
        raise ApiError(400, "'format' must be \"json\" or a JSON schema.", param="format")
    return raw({"type": "json_schema", "json_schema": {"name": "answer", "schema": told}})


def _conversation(messages: Iterable[Message]) -> Iterator[dict[str, object]]:
    """The messages in OpenAI's form.

    Ollama tells the answer of a tool by its name or its place, OpenAI by the id of the call.
    """
    number, waiting = 0, dict[str, str]()
    for message in messages:
        told: dict[str, object] = {"role": message.role, "content": _content(message)}
        if message.thinking:
            told["reasoning_content"] = message.thinking
        if message.tool_calls:
            waiting, calls = {}, []
            for call in message.tool_calls:
                number += 1
                call_id = call.id or f"call{number:05}"  # of the length that Mistral's templates want
                waiting[call_id] = call.function.name
                function = {"name": call.function.name, "arguments": _as_text(call.function.arguments)}
                calls.append({"id": call_id, "type": "function", "function": function})
            told["tool_calls"] = calls
        if message.role == "tool":
            told["tool_call_id"] = _answered(message, waiting)
            if message.tool_name:
                told["name"] = message.tool_name
        yield told


def _answered(message: Message, waiting: dict[str, str]) -> str:
    """The id of the call that a tool's message answers, which waits no longer."""
    named = [call_id for call_id, name in waiting.items() if name == message.tool_name]
    call_id = message.tool_call_id or next(iter([*named, *waiting]), "")
    waiting.pop(call_id, None)
    return call_id


def _as_text(arguments: Raw) -> object:
    """The arguments of a call as OpenAI has them: JSON within a text."""
    first = opening(arguments)
    return arguments if first == b'"' else bytes(arguments).decode()


def _content(message: Message) -> object:
    if not message.images:
        return message.content
    text = [] if message.content in _NOTHING else [{"type": "text", "text": message.content}]
    return [*text, *({"type": "image_url", "image_url": {"url": _address(each)}} for each in message.images)]


def _address(picture: Raw) -> Raw:
    """A picture's data as an address that has it."""
    data = memoryview(picture)
    beginning = bytes(data[1:_LONGEST_BEGINNING])
    if bytes(data[:1]) != b'"':
        raise ApiError(400, "'images' must be strings: images in base64.", param="images")
    if beginning.startswith(b"data:"):
        return picture
    kinds = (kind for first, kind in _PICTURES.items() if beginning.startswith(first))
    return Raw(f'"data:image/{next(kinds, "jpeg")};base64,'.encode() + data[1:])
