from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.app import make_progress
from tests.fakes.languages import ENGLISH
from tray_app.download.progress import Phase
from tray_app.errors import DownloadError, ErrorCode
from tray_app.models.fit_text import memory_text
from tray_app.ui.presenters.formatting import (
    duration_text,
    permille,
    progress_text,
    rate_text,
    remaining_text,
    size_text,
)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (383_040, "383 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (12_345_678, "12.3 MB"),
        (99_950_000, "100 MB"),
        (4_680_000_000, "4.68 GB"),
        (999_600_000_000, "1.00 TB"),
        (16_000_000_000_000, "16.0 TB"),
    ],
)
def test_a_size_has_three_digits_that_count_and_a_decimal_unit(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes, ENGLISH) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 MiB"), (50_000_000, "48 MiB"), (1_073_741_823, "1024 MiB"), (4_700_000_000, "4.4 GiB")],
)
def test_memory_has_binary_units_as_it_is_sold(size_bytes: int, text: str) -> None:
    assert memory_text(size_bytes, ENGLISH) == text


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (-3, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 min"),
        (3 * 3600 + 59, "3 h 0 min"),
        (26 * 3600, "1 d 2 h"),
    ],
)
def test_a_duration_has_two_units_at_most(duration_s: float, text: str) -> None:
    assert duration_text(duration_s, ENGLISH) == text


def test_a_rate_is_a_size_for_each_second() -> None:
    assert rate_text(12_300_000, ENGLISH) == "12.3 MB/s"


@pytest.mark.parametrize(
    ("remaining_s", "text"),
    [
        (0.2, "1 s left"),
        (41.6, "42 s left"),
        (60, "1 min left"),
        (179, "3 min left"),
        (3570, "1 h 0 min left"),
        (7500, "2 h 5 min left"),
    ],
)
def test_the_time_left_is_rounded_to_what_can_be_said(remaining_s: float, text: str) -> None:
    assert remaining_text(remaining_s, ENGLISH) == text


@pytest.mark.parametrize(
    ("received_bytes", "total_bytes", "expected"),
    [
        (0, 10, 0),
        (2_012_400_000, 4_680_000_000, 430),
        (4_680_000_000, 4_680_000_000, 1000),
        (11, 10, 1000),
        (5, None, None),
        (0, 0, None),
        (2**40, 2**41, 500),
    ],
)
def test_a_bar_is_filled_in_permille(
    received_bytes: int, total_bytes: int | None, expected: int | None
) -> None:
    assert permille(make_progress(received_bytes=received_bytes, total_bytes=total_bytes)) == expected


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (Phase.WAITING, "Waiting"),
        (Phase.CONNECTING, "Connecting …"),
        (Phase.DOWNLOADING, "43 % · 12.3 MB/s · 3 min left"),
        (Phase.VERIFYING, "Checking …"),
        (Phase.PAUSED, "Paused at 43 %"),
        (Phase.CANCELLED, "Canceled at 43 %"),
        (Phase.FAILED, "Failed: The host cannot be reached"),
        (Phase.DONE, "Downloaded"),
    ],
)
def test_every_phase_of_a_download_has_its_words(phase: Phase, text: str) -> None:
    error = DownloadError(ErrorCode.SOURCE_UNREACHABLE, "The host cannot be reached")

    assert progress_text(make_progress(phase, error=error), ENGLISH) == text


def test_a_download_of_unknown_size_tells_how_much_is_here() -> None:
    unknown = replace(make_progress(total_bytes=None), remaining_s=None)

    assert progress_text(unknown, ENGLISH) == "2.01 GB · 12.3 MB/s"


def test_a_download_that_has_only_begun_promises_nothing() -> None:
    begun = replace(make_progress(), rate_bytes_per_s=0, remaining_s=None)

    assert progress_text(begun, ENGLISH) == "43 %"
