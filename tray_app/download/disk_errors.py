"""The errors for downloads that the disk does not take. Pure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase
from tray_app.system.files import NotOurFileError, folder_not_writable

if TYPE_CHECKING:
    from pathlib import Path

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The error numbers of a disk, or a quota, that is full."""
_WINDOWS_FILE_TOO_LARGE = 223


def disk_fault(exc: OSError, path: Path) -> DownloadError:
    """The error for a download's file at `path` that could not be written."""
    if isinstance(exc, NotOurFileError):
        return DownloadError(
            ErrorCode.DOWNLOAD_FILE_NOT_OURS,
            "Something else is using this download's file name",
            phrase("{path}: {reason}. Nothing was written there.", path=exc.filename, reason=exc.strerror),
            "Check what it is. If you do not need it, delete it and choose Resume.",
        )
    if is_too_large(exc):
        return DownloadError(
            ErrorCode.FILE_TOO_LARGE_FOR_DISK,
            "This disk cannot store such large files",
            phrase(
                "{name} is too large for the disk of {folder}. Many USB sticks use FAT32, which "
                "allows files of up to 4 GB. A disk quota can also set a limit.",
                name=path.name,
                folder=path.parent,
            ),
            "Choose a models folder on a disk with exFAT, NTFS, APFS or ext4, or choose a "
            "smaller or split model. What was downloaded is kept: move its files (.part, "
            ".part.json) to the new folder to continue.",
        )
    if exc.errno in DISK_FULL:
        return DownloadError(
            ErrorCode.DISK_FULL,
            "The disk is full",
            phrase("There is not enough space for {name} in {folder}.", name=path.name, folder=path.parent),
            "Free some space and choose Resume, or choose another models folder.",
        )
    return folder_not_writable(
        DownloadError,
        phrase("{path}: {reason}.", path=path.parent, reason=exc.strerror or exc),
        "Check that the drive is connected and that you have permission to write to it, or "
        "choose another models folder.",
    )


def is_too_large(exc: OSError) -> bool:
    """Whether the file system does not support such a large file, however much space is free."""
    return exc.errno == errno.EFBIG or getattr(exc, "winerror", None) == _WINDOWS_FILE_TOO_LARGE
