from __future__ import annotations

import pytest

from tests.fakes.languages import ENGLISH
from tray_app.ui.presenters.measurement import Measurement, measurement_text, percentile


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.95, 95.0), (1.0, 100.0), (0.0, 1.0)])
def test_a_percentile_is_a_latency_that_occurred(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value


def test_the_percentile_of_one_latency_is_that_latency() -> None:
    assert percentile([3.5], 0.5) == percentile([3.5], 0.95) == 3.5


def test_a_measurement_is_summed_up_with_units() -> None:
    measurement = Measurement((1.0, 2.0, 3.0, 40.0), 0.5)

    assert measurement_text(measurement, ENGLISH) == (
        "4 requests · p50 2.0 ms · p95 40.0 ms · 8.0 embeddings per second"
    )


def test_nothing_measured_is_said() -> None:
    assert measurement_text(Measurement((), 0.1), ENGLISH) == "No request was answered."
