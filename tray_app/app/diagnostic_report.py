"""The report of `doctor`: what was found, as values, as text and as JSON. Pure.

`diagnostics.py` collects it. Text and JSON contain no keys and no home folder.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.errors import ErrorDocument
from tray_app.phrases import presentable, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tray_app.engine.devices import Device
    from tray_app.engine.lastfailure import NotedFailure
    from tray_app.system.host import Host

HIDDEN = "(removed)"
SECRET_NAME = re.compile(r"key|token|secret|password", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"\bhf_\w{4,}"), HIDDEN),  # a token of Hugging Face, anywhere in a text
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)(--[\w-]*(?:key|token|secret|password)[ =])\S+"), rf"\1{HIDDEN}"),
    # Six characters at least: models have tokens too, such as «BOS token = 1».
    (
        re.compile(r"(?i)((?:key|token|secret|password)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;]{6,}"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"://[^/\s@]+@"), f"://{HIDDEN}@"),  # name and password in an address
)
_GIB, _GB = 1 << 30, 1e9
"""Memory is counted in binary units, disks in decimal ones."""


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


def document(examination: DiagnosticReport, home: Path) -> dict[str, Any]:
    """For `doctor --json`."""
    found: dict[str, Any] = redacted(msgspec.to_builtins(examination), home)
    return {"ok": examination.ok, **found}


def report(examination: DiagnosticReport, home: Path) -> str:
    """The report as text: what was found in a few lines, then each problem with what to do about it."""
    lines = [*summary(examination), ""]
    for problem in examination.problems:
        lines += [f"{'✗' if problem.stops else '!'} {problem.title}"]
        lines += [f"  {line}" for line in problem.message.splitlines()]
        lines += [f"  → {problem.hint}"] if problem.hint else []
    lines += [_conclusion(examination)]
    return visible(redact("\n".join(lines), home))


def summary(examination: DiagnosticReport) -> Iterator[str]:
    """What was found, in aligned lines.

    It contains private data: pass it through `redact` before it is shown.
    """
    yield " · ".join(f"{name} {version}" for name, version in examination.versions.items())
    yield machine_line(examination.host)
    yield from rows("Graphics", map(_card, examination.cards) if examination.cards else ["none"])
    yield from rows("Engines", map(_engine, examination.engines) if examination.engines else ["none"])
    yield from rows("Choice", filter(None, [examination.choice]))
    yield from rows("Advice", filter(None, [examination.advice]))
    yield from rows("Model", [_model(examination.model)])
    yield from rows("Port", [_port(examination.port)])
    yield from rows("Settings", _settings(examination.settings))
    yield from rows("Keys", [f"{name} · {place}" for name, place in examination.keys.items()])
    yield from rows("Folders", map(_folder, examination.folders))
    if examination.running:
        yield from rows("App", [_running(examination.running)])
    if examination.repetition:
        yield from rows("Answers", [str(examination.repetition)])
    if examination.last_failure:
        yield from rows("Last error", [_failure(examination.last_failure)])
    yield from rows("Network", map(_network, examination.network))


def redact(text: str, home: Path) -> str:
    """`text` without the home folder, keys, tokens and passwords."""
    if home != Path(home.anchor):  # the home folder of a service may be `/`
        for written in {str(home), home.as_posix(), str(home).replace("\\", "\\\\")}:
            text = text.replace(written, "~")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any, home: Path) -> Any:
    """A document of JSON's values, whose texts have gone through `redact`."""
    match value:
        case str():
            return redact(value, home)
        case dict():
            return {key: redacted(each, home) for key, each in value.items()}
        case list() | tuple():
            return [redacted(each, home) for each in value]
        case _:
            return value


def rows(title: str, texts: Iterable[str]) -> Iterator[str]:
    """Lines in two columns, with the title in the first line."""
    for text in texts:
        yield f"{title:<13}{text}"
        title = ""


def _conclusion(examination: DiagnosticReport) -> str:
    if examination.repetition and not examination.repetition.same:
        return "The server is running but gives wrong answers: see ✗ above."
    if not examination.ok:
        return "The server cannot start or cannot be reached: see ✗ above."
    serving = examination.running and examination.running.serving
    return "The server is running." if serving else "The server can start."


def machine_line(host: Host) -> str:
    """System, processor and memory."""
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
        return "none chosen"
    return " · ".join(filter(None, (model.name, model.path, model.verdict)))


def _port(port: PortFinding) -> str:
    if port.ours:
        return f"{port.number} · in use by this app"
    if port.free:
        return f"{port.number} · free"
    other = f" · {port.nearest_free} is free" if port.nearest_free else ""
    return f"{port.number} · {', '.join(port.owners) or 'refused by the system'}{other}"


def _settings(settings: SettingsFinding) -> Iterator[str]:
    yield settings.file
    yield _assignments(settings.changed) or "all defaults"
    for model_id, own in settings.models.items():
        yield f"{model_id}: {_assignments(own)}"
    if settings.ignored:
        yield f"no effect on this engine: {', '.join(settings.ignored)}"
    yield from dict.fromkeys(settings.reasons.values())


def _assignments(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = math.fsum(x * y for x, y in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or 1.0)


def _folder(folder: FolderFinding) -> str:
    faults = [
        "" if folder.exists else "not created yet",
        "" if folder.writable else "not writable",
        f"{folder.free_bytes / _GB:.1f} GB free" if folder.free_bytes is not None else "",
    ]
    return " · ".join(filter(None, (folder.purpose, folder.path, *faults)))


def _running(app: RunningApp) -> str:
    return f"PID {app.pid} · {app.state} · {app.base_url or 'not serving'}"


def _failure(failure: NotedFailure) -> str:
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(failure.at_s))
    return " · ".join(filter(None, (began, presentable(failure.model), failure.title)))


def _network(server: NetworkFinding) -> str:
    answer = "no answer" if server.ms is None else f"answers in {server.ms:.0f} ms"
    return f"{server.address} · {answer}"
