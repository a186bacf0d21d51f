"""A lock that only one program at a time can have, such as the right to be this person's tray app.

Any thread.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tray_app.errors import AppError
from tray_app.system.files import PRIVATE, private_folder, unwritable

if TYPE_CHECKING:
    from pathlib import Path


class SingleInstanceLock:
    """A role that one program at a time has, of all that share a state folder. `AppError` if the folder
    cannot be written to.

    The system releases it when the program ends in any way. The file of the lock stays; its existence has no
    meaning.
    """

    def __init__(self, state_dir: Path, name: str) -> None:
        try:
            private_folder(state_dir)
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        self._path = state_dir / f"{name}.lock"
        self._lock = FileLock(self._path, thread_local=False, mode=PRIVATE)

    def acquire(self, timeout_s: float = 0) -> bool:
        """Take the role; False if another program keeps it for the whole time."""
        try:
            self._lock.acquire(timeout=timeout_s)
        except Timeout:
            return False
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        with suppress(OSError):  # an earlier version made it readable for all, who then could hold it
            self._path.chmod(PRIVATE)
        return True

    def release(self) -> None:
        """Give the role up; nothing happens if this program does not have it."""
        self._lock.release(force=True)
