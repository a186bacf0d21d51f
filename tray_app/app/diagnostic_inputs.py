"""What the parts of `doctor` share: what is checked, and what has been noted so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray_app.app.diagnostic_findings import FoundProblem

if TYPE_CHECKING:
    from tray_app.app.diagnostic_findings import ModelFinding, RunningApp
    from tray_app.engine.finding import EngineFinder
    from tray_app.engine.program import Engine
    from tray_app.errors import AppError, ErrorCode
    from tray_app.models.library import Library
    from tray_app.settings.keystore import KeyStore
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.system.paths import AppPaths


@dataclass(frozen=True, slots=True)
class DiagnosticInputs:
    """What is checked. `known_errors` are errors that were found while this was collected."""

    paths: AppPaths
    host: Host
    settings: Settings
    library: Library
    finder: EngineFinder
    secrets: KeyStore
    running: RunningApp | None
    known_errors: tuple[AppError, ...] = ()


@dataclass(slots=True)
class Notes:
    """What has been found during a run."""

    model: ModelFinding | None = None
    engine: Engine | None = None
    """The engine that would run the model; None if that is not known, or none can."""
    sparse: bool = False
    """Whether the model is a sparse one."""
    settings: Settings | None = None
    """Those in force for the model, once it is known."""
    problems: dict[ErrorCode, FoundProblem] = field(default_factory=dict)
    """One of each code: the app that runs may have met what is found here, too."""

    def add(self, error: AppError, *, stops: bool) -> None:
        """Note an error; `stops` as in `FoundProblem`."""
        self.note(FoundProblem.of(error, stops=stops))

    def note(self, problem: FoundProblem) -> None:
        """Note a problem, of those with the same code the one that stops."""
        known = self.problems.get(problem.code)
        if known is None or (problem.stops and not known.stops):
            self.problems[problem.code] = problem
