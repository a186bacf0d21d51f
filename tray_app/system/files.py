"""Small files, written so that a crash leaves the old content or the new; and what may be wrong with them.

What the app keeps for itself (settings, state, logs) is for this user alone, whatever the umask: it names
models, addresses and what went wrong. On Windows the folders of a profile are private by themselves.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tray_app.errors import AppError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from pathlib import Path

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `msgspec.json.decode` raises for bytes that are not the JSON they should be: a file that a power cut
has damaged, an answer of another program."""


PRIVATE = 0o600
PUBLIC = 0o644
"""For what is not the app's own: the person's umask may still say less."""
_PRIVATE_FOLDER = 0o700
_OTHERS = 0o077


def private_folder(folder: Path) -> None:
    """Make a folder that is for this user alone; one that others can read is closed. `OSError` as usual."""
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if folder.stat().st_mode & _OTHERS:
        with suppress(PermissionError):  # somebody else's folder, or a disk that keeps no permissions
            folder.chmod(_PRIVATE_FOLDER)


def open_private(path: str | Path, flags: int) -> int:
    """For `open(…, opener=…)`: what is made new is for this user alone."""
    return os.open(path, flags, mode=PRIVATE)


def write_atomically(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Replace the file at `path` by `content` through a temporary file beside it. `OSError` as usual.

    A symbolic link stays a link: what it points to is replaced. Missing folders are made. `mode` says who may
    read it at most: nobody whom the file shut out before, or whom the person's umask keeps from new files.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        mode &= target.stat().st_mode | stat.S_IWUSR
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_regular(path: Path, most_bytes: int) -> bytes:
    """What is in a file of at most so many bytes; `OSError` if it has more, or is a device, pipe or folder.

    Such files are often put where a program reads: it would wait, or read, for ever.
    """
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "It is not a regular file", str(path))
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"It has more than {most_bytes:,} bytes", str(path))
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for a writer


def unwritable(exc: OSError) -> AppError:
    """What a person is told where a folder of the app cannot be written: then nothing could be kept."""
    return AppError(
        "The app's folder cannot be written",
        phrase("{path}: {reason}", path=exc.filename, reason=exc.strerror or exc),
        "Check the rights of this folder, or name another with POWERINFER_TRAY_HOME.",
    )
