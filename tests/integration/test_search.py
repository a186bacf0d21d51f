"""Search in a person's own texts: real models make the vectors, through the public address."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fakes.errors import coded
from tests.fakes.pdfs import pdf_of
from tests.fakes.tiny_models import BERT_DIMENSIONS, BUILTIN_DIMENSIONS, bert_model_bytes
from tray_app.app.root import App
from tray_app.errors import AppError, ErrorCode
from tray_app.search import filling
from tray_app.search.collection import Collection
from tray_app.settings.model_settings import with_own
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

DEADLINE_S = 60.0
NEVER = threading.Event()

Told = list[tuple[int, int]]


@pytest.fixture
def app() -> Iterator[App]:
    """An app that answers with the built-in model, and has another one in its folder."""
    paths = AppPaths.from_environment(os.environ)
    paths.models.mkdir(parents=True)
    (paths.models / "bert.gguf").write_bytes(bert_model_bytes())
    app = App(paths, detect_host(), {"port": free_port(), "model": "test"})
    app.start_server()
    app.wait_until_ready(DEADLINE_S)
    yield app
    app.close()


def nobody(*_: int) -> None:
    """Whom it is not told."""


def pasted(app: App, *lines: str) -> Collection:
    made = app.search.create("Mine")
    app.search.add_texts(made.id, lines, nobody, NEVER)
    (collection,) = app.search.collections()
    return collection


def test_a_folder_is_searched(app: App, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Animals\n\nCats sleep all day long.", encoding="utf-8")
    (tmp_path / "b.pdf").write_bytes(pdf_of("The invoice of March", "Thank you for your order"))
    (tmp_path / "c.txt").write_bytes("Un été à Nîmes".encode("cp1252"))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    collection = app.search.create("Everything")
    told: Told = []

    report = app.search.add_files(collection.id, [tmp_path], lambda *now: told.append(now), NEVER)
    hits = app.search.find(collection.id, "Thank you for your order", limit=3)

    assert (report.added, report.skipped) == (4, ())
    assert told[-1] == (4, 4)
    assert (hits[0].text, hits[0].source) == ("Thank you for your order", str(tmp_path / "b.pdf"))
    assert str(hits[0].place) == "page 2"
    assert hits[0].score == pytest.approx(1, abs=1e-3)
    assert len(hits) == 3
    assert list(hits) == sorted(hits, key=lambda hit: -hit.score)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_collection_says_what_made_its_vectors(app: App) -> None:
    collection = pasted(app, "one", "two")

    assert (collection.model_id, collection.dimensions, collection.texts) == ("test", BUILTIN_DIMENSIONS, 2)
    assert len(collection.model_digest) == 64
    assert app.search.is_current(collection)


def test_the_map_has_a_point_for_each_text(app: App) -> None:
    shown = app.search.coordinates(pasted(app, "one", "two", "three").id)

    assert shown.points.shape == (3, 2)
    assert shown.texts == ("one", "two", "three")
    assert 0.99 < sum(shown.explained) <= 1.001


def test_the_map_has_the_question_that_was_asked_last_and_what_is_nearest(app: App) -> None:
    collection = pasted(app, *(f"text {number}" for number in range(60)))
    hits = app.search.find(collection.id, "text 7", limit=5)

    shown = app.search.coordinates(collection.id, most=25, query="text 7")
    x, y = shown.question or (0.0, 0.0)

    assert {hit.text for hit in hits} <= set(shown.texts)
    assert shown.points[shown.texts.index("text 7")] == pytest.approx([x, y], abs=1e-3)
    assert app.search.coordinates(collection.id, query="another one").question is None


def test_a_text_that_is_too_long_for_the_model_is_cut(app: App) -> None:
    collection = pasted(app, "words " * 150, "word")

    assert app.search.find(collection.id, "word " * 20_000)


def test_documents_and_queries_have_the_models_own_beginnings(app: App) -> None:
    plain = pasted(app, "a text")
    (without,) = app.search.find(plain.id, "a text")
    app.apply(
        with_own(app.store.current, "test", {"prefix_document": "passage: ", "prefix_query": "query: "})
    )
    app.search.rebuild(plain.id, nobody, NEVER)
    (with_both,) = app.search.find(plain.id, "a text")
    app.apply(with_own(app.store.current, "test", {"prefix_query": "passage: "}))
    (with_the_same,) = app.search.find(plain.id, "a text")

    assert without.score == pytest.approx(1, abs=1e-3)
    assert with_both.score < 0.999
    assert with_the_same.score == pytest.approx(1, abs=1e-3)


def test_another_setting_of_the_model_makes_other_vectors_and_is_told(app: App) -> None:
    collection = pasted(app, "one")
    app.apply(with_own(app.store.current, "test", {"prefix_document": "passage: "}))

    assert not app.search.is_current(collection)
    for act in (
        lambda: app.search.find(collection.id, "one"),
        lambda: app.search.add_texts(collection.id, ["two"], nobody, NEVER),
    ):
        with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_OUTDATED)):
            act()

    assert app.search.rebuild(collection.id, nobody, NEVER).added == 1
    assert app.search.is_current(app.search.collections()[0])
    assert app.search.find(collection.id, "one")


def test_a_collection_is_searched_with_its_own_model_whichever_is_chosen(app: App) -> None:
    collection = pasted(app, "one", "two")
    app.apply(replace(app.store.current, default_embedding="bert"))
    other = app.search.create("Other")
    app.search.add_texts(other.id, ["three"], nobody, NEVER)

    made_of = {each.name: (each.model_id, each.dimensions) for each in app.search.collections()}
    assert made_of == {"Mine": ("test", BUILTIN_DIMENSIONS), "Other": ("bert", BERT_DIMENSIONS)}
    assert [hit.text for hit in app.search.find(collection.id, "two", limit=1)] == ["two"]
    assert [hit.text for hit in app.search.find(other.id, "two")] == ["three"]


def test_a_model_whose_file_is_another_one_or_gone_is_told(app: App) -> None:
    app.apply(replace(app.store.current, default_embedding="bert"))
    collection = pasted(app, "one")
    path = app.paths.models / "bert.gguf"
    whole = path.read_bytes()
    assert app.search.is_current(collection)
    app.unload_model("bert")  # Windows lets nobody change a file that an engine has open

    path.write_bytes(whole[:-64] + bytes(255 - each for each in whole[-64:]))
    changed = app.search.is_current(collection)
    path.unlink()
    gone = app.search.is_current(collection)
    path.write_bytes(whole)

    assert (changed, gone, app.search.is_current(collection)) == (False, False, True)


def test_a_rebuilt_collection_is_of_the_model_that_is_asked_now(app: App, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from a file", encoding="utf-8")
    collection = pasted(app, "one", "two")
    app.search.add_files(collection.id, [tmp_path], nobody, NEVER)
    app.apply(replace(app.store.current, default_embedding="bert"))

    report = app.search.rebuild(collection.id, nobody, NEVER)

    (now,) = app.search.collections()
    assert (report.added, now.model_id, now.dimensions, now.texts) == (3, "bert", BERT_DIMENSIONS, 3)
    (hit,) = app.search.find(collection.id, "from a file", limit=1)
    assert (hit.text, hit.source) == ("from a file", str(tmp_path / "a.txt"))
    assert app.search.add_files(collection.id, [tmp_path], nobody, NEVER).unchanged == 1


def test_a_rebuilding_that_was_cancelled_leaves_the_old_vectors_and_goes_on_next_time(app: App) -> None:
    collection = pasted(app, *(f"text {number}" for number in range(30)))
    app.apply(replace(app.store.current, default_embedding="bert"))
    cancelled = threading.Event()

    def cancel(done: int, _: int) -> None:
        if done >= 10:
            cancelled.set()

    first = app.search.rebuild(collection.id, cancel, cancelled)
    there = app.search.find(collection.id, "text 7", limit=1)
    told: Told = []
    second = app.search.rebuild(collection.id, lambda *now: told.append(now), NEVER)

    assert there[0].text == "text 7"
    assert 10 <= first.added < 30
    assert (told[0], second.added) == ((first.added, 30), 30)
    assert app.search.collections()[0].model_id == "bert"
    assert sorted(hit.text for hit in app.search.find(collection.id, "x", limit=99)) == sorted(
        f"text {number}" for number in range(30)
    )


def test_a_rebuilding_that_was_begun_with_another_model_begins_anew(app: App) -> None:
    collection = pasted(app, *(f"text {number}" for number in range(30)))
    app.apply(replace(app.store.current, default_embedding="bert"))
    cancelled = threading.Event()
    app.search.rebuild(collection.id, lambda done, _: cancelled.set() if done else None, cancelled)
    app.apply(replace(app.store.current, default_embedding="test"))

    assert app.search.rebuild(collection.id, nobody, NEVER).added == 30
    assert app.search.collections()[0].model_id == "test"


def test_a_server_that_is_stopped_in_the_middle_loses_nothing(app: App) -> None:
    made = app.search.create("Mine")

    def stop(done: int, _: int) -> None:
        if done >= 10:
            app.stop_server()

    with pytest.raises(AppError):
        app.search.add_texts(made.id, (f"text {number}" for number in range(40)), stop, NEVER)
    kept = app.search.collections()[0].texts
    with pytest.raises(AppError, check=coded(ErrorCode.SERVER_NOT_RUNNING)):
        app.search.find(made.id, "text")
    app.start_server()
    app.wait_until_ready(DEADLINE_S)
    report = app.search.add_texts(made.id, (f"text {number}" for number in range(40)), nobody, NEVER)

    assert 10 <= kept < 40
    assert (report.added, report.unchanged) == (40 - kept, kept)


def test_an_empty_question_and_an_empty_collection(app: App) -> None:
    made = app.search.create("Mine")

    assert app.search.find(made.id, "anything") == ()
    with pytest.raises(AppError, check=coded(ErrorCode.QUERY_EMPTY)):
        app.search.find(made.id, " \n")


def test_a_question_is_found_while_texts_are_added(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "KEPT_AT_ONCE", 4)
    collection = pasted(app, "one")
    found: list[str] = []

    def ask(done: int, _: int) -> None:
        if done >= 10 and not found:
            found.extend(hit.text for hit in app.search.find(collection.id, "text 3", limit=1))

    app.search.add_texts(collection.id, (f"text {number}" for number in range(40)), ask, NEVER)

    assert found == ["text 3"]


def test_an_export_is_what_there_is(app: App, tmp_path: Path) -> None:
    collection = pasted(app, "one", "two")

    app.search.export(collection.id, tmp_path / "out.jsonl")

    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["text"], row["model"], len(row["vector"])) for row in rows] == [
        ("one", "test", BUILTIN_DIMENSIONS),
        ("two", "test", BUILTIN_DIMENSIONS),
    ]


WITHOUT_NUMPY = """
import os, sys
from tray_app.app.root import App
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths

app = App(AppPaths.from_environment(os.environ), detect_host())
made = app.search.create("Mine")
assert app.search.collections() == (made,)
assert app.search.is_current(made)
app.search.rename(made.id, "Other")
app.search.delete(made.id)
app.close()
print(*(name for name in ("numpy", "pypdf") if name in sys.modules))
"""


def test_an_app_in_which_nobody_searches_loads_neither_numpy_nor_pypdf() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr
