"""What engines and clients use over time, as numbers for charts and as words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from tray_app.models.fit_text import memory_text

if TYPE_CHECKING:
    from tray_app.engine.resource_usage import ResourceUsage
    from tray_app.gateway.counters import Traffic
    from tray_app.phrases import Translate

SPAN_S = 120.0
"""The time for which samples are kept."""
_LONGEST_STEP_S = 10.0
"""Between samples further apart, nothing was measured."""


class Quantity(StrEnum):
    """The quantities that are shown over time."""

    MEMORY = "memory"
    CPU = "cpu"
    GRAPHICS = "graphics"
    REQUESTS = "requests"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class UsageSample:
    """Engines and clients at one moment."""

    at_s: float
    """As `time.monotonic`."""
    usage: ResourceUsage | None
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a series; None where it is not known."""

    age_s: float
    value: float | None


def extended(samples: tuple[UsageSample, ...], newest: UsageSample) -> tuple[UsageSample, ...]:
    """The samples of the last two minutes, with one more at the end."""
    return (*(sample for sample in samples if newest.at_s - sample.at_s <= SPAN_S), newest)


def series(samples: tuple[UsageSample, ...], quantity: Quantity) -> tuple[Point, ...]:
    """A quantity over time, oldest first: bytes, cores, requests or tokens per second."""
    return tuple(
        Point(samples[-1].at_s - now.at_s, _value(before, now, quantity)) for before, now in pairwise(samples)
    )


def is_asked(samples: tuple[UsageSample, ...], within_s: float = SPAN_S) -> bool:
    """Whether there were requests within the last `within_s`, or are now. `samples` are not empty."""
    newest = samples[-1]
    then = next(each for each in samples if newest.at_s - each.at_s <= within_s)
    return newest.traffic.active > 0 or newest.traffic.requests != then.traffic.requests


def shown_quantities(samples: tuple[UsageSample, ...]) -> tuple[Quantity, ...]:
    """The quantities that can be measured on this computer."""
    known = any(sample.usage and sample.usage.graphics_bytes is not None for sample in samples)
    return tuple(quantity for quantity in Quantity if known or quantity is not Quantity.GRAPHICS)


def quantity_title(quantity: Quantity, tr: Translate) -> str:
    """The heading of a chart."""
    return {
        Quantity.MEMORY: tr("Memory"),
        Quantity.CPU: tr("Processor"),
        Quantity.GRAPHICS: tr("Graphics memory"),
        Quantity.REQUESTS: tr("Requests"),
        Quantity.TOKENS: tr("Tokens"),
    }[quantity]


def quantity_text(quantity: Quantity, value: float | None, tr: Translate) -> str:
    """A value with its unit; a dash where there is none."""
    if value is None:
        return "—"
    match quantity:
        case Quantity.MEMORY | Quantity.GRAPHICS:
            return memory_text(value, tr)
        case Quantity.CPU:
            return tr("{cores} cores").format(cores=tr.number(value, 1))
        case Quantity.REQUESTS | Quantity.TOKENS:
            return tr("{number}/s").format(number=tr.number(value, 1))


def peak(points: tuple[Point, ...]) -> float | None:
    """The largest value; None if there is none."""
    return max((point.value for point in points if point.value is not None), default=None)


def peak_text(quantity: Quantity, points: tuple[Point, ...], tr: Translate) -> str:
    """The largest value of the chart in words; empty while there is none."""
    most = peak(points)
    return tr("peak {value}").format(value=quantity_text(quantity, most, tr)) if most else ""


def _value(before: UsageSample, now: UsageSample, quantity: Quantity) -> float | None:
    match quantity:
        case Quantity.MEMORY:
            return now.usage.memory_bytes if now.usage else None
        case Quantity.GRAPHICS:
            return now.usage.graphics_bytes if now.usage else None
        case Quantity.CPU:
            return _cores(before.usage, now.usage)
        case Quantity.REQUESTS:
            return _rate(now.traffic.requests - before.traffic.requests, now.at_s - before.at_s)
        case Quantity.TOKENS:
            return _rate(_tokens(now.traffic) - _tokens(before.traffic), now.at_s - before.at_s)


def _cores(before: ResourceUsage | None, now: ResourceUsage | None) -> float | None:
    if before is None or now is None or before.pids != now.pids:
        return None
    return _rate(now.cpu_s - before.cpu_s, now.at_s - before.at_s)


def _rate(amount: float, elapsed_s: float) -> float | None:
    return max(0.0, amount / elapsed_s) if 0 < elapsed_s <= _LONGEST_STEP_S else None


def _tokens(traffic: Traffic) -> int:
    return traffic.prompt_tokens + traffic.completion_tokens
