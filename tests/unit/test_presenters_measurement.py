from __future__ import annotations

import pytest

from tests.fakes.languages import ENGLISH
from tray_app.gateway.counters import Counters, percentile
from tray_app.ui.presenters.measurement import Measurement, measurement_text


def test_measure_says_the_same_of_latencies_as_the_counters_for_metrics() -> None:
    counters, latencies_ms = Counters(lambda: 0.0), [float(number) for number in range(100, 0, -1)]
    for latency_ms in latencies_ms:
        counters.end(began_s=-latency_ms / 1000, status=200)
    counted = counters.snapshot()

    assert counted.latency_p50_ms == pytest.approx(50.5)
    assert counted.latency_p95_ms == pytest.approx(95.05)
    said = measurement_text(Measurement(tuple(latencies_ms), 1.0), ENGLISH)
    assert "p50 50.5 ms · p95 95.0 ms" in said


def test_the_percentile_of_one_latency_is_that_latency() -> None:
    assert percentile([3.5], 50) == percentile([3.5], 95) == 3.5


def test_a_measurement_is_summed_up_with_units() -> None:
    measurement = Measurement((1.0, 2.0, 3.0, 40.0), 0.5)

    assert measurement_text(measurement, ENGLISH) == (
        "4 requests · p50 2.5 ms · p95 34.5 ms · 8.0 embeddings per second"
    )


def test_nothing_measured_is_said() -> None:
    assert measurement_text(Measurement((), 0.1), ENGLISH) == "No request was answered."
