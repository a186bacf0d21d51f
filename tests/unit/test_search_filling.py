"""Adding texts to a collection: nothing is embedded twice, nothing that is embedded is lost."""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.embedders import WordEmbedder, vector_of
from tests.fakes.errors import coded
from tray_app.errors import AppError, ErrorCode, GatewayError
from tray_app.search import filling, writer
from tray_app.search.collection import PASTED, AddReport
from tray_app.search.filling import Filling
from tray_app.search.nearest import unit_vectors
from tray_app.search.reading import content_of
from tray_app.search.shelf import Shelf
from tray_app.search.writer import Writer
from tray_app.system.disk import DiskSpace


class Library:
    """A shelf with one collection, and a folder of a person's files."""

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf(folder / "search")
        self.id = self.shelf.create("Mine").id
        self.files = folder / "files"
        self.files.mkdir()
        self.embed = WordEmbedder()
        self.told: list[tuple[int, int]] = []
        self.cancelled = threading.Event()

    def write(self, name: str, *paragraphs: str) -> Path:
        path = self.files / name
        path.parent.mkdir(exist_ok=True)
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text("\n\n".join(each.ljust(900, ".") for each in paragraphs), encoding="utf-8")
        if before:
            os.utime(path, ns=(before + 10**9, before + 10**9))
        return path

    def add(self, *paths: Path) -> AddReport:
        with self.shelf.writing(self.id) as writer:
            return self._filling(writer).add_files(paths or (self.files,))

    def paste(self, *lines: str) -> AddReport:
        with self.shelf.writing(self.id) as writer:
            return self._filling(writer).add_texts(lines)

    def _filling(self, writer: Writer) -> Filling:
        return Filling(
            writer, self.embed, lambda done, total: self.told.append((done, total)), self.cancelled
        )

    def texts(self) -> list[str]:
        return sorted(text.text.rstrip(".") for text, _ in self.shelf.open(self.id).texts())

    def nearest(self, query: str) -> str:
        ((text, _),) = self.shelf.open(self.id).nearest(unit_vectors([vector_of(query)])[0], 1)
        return text.text.rstrip(".")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)


def failing(at: int) -> Callable[[int], None]:
    def fail(requests: int) -> None:
        if requests == at:
            raise GatewayError(ErrorCode.SERVER_UNREACHABLE, "Nobody answers")

    return fail


def cancelling(library: Library, at: int) -> Callable[[int], None]:
    def cancel(requests: int) -> None:
        if requests == at:
            library.cancelled.set()

    return cancel


def test_texts_are_found_with_their_places(library: Library) -> None:
    library.write("a.txt", "red apple", "green pear")
    library.write("sub/b.md", "blue sky")

    assert library.add() == AddReport(3, 0)
    assert library.texts() == ["blue sky", "green pear", "red apple"]
    assert library.nearest("pear green") == "green pear"
    ((hit, score),) = library.shelf.open(library.id).nearest(
        unit_vectors([vector_of("green pear" + "." * 890)])[0], 1
    )
    assert (hit.source.path, str(hit.place)) == (str(library.files / "a.txt"), "line 3")
    assert score == pytest.approx(1, abs=1e-5)
    assert library.told[0] == (0, 2)
    assert library.told[-1] == (3, 3)


def test_what_has_not_changed_is_not_embedded_again(library: Library) -> None:
    library.write("a.txt", "one", "two")
    library.add()

    assert library.add() == AddReport(0, 2)
    assert len(library.embed.texts) == 2


def test_a_file_that_was_only_touched_is_not_embedded_again(library: Library) -> None:
    path = library.write("a.txt", "one")
    library.add()
    os.utime(path, ns=(1, 1))

    assert library.add() == AddReport(0, 1)
    path.chmod(0o600)
    assert library.shelf.head(library.id).sources[0].modified_ns == 1


def test_a_changed_file_takes_the_place_of_the_old_one(library: Library) -> None:
    library.write("a.txt", "one", "two")
    library.write("b.txt", "three")
    library.add()
    library.write("a.txt", "four")

    assert library.add() == AddReport(1, 1, removed=2)
    assert library.texts() == ["four", "three"]
    assert library.shelf.collection(library.id).texts == 2


