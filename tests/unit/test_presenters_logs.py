from __future__ import annotations

import logging

import pytest

from tests.fakes.languages import ENGLISH
from tray_app.system.logs import LogLine
from tray_app.ui.presenters.logs import (
    LogFilter,
    LogRow,
    LogSource,
    Severity,
    copied_rows,
    count_text,
    log_rows,
    severity_of,
    time_text,
)

ROWS = [
    LogRow(1.0, LogSource.APP, Severity.NORMAL, "Listening"),
    LogRow(2.0, LogSource.ENGINE, Severity.WARNING, "warning: Straße"),
    LogRow(3.0, LogSource.ENGINE, Severity.ERROR, "error: no memory"),
]


def test_both_logs_are_one_by_the_time_at_which_their_lines_came() -> None:
    app = (LogLine(1.0, logging.INFO, "a"), LogLine(4.0, logging.INFO, "d"))
    engine = (LogLine(2.0, logging.NOTSET, "b"), LogLine(3.0, logging.NOTSET, "c"))

    rows = log_rows(app, engine)

    assert [row.text for row in rows] == ["a", "b", "c", "d"]
    assert [row.source for row in rows] == [LogSource.APP, LogSource.ENGINE, LogSource.ENGINE, LogSource.APP]


@pytest.mark.parametrize(
    ("level", "text", "severity"),
    [
        (logging.INFO, "an error was mended", Severity.NORMAL),
        (logging.WARNING, "hm", Severity.WARNING),
        (logging.ERROR, "no", Severity.ERROR),
        (logging.NOTSET, "llama_model_load: error loading model", Severity.ERROR),
        (logging.NOTSET, "failed to allocate", Severity.ERROR),
        (logging.NOTSET, "WARNING: slow", Severity.WARNING),
        (logging.NOTSET, "n_errors_total 0", Severity.NORMAL),
    ],
)
def test_how_much_a_line_matters_is_what_its_author_said_else_its_words(
    level: int, text: str, severity: Severity
) -> None:
    assert severity_of(LogLine(0.0, level, text)) is severity


@pytest.mark.parametrize(
    ("log_filter", "times"),
    [
        (LogFilter(), [1.0, 2.0, 3.0]),
        (LogFilter(text="STRASSE"), [2.0]),
        (LogFilter(least=Severity.WARNING), [2.0, 3.0]),
        (LogFilter(least=Severity.ERROR, text="memory"), [3.0]),
        (LogFilter(source=LogSource.APP), [1.0]),
    ],
)
def test_a_filter_lets_through_what_was_asked_for(log_filter: LogFilter, times: list[float]) -> None:
    assert [row.at_s for row in log_filter.passes(ROWS)] == times


def test_copied_lines_carry_time_and_origin() -> None:
    assert copied_rows(ROWS[:2]).splitlines() == [
        f"{time_text(1.0)} app Listening",
        f"{time_text(2.0)} engine warning: Straße",
    ]


def test_a_time_has_milliseconds() -> None:
    assert time_text(1.0417).endswith(":01.041")


def test_how_many_lines_there_are_is_told_with_what_the_filter_leaves() -> None:
    assert count_text(3, 3, ENGLISH) == "3 lines"
    assert count_text(1, 1, ENGLISH) == "1 line"
    assert count_text(1, 3, ENGLISH) == "1 of 3 lines"
