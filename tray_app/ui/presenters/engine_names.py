"""What engines are called, and which ones a person can choose. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.builds.wording import build_name
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import BuildSetting
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.app.engine_manager import EnginesOverview
    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild
    from tray_app.engine.program import Engine
    from tray_app.phrases import Translate

ENGINES = (AUTO, EngineKind.POWERINFER, EngineKind.LLAMA_CPP, EngineKind.REMOTE)
"""The engines that can be chosen on every machine; who has a program of their own chooses its file."""


def engine_title(engine: str, tr: Translate) -> str:
    """One of `ENGINES` as a list offers it."""
    return {
        AUTO: tr("Automatic"),
        EngineKind.POWERINFER: tr("PowerInfer"),
        EngineKind.LLAMA_CPP: tr("llama.cpp (comes with the app)"),
        EngineKind.REMOTE: tr("A server on another computer"),
    }[engine]


def build_title(
    build: PublishedBuild | InstalledBuild, tr: Translate, offers: Iterable[PublishedBuild] = ()
) -> str:
    """What people call a build: “llama.cpp b11194 for NVIDIA (CUDA 13.4)”.

    Of an installed one, `offers` know which version of CUDA or ROCm it uses, if they still have it.
    """
    return tr.said(build_name(next((each for each in offers if each.id == build.id), build)))


def engine_text(engine: Engine, tr: Translate) -> str:
    """An engine with its version."""
    if engine.build:
        return build_title(engine.build, tr)
    named = engine.kind in (EngineKind.POWERINFER, EngineKind.REMOTE)  # the others are programs' own names
    title = engine_title(engine.kind, tr) if named else str(engine.kind)
    return f"{title} {engine.version}" if engine.version else title


def engine_choices(overview: EnginesOverview | None, tr: Translate) -> tuple[tuple[str, str], ...]:
    """Values of the setting `engine` with their titles: the installed builds stand in the middle."""
    installed, offers = (overview.installed, overview.offers) if overview else ((), ())
    builds: dict[str, str] = {}
    for each in installed:  # the newest first, which counts
        setting = str(BuildSetting(each.build.kind, each.build.back_end))
        builds.setdefault(setting, build_title(each.build, tr, offers))
    automatic, *others = ((engine, engine_title(engine, tr)) for engine in ENGINES)
    return (automatic, *builds.items(), *others)
