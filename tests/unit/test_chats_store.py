"""Conversations in real files: what the app does with them, and what others do to them."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.errors import coded
from tray_app.chats import folder as folder_module
from tray_app.chats import store as store_module
from tray_app.chats.conversation import Attachment, Conversation, Message, Role, Summary
from tray_app.chats.finding import find, folded, folded_words
from tray_app.chats.lines import to_lines
from tray_app.chats.store import ChatStore
from tray_app.errors import AppError, ErrorCode
from tray_app.system.file_lock import locked
from tray_app.system.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files or rights")
PICTURE = Attachment("Kätzchen.png", "image/png", b"\x89PNG")


class Clock:
    """A time that goes on by a second whenever somebody looks."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Zoë" / "chats"


@pytest.fixture
def store(folder: Path) -> ChatStore:
    return ChatStore(folder, Clock())


def user(text: str, *attachments: Attachment) -> Message:
    return Message(Role.USER, text, 1.0, attachments)


def assistant(text: str) -> Message:
    return Message(Role.ASSISTANT, text, 2.0)


def saved(store: ChatStore, *messages: Message, **more: Any) -> Conversation:
    return store.save(replace(store.new(), messages=messages, **more))


def file_of(store: ChatStore, conversation: Conversation) -> Path:
    return store.folder / f"{conversation.id}.jsonl"


def ids(store: ChatStore) -> list[str]:
    return [each.id for each in store.summaries()]


