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
    """What the models folder and the catalog hold, and which model is chosen: read off the GUI thread."""

    installed: tuple[Model, ...] = ()
    catalog: tuple[CatalogEntry, ...] = ()
    chosen: str | None = None
    """The id of the chosen model, where the setting names one that is known."""
    unusable: tuple[Unusable, ...] = ()
    partials: tuple[Partial, ...] = ()
    reports: Mapping[str, ModelReport] = field(default_factory=dict)
    """By id, where something can be said."""
    recommended: tuple[Recommendation, ...] = ()
    """What suits this machine and the person's language, the first first."""
    missing_folder: Path | None = None
    """The folder that was chosen for models, while it is not there."""
    finished: frozenset[int] = frozenset()
    """The downloads that had ended well before the folder was read: what they brought is listed, or gone."""
    newer: Mapping[str, str] = field(default_factory=dict)
    """By the ids of models whose file has changed at its source since it came, where that is."""


def facts_key(status: AppStatus) -> object:
    """Another one after a change that the facts may have to be read anew for."""
    settings = status.settings
    names = settings.model, aliases_of(settings)
    return names, settings.models_folder, finished_downloads(status.downloads), status.folder_changes


def finished_downloads(downloads: Iterable[Progress]) -> frozenset[int]:
    """Those whose file is there."""
    return frozenset(progress.id for progress in downloads if progress.phase is Phase.DONE)
