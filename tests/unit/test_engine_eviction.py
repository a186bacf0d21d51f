from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tray_app.engine.eviction import Decision, Holder, Load, Refuse, Wait, Wish, decide, too_many
from tray_app.models.memory import MemoryAmount

NOTHING = MemoryAmount()


Size = int | tuple[int, int]
"""Of main memory, and of that of cards."""


def amount(size: Size) -> MemoryAmount:
    return MemoryAmount(size) if isinstance(size, int) else MemoryAmount(*size)


def wish(model: str, size: Size, *, forced: bool = False) -> Wish:
    return Wish(model, amount(size), forced=forced)


def decided(holders: Sequence[Holder], wishes: Sequence[Wish], budget: Size) -> tuple[Decision, ...]:
    return decide(holders, wishes, amount(budget))


def refuse(needed: Size, budget: Size, free: Size, *in_the_way: str) -> Refuse:
    return Refuse(amount(needed), amount(budget), amount(free), in_the_way)


def idle(model: str, size: Size, used_s: float = 0) -> Holder:
    return Holder(model, amount(size), used_s, busy=False)


def busy(model: str, size: Size, used_s: float = 0) -> Holder:
    return Holder(model, amount(size), used_s, busy=True)


def kept(model: str, size: Size, used_s: float = 0) -> Holder:
    return Holder(model, amount(size), used_s, busy=False, kept=True)


def leaving(model: str, size: Size) -> Holder:
    return Holder(model, amount(size), used_s=0, busy=False, leaving=True)


def unload(*models: str) -> Wait:
    return Wait(unload=models, drain=())


def drain(*models: str) -> Wait:
    return Wait(unload=(), drain=models)


WAIT = unload()
"""It waits for what leaves already, or for its turn."""


def test_what_fits_into_free_memory_is_loaded() -> None:
    assert decided([idle("a", 6)], [wish("w", 4)], 10) == (Load(),)


def test_what_earlier_wishes_load_is_no_longer_free() -> None:
    assert decided([], [wish("v", 6), wish("w", 5)], 10) == (Load(), WAIT)


def test_the_least_recently_used_idle_engine_goes() -> None:
    assert decided([idle("a", 5, 20), idle("b", 5, 10)], [wish("w", 5)], 10) == (unload("b"),)


def test_as_many_go_as_are_needed() -> None:
    holders = [idle("a", 3, 10), idle("b", 3, 20), idle("c", 3, 30)]
    assert decided(holders, [wish("w", 6)], 10) == (unload("a", "b"),)


def test_a_small_engine_stays_if_a_larger_one_must_go_anyway() -> None:
    assert decided([idle("a", 1, 10), idle("b", 8, 20)], [wish("w", 5)], 10) == (unload("b"),)


def test_the_later_used_of_two_unneeded_engines_stays() -> None:
    holders = [idle("a", 2, 10), idle("b", 2, 20), idle("c", 4, 30)]
    assert decided(holders, [wish("w", 6)], 8) == (unload("a", "c"),)


def test_engines_that_were_used_at_the_same_time_go_by_name() -> None:
    for holders in ([idle("a", 5), idle("b", 5)], [idle("b", 5), idle("a", 5)]):
        assert decided(holders, [wish("w", 5)], 10) == (unload("a"),)


def test_a_busy_engine_stays_while_an_idle_one_is_enough() -> None:
    assert decided([busy("a", 5, 10), idle("b", 5, 20)], [wish("w", 5)], 10) == (unload("b"),)


def test_a_busy_engine_drains_if_idle_ones_are_not_enough() -> None:
    holders = [busy("a", 4, 20), busy("b", 4, 10), idle("c", 2, 30)]
    assert decided(holders, [wish("w", 6)], 10) == (Wait(unload=("c",), drain=("b",)),)


def test_an_idle_engine_stays_if_a_busy_one_must_drain_and_is_enough() -> None:
    assert decided([idle("a", 2), busy("b", 8)], [wish("w", 5)], 10) == (drain("b"),)


