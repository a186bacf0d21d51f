"""Real processes that save conversations: ended at any moment, in the worst ones, or two at once."""

from __future__ import annotations

import os
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.processes import forking
from tray_app.chats.conversation import Attachment, Conversation, Message, Role
from tray_app.chats.store import ChatStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext

KILLS = 30
ID = "killed"
PICTURE = Attachment("noise.png", "image/png", random.Random(1).randbytes(2_000_000))  # noqa: S311 - noise
"""Makes writing a file take a while."""


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return forking()


def conversation_of(count: int) -> Conversation:
    """One with so many messages, whose texts say which ones they are."""
    texts = (Message(Role.USER, f"message {number}", float(number)) for number in range(count))
    return Conversation(ID, "", 1.0, 1.0, messages=(Message(Role.USER, "cat", 0.0, (PICTURE,)), *texts))


def texts_of(conversation: Conversation) -> list[str]:
    return [message.text for message in conversation.messages[1:]]


def save_without_end(folder: Path, told: Connection) -> None:
    """What the killed process does: it tells of each save that is done."""
    store = ChatStore(folder)
    try:
        count = len(store.read(ID).messages) - 1
    except Exception:  # noqa: BLE001 - the first one finds none
        count = 0
    while True:
        count += 1
        store.save(conversation_of(count))
        told.send(count)


@pytest.mark.timeout(110)
def test_killed_at_any_moment_a_conversation_has_all_that_was_saved(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    moments = random.Random(20261129)  # noqa: S311 - to be the same in every run
    never = threading.Event()
    last = unfinished = kills = 0
    while kills < KILLS or not unfinished:  # until one has hit a file that was being written
        kills += 1
        told, tells = processes.Pipe(duplex=False)
        process = processes.Process(target=save_without_end, args=(tmp_path, tells))
        process.start()
        tells.close()
        told.poll(10)
        never.wait(moments.uniform(0, 0.05))
        process.kill()
        process.join()
        while told.poll():
            try:
                last = told.recv()
            except (EOFError, OSError):  # it was killed while it told
                break
        told.close()
        store = ChatStore(tmp_path)
        kept = store.read(ID)
        assert store.problems() == ()
        assert texts_of(kept) == [f"message {number}" for number in range(len(kept.messages) - 1)]
        assert len(kept.messages) - 1 in (last, last + 1)  # one that was done may not have been told yet
        last = len(kept.messages) - 1
        assert kept.messages[0].attachments == (PICTURE,)
        unfinished += len([*tmp_path.glob(f".{ID}*")])

    assert last >= kills
    ChatStore(tmp_path).save(conversation_of(last))
    assert [path.name for path in tmp_path.iterdir()] == [f"{ID}.jsonl"]  # what the dead have left is gone


def die_at(function: str, folder: Path, count: int) -> None:
    """Save, and be killed where this function would be called."""
    owner: Any = {"fsync": os, "replace": Path}[function]
    setattr(owner, function, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    ChatStore(folder).save(conversation_of(count))


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_killed_in_the_worst_moments_a_conversation_is_as_it_was(
    tmp_path: Path, processes: ForkServerContext, function: str
) -> None:
    before = ChatStore(tmp_path).save(conversation_of(3))
    process = processes.Process(target=die_at, args=(function, tmp_path, 4))
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    store = ChatStore(tmp_path)
    assert store.read(ID) == before
    assert len(store.summaries()) == 1
    assert store.problems() == ()
    after = store.save(replace(before, messages=conversation_of(4).messages))  # its lock was its own
    assert store.read(ID) == after


def save_many(folder: Path, name: str, count: int) -> None:
    """What each of two processes does: append to one conversation, and begin some."""
    store = ChatStore(folder)
    for number in range(count):
        shared = store.read("shared")
        message = Message(Role.USER, f"{name} {number}", float(number))
        store.save(replace(shared, messages=(*shared.messages, message)))
        store.save(replace(store.new(), messages=(message,)))


def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path, processes: ForkServerContext) -> None:
    """What one has written between a read and a save of the other becomes a conversation of its own."""
    count = 25
    first = ChatStore(tmp_path)
    first.save(Conversation("shared", "Shared", 1.0, 1.0, messages=(Message(Role.USER, "begin", 0.0),)))
    writers = [processes.Process(target=save_many, args=(tmp_path, name, count)) for name in ("a", "b")]
    for each in writers:
        each.start()
    for each in writers:
        each.join()

    assert [each.exitcode for each in writers] == [0, 0]
    store = ChatStore(tmp_path)
    assert store.problems() == ()
    kept = [store.read(each.id) for each in store.summaries()]
    wanted = {f"{name} {number}" for name in ("a", "b") for number in range(count)}
    alone = [each for each in kept if not each.id.startswith("shared")]
    assert sorted(each.messages[0].text for each in alone) == sorted(wanted)
    shared = [each for each in kept if each.id.startswith("shared")]
    assert {message.text for each in shared for message in each.messages} == {"begin", *wanted}
