"""The ways to import a model, as a value for commands and dialogs. Pure."""

from __future__ import annotations

from enum import StrEnum


class How(StrEnum):
    """What happens to the original file of an imported model."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"
    """It stays and is used in place: through a hard link on the same disk, or else a symbolic link."""
