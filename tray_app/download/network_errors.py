"""The errors for what `requests` and `urllib3` report instead of an answer or its body. Pure."""

from __future__ import annotations

import errno
import re
import socket
from typing import TYPE_CHECKING

from tray_app.download.faults import OfflineError, UnreachableError, broken_transfer
from tray_app.download.refusals import no_tunnel
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import one_line, phrase

if TYPE_CHECKING:
    from http.client import HTTPException

    import requests
    from urllib3.exceptions import HTTPError

    from tray_app.download.faults import TransientError
    from tray_app.phrases import Text

_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")
"""How Python's http.client reports a proxy that answers but does not connect."""


def no_answer(exc: requests.RequestException, host: str) -> DownloadError:
    """The error for a request without an answer; `host` is for messages."""
    import requests  # slow to import, so only those load it who make requests

    if isinstance(exc, requests.exceptions.ProxyError) and (said := _TUNNEL_REFUSED.search(str(exc))):
        return no_tunnel(int(said[1]), host)
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
                "Check the proxy in the system settings, or in HTTP_PROXY and HTTPS_PROXY.",
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


def broken_body(exc: HTTPError | HTTPException | OSError) -> TransientError:
    """The error for the body of an answer that broke off."""
    match _innermost(exc):
        case TimeoutError():
            return broken_transfer("The server stopped sending data.")
        case OSError() as cause:
            return broken_transfer(phrase("{reason}.", reason=_words(cause)))
        case _:
            return broken_transfer("The server closed it in the middle of the file.")


def _is_offline(exc: BaseException) -> bool:
    import requests

    cause = _innermost(exc)
    no_way = isinstance(cause, OSError) and cause.errno in _NO_WAY
    return no_way or isinstance(cause, socket.gaierror) or isinstance(exc, requests.ConnectTimeout)


def _innermost(exc: BaseException) -> BaseException:
    """The error of the operating system that several layers of libraries have wrapped."""
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
