"""Keeps conversations, each in a file of its own that a person can read, edit and delete. Any thread; blocks.

Nothing that anybody has written is ever lost: a file is replaced as a whole or not at all; one with something
in it that this app does not understand is kept beside the new one; and what another program has saved
meanwhile becomes a conversation of its own.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from filelock import Timeout

from tray_app.chats.conversation import Conversation, Summary, title_of
from tray_app.chats.exports import as_json, as_markdown
from tray_app.chats.finding import find, folded_words
from tray_app.chats.lines import from_lines, kept_time, to_lines
from tray_app.errors import AppError, ErrorCode
from tray_app.models.removal import to_trash
from tray_app.phrases import one_line, phrase
from tray_app.system.file_lock import locked
from tray_app.system.files import PUBLIC, not_saved, private_folder, read_regular, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tray_app.chats.finding import Found
    from tray_app.chats.lines import Reading
    from tray_app.phrases import Text

SUFFIX = ".jsonl"
EXPORTS = (".md", ".json", ".jsonl")
_BROKEN = ".broken"
_COPY = re.compile(rf"(.+{re.escape(SUFFIX)}){re.escape(_BROKEN)}(?:-\d+)?", re.DOTALL)
_LOCK = ".lock"
_LOCK_TIMEOUT_S = 10.0
MOST_BYTES = 64 * 2**20
"""Of one conversation, with its pictures. Half of it is more than the server takes at once."""
_MOST_LINES_NAMED = 5


class _State(NamedTuple):
    """Tells one content of a file from another."""

    changed_ns: int
    size_bytes: int
    number: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be read, or only in part. It stays as it is."""

    path: Path
    error: AppError


@dataclass(frozen=True, slots=True)
class _Looked:
    state: _State | None
    """None if the file could not be read."""
    summary: Summary | None
    problem: AppError | None


