"""Notifications: what a person is told once, when it happens, and the page that explains it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.download.progress import Phase
from tray_app.engine.builds.installation import InstallPhase
from tray_app.engine.lifecycle import State
from tray_app.models.model_files import stem_of
from tray_app.ui.presenters.downloads import merged, of_one_model
from tray_app.ui.presenters.formatting import error_text, error_title
from tray_app.ui.presenters.origins import title_of

if TYPE_CHECKING:
    from tray_app.app.release import Release
    from tray_app.app.status import AppStatus, Problem
    from tray_app.download.progress import Progress
    from tray_app.engine.builds.installation import Installation
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.phrases import Translate


NoticeKey = tuple[str, str, str]
"""The build, title and message of a notice."""


class Page(StrEnum):
    """The pages of the window."""

    HOME = "home"
    MODELS = "models"
    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    ENGINES = "engines"
    LOGS = "logs"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification; a click on it opens `page`."""

    title: str
    text: str
    page: Page


def key_of(notice: Problem) -> NoticeKey:
    """What distinguishes a notice in `AppStatus.notices` from others."""
    return notice.build_id, notice.error.title, notice.error.message


def notices(old: AppStatus, new: AppStatus, tr: Translate) -> tuple[Notice, ...]:
    """What happened between two statuses that is worth a notification, each event once."""
    before = {_event_of(parts) for parts in of_one_model(old.downloads).values()}
    found = [
        notice
        for parts in of_one_model(new.downloads).values()
        if _event_of(parts) not in before and (notice := _download_notice(parts, tr))
    ]
    told = set(map(key_of, old.notices))
    found += [
        Notice(error_title(each.error, tr), tr.said(each.error.texts[1]), Page.HOME)
        for each in new.notices
        if key_of(each) not in told
    ]
    if engine := _engine_notice(old.installation, new.installation, tr):
        found.append(engine)
    if new.pool.main.gets_no_further and (
        old.engine.state is not new.engine.state or not old.pool.main.gets_no_further
    ):
        failure = new.engine.failure
        text = error_text(failure, tr) if failure else ""
        found.append(Notice(error_title(failure, tr), text, Page.HOME))
    if _came_back(old.engine, new.engine):
        # One notification for the whole event: while the server is down, the icon shows it.
        cause = error_title(old.engine.failure, tr) if old.engine.failure else tr("See the log for details.")
        found.append(Notice(tr("The server crashed and was restarted"), cause, Page.HOME))
    if (newer := new.updates.newer) and newer.version != _newer_version(old):
        found.append(Notice(update_title(newer, tr), tr("Open Home to see what is new."), Page.HOME))
    asking = [origin for origin in new.refused_origins if origin not in old.refused_origins]
    if asking:  # only one, even if a page asks under many names: the window shows all
        text = tr("Its requests are refused until you decide. Open Home to answer.")
        found.append(Notice(title_of(asking[0], tr), text, Page.HOME))
    return tuple(found)


def update_title(release: Release, tr: Translate) -> str:
    """That there is a new version."""
    return tr("Version {version} is available").format(version=release.version)


def _newer_version(status: AppStatus) -> str:
    return status.updates.newer.version if status.updates.newer else ""


def _came_back(old: EngineSnapshot, new: EngineSnapshot) -> bool:
    """Whether the engine answers again after a crash, even if the statuses between were skipped."""
    if new.state is not State.READY:
        return False
    return new.restarts > (old.restarts if old.state is State.READY else 0)


def _event_of(parts: tuple[Progress, ...]) -> tuple[tuple[int, ...], Phase]:
    """What distinguishes an event of a model's downloads from those that were told already."""
    return tuple(part.id for part in parts), merged(parts).phase


def _download_notice(parts: tuple[Progress, ...], tr: Translate) -> Notice | None:
    whole = merged(parts)
    name = whole.name if len(parts) == 1 else stem_of(whole.path)
    if whole.phase is Phase.DONE:
        return Notice(tr("Download finished"), name, Page.MODELS)
    if whole.phase is Phase.FAILED:
        text = f"{name}\n{error_title(whole.error, tr)}"
        return Notice(tr("Download failed"), text, Page.MODELS)
    return None


def _engine_notice(old: Installation | None, new: Installation | None, tr: Translate) -> Notice | None:
    """That an engine has been installed, or could not be."""
    if new is None or (old is not None and (old.build_id, old.phase) == (new.build_id, new.phase)):
        return None
    if new.phase is InstallPhase.DONE:
        return Notice(tr("Engine installed"), new.build_id, Page.ENGINES)
    if new.phase is InstallPhase.FAILED:
        text = f"{new.build_id}\n{error_title(new.error, tr)}"
        return Notice(tr("An engine could not be installed"), text, Page.ENGINES)
    return None
