"""What stands between a person and a running server, as values, as text and for programs. Pure.

`diagnostics.py` finds it out. Nothing private leaves: no key, no home folder.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.phrases import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tray_app.engine.devices import Device
    from tray_app.errors import AppError
    from tray_app.system.host import Host

HIDDEN = "(removed)"
SECRET_NAME = re.compile(r"key|token|secret|password", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"\bhf_\w{4,}"), HIDDEN),  # a token of Hugging Face, wherever it stands
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(--[\w-]*(?:key|token|secret|password)[ =])\S+"), rf"\1{HIDDEN}"),
    # Models have tokens too, such as «BOS token = 1»: what opens a door is longer.
    (
        re.compile(r"(?i)((?:key|token|secret|password)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;]{6,}"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"://[^/\s@]+@"), f"://{HIDDEN}@"),  # name and password in an address
)
_GIB, _GB = 1 << 30, 1e9
"""Memory is counted in binary units, disks in decimal ones."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be, and what to do about it."""

    title: str
    message: str
    hint: str
    stops: bool
    """Whether the server cannot start, cannot answer or answers wrongly because of it."""

    @classmethod
    def of(cls, error: AppError, *, stops: bool) -> Problem:
        """The problem that an error tells of."""
        return cls(error.title, error.message, error.hint, stops)


@dataclass(frozen=True, slots=True)
class EngineFinding:
    """A program that runs models, or looks as if."""

    program: str
    kind: str | None
    version: str | None
    machines: tuple[str, ...]
    flags: tuple[str, ...]
    """Empty where it is not asked: the one that comes with the app."""
    chosen: bool
    """Whether it is the one that would run the chosen model."""
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """The chosen model. `verdict` tells in a line whether it fits; None while it is not here."""

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
    """A folder of this app. One that is not there is made when it is needed, where that is possible."""

    purpose: str
    path: str
    exists: bool
    writable: bool
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class SettingsFinding:
    """The settings that differ from how they were delivered, and those of them that have no effect."""

    file: str
    changed: Mapping[str, str]
    ignored: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why, by name of the setting."""
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By id, what models have of their own."""


@dataclass(frozen=True, slots=True)
class RunningApp:
    """The app that runs now."""

    pid: int
    state: str
    serving: bool
    base_url: str | None
    """The address that is open; None while it is not serving."""
    problem: Problem | None = None
    """Why it has given up."""
    engine: str | None = None
    """The kind of engine that runs, if one does."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Whether a server gives the same answer to the same text, as one that computes rightly does."""

    asked: int
    same: bool
    lowest_cosine: float
    """Between the first answer and the one that is farthest from it."""

    @classmethod
    def of(cls, vectors: Sequence[Sequence[float]]) -> Repetition:
        """What the embeddings of one text tell, in the order in which they came."""
        first, *others = vectors
        same = all(vector == first for vector in others)
        lowest = 1.0 if same else min(_cosine(first, vector) for vector in others)
        return cls(len(vectors), same, round(lowest, 6))

    def __str__(self) -> str:
        if self.same:
            return f"one text embedded {self.asked} times: always the same answer"
        return (
            f"one text embedded {self.asked} times: the answers differ, down to a cosine of"
            f" {self.lowest_cosine:.6f}"
        )


@dataclass(frozen=True, slots=True)
class PastFailure:
    """Why the engine last ended by itself, and when (as `time.time`)."""

    title: str
    message: str
    at_s: float


@dataclass(frozen=True, slots=True)
class NetworkFinding:
    """A server on the internet that was asked, and how long its answer took; None if there was none."""

    address: str
    ms: float | None


@dataclass(frozen=True, slots=True)
class DiagnosticReport:
    """Everything that the doctor looks at."""

    versions: Mapping[str, str]
    host: Host
    cards: tuple[Device, ...]
    engines: tuple[EngineFinding, ...]
    model: ModelFinding | None
    port: PortFinding
    settings: SettingsFinding
    folders: tuple[FolderFinding, ...]
    running: RunningApp | None
    last_failure: PastFailure | None
    network: tuple[NetworkFinding, ...]
    """Empty unless it was asked for."""
    problems: tuple[Problem, ...]
    keys: Mapping[str, str] = field(default_factory=dict)
    """Where each key is that there is, by its name."""
    repetition: Repetition | None = None
    """Only of a PowerInfer engine that runs."""

    @property
    def ok(self) -> bool:
        """Whether the server runs and answers rightly, or could be started."""
        return not any(problem.stops for problem in self.problems)


def document(examination: DiagnosticReport, home: Path) -> dict[str, Any]:
    """For `doctor --json`."""
    found: dict[str, Any] = _redacted(msgspec.to_builtins(examination), home)
    return {"ok": examination.ok, **found}


def report(examination: DiagnosticReport, home: Path) -> str:
    """For people: what was found in a few lines, then each problem with what to do about it."""
    lines = [*summary(examination), ""]
    for problem in examination.problems:
        lines += [f"{'✗' if problem.stops else '!'} {problem.title}"]
        lines += [f"  {line}" for line in problem.message.splitlines()]
        lines += [f"  → {problem.hint}"] if problem.hint else []
    lines += [_conclusion(examination)]
    return visible(redact("\n".join(lines), home))


