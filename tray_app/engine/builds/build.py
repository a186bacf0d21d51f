"""What a build of an engine is: published, or installed and tested on this machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.devices import EngineDevice
    from tray_app.engine.engine_kind import EngineKind
    from tray_app.models.header import ModelHeader
    from tray_app.system.host import System


_FREE = frozenset({"MIT"})
"""Licenses that ask nothing of those who only use a program."""


class BackEnd(StrEnum):
    """What a build computes with, by llama.cpp's names."""

    CPU = "cpu"
    CUDA = "cuda"
    VULKAN = "vulkan"
    ROCM = "rocm"
    METAL = "metal"

    @property
    def label(self) -> str:
        """Its name as people write it."""
        return {"cpu": "CPU", "cuda": "CUDA", "vulkan": "Vulkan", "rocm": "ROCm", "metal": "Metal"}[self]

    @property
    def uses_card(self) -> bool:
        """Whether it computes with a graphics card."""
        return self is not BackEnd.CPU


class WeightKind(StrEnum):
    """How weights are stored: the kinds for which engines have separate code."""

    F16 = "F16"
    Q8_0 = "Q8_0"
    Q4_0 = "Q4_0"
    Q4_K = "Q4_K"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One archive of a build."""

    name: str
    size_bytes: int
    sha256: str
    terms: str
    """The license that applies to it, such as “MIT” or “NVIDIA”."""


@dataclass(frozen=True, slots=True)
class PublishedBuild:
    """A build that its makers publish, pinned by size and digest."""

    id: str
    """Such as `b11194-cuda-13.4`; unique for one system and architecture."""
    release: str
    system: System
    machine: str
    """The architecture, as `Host.machine`."""
    back_end: BackEnd
    address: str
    """Where its files are, without their names and without a slash at its end."""
    files: tuple[PublishedFile, ...]
    """The archive of the program first, then those whose files belong beside it."""
    oldest_driver: tuple[int, ...] = ()
    """Of the graphics card's driver, as (525,); empty if any will do."""
    version: str = ""
    """The version of what it computes with, such as “13.4” for CUDA."""
    oldest_glibc: tuple[int, ...] = ()
    """Of the C library on Linux: that of the system that it was made on; empty on other systems."""

    @property
    def size_bytes(self) -> int:
        """What has to be downloaded."""
        return sum(each.size_bytes for each in self.files)

    @property
    def terms_to_accept(self) -> tuple[str, ...]:
        """The licenses that a person has to accept first, without those that ask nothing."""
        return tuple(dict.fromkeys(each.terms for each in self.files if each.terms not in _FREE))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a build computes with one kind of weights on this machine."""

    works: bool
    reason: str = ""
    """Why it does not: what it printed or how it ended."""


@dataclass(frozen=True, slots=True)
class InstalledBuild:
    """A build in the app's own folder, unpacked and proven."""

    id: str
    kind: EngineKind
    """`LLAMA_SERVER` or `POWERINFER`."""
    back_end: BackEnd
    release: str
    program: Path
    size_bytes: int
    """What it takes on the disk."""
    source: str
    """The address or the path that it came from."""
    sha256: str
    """Of the archive that it came from; of several, of the first; empty if it came from a folder."""
    devices: tuple[EngineDevice, ...] = ()
    """The cards that it listed when it was proven."""
    verdicts: dict[WeightKind, Verdict] = field(default_factory=dict, hash=False, compare=False)
    speed: float | None = None
    """How many times as fast as the built-in engine it was on the processor when it was proven; None if it
    computes with a card, or nothing could be compared."""
    installed_at_s: float = 0.0
    """When it was installed, as `time.time`."""

    @property
    def is_published(self) -> bool:
        """Whether it was downloaded from its makers, and not given by the person as a file or folder."""
        return "://" in self.source

    def works_with(self, weights: WeightKind) -> bool:
        """Whether it was proven with such weights."""
        verdict = self.verdicts.get(weights)
        return verdict is not None and verdict.works


@dataclass(frozen=True, slots=True)
class SetAside:
    """That a build failed with a model and is not used for it, until a person says that it may try again."""

    build_id: str
    model_id: str
    reason: str


def weight_kind_of(header: ModelHeader) -> WeightKind:
    """The kind of weights whose proof counts for a model."""
    name = header.quantization
    if name.startswith(("Q8", "Q5_0", "Q5_1")):
        return WeightKind.Q8_0
    if name.startswith(("Q4_0", "Q4_1")):
        return WeightKind.Q4_0
    return WeightKind.F16 if name in ("F32", "F16", "BF16") else WeightKind.Q4_K
