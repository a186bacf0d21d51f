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
    """Of the engine that it is about; empty for news of something else."""
    title: str
    text: str = ""
    note: str = ""
    """Said quietly."""
    permille: int | None = None
    """How far something is."""
    busy: bool = False
    """Whether something goes on of which nobody knows how far it is."""
    urgent: bool = False
    """Whether it is to stand out."""
    actions: tuple[StrEnum, ...] = ()
