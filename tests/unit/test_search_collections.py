"""Collections on disk: what is damaged, newer or in use is told of, and harms no other."""

import csv
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.embedders import DIMENSIONS, WordEmbedder, vector_of
from tests.fakes.errors import coded
from tray_app.errors import AppError, ErrorCode
from tray_app.search import shelf as shelves
from tray_app.search import writer
from tray_app.search.exporting import export
from tray_app.search.filling import Filling
from tray_app.search.head import HEAD, Head
from tray_app.search.nearest import unit_vectors
from tray_app.search.opened import Opened
from tray_app.search.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "search")


def filled(shelf: Shelf, *lines: str, name: str = "Mine") -> str:
    collection_id = shelf.create(name).id
    add(shelf, collection_id, *lines)
    return collection_id


def add(shelf: Shelf, collection_id: str, *lines: str) -> None:
    with shelf.writing(collection_id) as writer:
        Filling(writer, WordEmbedder(), lambda *_: None, threading.Event()).add_texts(lines)


def texts(shelf: Shelf, collection_id: str) -> list[str]:
    return [text.text for text, _ in shelf.open(collection_id).texts()]


def names(shelf: Shelf) -> list[str]:
    return [each.name for each in shelf.collections()[0]]


def test_before_there_is_any_there_is_none_and_nothing_is_made(shelf: Shelf) -> None:
    assert shelf.collections() == ((), ())
    assert not shelf.folder.exists()


def test_collections_come_by_name_and_can_be_renamed_and_deleted(shelf: Shelf) -> None:
    first, second = shelf.create("beta"), shelf.create("  Alpha \n two ")

    assert names(shelf) == ["Alpha two", "beta"]
    assert shelf.rename(first.id, "Aaa").name == "Aaa"
    shelf.delete(second.id)

    assert names(shelf) == ["Aaa"]
    assert [each.name for each in shelf.folder.iterdir()] == [first.id]
    assert shelf.rename(first.id, "AAA").name == "AAA"


@pytest.mark.parametrize("name", ["", " \n", "x" * 101, "mine", "MINE "])
def test_a_name_that_cannot_be_is_refused(shelf: Shelf, name: str) -> None:
    shelf.create("Mine")

    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_NAME_INVALID)):
        shelf.create(name)


@pytest.mark.parametrize("collection_id", ["", "..", "0123456789ab", "../search"])
def test_a_collection_that_is_not_there_is_told_of(shelf: Shelf, collection_id: str) -> None:
    shelf.create("Mine")

    for act in (shelf.head, shelf.delete, shelf.open, lambda each: shelf.rename(each, "x")):
        with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_NOT_FOUND)):
            act(collection_id)
    assert names(shelf) == ["Mine"]


def test_what_one_program_has_added_another_one_finds(shelf: Shelf) -> None:
    other = Shelf(shelf.folder)
    collection_id = filled(shelf, "one")
    assert texts(other, collection_id) == ["one"]

    add(shelf, collection_id, "two")

    assert texts(other, collection_id) == ["one", "two"]
    assert other.collection(collection_id).texts == 2


def test_two_do_not_change_one_collection_at_once(shelf: Shelf) -> None:
    collection_id = filled(shelf, "one")

    with shelf.writing(collection_id):
        for act in (shelf.delete, lambda each: add(Shelf(shelf.folder), each, "two")):
            with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_IN_USE)):
                act(collection_id)
        assert texts(shelf, collection_id) == ["one"]

    add(shelf, collection_id, "two")
    assert texts(shelf, collection_id) == ["one", "two"]


def test_one_of_a_newer_version_is_told_of_and_left_alone(shelf: Shelf) -> None:
    collection_id = filled(shelf, "one")
    head = shelf.folder / collection_id / HEAD
    head.write_text(json.dumps({**json.loads(head.read_text()), "version": 2, "name": ["new", "kind"]}))
    before = head.read_bytes()

    _, (problem,) = shelf.collections()

    assert (problem.source, problem.error.code) == (
        str(head.parent),
        ErrorCode.COLLECTION_FILE_NEWER,
    )
    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_FILE_NEWER)):
        add(shelf, collection_id, "two")
    assert head.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 1}', b"[" * 100_000])
