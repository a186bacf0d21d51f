from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.app import make_sleeping, make_status
from tests.fakes.languages import ENGLISH
from tray_app.app.server_status import ServerState, ServerStatus
from tray_app.engine.lifecycle import State
from tray_app.gateway.public_client import Embeddings
from tray_app.settings.schema import Settings
from tray_app.ui.presenters.embedding import embedded_texts, reason_to_wait, result_summary, texts_of

RESULT = Embeddings(((3.0, 4.0, 0.0, 0.0, 0.0), (0.5, -0.5, 0.5, -0.5, 0.0)), 5, 12, 7.0)


def test_a_text_is_a_line_that_is_not_blank() -> None:
    assert texts_of(" one \n\n\t\ntwo\r\n") == ("one", "two")


def test_the_summary_gives_each_number_its_unit() -> None:
    assert result_summary(RESULT, ENGLISH) == "2 texts · 5 dimensions · 12 tokens · 3.5 ms per text"


def test_one_text_is_not_called_texts() -> None:
    assert result_summary(Embeddings(((1.0,),), 1, 3, 2.0), ENGLISH).startswith("1 text · ")


def test_each_text_has_its_norm_and_its_first_values() -> None:
    first, second = embedded_texts(("one", "two"), RESULT, ENGLISH)

    assert (first.text, first.norm, first.first_values) == (
        "one",
        "5.0000",
        "+3.0000, +4.0000, +0.0000, +0.0000, …",
    )
    assert (second.norm, second.vector) == ("1.0000", RESULT.vectors[1])


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.READY, ""),
        (State.STARTING, "The model is being loaded …"),
        (State.LOADING, "The model is being loaded …"),
        (State.BACKOFF, "The server is being restarted …"),
        (State.STOPPED, "The server must run first."),
        (State.STOPPING, "The server must run first."),
        (State.WAITING, "The server waits until the model is there again."),
        (State.FAILED, "The server must run first."),
    ],
)
def test_what_must_happen_first_is_said(state: State, reason: str) -> None:
    assert reason_to_wait(make_status(state), ("a text",), ENGLISH) == reason


@pytest.mark.parametrize(
    ("on_demand", "texts", "reason"),
    [
        (True, ("a text",), ""),
        (True, (), "Type a text first."),
        (False, ("a text",), "The server is asleep. Start it first."),
    ],
)
def test_a_text_wakes_a_server_that_starts_on_demand(
    *, on_demand: bool, texts: tuple[str, ...], reason: str
) -> None:
    assert reason_to_wait(make_sleeping(on_demand=on_demand), texts, ENGLISH) == reason


def test_a_default_of_its_own_answers_while_the_chosen_model_sleeps() -> None:
    sleeping = make_sleeping(on_demand=False)
    own = replace(sleeping, settings=Settings(model="bamboo", default_embedding="bge-m3"))

    assert reason_to_wait(own, ("a text",), ENGLISH) == ""
    stopped = replace(own, server=ServerStatus(ServerState.STOPPED))
    assert reason_to_wait(stopped, ("a text",), ENGLISH) == "The server must run first."


def test_a_ready_server_waits_for_a_text() -> None:
    assert reason_to_wait(make_status(State.READY), (), ENGLISH) == "Type a text first."
