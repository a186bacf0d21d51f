"""How fast the server embeds: what was asked of it, and the numbers that sum up the answers. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.ui.presenters import Translate


@dataclass(frozen=True, slots=True)
class Workload:
    """How many requests, and how many of them at the same time."""

    requests: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """The latency of every answered request, and the time that all of them took together."""

    latencies_ms: tuple[float, ...]
    elapsed_s: float


def percentile(latencies_ms: Sequence[float], share: float) -> float:
    """The latency that `share` (0 to 1) of the requests did not exceed, by the nearest rank."""
    ordered = sorted(latencies_ms)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measurement_text(measurement: Measurement, tr: Translate) -> str:
    """`100 requests · p50 3.4 ms · p95 8.2 ms · 120 embeddings per second`."""
    latencies_ms = measurement.latencies_ms
    if not latencies_ms:
        return tr("No request was answered.")
    rate = len(latencies_ms) / max(measurement.elapsed_s, 1e-9)
    parts = [
        tr.count("{count} request", "{count} requests", len(latencies_ms)),
        tr("p50 {ms} ms").format(ms=tr.number(percentile(latencies_ms, 0.5), 1)),
        tr("p95 {ms} ms").format(ms=tr.number(percentile(latencies_ms, 0.95), 1)),
        tr("{rate} embeddings per second").format(rate=tr.number(rate, 1)),
    ]
    return " · ".join(parts)
