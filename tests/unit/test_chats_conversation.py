"""Titles of conversations, their lines, what a server is asked for, and exports."""

from __future__ import annotations

import base64
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray_app.chats.conversation import Attachment, Conversation, Message, Role, title_of
from tray_app.chats.exports import as_json, as_markdown
from tray_app.chats.lines import from_lines, kept_time, to_lines
from tray_app.chats.request import chat_body

PICTURE = Attachment("cat.png", "image/png", b"\x89PNG")
EMPTY = Conversation("c", "", 1.0, 2.0)


def user(text: str, *attachments: Attachment) -> Message:
    return Message(Role.USER, text, 1.0, attachments)


def assistant(text: str, **more: Any) -> Message:
    return Message(Role.ASSISTANT, text, 2.0, **more)


# Lines

TEXTS = st.text(max_size=30)
WHOLE_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
TIMES = st.floats(0, 4e9).map(kept_time)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(Role),
    text=WHOLE_TEXTS,
    created_at=TIMES,
    attachments=st.lists(
        st.builds(Attachment, name=WHOLE_TEXTS, media_type=WHOLE_TEXTS, data=st.binary(max_size=20)),
        max_size=2,
    ).map(tuple),
    reasoning=WHOLE_TEXTS,
    model_id=WHOLE_TEXTS,
    tokens=st.none() | st.integers(0, 2**53),
    tokens_per_s=st.none() | st.floats(0, 1e6),
    stopped=st.booleans(),
)
CONVERSATIONS = st.builds(
    Conversation,
    id=st.just("c"),
    title=WHOLE_TEXTS.map(str.strip).filter(bool),
    created_at=TIMES,
    updated_at=TIMES,
    model_id=WHOLE_TEXTS,
    system_prompt=WHOLE_TEXTS,
    temperature=st.none() | st.floats(0, 2),
    messages=st.lists(MESSAGES, max_size=4).map(tuple),
)


@given(CONVERSATIONS)
def test_what_is_written_is_read_again(conversation: Conversation) -> None:
    content = to_lines(conversation)
    reading = from_lines(content, "c", 0.0)

    assert reading.whole
    assert reading.conversation == conversation
    assert content.count(b"\n") == 1 + len(conversation.messages)
    assert to_lines(reading.conversation) == content


@given(CONVERSATIONS, st.data())
def test_a_file_that_was_cut_anywhere_has_all_that_is_whole(
    conversation: Conversation, data: st.DataObject
) -> None:
    content = to_lines(conversation)
    cut = data.draw(st.integers(0, len(content)))
    reading = from_lines(content[:cut], "c", 5.0)
    ends = content[:cut].count(b"\n")

    if ends == 0 and not content[:cut].endswith(b"}"):
        assert reading.conversation is None or not reading.whole
    else:
        assert reading.conversation
        kept = reading.conversation.messages
        assert kept[: max(ends - 1, 0)] == conversation.messages[: max(ends - 1, 0)]
        assert reading.whole or reading.damaged == (ends + 1,)


@given(st.lists(TEXTS, max_size=3), st.floats(allow_nan=True))
def test_any_text_and_any_time_can_be_kept(texts: list[str], time_s: float) -> None:
    messages = tuple(Message(Role.USER, text, time_s, reasoning=text) for text in texts)
    reading = from_lines(to_lines(replace(EMPTY, created_at=time_s, messages=messages)), "c", 0.0)

    assert reading.whole
    assert reading.conversation
    assert [each.text for each in reading.conversation.messages] == [
        "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text) for text in texts
    ]


def test_a_file_can_be_read_by_people() -> None:
    conversation = replace(
        EMPTY, title="Le ciel", created_at=1764451703.25, messages=(user("Pourquoi le ciel est-il bleu ?"),)
    )

    assert to_lines(conversation).decode() == (
        '{"chat":1,"title":"Le ciel","created_at":"2025-11-29T21:28:23.250000Z",'
        '"updated_at":"1970-01-01T00:00:02Z"}\n'
        '{"role":"user","created_at":"1970-01-01T00:00:01Z","text":"Pourquoi le ciel est-il bleu ?"}\n'
    )


def test_lines_that_a_person_typed_need_little() -> None:
    content = (
        b'\xef\xbb\xbf{"role": "user", "text": "Hi"}\r\n\r\n'
        b'{"role": "assistant", "text": "Hello", "created_at": 100}\r\n'
    )
    reading = from_lines(content, "mine", 50.0)

    assert reading.whole
    assert reading.conversation == Conversation(
        "mine",
        "Hi",
        50.0,
        50.0,
        messages=(Message(Role.USER, "Hi", 50.0), Message(Role.ASSISTANT, "Hello", 100.0)),
    )


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b'{"role":"user","text":"a","tokens":"many","mood":"good"}', user("a")),
        (b'{"role":"user","text":"a\\ud83d"}', user("a\ufffd")),
        (b'{"role":"user","text":"a\xff"}', user("a\ufffd")),
        (b'{"role":"user","text":"a","tokens":1e999}', user("a")),
        (b'{"role":"user","text":"a","attachments":[{"data":"!"}]}', user("a")),
        (b'{"role":"system","text":"a"}', None),
        (b'{"role":"user","text":["a"]}', None),
        (b'{"role":"user","te', None),
        (b"[" * 5000, None),
        (b'["user"]', None),
    ],
)
def test_of_a_strange_line_what_can_be_understood_is_and_it_is_named(
    line: bytes, kept: Message | None
) -> None:
    reading = from_lines(to_lines(EMPTY) + line + b"\n" + to_lines(EMPTY), "c", 0.0)

    assert reading.conversation
    assert reading.conversation.messages == ((replace(kept, created_at=1.0),) if kept else ())
    assert reading.damaged == (2, 3)  # a head further down is no message


