"""The app's own log file. Called once at start by whoever runs the app; every thread may log afterwards.

Nothing secret is ever passed to a logger: no keys, no headers, no request bodies.
"""

from __future__ import annotations

import logging
import logging.handlers
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1_000_000
_KEPT_FILES = 3


def log_to_file(folder: Path) -> logging.Handler:
    """Send the app's log to `folder/app.log`, rotated; the caller closes the returned handler at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        folder / "app.log", maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    logger = logging.getLogger("tray_app")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler
