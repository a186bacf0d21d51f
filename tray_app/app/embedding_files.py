"""Texts from a file, and embeddings into one: JSON, CSV or NumPy. Any thread; blocks."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.search.exporting import cell
from tray_app.system.files import PUBLIC, not_saved, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tray_app.gateway.public_client import Embeddings

SUFFIXES = (".json", ".csv", ".npy")
_MOST_BYTES = 5_000_000


def read_texts(path: Path) -> str:
    """The content of a file with a text on each line; `AppError` if it is no such file."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise AppError(
                ErrorCode.FILE_TOO_LARGE,
                phrase("{name} is too large", name=path.name),
                phrase("The limit is {count} MB of text at a time.", count=_MOST_BYTES // 1_000_000),
            )
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise AppError(
            ErrorCode.FILE_NOT_TEXT,
            phrase("{name} is not text", name=path.name),
            "It is not encoded in UTF-8.",
            "Save it as UTF-8 text, or choose another file.",
        ) from exc
    except OSError as exc:
        raise AppError(
            ErrorCode.FILE_UNREADABLE,
            phrase("{name} could not be read", name=path.name),
            str(exc),
            "Check that you have permission to read it.",
        ) from exc


def results_json(texts: Sequence[str], result: Embeddings, model: str) -> str:
    """Texts with their vectors as JSON."""
    data = [{"text": text, "embedding": vector} for text, vector in zip(texts, result.vectors, strict=True)]
    return json.dumps({"model": model, "data": data}, ensure_ascii=False, indent=1)


def save_results(path: Path, texts: Sequence[str], result: Embeddings, model: str) -> None:
    """Write texts and vectors (.npy: the vectors alone, a row of float32 each); `AppError` if that fails."""
    match path.suffix.lower():
        case ".csv":
            content = _csv(texts, result).encode("utf-8-sig")  # the mark lets Excel see that it is UTF-8
        case ".npy":
            content = _npy(result)
        case ".json":
            content = results_json(texts, result, model).encode()
        case other:
            raise AppError(
                ErrorCode.FILE_FORMAT_UNKNOWN,
                phrase(
                    "Results cannot be saved as {kind}", kind=other or phrase("a file without an extension")
                ),
                phrase("The name must end in {names}.", names=", ".join(SUFFIXES)),
            )
    save_file(path, content)


def save_file(path: Path, content: bytes) -> None:
    """Write what a person wants to keep; `AppError` if that fails."""
    try:
        write_atomically(path, content, mode=PUBLIC)
    except OSError as exc:
        raise not_saved(path, exc) from exc


def _csv(texts: Sequence[str], result: Embeddings) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["text", *range(result.dimensions)])
    writer.writerows([cell(text), *vector] for text, vector in zip(texts, result.vectors, strict=True))
    return written.getvalue()


def _npy(result: Embeddings) -> bytes:
    import numpy as np  # heavy, and needed by nobody before

    written = io.BytesIO()
    np.save(written, np.asarray(result.vectors, dtype=np.float32))
    return written.getvalue()