def test_a_file_of_a_newer_version_is_read_and_not_taken_for_whole() -> None:
    reading = from_lines(b'{"chat":2,"title":"T"}\n{"role":"user","text":"a"}', "c", 0.0)

    assert reading.conversation
    assert reading.conversation.title == "T"
    assert not reading.whole


@given(st.floats(), st.integers(), st.floats())
def test_numbers_that_make_no_sense_damage_no_file(heat: float, tokens: int, speed: float) -> None:
    message = assistant("a", tokens=tokens, tokens_per_s=speed)
    reading = from_lines(to_lines(replace(EMPTY, temperature=heat, messages=(message,))), "c", 0.0)

    assert reading.whole
    assert reading.conversation
    assert reading.conversation.temperature in (heat, None)
    assert reading.conversation.messages[0].tokens in (tokens, None)


def test_no_more_lines_are_read_than_anybody_writes() -> None:
    content = to_lines(EMPTY) + b"{}\n" * 200_000
    reading = from_lines(content, "c", 0.0)

    assert reading.damaged[-1] == 100_001
    assert not reading.whole


def test_a_large_line_that_is_not_ours_is_not_taken_apart() -> None:
    line = b'{"role":"user","text":"a","more":[' + b"1," * 4_000_000 + b"1]}\n"
    tracemalloc.start()
    try:
        reading = from_lines(to_lines(EMPTY) + line, "c", 0.0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reading.damaged == (2,)
    assert peak_bytes < 6 * len(line)


# Titles


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why is the sky blue?\nTell me.", "Why is the sky blue?"),
        ("\n  \n  Hello   you \n", "Hello you"),
        ("word " * 30, "word " * 11 + "word…"),
        ("空" * 100, "空" * 59 + "…"),
        ("a" * 58 + "e\u0301" + "b" * 9, "a" * 58 + "…"),
        ("a" * 57 + "👩\u200d🚀" + "b" * 9, "a" * 57 + "…"),
        ("\x1b[31mred", "�[31mred"),
        ("", ""),
    ],
)
def test_a_title_is_the_first_line_shortened_where_nothing_breaks(text: str, title: str) -> None:
    assert title_of((assistant("Welcome"), user(text))) == title
    assert len(title) <= 60


def test_a_picture_without_words_gives_the_title() -> None:
    assert title_of((user(" ", PICTURE),)) == "cat.png"


@given(TEXTS)
def test_a_title_is_one_line_and_short(text: str) -> None:
    title = title_of((user(text),))

    assert len(title) <= 60
    assert title == title.strip()
    assert len(title.splitlines()) <= 1


# What a server is asked for


def test_a_server_is_asked_as_openai_has_it() -> None:
    conversation = replace(
        EMPTY,
        model_id="test",
        system_prompt="Be brief.",
        temperature=0.0,
        messages=(user("Hi"), assistant("Hello", reasoning="They greet."), user("What is it?", PICTURE)),
    )
    address = f"data:image/png;base64,{base64.b64encode(PICTURE.data).decode()}"

    assert chat_body(conversation) == {
        "model": "test",
        "temperature": 0.0,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": address}},
                    {"type": "text", "text": "What is it?"},
                ],
            },
        ],
    }


def test_sides_take_turns_and_an_answer_without_a_word_is_none() -> None:
    messages = (user("One"), assistant("", stopped=True), user("two"), user("", PICTURE))
    body = chat_body(replace(EMPTY, messages=messages))

    (turn,) = body["messages"]
    assert turn["role"] == "user"
    assert turn["content"][-1] == {"type": "text", "text": "One\n\ntwo"}
    assert body["model"] == ""
    assert "temperature" not in body


# Exports


def test_markdown_has_all_that_was_said() -> None:
    conversation = replace(
        EMPTY,
        title="Sky",
        system_prompt="Be brief.\nBe kind.",
        messages=(user("Why?", PICTURE), assistant("**Because.**", reasoning="Hm", model_id="bamboo")),
    )

    assert as_markdown(conversation) == (
        "# Sky\n\n> Be brief.\n> Be kind.\n\n"
        "## You\n\n*1970-01-01T00:00:01Z*\n\nWhy?\n\n![cat.png](data:image/png;base64,iVBORw==)\n\n"
        "## bamboo\n\n*1970-01-01T00:00:02Z*\n\n> Hm\n\n**Because.**\n"
    )


def test_json_is_one_value_for_programs() -> None:
    conversation = replace(EMPTY, title="Sky", messages=(user("Why?", PICTURE), assistant("So.", tokens=2)))

    assert json.loads(as_json(conversation)) == {
        "title": "Sky",
        "created_at": "1970-01-01T00:00:01Z",
        "updated_at": "1970-01-01T00:00:02Z",
        "messages": [
            {
                "role": "user",
                "created_at": "1970-01-01T00:00:01Z",
                "text": "Why?",
                "attachments": [{"name": "cat.png", "media_type": "image/png", "data": "iVBORw=="}],
            },
            {"role": "assistant", "created_at": "1970-01-01T00:00:02Z", "text": "So.", "tokens": 2},
        ],
    }
