"""An engine at one moment: what others are told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.failure_patterns import may_be_of_engine
from tray_app.engine.launch_plan import RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.system.engine_id import RunId

if TYPE_CHECKING:
    from tray_app.engine.access import Address
    from tray_app.engine.launch_plan import Plan
    from tray_app.errors import EngineError
    from tray_app.system.engine_id import EngineId


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """The engine at one moment."""

    engine: EngineId
    state: State
    plan: Plan | None
    run: int
    """How many processes it has had, this one included."""
    address: Address | None
    """Where the engine's process listens; None if there is no process on this machine."""
    pid: int | None
    since_s: float
    """When this state began, as `time.time`."""
    restarts: int
    """The number of restarts since it last ran steadily."""
    failure: EngineError | None
    """Why it last ended by itself."""
    models: tuple[str, ...] = ()
    """The names of the models that the engine offers."""
    gave_up: bool = False
    """Whether it failed because it ended too often, without a permanent reason: a later start may help."""
    workers: tuple[EngineSnapshot, ...] = ()
    """Its processes, if it has several, see `WorkerGroup`. All other values are those of the best of them,
    except `restarts`, which is the sum, and `failure`, which may be that of any."""

    @property
    def processes(self) -> tuple[EngineSnapshot, ...]:
        """Each of its processes."""
        return self.workers or (self,)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of all processes that it has on this machine."""
        return tuple(each.pid for each in self.processes if each.pid is not None)

    @property
    def weights_bytes(self) -> int:
        """The size of its model's file, which all its processes share; 0 if it has none here."""
        return 0 if self.plan is None or isinstance(self.plan, RemotePlan) else self.plan.model.size_bytes

    @property
    def makes_place(self) -> bool:
        """Whether it has failed, and another engine may take its place and not fail."""
        if self.state is not State.FAILED or self.plan is None or self.failure is None:
            return False
        return self.plan.engine.replaceable and may_be_of_engine(self.failure)

    @property
    def run_id(self) -> RunId:
        """Names this run among those of all engines."""
        return RunId(self.engine, self.run)

    @property
    def base_url(self) -> str | None:
        """The URL of a ready engine; None if it is not ready, or runs on another machine."""
        return self.address.base_url if self.state is State.READY and self.address else None
