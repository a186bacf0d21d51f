"""Whether a plan may run beside the loaded engines: their memory, who waits for it, and what is decided.

Made anew for each look, with the pool's lock held; `eviction.py` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.eviction import Load, Refuse, Wish, decide, too_many
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.pooled_engine import needed
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.memory import GIB, MemoryAmount
from tray_app.phrases import joined, phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from tray_app.engine.eviction import Decision, Holder
    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.pooled_engine import PooledEngine
    from tray_app.phrases import Text


@dataclass(frozen=True, slots=True)
class Admission:
    """The engines of a pool as those who hold memory, or wait for it."""

    engines: tuple[PooledEngine, ...]
    budget: Callable[[int], int]
    """The main memory in bytes that all engines may take, given what their processes have for themselves."""
    is_kept: Callable[[str | None], bool]
    """Whether a model is never unloaded for another one."""

    def memory_budget(self, *plans: Plan) -> MemoryAmount:
        """What all engines may take, these plans included. Only who plans an engine knows its cards."""
        all_plans = (*plans, *(plan for each in self.engines for plan in (each.told, each.next)))
        rooms = (plan.graphics_room_bytes for plan in all_plans if isinstance(plan, LaunchPlan))
        own_bytes = sum(each.private_bytes for each in self.engines if each.holds_memory)
        return MemoryAmount(self.budget(own_bytes), max(rooms, default=0))

    def decisions(self) -> list[tuple[PooledEngine, MemoryAmount, Decision]]:
        """Engines to be loaded, in order of arrival; what each would take, and what is decided."""
        holders, queue = self._view()
        if not queue:
            return []
        budget = self.memory_budget()
        wishes = [each.wish(_left_of_cards(budget, holders)) for each in queue]
        sizes = [wish.size for wish in wishes]
        return list(zip(queue, sizes, decide(holders, wishes, budget), strict=True))

    def too_many(self) -> tuple[str, ...]:
        """The keys of idle engines to unload for a budget that has become smaller; what was forced stays."""
        engines = [each for each in self.engines if each.holds_memory]
        holders = [each.holder(kept=each.forced or self.is_kept(each.model_id)) for each in engines]
        return too_many(holders, self.memory_budget())

    def size_in_place(self, engine: PooledEngine, plan: Plan, *, forced: bool) -> MemoryAmount | None:
        """What a plan takes that may replace the engine's own without others having to go first; None if it
        may not.
        """
        size, decision = self._decision(plan, gone=(engine,), forced=forced)
        return size if isinstance(decision, Load) else None

    def refusal(self, plan: Plan, *gone: PooledEngine) -> EngineError | None:
        """Why a plan can never run, even if these engines had gone; None if it can."""
        _, decision = self._decision(plan, gone=gone, forced=False)
        return self.does_not_fit(plan, decision) if isinstance(decision, Refuse) else None

    def does_not_fit(self, plan: Plan, refusal: Refuse) -> EngineError:
        """The error about a plan for which there is no memory; it names the kept models in its way."""
        models = {each.key: each.model_id for each in self.engines}
        return _does_not_fit(plan, refusal, [models[key] or key for key in refusal.in_the_way])

    def _decision(
        self, plan: Plan, *, gone: Container[PooledEngine], forced: bool
    ) -> tuple[MemoryAmount, Decision]:
        """What a plan would take, and what would be decided, if these engines had gone and it were the newest
        wish.
        """
        holders, queue = self._view(gone)
        budget = self.memory_budget(plan)
        left_bytes = _left_of_cards(budget, holders)
        size = needed(plan).with_graphics_within(left_bytes)
        wishes = [*(each.wish(left_bytes) for each in queue), Wish("", size, forced=forced)]
        return size, decide(holders, wishes, budget)[-1]

    def _view(self, gone: Container[PooledEngine] = ()) -> tuple[list[Holder], list[PooledEngine]]:
        """The engines that hold memory, and those that are to be loaded in order of arrival.

        One that gets no more leases is to be loaded, too, if somebody waits for it.
        """
        engines = [each for each in self.engines if each not in gone]
        holders = [each.holder(kept=self.is_kept(each.model_id)) for each in engines if each.holds_memory]
        queue = [each for each in engines if each.next or (each.drain_order is not None and each.waiting)]
        return holders, sorted(queue, key=lambda each: each.order_of_wish)


def _left_of_cards(budget: MemoryAmount, holders: Sequence[Holder]) -> int:
    """The bytes that kept engines leave of the cards. Others put into main memory what does not fit there."""
    kept = (each.size.graphics_bytes for each in holders if each.kept and not each.leaving)
    return max(0, budget.graphics_bytes - sum(kept))


def _does_not_fit(plan: Plan, refusal: Refuse, in_the_way: Sequence[Text]) -> EngineError:
    name = plan.model.name if isinstance(plan, LaunchPlan) else plan.url
    message = phrase(
        "It needs {needed:.2f} GiB, but the limit for all models together is {budget:.2f} GiB.",
        needed=refusal.needed.main_bytes / GIB,
        budget=refusal.budget.main_bytes / GIB,
    )
    hint: Text = phrase(
        "Choose a smaller model or context size, or raise the memory limit: powerinfer-tray "
        "settings set memory_budget GIB"
    )
    if in_the_way:
        message = phrase(
            "{numbers} Models that are kept loaded leave {free:.2f} GiB of this, so these would "
            "have to be unloaded: {models}.",
            numbers=message,
            free=refusal.free.main_bytes / GIB,
            models=joined(", ", in_the_way),
        )
        hint = phrase("Unload one of them: powerinfer-tray unload {model}", model=in_the_way[0])
    return EngineError(
        ErrorCode.MODEL_DOES_NOT_FIT,
        phrase("{name} does not fit in the memory for models", name=name),
        message,
        hint,
    )
