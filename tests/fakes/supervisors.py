"""Supervisors that are less patient than in use, and the engine of one as the gateway sees it."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.fakes.gateways import FixedBackend
from tray_app.app.start_job import StartCalledOffError
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.lifecycle import RestartPolicy, State
from tray_app.engine.pool import EnginePool
from tray_app.engine.run import HealthCheckTimeouts
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.engine.supervisor import Supervisor, Timing
from tray_app.gateway.upstream import Unavailable, Upstream
from tray_app.models.header import Purpose
from tray_app.system.child import Launcher
from tray_app.system.engine_id import MAIN_ENGINE, EngineId, RunId
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for

QUICK = RestartPolicy(restart_delays_s=(0.05, 0.05), grace_s=0.5)


def quick_supervisor(
    folder: Path,
    policy: RestartPolicy = QUICK,
    quiet_limit_s: float = 120,
    launcher: Launcher | None = None,
    engine_id: EngineId = MAIN_ENGINE,
    **clocks: Callable[[], float],
) -> Supervisor:
    """A supervisor with its state and logs below `folder`; whoever asks for it closes it."""
    timeouts = HealthCheckTimeouts(
        look_every_s=0.1,
        quiet_limit_s=quiet_limit_s,
        hang_limit_s=0.5,
        probe_timeout_s=0.2,
        spin_limit_s=0.5,
        return_look_s=0.05,
        remote_every_s=0.05,
        remote_again_s=0.05,
        remote_limit_s=0.3,
    )
    timing = Timing(policy, timeouts, look_for_sleep_s=0.05, **clocks)
    launcher = launcher or launcher_for(detect_system(sys.platform))
    return Supervisor(launcher, folder / "state", folder / "logs", timing=timing, engine_id=engine_id)


def quick_pool(
    folder: Path, policy: RestartPolicy = QUICK, clock: Callable[[], float] = time.monotonic
) -> EnginePool:
    """A pool of such supervisors, with all memory that its engines may want; whoever asks closes it."""
    return EnginePool(
        lambda engine_id: quick_supervisor(folder, policy, engine_id=engine_id),
        budget=lambda _: 2**40,
        is_kept=lambda _: False,
        called_off=StartCalledOffError,
        clock=clock,
    )


def until(
    supervisor: Supervisor, condition: Callable[[EngineSnapshot], bool], timeout_s: float = 20
) -> EngineSnapshot:
    """The first snapshot from now on for which this holds."""
    found: list[EngineSnapshot] = []
    news = threading.Event()

    def look(snapshot: EngineSnapshot) -> None:
        if not found and condition(snapshot):
            found.append(snapshot)
            news.set()

    supervisor.changed.connect(look)
    try:
        look(supervisor.snapshot())
        assert news.wait(timeout_s), supervisor.snapshot()
    finally:
        supervisor.changed.disconnect(look)
    return found[0]


def until_back(supervisor: Supervisor, before: EngineSnapshot, timeout_s: float = 20) -> EngineSnapshot:
    """Until a later run answers."""
    return until(supervisor, lambda now: now.state is State.READY and now.run > before.run, timeout_s)


def join_checks() -> None:
    """Until every look whether an engine hangs is over."""
    for thread in threading.enumerate():
        if thread.name.endswith("-check"):
            thread.join(20)


def printed_lines(supervisor: Supervisor) -> list[str]:
    """What engines have printed."""
    return [line.text for line in supervisor.lines.since(0)]


class SupervisedEngine(FixedBackend):
    """The engine of a supervisor as the gateway sees it, wired as the composition root does."""

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__(Unavailable("not yet"))
        self._supervisor = supervisor

    def look(self, _asked: str = "", _task: Purpose = Purpose.CHAT) -> Upstream | Unavailable:
        engine = self._supervisor.snapshot()
        if engine.base_url is None:
            return Unavailable("The model is not ready.", retry_after_s=2)
        return Upstream(
            engine.base_url,
            speaks_openai=bool(engine.plan and engine.plan.engine.kind is not EngineKind.POWERINFER),
            model_id="m",
            model_name="M",
            context_size=512,
            run=engine.run_id,
            key=engine.address.key if engine.address else "",
        )

    def suspect(self, run: RunId) -> None:
        self._supervisor.check(run)
