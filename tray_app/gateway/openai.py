"""OpenAI's HTTP dialect as values: bodies that clients send, answers and errors that they get. Pure.

Shapes: https://platform.openai.com/docs/api-reference. Unknown fields are accepted and ignored, except those
without which the answer would not be what was asked for. A null counts as absent, because many clients send
every option they know.
"""

from __future__ import annotations

import codecs
import json
import re
import struct
from base64 import b64encode
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from tray_app.gateway.limits import MAX_NAME_LETTERS
from tray_app.gateway.utf8 import check_utf8
from tray_app.models.header import Purpose
from tray_app.phrases import visible
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_TEXTS = 2048  # as OpenAI
NULL = Raw(b"null")
Fields = dict[str, Raw]
"""A body whose values are not decoded."""

_ASKS_FOR_NOTHING = {"n": 1, "best_of": 1, "response_format": {"type": "text"}, "modalities": ["text"]}
_SOME_TEXT = "text"
_LONGEST_NOTHING = 200
"""In bytes: what asks for nothing is short, however it is laid out."""

_HALF_A_CHARACTER = re.compile(
    rb"\\u[dD][89abAB]\w\w(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]\w\w)\\u[dD][c-fC-F]\w\w"
)
"""A surrogate without its partner, as JavaScript writes a text that was cut within an emoji."""

Body = TypeVar("Body")
FinishReason = Literal["stop", "length"]


class ApiError(Exception):
    """An error for a client: status, message and, where it helps, the field that is wrong.

    `final`: the same request would fail again; clients try again after a status from 500 on unless they are
    told.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.final = final

    def body(self) -> bytes:
        """The JSON that OpenAI's clients expect."""
        fault = {
            "message": visible(self.message),
            "type": self._type(),
            "param": self.param,
            "code": self.code,
        }
        return msgspec.json.encode({"error": fault})

    def _type(self) -> str:
        match self.status:
            case HTTPStatus.UNAUTHORIZED:
                return "authentication_error"
            case HTTPStatus.FORBIDDEN:
                return "permission_error"
            case HTTPStatus.TOO_MANY_REQUESTS:
                return "rate_limit_error"
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return "server_error"
            case _:
                return "invalid_request_error"


class EmbeddingsBody(Struct, frozen=True):
    """POST /v1/embeddings. `embedding_texts` and `wanted_dimensions` say more than a type error would.

    `truncate`: cut texts that are too long, instead of an error. `input_type`: see `Upstream.prefix`.
    """

    model: Any = None
    input: Any = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Any = None
    truncate: bool | None = None
    input_type: Any = None


class StreamOptions(Struct, frozen=True):
    """`stream_options` of a streamed completion."""

    include_usage: bool | None = None


class SamplingBody(Struct, frozen=True, kw_only=True):
    """The fields that both kinds of completion have. `model` is not checked here."""

    model: Any = None
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class CompletionBody(SamplingBody, frozen=True, kw_only=True):
    """POST /v1/completions."""

    prompt: str | list[str | int | list[int]]


class ContentPart(Struct, frozen=True):
    """One part of a message's content; only text can be used by a model without vision."""

    type: str
    text: str | None = None


