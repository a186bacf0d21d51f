"""Which of the engines on this machine runs a model. Any thread; runs programs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tray_app.engine.builds.build import BackEnd, weight_kind_of
from tray_app.engine.diagnosis import ShortageError
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import BuildSetting
from tray_app.engine.inspection import UnusableEngineError
from tray_app.engine.program import PassedOver, WhyPassedOver
from tray_app.errors import EngineError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.engine.builds.build import InstalledBuild, SetAside, WeightKind
    from tray_app.engine.engine_setting import EngineSetting
    from tray_app.engine.program import Engine
    from tray_app.models.header import ModelHeader
    from tray_app.phrases import Text

_log = logging.getLogger(__name__)

_GET_POWERINFER = (
    "Install PowerInfer's server and enter its path under “Engine” in the settings, or "
    "choose a regular GGUF model."
)


@dataclass(frozen=True, slots=True)
class ModelNeeds:
    """What the choice of an engine depends on, of a model."""

    sparse: bool
    weights: WeightKind
    model_id: str = ""
    """Empty where no engine can have failed with it yet."""

    @classmethod
    def of(cls, header: ModelHeader, model_id: str = "") -> ModelNeeds:
        """Those of a model with this header."""
        return cls(header.sparse, weight_kind_of(header), model_id)


class Finder(Protocol):
    """Finds engines."""

    def embedded(self) -> Engine | None:
        """The llama.cpp that comes with this app, if this machine can have it."""

    def powerinfer(self) -> Engine | None:
        """The PowerInfer server that comes with this app or is installed on this machine."""

    def llama_server(self) -> Engine | None:
        """The llama-server that is installed on this machine."""

    def probe(self, path: Path) -> Engine:
        """The engine that a program is; `EngineError` if it is not one."""

    def builds(self) -> tuple[InstalledBuild, ...]:
        """The builds that are installed with this app, the newest first."""

    def set_asides(self) -> tuple[SetAside, ...]:
        """Which of them are not used for which models."""

    def of_build(self, build: InstalledBuild) -> Engine:
        """The engine that a build is; `EngineError` if its files have changed, or it cannot be used now."""


def choose_engine(setting: EngineSetting, needs: ModelNeeds, finder: Finder) -> Engine:
    """The engine for a model. `setting` is that of the person.

    `EngineError` if there is none on this machine, or the chosen one cannot run such a model.
    """
    engine = _find(setting, needs, finder)
    if engine is None:
        raise _missing(setting, sparse=needs.sparse)
    if needs.sparse and engine.kind is not EngineKind.POWERINFER:
        raise UnusableEngineError(
            ErrorCode.MODEL_NEEDS_POWERINFER,
            "This model needs the PowerInfer engine",
            phrase("It is a sparse model, but the chosen engine is {kind}.", kind=engine.name),
            "Set “Engine” to auto or to the path of a PowerInfer server.",
        )
    return engine


def _find(setting: EngineSetting, needs: ModelNeeds, finder: Finder) -> Engine | None:  # noqa: PLR0911
    match setting:
        case EngineKind.POWERINFER:
            return _best(EngineKind.POWERINFER, needs, finder)
        case EngineKind.LLAMA_CPP:
            return finder.embedded()
        case EngineKind.LLAMA_SERVER:
            return finder.llama_server()
        case EngineKind.REMOTE:
            return None
        case BuildSetting(kind, back_end):
            builds = (each for each in finder.builds() if (each.kind, each.back_end) == (kind, back_end))
            build = next(builds, None)
            return finder.of_build(build) if build else None
        case Path() as program:
            return finder.probe(program)
        case _:
            # PowerInfer also runs plain models, if old ones: better than none on a machine without llama.cpp.
            best = None if needs.sparse else _best(EngineKind.LLAMA_SERVER, needs, finder)
            best = best or _best(EngineKind.POWERINFER, needs, finder)
            return replace(best, replaceable=True) if best and best.build else best


_FASTEST_FIRST = (BackEnd.CUDA, BackEnd.ROCM, BackEnd.VULKAN, BackEnd.METAL, BackEnd.CPU)
_FASTER = 1.05
"""A build without a card takes the place of the built-in engine if it is faster by this factor."""


def _best(kind: EngineKind, needs: ModelNeeds, finder: Finder) -> Engine | None:
    """The best build of this kind for a model, else the engine that comes with the app."""
    comes_with_app = finder.embedded() if kind is EngineKind.LLAMA_SERVER else None
    builds: list[InstalledBuild] = []
    failed: dict[str, str] = {}
    try:
        builds = [each for each in finder.builds() if each.kind is kind]
        failed = _failed(needs, builds, finder) if builds else {}
    except EngineError as exc:  # their folder cannot be read: the engine that comes with the app can
        _log.info("No installed engine is used: %s", exc)
    builds.sort(key=lambda each: _FASTEST_FIRST.index(each.back_end))
    passed_over: list[PassedOver] = []
    engine: Engine | None = None
    for build in builds:
        if passed := _why_not(build, needs, failed, slower_than=comes_with_app):
            passed_over.append(passed)
            continue
        try:
            engine = finder.of_build(build)
            break
        except ShortageError:
            raise
        except EngineError as exc:
            passed_over.append(PassedOver(build, WhyPassedOver.UNUSABLE, exc.texts[0]))
    if engine is None:
        engine = comes_with_app if kind is EngineKind.LLAMA_SERVER else finder.powerinfer()
    return replace(engine, passed_over=tuple(passed_over)) if engine and passed_over else engine


def _failed(needs: ModelNeeds, builds: Sequence[InstalledBuild], finder: Finder) -> dict[str, str]:
    """Why builds are not used for this model, by their ids.

    A graphics card that failed with one build is not tried with another one: each failure costs the people
    who wait for an answer.
    """
    why = {each.build_id: each.reason for each in finder.set_asides() if each.model_id == needs.model_id}
    cards = [each.id for each in builds if each.back_end.uses_card]
    of_card = next((why[each] for each in cards if each in why), None)
    return why if of_card is None else dict.fromkeys(cards, of_card) | why


def _why_not(
    build: InstalledBuild, needs: ModelNeeds, failed: dict[str, str], *, slower_than: Engine | None
) -> PassedOver | None:
    """Why a build is passed over; None if it is not."""
    reason: Text
    if build.id in failed:
        return PassedOver(build, WhyPassedOver.SET_ASIDE, failed[build.id])
    if not build.works_with(needs.weights):
        verdict = build.verdicts.get(needs.weights)
        told = verdict.reason if verdict else ""
        reason = phrase(
            "It does not work with {weights} quantization: {reason}", weights=needs.weights, reason=told
        )
        unknown = phrase("It was not tested with {weights} quantization.", weights=needs.weights)
        return PassedOver(build, WhyPassedOver.NOT_PROVEN, reason if told else unknown)
    if slower_than and not build.back_end.uses_card and (build.speed or 0) <= _FASTER:
        return PassedOver(
            build, WhyPassedOver.NOT_FASTER, "It has not been measured to be faster than the built-in engine."
        )
    return None


def _missing(setting: EngineSetting, *, sparse: bool) -> EngineError:
    match setting:
        case EngineKind.REMOTE:
            return UnusableEngineError(
                ErrorCode.REMOTE_NOT_WANTED,
                "The chosen engine is a server on another computer",
                "It runs its own models, not the ones on this computer.",
                "To run models on this computer, set “Engine” to auto.",
            )
        case EngineKind.LLAMA_SERVER:
            return UnusableEngineError(
                ErrorCode.LLAMA_SERVER_NOT_FOUND,
                "llama-server was not found",
                "No folder on the PATH contains a program with this name.",
                "Install llama.cpp's llama-server, or enter its full path under “Engine” in the settings.",
            )
        case BuildSetting():
            return UnusableEngineError(
                ErrorCode.ENGINE_NOT_INSTALLED,
                phrase("The engine {name} is not installed", name=setting),
                phrase(
                    "No version for {back_end} is installed.",
                    back_end=setting.back_end.label,
                ),
                "Install one with: powerinfer-tray engines install ID. To list the available "
                "engines, run: powerinfer-tray engines list. Or set “Engine” to auto.",
            )
    if setting is EngineKind.POWERINFER or sparse:
        return UnusableEngineError(
            ErrorCode.POWERINFER_NOT_FOUND,
            "No PowerInfer engine was found",
            "There is none in the settings, in this app or on the PATH.",
            _GET_POWERINFER,
        )
    return UnusableEngineError(
        ErrorCode.LLAMA_CPP_NOT_FOUND,
        "No llama.cpp engine was found",
        "There is no built-in engine for this kind of computer.",
        "Install llama.cpp's llama-server and enter its path under “Engine” in the settings.",
    )
