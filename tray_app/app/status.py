"""The status of the whole app at one moment: as a value for windows, and as a document for programs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app import __version__
from tray_app.app.diagnostic_findings import FoundProblem, RunningApp
from tray_app.app.server_status import ServerState
from tray_app.app.updates import UpdateStatus
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan, RemotePlan
from tray_app.engine.lifecycle import State
from tray_app.engine.program import WhyPassedOver
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.gateway.control.documents import (
    Chosen,
    DownloadDocument,
    EngineDocument,
    EngineRow,
    ProblemDocument,
    StatusDocument,
)
from tray_app.gateway.counters import Traffic
from tray_app.phrases import phrase, presentable
from tray_app.settings.model_settings import effective
from tray_app.system.autostart import Login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tray_app.app.server_status import ServerStatus
    from tray_app.download.progress import Progress
    from tray_app.engine.builds.installation import Installation
    from tray_app.engine.pool import PoolSnapshot
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.engine.program import PassedOver
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.errors import AppError
    from tray_app.phrases import Text
    from tray_app.settings.schema import Settings


class ProblemSource(StrEnum):
    """What a problem is about; problems are shown in this order."""

    ENGINE = "engine"
    """The engine has ended by itself."""
    START = "start"
    """The last start, or the last change of settings, has failed."""
    SETTINGS_FILE = "settings file"
    CATALOGUE = "catalogue"
    """The person's own list of models."""
    SET_ASIDE = "set aside"
    """An installed engine is not used for a model that is loaded; another one runs it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong now."""

    source: ProblemSource
    error: AppError
    build_id: str = ""
    """Of the installed engine that `Fix.ALLOW_ENGINE` is about."""


