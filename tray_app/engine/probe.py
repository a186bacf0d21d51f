"""Does an engine answer, and does it still do anything? Asked by the threads of a run."""

from __future__ import annotations

import http.client
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tray_app.engine.kinds import EngineKind
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.header import Purpose
from tray_app.phrases import phrase
from tray_app.system.files import NOT_JSON
from tray_app.system.process import ProcessUsage
from tray_app.system.shortage import passes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray_app.engine.access import Address
    from tray_app.phrases import Text

_TEXT = "Hello"
_NO_VECTOR: Text = "The engine cannot make embeddings with this model"
_NO_SCORE: Text = "The engine cannot rank with this model"
_TIMEOUT_S = 30.0
_NO_TASK = -1
_BUSY_SHARE = 0.05
"""Of a core: PowerInfer takes a little all the time, also when it hangs."""


class _Vector(msgspec.Struct):
    embedding: list[float | None] | None = None


class _Vectors(msgspec.Struct):
    data: list[_Vector] = []


class _Score(msgspec.Struct):
    relevance_score: float | None = None


class _Scores(msgspec.Struct):
    results: list[_Score] = []


class _Slot(msgspec.Struct):
    is_processing: bool
    id_task: int = _NO_TASK
    """Also of one that is done; older servers tell none then."""


class _Message(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Message


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What an engine is asked to show that it works: the shortest thing that programs will ask it for."""

    path: str
    body: dict[str, object]
    numbers: Callable[[bytes], Sequence[float | None] | None]
    """The numbers in its answer; None if it has none now."""
    title: Text
    """What is wrong if it cannot answer."""


def question_for(kind: EngineKind, purpose: Purpose) -> ProbeRequest:
    """The question for an engine of this kind, on a model of this purpose."""
    if kind is EngineKind.POWERINFER:
        return ProbeRequest("/embedding", {"content": _TEXT}, _vector, _NO_VECTOR)
    if purpose is Purpose.RERANK:
        return ProbeRequest("/v1/rerank", {"query": _TEXT, "documents": [_TEXT]}, _scores, _NO_SCORE)
    return ProbeRequest("/v1/embeddings", {"input": _TEXT}, _first_vector, _NO_VECTOR)


def gives_answer(question: ProbeRequest, address: Address) -> bool:
    """Whether the engine answers the question by now.

    `EngineError` if it answers with something else, and will not do better.
    """
    try:
        status, body = _post(question, address, _TIMEOUT_S)
    except (OSError, http.client.HTTPException):
        return False
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return False  # llama.cpp while it loads
    if status != http.HTTPStatus.OK:
        raise _useless(
            question, _reason(body) or phrase("It answers with HTTP status {status}.", status=status)
        )
    try:
        numbers = question.numbers(body)
    except NOT_JSON as exc:
        raise _useless(question, "Its answer cannot be understood.") from exc
    return numbers is not None and _checked(question, numbers)


def gives_sign(question: ProbeRequest, kind: EngineKind, address: Address, timeout_s: float) -> bool:
    """Whether the engine says anything at all, if only that it is busy.

    llama.cpp has threads of its own for saying so. A PowerInfer that hangs has them too, so it must be asked
    for what it hangs over.
    """
    try:
        if kind is EngineKind.POWERINFER:
            _post(question, address, timeout_s)
        else:
            _ask("GET", "/health", None, address, timeout_s)
    except OSError as exc:
        return passes(exc)  # then it is this app that cannot ask
    except http.client.HTTPException:
        return False
    return True


def last_tasks(address: Address, timeout_s: float) -> tuple[int, ...] | None:
    """The last task of each slot of a llama.cpp; None if one works on something now, or it does not tell."""
    try:
        status, body = _ask("GET", "/slots", None, address, timeout_s)
        slots = msgspec.json.decode(body, type=list[_Slot]) if status == http.HTTPStatus.OK else []
    except (OSError, http.client.HTTPException, *NOT_JSON):
        return None  # it works on a long text, and answers when that is done
    if any(slot.is_processing for slot in slots) or not any(slot.id_task >= 0 for slot in slots):
        return None
    return tuple(slot.id_task for slot in slots)


def _post(question: ProbeRequest, address: Address, timeout_s: float) -> tuple[int, bytes]:
    return _ask("POST", question.path, msgspec.json.encode(question.body), address, timeout_s)


def _ask(method: str, path: str, body: bytes | None, address: Address, timeout_s: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        # Kept alive, PowerInfer would take 44 ms longer: its answer comes in two writes.
        headers = {"Content-Type": "application/json", "Connection": "close", **address.headers}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _vector(body: bytes) -> Sequence[float | None] | None:
    return msgspec.json.decode(body, type=_Vector).embedding  # absent when it is busy with another request


def _first_vector(body: bytes) -> Sequence[float | None] | None:
    data = msgspec.json.decode(body, type=_Vectors).data
    return data[0].embedding if data else None


def _scores(body: bytes) -> Sequence[float | None]:
    return [each.relevance_score for each in msgspec.json.decode(body, type=_Scores).results]


def _checked(question: ProbeRequest, numbers: Sequence[float | None]) -> bool:
    if any(number is None or not math.isfinite(number) for number in numbers):
        raise _useless(question, "Its answers contain values that are no numbers.")
    if not any(numbers):
        raise _useless(question, "Its answers contain nothing but zeros.")
    return True


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error.message
    except NOT_JSON:
        return ""


def _useless(question: ProbeRequest, reason: Text) -> EngineError:
    return EngineError(
        ErrorCode.MODEL_NOT_USABLE, question.title, reason, "Choose another model or another engine."
    )


@dataclass(slots=True)
class QuietWatch:
    """Notices when an engine has done nothing for too long; as long as it does, loading may take any time."""

    limit_s: float
    seen_at_s: float
    usage: ProcessUsage = ProcessUsage(0, 0)  # noqa: RUF009  immutable
    lines: int = 0
    quiet_s: float = 0
    """How long it has done nothing."""
    watched_s: float = 0
    """How long it has been watched."""

    def exceeded(self, usage: ProcessUsage, lines: int, now_s: float) -> bool:
        """Take a look at an engine: what it has used and printed so far."""
        elapsed_s = now_s - self.seen_at_s
        # A look that comes too late says nothing of the engine: the machine has slept.
        counted_s = min(elapsed_s, self.limit_s / 2)
        computed = usage.cpu_s - self.usage.cpu_s > _BUSY_SHARE * elapsed_s
        active = computed or usage.read_bytes > self.usage.read_bytes or lines > self.lines
        self.quiet_s = 0 if active else self.quiet_s + counted_s
        self.watched_s += counted_s
        self.seen_at_s, self.usage, self.lines = now_s, usage, lines
        return self.quiet_s >= self.limit_s
