"""Whether an app runs for this person, and the file that says where it can be spoken to. Any thread.

An app that runs holds a lock, which the system frees when it ends, however it does. The file stays if the app
was killed, so it is believed only while the lock is held.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from tray_app.errors import AppError
from tray_app.system.files import NOT_JSON, read_regular, unwritable, write_atomically
from tray_app.system.single_instance import SingleInstanceLock

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "control.json"
_ROLE = "control"
_MOST_BYTES = 4096
"""Of the file, which has about 100."""
_MOST_PID = 2**31 - 1


class ControlFile(msgspec.Struct, frozen=True):
    """Where a running app can be spoken to, and the secret by which both know each other."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    token: str
    pid: Annotated[int, Meta(ge=1, le=_MOST_PID)]


class ControlPlace:
    """The lock and the file of one person, as the app that runs has them."""

    def __init__(self, state_dir: Path) -> None:
        """`AppError` if the folder cannot be written."""
        self.secret = secrets.token_urlsafe(32)
        self._path = state_dir / FILE_NAME
        self._lock = SingleInstanceLock(state_dir, _ROLE)

    def acquire(self) -> bool:
        """Take the lock; False if another program has it. `AppError` if its file cannot be written."""
        return self._lock.acquire()

    def tell(self, port: int) -> None:
        """Write the file, with the port that the app listens on. `AppError` if that fails."""
        content = msgspec.json.encode(ControlFile(port, self.secret, os.getpid()))
        _forget(self._path)
        try:
            write_atomically(self._path, content)
        except OSError as exc:
            raise unwritable(OSError(exc.errno, exc.strerror, str(self._path)), AppError) from exc

    def forget(self) -> None:
        """Remove the file."""
        _forget(self._path)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


def read_control_file(state_dir: Path) -> ControlFile | None:
    """What the file says; None if there is none, or it is none of ours."""
    try:
        return msgspec.json.decode(read_regular(state_dir / FILE_NAME, _MOST_BYTES), type=ControlFile)
    except (OSError, *NOT_JSON):
        return None


def nobody_runs(state_dir: Path, wait_s: float = 0.0) -> bool:
    """Whether no app has the lock, or gives it back within `wait_s`; a file that it has left is then removed.

    `AppError` if the lock cannot be asked: it is another user's.
    """
    path = state_dir / FILE_NAME
    if not any(map(os.path.lexists, (path, lock_path(state_dir)))):  # nothing is made only to look
        return True
    lock = SingleInstanceLock(state_dir, _ROLE)
    if not lock.acquire(wait_s):
        return False
    _forget(path)
    lock.release()
    return True


def lock_path(state_dir: Path) -> Path:
    """The file of the lock."""
    return state_dir / f"{_ROLE}.lock"


def _forget(path: Path) -> None:
    """Remove what is in the file's place; a folder only if there is nothing in it."""
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        path.rmdir()
