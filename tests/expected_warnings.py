"""A warning that the app logs in a test, and that the test does not expect, is a failure of that test."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "warns"
_APP = "tray_app"


class WarningCollector(logging.Handler):
    """What the app has logged that somebody should look at."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")


def unexpected(lines: list[str], patterns: list[str]) -> list[str]:
    """The lines in which none of these patterns is found."""
    return [line for line in lines if not any(re.search(pattern, line) for pattern in patterns)]


@pytest.fixture(autouse=True)
def no_unexpected_warning(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which the app warns of what `@pytest.mark.warns("a pattern", …)` does not name.

    A pattern that is named need not come: some warnings depend on how fast threads are.
    """
    patterns = [pattern for mark in request.node.iter_markers(MARKER) for pattern in mark.args]
    collector, logger = WarningCollector(), logging.getLogger(_APP)
    logger.addHandler(collector)
    yield
    logger.removeHandler(collector)
    left = unexpected(collector.lines, patterns)
    if left:
        pytest.fail("logged, and not expected: " + "; ".join(left), pytrace=False)
