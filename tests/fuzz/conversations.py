"""The target that is a file of a conversation, which people edit and disks damage."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tests.fuzz.harness import Target, edited
from tray_app.chats.conversation import Message, Role
from tray_app.chats.lines import from_lines
from tray_app.chats.store import ChatStore
from tray_app.errors import AppError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = b'{"chat":1,"title":"Sky","created_at":"2026-11-29T21:28:23.5Z","updated_at":"2026-11-29T21:30:00Z"}\n'
ASKED = b'{"role":"user","created_at":"2026-11-29T21:28:23Z","text":"Why?"}\n'
FILES = (
    HEAD + ASKED + b'{"role":"assistant","text":"Because.","tokens":3,"tokens_per_s":2.5,"stopped":true}\n',
    b'{"chat":1,"model_id":"test","system_prompt":"Be brief","temperature":0.5}\r\n' + ASKED,
    HEAD
    + b'{"role":"user","text":"","attachments":[{"name":"a.png","media_type":"image/png","data":"AAEC"}]}',
    b"\xef\xbb\xbf" + ASKED + ASKED,
    b'{"chat":2,"title":"newer"}\n' + ASKED,
)
WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\n", b"\r\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud83d"),
    *(b"null", b"true", b"NaN", b"1e999", b"-1", b"9" * 30, b"9" * 5000, b"[" * 3000, b'{"a":' * 1000),
    *(b'"role":', b'"text":', b'"data":"!"', b'"created_at":0.5,', b'"created_at":"9999-12-31T23:59:59Z",'),
    *(b'"chat":', b'"title":"\\ud800",', b'"temperature":3,', b'"more":1,', HEAD, ASKED, b"\xe2\x80\xa8"),
)


@contextmanager
def folder_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder for the file."""
    with tempfile.TemporaryDirectory() as folder:
        yield partial(check_conversation, Path(folder))


def check_conversation(folder: Path, data: bytes) -> None:
    """What is understood goes on; what is not is told, and stays in the file or in a copy of it."""
    path = folder / "c.jsonl"
    copy = folder / "c.jsonl.broken"
    copy.unlink(missing_ok=True)
    path.write_bytes(data)
    reading = from_lines(data, "c", 0.0)
    store = ChatStore(folder)
    assert len(store.summaries()) == (reading.conversation is not None)
    assert bool(store.problems()) is not reading.whole
    store.search("sky")
    if reading.conversation is None:
        with pytest.raises(AppError, check=coded(ErrorCode.CONVERSATION_DAMAGED)):
            store.read("c")
        assert path.read_bytes() == data
        return
    read = store.read("c")
    store.rename("c", "Other")
    assert store.read("c") == replace(read, title="Other")
    assert reading.whole or copy.read_bytes() == data
    copy.unlink(missing_ok=True)
    path.write_bytes(data)
    read = store.read("c")
    saved = store.save(replace(read, messages=(*read.messages, Message(Role.USER, "And now?", 1.0))))
    assert saved.messages[:-1] == read.messages
    assert ChatStore(folder).read("c") == saved
    assert reading.whole or copy.read_bytes() == data
    assert from_lines(path.read_bytes(), "c", 0.0).whole


TARGETS = (Target("conversations", edited(FILES, WORDS), folder_ready, 100),)