def test_the_engine_that_drains_already_goes_on_draining() -> None:
    """Its last request has ended later than the last one of the other began."""
    holders = [busy("a", 5, 10), replace(busy("b", 5, 20), draining=True)]
    assert decided(holders, [wish("w", 5)], 10) == (drain("b"),)


def test_an_engine_that_has_drained_is_unloaded() -> None:
    assert decided([replace(idle("a", 8), draining=True)], [wish("w", 5)], 10) == (unload("a"),)


def test_an_older_idle_engine_goes_rather_than_one_that_has_drained() -> None:
    holders = [replace(idle("a", 5, 20), draining=True), idle("b", 5, 10)]
    assert decided(holders, [wish("w", 5)], 10) == (unload("b"),)


def test_what_leaves_is_not_free_yet_but_will_be() -> None:
    assert decided([leaving("a", 8), idle("b", 2)], [wish("w", 8)], 10) == (WAIT,)


def test_an_engine_that_leaves_although_it_has_requests_is_not_asked_to_drain() -> None:
    assert decided([replace(leaving("a", 8), busy=True)], [wish("w", 8)], 10) == (WAIT,)


def test_a_kept_engine_that_leaves_is_not_in_the_way() -> None:
    assert decided([replace(leaving("a", 8), kept=True)], [wish("w", 8)], 10) == (WAIT,)


def test_more_goes_if_engines_have_grown_beyond_the_budget() -> None:
    holders = [idle("a", 4, 10), idle("b", 4, 20), idle("c", 4, 30)]
    assert decided(holders, [wish("w", 5)], 10) == (unload("a", "b"),)


def test_nothing_goes_while_nothing_is_wanted() -> None:
    assert decided([idle("a", 12)], [], 10) == ()


@pytest.mark.parametrize("in_use", [False, True])
def test_kept_engines_never_go(in_use: bool) -> None:
    holders = [replace(kept("a", 5, 10), busy=in_use), idle("b", 5, 20)]
    assert decided(holders, [wish("w", 5)], 10) == (unload("b"),)


def test_a_refusal_names_the_kept_models_that_would_have_to_go() -> None:
    holders = [kept("a", 1, 10), kept("b", 5, 20), kept("c", 3, 30), idle("d", 1)]
    assert decided(holders, [wish("w", 6)], 10) == (refuse(6, 10, 1, "b"),)


def test_a_model_larger_than_the_budget_is_refused_and_nothing_is_in_its_way() -> None:
    assert decided([kept("a", 4)], [wish("w", 11)], 10) == (refuse(11, 10, 6),)


def test_no_less_than_nothing_is_free() -> None:
    assert decided([kept("a", 12)], [wish("w", 1)], 10) == (refuse(1, 10, 0, "a"),)


def test_a_refused_wish_has_no_claim() -> None:
    decisions = decided([idle("a", 10)], [wish("v", 11), wish("w", 5)], 10)
    assert decisions[1] == unload("a")


def test_what_other_wishes_hold_is_no_reason_to_refuse() -> None:
    assert decided([kept("a", 2)], [wish("v", 8), wish("w", 8)], 10) == (Load(), WAIT)


def test_each_wish_has_engines_of_its_own_that_go() -> None:
    holders = [idle("a", 5, 10), idle("b", 5, 20)]
    assert decided(holders, [wish("v", 5), wish("w", 5)], 10) == (unload("a"), unload("b"))


def test_what_drains_for_an_earlier_wish_is_not_there_for_a_later_one() -> None:
    assert decided([busy("a", 8), idle("b", 2)], [wish("v", 8), wish("w", 2)], 10) == (
        drain("a"),
        unload("b"),
    )


def test_what_one_wish_leaves_over_is_enough_for_the_next() -> None:
    assert decided([idle("a", 10)], [wish("v", 5), wish("w", 5)], 10) == (unload("a"), WAIT)


