"""Checks the key of requests, and slows down guessing. Runs on the event loop.

A program with a wrong key sends the same one again and again: that is not guessing, and each time it is told
so. Who sends many different keys is guessing, and has to wait between them. Other addresses are not affected.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

_IPV6_NETWORK_BITS = 64
"""One customer of a provider has all IPv6 addresses with the same first 64 bits."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Guesser:
    """An address that has sent wrong keys."""

    left: float
    at_s: float
    last: set[bytes] = field(default_factory=set)
    """Digests of the wrong keys that were counted."""


class Guesses:
    """Counts the wrong keys from each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()
        self._log_at_s = clock()
        self._unlogged = 0

    def check(self, key: str, request: web.Request) -> None:
        """Refuse a request without the right key.

        Raises
        ------
        ApiError
            401 for a wrong key or none; 429, whatever the key, for an address that has guessed too often.

        """
        address = _network(request.remote or "")
        given = list(map(self._digest, filter(None, _given(request))))
        guesser = self._guessers.get(address)
        if guesser:
            self._refill(guesser)
            if guesser.left < 1 and not guesser.last.issuperset(given):
                self._log(address)
                raise ApiError(
                    429,
                    "Too many wrong API keys were sent from this address. Wait, then try again.",
                    code="too_many_wrong_keys",
                    retry_after_s=round(limits.GUESS_EVERY_S),
                )
        if shows_key(key, request):
            return
        for digest in given:
            self._count(address, digest)
        raise wrong_key()

    def _count(self, address: str, digest: bytes) -> None:
        guesser = self._guessers.setdefault(address, _Guesser(limits.MAX_GUESSES, self._clock()))
        self._guessers.move_to_end(address)
        while len(self._guessers) > limits.MAX_GUESSERS:
            self._guessers.popitem(last=False)
        if digest in guesser.last:
            return
        if len(guesser.last) >= limits.MAX_GUESSES:
            guesser.last.clear()
        guesser.last.add(digest)
        guesser.left -= 1
        self._log(address)

    def _refill(self, guesser: _Guesser) -> None:
        now_s = self._clock()
        earned = (now_s - guesser.at_s) / limits.GUESS_EVERY_S
        guesser.left, guesser.at_s = min(limits.MAX_GUESSES, guesser.left + earned), now_s

    def _log(self, address: str) -> None:
        """At most one line a minute, however many guesses there are."""
        self._unlogged += 1
        now_s = self._clock()
        if now_s >= self._log_at_s:
            _logger.warning("Wrong API keys: %d, the last from %s", self._unlogged, address)
            self._log_at_s, self._unlogged = now_s + limits.GUESS_LOG_S, 0

    def _digest(self, given: str) -> bytes:
        return hashlib.blake2b(
            given.encode(errors="surrogateescape"), key=self._salt, digest_size=16
        ).digest()


def shows_key(key: str, request: web.Request) -> bool:
    """Whether a request has the right key, in a time that does not depend on the key."""
    # of both before either is looked at, so that the time tells nothing
    same = [
        secrets.compare_digest(given.encode(errors="surrogateescape"), key.encode())
        for given in _given(request)
    ]
    return any(same)


def wrong_key() -> ApiError:
    """The error for a request without the right key."""
    return ApiError(401, "The API key is missing or wrong.", code="invalid_api_key")


def _given(request: web.Request) -> tuple[str, str]:
    """The keys in a request, as OpenAI's clients and as Anthropic's send them; empty for none."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given if scheme.lower() == "bearer" else "", request.headers.get("x-api-key", "")


def _network(address: str) -> str:
    """The address, or network of addresses, that counts as one sender."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_NETWORK_BITS), strict=False).network_address)
    return str(found)
