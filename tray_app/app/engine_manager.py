"""What people do with engines: look, install, prove, remove. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from tray_app.engine.builds.choice import Advice

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild, SetAside
    from tray_app.engine.builds.installing import Installation
    from tray_app.engine.builds.store import BrokenBuild
    from tray_app.engine.kinds import Engine


@dataclass(frozen=True, slots=True)
class InstalledEngine:
    """A build that is installed, and how things stand with it."""

    build: InstalledBuild
    size_bytes: int
    in_use_by: tuple[str, ...] = ()
    """The names of the models that it runs now."""
    changed: bool = False
    """Whether its files are others than those that were installed: it is not started then."""
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class EnginesOverview:
    """All engines at one moment."""

    installed: tuple[InstalledEngine, ...]
    advice: Advice
    offers: tuple[PublishedBuild, ...]
    """What is published for this system, installed or not."""
    at_hand: tuple[Engine, ...] = ()
    """The engines that need no installation: they come with the app, or are on the PATH."""
    broken: tuple[BrokenBuild, ...] = ()
    """What is left of builds of which nothing certain is known: they can be removed, or installed again."""


class EngineManager:
    """The engines of one person. All but `installation` may take long."""

    changed = Signal()
    """Emitted after every change, on any thread."""

    def overview(self) -> EnginesOverview:
        """How things stand."""
        return EnginesOverview((), Advice(None, ""), ())

    def installation(self) -> Installation | None:
        """What is being installed, or was last and has failed."""
        return None

    def install(self, build_id: str) -> None:
        """Fetch a published build, prove it and use it."""

    def install_file(self, path: Path) -> None:
        """The same with an archive, a program or a folder that a person has."""

    def pause(self) -> None:
        """Halt the download."""

    def resume(self) -> None:
        """Let it go on."""

    def cancel(self) -> None:
        """Give the installation up, or forget that it has failed."""

    def remove(self, build_id: str) -> None:
        """Delete an installed build."""

    def prove(self, build_id: str) -> None:
        """Look anew whether an installed build computes right here."""

    def allow_again(self, build_id: str) -> None:
        """Use it again also for models with which it has failed."""