def test_a_later_wish_is_loaded_beside_the_claim_of_one_that_waits_for_a_busy_engine() -> None:
    assert decided([busy("a", 7)], [wish("v", 8), wish("w", 2)], 10) == (drain("a"), Load())


def test_a_later_wish_does_not_take_what_an_earlier_one_needs() -> None:
    holders = [busy("a", 7)]
    assert decided(holders, [wish("v", 8), wish("w", 3)], 10) == (drain("a"), WAIT)


def test_an_earlier_wish_waits_for_nothing_that_later_ones_bring_about() -> None:
    """Else `w` could load now against what `b` leaves; when `w` is idle, it leaves for another; and so on."""
    wishes = [wish("v", 5), wish("w", 1)]
    assert decided([leaving("b", 3), busy("c", 4)], wishes, 10) == (WAIT, WAIT)
    assert decided([idle("b", 3), busy("c", 4)], wishes, 10) == (unload("b"), WAIT)


def test_a_wish_for_which_it_is_not_yet_the_turn_unloads_nothing() -> None:
    assert decided([idle("a", 4), busy("b", 6)], [wish("v", 6), wish("w", 5)], 10)[1] == WAIT


def test_a_wish_that_waits_for_its_turn_is_not_overtaken() -> None:
    wishes = [wish("v", 9), wish("w", 5), wish("x", 1)]
    assert decided([busy("a", 9)], wishes, 10) == (drain("a"), WAIT, WAIT)


def test_a_model_that_leaves_and_is_wanted_again_waits_until_it_has_gone() -> None:
    assert decided([leaving("w", 2)], [wish("w", 2)], 10) == (WAIT,)
    assert decided([leaving("w", 2)], [wish("w", 2, forced=True)], 10) == (WAIT,)


def test_a_model_that_drains_for_another_waits_behind_it() -> None:
    holders = [replace(busy("a", 8), draining=True)]
    assert decided(holders, [wish("v", 8), wish("a", 8)], 10) == (drain("a"), WAIT)


def test_a_model_that_drains_for_another_waits_also_if_it_would_take_other_memory() -> None:
    holders = [replace(busy("a", (0, 8)), draining=True)]
    wishes = [wish("v", (0, 8)), wish("a", (5, 0))]
    assert decided(holders, wishes, (10, 8)) == (drain("a"), WAIT)


def test_a_model_that_need_not_drain_any_more_goes_on() -> None:
    holders = [replace(busy("a", 8), draining=True)]
    assert decided(holders, [wish("a", 8)], 10) == (Load(),)
    assert decided(holders, [wish("a", 8), wish("w", 8)], 10) == (Load(), WAIT)


def test_a_forced_wish_is_loaded_at_once_and_idle_engines_go_for_it() -> None:
    holders = [idle("a", 4, 20), idle("b", 4, 10), busy("c", 2)]
    assert decided(holders, [wish("w", 4, forced=True)], 10) == (Load(unload=("b",)),)


def test_for_a_forced_wish_no_busy_or_kept_engine_goes_even_if_that_exceeds_the_budget() -> None:
    holders = [busy("a", 5), kept("b", 4), idle("c", 1)]
    for size in (4, 40):
        assert decided(holders, [wish("w", size, forced=True)], 10) == (Load(unload=("c",)),)


def test_a_forced_wish_comes_before_those_that_wait() -> None:
    wishes = [wish("v", 5), wish("w", 5, forced=True)]
    assert decided([idle("a", 5)], wishes, 10) == (unload("a"), Load())


# Cards -----------------------------------------------------------------------------------------------------


def test_what_fits_into_main_memory_may_lack_memory_of_a_card() -> None:
    holders = [idle("a", (1, 6), 20), idle("b", (6, 0), 10)]
    assert decided(holders, [wish("w", (1, 4))], (10, 8)) == (unload("a"),)


