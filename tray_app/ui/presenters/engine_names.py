"""The names of engines, and which ones can be chosen. Pure."""

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
"""The engines that can be chosen on every computer, besides installed ones and programs by their path."""


def engine_title(engine: str, tr: Translate) -> str:
    """The title of one of `ENGINES` in a list."""
    return {
        AUTO: tr("Automatic"),
        EngineKind.POWERINFER: tr("PowerInfer"),
        EngineKind.LLAMA_CPP: tr("llama.cpp (comes with the app)"),
        EngineKind.REMOTE: tr("A server on another computer"),
    }[engine]


def build_title(
    build: PublishedBuild | InstalledBuild, tr: Translate, offers: Iterable[PublishedBuild] = ()
) -> str:
    """The name of a build: “llama.cpp b11194 for NVIDIA (CUDA 13.4)”.

    For an installed one, the version of CUDA or ROCm is looked up in `offers`.
    """
    return tr.said(build_name(next((each for each in offers if each.id == build.id), build)))


def engine_text(engine: Engine, tr: Translate) -> str:
    """An engine with its version."""
    if engine.build:
        return build_title(engine.build, tr)
    named = engine.kind in (EngineKind.POWERINFER, EngineKind.REMOTE)  # the others are names of programs
    title = engine_title(engine.kind, tr) if named else str(engine.kind)
    return f"{title} {engine.version}" if engine.version else title


def engine_choices(overview: EnginesOverview | None, tr: Translate) -> tuple[tuple[str, str], ...]:
    """The values of the setting `engine` with their titles, the installed builds after “Automatic”."""
    installed, offers = (overview.installed, overview.offers) if overview else ((), ())
    builds: dict[str, str] = {}
    for each in installed:  # the newest first, which counts
        setting = str(BuildSetting(each.build.kind, each.build.back_end))
        builds.setdefault(setting, build_title(each.build, tr, offers))
    automatic, *others = ((engine, engine_title(engine, tr)) for engine in ENGINES)
    return (automatic, *builds.items(), *others)
