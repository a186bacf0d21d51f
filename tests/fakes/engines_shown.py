"""Engines that are nowhere: what is installed and on offer, as a test wants it; notes what is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from tray_app.app.engine_manager import EnginesOverview, InstalledEngine
from tray_app.engine.builds.build import (
    BackEnd,
    InstalledBuild,
    PublishedBuild,
    PublishedFile,
    Verdict,
    WeightKind,
)
from tray_app.engine.builds.choice import Advice
from tray_app.engine.builds.wording import build_name, cost
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.program import Engine
from tray_app.phrases import phrase
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.errors import AppError

ADDRESS = "https://github.com/ggml-org/llama.cpp/releases/download/b11194"
CARD = "NVIDIA GeForce RTX 4070"


def make_published(
    variant: str = "cuda-13.4",
    *sizes_bytes: int,
    back_end: BackEnd = BackEnd.CUDA,
    version: str = "",
    release: str = "b11194",
) -> PublishedBuild:
    """A build on offer; of more than one size, the second file has NVIDIA's terms."""
    names = (f"llama-{release}-bin-ubuntu-{variant}-x64.tar.gz", f"cudart-{variant}-x64.tar.gz")
    return PublishedBuild(
        id=f"{release}-{variant}",
        release=release,
        system=System.LINUX,
        machine="x86_64",
        back_end=back_end,
        address=ADDRESS,
        files=tuple(
            PublishedFile(name, size, "0f" * 32, terms)
            for name, size, terms in zip(names, sizes_bytes or (18_579_455,), ("MIT", "NVIDIA"), strict=False)
        ),
        version=version,
    )


CUDA = make_published("cuda-13.4", 151_727_000, 423_535_356, version="13.4")
VULKAN = make_published("vulkan", 30_955_864, back_end=BackEnd.VULKAN)
CPU = make_published("cpu", 17_014_362, back_end=BackEnd.CPU)
OFFERS = (CUDA, VULKAN, CPU)
ADVICE = Advice(
    CUDA,
    phrase("Use your {card}: {build}, {cost}.", card=CARD, build=build_name(CUDA), cost=cost(CUDA)),
    (
        (VULKAN, phrase("{build} is faster.", build=build_name(CUDA))),
        (CPU, "It does not use a graphics card."),
    ),
)
BUILT_IN = Engine(EngineKind.LLAMA_CPP, ("/opt/tray/python",), "2026.11.2")


def make_installed(published: PublishedBuild = CUDA, **changes: Any) -> InstalledBuild:
    """The same build when it is installed, and works with all weights."""
    build = InstalledBuild(
        id=published.id,
        kind=EngineKind.LLAMA_SERVER,
        back_end=published.back_end,
        release=published.release,
        program=Path("/engines") / published.id / "llama-server",
        size_bytes=812_000_000,
        source=f"{published.address}/{published.files[0].name}",
        sha256=published.files[0].sha256,
        devices=(EngineDevice(CARD, 12 << 30),) if published.back_end.uses_card else (),
        verdicts={kind: Verdict(works=True) for kind in WeightKind},
    )
    return replace(build, **changes)


def make_installed_engine(build: InstalledBuild | None = None, **changes: Any) -> InstalledEngine:
    """How things stand with an installed build that nobody uses."""
    build = build or make_installed()
    return replace(InstalledEngine(build, build.size_bytes), **changes)


def make_overview(*installed: InstalledEngine, advice: Advice = ADVICE, **changes: Any) -> EnginesOverview:
    """What is here and on offer, on a machine with an NVIDIA card unless the advice says otherwise."""
    return replace(EnginesOverview(installed, advice, OFFERS, at_hand=(BUILT_IN,)), **changes)


class FakeEngines:
    """Notes what is asked of it. As it is made, it has no advice to give."""

    changed = Signal()

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self.fault: AppError | None = None
        self.shown = make_overview(
            advice=Advice(None, "No available engine is faster on this computer than the built-in one.")
        )

    def show(self, overview: EnginesOverview) -> None:
        """Make this what everyone sees. Any thread."""
        self.shown = overview
        self.changed.emit()

    def overview(self) -> EnginesOverview:
        if self.fault:
            raise self.fault
        return self.shown

    def install(self, build_id: str) -> None:
        self._note("install", build_id)

    def install_file(self, path: Path) -> None:
        self._note("install_file", path)

    def pause(self) -> None:
        self._note("pause_installation")

    def resume(self) -> None:
        self._note("resume_installation")

    def cancel(self) -> None:
        self._note("cancel_installation")

    def put_off(self, build_id: str) -> None:
        self._note("put_off", build_id)
        self.show(replace(self.shown, put_off=self.shown.put_off | {build_id}))

    def remove(self, build_id: str) -> int:
        self._note("remove_engine", build_id)
        return 0

    def prove(self, build_id: str) -> None:
        self._note("prove", build_id)

    def allow_again(self, build_id: str) -> tuple[str, ...]:
        self._note("allow_again", build_id)
        return ()
