"""Probes: does an engine answer, and does it still show life? Called by the threads of a run."""

from __future__ import annotations

import http.client
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tray_app.engine.engine_kind import EngineKind
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

T = TypeVar("T")

_TEXT = "Hello"
_NO_VECTOR: Text = "The engine cannot create embeddings with this model"
_NO_SCORE: Text = "The engine cannot rerank with this model"
_OTHER: Text = "Choose another model or engine."
_TIMEOUT_S = 30.0
_BUSY_S = 0.01
_NO_TASK = -1
_BUSY_SHARE = 0.05
"""The share of a core above which an engine counts as computing. PowerInfer always uses a little, also when
it hangs."""


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
    """The last task, also when it is done; older servers omit it then."""


class _Message(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Message


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The request that shows whether an engine works: the shortest one that programs will send."""

    path: str
    body: dict[str, object]
    numbers: Callable[[bytes], Sequence[float | None] | None]
    """Takes the numbers out of the answer; None if it has none yet."""
    title: Text
    """The title of the error if it cannot answer."""


def probe_request_for(kind: EngineKind, purpose: Purpose) -> ProbeRequest:
    """The probe for an engine of this kind with a model for this purpose."""
    if kind is EngineKind.POWERINFER:
        return ProbeRequest("/embedding", {"content": _TEXT}, _vector, _NO_VECTOR)
    if purpose is Purpose.RERANK:
        return ProbeRequest("/v1/rerank", {"query": _TEXT, "documents": [_TEXT]}, _scores, _NO_SCORE)
    return ProbeRequest("/v1/embeddings", {"input": _TEXT}, _first_vector, _NO_VECTOR)


def answers_probe(probe: ProbeRequest, address: Address) -> bool:
    """Whether the engine answers the probe.

    `EngineError` if it answers something wrong, and would do so again.
    """
    try:
        status, body = _post(probe, address, _TIMEOUT_S)
    except (OSError, http.client.HTTPException):
        return False
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return False  # llama.cpp is still loading
    if status != http.HTTPStatus.OK:
        raise _useless(
            probe, _reason(body) or phrase("It answered with HTTP status {status}.", status=status)
        )
    try:
        numbers = probe.numbers(body)
    except NOT_JSON as exc:
        raise _useless(probe, "Its answer is not valid.") from exc
    if numbers is None:
        return False
    _require_result(probe, numbers)
    return True


def request_vectors(
    kind: EngineKind, texts: Sequence[str], address: Address, timeout_s: float
) -> list[list[float]]:
    """The vectors that an engine makes of texts: all in one request, or for PowerInfer one by one.

    `OSError` or `HTTPException` if it gives no answer, `EngineError` if it gives none that can be used.
    """
    if kind is EngineKind.POWERINFER:
        return [_powerinfer_vector(text, address, timeout_s) for text in texts]
    status, body = _ask("POST", "/v1/embeddings", msgspec.json.encode({"input": texts}), address, timeout_s)
    return [_with_nan(each.embedding) for each in _decoded(status, body, _Vectors).data]


def _powerinfer_vector(text: str, address: Address, timeout_s: float) -> list[float]:
    """The vector that PowerInfer makes of a text; it is asked again while it is busy after a request."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        status, body = _ask("POST", "/embedding", msgspec.json.encode({"content": text}), address, timeout_s)
        if (vector := _decoded(status, body, _Vector).embedding) is not None:
            return _with_nan(vector)
        time.sleep(_BUSY_S)
    raise TimeoutError


def _decoded(status: int, body: bytes, of_type: type[T]) -> T:
    try:
        if status == http.HTTPStatus.OK:
            return msgspec.json.decode(body, type=of_type)
    except NOT_JSON:
        pass
    reason = _reason(body) or phrase("It answered with HTTP status {status}.", status=status)
    raise EngineError(ErrorCode.MODEL_NOT_USABLE, _NO_VECTOR, reason, _OTHER)


def _with_nan(vector: Sequence[float | None] | None) -> list[float]:
    """The vector with NaN where there is `null`, which servers write because JSON has no NaN."""
    return [math.nan if number is None else number for number in vector or ()]


def shows_life(probe: ProbeRequest, kind: EngineKind, address: Address, timeout_s: float) -> bool:
    """Whether the engine answers anything at all, even that it is busy.

    llama.cpp has separate threads for such answers, so `/health` is enough. So has PowerInfer, also when it
    hangs; so it must be asked for an embedding, which needs the part that hangs.
    """
    try:
        if kind is EngineKind.POWERINFER:
            _post(probe, address, timeout_s)
        else:
            _ask("GET", "/health", None, address, timeout_s)
    except OSError as exc:
        return passes(exc)  # then it is this app that cannot connect
    except http.client.HTTPException:
        return False
    return True


def last_tasks(address: Address, timeout_s: float) -> tuple[int, ...] | None:
    """The last task of each slot of a llama.cpp; None if a slot is working, or if the server does not say."""
    try:
        status, body = _ask("GET", "/slots", None, address, timeout_s)
        slots = msgspec.json.decode(body, type=list[_Slot]) if status == http.HTTPStatus.OK else []
    except (OSError, http.client.HTTPException, *NOT_JSON):
        return None  # it is working on a long text, and answers when that is done
    if any(slot.is_processing for slot in slots) or not any(slot.id_task >= 0 for slot in slots):
        return None
    return tuple(slot.id_task for slot in slots)


def _post(probe: ProbeRequest, address: Address, timeout_s: float) -> tuple[int, bytes]:
    return _ask("POST", probe.path, msgspec.json.encode(probe.body), address, timeout_s)


def _ask(method: str, path: str, body: bytes | None, address: Address, timeout_s: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        # On a kept-alive connection PowerInfer takes 44 ms longer, because it writes its answer in two parts.
        headers = {"Content-Type": "application/json", "Connection": "close", **address.headers}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _vector(body: bytes) -> Sequence[float | None] | None:
    return msgspec.json.decode(body, type=_Vector).embedding  # absent while it is busy with another request


def _first_vector(body: bytes) -> Sequence[float | None] | None:
    data = msgspec.json.decode(body, type=_Vectors).data
    return data[0].embedding if data else None


def _scores(body: bytes) -> Sequence[float | None]:
    return [each.relevance_score for each in msgspec.json.decode(body, type=_Scores).results]


def _require_result(probe: ProbeRequest, numbers: Sequence[float | None]) -> None:
    if any(number is None or not math.isfinite(number) for number in numbers):
        raise _useless(probe, "Its answers contain values that are not numbers.")
    if not any(numbers):
        raise _useless(probe, "Its answers contain only zeros.")


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error.message
    except NOT_JSON:
        return ""


def _useless(probe: ProbeRequest, reason: Text) -> EngineError:
    return EngineError(ErrorCode.MODEL_NOT_USABLE, probe.title, reason, _OTHER)


@dataclass(slots=True)
class QuietWatch:
    """Notices when an engine has not printed, read or computed anything for too long."""

    limit_s: float
    seen_at_s: float
    usage: ProcessUsage = ProcessUsage(0, 0)  # noqa: RUF009  immutable
    lines: int = 0
    quiet_s: float = 0
    """How long it has been inactive."""
    watched_s: float = 0
    """How long it has been watched."""

    def exceeded(self, usage: ProcessUsage, lines: int, now_s: float) -> bool:
        """Note what an engine has used and printed so far. Returns whether it was inactive for too long."""
        elapsed_s = now_s - self.seen_at_s
        # After the machine has slept, this is called late; that time must not count as inactivity.
        counted_s = min(elapsed_s, self.limit_s / 2)
        computed = usage.cpu_s - self.usage.cpu_s > _BUSY_SHARE * elapsed_s
        active = computed or usage.read_bytes > self.usage.read_bytes or lines > self.lines
        self.quiet_s = 0 if active else self.quiet_s + counted_s
        self.watched_s += counted_s
        self.seen_at_s, self.usage, self.lines = now_s, usage, lines
        return self.quiet_s >= self.limit_s
