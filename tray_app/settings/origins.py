"""Web origins as people write them, and whether a page's origin is among them. Pure.

An origin is what a browser sends in the header `Origin`: scheme, host and port, in lower case and ASCII,
without a path and without the default port. An entry that is written in another way is converted, and one
that could never match is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from tray_app.errors import ErrorCode, SettingsError
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.phrases import Phrase

EVERYONE = "*"
OPAQUE = "null"
"""The origin of pages from files, and of any page in a sandbox."""

_WEB_PORTS = {"http": "80", "https": "443"}
_NEW_HOST_EACH_TIME = ("vscode-webview",)
"""Schemes whose pages get another host each time, so that only all of them together can be allowed."""
_NO_PAGES = ("ws", "wss", "ftp", "data", "blob", "about", "javascript")
"""No page has such an origin: a WebSocket has its page's, and the others have `null`."""
_PARTS = re.compile(r"([^:/?#]*)://(\[[^\]/]*\]|[^:/?#]*)(?::([^/?#]*))?([/?#].*)?", re.DOTALL)
_SENT = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s:/?#\[\]]*)(?::(\d+))?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_WEB_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_HOST_AND_PORT = re.compile(rf"(\*\.)?{_WEB_HOST.pattern}(:\d+)?")
_APP_HOST = re.compile(r"[a-z0-9._~!$&'()+;=@-]+")
_NUMBER = re.compile(r"0x[0-9a-f]*|\d+")
_HIGHEST_PORT = 65_535


def read_origin(text: str) -> str:
    """An entry of the setting `allowed_origins` in the form that is kept; `SettingsError` if it can never
    match.

    `*` means every page, `SCHEME://*` all pages of a scheme, `*.` before a host all its subdomains, and `:*`
    every port.
    """
    if not text.isprintable():
        raise _refusal(text, phrase("{entry} contains an invisible character.", entry=repr(text)))
    entry = text.strip().lower()
    if entry in (EVERYONE, OPAQUE):
        return entry
    found = _PARTS.fullmatch(entry)
    if not found:
        raise _refusal(text, _without_scheme(entry))
    scheme, host, port, rest = found.groups(default="")
    if reason := _scheme_fault(scheme) or _rest_fault(found, rest):
        raise _refusal(text, reason)
    if scheme != "file" or host:
        host = _read_host(text, scheme, host)
    return f"{scheme}://{host}{_read_port(text, scheme, port)}"


def is_allowed(origin: str, entries: Iterable[str]) -> bool:
    """Whether this `Origin` header matches one of the entries, which `read_origin` has returned."""
    return any(_matches(origin.lower(), entry) for entry in entries)


def to_ask_about(origin: str) -> str | None:
    """The entry for a page of an app or of a server on this computer, about which the user may be asked.

    None for all others: a page on the internet could ask again and again until it is allowed by mistake, and
    `null` and `file` do not say which page it is.
    """
    if origin.lower() == OPAQUE or not can_be_allowed(origin):
        return None
    found = _SENT.fullmatch(origin.lower())
    if not found or found[1] == "file":
        return None
    if found[1] not in _WEB_PORTS:
        return f"{found[1]}://*" if found[1] in _NEW_HOST_EACH_TIME else origin.lower()
    return origin.lower() if _is_here(found[2]) else None


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def can_be_allowed(origin: str) -> bool:
    """Whether a header is an origin in the form that browsers send, so that an entry can mean exactly it."""
    try:
        return "*" not in origin and read_origin(origin) == origin.lower()
    except SettingsError:
        return False


def _matches(origin: str, entry: str) -> bool:
    if entry in (EVERYONE, origin):
        return True
    sent, meant = _SENT.fullmatch(origin), _PARTS.fullmatch(entry)
    if not sent or not meant or sent[1] != meant[1]:
        return False
    port = "" if sent[3] == _WEB_PORTS.get(sent[1]) else sent[3] or ""
    return _host_matches(sent[2], meant[2]) and (
        meant[3] == "*" or port == (meant[3] or "") or (meant[2] == "*" and meant[3] is None)
    )


def _host_matches(host: str, wanted: str) -> bool:
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and host != wanted[1:]
    return wanted in ("*", host)


