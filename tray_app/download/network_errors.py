"""Turns what HTTP libraries, servers and disks report into errors that a person may read. Pure."""

from __future__ import annotations

import errno
import re
import socket
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.errors import DownloadError, ErrorCode, Fix
from tray_app.phrases import one_line, phrase
from tray_app.settings.keys import HUGGING_FACE
from tray_app.system.files import NotOurFileError, folder_not_writable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPException
    from pathlib import Path

    import requests
    from urllib3.exceptions import HTTPError

    from tray_app.phrases import Text

LONGEST_RETRY_AFTER_S = 900.0
_LONGEST_DATE = 64
"""Letters of a Retry-After header; a date has 29."""

_NONE_LEFT = re.compile(r";\s*r\s*=\s*0+\s*;\s*t\s*=\s*([0-9]{1,9})\b")

_SECOND = re.compile(r"[0-9]{1,12}")

_TRANSIENT = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_WINDOWS_FILE_TOO_LARGE = 223
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
"""How Python words what a proxy answers in place of a connection."""


class TransientError(DownloadError):
    """A fault that may be gone at the next attempt. It reaches a person only when all attempts are spent."""

    def __init__(
        self,
        code: ErrorCode,
        title: Text,
        message: Text = "",
        hint: Text = "",
        *,
        retry_after_s: float = 0.0,
    ) -> None:
        """`retry_after_s`: the server asks not to be asked again before."""
        super().__init__(code, title, message, hint)
        self.retry_after_s = retry_after_s


class UnreachableError(TransientError):
    """Nobody answered: a misspelt host, a server or a proxy that is down."""


class OfflineError(UnreachableError):
    """There is no way to the server: this computer is offline, as a rule. Waiting costs no attempt."""


class ChangedError(TransientError):
    """The server offers another file than the one that was begun: nothing of it may follow."""


class NodesDifferError(ChangedError):
    """It looks like another file, of the same size: a mirror's computers may each vouch in their own way."""


class OverlongError(TransientError):
    """More came than was announced: what has arrived cannot be trusted."""


class RefusedError(DownloadError):
    """The server knows the address but does not give the file, or knows none; an expired address, too."""


class RangeRefusedError(DownloadError):
    """The server has no bytes from the offset on that was asked for."""


class Interrupted(Exception):  # noqa: N818 - it is no error: somebody asked for it
    """The download was told to stop."""


