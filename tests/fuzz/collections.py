"""The target that is a collection of texts on disk, one of whose files was edited or damaged."""

from __future__ import annotations

import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.embedders import WordEmbedder, vector_of
from tests.fuzz.harness import Target, edited
from tray_app.errors import AppError, ErrorCode
from tray_app.search.exporting import export
from tray_app.search.filling import Filling
from tray_app.search.head import HEAD
from tray_app.search.nearest import unit_vectors
from tray_app.search.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID = "0123456789ab"
NAMES = (HEAD, "000001.vectors.npy", "000001.rows.npy", "000001.texts.jsonl")
"""The first byte of an input says which of these is replaced."""
WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud83d"),
    *(b"null", b"-1", b"0", b"1e999", b"9" * 30, b"9" * 5000, b"[" * 3000, b'"../../x"', b'"000001"'),
    *(
        b'"version":2,',
        b'"next_part":1,',
        b'"kept":0,',
        b'"number":',
        b'"dimensions":3,',
        b'"name":"\\u202e",',
    ),
    *(b"'descr': '|O'", b"'<f8'", b"'<f4'", b"'<i8'", b"(2, 16)", b"(0, 0)", b"(16, 2)", b"True", b"L"),
    *(b"\x93NUMPY\x02\x00", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x80\x04", b"\x00" * 64),
)
UNREADABLE = (ErrorCode.COLLECTION_UNREADABLE, ErrorCode.COLLECTION_FILE_NEWER, ErrorCode.COLLECTION_OUTDATED)


def _add(shelf: Shelf, *lines: str) -> None:
    with shelf.writing(ID) as writer:
        Filling(writer, WordEmbedder(), lambda *_: None, threading.Event()).add_texts(lines)


def _whole() -> dict[str, bytes]:
    """The files of a collection with two texts, by their names."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        (shelf.folder / shelf.create("Mine").id).rename(shelf.folder / ID)
        _add(shelf, "one text", "and another")
        return {name: (shelf.folder / ID / name).read_bytes() for name in NAMES}


FILES = _whole()


@contextmanager
def shelf_ready() -> Iterator[Callable[[bytes], None]]:
    """A folder for the collection."""
    with tempfile.TemporaryDirectory() as folder:
        yield partial(check_collection, Path(folder))


def check_collection(folder: Path, data: bytes) -> None:
    """It is searched, exported and added to, or said to be unreadable; its parts stay as they were."""
    damaged = NAMES[data[0] % len(NAMES)] if data else HEAD
    here = folder / ID
    here.mkdir(exist_ok=True)
    for each in here.iterdir():
        each.unlink()
    for name, content in {**FILES, damaged: data[1:]}.items():
        (here / name).write_bytes(content)
    shelf = Shelf(folder)
    there, problems = shelf.collections()
    assert len(there) + len(problems) == 1
    query = unit_vectors([vector_of("text")])[0]
    try:
        opened = shelf.open(ID)
        if opened.head.dimensions in (0, len(query)):
            assert len(opened.nearest(query, 5)) <= 2
        opened.flat_map(10)
        for ending in ("csv", "jsonl", "npz"):
            export(opened, folder / f"out.{ending}")
        _add(shelf, "a third one")
        assert "a third one" in [text.text for text, _ in shelf.open(ID).texts()]
    except AppError as exc:
        assert exc.code in UNREADABLE, exc.code  # noqa: PT017 - whichever of them
    for name in NAMES[1:] if damaged != HEAD else ():
        with suppress(FileNotFoundError):  # merged
            assert (here / name).read_bytes() == (data[1:] if name == damaged else FILES[name])
    shelf.delete(ID)
    assert shelf.collections() == ((), ())


TARGETS = (
    Target(
        "collections",
        edited([bytes([number]) + FILES[name] for number, name in enumerate(NAMES)], WORDS),
        shelf_ready,
        60,
    ),
)
