"""Available models: a row for each model of the catalog, of other apps and of a repository. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from tray_app.models.catalog import MANY_LANGUAGES
from tray_app.models.header import Purpose
from tray_app.models.memory import Fit
from tray_app.phrases import presentable
from tray_app.ui.presenters.engines import Standing
from tray_app.ui.presenters.formatting import size_text
from tray_app.ui.presenters.list_row import Chip, ListRow, Piece
from tray_app.ui.presenters.model_list import purpose_symbol, purpose_word
from tray_app.ui.presenters.models import ModelAction, RowKind, offer_size, terms_text
from tray_app.ui.presenters.tone import Tone
from tray_app.ui.presenters.verdict import fit_piece, fit_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tray_app.engine.report import ModelReport
    from tray_app.models.catalog import CatalogEntry
    from tray_app.models.found.found_model import FoundModel
    from tray_app.phrases import Translate
    from tray_app.ui.presenters.model_facts import ModelFacts
    from tray_app.ui.presenters.models import ModelRow

_MOST_LANGUAGES = 4
_LONGEST_NAME = 60
"""Letters of a file's name: names of models are shorter, digests are longer."""
_FITS = (Fit.FITS, Fit.TIGHT, Fit.TOO_LARGE)


class OfferAction(StrEnum):
    """What the button of a row does."""

    FILES = "files"
    """Show the files of the repository."""
    DOWNLOAD = "download"
    PAUSE = "pause"
    RESUME = "resume"
    USE = "use"
    """Load it."""
    OPEN = "open"
    """Go to the page where the loaded model can be used."""
    ADOPT = "adopt"
    """Use the model of another app from where it is."""


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One model, repository or file."""

    key: str
    """An id of the catalog, a repository, or the address or path of a file."""
    title: str
    facts: tuple[str, ...] = ()
    verdict: Piece | None = None
    """Whether it fits, if that is known."""
    state: str = ""
    """The state of the download or of the installed model."""
    tone: Tone = Tone.PLAIN
    note: str = ""
    best: bool = False
    """Whether it suits this computer best."""
    action: OfferAction | None = None
    model_id: str = ""
    """The id of the installed model or of its download; empty while there is none."""
    purpose: Purpose | None = None
    symbol: str = "boxes"
    chips: tuple[str, ...] = ()
    size: str = ""
    """The size of its download."""
    too_large: bool = False
    permille: int | None = None
    downloads: tuple[int, ...] = ()


def purpose_text(purpose: Purpose | None, tr: Translate) -> str:
    """The purpose of a model, in a few words."""
    match purpose:
        case Purpose.EMBEDDING:
            return tr("For embeddings")
        case Purpose.CHAT:
            return tr("For chats")
        case Purpose.RERANK:
            return tr("For ranking texts")
    return ""


def languages_text(languages: Sequence[str], tr: Translate) -> str:
    """The languages of a model, by their codes."""
    if MANY_LANGUAGES in languages:
        return tr("more than 20 languages")
    if not languages:
        return ""
    more = len(languages) - _MOST_LANGUAGES
    codes = ", ".join(languages[:_MOST_LANGUAGES]) + (f" +{more}" if more > 0 else "")
    return tr("Languages: {codes}").format(codes=codes)


def license_text(license_name: str, tr: Translate) -> str:
    """The license with its label; empty if it is not known."""
    return tr("License: {license}").format(license=license_name) if license_name else ""


def entry_facts(entry: CatalogEntry, tr: Translate) -> tuple[str, ...]:
    """What the catalog tells about a model, in a few words."""
    facts = (
        offer_size(entry, tr),
        license_text(entry.license, tr),
        languages_text(entry.languages, tr),
        tr("sees pictures") if entry.sees else "",
    )
    return tuple(filter(None, facts))


def catalog_rows(
    facts: ModelFacts, rows: Iterable[ModelRow], tr: Translate
) -> tuple[tuple[OfferRow, ...], tuple[OfferRow, ...]]:
    """The catalog: models that run on this computer, best first, and those that do not."""
    here = by_file(rows)
    chosen = {each.entry.id: each for each in facts.recommended}
    runs: list[tuple[int, OfferRow]] = []
    others = []
    for entry in facts.catalog:
        if entry.builtin:
            continue
        report = facts.reports.get(entry.id)
        row = replace(_entry_row(entry, report, tr), best=entry.id in chosen)
        row = as_it_is(row, here.get(entry.file_name), tr)
        if report and (report.obstacle or report.verdict.fit is Fit.TOO_LARGE) and not row.model_id:
            others.append(replace(row, note=f"{row.note} {fit_reason(report, tr)}"))
        else:
            place = list(chosen).index(entry.id) if entry.id in chosen else len(chosen) + _rank(report)
            runs.append((place, row))
    return tuple(row for _, row in sorted(runs, key=lambda each: each[0])), tuple(others)


def found_rows(models: Iterable[FoundModel], tr: Translate) -> tuple[OfferRow, ...]:
    """A row for each model of other apps."""
    return tuple(
        OfferRow(
            key=str(each.path),
            title=each.name,
            facts=(size_text(each.size_bytes, tr), _place(each.path)),
            chips=(str(each.app),),
            action=OfferAction.ADOPT,
        )
        for each in models
    )


def offer_label(row: OfferRow, tr: Translate) -> str:  # noqa: PLR0911 - one for each action
    """The label of the button of a row; empty without one."""
    match row.action:
        case OfferAction.DOWNLOAD if row.size and not row.too_large:
            return tr("Download {size}").format(size=row.size)
        case OfferAction.DOWNLOAD:
            return tr("Download…")
        case OfferAction.PAUSE:
            return tr("Pause")
        case OfferAction.RESUME:
            return tr("Resume")
        case OfferAction.USE:
            return tr("Load")
        case OfferAction.OPEN:
            return tr("Open Embeddings") if row.purpose is Purpose.EMBEDDING else tr("Open Chat")
        case OfferAction.ADOPT:
            return tr("Use in Place")
    return ""


def offer_list_row(row: OfferRow, tr: Translate) -> ListRow:
    """The content of its row in a list."""
    return ListRow(
        title=row.title,
        symbol=row.symbol,
        lit=row.action is OfferAction.OPEN,
        chips=(
            *((Chip(tr("Recommended"), accent=True),) if row.best else ()),
            *(Chip(chip) for chip in row.chips),
        ),
        pieces=offer_pieces(row),
        note=row.note,
        permille=row.permille,
        action=offer_label(row, tr),
        opens=row.action is OfferAction.FILES,
    )


def offer_pieces(row: OfferRow) -> tuple[Piece, ...]:
    """State or verdict, and facts."""
    state = (Piece(row.state, row.tone),) if row.state else ()
    verdict = (row.verdict,) if row.verdict and not row.state else ()
    return (*state, *verdict, *(Piece(fact) for fact in row.facts))


def judged(row: OfferRow, report: ModelReport | None, tr: Translate) -> OfferRow:
    """The row with its verdict, if there is a report."""
    if report is None:
        return row
    too_large = bool(report.obstacle) or report.verdict.fit is Fit.TOO_LARGE
    return replace(row, verdict=fit_piece(report, tr), too_large=too_large)


def as_it_is(row: OfferRow, here: ModelRow | None, tr: Translate) -> OfferRow:
    """The row with the state of its file, if that is on this computer or being downloaded."""
    if here is None:
        return row
    now = replace(
        row, state=here.state, tone=here.tone, model_id=here.id, purpose=row.purpose or here.purpose
    )
    if here.sort is RowKind.INSTALLED:
        if here.standing is Standing.UNLOADED and here.permille is None:
            now = replace(now, state=tr("Already installed"))
        action = OfferAction.USE if ModelAction.LOAD in here.actions else None
        if here.standing is Standing.READY and now.purpose in (Purpose.CHAT, Purpose.EMBEDDING):
            action = OfferAction.OPEN
        return replace(now, action=action)
    if here.sort is RowKind.DOWNLOAD and here.actions & {ModelAction.CANCEL, ModelAction.USE}:
        steered = {ModelAction.PAUSE: OfferAction.PAUSE, ModelAction.RESUME: OfferAction.RESUME}
        action = next((then for each, then in steered.items() if each in here.actions), None)
        return replace(now, action=action, permille=here.permille, downloads=here.downloads)
    return row


def by_file(rows: Iterable[ModelRow]) -> dict[str, ModelRow]:
    """Rows of installed models and downloads, by the names of their files."""
    return {row.path.name: row for row in rows if row.path}


def _entry_row(entry: CatalogEntry, report: ModelReport | None, tr: Translate) -> OfferRow:
    size, *facts = entry_facts(entry, tr) if entry.size_bytes else ("", *entry_facts(entry, tr))
    row = OfferRow(
        key=entry.id,
        title=tr.said(entry.name),
        facts=tuple(facts),
        note=" ".join(filter(None, (tr.said(entry.note), terms_text(entry, tr)))),
        action=OfferAction.DOWNLOAD,
        purpose=entry.purpose,
        symbol=purpose_symbol(entry.purpose),
        chips=tuple(filter(None, (purpose_word(entry.purpose, tr),))),
        size=size,
    )
    return judged(row, report, tr)


def _place(path: Path) -> str:
    """The path of a file, with the middle of a very long name left out."""
    name = path.name if len(path.name) <= _LONGEST_NAME else f"{path.name[:16]}…{path.name[-8:]}"
    return presentable(path.with_name(name))


def _rank(report: ModelReport | None) -> int:
    return _FITS.index(report.verdict.fit) if report else len(_FITS)