def refusal(  # noqa: PLR0911 - one for each kind
    status: int, host: str, headers: Mapping[str, str]
) -> DownloadError:
    """The server answered, but not with the file."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN if headers.get("X-Error-Code") == "GatedRepo":
            return _gated(status, host, headers)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND if headers.get("X-Error-Code") == "RepoNotFound":
            return _no_repository(status, host)
        case HTTPStatus.NOT_FOUND if headers.get("X-Error-Code") == "RevisionNotFound":
            return _no_revision(status, host)
        case HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return _proxy_login(host)
        case _ if _counts_us_out(status, headers):
            return _too_often(status, host, headers)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return RefusedError(
                ErrorCode.SIGN_IN_REQUIRED,
                "The server refused access to this file",
                phrase(
                    "{host} answered {status}: you may need to sign in or accept a license.",
                    host=host,
                    status=status,
                ),
                "Open the URL in a browser. If you can download the file only after signing in, "
                "download it there and put it in the models folder.",
            )
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return RefusedError(
                ErrorCode.SOURCE_FILE_NOT_FOUND,
                "The file was not found",
                phrase("{host} answered {status}: there is no file at this URL.", host=host, status=status),
                "Check the owner, repository and file name, including upper and lower case.",
            )
        case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return RangeRefusedError(
                ErrorCode.SOURCE_REFUSED,
                "The server refused the request",
                phrase("{host} answered {status}.", host=host, status=status),
            )
        case _ if status in _TRANSIENT:
            return TransientError(
                ErrorCode.SOURCE_FAILED,
                "The server has a problem",
                phrase("{host} answered {status}.", host=host, status=status),
                "Try again in a few minutes.",
                retry_after_s=_seconds(headers.get("Retry-After", "")),
            )
        case _:
            return DownloadError(
                ErrorCode.SOURCE_REFUSED,
                "The server refused the request",
                phrase("{host} answered {status}.", host=host, status=status),
                "Open the URL in a browser to check it.",
            )


def _counts_us_out(status: int, headers: Mapping[str, str]) -> bool:
    """Whether there were too many requests; GitHub says so by 403, too, with one of two headers."""
    names_a_time = headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers
    return status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and names_a_time)


def _too_often(status: int, host: str, headers: Mapping[str, str]) -> TransientError:
    """The server counts our requests. When it counts anew, one of three headers tells, or none."""
    wait_s = (
        _seconds(headers.get("Retry-After", ""))
        or _reset_s(headers.get("RateLimit", ""))
        or _until_s(headers.get("X-RateLimit-Reset", ""))
    )
    cause = (
        phrase(
            "{host} answered {status}: you can try again in {seconds:.0f} s.",
            host=host,
            status=status,
            seconds=wait_s,
        )
        if wait_s
        else phrase("{host} answered {status}.", host=host, status=status)
    )
    hint = phrase(
        "Wait a few minutes. An access token allows more requests: powerinfer-tray key set {host}",
        host=_keeper(host),
    )
    return TransientError(
        ErrorCode.SOURCE_ASKED_TOO_OFTEN,
        phrase("Too many requests to {host}", host=host),
        cause,
        hint,
        retry_after_s=wait_s,
    )


def _no_repository(status: int, host: str) -> RefusedError:
    return RefusedError(
        ErrorCode.REPOSITORY_NOT_FOUND,
        "The repository was not found",
        phrase("{host} answered {status}: there is no repository with this name.", host=host, status=status),
        phrase(
            "Check the owner and repository, including upper and lower case. A private "
            "repository needs an access token: powerinfer-tray key set {host}",
            host=_keeper(host),
        ),
    )


def _no_revision(status: int, host: str) -> RefusedError:
    return RefusedError(
        ErrorCode.SOURCE_FILE_NOT_FOUND,
        "The revision was not found",
        phrase("{host} answered {status}: no branch, tag or commit has this name.", host=host, status=status),
        "Leave out the revision to use the main branch: hf:owner/repository",
    )


def _no_tunnel(status: int, host: str) -> DownloadError:
    """The proxy answered, but does not connect us."""
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return _proxy_login(host)
    title: Text = "The proxy blocked the connection"
    cause = phrase("It answered {status} for {host}.", host=host, status=status)
    hint: Text = "Ask your network administrator, or download from another server."
    if status in _TRANSIENT:
        return UnreachableError(ErrorCode.PROXY_REFUSED, title, cause, hint)
    return DownloadError(ErrorCode.PROXY_REFUSED, title, cause, hint)


def _proxy_login(host: str) -> DownloadError:
    return DownloadError(
        ErrorCode.PROXY_LOGIN_REQUIRED,
        "The proxy requires a login",
        phrase(
            "The proxy between this computer and {host} answered 407: you need to sign in.",
            host=host,
        ),
        "Set HTTP_PROXY and HTTPS_PROXY to http://USER:PASSWORD@PROXY:PORT and restart this "
        "app. In the password, write @ as %40 and : as %3A. If they already contain a login, "
        "it is wrong.",
    )


def _gated(status: int, host: str, headers: Mapping[str, str]) -> RefusedError:
    title: Text = "You need to accept the publisher's terms first"
    cause = phrase(
        "{host} answered {status}: {reason}",
        host=host,
        status=status,
        reason=one_line(headers.get("X-Error-Message", "")) or phrase("access to the file is restricted"),
    )
    keeper = _keeper(host)
    if keeper == HUGGING_FACE.name:
        hint = phrase(
            "Open the model's page on {host}, sign in and accept the terms. Then enter an access "
            "token in the settings under “Downloads”, or run: powerinfer-tray key set {host}",
            host=keeper,
        )
        return RefusedError(
            ErrorCode.TERMS_NOT_ACCEPTED, title, cause, hint, fix=Fix.SETTING, setting=HUGGING_FACE.name
        )
    hint = phrase(  # a mirror, whose token is its own
        (
            "Open the model's page on {host}, sign in and accept the terms. Then save an access "
            "token: powerinfer-tray key set {host}"
        ),
        host=keeper,
    )
    return RefusedError(ErrorCode.TERMS_NOT_ACCEPTED, title, cause, hint)


def _keeper(host: str) -> str:
    """The name under which a host's token is kept: without its port."""
    return urlsplit(f"//{host}").hostname or host


