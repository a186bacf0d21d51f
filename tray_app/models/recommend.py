"""Which models in the catalog suit this computer: they are recommended to users who have none. Pure."""

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
"""The configuration that is assumed; it hardly matters, as only the weights are known before a download."""
_QUICK_BYTES = 3 * 10**9
"""A processor reads all weights for each token: with more than this it writes fewer than five per second."""

_FOR_POWERINFER = phrase("Made for PowerInfer, which is installed on this computer.")
_WHY = {
    Purpose.EMBEDDING: phrase("For embeddings in your language."),
    Purpose.CHAT: phrase("For chats in your language, fast enough on this computer."),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What this computer has for models. A budget is None if there is no engine for such models."""

    plain: MemoryBudget | None
    """Memory for models that llama.cpp runs."""
    sparse: MemoryBudget | None
    """Memory for models that only PowerInfer runs."""
    free_bytes: int
    """Space for models on the disk."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A model that suits this computer, for embeddings or for chats."""

    entry: CatalogEntry
    verdict: Verdict
    """`FITS`, or `TIGHT` if no other model fits better."""
    reason: Text
    """Why it is recommended, in one sentence."""


def recommend(
    entries: Iterable[CatalogEntry], machine: Machine, languages: Sequence[str]
) -> tuple[Recommendation, ...]:
    """An embedding model and a chat model, as far as some run here; `languages`: ISO 639-1 codes.

    For each purpose, the first entry that fits and knows all these languages, or else the first that fits.
    With a PowerInfer engine, a sparse model comes first, whatever languages it knows.
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
    """The entry with its verdict; None if it does not run here, needs terms to be accepted, or is neither for
    embeddings nor for chats.
    """
    budget = machine.sparse if entry.sparse else machine.plain
    why = _WHY.get(entry.purpose) if entry.purpose else None
    if budget is None or why is None or entry.gated or not 0 < entry.download_bytes <= machine.free_bytes:
        return None
    verdict = judge(ModelHeader(sparse=entry.sparse), entry.download_bytes, _CONFIG, budget)
    if verdict.fit is Fit.TOO_LARGE or not _quick(entry, budget):
        return None
    return Recommendation(entry, verdict, _FOR_POWERINFER if entry.sparse else why)


def _quick(entry: CatalogEntry, budget: MemoryBudget) -> bool:
    """Whether it answers as fast as a person reads. An embedding takes only one step, and PowerInfer skips
    most weights; other models must fit into the memory of the graphics cards, or be small.
    """
    if entry.sparse or entry.purpose is not Purpose.CHAT:
        return True
    on_card_bytes = budget.usable_bytes if budget.unified else budget.graphics_bytes
    return entry.download_bytes <= max(_QUICK_BYTES, on_card_bytes)


def _of(purpose: Purpose, candidates: Iterable[Recommendation]) -> Iterable[Recommendation]:
    return (each for each in candidates if each.entry.purpose is purpose)


def _first(candidates: Iterable[Recommendation]) -> Recommendation | None:
    """The first one that fits, or else the first one."""
    return min(candidates, key=lambda each: each.verdict.fit is not Fit.FITS, default=None)
