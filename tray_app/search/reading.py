"""Finds files with texts, and reads them as passages. Any thread; blocks. Changes nothing."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.search.collection import Skipped
from tray_app.search.passages import Passage, cleaned, passages
from tray_app.search.pdf import pdf_pages
from tray_app.system.files import is_link, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Event

TEXT_ENDINGS = (".txt", ".text")
MARKDOWN_ENDINGS = (".md", ".markdown")
PDF = ".pdf"
ENDINGS = (*TEXT_ENDINGS, *MARKDOWN_ENDINGS, PDF)

MOST_TEXT_BYTES = 20_000_000
"""Of a text file: the works of an author. Others are logs and exports, of which search makes no sense."""
MOST_PDF_BYTES = 500_000_000
MOST_FILES = 50_000
"""Of one addition: whoever names more has probably named a whole disk."""
_MOST_LOOKS = 1_000_000
"""At files and folders."""
_BLOCK_BYTES = 1 << 20

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_JAPANESE = ("cp932", "euc_jp")
_HIRAGANA = re.compile("[ぁ-ん]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_LEAST_HIRAGANA = 0.1
"""Of all letters beyond ASCII: Japanese has more, and other texts read as Japanese have none."""
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
"""Stands in a path for a byte that is none of UTF-8, and on Windows for itself; UTF-8 does not have it."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to be read, and what tells whether it has changed."""

    path: Path
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says. `by_page`: the numbers of its passages are those of pages, else of lines."""

    digest: str
    passages: tuple[Passage, ...]
    by_page: bool


def files_of(paths: Iterable[Path], skipped: list[Skipped], cancelled: Event) -> Iterator[FoundFile]:
    """The files that are named, and those in folders and their sub-folders, each once; until it is cancelled.

    In folders, hidden files, other kinds of files, and folders that are only linked are passed over. What
    cannot be taken is added to `skipped`. `AppError` if there are too many.
    """
    seen: set[str] = set()
    for path in paths:
        for each in _found(path, skipped, cancelled):
            if str(each.path) not in seen:
                seen.add(str(each.path))
                yield each
            if len(seen) > MOST_FILES:
                raise _too_many()


def _found(path: Path, skipped: list[Skipped], cancelled: Event) -> Iterator[FoundFile]:
    try:
        real = path.resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError, ValueError) as exc:  # a link that leads to itself; a name no file can have
        skipped.append(Skipped(str(path), _unreadable(path, exc)))
        return
    if stat.S_ISDIR(info.st_mode):
        yield from _below(real, skipped, cancelled)
    elif real.suffix.lower() not in ENDINGS:
        skipped.append(Skipped(str(real), _other_kind(real)))
    else:
        yield from _taken(real, info, skipped)


def _below(folder: Path, skipped: list[Skipped], cancelled: Event) -> Iterator[FoundFile]:
    """In the order of their names, so that the next time goes on where this one ended."""
    waiting = [folder]
    looks = 0
    while waiting and not cancelled.is_set():
        here = waiting.pop()
        folders = []
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as exc:
            skipped.append(Skipped(str(here), _unreadable(here, exc)))
            continue
        looks += len(listed)
        if looks > _MOST_LOOKS:
            raise _too_many()
        for entry in listed:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            try:
                if entry.is_dir(follow_symlinks=False):
                    # A link could lead back here; Windows has kinds of them that count as folders.
                    if not is_link(entry.stat(follow_symlinks=False)):
                        folders.append(path)
                elif path.suffix.lower() in ENDINGS and entry.is_file():
                    yield from _taken(path, path.stat(), skipped)
            except OSError as exc:
                skipped.append(Skipped(str(path), _unreadable(path, exc)))
        waiting += reversed(folders)


def _taken(path: Path, info: os.stat_result, skipped: list[Skipped]) -> Iterator[FoundFile]:
    """A file, if it can be read to its end and named in a collection."""
    if not stat.S_ISREG(info.st_mode):  # whoever opens a pipe may wait forever
        skipped.append(Skipped(str(path), _unreadable(path, OSError("It is not an ordinary file."))))
    elif _HALF_A_CHARACTER.search(str(path)):
        reason = OSError("Its name or the name of its folder is not valid Unicode. Rename it.")
        skipped.append(Skipped(str(path), _unreadable(path, reason)))
    else:
        yield FoundFile(path, info.st_size, info.st_mtime_ns)


def digest_of(file: FoundFile) -> str:
    """What tells one content from another. `AppError` if the file cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.path.open("rb") as opened:
            while block := opened.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as exc:
        raise _unreadable(file.path, exc) from exc
    return digest.hexdigest()


