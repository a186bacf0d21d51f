"""Reads the text of a PDF file, in a process of its own. See `pdf.py`.

Any stranger may have written a PDF: reading it may take for ever or all memory. A process can be killed.

Started by its path, so it imports nothing of this app; in a frozen app as `pdf-child`. Writes lines of JSON
to standard output: `page` and `text` of each page in order, then `pages`, or why there is nothing more.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from contextlib import suppress
from typing import Any

_PAGE_LIMIT_S = 20.0
"""For opening the file, and for each page: pages full of drawings take a second."""
_MOST_MEMORY_BYTES = 2 * 2**30
"""Of addresses, which are more than the memory that is used."""
_MOST_LETTERS = 1_000_000
"""Of one page."""


def main(arguments: list[str]) -> int:
    """Read the file whose path is the argument."""
    _limit_memory()
    sys.setrecursionlimit(3000)  # pages are in trees, which pypdf walks by recursion
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  for the traceback of a page that took too long
        _guard(nowhere)
        try:
            _read(arguments[0], nowhere)
        except Exception as exc:  # noqa: BLE001  a broken file makes pypdf fail in any way
            _tell(failed="damaged", reason=f"{type(exc).__name__}: {exc}")
        faulthandler.cancel_dump_traceback_later()
    return 0


def _read(path: str, nowhere: Any) -> None:
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import DependencyError

    try:
        reader = PdfReader(path, strict=False)  # which tries the empty password
        if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
            _tell(failed="locked")
            return
    except (DependencyError, NotImplementedError) as exc:
        _tell(failed="cipher", reason=str(exc))
        return
    failures = 0
    number = 0
    for number, page in enumerate(reader.pages, 1):
        _guard(nowhere)
        try:
            text = page.extract_text()[:_MOST_LETTERS]
        except Exception:  # noqa: BLE001  as above; the other pages may be whole
            failures += 1
            text = ""
        _tell(page=number, text=text)
    _tell(pages=number, unreadable=failures)


def _guard(nowhere: Any) -> None:
    """End this process if the next page takes too long: by a thread in C that does not need Python's lock."""
    faulthandler.dump_traceback_later(_PAGE_LIMIT_S, exit=True, file=nowhere)


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit: there, the app looks
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))


def _tell(**what: object) -> None:
    # Fonts may name half of a character, which is not JSON for whoever reads this.
    sys.stdout.buffer.write(json.dumps(what, ensure_ascii=False).encode(errors="replace") + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
