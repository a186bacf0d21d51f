"""Keys in files that only their owner can read, for machines without a keychain. Any thread.

Windows has no such file mode: there, the access list of the profile's folder protects the files.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING
from urllib.parse import quote

from tray_app.errors import AppError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.files import open_without_waiting, private_folder, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_BYTES = 4096
"""The largest key file; keys have about fifty bytes."""


class KeyFileError(AppError):
    """A key file that others can read, that cannot be read, or that cannot be written."""


class KeyFiles:
    """Secrets by name, each in a file of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the secret of that name is, or would be."""
        return self._folder / f"{quote(name, safe='')}.key"

    def get(self, name: str) -> str | None:
        """The key in the file, without spaces around it; None if there is no file. `KeyFileError`."""
        path = self.path(name)
        try:
            with open_without_waiting(path) as file:
                _check(path, os.fstat(file.fileno()))
                return file.read(_LARGEST_BYTES).decode().strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as exc:
            raise KeyFileError(
                ErrorCode.KEY_FILE_UNREADABLE,
                phrase("The key file {path} could not be read", path=path),
                phrase("{reason}", reason=getattr(exc, "strerror", None) or exc),
                "Remove it, or give yourself permission to read it.",
            ) from exc

    def set(self, name: str, secret: str) -> None:
        """Store a secret in a file with mode 0600. `KeyFileError` if it cannot be written."""
        path = self.path(name)
        try:
            private_folder(self._folder)
            write_atomically(path, f"{secret}\n".encode())
        except OSError as exc:
            raise _refused(path, exc) from exc

    def delete(self, name: str) -> None:
        """Remove the file; nothing happens if there is none. `KeyFileError` if it cannot be removed."""
        path = self.path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise _refused(path, exc) from exc


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(
            ErrorCode.KEY_FILE_UNREADABLE,
            phrase("The key file {path} is not a file", path=path),
            "Something else has this name.",
        )
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(
            ErrorCode.KEY_FILE_EXPOSED,
            phrase("Other users can read the key file {path}", path=path),
            "Other users of this computer could read the key, so it is not used.",
            phrase(
                'Run: chmod 600 "{path}". Then choose a new key, because someone may have read this one.',
                path=path,
            ),
        )


def _refused(path: Path, exc: OSError) -> KeyFileError:
    return KeyFileError(
        ErrorCode.KEY_FILE_NOT_WRITABLE,
        "The key could not be saved in or removed from a file",
        phrase("{path}: {reason}", path=path, reason=exc.strerror or exc),
        "Check that the disk is not full and that you have permission to write to this folder.",
    )
