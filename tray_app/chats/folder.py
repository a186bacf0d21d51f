"""The files of conversations: what they are called, how they are read and written. Any thread; blocks."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from filelock import Timeout

from tray_app.chats.lines import from_lines
from tray_app.chats.problems import cannot_save, not_found
from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.file_lock import locked
from tray_app.system.files import private_folder, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tray_app.chats.lines import Reading

SUFFIX = ".jsonl"
_BROKEN = ".broken"
_COPY = re.compile(rf"(.+{re.escape(SUFFIX)}){re.escape(_BROKEN)}(?:-\d+)?", re.DOTALL)
_LOCK = ".lock"
_LOCK_TIMEOUT_S = 10.0
"""So long another program may write."""
MOST_BYTES = 64 * 2**20
"""Of one conversation, with its pictures. Half of it is more than the server takes at once."""


class State(NamedTuple):
    """Tells one content of a file from another."""

    changed_ns: int
    size_bytes: int
    number: int
    """That of the file in its file system."""


class ChatFolder:
    """The files at `path`, which need not be there before one is written. One program writes at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def path_of(self, conversation_id: str) -> Path:
        """The file of a conversation. `AppError` for what can be no name of a file in this folder."""
        if not conversation_id or conversation_id.startswith(".") or set(conversation_id) & set("/\\:\0"):
            raise not_found(conversation_id)
        return self.path / f"{conversation_id}{SUFFIX}"

    def files(self, wanted: Callable[[str], object]) -> list[Path]:
        """The files in the folder whose names are wanted; none if there is no folder."""
        try:
            return [path for path in self.path.iterdir() if wanted(path.name) and path.name[0] != "."]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise AppError(
                ErrorCode.FILE_UNREADABLE,
                "The conversations cannot be read",
                phrase("{path}: {reason}", path=self.path, reason=exc.strerror or exc),
                "Check the permissions of this folder.",
            ) from exc

    def read(self, path: Path) -> tuple[State, bytes, Reading]:
        """The state and content of a file, and what it says. `AppError` if it cannot be read."""
        there = self.there(path)
        if there is None:
            raise not_found(path.name.removesuffix(SUFFIX))
        return there

    def there(self, path: Path) -> tuple[State, bytes, Reading] | None:
        """As `read`; None if there is no file."""
        try:
            state = state_of(path)
            content = read_regular(path, MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise AppError(
                ErrorCode.CONVERSATION_DAMAGED,
                phrase("{name} cannot be read", name=path.name),
                phrase("{path}: {reason}", path=path, reason=exc.strerror or exc),
                "The file stays as it is. Check that it is an ordinary file and that you may read it.",
            ) from exc
        return state, content, from_lines(content, path.name.removesuffix(SUFFIX), state.changed_ns / 1e9)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes to the folder. `AppError`, also for an `OSError` within."""
        try:
            private_folder(self.path)
            with locked(self.path / _LOCK, _LOCK_TIMEOUT_S):
                self._clear()
                yield
        except Timeout as exc:
            raise cannot_save(
                "Another program has been writing conversations for ten seconds.", "Try again."
            ) from exc
        except OSError as exc:
            raise cannot_save(
                phrase("{path}: {reason}", path=exc.filename or self.path, reason=exc.strerror or exc),
                "Check the permissions of this folder and the free space on its disk.",
            ) from exc

    def _clear(self) -> None:
        """Delete what writers have left that were ended in the middle: nobody else writes now."""
        for path in self.path.glob(f".*{SUFFIX}.*"):
            with suppress(OSError):
                path.unlink()

    def keep_copy(self, path: Path, content: bytes) -> None:
        """Keep the content of a file beside it, unless there is such a copy already. `OSError`."""
        number = 1
        while True:
            copy = path.with_name(f"{path.name}{_BROKEN}{f'-{number}' if number > 1 else ''}")
            try:
                if read_regular(copy, MOST_BYTES) == content:
                    return
            except OSError:  # there is none, or something else has its name, or one that may not be read
                if not os.path.lexists(copy):
                    write_atomically(copy, content)
                    return
            number += 1

    def free_id(self, conversation_id: str) -> str:
        """An id that no conversation has, made of this one."""
        number = 2
        while self.path_of(f"{conversation_id}-{number}").exists():
            number += 1
        return f"{conversation_id}-{number}"


def original_of(name: str) -> str | None:
    """The name of the file of which a file of this name is a copy; None if it is none."""
    found = _COPY.fullmatch(name)
    return found[1] if found else None


def state_of(path: Path) -> State:
    """The state of a file. `OSError`."""
    info = path.stat()
    return State(info.st_mtime_ns, info.st_size, info.st_ino)


def state_or_none(path: Path) -> State | None:
    """As `state_of`; None if there is no file, or it cannot be looked at."""
    try:
        return state_of(path)
    except OSError:
        return None
