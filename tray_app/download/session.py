"""HTTP for downloads: the system's certificates and proxies, redirects by hand, reads that end when told.

Where a redirect may lead: never from https to http, for what was asked for safely is not to come unsafely,
and not every file has a digest that was known before; never from the internet into a private network. A
person who wants that gives the other address itself.

A session belongs to one download and is shared by its threads; `abort` may be called from any other.
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
    """A session that never sends .netrc passwords, trusts what the system trusts, and can be aborted."""

    def __init__(self, token: Callable[[str], str | None] = lambda _address: None) -> None:
        """`token`: the access token that may be sent to an address, if there is one."""
        super().__init__()
        self._token = token
        self._private_homes: dict[str, bool] = {}
        """Of the hosts that a person named: whether each is in a private network."""
        self.trust_env = False  # .netrc would override what a person gave; proxies are added in `get_hops`
        self.headers["User-Agent"] = f"PowerInferTray/{__version__}"
        self.headers["Accept-Encoding"] = "identity"  # a packed answer fits neither ranges nor digests
        self._sockets = _Sockets()
        adapter = _Adapter(self._sockets)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    def abort(self) -> None:
        """End every read that is blocked now, and every later one at once."""
        self._sockets.shut(for_good=True)

    def hang_up(self) -> None:
        """End every read that is blocked now; connections made later are not concerned."""
        self._sockets.shut(for_good=False)

    def get_redirect_target(self, _resp: Response) -> None:
        """No redirect is for `requests` to follow: it reads their bodies, which may be endless."""

    def get_hops(
        self, url: str, headers: Mapping[str, str], timeout_s: tuple[float, float], *, named: str = ""
    ) -> tuple[Response, ...]:
        """GET, following redirects: every answer on the way, the last with its body unread.

        DownloadError if the file is refused or nobody answers. `timeout_s`: for connecting, for each silence.
        `named`: the address that a person gave, if `url` is where that once led.
        Redirects are followed here because `requests` loses the headers of the first answer.
        """
        _require_address(url)
        hops: list[Response] = []
        named = named or url
        at_home = True  # whether nobody else's host was on the way
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
        except ValueError as exc:  # an address that the libraries do not take
            raise _broken_address(url, str(exc)) from exc

    def _authorization(self, url: str) -> dict[str, str]:
        """The token of exactly this host and port, and only where nobody can listen."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
            return {}
        token = self._token(url)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _refuse_wrong_way(self, url: str, target: str, named: str) -> None:
        """DownloadError if a redirect leads where none may. `named`: the address that a person gave."""
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
    """The connections of one session, kept so that another thread can end a blocked read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._shut = False
        self._public_only: set[str] = set()

    def keep_public(self, host: str) -> None:
        """Let no request reach this host at an address of a private network.

        Its name may be resolved to another address for the connection than it was when it was looked at.
        """
        self._public_only.add(host)

    def check(self, host: str, connection: object) -> None:
        """DownloadError if this new connection must not be used; it is closed then."""
        if host not in self._public_only or not isinstance(connection, socket.socket):
            return
        if (peer := peer_of(connection)) and is_private(peer):
            connection.close()
            raise _private_target(host, host, peer)

    def add(self, connection: object) -> None:
        if not isinstance(connection, socket.socket):
            return  # TLS inside TLS, through a proxy: its reads end by their time-out
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
    """Connections that trust what the system trusts, and certifi's list, and are known to `_Sockets`."""

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
    """Where a redirect leads. DownloadError if that is no address."""
    url = answer.url
    try:
        location = answer.headers["Location"].encode("latin-1").decode()  # as headers arrive, and as they are
        target = urljoin(url, requote_uri(location))
        _ = urlsplit(target).port  # looked at here, so that a bad one fails here
    except ValueError as exc:
        raise _broken_address(url, str(exc)) from exc
    if has_odd_letters(location):
        raise _broken_address(url, "it is too long or contains characters that are not allowed in a URL")
    return target


def _require_address(url: str) -> None:
    """DownloadError if it cannot even be taken apart: what an earlier run has noted may be damaged."""
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
    """What its host is here. A name is the proxy's to resolve where there is one: then none is known."""
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
    """GitHub's own addresses of assets give a description of the file, unless its bytes are asked for."""
    return {"Accept": "application/octet-stream"} if _ASSET.search(urlsplit(url).path) else {}


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it may just have been closed
        # Not SSLSocket's own shutdown: that takes the TLS state away from under a thread which reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _proxies(url: str) -> dict[str, str]:
    """Those of the environment, else of the system's settings; DownloadError if that for `url` is no use."""
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
                proxy=re.sub("//.*@", "//", proxy),  # its password is nobody's business
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
