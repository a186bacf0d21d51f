from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import make_progress, make_status
from tests.fakes.languages import ENGLISH
from tests.fakes.strangers import CORPUS, harm_in
from tray_app.engine.lifecycle import State
from tray_app.ui.presenters.notices import Notice, Page, notices
from tray_app.ui.presenters.origins import MOST_SHOWN, origin_question, shown_origin
from tray_app.ui.presenters.status import announcement
from tray_app.ui.presenters.tray import tray_view

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus

PAGE, OTHER = "app://obsidian.md", "http://localhost:3000"
MEANING = (
    "Allow: from now on, its pages can send requests to the models on this computer.\n"
    "Refuse: it stays blocked, and you are not asked again."
)
NOW_S = 1000.0


def asking(*origins: str, status: AppStatus | None = None) -> AppStatus:
    return replace(status or make_status(), refused_origins=origins)


@pytest.mark.parametrize(
    ("origins", "more"),
    [
        ((PAGE,), ""),
        ((PAGE, OTHER), "\n1 more is waiting for an answer."),
        ((PAGE, OTHER, "app://x"), "\n2 more are waiting for an answer."),
    ],
)
def test_one_is_asked_about_after_the_other(origins: tuple[str, ...], more: str) -> None:
    question = origin_question(asking(*origins), ENGLISH)

    assert question is not None
    assert (question.origin, question.name) == (PAGE, PAGE)
    assert question.title == "app://obsidian.md wants to use the server"
    assert question.text == MEANING + more


def test_nothing_is_asked_where_nobody_was_refused() -> None:
    assert origin_question(make_status(), ENGLISH) is None
    assert tray_view(make_status(), NOW_S, ENGLISH).question == ""


def test_an_answer_for_all_pages_of_a_kind_says_so() -> None:
    question = origin_question(asking("vscode-webview://*"), ENGLISH)

    assert question is not None
    assert question.text.endswith(
        "Pages of this kind have a new name each time, so your answer applies to all of them."
    )


def test_the_menu_has_an_entry_for_it() -> None:
    view = tray_view(asking(PAGE, OTHER), NOW_S, ENGLISH)

    assert view.question == "app://obsidian.md wants to use the server…"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in CORPUS.items()])
def test_what_strangers_call_themselves_is_shown_harmless_and_short(text: str) -> None:
    question = origin_question(asking(text), ENGLISH)

    assert question is not None
    assert question.origin == text  # which is what the answer is about
    assert harm_in(question.name + question.title) == set()
    assert len(question.name) <= MOST_SHOWN


def test_of_a_long_name_the_beginning_and_the_end_are_shown() -> None:
    assert shown_origin(f"app://{'a' * 54}") == f"app://{'a' * 54}"
    shown = shown_origin(f"http://{'a' * 5000}.localhost:3000")

    assert len(shown) == MOST_SHOWN
    assert shown.startswith("http://aaa")
    assert shown.endswith("….localhost:3000"[1:])
    assert "…" in shown


def test_a_person_is_told_once_of_each() -> None:
    told = Notice(
        "app://obsidian.md wants to use the server",
        "Its requests are refused until you decide. Open Home to answer.",
        Page.HOME,
    )

    assert notices(make_status(), asking(PAGE), ENGLISH) == (told,)
    assert notices(make_status(), asking(PAGE, OTHER), ENGLISH) == (told,)  # one for all that come together
    assert notices(asking(PAGE), asking(PAGE), ENGLISH) == ()
    assert [each.title for each in notices(asking(PAGE), asking(PAGE, OTHER), ENGLISH)] == [
        "http://localhost:3000 wants to use the server"
    ]
    assert notices(asking(PAGE, OTHER), asking(OTHER), ENGLISH) == ()
    assert notices(asking(PAGE), make_status(), ENGLISH) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (make_status(), asking(PAGE), "app://obsidian.md wants to use the server"),
        (asking(PAGE), asking(PAGE, OTHER), ""),
        (asking(PAGE, OTHER), asking(OTHER), "http://localhost:3000 wants to use the server"),
        (asking(PAGE), make_status(), ""),
        (
            make_status(State.LOADING),
            asking(PAGE, status=make_status(State.READY)),
            "Ready — Bamboo 7B Q4_0\napp://obsidian.md wants to use the server",
        ),
        (
            asking(PAGE),
            asking(PAGE, status=make_status(downloads=(make_progress(),))),
            "Downloading tiny.gguf — 43 % · 12.3 MB/s · 3 min left",
        ),
    ],
)
def test_a_screen_reader_says_what_is_asked_now(old: AppStatus, new: AppStatus, said: str) -> None:
    assert announcement(old, new, NOW_S, ENGLISH) == said
