"""What the setting `engine` means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tray_app.engine.builds.build import BackEnd
from tray_app.engine.engine_kind import EngineKind
from tray_app.settings.schema import AUTO, Auto
from tray_app.system.paths import expanded

if TYPE_CHECKING:
    from tray_app.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class BuildSetting:
    """An installed build for one back end, which a person wants: `llama.cpp-cuda`, `powerinfer-cpu`."""

    kind: EngineKind
    back_end: BackEnd

    def __str__(self) -> str:
        name = EngineKind.LLAMA_CPP if self.kind is EngineKind.LLAMA_SERVER else self.kind
        return f"{name}-{self.back_end}"


EngineSetting = Auto | EngineKind | BuildSetting | Path
"""Which engine a person wants: the one that suits the model, one of this kind, or this program."""
_BUILD_SETTINGS = {
    str(setting): setting
    for setting in (
        BuildSetting(kind, back_end)
        for kind in (EngineKind.LLAMA_SERVER, EngineKind.POWERINFER)
        for back_end in BackEnd
    )
}


def engine_setting(text: str) -> EngineSetting:
    """What the setting `engine` means: the name of an engine, else the path of a program."""
    name = text.strip()
    if name == AUTO:
        return AUTO
    if name in _BUILD_SETTINGS:
        return _BUILD_SETTINGS[name]
    return EngineKind(name) if name in set(EngineKind) else expanded(text)


def is_remote(settings: Settings) -> bool:
    """Whether the engine is a server on another computer, which has models of its own."""
    return engine_setting(settings.engine) is EngineKind.REMOTE
