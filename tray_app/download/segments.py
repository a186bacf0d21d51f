"""Which bytes of a file have arrived, which are being fetched, and which are missing. Pure; any thread.

Connections claim spans from the start of the file, so that the SHA-256 can be computed close behind, and a
file system without holes has little to fill with zeros. When no bytes are left to claim, an idle connection
takes half of the largest remaining claim, so that a slow connection does not delay the end.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIB = 1 << 20
SMALLEST_CLAIM_BYTES = 2 * MIB
LARGEST_CLAIM_BYTES = 64 * MIB
FIRST_CLAIM_BYTES = 4 * MIB
"""Small, because the SHA-256 is computed from the start of the file and waits for the slowest first claim."""
SMALLEST_HALF_BYTES = 128 * 1024
"""A claim is halved only if each half is worth a request."""

_SHORTEST_CLAIM_S = 0.1
_LONGEST_CLAIM_S = 4.0
_SHARES = 16
"""A claim is at most this fraction of the missing bytes, so that all connections end at about the same
time."""


class Span(NamedTuple):
    """The bytes from `start` up to, but not including, `end`."""

    start: int
    end: int


@dataclass(slots=True, eq=False)
class Claim:
    """Bytes that one connection is fetching. Only its plan changes it; the end may move closer meanwhile."""

    next: int
    """The offset of the next byte; everything before it in the claim has arrived."""
    end: int

    @property
    def rest_bytes(self) -> int:
        """The number of bytes still missing."""
        return self.end - self.next


class Plan:
    """The spans of one file, done, claimed and missing, which never overlap and together are the whole file.

    `size_bytes`: None if the size is not known; then one claim takes everything until `end_at`.
    """

    def __init__(self, size_bytes: int | None, done: Iterable[Span] = ()) -> None:
        self.size_bytes = size_bytes
        self._lock = threading.Lock()
        self._claims: list[Claim] = []
        self._missing = list(_between(done, sys.maxsize if size_bytes is None else size_bytes))

    @property
    def complete(self) -> bool:
        """Whether every byte has arrived."""
        with self._lock:
            return not self._missing and not any(claim.rest_bytes for claim in self._claims)

    @property
    def done(self) -> tuple[Span, ...]:
        """The spans that have arrived, in order."""
        with self._lock:
            return self._done()

    @property
    def received_bytes(self) -> int:
        """The number of bytes that have arrived."""
        with self._lock:
            missing = sum(span.end - span.start for span in self._missing)
            return self._end - missing - sum(claim.rest_bytes for claim in self._claims)

    @property
    def prefix_bytes(self) -> int:
        """The number of bytes that have arrived at the start of the file without a gap."""
        with self._lock:
            claimed = [claim.next for claim in self._claims if claim.rest_bytes]
            return min([self._end, *claimed, *(span.start for span in self._missing[:1])])

    @property
    def first_missing(self) -> int:
        """The offset at which a new connection would begin; the size of the file if nothing is unclaimed."""
        with self._lock:
            return self._missing[0].start if self._missing else self._end

    def claim(self, wanted_bytes: int = FIRST_CLAIM_BYTES) -> Claim | None:
        """The next bytes to fetch, about `wanted_bytes`; None if nothing is left that is worth a request."""
        with self._lock:
            if not self._missing:
                return self._claim_half()
            missing = sum(span.end - span.start for span in self._missing)
            return self._claim_missing(min(wanted_bytes, max(missing // _SHARES, SMALLEST_CLAIM_BYTES)))

    def claim_run(self, most_bytes: int = sys.maxsize) -> Claim | None:
        """Everything from the first missing byte up to the next one that has arrived, but about `most_bytes`
        at most.
        """
        with self._lock:
            return self._claim_missing(most_bytes) if self._missing else None

    def take_over(self, claim: Claim) -> Claim | None:
        """The missing bytes of another connection's claim; None if there are none."""
        with self._lock:
            if claim not in self._claims or not claim.rest_bytes:  # it has just ended
                return None
            end, claim.end = claim.end, claim.next
            return self._new_claim(claim.next, end)

    def advance(self, claim: Claim, count: int) -> None:
        """`count` more bytes of the claim have arrived; those after its end belong to another and do not
        count.
        """
        with self._lock:
            claim.next = min(claim.next + count, claim.end)

    def release(self, claim: Claim) -> None:
        """The connection has ended: the claim's missing bytes can be claimed again."""
        with self._lock:
            self._claims.remove(claim)
            if claim.rest_bytes:
                self._missing = sorted([*self._missing, Span(claim.next, claim.end)])

    def end_at(self, size_bytes: int) -> None:
        """The body has ended, which shows the size: everything before it has arrived."""
        with self._lock:
            self.size_bytes = size_bytes
            self._missing = []
            for claim in self._claims:
                claim.next = claim.end = size_bytes

    @property
    def _end(self) -> int:
        return sys.maxsize if self.size_bytes is None else self.size_bytes

    def _done(self) -> tuple[Span, ...]:
        claimed = [Span(claim.next, claim.end) for claim in self._claims if claim.rest_bytes]
        open_spans = [*self._missing, *claimed]
        return tuple(_between(sorted(open_spans), self._end))

    def _claim_missing(self, wanted_bytes: int) -> Claim:
        start, end = self._missing.pop(0)
        if end - start > wanted_bytes + SMALLEST_CLAIM_BYTES:  # otherwise a small rest is included
            self._missing.insert(0, Span(start + wanted_bytes, end))
            end = start + wanted_bytes
        return self._new_claim(start, end)

    def _claim_half(self) -> Claim | None:
        largest = max(self._claims, key=lambda claim: claim.rest_bytes, default=None)
        if largest is None or largest.rest_bytes < 2 * SMALLEST_HALF_BYTES:
            return None
        middle = largest.next + largest.rest_bytes // 2
        end, largest.end = largest.end, middle
        return self._new_claim(middle, end)

    def _new_claim(self, start: int, end: int) -> Claim:
        claim = Claim(start, end)
        self._claims.append(claim)
        return claim


def claim_bytes(rate_bytes_per_s: float, answer_s: float) -> int:
    """The bytes that a connection with this rate claims at once, if the server takes `answer_s` to answer.

    Just enough that waiting for answers takes one fortieth of the time: large claims end late, and many
    servers send the first second of each answer faster than the rest.
    """
    seconds = min(max(40 * answer_s, _SHORTEST_CLAIM_S), _LONGEST_CLAIM_S)
    return int(min(max(seconds * rate_bytes_per_s, SMALLEST_CLAIM_BYTES), LARGEST_CLAIM_BYTES))


def _between(spans: Iterable[Span], end: int) -> Iterator[Span]:
    """The gaps between these ordered spans, from 0 up to `end`."""
    start = 0
    for span in spans:
        if span.start > start:
            yield Span(start, min(span.start, end))
        start = max(start, span.end)
    if start < end:
        yield Span(start, end)
