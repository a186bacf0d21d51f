from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.languages import ENGLISH
from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.search.collection import PASTED, AddReport, Collection, Hit, Skipped
from tray_app.settings.keys import PLACEHOLDER
from tray_app.ui.presenters.search import (
    collection_facts,
    example_texts,
    found_text,
    hit_rows,
    map_text,
    name_for,
    progress_text,
    report_text,
    skipped_rows,
)
from tray_app.ui.presenters.search_snippets import Searched, qdrant_curl, qdrant_python, search_4d

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTION = 'It\'s "quoted" \\ 素早い $HOME `id`'
SEARCHED = Searched("http://127.0.0.1:8080/v1", "bge-m3", "Ada's Notes (2026)", 1024, QUESTION)


def test_a_row_says_where_its_text_is_from_and_is_one_paragraph() -> None:
    place = phrase("lines {first} to {last}", first=3, last=9)
    hits = (Hit("Two\n\n  lines\x1b", "/home/ada/notes.md", place, 0.8349), Hit("x", PASTED, "", -0.5))

    first, second = hit_rows(hits, ENGLISH)

    assert (first.text, first.whole) == ("Two lines�", "Two\n\n  lines\\x1b")
    assert first.origin == "notes.md · lines 3 to 9"
    assert (first.score_text, first.path) == ("0.83", Path("/home/ada/notes.md"))
    assert (second.origin, second.path, second.score_text) == ("Pasted", None, "-0.50")


def test_a_collection_says_what_is_in_it() -> None:
    empty = Collection("c1", "Notes", "", "", 0, 0, 0.0)
    full = Collection("c1", "Notes", "bge-m3", "5f", 1024, 50_000, 0.0)

    assert collection_facts(empty, ENGLISH) == "0 texts"
    assert collection_facts(full, ENGLISH) == "50,000 texts · 1024 dimensions · bge-m3"


def test_progress_is_told_while_files_are_read_and_while_texts_are_embedded() -> None:
    assert progress_text(0, 12_000, ENGLISH) == "Reading … 12,000 texts so far"
    assert progress_text(1, 12_000, ENGLISH) == "Embedding 1 of 12,000 texts"


def test_a_report_tells_only_what_there_was() -> None:
    assert report_text(AddReport(1, 0), ENGLISH) == "1 text added"
    assert report_text(AddReport(2, 3, removed=1), ENGLISH) == (
        "2 texts added · 3 were there already · 1 removed"
    )


def test_what_was_skipped_is_named_with_the_reason() -> None:
    error = AppError(ErrorCode.FILE_UNREADABLE, "x cannot be read", "Permission denied", "Check it.")

    (line,) = skipped_rows((Skipped("/home/ada/x.md", error),), ENGLISH)

    assert line == "x.md: x cannot be read. Permission denied"


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        ((), "Pasted texts"),
        ((Path("/home/ada/My Notes"),), "My Notes"),
        ((Path("/home/ada/thesis.pdf"), Path("/home/ada/b.md")), "thesis"),
        ((Path("/"),), "/"),
    ],
)
def test_a_new_collection_is_called_as_what_it_comes_from(paths: tuple[Path, ...], name: str) -> None:
    assert name_for(paths, ENGLISH) == name


def test_a_map_says_how_much_of_the_truth_it_shows() -> None:
    assert "30% of" in map_text((0.21, 0.09), 10, 10, ENGLISH)
    assert map_text((0.2, 0.1), 2000, 50_000, ENGLISH).endswith("2000 of 50,000 texts are shown.")


def test_the_example_has_ten_texts_that_differ_and_nothing_found_is_said() -> None:
    assert len(set(example_texts(ENGLISH))) == 10
    assert found_text((), ENGLISH) == "Nothing was found"


def test_names_become_what_urls_files_and_databases_take() -> None:
    assert SEARCHED.short_name == "ada-s-notes-2026"
    assert Searched("", "", "日本語", 1, "").short_name == "texts"


@pytest.mark.parametrize("program", [qdrant_python, qdrant_curl, search_4d])
def test_on_the_local_network_a_program_has_a_place_for_the_key(program: Callable[[Searched], str]) -> None:
    assert PLACEHOLDER in program(replace(SEARCHED, key=PLACEHOLDER))
    assert PLACEHOLDER not in program(SEARCHED)


def test_the_python_program_puts_the_export_into_qdrant_and_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"text": "a", "source": "b", "vector": [1.0, 0.0]}
    (tmp_path / f"{SEARCHED.short_name}.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    did: dict[str, Any] = {}
    _pretend(monkeypatch, did)

    exec(qdrant_python(SEARCHED), {})  # noqa: S102 - what a person would do

    assert did["create_collection"] == {"vectors_config": ("cosine", 1024)}
    assert did["upload_collection"] == {"vectors": [[1.0, 0.0]], "payload": [{"text": "a", "source": "b"}]}
    assert did["ask"] == {"model": "bge-m3", "input": QUESTION, "extra_body": {"input_type": "query"}}
    assert did["query_points"] == {"query": [0.5], "limit": 20}
    assert capsys.readouterr().out == "0.90 b a\n"


def _pretend(monkeypatch: pytest.MonkeyPatch, did: dict[str, Any]) -> None:
    """The packages that the program imports, as far as it uses them; tried with the real ones by hand."""

    class Store:
        def __init__(self, path: str) -> None:
            did["path"] = path

        def collection_exists(self, name: str) -> bool:
            did["name"] = name
            return False

        def __getattr__(self, method: str) -> Any:
            def call(name: str, **values: Any) -> Any:
                assert name == SEARCHED.short_name
                did[method] = values
                hit = SimpleNamespace(score=0.9, payload={"source": "b", "text": "a"})
                return SimpleNamespace(points=[hit])

            return call

    class Client:
        def __init__(self, **_: str) -> None:
            self.embeddings = self

        def create(self, **asked: Any) -> Any:
            did["ask"] = asked
            return SimpleNamespace(data=[SimpleNamespace(embedding=[0.5])])

    models = SimpleNamespace(
        Distance=SimpleNamespace(COSINE="cosine"), VectorParams=lambda size, distance: (distance, size)
    )
    for name, values in (
        ("qdrant_client", {"QdrantClient": Store, "models": models}),
        ("openai", {"OpenAI": Client}),
    ):
        module = ModuleType(name)
        module.__dict__.update(values)
        monkeypatch.setitem(sys.modules, name, module)


def test_a_shell_reads_the_question_as_it_is() -> None:
    words = shlex.split(qdrant_curl(SEARCHED), comments=True)

    bodies = [json.loads(words[at + 1]) for at, word in enumerate(words) if word == "--data-raw"]
    assert bodies == [
        {"vectors": {"size": 1024, "distance": "Cosine"}},
        {"model": "bge-m3", "input": QUESTION, "input_type": "query"},
    ]


def test_4d_searches_by_itself() -> None:
    code = search_4d(SEARCHED)

    assert json.dumps(QUESTION, ensure_ascii=False) in code
    assert "metric: mk cosine" in code
