"""The tray icon, its status lines, and the notices, for one `AppStatus`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.app.server_status import ServerState, planned_url
from tray_app.app.status import ProblemSource
from tray_app.download.progress import Phase
from tray_app.engine.lifecycle import State
from tray_app.models.model_files import stem_of
from tray_app.ui.presenters.downloads import merged, of_one_model
from tray_app.ui.presenters.formatting import error_text, error_title, permille, progress_text
from tray_app.ui.presenters.menu import menu_entries

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.engine.supervisor import EngineSnapshot
    from tray_app.ui.presenters import Translate
    from tray_app.ui.presenters.menu import Command, MenuEntry


class IconShape(StrEnum):
    """What the icon looks like; states differ by shape, not by colour alone."""

    HOLLOW = "hollow"
    ARROW = "arrow"
    RING = "ring"
    ARC = "arc"
    SOLID = "solid"
    BADGE = "badge"
    MOON = "moon"


class Page(StrEnum):
    """The pages of the window."""

    STATUS = "status"
    MODELS = "models"
    EMBEDDING = "embedding"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class TrayView:
    """The tray at one moment."""

    shape: IconShape
    permille: int | None
    headline: str
    """Tooltip and first menu line."""
    download_line: str
    """The second menu line; empty where there is none, or the headline says it."""
    entries: dict[Command, MenuEntry]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person is told once, when it happens; a click on it opens `page`."""

    title: str
    text: str
    page: Page
    failed: bool = False


_TRANSFERRING = (Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING)


def tray_view(status: AppStatus, now_s: float, tr: Translate) -> TrayView:
    """What the tray shows at the time `now_s` (of the clock that `EngineSnapshot.since_s` uses)."""
    current = current_download(status)
    headline = headline_of(status, now_s, tr)
    download_line = _download_line(current, tr) if current else ""
    return TrayView(
        shape=shape_of(status),
        permille=ring_of(status),
        headline=headline,
        download_line="" if download_line == headline else download_line,
        entries=menu_entries(status, current, tr),
    )


def shape_of(status: AppStatus) -> IconShape:
    """The icon: the engine's state first, then a running download, then what is missing."""
    match status.server.state:
        case ServerState.FAILED | ServerState.RESTARTING | ServerState.WAITING:
            return IconShape.BADGE
        case ServerState.STARTING | ServerState.LOADING:
            return IconShape.ARC
        case ServerState.READY:
            return IconShape.SOLID
        case ServerState.STOPPING:
            return IconShape.HOLLOW
        case ServerState.PREPARING | ServerState.ASLEEP | ServerState.STOPPED as state:
            return _shape_without_engine(status, state)


def ring_of(status: AppStatus) -> int | None:
    """How far the icon's ring is filled, in permille; None where there is no ring or no size."""
    current = current_download(status)
    return permille(current) if current and shape_of(status) is IconShape.RING else None


def headline_of(status: AppStatus, now_s: float, tr: Translate) -> str:
    """The state and the address in one line, for the tooltip and the menu."""
    line = state_line(status, now_s, tr)
    address = status.server.base_url
    if address and shape_of(status) in (IconShape.SOLID, IconShape.MOON):
        return tr("{state} · {address}").format(state=line, address=address)
    return line


def _failure_line(state: ServerState, cause: str, tr: Translate) -> str:
    if state is ServerState.RESTARTING:
        return tr("Restarting: {cause}").format(cause=cause)
    if state is ServerState.WAITING:
        return tr("Waiting: {cause}").format(cause=cause)
    return tr("Stopped: {cause}").format(cause=cause)


def address_hint(status: AppStatus, tr: Translate) -> str:
    """What stands in the place of the address while none is open."""
    return tr("{address}, once the server is started").format(address=planned_url(status.settings))


def state_line(status: AppStatus, now_s: float, tr: Translate) -> str:
    """The state in one line."""
    model = tr.said(status.model_name or "") or tr("the model")
    match status.server.state:
        case ServerState.FAILED | ServerState.RESTARTING | ServerState.WAITING as state:
            return _failure_line(state, error_title(status.problem, tr), tr)
        case ServerState.STARTING | ServerState.LOADING:
            seconds = max(0, int(now_s - status.engine.since_s))
            return tr("Loading {model} … {seconds} s").format(model=model, seconds=seconds)
        case ServerState.READY:
            return tr("Ready — {model}").format(model=model)
        case ServerState.STOPPING:
            return tr("Stopping {model} …").format(model=model)
        case ServerState.PREPARING | ServerState.ASLEEP | ServerState.STOPPED as state:
            return _headline_without_engine(status, state, tr)


def current_download(status: AppStatus) -> Progress | None:
    """The download that the tray speaks of: the one that runs, else the first that waits or is paused."""
    for phases in (_TRANSFERRING, (Phase.WAITING,), (Phase.PAUSED,)):
        for progress in status.downloads:
            if progress.phase in phases:
                return progress
    return None


