"""How a terminal command and the running app prove to each other that they know one secret. Any thread.

The secret stands in a file that only this user can read, and never crosses the wire. Both sides name a random
number (a nonce), and all that follows carries an HMAC-SHA256 over both nonces and itself:

1. client → app: the client's nonce. Nothing else: whoever has the port may not be the app.
2. app → client: the app's nonce and a proof. From here on, the client knows that it speaks to the app.
3. client → app: the request, with a proof over method, path and body.
4. app → client: the answer, with a proof over status and body.

This is the mutual authentication in three passes of ISO/IEC 9798-4, with the request as the text of the third
pass. Decision 14 says why it is this one.
"""

from __future__ import annotations

import hmac
import secrets
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

CHALLENGE_PATH = "/challenge"
PROOF_OF_REQUEST = "Authorization"
PROOF_OF_ANSWER = "Authentication-Info"
_SCHEME = "HMAC-SHA256"
_NONCE_BYTES = 16
_LIFETIME_S = 30.0
"""So long after the app has named its nonce it takes a request with it; a client needs milliseconds."""
_TIME = struct.Struct(">d")


class Challenge(msgspec.Struct, frozen=True):
    """The first message."""

    nonce: bytes


class Welcome(msgspec.Struct, frozen=True):
    """The second message."""

    nonce: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer: the nonces of both sides, and the secret that both know."""

    secret: str = field(repr=False)
    client_nonce: bytes
    app_nonce: bytes

    def of_app(self) -> bytes:
        """What proves that the app knows the secret."""
        return self._proof("app")

    def of_request(self, method: str, path: str, body: bytes) -> bytes:
        """What proves that this request comes from who knows the secret."""
        return self._proof("request", method, path, body)

    def of_answer(self, status: int, body: bytes) -> bytes:
        """What proves that this is the app's answer to this request."""
        return self._proof("answer", status, body)

    def header(self, proof: bytes) -> str:
        """What a request carries as PROOF_OF_REQUEST."""
        return f"{_SCHEME} {self.client_nonce.hex()} {self.app_nonce.hex()} {proof.hex()}"

    def _proof(self, *said: str | int | bytes) -> bytes:
        # MessagePack writes the length of each part, so that no two messages are the same bytes.
        message = msgspec.msgpack.encode((self.client_nonce, self.app_nonce, *said))
        return hmac.digest(self.secret.encode("utf-8", "surrogatepass"), message, "sha256")


def new_nonce() -> bytes:
    """A number that was never used before."""
    return secrets.token_bytes(_NONCE_BYTES)


def from_header(secret: str, header: str) -> tuple[Exchange, bytes]:
    """The exchange that a request belongs to, and its proof, not yet looked at; `ValueError` without one."""
    scheme, *parts = header.split(" ")
    if scheme != _SCHEME:
        raise ValueError("another scheme")
    client_nonce, app_nonce, proof = map(bytes.fromhex, parts)
    return Exchange(secret, client_nonce, app_nonce), proof


class Nonces:
    """The app's nonces: each is good for one request, soon. On the event loop.

    They carry the time at which they were made, so that those of clients who never come back need not be
    kept. Nobody but who knows the secret can spend one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: dict[bytes, float] = {}

    def new(self) -> bytes:
        """A nonce for one request."""
        return _TIME.pack(self._clock()) + new_nonce()

    def spend(self, nonce: bytes) -> bool:
        """Use a nonce of a request whose proof is right; False if it was used before, or is old."""
        now_s = self._clock()
        self._spent = {one: made_s for one, made_s in self._spent.items() if now_s - made_s <= _LIFETIME_S}
        if len(nonce) != _TIME.size + _NONCE_BYTES or nonce in self._spent:
            return False
        (made_s,) = _TIME.unpack_from(nonce)
        if not 0 <= now_s - made_s <= _LIFETIME_S:
            return False
        self._spent[nonce] = made_s
        return True
