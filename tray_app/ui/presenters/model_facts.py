"""What was read of the models folder and the catalog, and when it has to be read again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tray_app.download.progress import Phase
from tray_app.settings.model_settings import aliases_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.engine.report import ModelReport
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.model import Model, Unusable
    from tray_app.models.model_files import Partial
    from tray_app.models.recommend import Recommendation


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The models folder, the catalog, and which model is chosen, as read off the GUI thread."""

    installed: tuple[Model, ...] = ()
    catalog: tuple[CatalogEntry, ...] = ()
    chosen: str | None = None
    """The id of the chosen model, if the setting names a known one."""
    unusable: tuple[Unusable, ...] = ()
    partials: tuple[Partial, ...] = ()
    reports: Mapping[str, ModelReport] = field(default_factory=dict)
    """By the ids of models about which something is known."""
    recommended: tuple[Recommendation, ...] = ()
    """What suits this computer and the person's language, best first."""
    missing_folder: Path | None = None
    """The chosen models folder, if it is missing."""
    finished: frozenset[int] = frozenset()
    """The downloads that were complete before the folder was read, so that their files are listed or gone."""
    newer: Mapping[str, str] = field(default_factory=dict)
    """By the ids of models whose file has changed at its source since the download, its address there."""


def facts_key(status: AppStatus) -> object:
    """A value that differs after a change for which the facts may have to be read again."""
    settings = status.settings
    names = settings.model, aliases_of(settings)
    return names, settings.models_folder, finished_downloads(status.downloads), status.folder_changes


def finished_downloads(downloads: Iterable[Progress]) -> frozenset[int]:
    """The numbers of the downloads that are complete."""
    return frozenset(progress.id for progress in downloads if progress.phase is Phase.DONE)
