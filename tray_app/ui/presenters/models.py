"""The table of models: installed, offered by the catalogue, being fetched; one row for each file. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.download.progress import Phase
from tray_app.ui.presenters.wording import permille, progress_text, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.app import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.library import Model
    from tray_app.ui.presenters import Translate


class ModelAction(StrEnum):
    """What can be done with a row."""

    DOWNLOAD = "download"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    USE = "use"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One file: on disk, on its way, or on offer."""

    file_name: str
    """What the row is recognised by."""
    name: str
    kind: str
    size: str
    state: str
    note: str = ""
    permille: int | None = None
    """How far its download is, where there is one and its size is known."""
    chosen: bool = False
    actions: frozenset[ModelAction] = frozenset()
    reference: str = ""
    """What the setting `model` becomes when this row is used."""
    source: str = ""
    download_id: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the models folder and the catalogue hold, and which model is chosen: read off the GUI thread."""

    installed: tuple[Model, ...] = ()
    catalog: tuple[CatalogEntry, ...] = ()
    chosen: str | None = None
    """The file name of the chosen model, where the setting names one that is known."""


def facts_key(status: AppStatus) -> object:
    """Another one after a change that the facts may have to be read anew for."""
    finished = frozenset(progress.id for progress in status.downloads if progress.phase is Phase.DONE)
    return status.settings.model, status.settings.models_folder, finished


_RUNNING = frozenset({ModelAction.PAUSE, ModelAction.CANCEL})
_ACTIONS = {
    Phase.WAITING: _RUNNING,
    Phase.CONNECTING: _RUNNING,
    Phase.DOWNLOADING: _RUNNING,
    Phase.VERIFYING: frozenset({ModelAction.CANCEL}),
    Phase.PAUSED: frozenset({ModelAction.RESUME, ModelAction.CANCEL}),
    Phase.FAILED: frozenset({ModelAction.RESUME, ModelAction.CANCEL}),
    Phase.CANCELLED: frozenset({ModelAction.RESUME}),
    Phase.DONE: frozenset({ModelAction.USE}),
}


def model_rows(facts: ModelFacts, downloads: Iterable[Progress], tr: Translate) -> tuple[ModelRow, ...]:
    """Installed models, then downloads, then what the catalogue offers besides."""
    rows = {model.path.name: _installed_row(model, facts, tr) for model in facts.installed}
    offers = {entry.file_name: _offer_row(entry, facts, tr) for entry in facts.catalog}
    for progress in downloads:
        name = progress.path.name
        if progress.phase is not Phase.DONE or name not in rows:
            rows[name] = _download_row(progress, offers.get(name), tr)
    return tuple((rows | {name: row for name, row in offers.items() if name not in rows}).values())


def offer_size(entry: CatalogEntry, tr: Translate) -> str:
    """How large the download of a catalogue's model is, as far as the catalogue knows."""
    if not entry.size_bytes:
        return ""
    size = size_text(entry.size_bytes, tr)
    return tr("about {size}").format(size=size) if entry.size_is_approximate else size


def _installed_row(model: Model, facts: ModelFacts, tr: Translate) -> ModelRow:
    chosen = model.path.name == facts.chosen
    kind = tr("Sparse") if model.header.sparse else tr("Dense")
    notes = {entry.file_name: entry.note for entry in facts.catalog}
    return ModelRow(
        file_name=model.path.name,
        name=tr.said(model.name),
        kind=f"{kind} · {model.header.quantization}",
        size=size_text(model.size_bytes, tr),
        state=tr("Chosen") if chosen else tr("Installed"),
        note=tr.said(notes.get(model.path.name, "")),
        chosen=chosen,
        actions=frozenset() if chosen else frozenset({ModelAction.USE}),
        reference=model.id,
    )


def _offer_row(entry: CatalogEntry, facts: ModelFacts, tr: Translate) -> ModelRow:
    chosen = entry.file_name == facts.chosen
    return ModelRow(
        file_name=entry.file_name,
        name=tr.said(entry.name),
        kind="",
        size=offer_size(entry, tr),
        state=tr("Chosen, not downloaded") if chosen else tr("Not downloaded"),
        note=tr.said(entry.note),
        chosen=chosen,
        actions=frozenset({ModelAction.DOWNLOAD}),
        reference=entry.id,
        source=entry.source,
    )


def _download_row(progress: Progress, offer: ModelRow | None, tr: Translate) -> ModelRow:
    finished = progress.phase is Phase.DONE
    return ModelRow(
        file_name=progress.path.name,
        name=offer.name if offer else progress.name,
        kind="",
        size=size_text(progress.total_bytes, tr) if progress.total_bytes else "",
        state=progress_text(progress, tr),
        note=offer.note if offer else "",
        permille=None if finished else permille(progress),
        actions=_ACTIONS[progress.phase],
        reference=offer.reference if offer else progress.path.name,
        download_id=progress.id,
    )
