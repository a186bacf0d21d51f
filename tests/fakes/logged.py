"""A way to wait for what the app logs, where that is the only sign of what it has done."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DEADLINE_S = 20


class Logged(logging.Handler):
    """Hears of one text in what `tray_app` logs."""

    def __init__(self, text: str) -> None:
        super().__init__(logging.DEBUG)
        self._text = text
        self._heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self._heard.set()

    def wait(self) -> None:
        """Until the text has been logged."""
        assert self._heard.wait(DEADLINE_S), f"not logged: {self._text}"


@contextmanager
def logged(text: str) -> Iterator[Logged]:
    """Listen for this text from now on."""
    handler, logger = Logged(text), logging.getLogger("tray_app")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