def no_answer(exc: requests.RequestException, host: str) -> DownloadError:
    """There was no answer to a request."""
    import requests  # which only those have to load who make requests

    if isinstance(exc, requests.exceptions.ProxyError) and (said := _TUNNEL_REFUSED.search(str(exc))):
        return _no_tunnel(int(said[1]), host)
    match exc:
        case requests.exceptions.SSLError():
            return DownloadError(
                ErrorCode.SOURCE_NOT_TRUSTED,
                "No secure connection",
                phrase(
                    "The identity of {host} could not be verified ({reason}).", host=host, reason=_words(exc)
                ),
                "Check the computer's clock. If your company uses its own certificate, add it to the "
                "system's certificate store.",
            )
        case requests.ConnectionError() if _is_offline(exc):
            return OfflineError(
                ErrorCode.SOURCE_UNREACHABLE,
                phrase("Could not reach {host}", host=host),
                phrase("{reason}.", reason=_words(exc)),
                "Check the URL and your internet connection.",
            )
        case requests.exceptions.ProxyError():
            return UnreachableError(
                ErrorCode.PROXY_UNREACHABLE,
                "The proxy does not answer",
                phrase("{reason}.", reason=_words(exc)),
                "Check the proxy in the system settings.",
            )
        case requests.ConnectionError() | requests.Timeout():
            return UnreachableError(
                ErrorCode.SOURCE_UNREACHABLE,
                phrase("Could not reach {host}", host=host),
                phrase("{reason}.", reason=_words(exc)),
                "Check the URL and your internet connection.",
            )
        case _:
            return DownloadError(
                ErrorCode.ADDRESS_INVALID,
                "This URL cannot be used",
                one_line(exc),
                "Open the URL in a browser to check it.",
            )


def broken_transfer(reason: Text) -> TransientError:
    """The body of an answer ended or stood still before the file was whole."""
    return TransientError(
        ErrorCode.CONNECTION_LOST,
        "The connection was lost",
        reason,
        "What was downloaded is kept. Choose Resume to continue.",
    )


def changed(file_name: str, kind: type[ChangedError] = ChangedError) -> ChangedError:
    """An answer belongs to another file than those before it."""
    title: Text = "The file has changed on the server"
    hint: Text = "Download it again from the beginning."
    cause = phrase("{name} on the server is no longer the file whose download was started.", name=file_name)
    return kind(ErrorCode.SOURCE_CHANGED, title, cause, hint)


def broken_body(exc: HTTPError | HTTPException | OSError) -> TransientError:
    """The body of an answer could not be read on."""
    match _innermost(exc):
        case TimeoutError():
            return broken_transfer("The server stopped sending data.")
        case OSError() as cause:
            return broken_transfer(phrase("{reason}.", reason=_words(cause)))
        case _:
            return broken_transfer("The server closed it in the middle of the file.")


def disk_fault(exc: OSError, path: Path) -> DownloadError:
    """A file could not be written."""
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
    """Whether a file was refused for its size, and not for what is free."""
    return exc.errno == errno.EFBIG or getattr(exc, "winerror", None) == _WINDOWS_FILE_TOO_LARGE


def _seconds(retry_after: str) -> float:
    """How long a Retry-After header asks to wait: seconds, or a date (RFC 9110); 0 if it is neither."""
    if len(retry_after) > _LONGEST_DATE:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), LONGEST_RETRY_AFTER_S)
    try:
        wait_s = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)


def _reset_s(rate_limit: str) -> float:
    """How long a RateLimit header (draft-ietf-httpapi-ratelimit-headers-09) asks to wait; 0 if it does not.

    Hugging Face sends `"api";r=0;t=55` with every answer: `r` more requests may be made in the next `t` s.
    """
    found = _NONE_LEFT.search(rate_limit[:_LONGEST_DATE])
    return min(float(found[1]), LONGEST_RETRY_AFTER_S) if found else 0.0


def _until_s(reset: str) -> float:
    """How long it is until the second of the Unix epoch that GitHub's X-RateLimit-Reset names; 0 if none."""
    if not _SECOND.fullmatch(reset):
        return 0.0
    return min(max(float(reset) - datetime.now(UTC).timestamp(), 0.0), LONGEST_RETRY_AFTER_S)


def _is_offline(exc: BaseException) -> bool:
    import requests

    cause = _innermost(exc)
    no_way = isinstance(cause, OSError) and cause.errno in _NO_WAY
    return no_way or isinstance(cause, socket.gaierror) or isinstance(exc, requests.ConnectTimeout)


def _innermost(exc: BaseException) -> BaseException:
    """What the operating system said, at the bottom of several layers of wrapping."""
    inner = (*exc.args, getattr(exc, "reason", None), exc.__cause__)
    for candidate in inner:
        if isinstance(candidate, BaseException):
            return _innermost(candidate)
    return exc


def _words(exc: BaseException) -> Text:
    cause = _innermost(exc)
    if isinstance(cause, TimeoutError):
        return phrase("No answer in time")
    return one_line(getattr(cause, "strerror", None) or cause)
