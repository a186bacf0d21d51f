"""A program that can run models, as it was found on this machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.engine.engine_setting import BuildSetting

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.engine.devices import EngineDevice
    from tray_app.engine.engine_kind import EngineKind
    from tray_app.phrases import Text


class WhyPassedOver(StrEnum):
    """Why `auto` does not take a build that is installed."""

    NOT_PROVEN = "not proven"
    """Its test did not show that it computes right with the model's kind of weights."""
    NOT_FASTER = "not faster"
    """It has no graphics card, and was not measured to be faster than the built-in engine."""
    SET_ASIDE = "set aside"
    """It, or another build for graphics cards, has failed with this model."""
    UNUSABLE = "unusable"
    """Its files have changed, or it cannot be run now."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A build that `auto` does not use for a model, although it would have come first."""

    build: InstalledBuild
    why: WhyPassedOver
    reason: Text
    """In words, without the build's name."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that can run models."""

    kind: EngineKind
    command: tuple[str, ...]
    """The first words of its command line; the first of them is the full path of a program."""
    version: str | None = None
    flags: frozenset[str] = frozenset()
    """The arguments that its help lists, such as `--ctx-size`."""
    machines: tuple[str, ...] = ()
    """The architectures that its program was built for; none for a script."""
    devices: tuple[EngineDevice, ...] | None = None
    """The graphics cards that it says it can use; None if it cannot list them."""
    build: InstalledBuild | None = None
    """The installed build that it is; None for the built-in engine and for a program of the person."""
    replaceable: bool = False
    """Whether another engine takes its place if it fails: the person has left the choice to this app."""
    passed_over: tuple[PassedOver, ...] = field(default=(), compare=False)
    """The installed builds that would have come before it, but were not taken."""

    @property
    def name(self) -> str:
        """What the setting `engine` calls it; a program of the person by its kind."""
        return str(BuildSetting(self.kind, self.build.back_end)) if self.build else str(self.kind)
