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


def is_readable(address: str) -> bool:
    """Whether an address can be split into its parts: `urlsplit` and its results raise no `ValueError`."""
    try:
        _ = urlsplit(address).port
    except ValueError:
        return False
    return True


def is_safe_address(text: str) -> bool:
    """Whether nobody on the way can read or change what is sent: https, or http to this computer. False with
    a login in it.
    """
    if not is_readable(text) or re.search(r"\s", text):
        return False
    parts = urlsplit(text)
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_COMPUTER)
