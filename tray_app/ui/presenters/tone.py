"""Whether a word is good or bad news, for its color, which is never the only sign. Pure."""

from __future__ import annotations

from enum import StrEnum


class Tone(StrEnum):
    """The tones of words and badges."""

    NEUTRAL = "neutral"
    PLAIN = "plain"
    """Neither good nor bad, but important now: in the color of text."""
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