def test_a_damaged_head_is_told_of_and_the_others_are_there(shelf: Shelf, content: bytes) -> None:
    filled(shelf, "one", name="Whole")
    collection_id = filled(shelf, "one")
    (shelf.folder / collection_id / HEAD).write_bytes(content)

    there, (problem,) = shelf.collections()

    assert [each.name for each in there] == ["Whole"]
    assert problem.error.code is ErrorCode.COLLECTION_UNREADABLE
    shelf.delete(collection_id)
    assert shelf.collections()[1] == ()


def _pickled(path: Path) -> None:
    np.save(path, np.array([{"an": "object"}], dtype=object), allow_pickle=True)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def _other_shape(path: Path) -> None:
    np.save(path, np.zeros((7, 3), dtype=np.float32))


def _gone(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_pickled, _cut, _other_shape, _gone, _empty])
@pytest.mark.parametrize("ending", ["vectors.npy", "rows.npy"])
def test_damaged_arrays_are_told_of_and_never_unpickled(
    shelf: Shelf, damage: Callable[[Path], None], ending: str
) -> None:
    collection_id = filled(shelf, "one", "two")
    damage(shelf.folder / collection_id / f"000001.{ending}")

    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_UNREADABLE)):
        shelf.open(collection_id)


@pytest.mark.parametrize("content", [b"\n", b"no json\n" * 9, b"\xff" * 40])
def test_damaged_texts_are_told_of(shelf: Shelf, content: bytes) -> None:
    collection_id = filled(shelf, "one", "two")
    (shelf.folder / collection_id / "000001.texts.jsonl").write_bytes(content)
    opened = shelf.open(collection_id)

    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_UNREADABLE)):
        opened.nearest(unit_vectors([vector_of("one")])[0], 2)
    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_UNREADABLE)):
        list(opened.texts())


@pytest.mark.parametrize("damage", [_gone, _empty])
def test_texts_that_are_gone_are_told_of(shelf: Shelf, damage: Callable[[Path], None]) -> None:
    collection_id = filled(shelf, "one", "two")
    damage(shelf.folder / collection_id / "000001.texts.jsonl")

    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_UNREADABLE)):
        shelf.open(collection_id)


def test_parts_that_are_merged_while_a_collection_is_opened_hide_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection_id = filled(shelf, "one")
    add(shelf, collection_id, "two")
    shelf.head(collection_id)
    monkeypatch.setattr(writer, "_MANY_PARTS", 0)
    opened: list[Head] = []
    real = Opened

    def open_late(folder: Path, head: Head) -> Opened:
        if not opened:
            opened.append(head)
            with Shelf(shelf.folder).writing(collection_id) as changing:
                monkeypatch.setattr(shelves, "Opened", real)
                changing.merge()
        return real(folder, head)

    monkeypatch.setattr(shelves, "Opened", open_late)

    assert texts(shelf, collection_id) == ["one", "two"]
    assert len(opened) == 1


def test_rows_that_lead_nowhere_are_told_of(shelf: Shelf) -> None:
    collection_id = filled(shelf, "one", "two")
    np.save(shelf.folder / collection_id / "000001.rows.npy", np.array([[1, 1, 1, -5], [1, 1, 1, 2**40]]))

    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_UNREADABLE)):
        shelf.open(collection_id).nearest(unit_vectors([vector_of("one")])[0], 2)


