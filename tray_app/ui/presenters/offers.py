"""Models that could be had: of the catalogue, of Hugging Face, of other apps; one row for each. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tray_app.download.file_names import safe_name
from tray_app.models.catalog import MANY_LANGUAGES
from tray_app.models.header import Purpose
from tray_app.models.memory import Fit
from tray_app.phrases import presentable
from tray_app.ui.presenters.formatting import error_lines, size_text
from tray_app.ui.presenters.models import ModelAction, RowKind, offer_size
from tray_app.ui.presenters.verdict import fit_reason, fit_shape, fit_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tray_app.app.discovery import OfferedModel, RepositoryReport
    from tray_app.engine.report import ModelReport
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.found.found_model import FoundModel
    from tray_app.models.hub import HubFile, HubModel, HubQuantization
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.models import ModelFacts, ModelRow

MOST_FILES = 200
"""So many files of a repository are shown: nobody reads more, and thousands would hold up the window."""
_MOST_LANGUAGES = 4
_LONGEST_NAME = 60
"""Letters of a file's name: those of models are shorter, digests are longer."""
_BILLION = 1_000_000_000
_MILLION = 1_000_000
_FITS = (Fit.FITS, Fit.TIGHT, Fit.TOO_LARGE)


class OfferAction(StrEnum):
    """What the button of a row does."""

    FILES = "files"
    """Show the files of the repository."""
    DOWNLOAD = "download"
    USE = "use"
    ADOPT = "adopt"
    """Use the model of another app from where it is."""


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One model, repository or file."""

    key: str
    """What is asked for: an id of the catalogue, a repository, the address or the path of a file."""
    title: str
    facts: tuple[str, ...] = ()
    shape: str = ""
    """A sign for `state`, if it is a verdict."""
    state: str = ""
    """Whether it fits, or what is being done with it."""
    note: str = ""
    best: bool = False
    """Whether it is what suits this computer best."""
    action: OfferAction | None = None
    model_id: str = ""
    """What it is called, once it is here."""


def purpose_text(purpose: Purpose | None, tr: Translate) -> str:
    """What a model is for."""
    match purpose:
        case Purpose.EMBEDDING:
            return tr("For embeddings")
        case Purpose.CHAT:
            return tr("For chats")
        case Purpose.RERANK:
            return tr("For ranking texts")
    return ""


def languages_text(languages: Sequence[str], tr: Translate) -> str:
    """Which languages a model knows, by their codes."""
    if MANY_LANGUAGES in languages:
        return tr("more than 20 languages")
    more = len(languages) - _MOST_LANGUAGES
    return ", ".join(languages[:_MOST_LANGUAGES]) + (f" +{more}" if more > 0 else "")


def licence_text(licence: str, tr: Translate) -> str:
    """The licence with its label; empty if it is not known."""
    return tr("Licence: {licence}").format(licence=licence) if licence else ""


def entry_facts(entry: CatalogEntry, tr: Translate) -> tuple[str, ...]:
    """What the catalogue tells of a model, in few words."""
    facts = (
        offer_size(entry, tr),
        licence_text(entry.license, tr),
        languages_text(entry.languages, tr),
        tr("sees pictures") if entry.sees else "",
    )
    return tuple(filter(None, facts))


def catalog_rows(
    facts: ModelFacts, rows: Iterable[ModelRow], tr: Translate
) -> tuple[tuple[OfferRow, ...], tuple[OfferRow, ...]]:
    """What the catalogue has: models that run here, what suits best first; then those that do not."""
    here = _by_file(rows)
    chosen = {each.entry.id: each for each in facts.recommended}
    runs: list[tuple[int, OfferRow]] = []
    others = []
    for entry in facts.catalog:
        if entry.builtin:
            continue
        report = facts.reports.get(entry.id)
        terms = tr("Its publisher wants you to sign in and accept terms first.") if entry.gated else ""
        row = OfferRow(
            key=entry.id,
            title=tr.said(entry.name),
            facts=tuple(filter(None, (purpose_text(entry.purpose, tr), *entry_facts(entry, tr)))),
            note=" ".join(filter(None, (tr.said(entry.note), terms))),
            best=entry.id in chosen,
            action=OfferAction.DOWNLOAD,
        )
        row = _as_it_is(_judged(row, report, tr), here.get(entry.file_name))
        if report and (report.obstacle or report.verdict.fit is Fit.TOO_LARGE) and not row.model_id:
            others.append(replace(row, note=f"{row.note} {fit_reason(report, tr)}"))
        else:
            place = list(chosen).index(entry.id) if entry.id in chosen else len(chosen) + _rank(report)
            runs.append((place, row))
    return tuple(row for _, row in sorted(runs, key=lambda each: each[0])), tuple(others)


def repository_rows(repositories: Iterable[HubModel], tr: Translate) -> tuple[OfferRow, ...]:
    """What a search has found."""
    return tuple(
        OfferRow(
            key=each.repository,
            title=each.repository,
            facts=hub_facts(each, tr),
            note=tr("Its publisher wants you to sign in and accept terms first.") if each.gated else "",
            action=OfferAction.FILES,
        )
        for each in repositories
    )


def hub_facts(model: HubModel, tr: Translate) -> tuple[str, ...]:
    """What a search tells of a repository, in few words."""
    downloads, likes = model.downloads, model.likes
    facts = (
        _parameters(model.parameters, tr),
        "" if downloads is None else tr.count("{count} download", "{count} downloads", downloads),
        "" if likes is None else f"♥ {tr.number(likes)}",
        model.modified,
        licence_text(model.license, tr),
        languages_text(model.languages, tr),
    )
    return tuple(filter(None, facts))


def file_rows(report: RepositoryReport, rows: Iterable[ModelRow], tr: Translate) -> tuple[OfferRow, ...]:
    """The files of a repository: of each model the best one first, then by size; projectors come last."""
    here = _by_file(rows)
    alone = len(report.models) == 1
    found = [row for model in report.models for row in _of_model(report, model, tr, alone=alone)]
    found += [_projector_row(report, file, tr) for file in report.files.projectors]
    return tuple(_as_it_is(row, here.get(safe_name(_name(row.key)))) for row in found[:MOST_FILES])


def repository_notes(report: RepositoryReport, tr: Translate) -> tuple[str, ...]:
    """What there is to say of all files of a repository, in sentences."""
    notes = []
    count = sum(len(model.quantizations) for model in report.models) + len(report.files.projectors)
    if not report.models:
        notes.append(tr("There is no GGUF model in this repository."))
    for model in report.models:
        if model.problem:
            notes.append(" ".join((tr("Whether they fit is not known."), *error_lines(model.problem, tr))))
        elif model.reports and model.reports[0].obstacle:
            notes.append(fit_reason(model.reports[0], tr))
        elif model.reports and model.best is None:
            notes.append(tr("None fits into this computer's memory. Look for a smaller model."))
    if count > MOST_FILES or not report.files.complete:
        notes.append(tr("The repository has more files than are shown."))
    return tuple(dict.fromkeys(notes))


def found_rows(models: Iterable[FoundModel], tr: Translate) -> tuple[OfferRow, ...]:
    """The models of other apps."""
    return tuple(
        OfferRow(
            key=str(each.path),
            title=each.name,
            facts=(str(each.app), size_text(each.size_bytes, tr), _place(each.path)),
            action=OfferAction.ADOPT,
        )
        for each in models
    )


def action_label(action: OfferAction, tr: Translate) -> str:
    """What stands on the button."""
    return {
        OfferAction.FILES: tr("Show Files"),
        OfferAction.DOWNLOAD: tr("Download…"),
        OfferAction.USE: tr("Load"),
        OfferAction.ADOPT: tr("Use in Place"),
    }[action]


def _of_model(
    report: RepositoryReport, model: OfferedModel, tr: Translate, *, alone: bool
) -> Iterable[OfferRow]:
    best = model.best.quantization if model.best else None
    verdicts: Mapping[HubQuantization, ModelReport] = dict(
        zip(model.quantizations, model.reports, strict=False)
    )
    for each in sorted(model.quantizations, key=lambda each: each != best):
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
        )
        yield _judged(row, verdicts.get(each), tr)


def _projector_row(report: RepositoryReport, file: HubFile, tr: Translate) -> OfferRow:
    return OfferRow(
        key=report.files.repository.address(file.path),
        title=presentable(_name(file.path)),
        facts=(size_text(file.size_bytes, tr),),
        note=tr("With this file beside it, the model sees pictures."),
        action=OfferAction.DOWNLOAD,
    )


def _judged(row: OfferRow, report: ModelReport | None, tr: Translate) -> OfferRow:
    return replace(row, shape=fit_shape(report), state=fit_word(report, tr)) if report else row


def _as_it_is(row: OfferRow, here: ModelRow | None) -> OfferRow:
    """The same, if its file is on this computer, or on its way."""
    if here is None:
        return row
    if here.sort is RowKind.INSTALLED:
        action = OfferAction.USE if ModelAction.LOAD in here.actions else None
        return replace(row, shape="", state=here.state, action=action, model_id=here.id)
    if here.sort is RowKind.DOWNLOAD and here.actions & {ModelAction.CANCEL, ModelAction.USE}:
        return replace(row, shape="", state=here.state, action=None, model_id=here.id)
    return row


def _by_file(rows: Iterable[ModelRow]) -> dict[str, ModelRow]:
    return {row.path.name: row for row in rows if row.path}


def _place(path: Path) -> str:
    """Where a file is; of the long names that only programs give, beginning and end."""
    name = path.name if len(path.name) <= _LONGEST_NAME else f"{path.name[:16]}…{path.name[-8:]}"
    return presentable(path.with_name(name))


def _rank(report: ModelReport | None) -> int:
    return _FITS.index(report.verdict.fit) if report else len(_FITS)


def _parameters(count: int | None, tr: Translate) -> str:
    """How large a model is, as people say it."""
    if not count:
        return ""
    if count >= _BILLION:
        return tr("{number} billion weights").format(number=tr.number(count / _BILLION, 1))
    return tr("{number} million weights").format(number=tr.number(count / _MILLION))


def _name(path: str) -> str:
    return PurePosixPath(path).name
