"""The report of `doctor`: what was found, as values, as text and as JSON. Pure.

`diagnostics.py` collects it. Text and JSON contain no keys and no home folder.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.app.redaction import redact, redacted
from tray_app.app.server_status import ServerState
from tray_app.phrases import presentable, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tray_app.app.diagnostic_findings import (
        DiagnosticReport,
        EngineFinding,
        FolderFinding,
        ModelFinding,
        NetworkFinding,
        PortFinding,
        RunningApp,
        SettingsFinding,
    )
    from tray_app.engine.devices import Device
    from tray_app.engine.lastfailure import NotedFailure
    from tray_app.system.host import Host

_GIB, _GB = 1 << 30, 1e9
"""Memory is counted in binary units, disks in decimal ones."""


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
    running = examination.running
    if not running or not running.serving:
        return "The server can start."
    return "The server is asleep." if running.state == ServerState.ASLEEP else "The server is running."


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
