"""Small files: written so that a crash leaves the old or the new content, and read only if they are ordinary
files.

Another program may have replaced a file by a link, a pipe, a device or a huge file. That is checked first:
reads never block or read too much, and writes never go through a link.

The app's own files (settings, state, logs) can be read by this user alone, whatever the umask: they contain
names of models, addresses and errors. On Windows the folders of a profile are private already.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from io import BufferedReader, FileIO

    from tray_app.phrases import Text

AnyError = TypeVar("AnyError", bound=AppError)

NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of `msgspec.json.decode` for bytes that are not the expected JSON, such as a file damaged by a
power cut or another program's answer."""


PRIVATE = 0o600
PUBLIC = 0o644
"""The mode for files that are not private to the app; the umask can still restrict it."""
_PRIVATE_FOLDER = 0o700
_OTHERS = 0o077

SMALL_FILE_BYTES = 1 << 20
"""The largest file of settings, lists, journals or digests that is read: real ones have some kilobytes."""
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Flags with which opening a pipe or terminal does not block."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_REPARSE_POINT = 0x400  # Windows' attribute of links, and of files that are stored in a cloud
_STANDS_FOR_ANOTHER = 0x20000000  # the bit of a reparse tag that is set for links only


class NotOurFileError(OSError):
    """A link, pipe or other file has the name of one of the app's files; it is neither read nor written."""


def private_folder(folder: Path) -> None:
    """Make a folder that only this user can read; an existing one is closed to others. `OSError`."""
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if folder.stat().st_mode & _OTHERS:
        with suppress(PermissionError):  # another user's folder, or a file system without permissions
            folder.chmod(_PRIVATE_FOLDER)


def open_private(path: str | Path, flags: int) -> int:
    """For `open(…, opener=…)`: a new file can be read by this user alone."""
    return os.open(path, flags, mode=PRIVATE)


def open_without_waiting(path: Path) -> BufferedReader:
    """Open a file for reading; a pipe in its place does not make the caller wait for a writer. `OSError`."""
    return open(path, "rb", opener=partial(_open_with, _WITHOUT_WAITING))


def text_of(path: Path) -> str:
    """The text of a small file of the system, without blanks around it; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def read_regular(path: Path, most_bytes: int = SMALL_FILE_BYTES) -> bytes:
    """The content of a small file. `OSError`, also if it is too large or not an ordinary file.

    A link is followed; its target must be an ordinary file.
    """
    _require_regular(path.stat(), path)  # before it is opened: even opening a device can have effects
    with open_without_waiting(path) as file:
        _require_regular(os.fstat(file.fileno()), path)
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"It has more than {most_bytes:,} bytes", str(path))
    return content


def write_atomically(path: Path, content: bytes, *, mode: int = PRIVATE, through_links: bool = True) -> None:
    """Replace the file at `path` by `content` through a temporary file beside it. `OSError`.

    A symbolic link stays a link, and its target is replaced; with `through_links` False, a link is refused,
    like everything that is not an ordinary file. Missing folders are made. The file gets at most the
    permissions in `mode`, in the umask and of the earlier file.
    """
    target = Path(os.path.realpath(path)) if through_links else path
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        there = target.lstat()
        _require_regular(there, target)
        mode &= there.st_mode | stat.S_IWUSR
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


def is_own(path: Path) -> bool:
    """Whether there is a file that this app may write to; False if no file exists.

    `NotOurFileError` for a link, a pipe or the like, a file with several names (hard links), or another
    user's file: writing would then change something elsewhere.
    """
    try:
        _require_own(path.lstat(), path)
    except FileNotFoundError:
        return False
    return True


def open_own(path: Path) -> FileIO:
    """Open a file for reading and writing that `is_own`. `OSError`, above all `NotOurFileError`."""
    is_own(path)
    opener = partial(_open_with, _NO_LINK | _WITHOUT_WAITING)
    file = open(path, "r+b", buffering=0, opener=opener)  # noqa: SIM115  the caller closes it
    try:
        _require_own(os.fstat(file.fileno()), path)  # it may have been replaced meanwhile
    except BaseException:
        file.close()
        raise
    return file


def make_own(path: Path) -> None:
    """Make an empty file; an existing one is replaced if it `is_own`. `OSError` as `open_own`."""
    if is_own(path):
        path.unlink()
    path.open("xb").close()


def _open_with(more: int, path: str | Path, flags: int) -> int:
    return os.open(path, flags | more)


def _require_regular(info: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise NotOurFileError(errno.EISDIR, "It is a folder", str(path))
    if is_link(info):
        raise NotOurFileError(errno.ELOOP, "It is a link", str(path))
    if not stat.S_ISREG(info.st_mode):
        raise NotOurFileError(errno.EINVAL, "It is not an ordinary file", str(path))


def _require_own(info: os.stat_result, path: Path) -> None:
    _require_regular(info, path)
    if info.st_nlink > 1:
        raise NotOurFileError(errno.EMLINK, "The same file has another name elsewhere", str(path))
    # The owner of the folder could replace the file anyway; on some file systems, all files have one owner.
    if os.name == "posix" and info.st_uid not in {os.geteuid(), path.parent.stat().st_uid}:
        raise NotOurFileError(errno.EPERM, "It belongs to another user", str(path))


def is_link(info: os.stat_result) -> bool:
    """Whether it is a link, including Windows' other kinds, but not a file whose content is in a cloud."""
    if getattr(info, "st_file_attributes", 0) & _REPARSE_POINT:
        return bool(getattr(info, "st_reparse_tag", 0) & _STANDS_FOR_ANOTHER)
    return stat.S_ISLNK(info.st_mode)


def folder_not_writable(kind: type[AnyError], cause: Text, hint: Text) -> AnyError:
    """The error for a folder that cannot be written to; `cause` names the folder."""
    title: Text = "Could not write to the folder"
    return kind(ErrorCode.FOLDER_NOT_WRITABLE, title, cause, hint)


def not_saved(path: Path, exc: OSError) -> AppError:
    """The error for a file that the user wanted to save somewhere."""
    return AppError(
        ErrorCode.FILE_NOT_WRITABLE,
        phrase("{name} could not be saved", name=path.name),
        str(exc),
        "Choose another folder.",
    )


def unwritable(exc: OSError, kind: type[AnyError]) -> AnyError:
    """The error for a folder of the app that cannot be written to."""
    return folder_not_writable(
        kind,
        phrase("{path}: {reason}", path=exc.filename, reason=exc.strerror or exc)
        if exc.filename
        else exc.strerror or str(exc),
        "Check the permissions of this folder, or set another one with POWERINFER_TRAY_HOME.",
    )
