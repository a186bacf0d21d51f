"""The text for a report of a problem: the diagnosis and the last log lines, nothing private. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.app.diagnostic_report import report
from tray_app.app.redaction import redact
from tray_app.ui.presenters.logs import copied_rows
from tray_app.ui.presenters.settings import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tray_app.app.diagnostic_findings import DiagnosticReport
    from tray_app.app.status import AppStatus
    from tray_app.ui.presenters.logs import LogRow


@dataclass(frozen=True, slots=True)
class Situation:
    """What a report is made from."""

    examination: DiagnosticReport
    status: AppStatus
    rows: Sequence[LogRow]
    """The last lines of both logs."""
    home: Path


def diagnostics(situation: Situation) -> str:
    """The report, always in English, as it is read by others than the person who sends it."""
    found = report(situation.examination, situation.home)
    course = redact("\n".join(_course(situation)), situation.home)
    return f"{found}\n\n{course}"


def _course(situation: Situation) -> Iterator[str]:
    """The state of the server and how it came about."""
    engine, status = situation.status.engine, situation.status
    serving = status.server.base_url or "not serving"
    yield f"State: {status.server.state} · {serving} · {engine.restarts} restarts"
    if engine.plan:
        yield f"Plan: {command_line(engine.plan)}"
    for each in status.pool.others:
        if plan := each.told or each.engine.plan:
            yield f"Also {each.engine.state}: {command_line(plan)}"
    for problem in status.problems:
        yield f"Problem: {problem.error.title} · {problem.error.message}"
    yield ""
    yield copied_rows(situation.rows)
