"""A piece of news with its buttons, as a card shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enum import StrEnum


@dataclass(frozen=True, slots=True)
class CardView:
    """A piece of news with what can be done about it."""

    build_id: str
    """The id of the build that it is about; empty for news of something else."""
    title: str
    text: str = ""
    note: str = ""
    """Shown as a caption."""
    permille: int | None = None
    """How far something is, 0 to 1000; None where nothing is under way or that is not known."""
    busy: bool = False
    """Whether something is under way whose progress is not known."""
    urgent: bool = False
    """Whether it stands out."""
    actions: tuple[StrEnum, ...] = ()
