"""HTTP for downloads: the system's certificates and proxies, own handling of redirects, reads that can be
ended.

Redirects are refused if they lead from https to http, because not every file has a known digest, or from the
internet into a private network. A user who wants that can enter the other URL.

A session belongs to one download and is shared by its threads; `abort` may be called from any thread.
"""

from __future__ import annotations

import re
import socket
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, requote_uri, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection

from tray_app import __version__
from tray_app.download.address import has_odd_letters
from tray_app.download.network_errors import no_answer
from tray_app.download.private import first_private, is_private, literal_address, peer_of, resolved
from tray_app.download.refusals import refusal
from tray_app.download.strict_http import StrictResponse
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase
from tray_app.settings.keys import place_of
from tray_app.system.certificates import system_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import Response
    from urllib3.connectionpool import HTTPConnectionPool

    from tray_app.download.private import Address
    from tray_app.phrases import Text

MAX_REDIRECTS = 10
_WEB = frozenset({"http", "https"})
_ASSET = re.compile(r"/repos/[^/]+/[^/]+/releases/assets/\d+$")


class Session(requests.Session):
    """A session that never sends passwords from .netrc, trusts what the system trusts, and can be aborted."""

    def __init__(self, token: Callable[[str], str | None] = lambda _address: None) -> None:
        """`token` returns the access token that may be sent to a URL, or None."""
        super().__init__()
        self._token = token
        self._private_homes: dict[str, bool] = {}
        """Whether each host that the user has named is in a private network."""
        self.trust_env = False  # .netrc would override the token; `get_hops` adds proxies
        self.headers["User-Agent"] = f"PowerInferTray/{__version__}"
        self.headers["Accept-Encoding"] = "identity"  # ranges and digests are of the uncompressed file
        self._sockets = _Sockets()
        adapter = _Adapter(self._sockets)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    def abort(self) -> None:
        """End all reads that are blocked now, and all later ones at once."""
        self._sockets.shut(for_good=True)

    def hang_up(self) -> None:
        """End all reads that are blocked now; later connections are not affected."""
        self._sockets.shut(for_good=False)

    def get_redirect_target(self, _resp: Response) -> None:
        """None, so that `requests` follows no redirect: it would read their bodies, which may be endless."""

    def get_hops(
        self, url: str, headers: Mapping[str, str], timeout_s: tuple[float, float], *, named: str = ""
    ) -> tuple[Response, ...]:
        """Make a GET request and follow redirects; all answers, the last with its body unread.

        `DownloadError` if the request is refused or there is no answer. `timeout_s`: the limits for
        connecting and for each pause. `named`: the URL that the user has given, if `url` is where it has led
        before. Redirects are followed here because `requests` drops the headers of the first answer.
        """
        _require_address(url)
        hops: list[Response] = []
        named = named or url
        at_home = True  # whether all requests so far went to the host that the user has named
        while len(hops) <= MAX_REDIRECTS:
            at_home = at_home and place_of(url) == place_of(named)
            answer = self._get(url, {**headers, **(self._authorization(url) if at_home else {})}, timeout_s)
            hops.append(answer)
            if not answer.is_redirect:
                if answer.status_code not in {requests.codes.ok, requests.codes.partial_content}:
                    answer.close()
                    raise refusal(answer.status_code, _host(url), answer.headers)
                return tuple(hops)
            answer.close()
            target = _target(answer)
            self._refuse_wrong_way(url, target, named)
            url = target
        raise DownloadError(
            ErrorCode.TOO_MANY_REDIRECTS,
            "Too many redirects",
            phrase("{host} keeps redirecting to another URL.", host=_host(url)),
        )

    def _get(self, url: str, headers: Mapping[str, str], timeout_s: tuple[float, float]) -> Response:
        try:
            return self.get(
                url,
                headers={**headers, **_wanted_form(url)},
                timeout=timeout_s,
                proxies=_proxies(url),
                stream=True,
                allow_redirects=False,
            )
        except requests.RequestException as exc:
            raise no_answer(exc, _host(url)) from exc
        except ValueError as exc:  # a URL that the libraries do not accept
            raise _broken_address(url, str(exc)) from exc

    def _authorization(self, url: str) -> dict[str, str]:
        """The token for exactly this host and port, and only for https or this computer."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
            return {}
        token = self._token(url)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _refuse_wrong_way(self, url: str, target: str, named: str) -> None:
        """`DownloadError` for a redirect that is not allowed. `named`: the URL that the user has given."""
        scheme, host = urlsplit(target).scheme, urlsplit(target).hostname or ""
        if urlsplit(url).scheme == "https" and scheme == "http":
            raise DownloadError(
                ErrorCode.REDIRECT_NOT_SECURE,
                "The server redirects to an insecure connection",
                phrase(
                    "{host} uses https but redirects to {target}, where others could read and change the "
                    "download.",
                    host=_host(url),
                    target=f"http://{_host(target)}",
                ),
                "If you trust that connection, enter that URL directly.",
            )
        if scheme not in _WEB or host == urlsplit(named).hostname or self._is_private_home(named):
            return
        if found := first_private(_known_addresses(target)):
            raise _private_target(_host(url), host, found)
        self._sockets.keep_public(host)

    def _is_private_home(self, named: str) -> bool:
        host = urlsplit(named).hostname or ""
        if host not in self._private_homes:
            addresses = _known_addresses(named)
            self._private_homes[host] = bool(addresses) and all(map(is_private, addresses))
        return self._private_homes[host]


class _Sockets:
    """The open connections of one session, so that another thread can end a blocked read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._shut = False
        self._public_only: set[str] = set()

    def keep_public(self, host: str) -> None:
        """Allow no connection to this host at an address in a private network.

        Its name may be resolved again for the connection, to another address than before.
        """
        self._public_only.add(host)

    def check(self, host: str, connection: object) -> None:
        """Close a new connection that must not be used, and raise `DownloadError`."""
        if host not in self._public_only or not isinstance(connection, socket.socket):
            return
        if (peer := peer_of(connection)) and is_private(peer):
            connection.close()
            raise _private_target(host, host, peer)

    def add(self, connection: object) -> None:
        if not isinstance(connection, socket.socket):
            return  # TLS in TLS, through a proxy: its reads only end with their time-out
        with self._lock:
            self._open.add(connection)
            if self._shut:
                _end(connection)

    def shut(self, *, for_good: bool) -> None:
        with self._lock:
            self._shut = self._shut or for_good
            for connection in self._open:
                _end(connection)

    def watch(self, kind: type[HTTPConnection]) -> type[HTTPConnection]:
        sockets = self

        class Watched(kind):  # type: ignore[valid-type, misc]
            response_class = StrictResponse

            def connect(self) -> None:
                super().connect()
                sockets.check(self.host.strip("[]").lower(), self.sock)
                sockets.add(self.sock)

        return Watched