@dataclass(frozen=True, slots=True)
class AppStatus:
    """Everything that can be shown at one moment."""

    settings: Settings
    pool: PoolSnapshot
    """All engines."""
    model_name: str | None
    """The name of the chosen model; None if none is chosen."""
    server: ServerStatus
    """The server's state and the address that is really bound."""
    downloads: tuple[Progress, ...] = ()
    problems: tuple[Problem, ...] = ()
    """See `problems_of`."""
    login: Login = Login.OFF
    """What the system really does at login."""
    folder_changes: int = 0
    """Grows with each change in the models folder, so that views know when to list it again."""
    traffic: Traffic = Traffic()  # noqa: RUF009  immutable
    """Counts of requests and tokens. Changes of it are not announced; views read it regularly."""
    traffic_of: Mapping[str, Traffic] = field(default_factory=dict)
    """The same of each model, by its id."""
    refused_origins: tuple[str, ...] = ()
    """Apps and pages of this computer that wanted to use the server, and that the person is to be asked
    about: see `App.answer_origin`."""
    installation: Installation | None = None
    """The engine that is being installed."""
    newer_models: Mapping[str, str] = field(default_factory=dict)
    """By the ids of models that have another file at their source now, where that is."""
    updates: UpdateStatus = UpdateStatus()  # noqa: RUF009  immutable
    """What there is to say of newer versions of this app."""

    @property
    def engine(self) -> EngineSnapshot:
        """The engine of the chosen model."""
        return self.pool.main.engine

    @property
    def model_settings(self) -> Settings:
        """The settings in force for the model that the engine has, or else for all."""
        plan = self.engine.plan
        if isinstance(plan, LaunchPlan):
            return plan.model.settings_in(self.settings)
        return effective(self.settings, None)

    @property
    def wakes_on_request(self) -> bool:
        """Whether a request loads the chosen model while it sleeps."""
        return self.settings.start_on_demand or self.pool.main.made_room

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What people should know although everything works: which loaded models an installed engine does not
        run, and why.
        """
        plans = (each.told for each in self.pool.engines)
        return tuple(notice for plan in plans if isinstance(plan, LaunchPlan) for notice in notices_of(plan))

    @property
    def problem(self) -> AppError | None:
        """The most important problem."""
        return self.problems[0].error if self.problems else None

    def has_problem(self, source: ProblemSource) -> bool:
        """Whether something of this kind is wrong."""
        return any(problem.source is source for problem in self.problems)


def problems_of(engine: EngineSnapshot, others: dict[ProblemSource, AppError | None]) -> tuple[Problem, ...]:
    """All present problems, the most important first.

    An engine's failure counts only while the engine is not running.
    """
    ended = engine.state in (State.FAILED, State.BACKOFF, State.WAITING)
    errors = {**others, ProblemSource.ENGINE: engine.failure if ended else None}
    return tuple(Problem(source, error) for source in ProblemSource if (error := errors.get(source)))


def notices_of(plan: LaunchPlan) -> tuple[Problem, ...]:
    """The installed engines that should run this, and do not; of several for one card, the first."""
    found = {
        each.why: each
        for each in reversed(plan.engine.passed_over)
        if each.why in (WhyPassedOver.SET_ASIDE, WhyPassedOver.UNUSABLE)
    }
    return tuple(
        Problem(ProblemSource.SET_ASIDE, _not_used(each, plan.model.name), each.build.id)
        for each in found.values()
    )


def _not_used(passed: PassedOver, model_name: str) -> EngineError:
    fails = passed.why is WhyPassedOver.SET_ASIDE
    again: Text = phrase("To try it again, run: powerinfer-tray engines allow {id}", id=passed.build.id)
    return EngineError(
        ErrorCode.ENGINE_SET_ASIDE,
        phrase("{model} is not using the engine {id}", model=model_name, id=passed.build.id),
        passed.reason,
        again if fails else "For details, run: powerinfer-tray engines list",
        fix=Fix.ALLOW_ENGINE if fails else Fix.NONE,
    )


def running_app(status: AppStatus, pid: int) -> RunningApp:
    """The app as the doctor sees it. Of what is wrong, only a failure of the engine that stays is told."""
    base_url, engine = status.server.base_url, status.engine
    failed = engine.failure if engine.state is State.FAILED else None
    return RunningApp(
        pid,
        status.server.state,
        base_url is not None,
        base_url,
        FoundProblem.of(failed, stops=True) if failed else None,
        engine=engine.plan.engine.kind if engine.plan else None,
    )


def status_document(status: AppStatus, *, apple_silicon: bool = False) -> StatusDocument:
    """The status as `powerinfer-tray status --json` prints it and the control address sends it."""
    plan, settings = status.engine.plan, status.settings
    problems = tuple(map(_problem_document, status.problems))
    return StatusDocument(
        running=True,
        state=status.engine.state,
        version=__version__,
        server=status.server.state,
        model=status.model_name,
        chosen=Chosen(presentable(settings.model), settings.port, settings.engine),
        base_url=status.server.base_url,
        serving=status.server.base_url is not None,
        asleep=status.server.state is ServerState.ASLEEP,
        engine=EngineDocument(
            kind=plan.engine.kind if plan else None,
            version=plan.engine.version if plan else None,
            pid=status.engine.pid,
            restarts=status.engine.restarts,
        ),
        traffic=status.traffic,
        downloads=tuple(
            DownloadDocument(each.name, each.phase, each.received_bytes, each.total_bytes)
            for each in status.downloads
        ),
        problem=problems[0] if problems else None,
        problems=problems,
        notices=tuple(map(_problem_document, status.notices)),
        engines=tuple(_row(each, status, apple_silicon=apple_silicon) for each in status.pool.engines),
        memory_budget_bytes=status.pool.budget_bytes,
        memory_used_bytes=sum(each.memory_bytes or 0 for each in status.pool.engines),
        graphics_memory_budget_bytes=status.pool.graphics_budget_bytes,
        graphics_memory_used_bytes=sum(each.graphics_bytes or 0 for each in status.pool.engines),
        newer_version=status.updates.newer.version if status.updates.newer else None,
    )


def _row(each: EngineStatus, status: AppStatus, *, apple_silicon: bool) -> EngineRow:
    engine = each.engine
    plan = each.told or engine.plan
    local = plan if isinstance(plan, LaunchPlan) else None
    traffic = status.traffic_of.get(each.model_id or "", Traffic())
    return EngineRow(
        model=each.model_id or (plan.url if isinstance(plan, RemotePlan) else ""),
        name=local.model.name if local else each.model_id or status.model_name or "",
        state="waiting for memory" if each.queued and not each.told else engine.state,
        kind=plan.engine.kind if plan else "",
        version=plan.engine.version if plan else None,
        pid=engine.pid,
        device=device_of(local, apple_silicon=apple_silicon) if local else "",
        memory_bytes=each.memory_bytes,
        expected_bytes=each.expected_bytes,
        context=local.context_size if local else 0,
        purpose=local.purpose if local else "",
        active=each.leases,
        requests=traffic.requests,
        tokens_per_s=traffic.tokens_per_s,
        keep_loaded=each.kept,
        chosen=each is status.pool.main,
        idle_s=each.idle_s,
        problem=_problem_document(Problem(ProblemSource.ENGINE, engine.failure)) if engine.failure else None,
        graphics_memory_bytes=each.graphics_bytes,
        expected_graphics_bytes=each.expected_graphics_bytes,
    )


def device_of(plan: LaunchPlan, *, apple_silicon: bool) -> str:
    """What the engine computes with."""
    cards = [each.name for each in plan.devices]
    if cards:
        return ", ".join(cards)
    return "GPU" if apple_silicon and plan.engine.kind is not EngineKind.POWERINFER else "CPU"


def _problem_document(problem: Problem) -> ProblemDocument:
    return ProblemDocument.of(problem.error, source=problem.source)
