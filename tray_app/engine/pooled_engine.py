"""One engine of the pool: what it is told, who uses it, and who waits for it. Guarded by the pool's lock."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray_app.engine.eviction import Holder, Wish
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.models.memory import MemoryAmount

if TYPE_CHECKING:
    from collections.abc import Callable

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.engine.workers import WorkerGroup
    from tray_app.errors import AppError, EngineError
    from tray_app.system.engine_id import RunId

_ENDED = (State.STOPPED, State.FAILED, State.WAITING)
"""States in which an engine has no process, and gets none by itself soon."""
_HOPELESS = (State.FAILED, State.WAITING)
"""States that a request does not wait in."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One engine at one moment."""

    model_id: str | None
    """None for a remote server, and for a main engine that has not been told its model yet."""
    engine: EngineSnapshot
    heard: bool = True
    """Whether `engine` shows the effect of all that the engine was told."""
    told: Plan | None = None
    """What it was told to run; None if it is to be stopped."""
    queued: bool = False
    """Whether its plan is being made or is about to be, as where another engine takes the place of one that
    has failed, or it waits for memory."""
    asleep: bool = False
    """Whether it was stopped because nobody asked, or to make room: it starts again when somebody asks."""
    made_room: bool = False
    """Whether it sleeps only because others needed its memory, or a person unloaded it."""
    leases: int = 0
    """Requests that use it now."""
    kept: bool = False
    """Whether it is never unloaded for another one."""
    expected_bytes: int = 0
    """The main memory it is counted with: what was estimated, or what its processes have if that is more."""
    expected_graphics_bytes: int = 0
    """The same of graphics cards that have memory of their own."""
    memory_bytes: int | None = None
    """What its processes had of the main memory when they were last looked at."""
    graphics_bytes: int | None = None
    """What they had of NVIDIA cards; None if the driver does not tell, or the engine uses none."""
    idle_s: float | None = None
    """How long nobody has used it; None while somebody does."""

    @property
    def is_shown(self) -> bool:
        """Whether people are told of it: it holds memory, is about to, or has failed."""
        return self.told is not None or self.queued or self.engine.state is not State.STOPPED

    @property
    def gets_no_further(self) -> bool:
        """Whether the engine has ended, and neither it nor another one in its place starts by itself."""
        return self.engine.state in _HOPELESS and self.heard and not self.queued


class EngineLease:
    """The right to use an engine, until it is given back: an engine is not unloaded for another meanwhile."""

    __slots__ = ("_give_back", "_is_given_back", "engine")

    def __init__(self, engine: EngineSnapshot, give_back: Callable[[], None]) -> None:
        self.engine = engine
        self._give_back = give_back
        self._is_given_back = False

    def release(self) -> None:
        """Give it back; once is enough."""
        if not self._is_given_back:
            self._is_given_back = True
            self._give_back()


@dataclass(slots=True)
class Waiter:
    """A request for a lease; `order` is its number among all that came."""

    order: int
    lease: Future[EngineLease]


Settlement = tuple[Future[EngineLease], "EngineLease | AppError"]
"""What is to be told to somebody who waits, once the lock is free."""