class ChatMessage(Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None


class ChatBody(SamplingBody, frozen=True, kw_only=True):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None


class TokenUsage(Struct, frozen=True):
    """How many tokens a request took."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int | UnsetType = UNSET
    truncated: list[int] | UnsetType = UNSET
    """Which texts were cut, by their index; only where a client asked for that."""


class TokenCount(Struct, frozen=True):
    """How many tokens a text has."""

    input_tokens: int


class Embedding(Struct, frozen=True):
    """One vector: a list of numbers, or base64 of little-endian float32."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingsAnswer(Struct, frozen=True):
    """The answer of /v1/embeddings."""

    data: list[Embedding]
    model: str
    usage: TokenUsage
    object: str = "list"


class Message(Struct, frozen=True):
    """A whole message, or what a streamed event adds to it."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class CompletionChoice(Struct, frozen=True):
    """`text` for completions, `message` for chats, `delta` for streamed chats.

    `stop_reason`: which of the client's stop words has ended the text, as vLLM tells it.
    """

    index: int = 0
    text: str | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    delta: Message | UnsetType = UNSET
    logprobs: None = None
    finish_reason: FinishReason | None = None
    stop_reason: str | UnsetType = UNSET


class Completion(Struct, frozen=True):
    """A completion, or one event of a streamed one."""

    id: str
    object: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: TokenUsage | UnsetType = UNSET


class ModelMeta(Struct, frozen=True, omit_defaults=True):
    """What else is known of a model: see `OfferedModel`. `size` is that of its file in bytes."""

    state: str
    kind: str
    context: int | None = None
    dimensions: int | None = None
    size: int | None = None
    engine: str | None = None
    pictures: bool | None = None


class ModelCard(Struct, frozen=True):
    """One model of /v1/models. 0: not known."""

    id: str
    created: int = 0
    object: str = "model"
    owned_by: str = "powerinfer-tray"
    meta: ModelMeta | UnsetType = UNSET


class ModelList(Struct, frozen=True):
    """The answer of /v1/models."""

    data: list[ModelCard]
    object: str = "list"


def decode(data: bytes, kind: type[Body]) -> Body:
    """A body as a value of `kind`.

    Raises
    ------
    ApiError
        400 if it is not JSON, is nested too deeply, or has a field of the wrong type.

    """
    try:
        check_utf8(data)
    except UnicodeDecodeError as exc:
        if b"\0" in data[:4]:
            raise _other_encoding() from exc
        raise ApiError(400, "The body is not encoded in UTF-8.") from exc
    return decode_part(data.removeprefix(codecs.BOM_UTF8), kind)


def from_json(data: bytes | Raw, kind: type[Body]) -> Body:
    """As `msgspec.json.decode`, which looks anew at a type such as `dict[str, Raw]` each time: that takes
    longer than to decode a short body.
    """
    value: Body = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a type can be a key
    return value


@cache
def _decoder(kind: object) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode_part(data: bytes | Raw, kind: type[Body]) -> Body:
    """As `decode`, for what is known to be UTF-8 already: a part of a body that was decoded."""
    try:
        return from_json(data, kind)
    except msgspec.ValidationError as exc:
        found = re.search(r"`\$\.(\w+)", str(exc))
        raise ApiError(400, f"The body is not valid: {exc}", param=found[1] if found else None) from exc
    except NOT_JSON as exc:
        if b"\0" in bytes(data)[:4]:  # JSON begins with two characters of ASCII at least, and has no NUL
            raise _other_encoding() from exc
        if half := _HALF_A_CHARACTER.search(data):
            raise ApiError(
                400,
                f"The body is not valid: {half[0].decode()} at byte {half.start()} is half of a "
                "character. Cut texts between characters, not within them.",
            ) from exc
        raise ApiError(400, f"The body is not JSON: {exc}") from exc


def _other_encoding() -> ApiError:
    return ApiError(400, "The body is encoded in UTF-16 or UTF-32. Send it in UTF-8.")


def check_abilities(fields: Fields, missing: Iterable[str]) -> None:
    """Refuse the fields of `missing`, which the engine would ignore, if they are set."""
    for name in missing:
        value = fields.get(name, NULL)
        wanted = memoryview(value).nbytes > _LONGEST_NOTHING or decode_part(value, object)
        if wanted and wanted != _ASKS_FOR_NOTHING.get(name):
            raise ApiError(
                400,
                f"This engine does not support {name!r}. Leave it out.",
                param=name,
                code="unsupported_parameter",
            )


def embedding_texts(value: object) -> list[str]:
    """The texts of an embeddings request's `input`; 400 for anything that is not text."""
    if value is None:
        raise ApiError(400, "'input' is missing. It must be a string or a list of strings.", param="input")
    if _is_number(value):
        raise ApiError(400, "'input' is a number. Send it as a string, in quotes.", param="input")
    texts: list[Any] = value if isinstance(value, list) else [value]
    if any(_is_number(text) or isinstance(text, list) for text in texts):
        raise ApiError(
            400,
            "Lists of token numbers cannot be embedded because they belong to another model's "
            "vocabulary. Send strings. In LangChain: "
            "OpenAIEmbeddings(check_embedding_ctx_length=False).",
            param="input",
        )
    if not 0 < len(texts) <= MAX_TEXTS:
        raise ApiError(400, f"'input' must be a string or a list of 1 to {MAX_TEXTS} strings.", param="input")
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            what = "is empty" if text == "" else "is not a string"
            raise ApiError(
                400,
                "'input' must contain only strings that are not empty, but the item at index "
                f"{index} {what}.",
                param="input",
            )
    return texts


def raw_texts(value: Raw) -> list[Raw]:
    """As `embedding_texts`, still as JSON: in Python, a text with one emoji takes four times as much."""
    if bytes(memoryview(value)[:1]) != b"[":
        embedding_texts(_checkable(value))
        return [value]
    texts = decode_part(value, list[Raw])
    embedding_texts(list(map(_checkable, texts)))
    return texts


def _checkable(value: Raw) -> object:
    """What a value is, but any text for a text: only whether it is one matters."""
    return _SOME_TEXT if _is_raw_text(value) else decode_part(value, object)


def _is_raw_text(value: Raw) -> bool:
    return bytes(memoryview(value)[:1]) == b'"' and memoryview(value).nbytes > len('""')


def asked_model(fields: Fields) -> object:
    """The model that a request names; 400 for a name that is longer than any."""
    name = fields.get("model", NULL)
    if memoryview(name).nbytes > MAX_NAME_LETTERS:
        raise ApiError(400, f"'model' is longer than {MAX_NAME_LETTERS} characters.", param="model")
    return decode_part(name, object)


def named_model(fields: Fields) -> str:
    """As `asked_model`; empty for what is no name."""
    name = asked_model(fields)
    return name if isinstance(name, str) else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def wanted_dimensions(value: object) -> int | None:
    """The number of dimensions that a client asks for; None if it does not say."""
    if value is None:
        return None
    if not _is_number(value) or value % 1 or value < 1:  # type: ignore[operator]
        raise ApiError(
            400,
            "'dimensions' must be a whole number of at least 1. Leave it out to get the model's own.",
            param="dimensions",
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


def check_embeds(purpose: Purpose) -> None:
    """Refuse to embed with a ranking model: the engine would answer with scores, which are not vectors."""
    if purpose is Purpose.RERANK:
        raise ApiError(
            400,
            "This is a reranker and does not create embeddings. Choose an embedding model.",
            param="model",
            code="model_not_supported",
        )


def shorter_length(wanted: int | None, native: int, *, can_be_cut: bool) -> int | None:
    """To how many dimensions vectors are to be cut, None for the model's own; 400 if there are none such."""
    if wanted in (None, native):
        return None
    if wanted is not None and wanted < native and can_be_cut:
        return wanted
    if can_be_cut:
        words = f"This model's vectors have at most {native} dimensions."
    else:
        words = f"This model's vectors always have {native} dimensions."
        if wanted is not None and wanted < native:
            words += (
                " If the model was trained for shorter vectors (Matryoshka), run: powerinfer-tray "
                "settings set shorter_vectors yes --model ID"
            )
    raise ApiError(400, words, param="dimensions")


def stop_words(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """The texts at which a generation ends, without empty ones: many clients send an empty field."""
    words = (value,) if isinstance(value, str) else value or ()
    return tuple(filter(None, words))


def as_base64(vector: Sequence[float]) -> str:
    """A vector as OpenAI's `encoding_format: base64`: little-endian float32."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def ascii_json(data: bytes) -> bytes:
    """JSON in ASCII, with all other characters escaped: a client may cut it anywhere without damaging a
    character.
    """
    if data.isascii():
        return data
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], data.decode()).encode()