def test_many_small_parts_become_one(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_MANY_PARTS", 3)
    collection_id = filled(shelf, "text 0")
    for number in range(1, 9):
        add(shelf, collection_id, f"text {number}")

    assert sorted(texts(shelf, collection_id)) == [f"text {number}" for number in range(9)]
    assert len(shelf.head(collection_id).parts) <= 4
    on_disk = {each.name.partition(".")[0] for each in (shelf.folder / collection_id).glob("0*")}
    assert on_disk == {part.name for part in shelf.head(collection_id).parts}


KILLED = """
import sys, threading
from pathlib import Path
from tests.fakes.embedders import WordEmbedder
from tray_app.search import filling
from tray_app.search.filling import Filling
from tray_app.search.shelf import Shelf

filling.KEPT_AT_ONCE = 20
shelf = Shelf(Path(sys.argv[1]))
with shelf.writing(sys.argv[2]) as writer:
    Filling(
        writer, WordEmbedder(), lambda *now: print(*now, flush=True), threading.Event()
    ).add_texts(f"text {number}" for number in range(100_000))
"""


def test_a_program_that_is_killed_in_the_middle_leaves_a_whole_collection(shelf: Shelf) -> None:
    collection_id = filled(shelf, "one")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(shelf.folder), collection_id], stdout=subprocess.PIPE
    )
    assert process.stdout
    for line in process.stdout:
        if int(line.split()[0]) > 300:
            break
    process.kill()
    process.communicate()
    kept = len(texts(shelf, collection_id))
    leftover = shelf.folder / collection_id / "999999.vectors.npy"
    leftover.write_bytes(b"half a file")

    add(shelf, collection_id, *(f"text {number}" for number in range(1000)))

    assert kept > 200
    assert set(texts(shelf, collection_id)) >= {"one", *(f"text {number}" for number in range(1000))}
    assert len(set(texts(shelf, collection_id))) == len(texts(shelf, collection_id))
    assert not leftover.exists()
    if sys.platform != "win32":
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".npz", ".JSONL"])
def test_an_export_has_texts_and_vectors(shelf: Shelf, tmp_path: Path, ending: str) -> None:
    opened = shelf.open(filled(shelf, "one, with comma", 'two "quoted"', "drei — 日本語"))
    path = tmp_path / f"out{ending}"

    export(opened, path)

    match ending.lower():
        case ".jsonl":
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            assert [row["text"] for row in rows] == ["one, with comma", 'two "quoted"', "drei — 日本語"]
            assert {(row["source"], row["model"]) for row in rows} == {("pasted", "words")}
            assert np.allclose(rows[0]["vector"], unit_vectors([vector_of("one, with comma")])[0])
        case ".npz":
            arrays = np.load(path, allow_pickle=False)
            assert arrays["vectors"].shape == (3, DIMENSIONS)
            assert arrays["texts"][2] == "drei — 日本語"
            assert list(arrays["places"]) == ["line 1", "line 2", "line 3"]
        case _:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            assert lines[0].startswith("source,place,text,0,1,")
            assert lines[2].startswith('pasted,line 2,"two ""quoted""",')
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [path.name]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1+cmd"])
def test_no_text_is_a_formula_in_a_spreadsheet(shelf: Shelf, tmp_path: Path, text: str) -> None:
    opened = shelf.open(filled(shelf, text))

    export(opened, tmp_path / "out.csv")
    export(opened, tmp_path / "out.jsonl")

    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row[2] for row in csv.reader(file)] == ["text", f"'{text}"]
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["text"] == text


def test_an_export_of_another_kind_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(AppError, check=coded(ErrorCode.FILE_FORMAT_UNKNOWN)):
        export(shelf.open(filled(shelf, "one")), tmp_path / "out.pdf")


def test_an_export_that_cannot_be_written_is_told_of(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(AppError, check=coded(ErrorCode.FILE_NOT_WRITABLE)):
        export(shelf.open(filled(shelf, "one")), tmp_path / "nowhere" / "out.csv")


def test_an_empty_collection_has_an_export_and_a_map(shelf: Shelf, tmp_path: Path) -> None:
    opened = shelf.open(shelf.create("Empty").id)

    for ending in ("csv", "jsonl", "npz"):
        export(opened, tmp_path / f"out.{ending}")
    points, explained, there = opened.flat_map(10)

    assert (points.shape, explained, there) == ((0, 2), (0, 0), [])


def test_a_map_of_many_shows_some_of_all(shelf: Shelf) -> None:
    opened = shelf.open(filled(shelf, *(f"text {number}" for number in range(100))))

    points, _, there = opened.flat_map(10)

    assert points.shape == (10, 2)
    assert (there[0].text, there[-1].text) == ("text 0", "text 99")


def test_a_map_has_a_question_and_what_is_nearest_to_it(shelf: Shelf) -> None:
    opened = shelf.open(filled(shelf, *(f"text {number}" for number in range(100))))
    query = next(vector for text, vector in opened.texts() if text.text == "text 77")

    points, _, there = opened.flat_map(40, query)
    places = {text.text: point for text, point in zip(there, points, strict=False)}

    assert len(points) == len(there) + 1
    assert len(there) <= 40
    assert {text.text for text, _ in opened.nearest(query, 20)} <= places.keys()
    assert np.allclose(points[-1], places["text 77"], atol=1e-5)


def test_what_was_opened_goes_on_while_texts_are_added(shelf: Shelf) -> None:
    collection_id = filled(shelf, "one")
    opened = shelf.open(collection_id)
    began_s = time.time()

    add(shelf, collection_id, "two")

    assert [text.text for text, _ in opened.texts()] == ["one"]
    assert shelf.collection(collection_id).updated_at >= began_s
