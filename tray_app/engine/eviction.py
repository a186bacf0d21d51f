"""Decides which engines are loaded, and which loaded ones go for them, within a memory budget. Pure.

Main memory and that of graphics cards are two amounts; what is said of memory here holds for both.

The caller asks again after everything that happens: a request begins or ends, an engine has gone, a size,
the budget or a setting changes. The latest decisions replace the earlier ones.

- Idle engines go first, the least recently used one before the others. Busy ones go only if the idle ones
  are not enough: they get no new requests, and go when they are idle. Kept ones never go.
- No more go than are needed.
- Wishes are granted in order of arrival, forced ones first. A wish that waits has a claim to its memory and
  to the engines that go for it. A later wish that fits beside all claims is granted at once.
- Nothing waits forever if every request ends and every leaving engine goes: nothing that comes later can
  take from the first wish that waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.memory import MemoryAmount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOTHING = MemoryAmount()


@dataclass(frozen=True, slots=True)
class Holder:
    """An engine that holds memory: from when it is told to start until its process has exited."""

    engine: str
    """Its name, not that of its model: another engine may just be giving up the same model."""
    size: MemoryAmount
    """What it takes, or is expected to take, whichever is larger."""
    used_s: float
    """When it was last used, in seconds of a clock that never goes back."""
    busy: bool
    """It has requests, or it is still being loaded for some."""
    kept: bool = False
    """No wish may unload it."""
    leaving: bool = False
    """It has been told to end. Its memory is not free before it has gone."""
    draining: bool = False
    """It gets no new requests, because the last decision says so. It goes before other busy engines; if these
    took turns in draining, none of them might ever be idle."""


@dataclass(frozen=True, slots=True)
class Wish:
    """That an engine be loaded. One that is leaving or draining is to be loaded again."""

    engine: str
    """As in `Holder`."""
    size: MemoryAmount
    forced: bool = False
    """A person insists: it is loaded at once, even if that is over the budget."""


@dataclass(frozen=True, slots=True)
class Load:
    """Start the engine now. If it is there and was draining, it gets requests again instead."""

    unload: tuple[str, ...] = ()
    """The idle engines to unload meanwhile; empty unless the wish is forced."""


@dataclass(frozen=True, slots=True)
class Wait:
    """There is no room yet. If nothing is named, it waits for what is leaving, or for earlier wishes."""

    unload: tuple[str, ...]
    """The idle engines to unload now."""
    drain: tuple[str, ...]
    """The busy engines that get no new requests for as long as the latest decisions name them."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """There is no room for the engine, and there would be none if all other wishes were granted and over."""

    needed: MemoryAmount
    budget: MemoryAmount
    free: MemoryAmount
    """What would be free if all engines had gone that may go."""
    in_the_way: tuple[str, ...]
    """The kept engines that would have to go; empty if the wish alone is larger than the budget."""


Decision = Load | Wait | Refuse


def decide(holders: Sequence[Holder], wishes: Sequence[Wish], budget: MemoryAmount) -> tuple[Decision, ...]:
    """The decision for each wish; all of them are to be carried out.

    `wishes` are in order of arrival, at most one for an engine.
    """
    room = _Room(holders, budget)
    forced_first = sorted(wishes, key=lambda wish: not wish.forced)
    decisions = {wish.engine: room.grant(wish) for wish in forced_first}
    return tuple(decisions[wish.engine] for wish in wishes)


def too_many(holders: Sequence[Holder], budget: MemoryAmount) -> tuple[str, ...]:
    """The idle engines to unload so that the others keep to a budget that has become smaller.

    Busy ones stay until a wish needs their memory, kept ones for good.
    """
    staying = sorted((holder for holder in holders if not holder.leaving), key=_turn)
    idle = [holder for holder in staying if not (holder.busy or holder.kept)]
    return tuple(holder.engine for holder in _first_that_are_enough(idle, _size(staying) - budget))


class _Room:
    """What the wishes that were looked at leave to the next one."""

    def __init__(self, holders: Sequence[Holder], budget: MemoryAmount) -> None:
        leaving = [holder for holder in holders if holder.leaving]
        staying = sorted((holder for holder in holders if not holder.leaving), key=_turn)
        self._budget = budget
        self._free = budget - _size(holders)
        """Negative if engines have grown, the budget has shrunk, a wish was forced, or one waits for more."""
        self._coming = _size(leaving)
        """What will be free when all has gone that is told to, beside what earlier wishes wait for."""
        self._may_go = [holder for holder in staying if not holder.kept]
        self._kept = [holder for holder in staying if holder.kept]
        self._staying = _ids(staying)
        self._going = _ids(leaving)

    def grant(self, wish: Wish) -> Decision:
        if wish.engine in self._staying:  # it was draining for a wish that is no more
            self._may_go = [holder for holder in self._may_go if holder.engine != wish.engine]
            return Load()
        if not wish.forced and wish.size.lacking_in(self._budget - _size(self._kept)) != _NOTHING:
            return self._refuse(wish)
        chosen = self._choose(wish)
        self._let_go(chosen)
        unload = tuple(holder.engine for holder in chosen if not holder.busy)
        drain = tuple(holder.engine for holder in chosen if holder.busy)
        if wish.engine not in self._going and (wish.forced or wish.size.lacking_in(self._free) == _NOTHING):
            self._free -= wish.size
            return Load(unload)
        self._claim(wish.size, _size(holder for holder in chosen if holder.busy))
        return Wait(unload, drain)

    def _choose(self, wish: Wish) -> list[Holder]:
        """The engines that go for this wish; none if all together are not enough.

        Then it waits until earlier wishes have been granted, and their engines may go as well.
        """
        may_go = [holder for holder in self._may_go if not (wish.forced and holder.busy)]
        missing = wish.size.lacking_in(self._free + self._coming)
        if not wish.forced and not _size(may_go).holds(missing):
            return []
        return _first_that_are_enough(may_go, missing)

    def _let_go(self, chosen: list[Holder]) -> None:
        self._coming += _size(chosen)
        self._may_go = [holder for holder in self._may_go if holder not in chosen]
        self._staying -= _ids(chosen)
        self._going |= _ids(chosen)

    def _claim(self, size: MemoryAmount, draining: MemoryAmount) -> None:
        """Sets memory aside for a wish that waits.

        It may be long before busy engines go, so what is free meanwhile is left to later wishes as far as
        these engines make up for it. Engines that leave take seconds; what is free is not given away against
        their memory. Else later wishes could unload one another and take turns in what is free, forever.
        """
        beside_busy = (size - draining).larger(_NOTHING)
        self._free -= beside_busy
        self._coming -= size - beside_busy

    def _refuse(self, wish: Wish) -> Refuse:
        free = self._budget - _size(self._kept)
        fits_alone = wish.size.lacking_in(self._budget) == _NOTHING
        in_the_way = _first_that_are_enough(self._kept, wish.size.lacking_in(free)) if fits_alone else ()
        return Refuse(
            needed=wish.size,
            budget=self._budget,
            free=free.larger(_NOTHING),
            in_the_way=tuple(holder.engine for holder in in_the_way),
        )


def _turn(holder: Holder) -> tuple[bool, bool, float, str]:
    """Sorts engines by when it is their turn to go."""
    return holder.busy, holder.busy and not holder.draining, holder.used_s, holder.engine


def _first_that_are_enough(holders: Sequence[Holder], missing: MemoryAmount) -> list[Holder]:
    """As many from the front as are needed, without those that a larger one further back makes unnecessary.

    All of them if even that is not enough.
    """
    chosen: list[Holder] = []
    for holder in holders:
        if _size(chosen).holds(missing):
            break
        chosen.append(holder)
    for holder in reversed(chosen.copy()):
        if (_size(chosen) - holder.size).holds(missing):
            chosen.remove(holder)
    return chosen


def _size(holders: Iterable[Holder]) -> MemoryAmount:
    return sum((holder.size for holder in holders), _NOTHING)


def _ids(holders: Iterable[Holder]) -> set[str]:
    return {holder.engine for holder in holders}
