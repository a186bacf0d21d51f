"""Which build of an engine suits this machine, and why, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild
    from tray_app.phrases import Text


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person is told about this machine."""

    build: PublishedBuild | None
    """The build that suits it best; None if there is no better one than what it has."""
    sentence: Text
    others: tuple[tuple[PublishedBuild, Text], ...] = ()
    """The other builds for this system, each with why it was not chosen."""
    replaces: InstalledBuild | None = None
    """The older build that `build` is the update of."""