def test_a_file_that_is_gone_from_its_folder_goes(library: Library) -> None:
    library.write("a.txt", "one")
    library.write("b.txt", "two")
    library.add()
    (library.files / "a.txt").unlink()

    assert library.add() == AddReport(0, 1, removed=1)
    assert library.texts() == ["two"]


def test_a_file_elsewhere_stays_when_a_folder_is_added(library: Library, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("elsewhere")
    library.add(other)
    library.write("a.txt", "one")
    other.unlink()

    assert library.add() == AddReport(1, 0)
    assert library.texts() == ["elsewhere", "one"]


def test_texts_in_a_folder_that_cannot_be_read_now_stay(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("sub/a.txt", "one")
    library.add()
    listed = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = library.add()

    assert (report.removed, [each.error.code for each in report.skipped]) == (0, [ErrorCode.FILE_UNREADABLE])
    assert library.texts() == ["one"]


def test_a_file_that_has_become_empty_goes(library: Library) -> None:
    path = library.write("a.txt", "one")
    library.add()
    path.write_text("")

    report = library.add()

    assert (report.removed, [each.error.code for each in report.skipped]) == (
        1,
        [ErrorCode.FILE_WITHOUT_TEXT],
    )
    assert library.texts() == []


def test_one_bad_file_does_not_keep_the_others_out(library: Library) -> None:
    library.write("a.txt", "one")
    (library.files / "b.txt").write_bytes(bytes(range(256)))
    library.write("c.txt", "two")

    report = library.add()

    assert (report.added, [each.error.code for each in report.skipped]) == (2, [ErrorCode.FILE_NOT_TEXT])


def test_a_server_that_stops_in_the_middle_loses_nothing_and_the_next_time_goes_on(library: Library) -> None:
    library.write("a.txt", *(f"text {number}" for number in range(10)))
    library.write("b.txt", *(f"other {number}" for number in range(10)))
    library.embed.before = failing(at=2)

    with pytest.raises(GatewayError, check=coded(ErrorCode.SERVER_UNREACHABLE)):
        library.add()
    library.embed.before = lambda _: None
    kept = library.texts()
    report = library.add()

    assert 8 <= len(kept) < 20
    assert (report.added, report.unchanged, report.removed) == (20 - len(kept), len(kept), 0)
    assert len(library.texts()) == len(set(library.texts())) == len(library.embed.texts) == 20


def test_who_cancels_keeps_what_is_embedded(library: Library) -> None:
    library.write("a.txt", *(f"text {number}" for number in range(30)))
    library.embed.before = cancelling(library, at=1)

    report = library.add()
    library.cancelled.clear()
    again = library.add()

    assert 8 <= report.added < 30
    assert (again.added, again.unchanged) == (30 - report.added, report.added)


def test_who_cancels_while_files_are_read_keeps_the_collection_as_it_was(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("a.txt", "one")
    library.add()
    library.write("a.txt", "changed")
    library.write("b.txt", "two")

    def read(*arguments: object) -> object:
        library.cancelled.set()
        return content_of(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(filling, "content_of", read)

    assert library.add() == AddReport(0, 0)
    assert library.texts() == ["one"]


def test_who_cancels_while_folders_are_looked_through_loses_nothing(library: Library) -> None:
    library.write("a.txt", "one")
    library.add()
    library.cancelled.set()

    assert library.add() == AddReport(0, 0)
    assert library.texts() == ["one"]


def test_a_changed_file_stays_as_it_was_until_its_new_texts_come(library: Library) -> None:
    library.write("a.txt", "old")
    library.add()
    library.write("a.txt", "new")
    library.embed.before = failing(at=1)

    with pytest.raises(GatewayError):
        library.add()

    assert library.texts() == ["old"]


def test_pasted_texts_come_once(library: Library) -> None:
    assert library.paste("one", "", "two", "one") == AddReport(2, 1)
    assert library.paste("two", "three") == AddReport(1, 1)
    assert library.texts() == ["one", "three", "two"]
    assert library.nearest("three") == "three"
    ((hit, _),) = library.shelf.open(library.id).nearest(unit_vectors([vector_of("three")])[0], 1)
    assert (hit.source.path, str(hit.place)) == (PASTED, "line 2")


def test_another_model_in_the_middle_is_told_of(library: Library) -> None:
    library.paste("one")
    library.embed.digest = "another"

    with pytest.raises(AppError, check=coded(ErrorCode.COLLECTION_OUTDATED)):
        library.paste("two")

    assert library.texts() == ["one"]


@pytest.mark.parametrize(
    "vector", [[0.0] * 16, [float("nan")] * 16, [1.0] * 15], ids=["zeros", "nan", "shorter"]
)
def test_vectors_that_cannot_be_used_are_told_of(library: Library, vector: list[float]) -> None:
    library.paste("one")
    library.embed.vector_of = lambda text: vector  # noqa: ARG005

    with pytest.raises(AppError, check=coded(ErrorCode.ANSWER_NOT_UNDERSTOOD)):
        library.paste("two")

    assert library.texts() == ["one"]


def test_a_full_collection_takes_no_more(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MOST_TEXTS", 2)
    library.write("a.txt", "one")
    library.write("b.txt", "two", "three")
    library.write("c.txt", "four")

    report = library.add()
    pasted = library.paste("five", "six")

    assert (report.added, [each.error.code for each in report.skipped]) == (1, [ErrorCode.COLLECTION_FULL])
    assert (pasted.added, [each.error.code for each in pasted.skipped]) == (1, [ErrorCode.COLLECTION_FULL])


def test_in_a_full_collection_texts_may_take_the_place_of_others(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "MOST_TEXTS", 4)
    library.write("a.txt", "one")
    library.write("b.txt", "two")
    library.write("c.txt", "three", "four")
    library.add()
    library.write("a.txt", "five", "six")
    (library.files / "b.txt").unlink()
    library.write("d.txt", "seven")

    report = library.add()

    assert (report.added, report.removed) == (2, 2)
    assert [each.error.code for each in report.skipped] == [ErrorCode.COLLECTION_FULL]
    assert library.texts() == ["five", "four", "six", "three"]


def test_a_full_disk_is_told_of_and_what_was_there_stays(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.paste("one")
    monkeypatch.setattr(writer, "disk_space", lambda _: DiskSpace(1000, 1000))

    with pytest.raises(AppError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        library.paste("two")

    assert library.texts() == ["one"]


def test_a_disk_that_takes_no_more_is_told_of_and_what_was_there_stays(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.paste("one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AppError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        library.paste("two")
    monkeypatch.undo()

    assert library.texts() == ["one"]
    assert library.paste("two") == AddReport(1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has a disk that is always full")
def test_a_disk_that_is_full_while_files_are_read_is_told_of(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.write("a.txt", "one")
    full = partial(Path("/dev/full").open, "w+b")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda *_, **__: full())

    with pytest.raises(AppError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        library.add()
    monkeypatch.undo()

    assert library.add() == AddReport(1, 0)


def test_requests_grow_while_they_are_answered_at_once(library: Library) -> None:
    library.paste(*(f"text {number}" for number in range(500)))

    assert library.embed.requests < 500 / 4
    assert len(library.texts()) == 500


actions = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abc"), st.integers(1, 9)),
        st.tuples(st.just("remove"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("fail"), st.just(""), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.just(""), st.integers(0, 3)),
    ),
    max_size=12,
)


@given(actions)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_in_the_end_the_collection_has_what_the_files_say(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str, int]]
) -> None:
    library = Library(tmp_path_factory.mktemp("library"))
    files: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_MANY_PARTS", 2)
        patch.setattr(filling, "KEPT_AT_ONCE", 3)
        for serial, (action, name, number) in enumerate(done):
            if action == "write":
                files[name] = [f"{name} {serial} {each}" for each in range(number)]
                library.write(f"{name}.txt", *files[name])
            elif action == "remove":
                files.pop(name, None)
                (library.files / f"{name}.txt").unlink(missing_ok=True)
            elif action == "fail":
                library.embed.before = failing(at=library.embed.requests + number)
                with contextlib.suppress(GatewayError):
                    library.add()
            else:
                library.embed.before = cancelling(library, at=library.embed.requests + number)
                library.add()
                library.cancelled.clear()
            library.embed.before = lambda _: None
        library.add()
        wanted = sorted(text for texts in files.values() for text in texts)

        assert library.texts() == wanted
        assert library.shelf.collection(library.id).texts == len(wanted)
        for text in wanted[:3]:
            asked = text.ljust(900, ".")  # as it is in the file; other words may have the same vector
            assert vector_of(library.nearest(asked).ljust(900, ".")) == vector_of(asked)
        assert library.add().added == 0
