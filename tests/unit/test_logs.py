from __future__ import annotations

import logging
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tray_app.errors import AppError, ErrorCode
from tray_app.system.logs import AppLog, Lines

if TYPE_CHECKING:
    from pathlib import Path


def texts(lines: Lines, count: int = 0) -> list[str]:
    return [line.text for line in lines.since(count)]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    with pytest.raises(AppError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        AppLog(tmp_path / "logs")


def test_only_the_last_lines_are_kept_and_all_are_counted() -> None:
    lines = Lines(kept=3)
    for number in range(5):
        lines.add(str(number))

    assert lines.count == 5
    assert texts(lines) == ["2", "3", "4"]
    assert texts(lines, 4) == ["4"]
    assert texts(lines, 5) == texts(lines, 9) == []


@pytest.mark.parametrize("letter", ["x", "語"])
def test_long_lines_are_cut_and_fewer_of_them_are_kept(letter: str) -> None:
    lines = Lines(kept=100_000, kept_bytes=1_000_000)
    tracemalloc.start()
    for _ in range(200):
        lines.extend([letter * 16_384] * 10)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert lines.count == 2_000
    assert 100 < len(texts(lines)) < 600
    assert {len(text) for text in texts(lines)} == {2_002}
    assert held < 1_100_000


def test_many_lines_are_taken_in_pieces_and_those_that_are_gone_are_skipped() -> None:
    lines = Lines(kept=5)
    for number in range(8):
        lines.add(str(number))

    first = lines.after(0, 3)
    rest = lines.after(first.end, 3)

    assert [line.text for line in first.lines] == ["3", "4", "5"]
    assert [line.text for line in rest.lines] == ["6", "7"]
    assert lines.after(rest.end, 3) == (8, ())


@pytest.mark.warns("broken")
def test_what_the_app_logs_is_in_memory_with_its_level_until_it_is_closed(tmp_path: Path) -> None:
    log = AppLog(tmp_path)
    logger = logging.getLogger("tray_app.test")
    logger.info("fine")
    logger.error("broken", exc_info=ValueError("no"))
    log.close()
    logger.info("unheard")

    found = log.lines.since(0)
    assert (found[0].level, found[0].text) == (logging.INFO, "fine")
    assert (found[1].level, found[1].text) == (logging.ERROR, "broken")
    assert found[-1].text == "  ValueError: no"
    assert "unheard" not in texts(log.lines)
