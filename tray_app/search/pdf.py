"""The text of PDF files, page by page. Any thread; blocks.

`pdf_child.py` reads them in a process of its own, which is killed if a file takes too much time or memory.
"""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import one_line, phrase
from tray_app.system.environment import bundle_folder, engine_environment, system_libraries
from tray_app.system.files import NOT_JSON
from tray_app.system.process import own_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

_LONGEST_LINE_BYTES = 16 * 2**20
"""A page has at most a million letters, each of them at most 6 bytes in JSON."""


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """The limits for one file. Large books take a minute and 300 MB."""

    time_s: float = 600.0
    memory_bytes: int = 1 << 30
    letters: int = 20_000_000
    look_s: float = 0.1
    """How often it is looked at."""


class _Line(msgspec.Struct, frozen=True):
    """See `pdf_child`."""

    page: int = 0
    text: str = ""
    pages: int | None = None
    unreadable: int = 0
    failed: str = ""
    reason: str = ""


def pdf_pages(path: Path, cancelled: Event, limits: PdfLimits | None = None) -> list[str]:
    """The text of each page; fewer pages once `cancelled` is set.

    `AppError` if the file is locked, broken, takes too much, or has nothing but pictures.
    """
    limits = limits or PdfLimits()
    pages: list[str] = []
    letters = 0
    with _child(path, cancelled, limits) as lines:
        for line in lines:
            if line.failed:
                raise _refusal(path, line)
            if line.pages is not None:
                if not any(text.strip() for text in pages):
                    raise _without_text(path, line)
                return pages
            pages.append(line.text)
            letters += len(line.text)
            if letters > limits.letters:
                raise _too_much(path)
    if cancelled.is_set():
        return pages
    raise _too_much(path)


@contextmanager
def _child(path: Path, cancelled: Event, limits: PdfLimits) -> Iterator[Iterator[_Line]]:
    script = Path(__file__).with_name("pdf_child.py")
    # -P: Python must not import modules from the script's folder
    with system_libraries(bundle_folder()):
        process = subprocess.Popen(
            [*own_command("pdf-child", str(script), "-P"), str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=engine_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(process, over, cancelled, limits), name="pdf-limit")
    watch.start()
    try:
        yield _lines(process)
    finally:
        over.set()
        process.kill()
        process.communicate()
        watch.join()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[_Line]:
    assert process.stdout  # noqa: S101  a pipe was asked for
    while line := process.stdout.readline(_LONGEST_LINE_BYTES):
        try:
            yield msgspec.json.decode(line, type=_Line)
        except NOT_JSON:  # it was killed within a line
            return


def _watch(
    process: subprocess.Popen[bytes], over: threading.Event, cancelled: Event, limits: PdfLimits
) -> None:
    """Kill the process when it takes too much, or nobody wants its answer."""
    looks = int(limits.time_s / limits.look_s)
    with suppress(psutil.Error):  # it has ended
        system = psutil.Process(process.pid)
        while not over.wait(limits.look_s):
            looks -= 1
            if cancelled.is_set() or looks < 0 or system.memory_info().rss > limits.memory_bytes:
                process.kill()
                return


def _refusal(path: Path, line: _Line) -> AppError:
    match line.failed:
        case "locked":
            return AppError(
                ErrorCode.FILE_LOCKED,
                phrase("{name} is protected by a password", name=path.name),
                "Its text can be read only with the password.",
                "Save a copy without a password and add that.",
            )
        case "cipher":
            return AppError(
                ErrorCode.FILE_LOCKED,
                phrase("{name} is encrypted", name=path.name),
                "This app does not support its encryption.",
                "Print it to a new PDF file and add that.",
            )
        case _:
            return AppError(
                ErrorCode.FILE_DAMAGED,
                phrase("{name} could not be read", name=path.name),
                phrase("It is damaged, or not a PDF file: {reason}", reason=one_line(line.reason)),
                "Open it in another app and save it again.",
            )


def _without_text(path: Path, line: _Line) -> AppError:
    if line.pages and line.unreadable == line.pages:
        return _refusal(path, _Line(failed="damaged", reason="no page can be read"))
    return AppError(
        ErrorCode.FILE_WITHOUT_TEXT,
        phrase("{name} has no text", name=path.name),
        "Its pages are empty or scanned pictures.",
        "Run text recognition (OCR) on it first.",
    )


def _too_much(path: Path) -> AppError:
    return AppError(
        ErrorCode.FILE_TOO_LARGE,
        phrase("{name} takes too much time or memory", name=path.name),
        "Reading was stopped. The file may be damaged.",
        "Split it, or save its text as a .txt file.",
    )
