"""Which settings have no effect on what would run, and why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tray_app.engine.kinds import EngineKind
from tray_app.settings.schema import ALL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.engine.kinds import Engine
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host

ONE_THREAD: Text = "PowerInfer computes sparse models wrongly with several threads, so they get one."
"""Its threads add to one row at the same time, which loses parts of sums: docs/decisions/0011."""
_ELSEWHERE: Text = "The server on the other machine decides this."
_UNKNOWN: Text = "The engine that runs this model has no such option."
_APPLE_SILICON: Text = "Apple Silicon shares its memory with the GPU, so there is no budget to set."
_NO_GPU: Text = "This machine has no NVIDIA GPU that the engine could use."
_NO_BUDGET: Text = "The engine that runs this model cannot use a VRAM budget."

VRAM_FLAG = "--vram-budget"
_GPU_BUILD_FLAG = "--n-gpu-layers"
"""PowerInfer's help names it only where it was built for a GPU; the VRAM budget it names always."""
_FLAGS = {
    "ctx_size": "--ctx-size",
    "batch_size": "--batch-size",
    "threads": "--threads",
    "threads_batch": "--threads-batch",
    "pooling": "--pooling",
}
"""By setting, the argument that tells the engine."""


def without_effect(engine: Engine | None, host: Host, *, sparse: bool) -> dict[str, Text]:
    """By the name of each setting that has no effect here, the reason.

    `engine` may be unknown yet; `sparse` is whether it runs a sparse model, which only PowerInfer can.
    """
    reasons = _untold(engine) if engine else {}
    if sparse:
        reasons |= {"threads": ONE_THREAD, "threads_batch": ONE_THREAD}
    if no_budget := _no_budget(engine, host):
        reasons["vram_budget"] = no_budget
    return reasons


def ignored_settings(settings: Settings, reasons: Mapping[str, Text]) -> dict[str, Text]:
    """Those that a person has changed of the settings without effect: who left them alone misses nothing.

    `settings` are those in force for the model.
    """
    return {
        field.name: reasons[field.name]
        for field in ALL_FIELDS
        if field.name in reasons and getattr(settings, field.name) != field.default
    }


def _untold(engine: Engine) -> dict[str, Text]:
    """The settings that the engine is not told of."""
    if engine.kind is EngineKind.REMOTE:
        return dict.fromkeys(_FLAGS, _ELSEWHERE)
    return {name: _UNKNOWN for name, flag in _FLAGS.items() if engine.flags and flag not in engine.flags}


def _no_budget(engine: Engine | None, host: Host) -> Text:
    """Why a VRAM budget would have no effect; empty if it would."""
    if host.apple_silicon:  # also for a translated program
        return _APPLE_SILICON
    if not host.gpus:
        return _NO_GPU
    if engine is not None and not {VRAM_FLAG, _GPU_BUILD_FLAG} <= engine.flags:
        return _NO_BUDGET
    return ""
