from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.fakes.app import make_loaded, make_sleeping, make_status, with_engines
from tests.fakes.languages import ENGLISH
from tray_app.chats.conversation import Attachment, Conversation, Message, Role
from tray_app.engine.lifecycle import State
from tray_app.settings.schema import Settings
from tray_app.ui.presenters.chat import (
    ChatModel,
    ChatModels,
    file_name_for,
    picker_view,
    wait_text,
    when_text,
)
from tray_app.ui.presenters.chat_rows import ChatAction, RowKind, foot_text, rows_of, shown

EMPTY = Conversation("a", "", 0, 0)
MODELS = ChatModels((ChatModel("a", "A"), ChatModel("b", "B")), usual="b")
NOON = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))
PICTURE = Attachment("a.png", "image/png", b"")


def answer(**changes: object) -> Message:
    return replace(Message(Role.ASSISTANT, "Yes.", 2.0), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (Message(Role.USER, "a", 1.0), ""),
        (answer(), ""),
        (answer(model_id="b", tokens=1, tokens_per_s=42.14), "B · 42.1 tokens/s · 1 token"),
        (answer(model_id="gone", tokens=20_000), "gone · 20,000 tokens"),
        (answer(stopped=True), "Stopped"),
    ],
)
def test_what_is_known_of_an_answer_is_told(message: Message, told: str) -> None:
    assert foot_text(message, MODELS.name_of, ENGLISH) == told


def test_the_model_of_a_conversation_answers_or_the_usual_one_or_any() -> None:
    assert MODELS.answers(replace(EMPTY, model_id="a")) == "a"
    assert MODELS.answers(EMPTY) == "b"
    assert replace(MODELS, usual="").answers(EMPTY) == "a"
    assert ChatModels().answers(EMPTY) == ""


def test_the_picker_tells_who_answers() -> None:
    status = make_status(State.READY)
    assert picker_view(EMPTY, MODELS, status, ENGLISH).label == "B"
    nobody = picker_view(EMPTY, ChatModels(), status, ENGLISH)
    assert (nobody.label, nobody.usable) == ("No chat model", False)
    remote = make_status(State.READY, settings=Settings(model="x", engine="remote"))
    assert picker_view(EMPTY, ChatModels(), remote, ENGLISH).usable


def test_what_is_waited_for_is_told() -> None:
    ready = make_status(State.READY)
    assert wait_text("bamboo", "Bamboo", ready, 0.4, ENGLISH) == "Reading …"
    assert wait_text("bamboo", "Bamboo", ready, 12.7, ENGLISH) == "Reading … 12 s"
    assert wait_text("bamboo", "Bamboo", make_status(State.LOADING), 0, ENGLISH) == "Loading Bamboo …"
    beside = with_engines(ready, make_loaded("Other", State.LOADING))
    assert wait_text("other", "Other", beside, 0, ENGLISH) == "Loading Other …"
    assert wait_text("bamboo", "Bamboo", beside, 0, ENGLISH) == "Reading …"
    assert wait_text("", "", make_status(State.LOADING), 0, ENGLISH) == "Loading the model …"
    assert wait_text("bamboo", "Bamboo", make_status(), 0, ENGLISH) == "Starting the server …"
    assert wait_text("bamboo", "Bamboo", make_sleeping(), 0, ENGLISH) == "Reading …"


@pytest.mark.parametrize(
    ("ago_s", "told"),
    [
        (5, "Just now"),
        (3600, "Today, 11:00"),
        (86_400, "Yesterday, 12:00"),
        (10 * 86_400, "2026-11-19"),
        (-5, "Just now"),
        (-2 * 86_400, "2026-12-01"),  # the clock has been set back
    ],
)
def test_when_a_conversation_was_is_told(ago_s: float, told: str) -> None:
    assert when_text(NOON - ago_s, NOON, ENGLISH) == told


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("What is a/b: c?", "What is a b c"),
        ("日本語", "日本語"),
        ("../..", "conversation"),
        ("", "conversation"),
    ],
)
def test_an_export_is_called_as_the_conversation(title: str, name: str) -> None:
    assert file_name_for(title) == name


def test_a_question_is_its_pictures_then_its_words_then_what_can_be_done() -> None:
    (first,) = rows_of([Message(Role.USER, "What?", 1.0, (PICTURE,))], str, ENGLISH)
    assert [row.kind for row in first.rows] == [RowKind.PICTURES, RowKind.QUESTION, RowKind.FOOT]
    assert first.rows[-1].actions == (ChatAction.COPY, ChatAction.EDIT)
    (silent,) = rows_of([Message(Role.USER, "", 1.0, (PICTURE,))], str, ENGLISH)
    assert [row.kind for row in silent.rows] == [RowKind.PICTURES, RowKind.FOOT]


def test_a_long_question_is_pieces_that_are_drawn_as_one() -> None:
    text = "word " * 3000 + "\n" + "x" * 9000
    (long,) = rows_of([Message(Role.USER, text, 1.0)], str, ENGLISH)
    pieces = [row for row in long.rows if row.kind is RowKind.QUESTION]

    assert len(pieces) > 3
    assert max(len(row.text) for row in pieces) <= 4000
    assert [row.first for row in pieces] == [True] + [False] * (len(pieces) - 1)
    assert [row.last for row in pieces] == [False] * (len(pieces) - 1) + [True]
    assert "".join(row.text for row in pieces).replace(" ", "") == text.replace(" ", "").replace("\n", "")


def test_only_the_last_answer_can_be_made_anew_and_none_that_grows() -> None:
    both = rows_of([answer(), answer()], str, ENGLISH)
    assert [shown.rows[-1].actions for shown in both] == [
        (ChatAction.COPY,),
        (ChatAction.COPY, ChatAction.REGENERATE),
    ]
    growing = shown(0, answer(reasoning="Hm."), "", running=True, thoughts="Thinking …")
    assert [row.kind for row in growing.rows] == [RowKind.THOUGHTS, RowKind.ANSWER]
    unfolded = shown(0, answer(reasoning="Hm."), "", unfolded=True)
    assert [row.kind for row in unfolded.rows] == [
        RowKind.THOUGHTS,
        RowKind.THOUGHT,
        RowKind.ANSWER,
        RowKind.FOOT,
    ]
