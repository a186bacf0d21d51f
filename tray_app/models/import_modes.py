"""How a model file can be brought into the models folder, as a value for commands and dialogs. Pure."""

from __future__ import annotations

from enum import StrEnum


class How(StrEnum):
    """What becomes of the file that a model is imported from."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"
    """It stays, and is used from there: another name on the same disk, else a symbolic link."""
