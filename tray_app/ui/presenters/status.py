"""The server's state as the shape of the icon and as a line, and the current download. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.app.server_status import ServerState, planned_url
from tray_app.app.status import ProblemSource
from tray_app.download.progress import Phase
from tray_app.ui.presenters.downloads import of_one_model
from tray_app.ui.presenters.engines import loading_engines, model_name, ready_engines
from tray_app.ui.presenters.formatting import error_title, permille, progress_text
from tray_app.ui.presenters.origins import origin_question

if TYPE_CHECKING:
    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.phrases import Translate


class IconShape(StrEnum):
    """The shapes of the icon, which differ not only in color."""

    HOLLOW = "hollow"
    ARROW = "arrow"
    RING = "ring"
    ARC = "arc"
    SOLID = "solid"
    BADGE = "badge"
    MOON = "moon"


_SIGNS = {
    IconShape.HOLLOW: "○",
    IconShape.ARROW: "○",
    IconShape.RING: "◐",
    IconShape.ARC: "◐",
    IconShape.SOLID: "●",
    IconShape.BADGE: "⚠",
    IconShape.MOON: "○",
}
_TRANSFERRING = (Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING)


def shape_of(status: AppStatus) -> IconShape:  # noqa: PLR0911 - one for each state
    """The shape for a status: by the engine's state, else by a running download, else by what is missing."""
    match status.server.state:
        case ServerState.FAILED | ServerState.RESTARTING | ServerState.WAITING:
            return IconShape.BADGE
        case ServerState.STARTING | ServerState.LOADING:
            return IconShape.ARC
        case ServerState.READY:
            return IconShape.SOLID
        case ServerState.STOPPING:
            return IconShape.HOLLOW
        case ServerState.ASLEEP if ready_engines(status):
            return IconShape.SOLID
        case ServerState.ASLEEP if loading_engines(status):
            return IconShape.ARC
        case ServerState.PREPARING | ServerState.ASLEEP | ServerState.STOPPED as state:
            return _shape_without_engine(status, state)


def sign_of(status: AppStatus) -> str:
    """The state as a sign beside words, as in rows of models."""
    return _SIGNS[shape_of(status)]


def ring_of(status: AppStatus) -> int | None:
    """How far the icon's ring is filled, 0 to 1000; None without a ring, or if the size is not known."""
    current = current_download(status)
    return permille(current) if current and shape_of(status) is IconShape.RING else None


def state_line(status: AppStatus, now_s: float, tr: Translate) -> str:  # noqa: PLR0911 - as above
    """The state in one line. While the chosen model sleeps or has failed, others may answer."""
    model = tr.said(status.model_name or "") or tr("the model")
    ready = ready_engines(status)
    match status.server.state:
        case ServerState.FAILED | ServerState.RESTARTING | ServerState.WAITING as state:
            line = _failure_line(state, error_title(status.problem, tr), tr, others=bool(ready))
            return (
                tr("{state} · {others}").format(state=line, others=_others(len(ready), tr)) if ready else line
            )
        case ServerState.STARTING | ServerState.LOADING:
            return _loading_line(model, status.engine, now_s, tr)
        case ServerState.READY | ServerState.ASLEEP if len(ready) > 1:
            return tr.count("Ready: {count} model loaded", "Ready: {count} models loaded", len(ready))
        case ServerState.ASLEEP if ready:
            return tr("Ready — {model}").format(model=model_name(ready[0], status, tr))
        case ServerState.ASLEEP if loading := loading_engines(status):
            return _loading_line(model_name(loading[0], status, tr), loading[0].engine, now_s, tr)
        case ServerState.READY:
            return tr("Ready — {model}").format(model=model)
        case ServerState.STOPPING:
            return tr("Stopping {model} …").format(model=model)
        case ServerState.PREPARING | ServerState.ASLEEP | ServerState.STOPPED as state:
            return _headline_without_engine(status, state, tr)


def address_hint(status: AppStatus, tr: Translate) -> str:
    """What is shown in place of the address while the server is stopped."""
    return tr("{address}, once the server is started").format(address=planned_url(status.settings))


def current_download(status: AppStatus) -> Progress | None:
    """The download that the tray shows: the running one, else the first one that waits or is paused."""
    for phases in (_TRANSFERRING, (Phase.WAITING,), (Phase.PAUSED,)):
        for progress in status.downloads:
            if progress.phase in phases:
                return progress
    return None


def current_parts(status: AppStatus) -> tuple[int, ...]:
    """The downloads for Pause and Resume: the one that the tray shows, and those of the same model."""
    current = current_download(status)
    for parts in of_one_model(status.downloads).values():
        if current in parts:
            return tuple(part.id for part in parts)
    return ()


def announcement(old: AppStatus, new: AppStatus, now_s: float, tr: Translate) -> str:
    """What a screen reader says about the change between two statuses; empty for small changes.

    It says changes of the state and of the number of ready models, every quarter of a download, and questions
    about an app or a page.
    """
    question = origin_question(new, tr)
    if question and new.refused_origins[0] not in old.refused_origins[:1]:
        return "\n".join(filter(None, (_course(old, new, now_s, tr), question.title)))
    return _course(old, new, now_s, tr)


def _course(old: AppStatus, new: AppStatus, now_s: float, tr: Translate) -> str:
    """What is said about the server and the downloads."""
    loaded = len(ready_engines(new)) != len(ready_engines(old))
    if old.server.state is not new.server.state or (loaded and new.server.base_url):
        return state_line(new, now_s, tr)
    before, current = current_download(old), current_download(new)
    if current is None:
        return ""
    begun = before is None or (before.id, before.phase) != (current.id, current.phase)
    if begun or _quarters(before) != _quarters(current):
        return download_line(current, tr)
    return ""


def download_line(progress: Progress, tr: Translate) -> str:
    """A download with its progress in one line."""
    words = progress_text(progress, tr)
    if progress.phase in _TRANSFERRING:
        return tr("Downloading {name} — {progress}").format(name=progress.name, progress=words)
    return tr("{name} — {progress}").format(name=progress.name, progress=words)


def _loading_line(model: str, engine: EngineSnapshot, now_s: float, tr: Translate) -> str:
    seconds = max(0, int(now_s - engine.since_s))
    return tr("Loading {model} … {seconds} s").format(model=model, seconds=seconds)


def _others(count: int, tr: Translate) -> str:
    return tr.count("{count} other model is ready", "{count} other models are ready", count)


def _failure_line(state: ServerState, cause: str, tr: Translate, *, others: bool) -> str:
    if state is ServerState.RESTARTING:
        return tr("Restarting: {cause}").format(cause=cause)
    if state is ServerState.WAITING:
        return tr("Waiting: {cause}").format(cause=cause)
    if others:  # the server is still running
        return tr("Failed: {cause}").format(cause=cause)
    return tr("Stopped: {cause}").format(cause=cause)


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
        return download_line(current, tr)
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
    """What wakes the server, or why it could not wake."""
    if status.has_problem(ProblemSource.START):
        return tr("Asleep: {cause}").format(cause=error_title(status.problem, tr))
    if status.wakes_on_request:
        return tr("Asleep: a request starts it")
    return tr("Asleep: start it here")


def _quarters(progress: Progress | None) -> int:
    """How many quarters of a download have arrived, 0 to 4."""
    share = permille(progress) if progress else None
    return 0 if share is None else share // 250
