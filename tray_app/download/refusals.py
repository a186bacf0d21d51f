"""The errors for answers of servers and proxies that do not contain the file. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.download.faults import RangeRefusedError, RefusedError, TransientError, UnreachableError
from tray_app.errors import DownloadError, ErrorCode, Fix
from tray_app.phrases import one_line, phrase
from tray_app.settings.keys import HUGGING_FACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.phrases import Text

LONGEST_RETRY_AFTER_S = 900.0
_LONGEST_DATE = 64
"""The longest Retry-After or RateLimit header that is read, in characters; a date has 29."""
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


def refusal(  # noqa: PLR0911 - one for each kind
    status: int, host: str, headers: Mapping[str, str]
) -> DownloadError:
    """The error for an HTTP status other than success; `host` is for messages."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN if headers.get("X-Error-Code") == "GatedRepo":
            return _gated(status, host, headers)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.NOT_FOUND if headers.get("X-Error-Code") == "RepoNotFound":
            return _no_repository(status, host)
        case HTTPStatus.NOT_FOUND if headers.get("X-Error-Code") == "RevisionNotFound":
            return _no_revision(status, host)
        case HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return _proxy_login(host)
        case _ if _is_rate_limited(status, headers):
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


def _is_rate_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Whether there were too many requests; GitHub may answer 403 with a header instead of 429."""
    none_left = status == HTTPStatus.FORBIDDEN and headers.get("X-RateLimit-Remaining") == "0"
    return none_left or status == HTTPStatus.TOO_MANY_REQUESTS


def _too_often(status: int, host: str, headers: Mapping[str, str]) -> TransientError:
    """The error for too many requests; one of three headers may say when the server accepts the next one."""
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


def no_tunnel(status: int, host: str) -> DownloadError:
    """The error for a proxy that answered with `status` instead of connecting to `host`."""
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
    hint = phrase(  # a mirror, which has its own token
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


def _seconds(retry_after: str) -> float:
    """The seconds that a Retry-After header asks to wait, given as a number or a date (RFC 9110); 0 if it is
    neither.
    """
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
    """The seconds that a RateLimit header (draft-ietf-httpapi-ratelimit-headers-09) asks to wait, or 0.

    Hugging Face sends `"api";r=0;t=55` with every answer: `r` requests are left for the next `t` seconds.
    """
    found = _NONE_LEFT.search(rate_limit[:_LONGEST_DATE])
    return min(float(found[1]), LONGEST_RETRY_AFTER_S) if found else 0.0


def _until_s(reset: str) -> float:
    """The seconds until the Unix time in GitHub's X-RateLimit-Reset; 0 if it is not a number."""
    if not _SECOND.fullmatch(reset):
        return 0.0
    return min(max(float(reset) - datetime.now(UTC).timestamp(), 0.0), LONGEST_RETRY_AFTER_S)