def test_an_engine_that_has_nothing_of_what_lacks_stays() -> None:
    holders = [idle("a", (8, 0), 10), idle("b", (1, 8), 20)]
    assert decided(holders, [wish("w", (1, 8))], (10, 8)) == (unload("b"),)
    assert decided(holders, [wish("w", (5, 0))], (10, 8)) == (unload("a"),)


def test_engines_go_for_either_kind_of_memory() -> None:
    holders = [idle("a", (8, 0), 10), idle("b", (1, 8), 20), idle("c", (1, 0), 5)]
    assert decided(holders, [wish("w", (6, 4))], (10, 8)) == (unload("a", "b"),)


def test_a_card_that_is_overfull_is_no_matter_to_a_model_that_needs_none_of_it() -> None:
    assert decided([idle("a", (1, 12))], [wish("w", (5, 0))], (10, 8)) == (Load(),)
    assert decided([kept("a", (1, 12))], [wish("w", (5, 0))], (10, 8)) == (Load(),)


def test_beside_a_forced_model_that_overfills_a_card_one_that_needs_none_of_it_is_loaded() -> None:
    wishes = [wish("v", (2, 6), forced=True), wish("w", (3, 0)), wish("x", (1, 1))]
    assert decided([busy("a", (1, 5))], wishes, (10, 8)) == (Load(), Load(), drain("a"))


def test_a_refusal_tells_both_kinds_of_memory() -> None:
    holders = [kept("a", (1, 6)), kept("b", (8, 0)), idle("c", (1, 2))]
    assert decided(holders, [wish("w", (1, 4))], (10, 8)) == (refuse((1, 4), (10, 8), (1, 2), "a"),)
    assert decided(holders, [wish("w", (1, 9))], (10, 8)) == (refuse((1, 9), (10, 8), (1, 2)),)


def test_a_later_wish_takes_what_an_earlier_one_does_not_need_of_a_card() -> None:
    wishes = [wish("v", (9, 1)), wish("w", (0, 7))]
    assert decided([busy("a", (5, 0))], wishes, (10, 8)) == (drain("a"), Load())
    assert decided([busy("a", (5, 0))], [wishes[0], wish("w", (0, 8))], (10, 8)) == (drain("a"), WAIT)


# Histories -------------------------------------------------------------------------------------------------

SIZES = {
    name: MemoryAmount(*size)
    for name, size in {
        "a": (1, 0),
        "b": (1, 1),
        "c": (1, 2),
        "d": (0, 1),
        "e": (3, 0),
        "f": (5, 3),
        "g": (8, 0),
        "h": (2, 6),
    }.items()
}
"""Models and what they are expected to take."""


@dataclass
class Engine:
    size: MemoryAmount
    used_s: int
    requests: list[int]
    """When each began."""
    kept: bool = False
    draining: bool = False
    leaves_at_s: int | None = None