def summary(examination: DiagnosticReport) -> Iterator[str]:
    """What was found, aligned and with everything in it: `redact` it before it is shown."""
    yield " · ".join(f"{name} {version}" for name, version in examination.versions.items())
    yield _machine(examination.host)
    yield from _rows("Graphics", map(_card, examination.cards) if examination.cards else ["none"])
    yield from _rows("Engines", map(_engine, examination.engines) if examination.engines else ["none"])
    yield from _rows("Model", [_model(examination.model)])
    yield from _rows("Port", [_port(examination.port)])
    yield from _rows("Settings", _settings(examination.settings))
    yield from _rows("Keys", [f"{name} · {place}" for name, place in examination.keys.items()])
    yield from _rows("Folders", map(_folder, examination.folders))
    if examination.running:
        yield from _rows("App", [_running(examination.running)])
    if examination.repetition:
        yield from _rows("Answers", [str(examination.repetition)])
    if examination.last_failure:
        yield from _rows("Last failure", [_failure(examination.last_failure)])
    yield from _rows("Network", map(_network, examination.network))


def redact(text: str, home: Path) -> str:
    """`text` without the home folder and without anything that opens a door."""
    if home != Path(home.anchor):  # the home of a service may be the root of all paths
        for written in {str(home), home.as_posix(), str(home).replace("\\", "\\\\")}:
            text = text.replace(written, "~")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _redacted(value: Any, home: Path) -> Any:
    match value:
        case str():
            return redact(value, home)
        case dict():
            return {key: _redacted(each, home) for key, each in value.items()}
        case list() | tuple():
            return [_redacted(each, home) for each in value]
        case _:
            return value


def _rows(title: str, texts: Sequence[str] | Iterator[str]) -> Iterator[str]:
    """Lines in two columns; the title stands before the first."""
    for text in texts:
        yield f"{title:<13}{text}"
        title = ""


def _conclusion(examination: DiagnosticReport) -> str:
    if examination.repetition and not examination.repetition.same:
        return "The server runs and answers wrongly: see ✗ above."
    if not examination.ok:
        return "The server cannot start, or cannot be reached: see ✗ above."
    serving = examination.running and examination.running.serving
    return "The server is running." if serving else "The server can start."


def _machine(host: Host) -> str:
    return (
        f"{host.system} {host.machine}{' (translated)' if host.translated else ''}"
        f" · {host.physical_cores} cores, {host.logical_cores} threads · {host.memory_bytes / _GIB:.1f} GiB"
    )


def _card(card: Device) -> str:
    memory = f" · {card.memory_bytes / _GIB:.1f} GiB" if card.memory_bytes else ""
    return f"{card.name}{memory}{' · not used by the engine' if card.used is False else ''}"


def _engine(engine: EngineFinding) -> str:
    parts = [
        f"{engine.kind or 'no engine'} {engine.version or ''}".rstrip(),
        "/".join(engine.machines),
        engine.program,
        f"{len(engine.flags)} options" if engine.flags else "",
        engine.problem.title if engine.problem else "",
        "chosen" if engine.chosen else "",
    ]
    return " · ".join(filter(None, parts))


def _model(model: ModelFinding | None) -> str:
    if model is None:
        return "none is chosen"
    return " · ".join(filter(None, (model.name, model.path, model.verdict)))


def _port(port: PortFinding) -> str:
    if port.ours:
        return f"{port.number} · this app has it"
    if port.free:
        return f"{port.number} · free"
    other = f" · {port.nearest_free} is free" if port.nearest_free else ""
    return f"{port.number} · {', '.join(port.owners) or 'refused by the system'}{other}"


def _settings(settings: SettingsFinding) -> Iterator[str]:
    yield settings.file
    yield _assignments(settings.changed) or "as delivered"
    for model_id, own in settings.models.items():
        yield f"{model_id}: {_assignments(own)}"
    if settings.ignored:
        yield f"without effect on this engine: {', '.join(settings.ignored)}"
    yield from dict.fromkeys(settings.reasons.values())


def _assignments(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = math.fsum(x * y for x, y in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or 1.0)


def _folder(folder: FolderFinding) -> str:
    faults = [
        "" if folder.exists else "not there yet",
        "" if folder.writable else "cannot be written to",
        f"{folder.free_bytes / _GB:.1f} GB free" if folder.free_bytes is not None else "",
    ]
    return " · ".join(filter(None, (folder.purpose, folder.path, *faults)))


def _running(app: RunningApp) -> str:
    return f"PID {app.pid} · {app.state} · {app.base_url or 'not serving'}"


def _failure(failure: PastFailure) -> str:
    return f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(failure.at_s))} · {failure.title}"


def _network(server: NetworkFinding) -> str:
    answer = "no answer" if server.ms is None else f"answers in {server.ms:.0f} ms"
    return f"{server.address} · {answer}"
