"""What `doctor` finds, as values. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray_app.errors import ErrorDocument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tray_app.engine.devices import Device
    from tray_app.engine.lastfailure import NotedFailure
    from tray_app.system.host import Host


class FoundProblem(ErrorDocument, frozen=True, kw_only=True):
    """Something that is not as it should be, and what to do about it."""

    stops: bool
    """Whether the server cannot start, cannot answer or answers wrongly because of it."""


@dataclass(frozen=True, slots=True)
class EngineFinding:
    """A program that was found as an engine or as a candidate."""

    program: str
    kind: str | None
    version: str | None
    machines: tuple[str, ...]
    flags: tuple[str, ...]
    """Empty for the built-in engine, which has no help text."""
    chosen: bool
    """Whether it would run the chosen model."""
    problem: FoundProblem | None


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """The chosen model. `verdict` says in one line whether it fits; None while the model is not installed."""

    name: str
    path: str | None
    verdict: str | None


@dataclass(frozen=True, slots=True)
class PortFinding:
    """The public port."""

    number: int
    free: bool
    ours: bool
    """Whether this person's running app has it."""
    owners: tuple[str, ...]
    nearest_free: int | None


@dataclass(frozen=True, slots=True)
class FolderFinding:
    """A folder of this app. If it does not exist, it is made when it is first needed."""

    purpose: str
    path: str
    exists: bool
    writable: bool
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class SettingsFinding:
    """The settings that differ from their defaults, and those of them that have no effect."""

    file: str
    changed: Mapping[str, str]
    ignored: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)
    """The reasons, by name of the setting."""
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What models have of their own, by id."""


@dataclass(frozen=True, slots=True)
class RunningApp:
    """The app that runs now."""

    pid: int
    state: str
    """Of its server, such as `ready` or `asleep`."""
    serving: bool
    base_url: str | None
    """The public address; None while it is closed."""
    problem: FoundProblem | None = None
    """Why its engine was given up."""
    engine: str | None = None
    """The kind of the running engine."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Whether a server gave the same answer each time it was asked for the embedding of one text."""

    asked: int
    same: bool
    lowest_cosine: float
    """The cosine between the first answer and the one that differs most from it."""

    @classmethod
    def of(cls, vectors: Sequence[Sequence[float]]) -> Repetition:
        """The comparison of several embeddings of one text, in the order in which they came."""
        first, *others = vectors
        same = all(vector == first for vector in others)
        lowest = 1.0 if same else min(_cosine(first, vector) for vector in others)
        return cls(len(vectors), same, round(lowest, 6))

    def __str__(self) -> str:
        if self.same:
            return f"the same text embedded {self.asked} times: always the same answer"
        return (
            f"the same text embedded {self.asked} times: the answers differ, down to a cosine "
            f"of {self.lowest_cosine:.6f}"
        )


@dataclass(frozen=True, slots=True)
class NetworkFinding:
    """A server on the internet that was asked, and how long its answer took; None if there was none."""

    address: str
    ms: float | None


@dataclass(frozen=True, slots=True)
class DiagnosticReport:
    """Everything that `doctor` looks at."""

    versions: Mapping[str, str]
    host: Host
    cards: tuple[Device, ...]
    engines: tuple[EngineFinding, ...]
    model: ModelFinding | None
    port: PortFinding
    settings: SettingsFinding
    folders: tuple[FolderFinding, ...]
    running: RunningApp | None
    last_failure: NotedFailure | None
    network: tuple[NetworkFinding, ...]
    """Empty unless the network was asked for."""
    problems: tuple[FoundProblem, ...]
    keys: Mapping[str, str] = field(default_factory=dict)
    """Where each key is kept, by its name."""
    repetition: Repetition | None = None
    """Only for a running PowerInfer engine."""
    choice: str | None = None
    """Which engine runs the chosen model, and why; None if none does."""
    advice: str | None = None
    """What had best be installed."""

    @property
    def ok(self) -> bool:
        """Whether the server answers correctly, or could be started."""
        return not any(problem.stops for problem in self.problems)


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = math.fsum(x * y for x, y in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or 1.0)