@dataclass
class Pool:
    """Engines that do what is decided, and the wishes that wait."""

    budget: MemoryAmount
    leaving_s: int = 1
    """How long an engine takes to end."""
    now_s: int = 0
    engines: dict[str, Engine] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)

    def ask(self, model: str) -> None:
        """A request for this model comes."""
        if self.takes_requests(model):
            self.engines[model].requests.append(self.now_s)
            self.engines[model].used_s = self.now_s
        elif all(wish.engine != model for wish in self.wishes):
            self.wishes.append(Wish(model, SIZES[model]))

    def insist(self, model: str) -> None:
        """A person forces it."""
        self.give_up(model)
        if not self.takes_requests(model):
            self.wishes.append(Wish(model, SIZES[model], forced=True))

    def takes_requests(self, model: str) -> bool:
        engine = self.engines.get(model)
        return engine is not None and not engine.draining and engine.leaves_at_s is None

    def give_up(self, model: str) -> None:
        self.wishes = [wish for wish in self.wishes if wish.engine != model]

    def end(self, model: str) -> None:
        """The oldest request of this model has its answer."""
        if model in self.engines and self.engines[model].requests:
            self.engines[model].requests.pop(0)
            self.engines[model].used_s = self.now_s

    def gone(self, model: str) -> None:
        """The engine has ended, if it was told to."""
        if model in self.engines and self.engines[model].leaves_at_s is not None:
            del self.engines[model]

    def grow(self, model: str) -> None:
        """It turns out to be larger than expected."""
        if model in self.engines:
            self.engines[model].size += MemoryAmount(2, 1)

    def keep(self, model: str) -> None:
        """A person changes whether it is kept."""
        if model in self.engines:
            self.engines[model].kept ^= True

    def resize(self, model: str) -> None:
        """The budget changes."""
        self.budget = MemoryAmount(6, 4) + SIZES[model]

    def holders(self) -> list[Holder]:
        return [
            Holder(
                model,
                engine.size,
                engine.used_s,
                busy=bool(engine.requests),
                kept=engine.kept,
                leaving=engine.leaves_at_s is not None,
                draining=engine.draining,
            )
            for model, engine in self.engines.items()
        ]

    def settle(self) -> None:
        """Decides, checks what was decided, and carries it out, until nothing more is to be done."""
        self.now_s += 1
        while self.wishes:
            holders = self.holders()
            decisions = decide(holders, self.wishes, self.budget)
            check(holders, self.wishes, self.budget, decisions)
            if not self.carry_out(decisions):
                return
            self.now_s += 1
        self.carry_out(())  # nobody drains any more

    def carry_out(self, decisions: Sequence[Decision]) -> bool:
        before = (len(self.wishes), self.told_to_leave())
        waiting, drained = [], set[str]()
        for wish, decision in zip(self.wishes, decisions, strict=True):
            match decision:
                case Load(unload=going):
                    self.granted.append(wish.engine)
                    engine = self.engines.setdefault(wish.engine, Engine(wish.size, self.now_s, []))
                    engine.requests.append(self.now_s)
                    engine.used_s = self.now_s
                    self.unload(going)
                case Wait(unload=going, drain=draining):
                    self.unload(going)
                    drained.update(draining)
                    waiting.append(wish)
                case Refuse():
                    pass
        for model, engine in self.engines.items():
            engine.draining = model in drained
        self.wishes = waiting
        return before != (len(self.wishes), self.told_to_leave())

    def unload(self, models: Iterable[str]) -> None:
        for model in models:
            self.engines[model].leaves_at_s = self.now_s + self.leaving_s

    def told_to_leave(self) -> list[str]:
        return [model for model, engine in self.engines.items() if engine.leaves_at_s is not None]

    def pass_time(self, length_s: int) -> None:
        """Requests of this age end, and engines that have left for long enough go."""
        self.now_s += 1
        for model, engine in list(self.engines.items()):
            while engine.requests and engine.requests[0] + length_s <= self.now_s:
                self.end(model)
            if engine.leaves_at_s is not None and engine.leaves_at_s <= self.now_s:
                self.gone(model)


def check(
    holders: list[Holder], wishes: list[Wish], budget: MemoryAmount, decisions: Sequence[Decision]
) -> None:
    """That these decisions keep to the rules."""
    by_id = {holder.engine: holder for holder in holders if not holder.leaving}
    going = {model for d in decisions for model in _going(d)}
    staying = by_id.keys() - going
    assert decide(holders[::-1], wishes, budget) == tuple(decisions), "depends on the order of the holders"
    assert len(going) == sum(len(_going(d)) for d in decisions), "one engine goes for two wishes"
    _check_what_goes(by_id, decisions)
    _check_what_is_loaded(holders, staying, wishes, budget, decisions)
    _check_refusals(by_id, staying, wishes, budget, decisions)
    if not any(wish.forced for wish in wishes):
        earlier = decide(holders, wishes[:-1], budget)
        assert earlier == tuple(decisions[:-1]), "the last wish changes the decisions for earlier ones"
        if wishes[0].engine not in by_id and not isinstance(decisions[0], Refuse):
            _check_first_choice(holders, wishes[0], budget, decisions[0])


