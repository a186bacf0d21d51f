"""Sees to it that only one program at a time has a role, such as being this person's tray app. Any thread."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tray_app.errors import AppError
from tray_app.system.files import PRIVATE, private_folder, unwritable

if TYPE_CHECKING:
    from pathlib import Path


class SingleInstanceLock:
    """What one program of those that share a state folder can be. `AppError` if that cannot be written.

    The system frees the role of a program that has ended, however it did. Its file stays, and says nothing.
    """

    def __init__(self, state_dir: Path, name: str) -> None:
        try:
            private_folder(state_dir)
        except OSError as exc:
            raise unwritable(exc, AppError) from exc
        self._path = state_dir / f"{name}.lock"
        self._lock = FileLock(self._path, thread_local=False, mode=PRIVATE)

    def acquire(self, timeout_s: float = 0) -> bool:
        """Have the role from now on; False if another program has it all this time."""
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
        """Let others have it; nothing if we do not."""
        self._lock.release(force=True)
