"""Collections, hits and additions as values, for windows and commands. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tray_app.errors import AppError
    from tray_app.phrases import Text

PASTED = "pasted"
"""The source of texts that came from no file. Files have absolute paths, so none is called this."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Texts that are searched together, all with vectors of one model."""

    id: str
    name: str
    model_id: str
    """The model that made the vectors; empty before there are any."""
    model_digest: str
    """What the vectors depend on besides: see `SearchManager.is_current`."""
    dimensions: int
    """0 before there are vectors."""
    texts: int
    updated_at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A text that was found."""

    text: str
    source: str
    """The path of its file, or `PASTED`."""
    place: Text
    """Where in its source it is: a page, or lines."""
    score: float
    """The cosine of the angle between the vectors: 1 for the same direction."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or a text that was not added, and why."""

    source: str
    error: AppError


@dataclass(frozen=True, slots=True)
class AddReport:
    """The result of adding. Texts are passages: a file has one, or thousands."""

    added: int
    unchanged: int
    """How many texts were there already."""
    skipped: tuple[Skipped, ...] = ()
    removed: int = 0
    """How many texts were removed, because their files have changed or are gone."""


@dataclass(frozen=True, slots=True)
class MapOfTexts:
    """Texts as points: along the two directions in which their vectors differ most."""

    points: npt.NDArray[np.float32]
    """A row of x and y for each text."""
    texts: tuple[str, ...]
    sources: tuple[str, ...]
    explained: tuple[float, float]
    """The share of all differences that each axis shows, from 0 to 1."""
    question: tuple[float, float] | None = None
    """Where a question is among them, if one was asked."""
