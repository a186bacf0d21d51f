"""Which models of the catalog suit a machine: these are offered first to someone who has none. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.header import ModelHeader, Purpose
from tray_app.models.memory import ContextConfig, Fit, judge
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.memory import MemoryBudget, Verdict
    from tray_app.phrases import Text

_CONFIG = ContextConfig(context_size=2048, batch_size=512)
"""What is judged with: next to nothing, for only the weights of a model are known before its download."""
_QUICK_BYTES = 3 * 10**9
"""A processor reads all weights for each token: with more than these it writes less than five in a second."""

_FOR_POWERINFER = phrase("Made for PowerInfer, which is installed on this computer.")
_WHY = {
    Purpose.EMBEDDING: phrase("For embeddings in your language."),
    Purpose.CHAT: phrase("For chats in your language, fast enough on this computer."),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What a model finds here. A budget is None where no engine is for such models."""

    plain: MemoryBudget | None
    """Memory for models that llama.cpp runs."""
    sparse: MemoryBudget | None
    """Memory for models that only PowerInfer runs."""
    free_bytes: int
    """Space for models on the disk."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model that suits the machine, in one of its two purposes: embeddings and chats."""

    entry: CatalogEntry
    verdict: Verdict
    """It fits; or it is tight, where none fits better."""
    reason: Text
    """Why it is offered, in a sentence."""


def recommend(
    entries: Iterable[CatalogEntry], machine: Machine, languages: Sequence[str]
) -> tuple[Recommendation, ...]:
    """One model for embeddings and one to chat with, where some run here; `languages`: ISO 639-1.

    Of each purpose it is the first of the entries that fits and knows all these languages, else the first
    that fits. Where a PowerInfer engine is, a sparse model goes before them, whatever it knows.
    """
    able = [each for entry in entries if (each := _judged(entry, machine))]
    spoken = [each for each in able if each.entry.speaks(languages)]
    sparse = _first(each for each in able if each.entry.sparse)
    chosen = [sparse] if sparse else []
    for purpose in _WHY:
        if any(_of(purpose, (each for each in chosen if each in spoken))):
            continue
        best = _first(_of(purpose, spoken)) or _first(_of(purpose, able))
        if best and best not in chosen:
            chosen.append(best)
    return tuple(chosen)


def _judged(entry: CatalogEntry, machine: Machine) -> Recommendation | None:
    """The entry with its verdict; None if it is not for this machine, or for no first step."""
    budget = machine.sparse if entry.sparse else machine.plain
    why = _WHY.get(entry.purpose) if entry.purpose else None
    if budget is None or why is None or entry.gated or not 0 < entry.download_bytes <= machine.free_bytes:
        return None
    verdict = judge(ModelHeader(sparse=entry.sparse), entry.download_bytes, _CONFIG, budget)
    if verdict.fit is Fit.TOO_LARGE or not _quick(entry, budget):
        return None
    return Recommendation(entry, verdict, _FOR_POWERINFER if entry.sparse else why)


def _quick(entry: CatalogEntry, budget: MemoryBudget) -> bool:
    """Whether it answers as fast as a person reads. An embedding takes one step, and PowerInfer leaves out
    most of the weights; other models need a graphics card that has them all, or must be small.
    """
    if entry.sparse or entry.purpose is not Purpose.CHAT:
        return True
    on_card_bytes = budget.usable_bytes if budget.unified else budget.graphics_bytes
    return entry.download_bytes <= max(_QUICK_BYTES, on_card_bytes)


def _of(purpose: Purpose, candidates: Iterable[Recommendation]) -> Iterable[Recommendation]:
    return (each for each in candidates if each.entry.purpose is purpose)


def _first(candidates: Iterable[Recommendation]) -> Recommendation | None:
    """The first that fits, else the first of all."""
    return min(candidates, key=lambda each: each.verdict.fit is not Fit.FITS, default=None)
