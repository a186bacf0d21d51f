"""Takes keys, tokens, passwords and the home folder out of what a report tells. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

HIDDEN = "(removed)"
SECRET_NAME = re.compile(r"key|token|secret|password", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"\bhf_\w{4,}"), HIDDEN),  # a token of Hugging Face, anywhere in a text
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(--[\w-]*(?:key|token|secret|password)[ =])\S+"), rf"\1{HIDDEN}"),
    # Six characters at least: models have tokens too, such as «BOS token = 1».
    (
        re.compile(r"(?i)((?:key|token|secret|password)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;]{6,}"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"://[^/\s@]+@"), f"://{HIDDEN}@"),  # name and password in an address
)


def redact(text: str, home: Path) -> str:
    """`text` without the home folder, keys, tokens and passwords."""
    if home != Path(home.anchor):  # the home folder of a service may be `/`
        for written in {str(home), home.as_posix(), str(home).replace("\\", "\\\\")}:
            text = text.replace(written, "~")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any, home: Path) -> Any:
    """A document of JSON's values, whose texts have gone through `redact`."""
    match value:
        case str():
            return redact(value, home)
        case dict():
            return {key: redacted(each, home) for key, each in value.items()}
        case list() | tuple():
            return [redacted(each, home) for each in value]
        case _:
            return value
