"""Files with texts: which are found, and what they say; what else is there is told of, and harms nobody."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.errors import coded
from tray_app.errors import AppError, ErrorCode
from tray_app.search import reading
from tray_app.search.reading import FoundFile, content_of, decoded, files_of

if TYPE_CHECKING:
    from tray_app.search.collection import Skipped

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has none of these")


def found(*paths: Path) -> tuple[list[str], list[ErrorCode]]:
    """The names of the files that are found, and why others are not."""
    skipped: list[Skipped] = []
    names = [file.path.name for file in files_of(paths, skipped, threading.Event())]
    return names, [each.error.code for each in skipped]


def file_at(path: Path) -> FoundFile:
    (file,) = files_of([path], [], threading.Event())
    return file


def content(path: Path) -> list[str]:
    return [each.text for each in content_of(file_at(path), threading.Event()).passages]


def test_texts_below_a_folder_are_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.txt", "A.MD", "c.pdf", "d.docx", ".hidden.txt", "sub/e.text", ".git/f.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")

    assert found(tmp_path) == (["A.MD", "b.txt", "c.pdf", "e.text"], [])


def test_who_cancels_does_not_wait_for_a_look_through_all_folders(tmp_path: Path) -> None:
    cancelled = threading.Event()
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.txt").write_text("x")

    found = []
    for file in files_of([tmp_path], [], cancelled):
        cancelled.set()
        found.append(file)

    assert len(found) == 1


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")

    assert found(tmp_path / "a.txt", tmp_path, tmp_path / "." / "a.txt")[0] == ["a.txt"]


def test_another_kind_of_file_is_refused_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("x")

    assert found(tmp_path / "a.docx") == ([], [ErrorCode.FILE_KIND_NOT_READ])


def test_what_is_not_there_is_told_of_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")

    assert found(tmp_path / "gone.txt", tmp_path / "a.txt", Path("bad\0name.txt")) == (
        ["a.txt"],
        [ErrorCode.FILE_UNREADABLE] * 2,
    )


@posix
def test_links_that_lead_round_in_a_circle_end_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")

    assert found(tmp_path)[0] == ["a.txt"]
    assert found(tmp_path / "loop.txt") == ([], [ErrorCode.FILE_UNREADABLE])


@posix
def test_a_pipe_is_no_text_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / "pipe.pdf")

    assert found(tmp_path) == ([], [])
    assert found(tmp_path / "pipe.txt", tmp_path / "pipe.pdf") == ([], [ErrorCode.FILE_UNREADABLE] * 2)
    with pytest.raises(AppError, check=coded(ErrorCode.FILE_UNREADABLE)):
        content_of(FoundFile(tmp_path / "pipe.txt", 0, 0), threading.Event())


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems have no such names")
def test_a_name_that_is_no_unicode_is_told_of_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with open(os.fsencode(tmp_path / "caf") + b"\xe9.txt", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("x")

    assert found(tmp_path) == (["a.txt"], [ErrorCode.FILE_UNREADABLE])


def test_a_folder_that_cannot_be_listed_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.txt").write_text("x")
    listed = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert found(tmp_path) == (["a.txt"], [ErrorCode.FILE_UNREADABLE])


def test_more_files_than_are_taken_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("x")
    monkeypatch.setattr(reading, "MOST_FILES", 3)

    with pytest.raises(AppError, check=coded(ErrorCode.TOO_MANY_FILES)):
        found(tmp_path)


TEXTS = {
    "utf-8": "Größe, 日本語",
    "utf-8-sig": "with a mark",
    "utf-16": "mit Größe",
    "cp932": "これは日本語の文章です。検索できます。",
    "euc_jp": "これは日本語の文章です。検索できます。",
    "cp1252": "L\u2019été dernier, nous étions à Nîmes \u2014 c\u2019était « bien ».",
}


@pytest.mark.parametrize(("encoding", "text"), TEXTS.items())
def test_the_encoding_is_told_by_the_text(tmp_path: Path, encoding: str, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))

    assert content(tmp_path / "a.txt") == [text]


@pytest.mark.parametrize("raw", [b"\x00\x01\x02\x03", b"\x81\x8d\x8f", bytes(range(256)), b"\xff\xfea"])
def test_what_is_no_text_is_refused(raw: bytes) -> None:
    with pytest.raises(AppError, check=coded(ErrorCode.FILE_NOT_TEXT)):
        decoded(raw, Path("a.txt"))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        text = decoded(raw, Path("a.txt"))
    except AppError:
        return
    assert "\x00" not in text


@pytest.mark.parametrize("raw", [b"", b"\n \n", b"\xef\xbb\xbf", b"* * *"])
def test_a_file_without_words_is_told_of(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(raw)

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_WITHOUT_TEXT)):
        content(tmp_path / "a.txt")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(reading.MOST_TEXT_BYTES + 1)

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_TOO_LARGE)):
        content(tmp_path / "a.txt")


def test_headings_count_in_markdown_alone(tmp_path: Path) -> None:
    text = f"# One\n{'Some words of the first part. ' * 12}\n# Two\nOther words."
    (tmp_path / "a.md").write_text(text)
    (tmp_path / "a.txt").write_text(text)

    assert (len(content(tmp_path / "a.md")), len(content(tmp_path / "a.txt"))) == (2, 1)
