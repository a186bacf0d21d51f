"""Writes texts with their vectors to a file that other programs read. Any thread; blocks."""

from __future__ import annotations

import csv
import json
import os
import secrets
from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.files import not_saved

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from tray_app.search.opened import Opened

SUFFIXES = (".csv", ".jsonl", ".npz")
_FORMULA_SIGNS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\N{FULLWIDTH EQUALS SIGN}",
    "\N{FULLWIDTH PLUS SIGN}",
    "\N{FULLWIDTH HYPHEN-MINUS}",
    "\N{FULLWIDTH COMMERCIAL AT}",
)


def export(opened: Opened, path: Path) -> None:
    """Write all texts of a collection; the kind of file goes by the ending. `AppError`.

    .jsonl: an object in each line, with `source`, `place`, `text`, `model` and `vector`. .csv: a column for
    each number of the vectors; for texts see `cell`. .npz: NumPy's, with the arrays `vectors`, `texts`,
    `sources` and `places`.
    """
    write = {".csv": _csv, ".jsonl": _jsonl, ".npz": _npz}.get(path.suffix.lower())
    if write is None:
        raise AppError(
            ErrorCode.FILE_FORMAT_UNKNOWN,
            phrase(
                "Texts cannot be exported as {kind}",
                kind=path.suffix or phrase("a file without an extension"),
            ),
            phrase("The name must end in {names}.", names=", ".join(SUFFIXES)),
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            with temporary.open("xb") as file:
                write(opened, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise not_saved(path, exc) from exc


def _csv(opened: Opened, file: IO[bytes]) -> None:
    import io

    text = io.TextIOWrapper(file, "utf-8-sig", newline="")  # the mark lets Excel see that it is UTF-8
    writer = csv.writer(text)
    writer.writerow(["source", "place", "text", *range(opened.head.dimensions)])
    for each, vector in opened.texts():
        writer.writerow([cell(each.source.path), each.place, cell(each.text), *vector.tolist()])
    text.flush()
    text.detach()


def cell(text: str) -> str:
    """A text for a table that spreadsheets open, with an apostrophe before what they would take as a formula:
    one in a stranger's text could start a program or send the others away.
    """
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


def _jsonl(opened: Opened, file: IO[bytes]) -> None:
    model = opened.head.model_id
    for each, vector in opened.texts():
        row = {
            "source": each.source.path,
            "place": str(each.place),
            "text": each.text,
            "model": model,
            "vector": vector.tolist(),
        }
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _npz(opened: Opened, file: IO[bytes]) -> None:
    import numpy as np

    there = list(opened.texts())
    shape = (len(there), opened.head.dimensions)
    np.savez(
        file,
        allow_pickle=False,
        vectors=np.array([vector for _, vector in there], dtype=np.float32).reshape(shape),
        texts=np.array([each.text for each, _ in there], dtype=np.str_),
        sources=np.array([each.source.path for each, _ in there], dtype=np.str_),
        places=np.array([str(each.place) for each, _ in there], dtype=np.str_),
    )
