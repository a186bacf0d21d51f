"""What an engine does wrong, told to clients. Pure.

503 with Retry-After where asking again helps (the engine is gone and is being restarted), 502 where it does
not.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import msgspec

from tray_app.gateway.openai import ApiError
from tray_app.system.files import NOT_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

Answer = TypeVar("Answer")

RETRY_AFTER_S = 2


@contextmanager
def engine_faults() -> Iterator[None]:
    """Turn a connection that fails into an answer: the engine has died, and the supervisor starts another."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise ApiError(
            503,
            "The engine stopped while it worked on this request. Try again.",
            code="engine_unavailable",
            retry_after_s=RETRY_AFTER_S,
        ) from exc


def decode_answer(data: bytes, kind: type[Answer]) -> Answer:
    """An engine's answer as a value; 502 if it is none. The message leaves out what the answer says."""
    try:
        return msgspec.json.decode(data.decode(), type=kind)  # msgspec looks at no letters that it passes on
    except NOT_JSON as exc:
        raise ApiError(502, "The engine's answer is not what was expected.", code="engine_answer") from exc
