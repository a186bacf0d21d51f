"""The app's version as the systems that compare it write it. Pure."""

from __future__ import annotations

import re


def numbers(version: str) -> tuple[int, ...]:
    """The four numbers that Windows compares, of which macOS takes three; of a pre-release, its release's."""
    parts = [int(part) for part in re.findall(r"\d+", re.split(r"(?:a|b|rc|\.dev)\d", version)[0])]
    return tuple([*parts, 0, 0, 0, 0][:4])


def debian(version: str) -> str:
    """The version as Debian compares it: pre-releases before their release, in Python's order."""
    return re.sub(r"(a|b|rc)(?=\d)", r"~\1", version.replace(".dev", "~~dev"))
