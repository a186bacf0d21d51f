from __future__ import annotations

import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fakes.app import make_snapshot, make_status
from tray_app.engine.lifecycle import State
from tray_app.settings.keys import PLACEHOLDER
from tray_app.settings.schema import Settings
from tray_app.ui.presenters.menu import Command
from tray_app.ui.presenters.snippets import (
    copied_text,
    curl_snippet,
    fourd_snippet,
    javascript_snippet,
    model_id,
    python_snippet,
)

BASE_URL = "http://127.0.0.1:8080/v1"
TEXTS = ('It\'s "quoted" \\ 素早い茶色の狐', "two\nlines $HOME `id`")


@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS])
def test_a_shell_reads_the_texts_as_they_are(texts: tuple[str, ...]) -> None:
    words = shlex.split(curl_snippet(BASE_URL, "bamboo", texts).replace("\\\n", ""))

    assert words[:2] == ["curl", f"{BASE_URL}/embeddings"]
    body = json.loads(words[-1])
    assert body == {"model": "bamboo", "input": texts[0] if len(texts) == 1 else list(texts)}


def test_python_reads_the_texts_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Client:
        def __init__(self, **client: str) -> None:
            asked.update(client)
            self.embeddings = self

        def create(self, **request: object) -> object:
            asked.update(request)
            return SimpleNamespace(data=[])

    monkeypatch.setattr("openai.OpenAI", Client)

    exec(python_snippet(BASE_URL, "bamboo", TEXTS), {})  # noqa: S102 - what a person would do

    assert asked == {"base_url": BASE_URL, "api_key": "none", "model": "bamboo", "input": list(TEXTS)}


def test_4d_gets_a_text_or_a_list_with_semicolons() -> None:
    one = fourd_snippet(BASE_URL, "bamboo", ('say "hello"',))
    two = fourd_snippet(BASE_URL, "bamboo", ("a", "b"))

    assert '$client.embeddings.create("say \\"hello\\""; "bamboo")' in one
    assert '$client.embeddings.create(["a"; "b"]; "bamboo")' in two
    assert f'baseURL: "{BASE_URL}"' in one


@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS])
def test_javascript_reads_the_texts_as_they_are(texts: tuple[str, ...]) -> None:
    program = javascript_snippet(BASE_URL, "bamboo", texts)

    assert f'baseURL: "{BASE_URL}"' in program
    asked = program.partition("create(")[2].partition(")\nconsole")[0]
    assert json.loads(asked) == {"model": "bamboo", "input": texts[0] if len(texts) == 1 else list(texts)}


EXAMPLES = (Command.COPY_CURL, Command.COPY_PYTHON, Command.COPY_JAVASCRIPT, Command.COPY_4D)


@pytest.mark.parametrize("command", EXAMPLES)
def test_on_the_local_network_an_example_has_a_place_for_the_key(command: Command) -> None:
    local, lan = (
        copied_text(command, make_status(State.READY, settings=Settings(model="bamboo", network=network)))
        for network in ("local", "lan")
    )

    assert PLACEHOLDER in lan
    assert PLACEHOLDER not in local


def test_the_model_is_the_one_that_runs_else_the_chosen_one() -> None:
    assert model_id(make_status(State.READY, engine=make_snapshot(State.READY))) == "bamboo"
    assert model_id(make_status(settings=Settings(model="mine.gguf"))) == "mine.gguf"
    assert model_id(make_status(model_name=None)) == "default"