class _Adapter(HTTPAdapter):
    """Makes connections that trust the system's certificates and certifi's, and registers them in
    `_Sockets`.
    """

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=system_trust(), **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=system_trust(), **kwargs)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        pool: HTTPConnectionPool = super().get_connection_with_tls_context(*args, **kwargs)  # type: ignore[assignment]
        if pool.ConnectionCls in {HTTPConnection, HTTPSConnection}:
            pool.ConnectionCls = self._sockets.watch(pool.ConnectionCls)
        return pool


def _target(answer: Response) -> str:
    """The target of a redirect. `DownloadError` if it is not a valid URL."""
    url = answer.url
    try:
        location = answer.headers["Location"].encode("latin-1").decode()  # UTF-8, decoded as Latin-1
        target = urljoin(url, requote_uri(location))
        _ = urlsplit(target).port  # raises here if it is invalid
    except ValueError as exc:
        raise _broken_address(url, str(exc)) from exc
    if has_odd_letters(location):
        raise _broken_address(url, "it is too long or contains characters that are not allowed in a URL")
    return target


def _require_address(url: str) -> None:
    """`DownloadError` for an invalid URL, which may come from a damaged journal."""
    try:
        _ = urlsplit(url).port
    except ValueError as exc:
        raise DownloadError(
            ErrorCode.ADDRESS_INVALID,
            "This URL cannot be used",
            phrase("“{text}”: {reason}.", text=url, reason=exc),
            "Open the URL in a browser to check it.",
        ) from exc


def _broken_address(url: str, reason: Text) -> DownloadError:
    return DownloadError(
        ErrorCode.REDIRECT_INVALID,
        "The server redirects to an invalid URL",
        phrase("{host}: {reason}.", host=_host(url), reason=reason),
    )


def _known_addresses(url: str) -> tuple[Address, ...]:
    """The addresses of a URL's host; none if a proxy would resolve the name."""
    host = urlsplit(url).hostname or ""
    if address := literal_address(host):
        return (address,)
    return () if select_proxy(url, _proxies(url)) else resolved(host)


def _private_target(sender: str, host: str, address: Address) -> DownloadError:
    return DownloadError(
        ErrorCode.REDIRECT_TO_PRIVATE_NETWORK,
        "The server redirects to a private network",
        phrase(
            "{sender} is on the internet but redirects to {host} ({address}), which is on this "
            "computer or in its local network.",
            sender=sender,
            host=host,
            address=str(address),
        ),
        "If you trust it, enter that URL directly.",
    )


def _wanted_form(url: str) -> dict[str, str]:
    """The header with which GitHub's API sends an asset itself instead of a description of it."""
    return {"Accept": "application/octet-stream"} if _ASSET.search(urlsplit(url).path) else {}


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # closed meanwhile
        # Not SSLSocket's shutdown, which removes the TLS state while another thread reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _proxies(url: str) -> dict[str, str]:
    """The proxies of the environment, or else of the system; `DownloadError` if the one for `url` is
    invalid.
    """
    if _is_loopback(urlsplit(url).hostname or ""):
        return {}
    proxies = get_environ_proxies(url)
    proxy = select_proxy(url, proxies)
    if proxy and not _speaks_http(proxy):
        raise DownloadError(
            ErrorCode.PROXY_INVALID,
            "The proxy cannot be used",
            phrase(
                "{proxy} is not a valid HTTP proxy address (http://host:port).",
                proxy=re.sub("//.*@", "//", proxy),  # without its password
            ),
            "Check the proxy in the system settings, or in HTTP_PROXY and HTTPS_PROXY.",
        )
    return proxies


def _speaks_http(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return parts.scheme in _WEB and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    address = literal_address(host)
    return address is not None and address.is_loopback
