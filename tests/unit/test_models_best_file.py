"""Which quantization is the best one for a machine."""

from __future__ import annotations

import pytest

from tray_app.models.best_file import JudgedQuantization, best_file
from tray_app.models.header import ModelHeader, Pooling
from tray_app.models.hub import HubFile, HubQuantization
from tray_app.models.memory import Fit

LARGE = ModelHeader(sparse=False, architecture="llama", parameters=8_000_000_000)
SMALL = ModelHeader(sparse=False, architecture="llama", parameters=600_000_000)
VECTORS = ModelHeader(sparse=False, architecture="qwen3", parameters=8_000_000_000, pooling=Pooling.LAST)
# Sizes in GB of a model with 8 billion weights, as publishers have them.
SIZES = {
    "Q2_K": 3.2,
    "Q3_K_M": 4.0,
    "IQ4_XS": 4.4,
    "Q4_0": 4.7,
    "Q4_K_S": 4.7,
    "Q4_K_M": 4.9,
    "UD-Q4_K_XL": 5.1,
    "Q5_K_M": 5.7,
    "Q6_K": 6.6,
    "Q8_0": 8.5,
    "UD-Q8_K_XL": 10.8,
    "F16": 16.1,
}


def judged(*labels: str, room: float = 100.0) -> list[JudgedQuantization]:
    """Quantizations of one model on a machine with so many GB; the last fifth of it is tight."""

    def fit(size: float) -> Fit:
        return Fit.TOO_LARGE if size > room else Fit.TIGHT if size > 0.8 * room else Fit.FITS

    return [
        JudgedQuantization(
            HubQuantization((HubFile(f"m-{label}.gguf", int(SIZES.get(label, 4.5) * 1e9)),)),
            fit(SIZES.get(label, 4.5)),
        )
        for label in labels
    ]


@pytest.mark.parametrize(
    ("header", "room", "label", "reason"),
    [
        (LARGE, 100.0, "Q4_K_M", "twice as fast"),
        (LARGE, 5.95, "Q4_0", "twice as fast"),
        (LARGE, 5.4, "Q3_K_M", "only 3 bits per weight, answers get worse"),
        (LARGE, 3.5, "Q2_K", "little memory"),
        (SMALL, 100.0, "Q8_0", "small"),
        (SMALL, 9.0, "Q6_K", "6 bits"),
        (VECTORS, 100.0, "Q8_0", "nearly exact"),
    ],
)
def test_the_best_is_what_loses_little_fits_and_is_fast(
    header: ModelHeader, room: float, label: str, reason: str
) -> None:
    labels = [each for each in SIZES if each not in {"IQ4_XS", "Q4_K_S"}]
    best = best_file(judged(*labels, room=room), header)
    assert best
    assert (best.quantization.label, reason in str(best.reason)) == (label, True), best.reason


def test_nothing_is_the_best_where_nothing_fits() -> None:
    assert best_file(judged(*SIZES, room=3.0), LARGE) is None
    assert best_file([], LARGE) is None


def test_what_fits_well_goes_before_what_is_tight() -> None:
    best = best_file(judged("Q8_0", "Q6_K", room=9.0), SMALL)
    assert best
    assert (best.quantization.label, best.fit) == ("Q6_K", Fit.FITS)


@pytest.mark.parametrize(
    ("labels", "label"),
    [
        (("Q4_0_4_4", "Q4_0"), "Q4_0"),
        (("MXFP4", "F16"), "MXFP4"),
        (("Q3_K_M", "F16"), "F16"),
        (("BANANA", "Q2_K"), "Q2_K"),
        (("BANANA",), ""),
        (("UD-Q4_K_XL", "Q4_K_S", "IQ4_XS"), "UD-Q4_K_XL"),
    ],
)
def test_of_unusual_ones_the_usual_one_is_taken(labels: tuple[str, ...], label: str) -> None:
    best = best_file(judged(*labels), LARGE)
    assert best
    assert best.quantization.label == label


def test_the_order_in_which_they_are_listed_makes_no_difference() -> None:
    forward, backward = (best_file(judged(*labels), LARGE) for labels in (SIZES, reversed(SIZES)))
    assert forward
    assert backward
    assert forward.quantization == backward.quantization