class ChatStore:
    """The conversations in `folder`, which need not be there before one is saved.

    Every method may be called by any thread, and several programs may have the same folder. `AppError` says
    what could not be done.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._lock = threading.RLock()  # guards the rest
        self._looked: dict[str, _Looked] = {}
        self._known: dict[str, _State] = {}
        """By id, the content that `read` or `save` has told of: whoever saves next has seen it."""

    def new(self) -> Conversation:
        """An empty conversation; it is in no list, and has no file, before it is saved with a message."""
        now_s = kept_time(self._clock())
        day = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(now_s))
        return Conversation(f"{day}-{secrets.token_hex(3)}", "", now_s, now_s)

    def summaries(self) -> tuple[Summary, ...]:
        """All that can be read, even if only in part; the one that was saved last is first."""
        found = [each.summary for each in self._look_at_all().values() if each.summary]
        return tuple(sorted(found, key=lambda each: (each.updated_at, each.id), reverse=True))

    def problems(self) -> tuple[Problem, ...]:
        """The files that cannot be read, or not wholly, by name; and the copies that were kept of such."""
        damaged = [
            Problem(self._path(name), each.problem)
            for name, each in self._look_at_all().items()
            if each.problem
        ]
        kept = [Problem(path, _kept_copy(path)) for path in self._files(_original_of)]
        return tuple(sorted((*damaged, *kept), key=lambda each: each.path.name))

    def read(self, conversation_id: str) -> Conversation:
        """A conversation, as far as it can be read: see `problems`. `AppError` if there is none, or if there
        is nothing in its file that is understood.
        """
        path = self._path(conversation_id)
        with self._lock:
            state, _, reading = self._read(path)
            if reading.conversation is None:
                raise _damaged(path, reading)
            self._known[conversation_id] = state
            return reading.conversation

    def save(self, conversation: Conversation) -> Conversation:
        """Write a conversation; what is kept of it: with a title, and the present time as `updated_at`.

        Without a message, one that has no file gets none. The title of one that has a file stays: `rename`
        changes it. What the file has that is not understood is kept in a copy beside it; if another program
        has changed it since it was read or saved here, what that has written becomes a conversation of its
        own, unless all of it is in this one. `AppError` if it could not be written: then all is as before.
        """
        path = self._path(conversation.id)
        if not conversation.messages and not os.path.lexists(path):
            return conversation
        with self._writing():
            there = self._there(path)
            title = (self._make_way(conversation, *there) if there else "") or conversation.title
            kept = replace(
                conversation,
                title=title.strip() or title_of(conversation.messages),
                updated_at=kept_time(self._clock()),
            )
            content = to_lines(kept)
            if len(content) > MOST_BYTES:
                raise _not_saved(
                    phrase("With its pictures, it is larger than {most} MB.", most=MOST_BYTES // 2**20),
                    "Start a new conversation.",
                )
            write_atomically(path, content)
            self._known[conversation.id] = state = _state(path)
            return from_lines(content, kept.id, state.changed_ns / 1e9).conversation or kept

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one is again the first line of its first message.
        `updated_at` stays; what is not understood of its file is kept as by `save`. `AppError`.
        """
        path = self._path(conversation_id)
        with self._writing():
            state, content, reading = self._read(path)
            if reading.conversation is None:
                raise _damaged(path, reading)
            if not reading.whole:
                self._keep_copy(path, content)
            messages = reading.conversation.messages
            renamed = replace(reading.conversation, title=title.strip() or title_of(messages))
            write_atomically(path, to_lines(renamed))
            if self._known.get(conversation_id) == state:
                self._known[conversation_id] = _state(path)

    def delete(self, conversation_id: str, *, for_good: bool = False) -> None:
        """Put a conversation into the trash, or delete it for good, with the copies that were kept of its
        file. `AppError` if there is none, or if the system does not take it.
        """
        path = self._path(conversation_id)
        with self._writing():
            if not path.exists() and not path.is_symlink():
                raise _not_found(conversation_id)
            copies = self._files(lambda name: _original_of(name) == path.name)
            for each in (path, *copies):
                try:
                    if for_good:
                        each.unlink()
                    else:
                        to_trash(each)
                except OSError as exc:
                    raise AppError(
                        ErrorCode.CONVERSATION_NOT_REMOVED,
                        "The conversation could not be removed",
                        phrase("{reason} ({path}).", reason=exc.strerror or exc, path=each),
                        "Check its permissions. If there is no trash, delete it permanently.",
                    ) from exc
            self._known.pop(conversation_id, None)

    def export(self, conversation_id: str, path: Path) -> None:
        """Write a conversation for other programs: `.md` to be read, `.json` as one value, `.jsonl` as it is
        kept. `AppError`.
        """
        suffix = path.suffix.lower()
        if suffix not in EXPORTS:
            raise AppError(
                ErrorCode.FILE_FORMAT_UNKNOWN,
                phrase(
                    "Conversations cannot be saved as {kind}",
                    kind=suffix or phrase("a file without an ending"),
                ),
                phrase("The name must end in {names}.", names=", ".join(EXPORTS)),
            )
        source = self._path(conversation_id)
        with self._lock:
            _, content, reading = self._read(source)
        if suffix != SUFFIX:
            if reading.conversation is None:
                raise _damaged(source, reading)
            written = as_markdown if suffix == ".md" else as_json
            content = written(reading.conversation).encode()
        try:
            write_atomically(path, content, mode=PUBLIC)
        except OSError as exc:
            raise not_saved(path, exc) from exc

    def search(self, words: str) -> tuple[Found, ...]:
        """The conversations that have all of these words in title or messages, newest first; none for no
        words. Capitals and forms of letters make no difference.
        """
        wanted = folded_words(words)
        found: list[Found] = []
        for summary in self.summaries() if wanted else ():
            with suppress(AppError), self._lock:  # it has just been deleted
                conversation = self._read(self._path(summary.id))[2].conversation
                if conversation and (each := find(conversation, summary, wanted)):
                    found.append(each)
        return tuple(found)

    # Files

    def _path(self, conversation_id: str) -> Path:
        """The file of a conversation. `AppError` for what can be no name of a file in this folder."""
        if not conversation_id or conversation_id.startswith(".") or set(conversation_id) & set("/\\:\0"):
            raise _not_found(conversation_id)
        return self.folder / f"{conversation_id}{SUFFIX}"

    def _files(self, wanted: Callable[[str], object]) -> list[Path]:
        """The files in the folder whose names are wanted; none if there is no folder."""
        try:
            return [path for path in self.folder.iterdir() if wanted(path.name) and path.name[0] != "."]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise AppError(
                ErrorCode.FILE_UNREADABLE,
                "The conversations cannot be read",
                phrase("{path}: {reason}", path=self.folder, reason=exc.strerror or exc),
                "Check the permissions of this folder.",
            ) from exc

    def _look_at_all(self) -> dict[str, _Looked]:
        """What is known of each file; those that have changed since the last look are read."""
        with self._lock:
            before, self._looked = self._looked, {}
            for path in self._files(lambda name: name.endswith(SUFFIX)):
                name = path.name.removesuffix(SUFFIX)
                looked = before.get(name)
                if looked is None or looked.state is None or looked.state != _state_or_none(path):
                    looked = self._look(path, name)
                if looked:
                    self._looked[name] = looked
            return self._looked

    def _look(self, path: Path, name: str) -> _Looked | None:
        try:
            there = self._there(path)
        except AppError as exc:
            return _Looked(None, None, exc)
        if there is None:  # it has just been deleted
            return None
        state, _, reading = there
        problem = None if reading.whole else _damaged(path, reading)
        told = reading.conversation
        summary = (
            Summary(name, one_line(told.title), told.updated_at, told.model_id, len(told.messages))
            if told
            else None
        )
        return _Looked(state, summary, problem)

    def _read(self, path: Path) -> tuple[_State, bytes, Reading]:
        """The state and content of a file, and what it says. `AppError` if it cannot be read."""
        there = self._there(path)
        if there is None:
            raise _not_found(path.name.removesuffix(SUFFIX))
        return there

    def _there(self, path: Path) -> tuple[_State, bytes, Reading] | None:
        """As `_read`; None if there is no file."""
        try:
            state = _state(path)
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
    def _writing(self) -> Iterator[None]:
        """Be the only one who writes to the folder. `AppError`, also for an `OSError` within."""
        with self._lock:
            try:
                private_folder(self.folder)
                with locked(self.folder / _LOCK, _LOCK_TIMEOUT_S):
                    self._clear()
                    yield
            except Timeout as exc:
                raise _not_saved(
                    "Another program has been writing conversations for ten seconds.", "Try again."
                ) from exc
            except OSError as exc:
                raise _not_saved(
                    phrase("{path}: {reason}", path=exc.filename or self.folder, reason=exc.strerror or exc),
                    "Check the permissions of this folder and the free space on its disk.",
                ) from exc

    def _clear(self) -> None:
        """Delete what writers have left that were ended in the middle: nobody else writes now."""
        for path in self.folder.glob(f".*{SUFFIX}.*"):
            with suppress(OSError):
                path.unlink()

    def _make_way(self, conversation: Conversation, state: _State, content: bytes, reading: Reading) -> str:
        """Keep what would be lost with the file of a conversation that is about to be replaced; its title."""
        path = self._path(conversation.id)
        if not reading.whole and content.strip():
            self._keep_copy(path, content)
        there = reading.conversation
        if there is None:
            return ""
        begins_alike = conversation.messages[: len(there.messages)] == there.messages
        if self._known.get(conversation.id) != state and not begins_alike:
            other = self._free_id(conversation.id)
            write_atomically(self._path(other), content)
        return there.title

    def _keep_copy(self, path: Path, content: bytes) -> None:
        number = 1
        while True:
            copy = path.with_name(f"{path.name}{_BROKEN}{f'-{number}' if number > 1 else ''}")
            try:
                if read_regular(copy, MOST_BYTES) == content:
                    return
            except FileNotFoundError:
                write_atomically(copy, content)
                return
            number += 1

    def _free_id(self, conversation_id: str) -> str:
        number = 2
        while self._path(f"{conversation_id}-{number}").exists():
            number += 1
        return f"{conversation_id}-{number}"


