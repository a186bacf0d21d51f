"""Results of a search of Hugging Face, and the files of one repository. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tray_app.app.discovery import projector_of
from tray_app.download.file_names import safe_name
from tray_app.models.header import Purpose
from tray_app.models.hub import Sort
from tray_app.phrases import presentable
from tray_app.ui.presenters.formatting import error_lines, size_text
from tray_app.ui.presenters.model_list import purpose_symbol, purpose_word
from tray_app.ui.presenters.offers import (
    OfferAction,
    OfferRow,
    as_it_is,
    by_file,
    judged,
    languages_text,
    license_text,
)
from tray_app.ui.presenters.verdict import fit_reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.app.discovery import OfferedModel, RepositoryReport
    from tray_app.engine.report import ModelReport
    from tray_app.models.hub import HubFile, HubModel, HubQuantization
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.models import ModelRow

MOST_FILES = 200
"""Files of a repository that are shown."""
_BILLION = 1_000_000_000
_MILLION = 1_000_000
_PURPOSES = {
    "feature-extraction": Purpose.EMBEDDING,
    "sentence-similarity": Purpose.EMBEDDING,
    "text-generation": Purpose.CHAT,
    "image-text-to-text": Purpose.CHAT,
    "text-ranking": Purpose.RERANK,
}
_SEES = "image-text-to-text"


@dataclass(frozen=True, slots=True)
class Sight:
    """A projector that may come with a model."""

    address: str
    size: str


@dataclass(frozen=True, slots=True)
class RepositoryView:
    """The files of a repository."""

    best: OfferRow | None
    """The best one for this computer."""
    sight: Sight | None
    """The projector with which its model takes pictures."""
    files: tuple[OfferRow, ...]
    """The others, the smallest first."""
    too_large: tuple[OfferRow, ...]
    """Those that do not fit into this computer's memory."""


def sort_label(sort: Sort, tr: Translate) -> str:
    """The title of an order of results."""
    match sort:
        case Sort.DOWNLOADS:
            return tr("Most downloads")
        case Sort.LIKES:
            return tr("Most likes")
        case Sort.TRENDING:
            return tr("Trending")
        case Sort.NEWEST:
            return tr("Recently updated")


def repository_rows(repositories: Iterable[HubModel], tr: Translate) -> tuple[OfferRow, ...]:
    """A row for each repository that was found."""
    return tuple(_repository_row(each, tr) for each in repositories)


def hub_facts(model: HubModel, tr: Translate) -> tuple[str, ...]:
    """What the results of a search tell about a repository, in a few words."""
    return (*_measures(model, tr), *_terms(model, tr))


def _measures(model: HubModel, tr: Translate) -> tuple[str, ...]:
    """Downloads, likes and size."""
    likes = model.likes
    facts = (
        _downloads(model.downloads, tr),
        "" if likes is None else f"♥ {tr.number(likes)}",
        _parameters(model.parameters, tr),
    )
    return tuple(filter(None, facts))


def _terms(model: HubModel, tr: Translate) -> tuple[str, ...]:
    """License, languages and date."""
    facts = (license_text(model.license, tr), languages_text(model.languages, tr), model.modified)
    return tuple(filter(None, facts))


def repository_view(report: RepositoryReport, rows: Iterable[ModelRow], tr: Translate) -> RepositoryView:
    """The files of a repository, with the state of those that are on this computer."""
    here = by_file(rows)
    alone = len(report.models) == 1
    found = [row for model in report.models for row in _of_model(report, model, tr, alone=alone)]
    found = [as_it_is(row, here.get(safe_name(_name(row.key))), tr) for row in found[:MOST_FILES]]
    best = next((row for row in found if row.best), None)
    others = [row for row in found if row is not best]
    if best is None and not others:  # projectors alone
        others = [_projector_row(report, file, tr) for file in report.files.projectors[:MOST_FILES]]
    return RepositoryView(
        best,
        _sight(report, tr) if best else None,
        tuple(row for row in others if not row.too_large or row.model_id),
        tuple(row for row in others if row.too_large and not row.model_id),
    )


