"""What there is to show at one moment: as a value for windows, and as a document for programs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.app.server_status import ServerState
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.gateway.control import (
    Chosen,
    DownloadDocument,
    EngineDocument,
    ProblemDocument,
    StatusDocument,
)
from tray_app.gateway.counters import Traffic
from tray_app.phrases import presentable
from tray_app.settings.model_settings import effective
from tray_app.system.autostart import Login

if TYPE_CHECKING:
    from tray_app.app.server_status import ServerStatus
    from tray_app.download.progress import Progress
    from tray_app.engine.supervisor import EngineSnapshot
    from tray_app.errors import AppError
    from tray_app.settings.schema import Settings


class ProblemSource(StrEnum):
    """What a problem is about, in the order in which people hear of problems."""

    ENGINE = "engine"
    """The engine has ended by itself."""
    START = "start"
    """The last start, or change of the settings, could not be carried out."""
    SETTINGS_FILE = "settings file"
    CATALOGUE = "catalogue"
    """The person's own list of models."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong now."""

    source: ProblemSource
    error: AppError


@dataclass(frozen=True, slots=True)
class AppStatus:
    """Everything a person may be shown at one moment."""

    settings: Settings
    engine: EngineSnapshot
    model_name: str | None
    """The chosen model in words; None while none is chosen."""
    server: ServerStatus
    """Where in its life the server is, and the address that it really has."""
    downloads: tuple[Progress, ...] = ()
    problems: tuple[Problem, ...] = ()
    """See `problems_of`."""
    login: Login = Login.OFF
    """What the system does at login; `settings.launch_at_login` is whether that is to start this app."""
    folder_changes: int = 0
    """Counts what has happened in the models folder: with another number, look there again."""
    traffic: Traffic = Traffic()  # noqa: RUF009  immutable
    """What clients have asked for. It changes without an announcement: look at it from time to time."""

    @property
    def model_settings(self) -> Settings:
        """The settings in force for the model that the engine has, or else for all."""
        plan = self.engine.plan
        return effective(self.settings, plan.model.id if isinstance(plan, LaunchPlan) else None)

    @property
    def problem(self) -> AppError | None:
        """What a person is told where there is room for one problem."""
        return self.problems[0].error if self.problems else None

    def has_problem(self, source: ProblemSource) -> bool:
        """Whether something of this kind is wrong."""
        return any(problem.source is source for problem in self.problems)


def problems_of(engine: EngineSnapshot, others: dict[ProblemSource, AppError | None]) -> tuple[Problem, ...]:
    """All that is wrong, what matters most first: this order is the one that everybody shows.

    What an engine died of is over once it answers again.
    """
    ended = engine.state in (State.FAILED, State.BACKOFF, State.WAITING)
    errors = {**others, ProblemSource.ENGINE: engine.failure if ended else None}
    return tuple(Problem(source, error) for source in ProblemSource if (error := errors.get(source)))


def status_document(status: AppStatus) -> StatusDocument:
    """The status as `powerinfer-tray status --json` and the control address give it."""
    plan, settings = status.engine.plan, status.settings
    problems = tuple(map(_problem_document, status.problems))
    return StatusDocument(
        running=True,
        state=status.engine.state,
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
    )


def _problem_document(problem: Problem) -> ProblemDocument:
    error = problem.error
    return ProblemDocument(
        error.title, error.message, error.hint, error.fix, error.setting, error.evidence, problem.source
    )
