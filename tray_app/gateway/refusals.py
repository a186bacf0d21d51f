"""Turns the errors of an engine that speaks OpenAI's dialect into errors for clients. Pure.

llama.cpp answers 500 `server_error` both for its own failures and for a request that it cannot read: what it
throws as `std::runtime_error` while it takes a body apart (tools/server/server.cpp, `ex_wrapper`). Which of
the two it was, is told by the message where it speaks of JSON, by the body itself (`chat_faults.py`), and by
a route of llama.cpp that reads a chat and computes nothing (`engine_client.py`). Where none of them says that
the request is to blame, it is the engine.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.gateway.api_error import ApiError
from tray_app.gateway.engine_errors import RETRY_AFTER_S, whole_answer
from tray_app.gateway.limits import MAX_EVENT_BYTES
from tray_app.gateway.upstream import ENGINE_UNAVAILABLE
from tray_app.phrases import one_line, visible
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tray_app.gateway.engine_connections import HttpAnswer

_LONGEST_REASON = 500
"""How many characters of an engine's message are passed on; llama.cpp quotes all tools of a request."""
_TOO_LONG = re.compile(
    r"\((?P<tokens>\d+) tokens\) (?:exceeds the available context size \((?P<context>\d+) tokens"
    r"|is larger than the max context size \((?P<most>\d+) tokens"
    r"|is too large to process\. increase the physical batch size \(current batch size: (?P<batch>\d+)\))"
)
_OF_OUR_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_SHARED_CONTEXT_FULL = "Context size has been exceeded."
_JSON_EXCEPTION = re.compile(r"\[json\.exception\.[\w.]+\] ")
_OUT_OF_RANGE = re.compile(r"Field '(\w+)': Value must be between (\S+) <= value <= (\S+), but got (\S+)")
_ERRORS = range(HTTPStatus.BAD_REQUEST, 600)
_REQUIRED = ("messages", "prompt", "input")
_COMMON_WORDS = ("model", "user", "n", "stream", "store")
"""Fields whose names may stand in a message that is about something else."""
OWN_WORDS = (
    (
        re.compile(r"image input is not supported|does not support multimodal"),
        (
            "This model reads only text. Images, sound and video need a model made for them, "
            "with its projector file (mmproj) in the same folder."
        ),
        "messages",
        "unsupported_content",
    ),
    (
        re.compile(r"(?:audio|video) input is not supported"),
        (
            "This model does not support sound or video. They need a model made for them, with "
            "its projector file (mmproj) in the same folder."
        ),
        "messages",
        "unsupported_content",
    ),
    (
        re.compile(r"Invalid base64 value|Invalid uri format|Failed to load image or audio file"),
        "An image or sound in the request could not be read. Its data is damaged or in an unknown format.",
        "messages",
        "unsupported_content",
    ),
    (
        re.compile(r"unsupported content\[\]\.type"),
        (
            "A message can contain text and, if the model supports them, images, but no files. "
            "Send the contents of the file as text."
        ),
        "messages",
        "unsupported_content",
    ),
    (
        re.compile(r"Failed to initialize samplers: std::exception"),
        (
            "The engine cannot force this model to use a given format. Leave out "
            "'response_format' and a 'tool_choice' that requires a tool, or choose another model."
        ),
        None,
        "unsupported_parameter",
    ),
    (
        re.compile(r"does not support logits computation"),
        ("This is an embedding model and cannot write text. Use /v1/embeddings, or choose another model."),
        "model",
        "unsupported_model",
    ),
    (
        re.compile(r"does not support reranking"),
        "This model cannot rerank documents. Choose a reranker.",
        "model",
        "unsupported_model",
    ),
    (
        re.compile(r"does not support embeddings|Pooling type 'none'"),
        "The engine was not started for this kind of embeddings.",
        "model",
        "unsupported_model",
    ),
)
"""llama.cpp's messages about requests that this model or its options cannot serve, with helpful texts for
clients."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A text of so many `tokens` was refused; `most` fit into what has this `size`: context or batch."""

    tokens: int
    most: int
    size: int
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An engine's error; `reason` is None if it gave none."""

    status: int
    reason: str | None
    param: str | None = None
    code: str | None = None
    retry_after_s: int | None = None

    @property
    def limit(self) -> Limit | None:
        """Set where llama.cpp refuses a text as too long."""
        found = _TOO_LONG.search(self.reason or "")
        if found is None:
            return None
        size = int(found["context"] or found["most"] or found["batch"])
        most = size - 1 if found["context"] else size  # a generating model needs space for at least one token
        return Limit(int(found["tokens"]), most, size, is_batch=found["batch"] is not None)

    @property
    def is_reading(self) -> bool:
        """Whether llama.cpp's message is about JSON: it reads no JSON but that of the request."""
        return bool(_JSON_EXCEPTION.search(self.reason or ""))


async def told_refusal(answer: HttpAnswer) -> Refusal:
    """The error that an engine answers with."""
    return read_refusal(answer.status, answer.headers, await whole_answer(answer, MAX_EVENT_BYTES))


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """An engine's error, in any of the usual forms."""
    try:
        reason, param, code = _said(msgspec.json.decode(body))
    except NOT_JSON:
        reason = param = code = None
    return Refusal(status, reason, param, code, _retry_after_s(headers))


