"""The engines that were offered and are not wanted now, kept in a file. GUI thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from tray_app.system.files import read_regular, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


class PutOff:
    """The ids of builds that are offered no more. They are few, and so is what is read and written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._ids = msgspec.json.decode(read_regular(path), type=set[str])
        except (OSError, msgspec.MsgspecError):  # of a first start, or not written by us: then it is offered
            self._ids = set()

    def __contains__(self, build_id: str) -> bool:
        return build_id in self._ids

    def add(self, build_id: str) -> None:
        """Offer this build no more, if possible not after the next start of the app either."""
        self._ids.add(build_id)
        try:
            write_atomically(self._path, msgspec.json.encode(sorted(self._ids)))
        except OSError as exc:
            _log.info("%s could not be written: %s", self._path.name, exc)
