"""The memory that a model would take with some settings, as bars with words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.devices import cards_of
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.ineffective_settings import without_effect
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.sizing import context_config, memory_budget, needed_memory, usual_workers
from tray_app.models.fit_text import memory_text
from tray_app.models.memory import GIB, Fit, judge
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
    """One kind of memory: the parts that would be taken, and what can be used."""

    title: str
    parts: tuple[tuple[str, int], ...]
    """Names and bytes; a name may be empty where the summary says it all."""
    usable_bytes: int
    summary: str
    warning: str = ""
    """What does not fit, and what would; empty if all is well."""


def memory_bars(
    plan: Plan | AppError | None, settings: Settings, host: Host, tr: Translate
) -> tuple[MemoryBarView, ...]:
    """Main memory, and graphics memory if the engine uses graphics cards.

    Model and engine are those of `plan`; empty without a plan, or for a server on another computer.
    """
    if not isinstance(plan, LaunchPlan):
        return ()
    settings = plan.model.settings_in(settings)
    verdict = _verdict(plan, settings, host)
    if plan.engine.kind is EngineKind.POWERINFER:
        main = _whole_memory(verdict, tr)
        untold = without_effect(plan.engine, host, sparse=plan.model.header.sparse)
        return (main,) if "vram_budget" in untold else (main, _budget_of_powerinfer(settings, host, tr))
    if verdict.budget.graphics_bytes:
        return _shared_memory(verdict, plan, settings, host, tr)
    return (_whole_memory(verdict, tr),)


def memory_bar(
    title: str, parts: tuple[tuple[str, int], ...], usable_bytes: int, tr: Translate, warning: str = ""
) -> MemoryBarView:
    """A bar whose summary says how much of the usable memory is needed."""
    summary = tr("{need} of {usable} that can be used").format(
        need=memory_text(sum(size for _, size in parts), tr), usable=memory_text(usable_bytes, tr)
    )
    return MemoryBarView(title, parts, usable_bytes, summary, warning)


def _verdict(plan: LaunchPlan, settings: Settings, host: Host) -> Verdict:
    model, kind = plan.model, plan.engine.kind
    budget = memory_budget(kind, host, plan.engine.devices, settings.vram_budget)
    config = context_config(settings, model, kind, budget, usual_workers(plan.engine, host))
    return judge(model.header, model.weights_bytes, config, budget)


def _whole_memory(verdict: Verdict, tr: Translate) -> MemoryBarView:
    """All that an engine takes, in main memory."""
    estimate = verdict.estimate
    parts = (
        (tr("Weights"), estimate.weights_bytes),
        (tr("Context"), estimate.cache_bytes),
        (tr("Overhead"), estimate.total_bytes - estimate.weights_bytes - estimate.cache_bytes),
    )
    return memory_bar(tr("Memory"), parts, verdict.budget.usable_bytes, tr, _warning(verdict, tr))


def _shared_memory(
    verdict: Verdict, plan: LaunchPlan, settings: Settings, host: Host, tr: Translate
) -> tuple[MemoryBarView, MemoryBarView]:
    """What llama.cpp takes in main memory, and what it moves to graphics cards."""
    budget = verdict.budget
    taken = needed_memory(verdict.estimate, plan.engine.kind, budget.graphics_bytes)
    main_bytes = budget.usable_bytes - budget.graphics_bytes
    cards = cards_of(plan.engine.devices, host)
    too_large = settings.vram_budget != AUTO and any(
        settings.vram_budget * GIB > card.memory_bytes for card in cards
    )
    return (
        memory_bar(tr("Memory"), (("", taken.main_bytes),), main_bytes, tr, _warning(verdict, tr)),
        memory_bar(
            tr("Graphics memory"),
            (("", taken.graphics_bytes),),
            budget.graphics_bytes,
            tr,
            tr("The graphics card has less than this budget.") if too_large else "",
        ),
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


def _budget_of_powerinfer(settings: Settings, host: Host, tr: Translate) -> MemoryBarView:
    """How much PowerInfer may copy to graphics cards; how much it will is not known before."""
    title, total_bytes = tr("Graphics memory"), sum(gpu.memory_bytes for gpu in host.gpus)
    if settings.vram_budget == AUTO:
        total = memory_text(total_bytes, tr)
        return MemoryBarView(title, (), total_bytes, tr("what is free of {total}").format(total=total))
    budget_bytes = int(settings.vram_budget * GIB)
    warning = tr("The graphics card has less than this budget.") if budget_bytes > total_bytes else ""
    return memory_bar(title, ((tr("Budget"), budget_bytes),), total_bytes, tr, warning)
