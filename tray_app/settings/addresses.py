"""Addresses of servers in settings: whether one is valid, contains a secret, and is safe to use. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_THIS_COMPUTER = ("127.0.0.1", "::1", "localhost")
_WITH_SECRET = re.compile(r"^(?:[^/]*//)?[^/?#]*@|://[^@]*:[^@]*@|[?#]")
"""A login, even if its password contains characters that end a host name; a query, because of `?key=…`."""


def has_secret(address: str) -> bool:
    """Whether an address may contain a login or a key."""
    return _WITH_SECRET.search(address) is not None


def is_server(address: str) -> bool:
    """Whether this is the http or https address of a server; `urlsplit` and its results raise no error."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", address)


def is_safe_address(text: str) -> bool:
    """Whether nobody on the way can read or change what is sent: https, or http to this computer. False with
    a login in it.
    """
    if not is_server(text):
        return False
    parts = urlsplit(text)
    return "@" not in parts.netloc and (parts.scheme == "https" or parts.hostname in _THIS_COMPUTER)