def repository_notes(report: RepositoryReport, tr: Translate) -> tuple[str, ...]:
    """Sentences about all files of a repository."""
    notes = []
    count = sum(len(model.quantizations) for model in report.models)
    if not report.models:
        notes.append(tr("There is no GGUF model in this repository."))
    for model in report.models:
        if model.problem:
            notes.append(" ".join((tr("Whether they fit is not known."), *error_lines(model.problem, tr))))
        elif model.reports and model.reports[0].obstacle:
            notes.append(fit_reason(model.reports[0], tr))
        elif model.reports and model.best is None:
            notes.append(tr("None of them fits in this computer's memory. Look for a smaller model."))
    if count > MOST_FILES or not report.files.complete:
        notes.append(tr("The repository has more files than are shown."))
    return tuple(dict.fromkeys(notes))


def too_large_text(count: int, tr: Translate, *, shown: bool) -> str:
    """The label of the button that shows or hides the files that do not fit."""
    if shown:
        return tr("Hide files that are too large")
    return tr.count(
        "{count} file is too large for this computer", "{count} files are too large for this computer", count
    )


def _repository_row(model: HubModel, tr: Translate) -> OfferRow:
    owner, _, name = model.repository.partition("/")
    purpose = _PURPOSES.get(model.task)
    chips = (
        purpose_word(purpose, tr),
        tr("Vision") if model.task == _SEES else "",
        tr("Sign-in needed") if model.gated else "",
    )
    return OfferRow(
        key=model.repository,
        title=name,
        facts=(owner, *_measures(model, tr)),
        note=" · ".join(_terms(model, tr)),
        action=OfferAction.FILES,
        symbol=purpose_symbol(purpose),
        chips=tuple(filter(None, chips)),
    )


def _of_model(
    report: RepositoryReport, model: OfferedModel, tr: Translate, *, alone: bool
) -> Iterable[OfferRow]:
    best = model.best.quantization if model.best else None
    verdicts: dict[HubQuantization, ModelReport] = dict(zip(model.quantizations, model.reports, strict=False))
    for each in model.quantizations:
        count = len(each.files)
        name = presentable(_name(each.path))
        row = OfferRow(
            key=report.files.repository.address(each.path),
            title=each.label if alone and each.label else name,
            facts=(
                size_text(each.size_bytes, tr),
                *((tr.count("{count} file", "{count} files", count),) if count > 1 else ()),
                *((name,) if alone and each.label else ()),
            ),
            note=tr.said(model.best.reason) if model.best and each == best else "",
            best=each == best,
            action=OfferAction.DOWNLOAD,
            symbol="file-text",
            size=size_text(each.size_bytes, tr),
        )
        yield judged(row, verdicts.get(each), tr)


def _projector_row(report: RepositoryReport, file: HubFile, tr: Translate) -> OfferRow:
    size = size_text(file.size_bytes, tr)
    return OfferRow(
        key=report.files.repository.address(file.path),
        title=presentable(_name(file.path)),
        facts=(size, tr("With this file beside it, the model sees pictures.")),
        action=OfferAction.DOWNLOAD,
        symbol="eye",
        size=size,
    )


def _sight(report: RepositoryReport, tr: Translate) -> Sight | None:
    best = next((model.best for model in report.models if model.best), None)
    found = projector_of(report.files, best.quantization.path) if best else None
    if found is None:
        return None
    return Sight(report.files.repository.address(found.path), size_text(found.size_bytes, tr))


def _downloads(count: int | None, tr: Translate) -> str:
    if count is None:
        return ""
    if count >= _MILLION:
        return tr("{number} M downloads").format(number=tr.number(count / _MILLION, 1))
    return tr.count("{count} download", "{count} downloads", count)


def _parameters(count: int | None, tr: Translate) -> str:
    """The number of parameters."""
    if not count:
        return ""
    if count >= _BILLION:
        return tr("{number} B parameters").format(number=tr.number(count / _BILLION, 1))
    return tr("{number} M parameters").format(number=tr.number(count / _MILLION))


def _name(path: str) -> str:
    return PurePosixPath(path).name