def _original_of(name: str) -> str | None:
    """The name of the file of which a file of this name is a copy; None if it is none."""
    found = _COPY.fullmatch(name)
    return found[1] if found else None


def _state(path: Path) -> _State:
    info = path.stat()
    return _State(info.st_mtime_ns, info.st_size, info.st_ino)


def _state_or_none(path: Path) -> _State | None:
    try:
        return _state(path)
    except OSError:
        return None


def _not_found(conversation_id: str) -> AppError:
    return AppError(
        ErrorCode.CONVERSATION_NOT_FOUND,
        "The conversation is gone",
        phrase("There is no file for {name}: it was deleted or moved.", name=conversation_id),
        "Choose another conversation.",
    )


def _not_saved(cause: Text, hint: Text) -> AppError:
    return AppError(ErrorCode.FILE_NOT_WRITABLE, "The conversation could not be saved", cause, hint)


def _damaged(path: Path, reading: Reading) -> AppError:
    """Why not all of a file was read. A newer version explains lines that are not understood."""
    if reading.conversation is None:
        return AppError(
            ErrorCode.CONVERSATION_DAMAGED,
            phrase("{name} cannot be read", name=path.name),
            "It contains nothing that this app can read as a conversation.",
            "The file stays as it is. You can open it in a text editor.",
        )
    lines = ", ".join(map(str, reading.damaged[:_MOST_LINES_NAMED]))
    more = len(reading.damaged) - _MOST_LINES_NAMED
    cause: Text
    if reading.newer:
        title = phrase("{name} was written by a newer version of this app", name=path.name)
        cause = "It may contain more than is shown."
    elif more > 0:
        title = phrase("Only part of {name} could be read", name=path.name)
        cause = phrase(
            "Lines {lines} and {count} more contain something this app does not understand.",
            lines=lines,
            count=more,
        )
    else:
        title = phrase("Only part of {name} could be read", name=path.name)
        cause = phrase("These lines contain something this app does not understand: {lines}.", lines=lines)
    return AppError(
        ErrorCode.CONVERSATION_DAMAGED,
        title,
        cause,
        "You can continue with what was read. The original is then kept beside it.",
    )


def _kept_copy(path: Path) -> AppError:
    return AppError(
        ErrorCode.CONVERSATION_DAMAGED,
        phrase("{name} is a copy of a damaged file", name=path.name),
        "It holds what could not be read when the conversation was continued.",
        "Open it in a text editor, and delete it when you no longer need it.",
    )