def _without_scheme(entry: str) -> Phrase:
    if not entry:
        return phrase("An empty entry does not match any page.")
    host = re.split(r"[/?#\s]", re.sub(r"^(https?:?)?/+", "", entry), maxsplit=1)[0]
    return phrase(
        "{entry} has no scheme. Write it as browsers send it: https://{host} or http://{host}.",
        entry=entry,
        host=host if _HOST_AND_PORT.fullmatch(host) else "example.org",
    )


def _scheme_fault(scheme: str) -> Phrase | None:
    if "*" in scheme:
        return phrase(
            "The scheme {scheme} cannot contain *. Enter each scheme, such as https://*.", scheme=scheme
        )
    if not _SCHEME.fullmatch(scheme):
        return phrase("{scheme} is not a scheme such as https.", scheme=repr(scheme))
    if scheme in _NO_PAGES:
        return phrase("Web pages do not use the scheme {scheme}. Write https or http.", scheme=scheme)
    return None


def _rest_fault(found: re.Match[str], rest: str) -> Phrase | None:
    if not rest.strip("/"):
        return None
    whole = found[0].removesuffix(rest)
    return phrase(
        "Browsers do not send a path. Write {origin} instead of {entry}.", origin=whole, entry=found[0]
    )


def _read_host(text: str, scheme: str, host: str) -> str:
    """The host in the form that browsers send; `SettingsError` if it is invalid."""
    if not host:
        raise _refusal(text, phrase("{entry} has no host. Enter one, or * for any host.", entry=text.strip()))
    if host == "*":
        return host
    below = "*." if host.startswith("*.") else ""
    name = host.removeprefix(below)
    if "*" in name:
        raise _refusal(
            text,
            phrase(
                "In {entry}, * can only be the whole host, the part before the first dot, or the "
                "port: https://*.example.org, http://localhost:*.",
                entry=text.strip(),
            ),
        )
    if scheme in _WEB_PORTS:
        return below + _web_host(text, name)
    if not _APP_HOST.fullmatch(name):
        raise _no_host(text, name)
    return host


def _web_host(text: str, name: str) -> str:
    if name.startswith("["):
        return _address(text, name)
    if "@" in name:
        raise _refusal(text, phrase("Browsers do not send a user name. Remove the part before the @."))
    ascii_name = name if name.isascii() else _in_ascii(text, name)
    if not _WEB_HOST.fullmatch(ascii_name):
        raise _no_host(text, name)
    # Browsers read a host that ends in a number as an IPv4 address, and send it in the usual form.
    if _NUMBER.fullmatch(ascii_name.rstrip(".").rpartition(".")[2]):
        return _address(text, ascii_name)
    return ascii_name


def _in_ascii(text: str, name: str) -> str:
    """A name with non-ASCII letters in the form that browsers send, punycode."""
    try:
        ascii_name = name.encode("idna")
        same = ascii_name.decode("idna") == name
    except UnicodeError as exc:
        raise _no_host(text, name) from exc
    if not same:  # Python follows IDNA 2003, browsers a newer version: ß would become ss
        raise _refusal(
            text, phrase("Write {name} in ASCII as browsers send it, starting with xn--.", name=name)
        )
    return ascii_name.decode()


def _address(text: str, name: str) -> str:
    try:  # an address with a zone (%) is invalid here: browsers do not send it
        address = ipaddress.ip_address(name.strip("[]").replace("%", " "))
    except ValueError as exc:
        raise _no_host(text, name) from exc
    return str(address) if address.version == 4 else f"[{address}]"  # noqa: PLR2004


def _read_port(text: str, scheme: str, port: str) -> str:
    if port in ("", _WEB_PORTS.get(scheme)):
        return ""
    if port == "*":
        return ":*"
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= _HIGHEST_PORT):
        raise _refusal(
            text, phrase("{port} is not a port. Enter a number up to 65535, or *.", port=repr(port))
        )
    number = str(int(port))
    return "" if number == _WEB_PORTS.get(scheme) else f":{number}"


def _no_host(text: str, name: str) -> SettingsError:
    return _refusal(text, phrase("{name} is not a host name.", name=repr(name)))


def _refusal(text: str, reason: Phrase) -> SettingsError:
    return SettingsError(
        ErrorCode.ORIGIN_INVALID, phrase("{entry} cannot match any web page", entry=repr(text)), reason
    )
