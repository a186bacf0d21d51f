"""Does an engine answer, and does it still do anything? Asked by the threads of a run."""

from __future__ import annotations

import http.client
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tray_app.engine.kinds import EngineKind
from tray_app.engine.plan import LOOPBACK
from tray_app.errors import EngineError
from tray_app.system.files import NOT_JSON
from tray_app.system.process import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = "Hello"
_TIMEOUT_S = 30.0
_BUSY_SHARE = 0.05
"""Of a core: PowerInfer takes a little all the time, also when it hangs."""


class _Vector(msgspec.Struct):
    embedding: list[float | None] | None = None


class _Vectors(msgspec.Struct):
    data: list[_Vector] = []


class _Message(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Message


def gives_embedding(kind: EngineKind, port: int) -> bool:
    """Whether the engine on a port answers a short text with an embedding by now.

    `EngineError` if it answers with something else, and will not do better.
    """
    try:
        status, body = _post(kind, port)
    except (OSError, http.client.HTTPException):
        return False
    if status == http.HTTPStatus.OK:
        vector = _parse(kind, body)
        return vector is not None and _checked(vector)
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return False  # llama.cpp while it loads
    raise _useless(_reason(body) or f"It answers with HTTP status {status}.")


def answers(kind: EngineKind, port: int, timeout_s: float) -> bool:
    """Whether the engine says anything to a short text, if only that it is busy."""
    try:
        _post(kind, port, timeout_s)
    except (OSError, http.client.HTTPException):
        return False
    return True


def _post(kind: EngineKind, port: int, timeout_s: float = _TIMEOUT_S) -> tuple[int, bytes]:
    powerinfer = kind is EngineKind.POWERINFER
    path, field = ("/embedding", "content") if powerinfer else ("/v1/embeddings", "input")
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        # Kept alive, PowerInfer would take 44 ms longer: its answer comes in two writes.
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", path, msgspec.json.encode({field: _TEXT}), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _parse(kind: EngineKind, body: bytes) -> Sequence[float | None] | None:
    try:
        if kind is EngineKind.POWERINFER:
            # Absent when it is busy with another request.
            return msgspec.json.decode(body, type=_Vector).embedding
        data = msgspec.json.decode(body, type=_Vectors).data
    except NOT_JSON as exc:
        raise _useless("Its answer cannot be understood.") from exc
    return data[0].embedding if data else None


def _checked(vector: Sequence[float | None]) -> bool:
    if any(number is None or not math.isfinite(number) for number in vector):
        raise _useless("Its answers contain values that are no numbers.")
    if not any(vector):
        raise _useless("Its answers contain nothing but zeros.")
    return True


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error.message
    except NOT_JSON:
        return ""


def _useless(reason: str) -> EngineError:
    return EngineError(
        "The engine cannot make embeddings with this model", reason, "Choose another model or another engine."
    )


@dataclass(slots=True)
class QuietWatch:
    """Notices when an engine has done nothing for too long; as long as it does, loading may take any time."""

    limit_s: float
    seen_at_s: float
    usage: Usage = Usage(0, 0)  # noqa: RUF009  immutable
    lines: int = 0
    quiet_s: float = 0
    """How long it has done nothing."""
    watched_s: float = 0
    """How long it has been watched."""

    def exceeded(self, usage: Usage, lines: int, now_s: float) -> bool:
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
