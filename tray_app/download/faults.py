"""The ways in which a download can fail, as exceptions that say what may be done next. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from tray_app.phrases import Text


class TransientError(DownloadError):
    """A fault that may be gone at the next attempt. The user sees it only after the last attempt."""

    def __init__(
        self,
        code: ErrorCode,
        title: Text,
        message: Text = "",
        hint: Text = "",
        *,
        retry_after_s: float = 0.0,
    ) -> None:
        """`retry_after_s`: how long the server asks to wait before the next request."""
        super().__init__(code, title, message, hint)
        self.retry_after_s = retry_after_s


class UnreachableError(TransientError):
    """No server answered: the host is misspelled, or the server or a proxy is down."""


class OfflineError(UnreachableError):
    """The server cannot be reached, usually because this computer is offline. Waiting does not count as an
    attempt.
    """


class ChangedError(TransientError):
    """The server now offers another file than the one that was begun, so none of its bytes may be added."""


class NodesDifferError(ChangedError):
    """It seems to be another file of the same size, or the same with another ETag: each computer of a mirror
    may make its own.
    """


class OverlongError(TransientError):
    """The server sent more than it announced, so the bytes that have arrived cannot be trusted."""


class RefusedError(DownloadError):
    """The server does not give a file at this address: access is denied, there is none, or the address has
    expired.
    """


class RangeRefusedError(DownloadError):
    """The server has no bytes at the requested offset."""


class Interrupted(Exception):  # noqa: N818 - it is no error: somebody asked for it
    """The download was told to stop."""


def broken_transfer(reason: Text) -> TransientError:
    """The body of an answer ended or stalled before the file was complete."""
    return TransientError(
        ErrorCode.CONNECTION_LOST,
        "The connection was lost",
        reason,
        "What was downloaded is kept. Choose Resume to continue.",
    )


def changed(file_name: str, kind: type[ChangedError]) -> ChangedError:
    """An answer belongs to another file than the earlier ones."""
    title: Text = "The file has changed on the server"
    hint: Text = "Download it again from the beginning."
    cause = phrase("{name} on the server is no longer the file whose download was started.", name=file_name)
    return kind(ErrorCode.SOURCE_CHANGED, title, cause, hint)