def read_error_event(payload: bytes) -> Refusal:
    """As `read_refusal`, for an error within a stream: its status, if there is one, is in the event."""
    refusal = read_refusal(HTTPStatus.BAD_GATEWAY, {}, payload)
    match msgspec.json.decode(payload):
        case {"error": {"code": int(status)}} if status in _ERRORS:
            return replace(refusal, status=status)
        case _:
            return refusal


def remote_error(refusal: Refusal) -> ApiError:
    """The error for a remote server's refusal, with its status: what it blames on the client is passed on so.

    Its 401 and 403 are about this app's key for it, not about the client's.
    """
    status = refusal.status
    reason = one_line(refusal.reason or f"The remote server answered with status {status}.")
    if status in _OF_OUR_KEY:
        return ApiError(502, f"The remote server rejected this app: {reason}", code="engine_answer")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        again_s = refusal.retry_after_s if refusal.retry_after_s is not None else RETRY_AFTER_S
        return ApiError(503, reason, code=refusal.code or ENGINE_UNAVAILABLE, retry_after_s=again_s)
    is_clients = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return ApiError(
        status if is_clients else 502,
        reason,
        param=refusal.param,
        code=refusal.code or (None if refusal.reason else "engine_answer"),
        retry_after_s=refusal.retry_after_s,
    )


def local_error(refusal: Refusal, fields: Iterable[str] = ()) -> ApiError:
    """The error for llama.cpp's refusal, as far as status and message show whether the request or the engine
    is at fault.

    `fields`: the fields of the request, one of which may be at fault.
    """
    status, reason = refusal.status, refusal.reason
    if reason is None or status in _OF_OUR_KEY:
        told = f"The engine answered with status {status}{'' if reason is None else f': {_short(reason)}'}."
        return ApiError(502, told, code="engine_answer")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ApiError(503, reason, code=ENGINE_UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
    if reason == _SHARED_CONTEXT_FULL:
        return ApiError(
            503,
            "Simultaneous requests have filled the engine's context. Try again.",
            code="engine_busy",
            retry_after_s=RETRY_AFTER_S,
        )
    for pattern, words, param, code in OWN_WORDS:
        if pattern.search(reason):
            return ApiError(400, f"{words} Message of the engine: {_short(reason)}", param=param, code=code)
    is_clients = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_clients or status == HTTPStatus.NOT_IMPLEMENTED or refusal.is_reading:
        return clients_error(refusal, fields)
    # 502, as the fault is the engine's, also for a status that is not an error
    return ApiError(502, _short(reason))


def clients_error(
    refusal: Refusal, fields: Iterable[str], words: str = "", param: str | None = None
) -> ApiError:
    """The error for a refusal that the request caused. `words`: what is wrong with it, if known."""
    reason = _short(refusal.reason or "")
    if outside := _OUT_OF_RANGE.search(reason):
        name, least, most, got = outside.groups()
        return ApiError(
            400, f"'{name}' must be from {least} to {most}, but is {got}.{_about(name)}", param=name
        )
    status = refusal.status if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR else 400
    message = f"{words} Message of the engine: {reason}" if words else reason
    return ApiError(status, message, param=param or _param(reason, fields))


def _about(name: str) -> str:
    return " The engine cannot create more answers at once. Send several requests." if name == "n" else ""


def _param(reason: str, names: Iterable[str]) -> str | None:
    """The first field of the request that llama.cpp's message names."""
    said = reason.lower().replace("_", " ")
    places = {name: said.find(name.lower().replace("_", " ")) for name in (*_REQUIRED, *names)}
    found = [(place, name) for name, place in places.items() if place >= 0 and name not in _COMMON_WORDS]
    if found:
        return min(found)[1]
    return "messages" if "content[]" in reason or "'content'" in reason else None


def _short(reason: str) -> str:
    plain = visible(_JSON_EXCEPTION.sub("", reason), kept="")
    return plain if len(plain) <= _LONGEST_REASON else f"{plain[:_LONGEST_REASON]} …"


def _said(answer: Any) -> tuple[str | None, str | None, str | None]:
    """Message, field and code of an error, as OpenAI, llama.cpp, Ollama, LM Studio, FastAPI and Google do."""
    match answer:
        case {"error": {"message": str(reason)} as error} | ({"message": str(reason)} as error):
            return reason, _text(error.get("param")), _text(error.get("code"))
        case {"error": str(reason)} | {"detail": str(reason)}:
            return reason, None, _text(answer.get("code"))
        case {"detail": [{"msg": str()}, *_] as problems}:  # FastAPI: the place, and what is wrong there
            places = [[str(part) for part in one.get("loc", ()) if part != "body"] for one in problems]
            told = [f"{'.'.join(place)}: {one['msg']}" for place, one in zip(places, problems, strict=True)]
            return "; ".join(told), places[0][0] if places[0] else None, None
        case {"detail": dict() as inner} | [dict() as inner, *_]:
            return _said(inner)
        case _:
            return None, None, None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _retry_after_s(headers: Mapping[str, str]) -> int | None:
    """After how many seconds a server wants to be asked again; it says so in seconds or as a date."""
    told = headers.get("Retry-After", "").strip()
    try:
        return max(0, math.ceil(float(told)))
    except (ValueError, OverflowError):
        pass
    try:
        return max(0, math.ceil(parsedate_to_datetime(told).timestamp() - time.time()))
    except ValueError:
        return None
