from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fakes.errors import coded
from tray_app.app.embedding_files import read_texts, save_results
from tray_app.errors import AppError, ErrorCode
from tray_app.gateway.public_client import Embeddings

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ('say "hello", you', "素早い茶色の狐")
RESULT = Embeddings(((1.0, 0.5), (-0.25, 2.0)), 2, 7, 3.5)


def test_json_has_each_text_with_its_vector(tmp_path: Path) -> None:
    save_results(tmp_path / "a.json", TEXTS, RESULT, "bamboo")

    saved = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert saved == {
        "model": "bamboo",
        "data": [
            {"text": TEXTS[0], "embedding": [1.0, 0.5]},
            {"text": TEXTS[1], "embedding": [-0.25, 2.0]},
        ],
    }


def test_csv_has_a_row_for_each_text_and_a_column_for_each_dimension(tmp_path: Path) -> None:
    save_results(tmp_path / "a.CSV", TEXTS, RESULT, "bamboo")

    with (tmp_path / "a.CSV").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["text", "0", "1"], [TEXTS[0], "1.0", "0.5"], [TEXTS[1], "-0.25", "2.0"]]


def test_npy_has_the_vectors(tmp_path: Path) -> None:
    save_results(tmp_path / "a.npy", TEXTS, RESULT, "bamboo")

    loaded = np.load(tmp_path / "a.npy")
    assert loaded.dtype == np.float32
    assert loaded.tolist() == [[1.0, 0.5], [-0.25, 2.0]]


@pytest.mark.parametrize(
    ("name", "code", "named"),
    [
        ("a.xlsx", ErrorCode.FILE_FORMAT_UNKNOWN, r"\.xlsx"),
        ("file/a.json", ErrorCode.FILE_NOT_WRITABLE, r"a\.json"),
    ],
)
def test_what_cannot_be_saved_says_why(tmp_path: Path, name: str, code: ErrorCode, named: str) -> None:
    (tmp_path / "file").write_text("in the way of a folder")

    with pytest.raises(AppError, check=coded(code), match=named):
        save_results(tmp_path / name, TEXTS, RESULT, "bamboo")


def test_a_file_of_texts_is_read_with_or_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("eins\nzwei", "utf-8-sig")

    assert read_texts(tmp_path / "a.txt") == "eins\nzwei"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe\x00", ErrorCode.FILE_NOT_TEXT),
        (b"x" * 5_000_001, ErrorCode.FILE_TOO_LARGE),
        (None, ErrorCode.FILE_UNREADABLE),
    ],
)
def test_a_file_that_has_no_texts_says_why(tmp_path: Path, content: bytes | None, code: ErrorCode) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)

    with pytest.raises(AppError, check=coded(code), match=r"a\.txt"):
        read_texts(tmp_path / "a.txt")
