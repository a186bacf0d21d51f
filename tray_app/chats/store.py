"""Keeps conversations, each in a file of its own that a person can read, edit and delete. Any thread; blocks.

Nothing that anybody has written is ever lost: a file is replaced as a whole or not at all; one with something
in it that this app does not understand is kept beside the new one; and what another program has saved
meanwhile becomes a conversation of its own.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tray_app.chats.conversation import Conversation, Summary, title_of
from tray_app.chats.exports import as_json, as_markdown
from tray_app.chats.finding import find, folded_words
from tray_app.chats.folder import MOST_BYTES, SUFFIX, ChatFolder, original_of, state_of, state_or_none
from tray_app.chats.lines import from_lines, kept_time, to_lines
from tray_app.chats.problems import cannot_save, damaged, kept_copy, not_found
from tray_app.errors import AppError, ErrorCode
from tray_app.models.removal import to_trash
from tray_app.phrases import one_line, phrase
from tray_app.system.files import PUBLIC, not_saved, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.chats.finding import Found
    from tray_app.chats.folder import State
    from tray_app.chats.lines import Reading

EXPORTS = (".md", ".json", ".jsonl")


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be read, or only in part. It stays as it is."""

    path: Path
    error: AppError


@dataclass(frozen=True, slots=True)
class _Looked:
    state: State | None
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
        self._files = ChatFolder(folder)
        self._clock = clock
        self._lock = threading.RLock()  # guards the rest
        self._looked: dict[str, _Looked] = {}
        self._known: dict[str, State] = {}
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
            Problem(self._files.path_of(name), each.problem)
            for name, each in self._look_at_all().items()
            if each.problem
        ]
        kept = [Problem(path, kept_copy(path)) for path in self._files.files(original_of)]
        return tuple(sorted((*damaged, *kept), key=lambda each: each.path.name))

    def read(self, conversation_id: str) -> Conversation:
        """A conversation, as far as it can be read: see `problems`. `AppError` if there is none, or if there
        is nothing in its file that is understood.
        """
        path = self._files.path_of(conversation_id)
        with self._lock:
            state, _, reading = self._files.read(path)
            if reading.conversation is None:
                raise damaged(path, reading)
            self._known[conversation_id] = state
            return reading.conversation

    def save(self, conversation: Conversation) -> Conversation:
        """Write a conversation; what is kept of it: with a title, and the present time as `updated_at`.

        Without a message, one that has no file gets none. The title of one that has a file stays: `rename`
        changes it. What the file has that is not understood is kept in a copy beside it; if another program
        has changed it since it was read or saved here, what that has written becomes a conversation of its
        own, unless all of it is in this one. `AppError` if it could not be written: then all is as before.
        """
        path = self._files.path_of(conversation.id)
        if not conversation.messages and not os.path.lexists(path):
            return conversation
        with self._lock, self._files.writing():
            there = self._files.there(path)
            title = (self._make_way(conversation, *there) if there else "") or conversation.title
            kept = replace(
                conversation,
                title=title.strip() or title_of(conversation.messages),
                updated_at=kept_time(self._clock()),
            )
            content = to_lines(kept)
            if len(content) > MOST_BYTES:
                raise cannot_save(
                    phrase("With its pictures, it is larger than {most} MB.", most=MOST_BYTES // 2**20),
                    "Start a new conversation.",
                )
            write_atomically(path, content)
            self._known[conversation.id] = state = state_of(path)
            return from_lines(content, kept.id, state.changed_ns / 1e9).conversation or kept

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one is again the first line of its first message.
        `updated_at` stays; what is not understood of its file is kept as by `save`. `AppError`.
        """
        path = self._files.path_of(conversation_id)
        with self._lock, self._files.writing():
            state, content, reading = self._files.read(path)
            if reading.conversation is None:
                raise damaged(path, reading)
            if not reading.whole:
                self._files.keep_copy(path, content)
            messages = reading.conversation.messages
            renamed = replace(reading.conversation, title=title.strip() or title_of(messages))
            write_atomically(path, to_lines(renamed))
            if self._known.get(conversation_id) == state:
                self._known[conversation_id] = state_of(path)

    def delete(self, conversation_id: str, *, for_good: bool = False) -> None:
        """Put a conversation into the trash, or delete it for good, with the copies that were kept of its
        file. `AppError` if there is none, or if the system does not take it.
        """
        path = self._files.path_of(conversation_id)
        with self._lock, self._files.writing():
            if not path.exists() and not path.is_symlink():
                raise not_found(conversation_id)
            copies = self._files.files(lambda name: original_of(name) == path.name)
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
        source = self._files.path_of(conversation_id)
        with self._lock:
            _, content, reading = self._files.read(source)
        if suffix != SUFFIX:
            if reading.conversation is None:
                raise damaged(source, reading)
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
                conversation = self._files.read(self._files.path_of(summary.id))[2].conversation
                if conversation and (each := find(conversation, summary, wanted)):
                    found.append(each)
        return tuple(found)

    def _look_at_all(self) -> dict[str, _Looked]:
        """What is known of each file; those that have changed since the last look are read."""
        with self._lock:
            before, self._looked = self._looked, {}
            for path in self._files.files(lambda name: name.endswith(SUFFIX)):
                name = path.name.removesuffix(SUFFIX)
                looked = before.get(name)
                if looked is None or looked.state is None or looked.state != state_or_none(path):
                    looked = self._look(path, name)
                if looked:
                    self._looked[name] = looked
            return self._looked

    def _look(self, path: Path, name: str) -> _Looked | None:
        try:
            there = self._files.there(path)
        except AppError as exc:
            return _Looked(None, None, exc)
        if there is None:  # it has just been deleted
            return None
        state, _, reading = there
        problem = None if reading.whole else damaged(path, reading)
        told = reading.conversation
        summary = (
            Summary(name, one_line(told.title), told.updated_at, told.model_id, len(told.messages))
            if told
            else None
        )
        return _Looked(state, summary, problem)

    def _make_way(self, conversation: Conversation, state: State, content: bytes, reading: Reading) -> str:
        """Keep what would be lost with the file of a conversation that is about to be replaced; its title."""
        path = self._files.path_of(conversation.id)
        if not reading.whole and content.strip():
            self._files.keep_copy(path, content)
        there = reading.conversation
        if there is None:
            return ""
        begins_alike = conversation.messages[: len(there.messages)] == there.messages
        if self._known.get(conversation.id) != state and not begins_alike:
            other = self._files.free_id(conversation.id)
            write_atomically(self._files.path_of(other), content)
        return there.title