def _going(decision: Decision) -> tuple[str, ...]:
    match decision:
        case Load(unload=unloaded):
            return unloaded
        case Wait(unload=unloaded, drain=drained):
            return unloaded + drained
        case Refuse():
            return ()


def _check_what_goes(by_id: dict[str, Holder], decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        drained = decision.drain if isinstance(decision, Wait) else ()
        for model in _going(decision):
            assert by_id[model].busy == (model in drained)
            assert not by_id[model].kept


def _check_what_is_loaded(
    holders: list[Holder],
    staying: set[str],
    wishes: list[Wish],
    budget: MemoryAmount,
    decisions: Sequence[Decision],
) -> None:
    granted = [wish for wish, d in zip(wishes, decisions, strict=True) if isinstance(d, Load)]
    loaded = [wish for wish in granted if wish.engine not in staying]
    present = {holder.engine for holder in holders}
    assert not any(wish.engine in present for wish in loaded), "two engines of one model"
    # What a forced one has too much of one kind of memory is no matter to those that need the other alone.
    unforced = _total(wish for wish in loaded if not wish.forced)
    lacking = _total(loaded).lacking_in(budget - _total(holders))
    assert not (unforced.main_bytes and lacking.main_bytes)
    assert not (unforced.graphics_bytes and lacking.graphics_bytes)


def _check_refusals(
    by_id: dict[str, Holder],
    staying: set[str],
    wishes: list[Wish],
    budget: MemoryAmount,
    decisions: Sequence[Decision],
) -> None:
    """A wish is refused if and only if kept models leave no room for it, whatever else is going on."""
    kept = {model: holder.size for model, holder in by_id.items() if holder.kept}
    free = budget - sum(kept.values(), NOTHING)
    for wish, decision in zip(wishes, decisions, strict=True):
        lacks = wish.size.lacking_in(free) != NOTHING
        hopeless = lacks and not wish.forced and wish.engine not in staying
        assert isinstance(decision, Refuse) == hopeless
        if isinstance(decision, Refuse) and wish.size.lacking_in(budget) != NOTHING:
            assert not decision.in_the_way
        elif isinstance(decision, Refuse):
            others_go = free + sum((kept[model] for model in decision.in_the_way), NOTHING)
            assert wish.size.lacking_in(others_go) == NOTHING
            for model in decision.in_the_way:
                assert wish.size.lacking_in(others_go - kept[model]) != NOTHING


def _check_first_choice(holders: list[Holder], wish: Wish, budget: MemoryAmount, decision: Decision) -> None:
    """Of all sets of engines that would be enough, the one whose last engine comes earliest, and so on.

    With the engines in the order in which they go as the digits of a binary number, that is the smallest.
    """
    may_go = sorted((h for h in holders if not h.leaving and not h.kept), key=lambda h: (h.used_s, h.engine))
    in_turn = [
        *(h for h in may_go if not h.busy),
        *(h for h in may_go if h.busy and h.draining),
        *(h for h in may_go if h.busy and not h.draining),
    ]
    leaving = _total(h for h in holders if h.leaving)
    free = budget - _total(holders)
    own_is_leaving = any(holder.engine == wish.engine for holder in holders)
    if wish.size.lacking_in(free) == NOTHING and not own_is_leaving:
        assert decision == Load()
        return
    for number in range(2 ** len(in_turn)):
        chosen = [holder for digit, holder in enumerate(in_turn) if number >> digit & 1]
        if _total(chosen).holds(wish.size.lacking_in(free + leaving)):
            assert decision == Wait(
                unload=tuple(holder.engine for holder in chosen if not holder.busy),
                drain=tuple(holder.engine for holder in chosen if holder.busy),
            )
            return
    pytest.fail("a wish waits for what can never be")


def _total(sized: Iterable[Holder | Wish]) -> MemoryAmount:
    return sum((one.size for one in sized), NOTHING)


HAPPENINGS = {
    "ask": Pool.ask,
    "end": Pool.end,
    "gone": Pool.gone,
    "grow": Pool.grow,
    "keep": Pool.keep,
    "insist": Pool.insist,
    "give up": Pool.give_up,
    "resize": Pool.resize,
}
OFTEN = ["ask", "ask", "ask", "ask", "ask", "end", "end", "gone", "gone", *HAPPENINGS]
LARGE = ["e", "f", "f", "g", "g", "h", "h"]
STEPS = [(name, model) for name in OFTEN for model in [*SIZES, *LARGE]]
assert len(STEPS) <= 256, "more than a byte can tell"
SHORTEST, LONGEST = 5, 25
AT_ONCE = 10
"""Histories that are made of one random input: to make it takes longer than to go through one of them."""

History = list[tuple[str, str]]


def history_of(numbers: bytes) -> History:
    return [STEPS[number % len(STEPS)] for number in numbers]


def histories_of(numbers: bytes) -> list[History]:
    return [history_of(numbers[part::AT_ONCE]) for part in range(AT_ONCE)]


def pool_after(history: History, leaving_s: int = 1) -> Pool:
    pool = Pool(budget=MemoryAmount(10, 8), leaving_s=leaving_s)
    for name, model in history:
        HAPPENINGS[name](pool, model)
        pool.settle()
    return pool


@pytest.mark.timeout(600)  # 8 s of a free processor
@settings(max_examples=10_000 // AT_ONCE, deadline=None)
@given(st.binary(min_size=AT_ONCE * SHORTEST, max_size=AT_ONCE * LONGEST).map(histories_of))
def test_every_decision_keeps_to_the_rules_and_every_wish_ends(histories: list[History]) -> None:
    for history in histories:
        pool = pool_after(history)
        for _ in range(4 * len(SIZES)):
            if not pool.wishes:
                break
            pool.pass_time(length_s=1)
            pool.settle()
        assert not pool.wishes, "still waiting"


@settings(max_examples=1_000, deadline=None)
@given(
    history=st.binary(min_size=SHORTEST, max_size=LONGEST).map(history_of),
    leaving_s=st.integers(1, 8),
    length_s=st.integers(1, 12),
    asked=st.sets(st.sampled_from(sorted(SIZES))),
)
def test_no_wish_waits_forever_whatever_is_asked_for_meanwhile(
    history: History, leaving_s: int, length_s: int, asked: set[str]
) -> None:
    pool = pool_after(history, leaving_s)
    waiting = {wish.engine for wish in pool.wishes}
    pool.granted.clear()
    for _ in range(200):
        if waiting <= {*pool.granted}:
            return
        pool.pass_time(length_s)
        pool.settle()
        for model in sorted(asked - waiting):
            pool.ask(model)
            pool.settle()
    pytest.fail(f"{waiting - {*pool.granted}} still waits")


def test_for_a_smaller_budget_the_least_recently_used_idle_engines_go() -> None:
    holders = [idle("a", 4, 10), idle("b", 4, 30), idle("c", 4, 20)]
    assert too_many(holders, amount(12)) == ()
    assert too_many(holders, amount(11)) == ("a",)
    assert too_many(holders, amount(4)) == ("a", "c")


def test_for_a_smaller_budget_busy_and_kept_engines_stay_and_leaving_ones_count_no_more() -> None:
    holders = [busy("a", 4), kept("b", 4), leaving("c", 4), idle("d", 4)]
    assert too_many(holders, amount(12)) == ()
    assert too_many(holders, amount(1)) == ("d",)


def test_for_a_smaller_card_only_engines_that_have_something_of_it_go() -> None:
    holders = [idle("a", (4, 0), 10), idle("b", (1, 4), 30), idle("c", (1, 4), 20)]
    assert too_many(holders, amount((10, 6))) == ("c",)
