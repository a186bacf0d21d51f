"""Turns what HTTP libraries, servers and disks report into errors that a person may read. Pure."""

from __future__ import annotations

import errno
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests

from tray_app.errors import DownloadError

if TYPE_CHECKING:
    from pathlib import Path

    from urllib3.exceptions import HTTPError

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
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class TransientError(DownloadError):
    """A fault that may be gone at the next attempt. It reaches a person only when all attempts are spent."""


class UnreachableError(TransientError):
    """Nobody answered: offline, a misspelt host, a server that is down."""


class RangeRefusedError(DownloadError):
    """The server has no bytes from the offset on that was asked for."""


class Interrupted(Exception):  # noqa: N818 - it is no error: somebody asked for it
    """The download was told to stop."""


def refusal(status: int, host: str) -> DownloadError:
    """The server answered, but not with the file."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return DownloadError(
                "The server does not let us have this file",
                f"{host} answered {status}: it asks for a sign-in, or for a licence to be accepted.",
                "Open the address in a browser. If it downloads there only after signing in, fetch it there "
                "and put it into the models folder.",
            )
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return DownloadError(
                "The file is not there",
                f"{host} answered {status}: it knows no file at this address.",
                "Check the address: owner, repository and file name, with upper and lower case.",
            )
        case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return RangeRefusedError("The server refused", f"{host} answered {status}.")
        case _ if status in _TRANSIENT:
            return TransientError(
                "The server has a problem", f"{host} answered {status}.", "Try again in a few minutes."
            )
        case _:
            return DownloadError(
                "The server refused", f"{host} answered {status}.", "Check the address in a browser."
            )


def no_answer(exc: requests.RequestException, host: str) -> DownloadError:
    """There was no answer to a request."""
    match exc:
        case requests.exceptions.SSLError():
            return DownloadError(
                "No secure connection",
                f"{host} could not prove who it is ({_words(exc)}).",
                "Check the computer's clock. A company's own certificate must be in the system's store.",
            )
        case requests.exceptions.ProxyError():
            return UnreachableError(
                "The proxy does not answer", f"{_words(exc)}.", "Check the proxy in the system's settings."
            )
        case requests.ConnectionError() | requests.Timeout():
            return UnreachableError(
                f"Could not reach {host}",
                f"{_words(exc)}.",
                "Check the connection to the internet and the address.",
            )
        case _:
            return DownloadError("This address cannot be used", str(exc), "Check the address in a browser.")


def broken_transfer(reason: str) -> TransientError:
    """The body of an answer ended or stood still before the file was whole."""
    return TransientError(
        "The connection was lost", reason, "What has arrived is kept. Press Resume to go on from there."
    )


def broken_body(exc: HTTPError) -> TransientError:
    """The body of an answer could not be read on."""
    match _innermost(exc):
        case TimeoutError():
            return broken_transfer("Nothing more came from the server.")
        case OSError() as cause:
            return broken_transfer(f"{_words(cause)}.")
        case _:
            return broken_transfer("The server ended it in the middle of the file.")


def disk_fault(exc: OSError, path: Path) -> DownloadError:
    """A file could not be written."""
    if exc.errno in _DISK_FULL:
        return DownloadError(
            "The disk is full",
            f"There was no room left for {path.name} in {path.parent}.",
            "Free some space and press Resume, or choose another models folder.",
        )
    return DownloadError(
        "The folder cannot be written",
        f"{path.parent}: {exc.strerror or exc}.",
        "Check that the drive is there and that you may write to it, or choose another models folder.",
    )


def _innermost(exc: BaseException) -> BaseException:
    """What the operating system said, at the bottom of several layers of wrapping."""
    inner = (*exc.args, getattr(exc, "reason", None), exc.__cause__)
    for candidate in inner:
        if isinstance(candidate, BaseException):
            return _innermost(candidate)
    return exc


def _words(exc: BaseException) -> str:
    cause = _innermost(exc)
    if isinstance(cause, TimeoutError):
        return "No answer in time"
    return getattr(cause, "strerror", None) or str(cause)