def names(store: ChatStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def problems(store: ChatStore) -> dict[str, str]:
    return {each.path.name: str(each.error) for each in store.problems()}


def refused(code: ErrorCode, call: Callable[..., object], *args: Any, **more: Any) -> AppError:
    with pytest.raises(AppError, check=coded(code)) as caught:
        call(*args, **more)
    return caught.value


# Saving, listing


def test_where_nothing_was_saved_there_is_no_folder(store: ChatStore, folder: Path) -> None:
    new = store.new()

    assert store.save(new) == new
    assert (store.summaries(), store.problems(), store.search("a")) == ((), (), ())
    assert not folder.exists()


def test_a_conversation_is_kept_as_it_was_saved(store: ChatStore, folder: Path) -> None:
    first = saved(store, user("Why is the sky blue?\nPlease.", PICTURE), temperature=0.5, model_id="test")
    more = store.save(replace(first, messages=(*first.messages, assistant("Rayleigh.")), system_prompt="Hm"))

    assert first.title == "Why is the sky blue?"
    assert more.updated_at > first.updated_at == first.created_at + 1
    assert ChatStore(folder).read(first.id) == store.read(first.id) == more
    (summary,) = ChatStore(folder).summaries()
    assert (summary.id, summary.title, summary.updated_at, summary.model_id, summary.messages) == (
        first.id,
        first.title,
        more.updated_at,
        "test",
        2,
    )
    assert names(store) == [f"{first.id}.jsonl"]
    assert store.problems() == ()


def test_the_one_that_was_saved_last_comes_first(store: ChatStore) -> None:
    one, two, three = (saved(store, user(text)) for text in "abc")
    store.save(one)

    assert ids(store) == [one.id, three.id, two.id]


def test_a_list_sees_what_has_changed_in_the_folder(store: ChatStore) -> None:
    one, two = saved(store, user("one")), saved(store, user("two"))
    assert ids(store) == [two.id, one.id]

    file_of(store, one).write_bytes(to_lines(replace(one, title="Changed")))
    file_of(store, two).unlink()

    (summary,) = store.summaries()
    assert (summary.id, summary.title) == (one.id, "Changed")


def test_files_that_have_not_changed_are_not_read_again(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        saved(store, user(f"{number}"))
    store.summaries()
    read: list[Path] = []

    def noted(path: Path, most_bytes: int) -> bytes:
        read.append(path)
        return read_regular(path, most_bytes)

    monkeypatch.setattr(folder_module, "read_regular", noted)
    last = saved(store, user("new"))
    assert len(store.summaries()) == 21

    assert read == [file_of(store, last)]


@POSIX
def test_other_users_of_the_computer_read_nothing(store: ChatStore, folder: Path) -> None:
    one = saved(store, user("secret"))

    assert folder.stat().st_mode & 0o077 == 0
    assert file_of(store, one).stat().st_mode & 0o077 == 0


def test_an_answer_that_is_asked_again_takes_the_place_of_the_first(store: ChatStore) -> None:
    one = saved(store, user("Why?"), assistant("No idea."))
    again = store.save(replace(one, messages=(one.messages[0], assistant("Because."))))

    assert store.read(one.id) == again
    assert ids(store) == [one.id]  # nobody else has written: nothing is to be kept


@pytest.mark.parametrize("name", ["", ".", "..", "../secret", "a/b", "a\\b", "C:x", "a\0b", ".hidden"])
def test_an_id_is_the_name_of_a_file_in_the_folder_and_nothing_else(store: ChatStore, name: str) -> None:
    saved(store, user("a"))
    conversation = replace(store.new(), id=name, messages=(user("a"),))

    for call in (store.read, store.delete):
        refused(ErrorCode.CONVERSATION_NOT_FOUND, call, name)
    refused(ErrorCode.CONVERSATION_NOT_FOUND, store.save, conversation)


# Titles


def test_a_title_is_changed_by_renaming_alone(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    store.rename(one.id, "  Sky ")

    assert store.read(one.id) == replace(one, title="Sky")
    store.save(replace(one, messages=(*one.messages, assistant("So."))))  # by who has not heard of it
    assert store.read(one.id).title == "Sky"
    assert ids(store) == [one.id]
    store.rename(one.id, "")
    assert store.read(one.id).title == "Why?"
    refused(ErrorCode.CONVERSATION_NOT_FOUND, store.rename, "gone", "Sky")


def test_a_title_is_shown_in_one_line_whatever_it_is(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    store.rename(one.id, "Sky\n\x1b[2J and \u202esea")

    (summary,) = store.summaries()
    assert summary.title == "Sky �[2J and �sea"
    assert store.read(one.id).title == "Sky\n\x1b[2J and \u202esea"


def test_renaming_is_no_reason_to_come_first(store: ChatStore) -> None:
    one, two = saved(store, user("one")), saved(store, user("two"))
    store.rename(one.id, "renamed")

    assert ids(store) == [two.id, one.id]


# What others do to the files


def test_what_somebody_else_has_saved_meanwhile_becomes_a_conversation_of_its_own(
    store: ChatStore, folder: Path
) -> None:
    one = saved(store, user("Why?"))
    other = ChatStore(folder, Clock())
    theirs = other.save(replace(other.read(one.id), messages=(*one.messages, assistant("Theirs."))))
    ours = store.save(replace(one, messages=(*one.messages, assistant("Ours."))))

    assert store.read(one.id) == ours
    (kept,) = (each for each in ids(store) if each != one.id)
    assert store.read(kept).messages == theirs.messages
    assert store.problems() == ()


def test_what_somebody_else_has_saved_and_is_known_here_is_no_other_conversation(
    store: ChatStore, folder: Path
) -> None:
    one = saved(store, user("Why?"))
    other = ChatStore(folder, Clock())
    other.save(replace(one, system_prompt="Hm"))
    store.save(replace(one, messages=(*one.messages, assistant("Ours."))))
    other.save(replace(other.read(one.id), messages=one.messages))

    assert ids(store) == [one.id]


def test_what_a_person_has_added_by_hand_is_read(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    with file_of(store, one).open("a", encoding="utf-8") as file:
        file.write('{"role": "assistant", "text": "By hand."}\n')
    read = store.read(one.id)
    store.save(replace(read, messages=(*read.messages, user("And?"))))

    assert [each.text for each in store.read(one.id).messages] == ["Why?", "By hand.", "And?"]
    assert (ids(store), store.problems()) == ([one.id], ())


def test_of_a_damaged_file_the_rest_goes_on_and_the_whole_is_kept_and_told(store: ChatStore) -> None:
    one = saved(store, user("Why?"), assistant("Because."))
    damaged = file_of(store, one).read_bytes()[:-20]
    file_of(store, one).write_bytes(damaged)

    told = problems(store)[f"{one.id}.jsonl"]
    assert "Only part of" in told
    assert "not understand: 3." in told
    read = store.read(one.id)
    assert read.messages == one.messages[:1]
    assert file_of(store, one).read_bytes() == damaged
    store.save(replace(read, messages=(*read.messages, assistant("Again."))))

    copy = f"{one.id}.jsonl.broken"
    assert (store.folder / copy).read_bytes() == damaged
    assert "copy of a damaged file" in problems(store).pop(copy)
    assert [each.text for each in store.read(one.id).messages] == ["Why?", "Again."]
    assert ids(store) == [one.id]


def test_each_damage_is_kept_once(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    for ending in (b"a", b"b", b"a"):
        content = to_lines(one) + ending
        file_of(store, one).write_bytes(content)
        store.rename(one.id, "Sky")

    assert names(store) == [f"{one.id}.jsonl", f"{one.id}.jsonl.broken", f"{one.id}.jsonl.broken-2"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe{\0", b"[1, 2]\n", b'{"prompt": "a"}\n', bytes(100)])
def test_a_file_that_is_no_conversation_is_told_and_left_alone(store: ChatStore, content: bytes) -> None:
    saved(store, user("good"))
    strange = store.folder / "my notes.jsonl"
    strange.write_bytes(content)

    assert len(store.summaries()) == 1
    assert "nothing that this app can read" in problems(store)["my notes.jsonl"]
    refused(ErrorCode.CONVERSATION_DAMAGED, store.read, "my notes")
    refused(ErrorCode.CONVERSATION_DAMAGED, store.rename, "my notes", "x")
    refused(ErrorCode.CONVERSATION_DAMAGED, store.export, "my notes", store.folder / "x.md")
    assert strange.read_bytes() == content


def test_what_would_take_the_place_of_a_file_that_is_none_keeps_it(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    file_of(store, one).write_bytes(b"my only notes")
    store.save(one)

    assert (store.folder / f"{one.id}.jsonl.broken").read_bytes() == b"my only notes"
    assert store.read(one.id).messages == one.messages


@POSIX
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_what_has_the_name_of_a_copy_and_cannot_be_read_does_not_hinder_saving(
    store: ChatStore, kind: str
) -> None:
    one = saved(store, user("Why?"))
    taken = store.folder / f"{one.id}.jsonl.broken"
    match kind:
        case "folder":
            taken.mkdir()
        case "pipe":
            os.mkfifo(taken)
        case _:
            taken.symlink_to(store.folder.parent / "elsewhere")
    file_of(store, one).write_bytes(b"my only notes")
    store.save(one)

    assert (store.folder / f"{one.id}.jsonl.broken-2").read_bytes() == b"my only notes"
    assert store.read(one.id).messages == one.messages
    assert not (store.folder.parent / "elsewhere").exists()


def test_a_conversation_of_a_newer_version_goes_on_and_stays_in_a_copy(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    newer = b'{"chat":2,"title":"New","mood":"good"}\n{"role":"user","text":"Why?"}\n'
    file_of(store, one).write_bytes(newer)

    assert "newer version" in problems(store)[f"{one.id}.jsonl"]
    store.save(store.read(one.id))
    assert (store.folder / f"{one.id}.jsonl.broken").read_bytes() == newer


@POSIX
@pytest.mark.parametrize("kind", ["folder", "pipe", "large", "closed", "loop"])
def test_what_cannot_be_read_is_told_and_hinders_nothing(
    store: ChatStore, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = saved(store, user("good"))
    path = store.folder / "strange.jsonl"
    match kind:
        case "folder":
            path.mkdir()
            (path / "thesis.txt").write_text("years of work")
        case "pipe":
            os.mkfifo(path)
        case "large":
            monkeypatch.setattr(folder_module, "MOST_BYTES", 1000)
            path.write_bytes(to_lines(replace(one, messages=(user("a" * 1000),))))
        case "closed":
            path.write_bytes(to_lines(one))
            path.chmod(0)
            if os.access(path, os.R_OK):
                pytest.skip("this user may read everything")
        case "loop":
            path.symlink_to(path)

    assert ids(store) == [one.id]
    assert "cannot be read" in problems(store)[path.name]
    conversation = replace(store.new(), id="strange", messages=(user("new"),))
    refused(ErrorCode.CONVERSATION_DAMAGED, store.save, conversation)
    assert os.path.lexists(path)


@POSIX
def test_a_conversation_that_is_a_link_stays_one(store: ChatStore, tmp_path: Path) -> None:
    one = saved(store, user("Why?"))
    file_of(store, one).rename(tmp_path / "elsewhere")
    file_of(store, one).symlink_to(tmp_path / "elsewhere")
    more = store.save(replace(store.read(one.id), messages=(*one.messages, user("And?"))))

    assert file_of(store, one).is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == to_lines(more)


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "chats").write_bytes(b"")
    store = ChatStore(tmp_path / "chats")

    refused(ErrorCode.FILE_UNREADABLE, store.summaries)
    refused(ErrorCode.FILE_NOT_WRITABLE, saved, store, user("a"))


# What cannot be written


def test_what_cannot_be_written_leaves_all_as_it_was(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = saved(store, user("Why?"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    error = refused(
        ErrorCode.FILE_NOT_WRITABLE, store.save, replace(one, messages=(*one.messages, assistant("So.")))
    )

    assert "No space left" in error.message
    assert store.read(one.id) == one
    assert names(store) == [f"{one.id}.jsonl"]


def test_more_than_can_be_read_again_is_not_written(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = saved(store, user("Why?"))
    monkeypatch.setattr(store_module, "MOST_BYTES", 1000)

    refused(ErrorCode.FILE_NOT_WRITABLE, store.save, replace(one, messages=(user("a" * 1000),)))
    assert store.read(one.id) == one


def test_who_cannot_write_because_another_does_is_told(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = saved(store, user("Why?"))
    monkeypatch.setattr(folder_module, "_LOCK_TIMEOUT_S", 0.05)

    with locked(store.folder / ".lock"):
        refused(ErrorCode.FILE_NOT_WRITABLE, store.save, one)
    store.save(one)


def test_threads_that_save_at_the_same_time_lose_nothing(store: ChatStore) -> None:
    one = saved(store, user("Why?"))
    begin = threading.Barrier(8)

    def save(number: int) -> None:
        begin.wait()
        for turn in range(5):
            saved(store, user(f"{number}/{turn}"))
            store.rename(one.id, f"{number}/{turn}")
            assert store.read(one.id).messages == one.messages

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(save, range(8)))

    assert len(store.summaries()) == 41
    assert {each.title for each in store.summaries()} >= {f"{n}/{t}" for n in range(8) for t in range(5)}


# Deleting


def test_a_deleted_conversation_is_in_the_trash(store: ChatStore, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = saved(store, user("one")), saved(store, user("two"))
    trashed: list[Path] = []

    def to_trash(path: Path) -> None:
        trashed.append(path)
        path.unlink()

    monkeypatch.setattr(store_module, "to_trash", to_trash)
    store.delete(one.id)

    assert trashed == [file_of(store, one)]
    assert ids(store) == [two.id]
    refused(ErrorCode.CONVERSATION_NOT_FOUND, store.delete, one.id)
    refused(ErrorCode.CONVERSATION_NOT_FOUND, store.read, one.id)


def test_what_is_deleted_for_good_leaves_no_copy(store: ChatStore) -> None:
    one = saved(store, user("one"))
    two = store.save(replace(store.new(), id=f"{one.id}.jsonl.broken-off", messages=(user("two"),)))
    for each in (one, two):
        file_of(store, each).write_bytes(to_lines(each) + b"damage")
        store.save(store.read(each.id))
    store.delete(one.id, for_good=True)

    assert names(store) == [f"{two.id}.jsonl", f"{two.id}.jsonl.broken"]


def test_where_there_is_no_trash_the_conversation_stays(
    store: ChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = saved(store, user("one"))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(store_module, "to_trash", refuse)
    error = refused(ErrorCode.CONVERSATION_NOT_REMOVED, store.delete, one.id)

    assert "Permission denied" in error.message
    assert ids(store) == [one.id]


@POSIX
def test_a_folder_is_not_deleted_as_a_conversation(store: ChatStore) -> None:
    saved(store, user("one"))
    folder = store.folder / "work.jsonl"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")

    refused(ErrorCode.CONVERSATION_NOT_REMOVED, store.delete, "work", for_good=True)
    assert (folder / "thesis.txt").exists()


# Exports


def test_a_conversation_is_exported_by_the_ending_of_the_name(store: ChatStore, tmp_path: Path) -> None:
    one = saved(store, user("Pourquoi ?", PICTURE), assistant("Parce que."))
    content = file_of(store, one).read_bytes() + b"what nobody understands\n"
    file_of(store, one).write_bytes(content)
    for ending in ("md", "JSON", "jsonl"):
        store.export(one.id, tmp_path / f"out.{ending}")

    text = (tmp_path / "out.md").read_text("utf-8")
    assert text.startswith("# Pourquoi ?\n")
    assert "Parce que." in text
    assert json.loads((tmp_path / "out.JSON").read_bytes())["messages"][1]["text"] == "Parce que."
    assert (tmp_path / "out.jsonl").read_bytes() == content
    assert file_of(store, one).read_bytes() == content


def test_an_export_that_cannot_be_says_why(store: ChatStore, tmp_path: Path) -> None:
    one = saved(store, user("a"))
    (tmp_path / "file").write_bytes(b"")

    refused(ErrorCode.FILE_FORMAT_UNKNOWN, store.export, one.id, tmp_path / "out.docx")
    refused(ErrorCode.FILE_FORMAT_UNKNOWN, store.export, one.id, tmp_path / "out")
    refused(ErrorCode.FILE_NOT_WRITABLE, store.export, one.id, tmp_path / "file" / "out.md")
    refused(ErrorCode.CONVERSATION_NOT_FOUND, store.export, "gone", tmp_path / "out.md")
    assert not (tmp_path / "out.md").exists()


# Searching


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Why is the Sky blue?", "sky WHY"),
        ("Die Straße nach Süden", "STRASSE SÜDEN"),
        ("Die Straße nach Su\u0308den", "süden"),
        ("\u0130stanbul", "i\u0307stanbul"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\ufb01ne width \u2460", "fine 1"),
        ("空はなぜ青いのですか", "なぜ青い"),
        ("Почему небо голубое", "НЕБО"),
    ],
)
def test_words_are_found_however_they_are_written(store: ChatStore, text: str, words: str) -> None:
    saved(store, user("something else"))
    one = saved(store, user("The beginning"), assistant(f"{'before ' * 40}{text}{' after' * 40}"))

    (found,) = store.search(words)
    assert (found.summary.id, found.message) == (one.id, 1)
    assert folded(words.partition(" ")[0]) in folded(found.excerpt)
    assert found.excerpt.startswith("…")
    assert found.excerpt.endswith("…")
    assert len(found.excerpt) < 250


def test_thousands_of_accents_on_a_letter_keep_nobody_waiting() -> None:
    """Unless a text is taken in pieces, Python's `unicodedata` takes half an hour for this one."""
    assert "needle" in folded("a" + "\u0301\u0316" * 500_000 + " NEEDLE\u200b")
    assert folded("e\u0301" * 2000) == "\u00e9" * 2000
    assert folded("\u1112\u1161\u11ab" * 2000) == "\ud55c" * 2000


def test_of_a_whole_book_in_the_search_field_the_beginning_is_looked_for(store: ChatStore) -> None:
    one = saved(store, user("needle " * 100))

    assert [each.summary.id for each in store.search("needle " * 200 + "elsewhere " * 100_000)] == [one.id]


def test_all_words_must_be_there_and_the_newest_comes_first(store: ChatStore) -> None:
    one = saved(store, user("sky"), assistant("It is blue."))
    saved(store, user("the blue sea"))
    three = saved(store, user("blue SKY"))
    named = saved(store, user("a", PICTURE))
    store.rename(named.id, "Cats under a blue sky")

    assert [each.summary.id for each in store.search("sky blue")] == [named.id, three.id, one.id]
    assert store.search("blue sky")[0].excerpt == ""
    assert [each.summary.id for each in store.search("kätzchen")] == [named.id]
    assert store.search("grey") == store.search("") == store.search("  ") == ()


def test_a_damaged_conversation_is_found_by_what_can_be_read(store: ChatStore) -> None:
    one = saved(store, user("needle"))
    file_of(store, one).write_bytes(file_of(store, one).read_bytes() + b'{"role":"user","te')

    assert [each.summary.id for each in store.search("needle")] == [one.id]


@given(st.text(max_size=40), st.data())
def test_whatever_is_in_a_text_is_found_in_it(text: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(text)))
    words = folded_words(text[begin : begin + 8])
    inside = [word for word in words if word in folded(text)]  # a mark may join the sign before it
    conversation = Conversation("c", "", 1.0, 1.0, messages=(user(text),))
    found = find(conversation, Summary("c", "", 1.0, "", 1), inside)

    assert (found is None) is (not inside)
    if found:
        assert found.message == 0
        assert len(found.excerpt.splitlines()) <= 1


def test_many_conversations_are_listed_and_searched_in_the_time_of_reading_them(tmp_path: Path) -> None:
    """Compared with plainly reading the files and taking the lines for JSON, which no program can avoid."""
    store = ChatStore(tmp_path)
    words = "the quick brown fox jumps over the lazy dog of the Straße " * 8
    messages = tuple(user(words) if number % 2 else assistant(words) for number in range(20))
    for number in range(300):
        conversation = Conversation(f"c{number}", f"T {number}", 1.0, float(number), messages=messages)
        (tmp_path / f"c{number}.jsonl").write_bytes(to_lines(conversation))

    def plainly() -> list[list[Any]]:
        return [[*map(json.loads, path.read_bytes().splitlines())] for path in tmp_path.iterdir()]

    def took_s(work: Callable[[], object]) -> float:
        best = []
        for _ in range(3):
            began_s = time.process_time()
            work()
            best.append(time.process_time() - began_s)
        return min(best)

    measure_s = took_s(plainly)
    assert took_s(lambda: ChatStore(tmp_path).summaries()) < 6 * measure_s  # 1 in fact
    assert len(store.summaries()) == 300
    assert took_s(store.summaries) < measure_s  # a twentieth in fact
    assert took_s(lambda: store.search("STRASSE nothing")) < 10 * measure_s  # 2 in fact
    assert len(store.search("lazy STRASSE")) == 300
