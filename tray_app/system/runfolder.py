"""A private working folder for each started program, which may leave files there. Any thread.

It is removed when the program has ended; after a crash of this app, by the next start.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from tray_app.system.files import NOT_JSON, private_folder, read_regular

_LEAVINGS = "leavings.json"
_NAME = re.compile(r"^(\d+)-")
_CLOCK_TOLERANCE_S = (
    2.0  # psutil computes start times from the boot time, which changes when the clock is set
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The private folder of one program that this process has started."""

    path: Path

    @classmethod
    def make(cls, parent: Path) -> RunFolder:
        """Make a new folder below `parent`, which is made if it is missing. `OSError`."""
        private_folder(parent)
        return cls(Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent)))

    def remove_too(self, *paths: Path) -> None:
        """Register files elsewhere that are removed with this folder. To be called before they are made."""
        (self.path / _LEAVINGS).write_bytes(msgspec.json.encode([str(path) for path in paths]))

    def remove(self) -> None:
        """Remove everything; files that are still open are left to the next `sweep`."""
        try:
            leavings = msgspec.json.decode(read_regular(self.path / _LEAVINGS), type=list[str])
        except (OSError, *NOT_JSON):  # there are none
            leavings = []
        try:
            for name in leavings:
                Path(name).unlink(missing_ok=True)
        except OSError:  # still open, on Windows
            return
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove the folders below `parent` whose processes have ended."""
    for path in parent.glob("*-*"):
        named = _NAME.match(path.name)
        if named and not _lives(int(named[1]), path):
            RunFolder(path).remove()


def _lives(pid: int, folder: Path) -> bool:
    """Whether the process that made this folder is alive; its id may have been given to another process."""
    try:
        return psutil.Process(pid).create_time() <= folder.stat().st_mtime + _CLOCK_TOLERANCE_S
    except (OSError, psutil.Error):
        return False
