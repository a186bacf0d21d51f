"""A row for each model: installed, being downloaded, unusable, or available in the catalog. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.download.progress import Phase
from tray_app.models.model_files import stem_of
from tray_app.models.outdated import Freshness
from tray_app.phrases import presentable
from tray_app.ui.presenters.downloads import merged, merged_permille, merged_text, of_one_model
from tray_app.ui.presenters.engines import Standing, standing
from tray_app.ui.presenters.formatting import error_lines, error_title, size_text
from tray_app.ui.presenters.tone import Tone
from tray_app.ui.presenters.verdict import fit_piece, fit_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tray_app.app.status import AppStatus
    from tray_app.download.progress import Progress
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.engine.report import ModelReport
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.header import Purpose
    from tray_app.models.model import Model, Unusable
    from tray_app.models.model_files import Partial
    from tray_app.models.outdated import Comparison
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.list_row import Piece
    from tray_app.ui.presenters.model_facts import ModelFacts


class ModelAction(StrEnum):
    """What can be done with a row."""

    USE = "use"
    LOAD = "load"
    UNLOAD = "unload"
    DOWNLOAD = "download"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    """Stop the download, or the work on the file."""
    VERIFY = "verify"
    QUANTIZE = "quantize"
    REVEAL = "reveal"
    REMOVE = "remove"
    SETTINGS = "settings"
    """Open the settings of this model."""
    INFORM = "inform"
    """Show all that is known about it."""


class RowKind(StrEnum):
    """What a row stands for."""

    INSTALLED = "installed"
    DOWNLOAD = "download"
    PARTIAL = "partial"
    """A part of a download that is no longer in the queue."""
    UNUSABLE = "unusable"
    OFFER = "offer"
    WORK = "work"
    """A file that is being imported or made."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model: installed, being downloaded, or available."""

    id: str
    """The model's id, as in the setting `model`; the name of the file while it has none."""
    name: str
    sort: RowKind
    kind: str = ""
    quantization: str = ""
    context: str = ""
    size: str = ""
    size_bytes: int = 0
    fit: Piece | None = None
    """Whether it fits in this computer's memory, if that is known."""
    state: str = ""
    tone: Tone = Tone.NEUTRAL
    """Whether the state is good or bad news."""
    standing: Standing = Standing.UNLOADED
    purpose: Purpose | None = None
    sees: bool = False
    """Whether it takes pictures."""
    details: tuple[str, ...] = ()
    """More about it, in sentences."""
    permille: int | None = None
    """How far its download or the work on it is, 0 to 1000; None if nothing is under way."""
    chosen: bool = False
    actions: frozenset[ModelAction] = frozenset()
    source: str = ""
    path: Path | None = None
    """Its file, complete or not, if there is one or will be."""
    downloads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FileJob:
    """Long work on a file that is under way."""

    verb: str
    """What is being done, in the person's language, such as `Checking`."""
    done: int = 0
    total: int = 0

    @property
    def permille(self) -> int:
        """How far it is, 0 to 1000."""
        return min(1000, self.done * 1000 // self.total) if self.total else 0


_RUNNING = frozenset({ModelAction.PAUSE, ModelAction.CANCEL})
_RESTING = frozenset({ModelAction.RESUME, ModelAction.CANCEL, ModelAction.REVEAL})
_ACTIONS = {
    Phase.WAITING: _RUNNING,
    Phase.CONNECTING: _RUNNING,
    Phase.DOWNLOADING: _RUNNING,
    Phase.VERIFYING: frozenset({ModelAction.CANCEL}),
    Phase.PAUSED: _RESTING,
    Phase.FAILED: _RESTING,
    Phase.CANCELLED: frozenset({ModelAction.RESUME, ModelAction.REMOVE, ModelAction.REVEAL}),
    Phase.DONE: frozenset({ModelAction.USE}),
}
_AT_WORK = frozenset({ModelAction.CANCEL, ModelAction.REVEAL})


@dataclass(frozen=True, slots=True)
class SettledRows:
    """The rows of the folder and of the catalog, which change only with the facts."""

    facts: ModelFacts
    found: Mapping[str, ModelRow]
    """Rows of installed models and of unusable files, by id."""
    partials: Mapping[Path, ModelRow]
    """Rows of parts of downloads, by the file that they would become."""
    offers: Mapping[str, ModelRow]
    """Rows of the catalog's models, installed or not, by id."""


def settled_rows(facts: ModelFacts, tr: Translate) -> SettledRows:
    """Make the rows. Slow with thousands of models, so not for the GUI thread."""
    return SettledRows(
        facts,
        found={model.id: _installed_row(model, facts, tr) for model in facts.installed}
        | {unusable.id: _unusable_row(unusable, tr) for unusable in facts.unusable},
        partials={partial.final: _partial_row(partial, tr) for partial in facts.partials},
        offers={entry.id: _offer_row(entry, facts, tr) for entry in facts.catalog},
    )


def model_rows(
    settled: SettledRows, status: AppStatus, works: Mapping[str, FileJob], tr: Translate
) -> tuple[ModelRow, ...]:
    """Installed models, downloads and unusable files, then the other models of the catalog."""
    rows = dict(settled.found)
    for engine in status.pool.engines:
        if (row := rows.get(engine.model_id or "")) and row.sort is RowKind.INSTALLED:
            rows[row.id] = _with_engine(row, engine, tr)
    ids = {row.path: row.id for row in rows.values()}
    offered = {entry.file_name: entry.id for entry in settled.facts.catalog}
    fetched: set[Path] = set()
    for path, parts in of_one_model(status.downloads).items():
        fetched |= {part.path for part in parts}
        if _is_news(merged(parts), settled.facts):
            model_id = ids.get(path) or offered.get(path.name) or presentable(path.name)
            rows[model_id] = _download_row(model_id, path, parts, settled.offers.get(model_id), tr)
    for path, row in settled.partials.items():
        if path not in fetched and path not in ids:
            name = row.id if row.id not in rows else presentable(path)
            rows[name] = replace(row, id=name)
    rows |= {entry_id: row for entry_id, row in settled.offers.items() if entry_id not in rows}
    for name, work in works.items():
        rows[name] = _at_work(rows.get(name) or ModelRow(name, presentable(name), RowKind.WORK), work, tr)
    return tuple(rows.values())


def _is_news(download: Progress, facts: ModelFacts) -> bool:
    """Whether a download tells more than the folder does."""
    match download.phase:
        case Phase.DONE:
            return download.id not in facts.finished
        case Phase.CANCELLED:
            return download.received_bytes > 0
    return True


def offer_size(entry: CatalogEntry, tr: Translate) -> str:
    """The size of the download of a model of the catalog; empty if it is not known."""
    if not entry.size_bytes:
        return ""
    size = size_text(entry.download_bytes, tr)
    return tr("≈ {size}").format(size=size) if entry.size_is_approximate else size


def terms_text(entry: CatalogEntry, tr: Translate) -> str:
    """What a person has to do before the download of a model of the catalog; empty if nothing."""
    return tr("Its publisher wants you to sign in and accept terms first.") if entry.gated else ""


def kind_text(tr: Translate, *, sparse: bool) -> str:
    """Which kind of model it is: sparse or regular."""
    return tr("Sparse") if sparse else tr("Regular")


def _installed_row(model: Model, facts: ModelFacts, tr: Translate) -> ModelRow:
    chosen = model.id == facts.chosen
    entry = next((each for each in facts.catalog if each.id == model.id), None)
    comes_with_app = entry is not None and entry.builtin
    report = facts.reports.get(model.id)
    context = model.header.context_length
    place = presentable(model.path)
    if model.app:
        place = tr("Used from {app}, where it is: {path}").format(app=model.app, path=place)
    needs = tr("A sparse model runs on PowerInfer alone.") if model.header.sparse else ""
    newer = facts.newer.get(model.id)
    permitted = {ModelAction.LOAD, ModelAction.VERIFY, ModelAction.QUANTIZE, ModelAction.REVEAL}
    permitted |= set() if chosen else {ModelAction.USE}
    permitted |= set() if comes_with_app else {ModelAction.REMOVE}
    return ModelRow(
        id=model.id,
        name=tr.said(model.name),
        sort=RowKind.INSTALLED,
        kind=kind_text(tr, sparse=model.header.sparse),
        quantization=model.header.quantization,
        context=tr.number(context) if context else "",
        size=size_text(model.size_bytes, tr),
        size_bytes=model.size_bytes,
        fit=fit_piece(report, tr) if report else None,
        state=tr("Not loaded"),
        purpose=model.header.purpose,
        sees=model.sees,
        details=_sentences(
            tr.said(entry.note) if entry else "", report, needs, _changed(newer, tr), place, tr=tr
        ),
        chosen=chosen,
        actions=frozenset(permitted),
        path=model.path,
    )


def _changed(source: str | None, tr: Translate) -> str:
    """That a model's file has changed at its source; empty if it has not."""
    if source is None:
        return ""
    return tr(
        "Another file is at its source now: {source}. To have it, remove this one and download it again."
    ).format(source=presentable(source))


def newer_text(found: Iterable[Comparison], tr: Translate) -> tuple[str, str]:
    """The outcome of a check for newer files, as a title and a text."""
    newer = [tr.said(each.name) for each in found if each.freshness is Freshness.NEWER]
    unknown = [tr.said(each.name) for each in found if each.freshness is Freshness.UNKNOWN]
    if newer:
        title = tr.count("{count} model has a newer file", "{count} models have a newer file", len(newer))
    else:
        title = tr("No model has a newer file")
    texts = [", ".join(newer)]
    if newer:
        texts.append(
            tr("To have one, remove the model and download it again. Nothing is replaced by itself.")
        )
    if unknown:
        texts.append(tr("Not known of: {names}.").format(names=", ".join(unknown)))
    return title, "\n".join(filter(None, texts))


def _with_engine(row: ModelRow, engine: EngineStatus, tr: Translate) -> ModelRow:
    """The row of a model, with the state of its engine."""
    now = standing(engine)
    match now:
        case Standing.READY:
            state, tone = tr("Loaded"), Tone.GOOD
        case Standing.LOADING | Standing.QUEUED:
            state, tone = tr("Loading …"), Tone.PLAIN
        case Standing.FAILED:
            cause = engine.engine.failure
            return replace(
                row,
                state=tr("Failed: {cause}").format(cause=error_title(cause, tr)),
                tone=Tone.BAD,
                standing=now,
                details=(*(error_lines(cause, tr) if cause else ()), *row.details),
            )
        case _:
            return row
    actions = row.actions - {ModelAction.LOAD} | {ModelAction.UNLOAD}
    return replace(row, state=state, tone=tone, standing=now, actions=actions)


def _offer_row(entry: CatalogEntry, facts: ModelFacts, tr: Translate) -> ModelRow:
    chosen = entry.id == facts.chosen
    report = facts.reports.get(entry.id)
    license_line = tr("License: {license}.").format(license=entry.license) if entry.license else ""
    return ModelRow(
        id=entry.id,
        name=tr.said(entry.name),
        sort=RowKind.OFFER,
        kind=kind_text(tr, sparse=entry.sparse),
        size=offer_size(entry, tr),
        size_bytes=entry.download_bytes,
        fit=fit_piece(report, tr) if report else None,
        state=tr("Not downloaded"),
        tone=Tone.WARNING if chosen else Tone.NEUTRAL,
        purpose=entry.purpose,
        sees=entry.sees,
        details=_sentences(tr.said(entry.note), report, terms_text(entry, tr), license_line, tr=tr),
        chosen=chosen,
        actions=frozenset({ModelAction.DOWNLOAD}),
        source=entry.id,  # with which its projector comes, too
    )


def _download_row(
    model_id: str, path: Path, parts: tuple[Progress, ...], offer: ModelRow | None, tr: Translate
) -> ModelRow:
    whole = merged(parts)
    finished = whole.phase is Phase.DONE
    error = whole.error
    held = tr("{size} have arrived.").format(size=size_text(whole.received_bytes, tr))
    return ModelRow(
        id=model_id,
        name=offer.name if offer else presentable(stem_of(path)),
        sort=RowKind.DOWNLOAD,
        kind=offer.kind if offer else "",
        size=size_text(whole.total_bytes, tr) if whole.total_bytes else offer.size if offer else "",
        size_bytes=whole.total_bytes or 0,
        fit=offer.fit if offer else None,
        state=merged_text(parts, tr),
        tone=Tone.BAD if error else Tone.PLAIN,
        purpose=offer.purpose if offer else None,
        sees=offer.sees if offer else False,
        details=(
            *((" ".join(error_lines(error, tr)),) if error else ()),
            held,
            *(offer.details if offer else ()),
        ),
        permille=None if finished else merged_permille(parts),
        chosen=offer.chosen if offer else False,
        actions=_ACTIONS[whole.phase],
        path=path,
        downloads=tuple(part.id for part in parts),
    )


def _unusable_row(unusable: Unusable, tr: Translate) -> ModelRow:
    words: tuple[str, ...]
    if unusable.arriving:
        state, words = tr("Being copied …"), (tr("It can be used as soon as all of it is here."),)
        permitted = {ModelAction.REVEAL}
    else:
        state, words = tr("Cannot be used"), error_lines(unusable.error, tr)
        permitted = {ModelAction.REVEAL, ModelAction.REMOVE}
    return ModelRow(
        id=unusable.id,
        name=unusable.name,
        sort=RowKind.UNUSABLE,
        size=size_text(unusable.size_bytes, tr),
        size_bytes=unusable.size_bytes,
        state=state,
        tone=Tone.PLAIN if unusable.arriving else Tone.BAD,
        details=(*words, presentable(unusable.path)),
        actions=frozenset(permitted),
        path=unusable.path,
    )


def _partial_row(partial: Partial, tr: Translate) -> ModelRow:
    return ModelRow(
        id=presentable(partial.final.name),
        name=presentable(stem_of(partial.final)),
        sort=RowKind.PARTIAL,
        size=size_text(partial.held_bytes, tr),
        size_bytes=partial.held_bytes,
        state=tr("Left by a download"),
        tone=Tone.WARNING,
        details=(
            tr("Nothing tells where it came from: download it again, or remove it to free the space."),
            presentable(partial.path),
        ),
        actions=frozenset({ModelAction.REMOVE, ModelAction.REVEAL}),
        path=partial.final,
    )


def _at_work(row: ModelRow, work: FileJob, tr: Translate) -> ModelRow:
    """A row with work under way, during which it only can be canceled or shown in its folder."""
    state = tr("{verb} {percent} %").format(verb=work.verb, percent=work.permille // 10)
    return replace(row, state=state, tone=Tone.PLAIN, permille=work.permille, actions=_AT_WORK)


def _sentences(note: str, report: ModelReport | None, *more: str, tr: Translate) -> tuple[str, ...]:
    return tuple(filter(None, (note, fit_reason(report, tr) if report else "", *more)))
