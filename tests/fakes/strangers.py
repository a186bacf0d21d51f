"""What servers, engines, models and names of files may say to do harm: `tests/unit/strangers.json`."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

CORPUS: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "unit" / "strangers.json").read_text(encoding="ascii")
)
_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"


def harm_in(text: str, allowed: str = "") -> set[str]:
    """The characters of a text that steer, hide or end a line; joiners count beside ASCII alone."""
    return {sign for at, sign in enumerate(text) if sign not in allowed and _harms(text, at)}


def _harms(text: str, at: int) -> bool:
    sign = text[at]
    if sign in "\u200c\u200d":
        return any(beside == "" or beside.isascii() for beside in (text[at - 1 : at], text[at + 1 : at + 2]))
    no_character = 0xFDD0 <= ord(sign) <= 0xFDEF or ord(sign) & 0xFFFE == 0xFFFE
    return no_character or unicodedata.category(sign) in _STEERING or sign in INVISIBLE
