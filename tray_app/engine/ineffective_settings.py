"""Which settings have no effect on what would run, and why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.engine_kind import EngineKind
from tray_app.settings.fields import ALL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.engine.program import Engine
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

ONE_THREAD: Text = (
    "PowerInfer gives wrong results for sparse models with several threads, so only one is used."
)
"""PowerInfer's threads add to one row at the same time, which loses parts of sums (docs/decisions/0011)."""
_MANY_THREADS: Text = "Only sparse models need several processes. This model uses several threads."
_ELSEWHERE: Text = "The remote server decides this."
_UNKNOWN: Text = "The engine that runs this model does not have this option."
_APPLE_SILICON: Text = (
    "Apple silicon shares its memory with the graphics processor, so there is no limit to set."
)
_NO_GPU: Text = "This computer has no NVIDIA graphics card that the engine can use."
_NO_BUDGET: Text = "The engine that runs this model does not support a graphics memory limit."
_NO_CARD: Text = "The engine that runs this model does not use a graphics card."

VRAM_FLAG = "--vram-budget"
_GPU_BUILD_FLAG = "--n-gpu-layers"
"""PowerInfer's help lists this flag only in builds for a GPU, but always lists the VRAM budget."""
FIT_FLAG = "--fit-target"
LAYERS_FLAG = _GPU_BUILD_FLAG
"""With either of them, a llama-server can be kept to a budget."""
_FLAGS = {
    "ctx_size": "--ctx-size",
    "batch_size": "--batch-size",
    "threads": "--threads",
    "threads_batch": "--threads-batch",
    "pooling": "--pooling",
}
"""For each setting, the argument that passes it to the engine."""


def without_effect(engine: Engine | None, host: Host, *, sparse: bool) -> dict[str, Text]:
    """The settings without effect on this engine, by name, each with the reason.

    `engine` is None if it is not known yet. `sparse`: whether the model is sparse; only PowerInfer runs
    those.
    """
    reasons = _untold(engine) if engine else {}
    if sparse:
        reasons |= {"threads": ONE_THREAD, "threads_batch": ONE_THREAD}
    elif engine:  # else the model may be unknown, too
        reasons = {"workers": _MANY_THREADS, **reasons}
    if no_budget := _no_budget(engine, host):
        reasons["vram_budget"] = no_budget
    return reasons


def ignored_settings(settings: Settings, reasons: Mapping[str, Text]) -> dict[str, Text]:
    """Of the settings without effect, those that a person has changed; the others need not be mentioned.

    `settings` are those in force for the model.
    """
    return {
        field.name: reasons[field.name]
        for field in ALL_FIELDS
        if field.name in reasons and getattr(settings, field.name) != field.default
    }


def may_use_card(engine: Engine | None, host: Host) -> bool:
    """Whether PowerInfer computes with a graphics card. `engine` as in `without_effect`."""
    return not _no_budget(engine, host)


def _untold(engine: Engine) -> dict[str, Text]:
    """The settings that cannot be passed to this engine, because it lacks the argument."""
    if engine.kind is EngineKind.REMOTE:
        return dict.fromkeys((*_FLAGS, "workers"), _ELSEWHERE)
    return {name: _UNKNOWN for name, flag in _FLAGS.items() if engine.flags and flag not in engine.flags}


def _no_budget(engine: Engine | None, host: Host) -> Text:
    """Why a VRAM budget would have no effect; empty if it would."""
    if host.apple_silicon:  # also where Rosetta translates the program
        return _APPLE_SILICON
    if engine is not None and engine.kind is EngineKind.LLAMA_SERVER:
        return _no_budget_of_llama(engine, host)
    if not host.gpus:
        return _NO_GPU
    if engine is not None and not {VRAM_FLAG, _GPU_BUILD_FLAG} <= engine.flags:
        return _NO_BUDGET
    return ""


def _no_budget_of_llama(engine: Engine, host: Host) -> Text:
    """llama.cpp computes with cards of every maker, so its own list counts, if it gives one."""
    if engine.devices == ():
        return _NO_CARD
    if engine.devices is None and not host.gpus:
        return _NO_GPU
    return "" if engine.flags & {FIT_FLAG, LAYERS_FLAG} else _NO_BUDGET