def current_parts(status: AppStatus) -> tuple[int, ...]:
    """What Pause and Resume act on: the tray's download, and those of the other files of its model."""
    current = current_download(status)
    for parts in of_one_model(status.downloads).values():
        if current in parts:
            return tuple(part.id for part in parts)
    return ()


def notices(old: AppStatus, new: AppStatus, tr: Translate) -> tuple[Notice, ...]:
    """What happened between two snapshots that is worth interrupting a person for; each event once."""
    before = {_event_of(parts) for parts in of_one_model(old.downloads).values()}
    found = [
        notice
        for parts in of_one_model(new.downloads).values()
        if _event_of(parts) not in before and (notice := _download_notice(parts, tr))
    ]
    if new.engine.state in (State.FAILED, State.WAITING) and old.engine.state is not new.engine.state:
        failure = new.engine.failure
        text = error_text(failure, tr) if failure else ""
        found.append(Notice(error_title(failure, tr), text, Page.STATUS, failed=True))
    if _came_back(old.engine, new.engine):
        # One notice for one event: while the server is down, the icon says so.
        cause = error_title(old.engine.failure, tr) if old.engine.failure else tr("The log says why.")
        found.append(Notice(tr("The server crashed and was restarted"), cause, Page.STATUS))
    return tuple(found)


def announcement(old: AppStatus, new: AppStatus, now_s: float, tr: Translate) -> str:
    """What a screen reader says of the change between two snapshots; empty if it would only disturb.

    A change of state is said, and every quarter of a download.
    """
    if old.server.state is not new.server.state:
        return state_line(new, now_s, tr)
    before, current = current_download(old), current_download(new)
    if current is None:
        return ""
    begun = before is None or (before.id, before.phase) != (current.id, current.phase)
    if begun or _quarters(before) != _quarters(current):
        return _download_line(current, tr)
    return ""


def _quarters(progress: Progress | None) -> int:
    """How many quarters of a download are here."""
    share = permille(progress) if progress else None
    return 0 if share is None else share // 250


def _came_back(old: EngineSnapshot, new: EngineSnapshot) -> bool:
    """Whether the engine answers again after a crash, also where the snapshots between were left out."""
    if new.state is not State.READY:
        return False
    return new.restarts > (old.restarts if old.state is State.READY else 0)


def _shape_without_engine(status: AppStatus, state: ServerState) -> IconShape:
    current = current_download(status)
    if current and current.phase in _TRANSFERRING:
        return IconShape.RING
    if state is ServerState.PREPARING:
        return IconShape.ARC
    if state is ServerState.ASLEEP and not status.has_problem(ProblemSource.START):
        return IconShape.MOON
    if status.problem:
        return IconShape.BADGE
    return IconShape.HOLLOW if status.model_name else IconShape.ARROW


def _headline_without_engine(status: AppStatus, state: ServerState, tr: Translate) -> str:
    current = current_download(status)
    if current and current.phase in _TRANSFERRING:
        return _download_line(current, tr)
    if state is ServerState.PREPARING:
        return tr("Preparing the start …")
    if state is ServerState.ASLEEP:
        return _sleeping_line(status, tr)
    if status.problem:
        return tr("Stopped: {cause}").format(cause=error_title(status.problem, tr))
    if status.model_name:
        return tr("Stopped — {model}").format(model=tr.said(status.model_name))
    return tr("No model yet — choose one")


def _sleeping_line(status: AppStatus, tr: Translate) -> str:
    """What ends the sleep, or why that did not work."""
    if status.has_problem(ProblemSource.START):
        return tr("Asleep: {cause}").format(cause=error_title(status.problem, tr))
    if status.settings.start_on_demand:
        return tr("Asleep: a request starts it")
    return tr("Asleep: start it here")


def _download_line(progress: Progress, tr: Translate) -> str:
    words = progress_text(progress, tr)
    if progress.phase in _TRANSFERRING:
        return tr("Downloading {name} — {progress}").format(name=progress.name, progress=words)
    return tr("{name} — {progress}").format(name=progress.name, progress=words)


def _event_of(parts: tuple[Progress, ...]) -> tuple[tuple[int, ...], Phase]:
    """What tells news of a model's downloads from what has been told."""
    return tuple(part.id for part in parts), merged(parts).phase


def _download_notice(parts: tuple[Progress, ...], tr: Translate) -> Notice | None:
    whole = merged(parts)
    name = whole.name if len(parts) == 1 else stem_of(whole.path)
    if whole.phase is Phase.DONE:
        return Notice(tr("Download finished"), name, Page.MODELS)
    if whole.phase is Phase.FAILED:
        text = f"{name}\n{error_title(whole.error, tr)}"
        return Notice(tr("Download failed"), text, Page.MODELS, failed=True)
    return None
