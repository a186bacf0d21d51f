"""The app's own log file. Opened once by whoever runs the app; every thread may log.

Nothing secret is ever passed to a logger: no keys, no headers, no request bodies.
"""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from tray_app.errors import AppError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1_000_000
_KEPT_FILES = 3
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class AppLog:
    """Sends what the app logs to `folder/app.log`, rotated, until it is closed.

    `AppError` if the folder cannot be written: then nothing else of the app could be kept either.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handler = RotatingFileHandler(
                folder / "app.log", maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8"
            )
        except OSError as exc:
            raise AppError(
                "The app's folder cannot be written",
                str(exc),
                "Check the rights of this folder, or name another with POWERINFER_TRAY_HOME.",
            ) from exc
        self._handler.setFormatter(logging.Formatter(_FORMAT))
        self._logger = logging.getLogger("tray_app")
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.INFO)

    def close(self) -> None:
        """Write nothing more."""
        self._logger.removeHandler(self._handler)
        self._handler.close()
