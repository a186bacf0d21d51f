"""How settings, model and machine go together in memory, as bars with words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.ineffective_settings import without_effect
from tray_app.engine.kinds import EngineKind
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.sizing import context_config, memory_budget, usual_workers
from tray_app.models.fit_text import memory_text
from tray_app.models.memory import GIB, Fit, judge
from tray_app.settings.model_settings import effective
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from tray_app.engine.launch_plan import Plan
    from tray_app.errors import AppError
    from tray_app.models.memory import Verdict
    from tray_app.phrases import Translate
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host


@dataclass(frozen=True, slots=True)
class MemoryBarView:
    """One kind of memory: what would be taken, part by part, and what there is."""

    title: str
    parts: tuple[tuple[str, int], ...]
    """Names and bytes; a name may be empty where the summary says it all."""
    usable_bytes: int
    summary: str
    warning: str = ""
    """What does not fit, and what would; empty if there is no reason to worry."""


def memory_bars(
    plan: Plan | AppError | None, settings: Settings, host: Host, tr: Translate
) -> tuple[MemoryBarView, ...]:
    """Main memory, and that of graphics cards where the settings have an effect on it.

    `plan` tells model and engine; nothing can be said without, or of a server elsewhere.
    """
    if not isinstance(plan, LaunchPlan):
        return ()
    settings = effective(settings, plan.model.id)
    main = _main_memory(plan, settings, host, tr)
    untold = without_effect(plan.engine, host, sparse=plan.model.header.sparse)
    if plan.engine.kind is EngineKind.POWERINFER and "vram_budget" not in untold:
        return (main, _graphics_memory(settings, host, tr))
    return (main,)


def _main_memory(plan: LaunchPlan, settings: Settings, host: Host, tr: Translate) -> MemoryBarView:
    model, kind = plan.model, plan.engine.kind
    budget = memory_budget(kind, host, plan.engine.devices)
    config = context_config(settings, model, kind, budget, usual_workers(plan.engine, host))
    verdict = judge(model.header, model.weights_bytes, config, budget)
    estimate, usable_bytes = verdict.estimate, verdict.budget.usable_bytes
    parts = (
        (tr("Weights"), estimate.weights_bytes),
        (tr("Context"), estimate.cache_bytes),
        (tr("Overhead"), estimate.total_bytes - estimate.weights_bytes - estimate.cache_bytes),
    )
    return MemoryBarView(
        title=tr("Memory"),
        parts=parts,
        usable_bytes=usable_bytes,
        summary=tr("{need} of {usable} that can be used").format(
            need=memory_text(estimate.total_bytes, tr), usable=memory_text(usable_bytes, tr)
        ),
        warning=_warning(verdict, tr),
    )


def _warning(verdict: Verdict, tr: Translate) -> str:
    match verdict.fit:
        case Fit.FITS:
            return ""
        case Fit.TIGHT:
            return tr("This fits, but leaves little for other programs.")
        case Fit.TOO_LARGE if verdict.better_context:
            return tr("This does not fit; a context size of {size} would.").format(
                size=tr.number(verdict.better_context)
            )
        case Fit.TOO_LARGE:
            return tr("This does not fit, whatever the context size; choose a smaller model.")


def _graphics_memory(settings: Settings, host: Host, tr: Translate) -> MemoryBarView:
    total_bytes = sum(gpu.memory_bytes for gpu in host.gpus)
    total = memory_text(total_bytes, tr)
    if settings.vram_budget == AUTO:
        return MemoryBarView(
            tr("Graphics memory"), (), total_bytes, tr("what is free of {total}").format(total=total)
        )
    budget_bytes = int(settings.vram_budget * GIB)
    return MemoryBarView(
        title=tr("Graphics memory"),
        parts=((tr("Budget"), budget_bytes),),
        usable_bytes=total_bytes,
        summary=tr("{need} of {usable} that can be used").format(
            need=memory_text(budget_bytes, tr), usable=total
        ),
        warning=tr("The graphics card has less than this budget.") if budget_bytes > total_bytes else "",
    )
