"""What there is to show at one moment: as a value for windows, and as a document for programs. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tray_app.gateway.counters import Traffic
from tray_app.phrases import presentable
from tray_app.system.autostart import Login

if TYPE_CHECKING:
    from tray_app.download.progress import Progress
    from tray_app.engine.supervisor import EngineSnapshot
    from tray_app.errors import AppError
    from tray_app.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class AppStatus:
    """Everything a person may be shown at one moment."""

    settings: Settings
    engine: EngineSnapshot
    model_name: str | None
    """The chosen model in words; None while none is chosen."""
    base_url: str
    """What clients are given, `http://127.0.0.1:8080/v1`."""
    serving: bool
    """Whether the public address is open."""
    downloads: tuple[Progress, ...]
    problem: AppError | None
    """Why the last start did not get as far as the engine, or what is wrong with the settings file."""
    login: Login = Login.OFF
    """What the system does at login; `settings.launch_at_login` is whether that is to start this app."""
    asleep: bool = False
    """Whether the engine is stopped until a request, or a person, wakes it."""
    folder_changes: int = 0
    """Counts what has happened in the models folder: with another number, look there again."""
    traffic: Traffic = Traffic()  # noqa: RUF009  immutable
    """What clients have asked for. It changes without an announcement: look at it from time to time."""


def status_document(status: AppStatus) -> dict[str, Any]:
    """The status as `powerinfer-tray status --json` and the control address give it."""
    plan = status.engine.plan
    return {
        "running": True,
        "state": status.engine.state,
        "model": status.model_name,
        "chosen": {
            "model": presentable(status.settings.model),
            "port": status.settings.port,
            "engine": status.settings.engine,
        },
        "base_url": status.base_url,
        "serving": status.serving,
        "asleep": status.asleep,
        "engine": {
            "kind": plan.engine.kind if plan else None,
            "version": plan.engine.version if plan else None,
            "pid": status.engine.pid,
            "restarts": status.engine.restarts,
        },
        "traffic": dataclasses.asdict(status.traffic),
        "downloads": [
            {
                "name": progress.name,
                "phase": progress.phase,
                "received_bytes": progress.received_bytes,
                "total_bytes": progress.total_bytes,
            }
            for progress in status.downloads
        ],
        "problem": _error_document(status.problem or status.engine.failure),
    }


def _error_document(error: AppError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    names = ("title", "message", "hint", "fix", "setting", "evidence")
    return {name: getattr(error, name) for name in names}
