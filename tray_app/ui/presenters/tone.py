"""How good the news of a word is: for its color, which never says it alone. Pure."""

from __future__ import annotations

from enum import StrEnum


class Tone(StrEnum):
    """The tones of badges."""

    NEUTRAL = "neutral"
    PLAIN = "plain"
    """No news, but what counts now: in the color of text."""
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
