"""What a person pastes into a report: versions, machine, plan, last lines; nothing private. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from tray_app.settings.schema import FIELDS
from tray_app.ui.presenters.logs import copied_rows
from tray_app.ui.presenters.settings import command_line, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tray_app.app import AppStatus
    from tray_app.errors import AppError
    from tray_app.settings.schema import Settings
    from tray_app.system.host import Host
    from tray_app.ui.presenters.logs import LogRow

_HIDDEN = "(removed)"
_SECRET_NAME = re.compile(r"key|token|secret|password", re.IGNORECASE)
_SECRETS = (
    (re.compile(r"\bhf_\w{4,}"), _HIDDEN),  # a token of Hugging Face, wherever it stands
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), rf"\1 {_HIDDEN}"),
    (re.compile(r"(?i)(--[\w-]*(?:key|token|secret|password)[ =])\S+"), rf"\1{_HIDDEN}"),
    # Models have tokens too, such as «BOS token = 1»: what opens a door is longer.
    (
        re.compile(r"(?i)((?:key|token|secret|password)[\"']?\s*[=:]\s*)[\"']?[^\s\"',;]{6,}"),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"://[^/\s@]+@"), f"://{_HIDDEN}@"),  # name and password in an address
)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a report is made of."""

    versions: Mapping[str, str]
    host: Host
    status: AppStatus
    rows: Sequence[LogRow]
    """The last lines of both logs."""
    home: Path


def diagnostics(situation: Situation) -> str:
    """The report, in English: whoever reads it is not the person who sends it."""
    return redact("\n".join(_report(situation)), situation.home)


def redact(text: str, home: Path) -> str:
    """`text` without the home folder and without anything that opens a door."""
    for written in {str(home), home.as_posix(), str(home).replace("\\", "\\\\")}:
        text = text.replace(written, "~")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _report(situation: Situation) -> Iterator[str]:
    host, status = situation.host, situation.status
    yield " · ".join(f"{name} {version}" for name, version in situation.versions.items())
    yield (
        f"{host.system} {host.machine}{' (translated)' if host.translated else ''}"
        f" · {host.physical_cores} cores, {host.logical_cores} threads · {host.memory_bytes / 2**30:.1f} GiB"
    )
    for gpu in host.gpus:
        yield f"{gpu.name} · {gpu.memory_bytes / 2**30:.1f} GiB"
    engine = status.engine
    serving = "serving" if status.serving else "not serving"
    yield f"State: {engine.state} · {serving} · {engine.restarts} restarts"
    if engine.plan:
        yield f"Engine: {engine.plan.engine.kind} {engine.plan.engine.version or ''}".rstrip()
        yield f"Plan: {command_line(engine.plan)}"
    yield from _problem(engine.failure or status.problem)
    yield f"Settings: {_settings(status.settings)}"
    yield ""
    yield copied_rows(situation.rows)


def _problem(error: AppError | None) -> Iterator[str]:
    if error:
        yield f"Problem: {error.title} · {error.message}"


def _settings(settings: Settings) -> str:
    """What differs from the defaults."""
    defaults = {field.name: field.default for field in FIELDS}
    changed = {
        name: _HIDDEN if _SECRET_NAME.search(name) else value_text(value)
        for name, value in msgspec.structs.asdict(settings).items()
        if value != defaults.get(name)
    }
    return ", ".join(f"{name}={value}" for name, value in changed.items()) or "as delivered"