@dataclass(eq=False, slots=True)
class PooledEngine:
    """What the pool knows of an engine."""

    supervisor: WorkerGroup
    model_id: str | None = None
    told: Plan | None = None
    next: Plan | None = None
    """What is to run as soon as there is memory."""
    last: Plan | None = None
    """What it was told last."""
    order: int = 0
    """When `next` was asked for, among all that wait."""
    forced: bool = False
    """Whether a person wants it loaded even if that takes more than the budget."""
    awaited: bool = False
    """Whether somebody has promised to say soon what it is to run."""
    planning: object = None
    """The token of the thread that makes a plan, if one does: a newer wish replaces it."""
    failure: EngineError | None = None
    """The last failure for which another engine was looked for."""
    asleep: bool = False
    made_room: bool = False
    leases: int = 0
    used_s: float = 0.0
    """When it was last used or told to run, by the pool's clock."""
    told_s: float = 0.0
    """When it was last told to run, by the same clock."""
    stays_until_s: float = 0.0
    """Until then it is not unloaded for another one, as it was loaded for requests that are still coming."""
    ready_run: RunId | None = None
    """The run since whose readiness `used_s` counts; before that, `used_s` is when it was told to load."""
    granted: MemoryAmount = MemoryAmount()  # noqa: RUF009  immutable
    """What was counted for it when it was told to run."""
    memory_bytes: int = 0
    """The main memory that its processes had when they were last measured; 0 if that has not been done."""
    private_bytes: int = 0
    """The part of it that is not shared with the file of the model."""
    graphics_bytes: int | None = None
    """As in `EngineStatus`."""
    drain_order: int | None = None
    """The order of the wish for which it is to go: requests that came later get no lease of it."""
    waiting: list[Waiter] = field(default_factory=list)

    @property
    def order_of_wish(self) -> int:
        """When it was asked for, among all that are to be loaded."""
        return self.order if self.next or not self.waiting else self.waiting[0].order

    @property
    def holds_memory(self) -> bool:
        """Whether a process of it is there, or may be soon."""
        engine = self.supervisor.snapshot()
        if self.told is not None:
            return engine.state not in _HOPELESS or not self.supervisor.has_heard
        return not (self.supervisor.has_heard and engine.state in _ENDED)

    @property
    def is_ready(self) -> bool:
        """Whether it answers requests with what it was told last."""
        return (
            self.told is not None
            and self.supervisor.has_heard
            and self.supervisor.snapshot().state is State.READY
        )

    @property
    def expected(self) -> MemoryAmount:
        """The memory it is counted with."""
        return self.granted.larger(MemoryAmount(self.memory_bytes, self.graphics_bytes or 0))

    @property
    def key(self) -> str:
        """Its name in decisions, see `Holder.engine`."""
        return str(self.supervisor.id)

    @property
    def has_failed(self) -> bool:
        """Whether it does not do what it was told, and will not by itself soon."""
        heard = self.supervisor.has_heard
        return self.told is not None and heard and self.supervisor.snapshot().state in _HOPELESS

    def wish(self, most_graphics_bytes: int) -> Wish:
        """That it be loaded, or loaded again; what exceeds this on the cards counts as main memory."""
        size = needed(self.next) if self.next else self.expected
        size = size.with_graphics_within(most_graphics_bytes)
        return Wish(self.key, size, forced=self.forced and self.next is not None)

    def holder(self, *, kept: bool) -> Holder:
        """What it holds. A remote server takes no memory here, and is never unloaded for another engine."""
        loading = self.told is not None and not self.is_ready
        draining = self.drain_order is not None  # those who wait for it wait for another start
        return Holder(
            self.key,
            self.expected,
            self.used_s,
            busy=bool(self.leases or loading or (self.waiting and not draining)),
            kept=kept or not isinstance(self.told or self.last, LaunchPlan),
            leaving=self.told is None,
            draining=draining,
        )

    def status(self, now_s: float, *, kept: bool, is_replaced: bool) -> EngineStatus:
        """The engine at this moment. `is_replaced`: whether another one is about to take its place."""
        heard = self.supervisor.has_heard
        snapshot = self.supervisor.snapshot()  # after `has_heard`, so that it shows what was heard
        busy = self.leases > 0
        return EngineStatus(
            model_id=self.model_id,
            engine=snapshot,
            heard=heard,
            told=self.told,
            queued=self.next is not None or self.planning is not None or is_replaced,
            asleep=self.asleep,
            made_room=self.made_room,
            leases=self.leases,
            kept=kept,
            expected_bytes=self.expected.main_bytes if self.holds_memory else 0,
            expected_graphics_bytes=self.expected.graphics_bytes if self.holds_memory else 0,
            memory_bytes=self.memory_bytes or None,
            graphics_bytes=self.graphics_bytes,
            idle_s=None if busy else now_s - self.used_s,
        )

    def queue(self, plan: Plan) -> None:
        """Have it run this plan as soon as there is memory, in the turn of the first who waits for it."""
        if self.next is None and self.waiting:
            self.order = self.waiting[0].order
        self.next, self.planning = plan, None

    def tell(self, plan: Plan, now_s: float, size: MemoryAmount) -> None:
        """Have it run this plan, for which so much memory is counted."""
        self.told = self.last = plan
        self.next = None
        self.asleep = self.made_room = False
        self.used_s = self.told_s = now_s
        self.granted, self.graphics_bytes = size, None
        self.memory_bytes = self.private_bytes = 0
        self.supervisor.ensure(plan)

    def stop(self, *, asleep: bool = False, made_room: bool = False) -> None:
        """Stop it. What waits for it has it started again, unless a person has stopped it."""
        self.told = self.planning = None
        self.awaited = self.forced = False
        self.asleep, self.made_room = asleep, made_room
        self.supervisor.stop()
        if made_room and self.waiting and self.last and self.next is None:
            self.next, self.order = self.last, self.waiting[0].order

    def give_up(self, error: AppError) -> list[Settlement]:
        """Stop it for good, and tell whoever waits why."""
        self.next = None
        self.stop()
        return self.refuse(error)

    def refuse(self, error: AppError) -> list[Settlement]:
        """Tell whoever waits for it that it does not come."""
        waiting, self.waiting = self.waiting, []
        return [(each.lease, error) for each in waiting]


def needed(plan: Plan) -> MemoryAmount:
    """The memory that a plan is expected to take here."""
    return (
        MemoryAmount(plan.memory_bytes, plan.graphics_bytes)
        if isinstance(plan, LaunchPlan)
        else MemoryAmount()
    )


def model_of(plan: Plan) -> str | None:
    """The id of the model that a plan is for; None for a remote server."""
    return plan.model.id if isinstance(plan, LaunchPlan) else None
