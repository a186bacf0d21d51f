"""Whether JSON is built so that it costs far more than its size: keys, depth, digits, values. Pure.

Looked at piece by piece as it arrives, by searches in the machine's own code: what is long in usual JSON are
texts, and those are only skipped.
"""

from __future__ import annotations

from tray_app.gateway import limits
from tray_app.gateway.api_error import ApiError

_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * (limits.MAX_DIGITS + 1)
_BUT_STRUCTURE = bytes(set(range(256)) - set(b"{}[]:"))
_CLOSING = b"}]"
_COLON = ord(":")


class JsonShape:
    """What there is of each in a JSON text, and the first of it that is too much."""

    def __init__(self, most_strings: int) -> None:
        self._most_strings = self._most_brackets = most_strings
        self._backslash = b""
        self._in_string = False
        self._quotes = self._numbers = self._brackets = 0
        self._digits = b""
        self._keys = [0]
        self.excess: str | None = None
        """In words; None while there is not too much of anything."""

    def add(self, piece: bytes) -> None:
        """Look at what comes next."""
        if self.excess is None:
            self.excess = self._too_much(self._outside_of_strings(piece))

    def _outside_of_strings(self, piece: bytes) -> bytes:
        """The piece with a quotation mark in place of each string."""
        piece = self._backslash + piece
        whole = piece.rstrip(b"\\")
        self._backslash = b"\\" * ((len(piece) - len(whole)) % 2)  # belongs to what comes next
        if b"\\" in whole:
            whole = whole.replace(b"\\\\", b"").replace(b'\\"', b"")
        quotes = whole.count(b'"')
        self._quotes += quotes
        if self._quotes > 2 * self._most_strings:
            return b""
        outside = whole.split(b'"')[self._in_string :: 2]
        self._in_string ^= bool(quotes % 2)
        return b'"'.join(outside)

    def _too_much(self, outside: bytes) -> str | None:
        if self._quotes > 2 * self._most_strings:
            return f"more than {self._most_strings} strings"
        self._numbers += outside.count(b",")
        if self._numbers > limits.MAX_NUMBERS:
            return f"more than {limits.MAX_NUMBERS} values"
        digits = self._digits + outside.translate(_DIGITS)
        if _LONG_NUMBER in digits:
            return f"a number of more than {limits.MAX_DIGITS} digits"
        self._digits = digits[-limits.MAX_DIGITS :]
        return self._too_nested(outside.translate(None, _BUT_STRUCTURE))

    def _too_nested(self, structure: bytes) -> str | None:
        """The same for nothing but brackets and colons."""
        self._brackets += structure.count(b"{") + structure.count(b"[")
        if self._brackets > self._most_brackets:
            return f"more than {self._most_brackets} objects and lists"
        keys = self._keys
        for sign in structure:
            if sign == _COLON:
                keys[-1] += 1
                if keys[-1] > limits.MAX_KEYS:
                    return f"an object with more than {limits.MAX_KEYS} keys"
            elif sign not in _CLOSING:
                keys.append(0)
                if len(keys) > limits.MAX_DEPTH + 1:
                    return f"more than {limits.MAX_DEPTH} levels of objects and lists"
            elif len(keys) > 1:  # else it is no JSON: whoever reads it says so
                keys.pop()
        return None


class BodyShape(JsonShape):
    """That of a request: 400 for what would keep an engine, or us, busy for minutes."""

    def __init__(self) -> None:
        super().__init__(limits.MAX_STRINGS)

    def add(self, piece: bytes) -> None:
        """Look at what comes next; `ApiError` if it is too much of something."""
        super().add(piece)
        if self.excess:
            raise ApiError(400, f"The body contains {self.excess}.", code="body_too_complex")


class AnswerShape(JsonShape):
    """That of a remote server's answer: 502 for what would take many times its size of memory."""

    def __init__(self) -> None:
        super().__init__(limits.MAX_ANSWER_STRINGS)

    def add(self, piece: bytes) -> None:
        """Look at what comes next; `ApiError` if it is too much of something."""
        super().add(piece)
        if self.excess:
            raise ApiError(
                502, f"The remote server's answer contains {self.excess}.", code="engine_answer", final=True
            )
