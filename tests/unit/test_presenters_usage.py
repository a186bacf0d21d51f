from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.languages import ENGLISH
from tray_app.engine.resource_usage import ResourceUsage
from tray_app.gateway.counters import Traffic
from tray_app.ui.presenters.usage import (
    SPAN_S,
    Quantity,
    UsageSample,
    extended,
    is_asked,
    peak,
    peak_text,
    quantity_text,
    series,
    shown_quantities,
)

USAGE = ResourceUsage(pids=(7,), at_s=100, cpu_s=10, memory_bytes=4_000_000_000, graphics_bytes=None)
FIRST = UsageSample(100, USAGE, Traffic(requests=5, prompt_tokens=10, completion_tokens=2))


def after(seconds: float, **usage: object) -> UsageSample:
    changed = replace(USAGE, at_s=100 + seconds, **usage)  # type: ignore[arg-type]
    return UsageSample(100 + seconds, changed, Traffic(requests=9, prompt_tokens=30, completion_tokens=12))


def values(quantity: Quantity, *samples: UsageSample) -> list[float | None]:
    return [point.value for point in series(samples, quantity)]


def test_counters_become_rates_and_memory_stays_what_it_is() -> None:
    samples = (FIRST, after(2, cpu_s=13))

    assert values(Quantity.CPU, *samples) == [1.5]
    assert values(Quantity.REQUESTS, *samples) == [2]
    assert values(Quantity.TOKENS, *samples) == [15]
    assert values(Quantity.MEMORY, *samples) == [4_000_000_000]


def test_another_process_begins_a_new_count() -> None:
    assert values(Quantity.CPU, FIRST, after(2, pids=(8,), cpu_s=1)) == [None]


def test_without_an_engine_there_is_a_gap() -> None:
    nothing = replace(FIRST, at_s=102, usage=None)

    assert values(Quantity.MEMORY, FIRST, nothing) == [None]
    assert values(Quantity.CPU, FIRST, nothing) == [None]
    assert values(Quantity.REQUESTS, FIRST, nothing) == [0]


def test_a_time_in_which_nobody_looked_gives_no_rate() -> None:
    assert values(Quantity.REQUESTS, FIRST, after(30)) == [None]


def test_two_minutes_are_kept() -> None:
    samples: tuple[UsageSample, ...] = ()
    for second in range(200):
        samples = extended(samples, replace(FIRST, at_s=second))

    assert samples[0].at_s == 199 - SPAN_S
    assert series(samples, Quantity.MEMORY)[-1].age_s == 0


def test_graphics_memory_is_shown_where_it_is_known() -> None:
    assert Quantity.GRAPHICS not in shown_quantities((FIRST,))
    assert Quantity.GRAPHICS in shown_quantities((FIRST, after(1, graphics_bytes=0)))


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        (Quantity.MEMORY, 4_680_000_000, "4.4 GiB"),
        (Quantity.CPU, 1.52, "1.5 cores"),
        (Quantity.TOKENS, 38.16, "38.2/s"),
        (Quantity.REQUESTS, None, "—"),
    ],
)
def test_values_have_units(quantity: Quantity, value: float | None, text: str) -> None:
    assert quantity_text(quantity, value, ENGLISH) == text


def test_the_largest_value_is_told_in_words() -> None:
    points = series((FIRST, after(1, memory_bytes=5_000_000_000), after(2)), Quantity.MEMORY)

    assert peak(points) == 5_000_000_000
    assert peak_text(Quantity.MEMORY, points, ENGLISH) == "peak 4.7 GiB"
    assert peak(()) is None
    assert peak_text(Quantity.MEMORY, (), ENGLISH) == ""


def test_somebody_asks_while_requests_are_counted_or_under_way() -> None:
    quiet = replace(FIRST, at_s=130)
    asked = replace(after(31), at_s=131)

    assert not is_asked((FIRST, quiet))
    assert is_asked((FIRST, quiet, asked))
    assert not is_asked((FIRST, asked, replace(asked, at_s=150)), within_s=10)
    assert is_asked((replace(FIRST, traffic=replace(FIRST.traffic, active=1)),))