def content_of(file: FoundFile, cancelled: Event) -> Content:
    """What a file says; `AppError` if that cannot be told. With `cancelled` set, perhaps less."""
    most = MOST_PDF_BYTES if file.path.suffix.lower() == PDF else MOST_TEXT_BYTES
    if file.size_bytes > most:
        raise _too_large(file.path, most)
    if file.path.suffix.lower() == PDF:
        digest = digest_of(file)
        pages = pdf_pages(file.path, cancelled)
        found = tuple(
            Passage(each.text, number, number)
            for number, text in enumerate(pages, 1)
            for each in passages(cleaned(text))
        )
        by_page = True
    else:
        try:
            raw = read_regular(file.path, MOST_TEXT_BYTES)
        except OSError as exc:
            raise _unreadable(file.path, exc) from exc
        digest = hashlib.sha256(raw).hexdigest()
        text = cleaned(decoded(raw, file.path))
        found = tuple(passages(text, headings=file.path.suffix.lower() in MARKDOWN_ENDINGS))
        by_page = False
    if not found and not cancelled.is_set():
        raise AppError(
            ErrorCode.FILE_WITHOUT_TEXT,
            phrase("{name} has no text", name=file.path.name),
            "It is empty or contains no letters or digits.",
        )
    return Content(digest, found, by_page)


def decoded(raw: bytes, path: Path) -> str:
    """The text in a file's bytes; `AppError` if they are none.

    UTF-8, or UTF-16 with a mark; else what was usual before: in Japan, or on Windows in the west.
    """
    encodings = next(
        ((name,) for mark, name in _MARKS if raw.startswith(mark)), ("utf-8", *_JAPANESE, "cp1252")
    )
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _CONTROLS.search(text):
            break
        if encoding not in _JAPANESE or _is_japanese(text):
            return text
    raise AppError(
        ErrorCode.FILE_NOT_TEXT,
        phrase("{name} is not text", name=path.name),
        "Its encoding is not UTF-8 and could not be recognized.",
        "Save it as UTF-8 text.",
    )


def _is_japanese(text: str) -> bool:
    return len(_HIRAGANA.findall(text)) > _LEAST_HIRAGANA * len(_BEYOND_ASCII.findall(text))


def _unreadable(path: Path, exc: Exception) -> AppError:
    return AppError(
        ErrorCode.FILE_UNREADABLE,
        phrase("{name} could not be read", name=path.name or path),
        str(exc),
        "Check that it exists and that you have permission to read it.",
    )


def _other_kind(path: Path) -> AppError:
    return AppError(
        ErrorCode.FILE_KIND_NOT_READ,
        phrase("{name} is not a supported file type", name=path.name),
        phrase("Supported file types: {names}.", names=", ".join(ENDINGS)),
        "Save its text as a .txt file and add that.",
    )


def _too_large(path: Path, most_bytes: int) -> AppError:
    return AppError(
        ErrorCode.FILE_TOO_LARGE,
        phrase("{name} is too large", name=path.name),
        phrase("The limit for this file type is {count} MB.", count=most_bytes // 1_000_000),
        "Split it into smaller files.",
    )


def _too_many() -> AppError:
    return AppError(
        ErrorCode.TOO_MANY_FILES,
        "Too many files at a time",
        phrase("The limit is {count} files at a time.", count=MOST_FILES),
        "Choose a smaller folder.",
    )
