"""PDF files, read by the real library in a process of its own."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.fakes.errors import coded
from tests.fakes.pdfs import bomb, locked, pdf_of, with_half_of_a_character
from tray_app.errors import AppError, ErrorCode
from tray_app.search.pdf import PdfLimits, pdf_pages
from tray_app.search.reading import content_of, files_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a file.pdf"


def pages(path: Path, **limits: float) -> list[str]:
    return pdf_pages(path, threading.Event(), PdfLimits(**limits))  # type: ignore[arg-type]


def test_each_page_is_read(path: Path) -> None:
    path.write_bytes(pdf_of("The first page", "", "The third page"))

    assert pages(path) == ["The first page", "", "The third page"]


def test_half_of_a_character_is_read_as_one_that_there_is(path: Path) -> None:
    path.write_bytes(with_half_of_a_character())

    assert pages(path) == ["?BC"]


def test_passages_say_on_which_page_they_stand(path: Path) -> None:
    path.write_bytes(pdf_of("The first page", "", "The third page"))
    (file,) = files_of([path], [], threading.Event())

    content = content_of(file, threading.Event())

    assert [(each.text, each.first) for each in content.passages] == [
        ("The first page", 1),
        ("The third page", 3),
    ]
    assert content.by_page


def test_pictures_of_text_are_told_of(path: Path) -> None:
    path.write_bytes(pdf_of("", ""))

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_WITHOUT_TEXT)):
        pages(path)


def test_a_password_is_told_of(path: Path) -> None:
    path.write_bytes(locked(pdf_of("Secret words")))

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_LOCKED)):
        pages(path)


def test_a_file_that_opens_without_its_password_is_read(path: Path) -> None:
    path.write_bytes(locked(pdf_of("Words that may not be printed"), password=""))

    assert pages(path) == ["Words that may not be printed"]


WITHOUT_CRYPTOGRAPHY = """
import sys
sys.modules["cryptography"] = sys.modules["Crypto"] = None
from tray_app.search.pdf_child import main
main(sys.argv[1:])
"""


def test_a_cipher_that_is_missing_is_told_apart_from_a_password(path: Path) -> None:
    pytest.importorskip("cryptography")
    path.write_bytes(locked(pdf_of("Words"), password="", algorithm="AES-256"))

    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_CRYPTOGRAPHY, path], capture_output=True, check=True
    )

    assert json.loads(result.stdout)["failed"] == "cipher"
    assert pages(path) == ["Words"]


@pytest.mark.parametrize(
    "content",
    [b"", b"no pdf at all", pdf_of("words")[:200], b"%PDF-1.4\n" + b"\x00" * 5000],
    ids=["empty", "text", "cut", "zeros"],
)
def test_a_broken_file_is_told_of(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_DAMAGED)):
        pages(path)


def test_a_page_that_would_take_for_ever_is_given_up_and_no_process_is_left(path: Path) -> None:
    path.write_bytes(bomb())

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_TOO_LARGE)):
        pages(path, time_s=1.0)

    assert not [each for each in psutil.Process().children() if "pdf_child" in " ".join(each.cmdline())]


def test_a_file_that_takes_too_much_memory_is_given_up(path: Path) -> None:
    path.write_bytes(bomb())

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_TOO_LARGE)):
        pages(path, memory_bytes=1)


def test_a_file_with_too_many_letters_is_given_up(path: Path) -> None:
    path.write_bytes(pdf_of("words", "more words", "words"))

    with pytest.raises(AppError, check=coded(ErrorCode.FILE_TOO_LARGE)):
        pages(path, letters=10)


def test_who_cancels_does_not_wait(path: Path) -> None:
    path.write_bytes(bomb())
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()

    assert pdf_pages(path, cancelled) == []
