"""What the terminal commands print, as text and as JSON. Any thread.

File names, models and what servers say were written by strangers: they are printed as they are, never as
colours, pictures or commands to the terminal.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import msgspec
import typer

from tray_app.errors import AppError, ErrorCode, ErrorDocument
from tray_app.phrases import Translate, phrase, visible

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class OutputError(AppError):
    """The terminal, the pipe or the file that the output goes to does not take it."""

    def __init__(self, exc: OSError) -> None:
        super().__init__(
            ErrorCode.OUTPUT_NOT_WRITABLE,
            phrase("The output could not be written: {reason}", reason=exc.strerror or exc),
        )


def echo(text: object = "", *, err: bool = False) -> None:
    """Print a text of one or more lines, see `visible`; every command prints with this."""
    typer.echo(visible(str(text)), err=err)


def typed(word: str) -> str:
    """A word of a command to type, for any shell: in quotes if it has a blank."""
    return f'"{word}"' if " " in word else word


def print_json(document: object) -> None:
    """Print a document for programs."""
    typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def problem_document(error: AppError | None) -> Any:
    """An error as a part of a document; None if there is none."""
    return msgspec.to_builtins(ErrorDocument.of(error)) if error else None


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> None:
    """Print rows of one line each below their headings; the columns `right` are of numbers.

    Wide characters, as those of Chinese, take two places of a terminal.
    """
    from rich.cells import cell_len

    lines = [headings, *rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = []
        for heading, cell, width in zip(headings, line, widths, strict=True):
            blanks = " " * (width - cell_len(cell))
            cells.append(blanks + cell if heading in right else cell + blanks)
        echo("  ".join(cells).rstrip())


def below(path: Path, folder: Path) -> Path:
    """A path without the folder that it is in; as it is if it is elsewhere."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def memory_words(size_bytes: int) -> str:
    """Memory for people: `4.4 GiB`, or `48 MiB`."""
    from tray_app.models.fit_text import memory_text

    return memory_text(size_bytes, Translate())


class _Checked:
    """Standard output whose failures are told from those of the files that a command works with."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as exc:
            raise OutputError(exc) from exc

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as exc:
            raise OutputError(exc) from exc


@contextmanager
def checked_output() -> Iterator[None]:
    """Print in UTF-8, and raise `OutputError` if standard output does not take what is printed.

    Pipes would get the old code page on Windows, which lacks letters of people's folders.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    before = sys.stdout
    if before is None:  # it was closed when this program began
        yield
        return
    sys.stdout = cast("TextIO", _Checked(before))
    try:
        yield
        sys.stdout.flush()
    except OutputError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), before.fileno())  # else Python tries again when it ends, and complains
        raise
    finally:
        sys.stdout = before
