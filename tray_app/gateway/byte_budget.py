"""How much bodies, or answers, may hold all together. Runs on the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tray_app.gateway.limits import SMALL_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.gateway.api_error import ApiError


class ByteBudget:
    """A number of bytes that requests share; one that needs more than is left raises `refusal`."""

    def __init__(self, most_bytes: int, refusal: Callable[[], ApiError]) -> None:
        self._free = most_bytes
        self._refusal = refusal

    def holding(self) -> Held:
        """The share of one request, given back at the end of the block."""
        return Held(self)

    def grant(self, more: int) -> None:
        """Take so many bytes more."""
        if more > self._free:
            raise self._refusal()
        self._free -= more

    def take_back(self, bytes_held: int) -> None:
        """Take back what was granted."""
        self._free += bytes_held


class Held:
    """One request's share. Its first `SMALL_BODY_BYTES` are not counted."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._bytes = 0
        self.counted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.take_back(self.counted)

    def add(self, more: int) -> None:
        """So many bytes more have come."""
        self._bytes += more
        beyond = max(0, self._bytes - SMALL_BODY_BYTES)
        self._budget.grant(beyond - self.counted)
        self.counted = beyond
