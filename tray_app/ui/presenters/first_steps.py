"""Models that are offered to somebody who has chosen none: what each card says, and the words above. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.models.fit_text import memory_reason
from tray_app.ui.presenters.formatting import duration_text, size_text
from tray_app.ui.presenters.models import offer_size
from tray_app.ui.presenters.offers import languages_text, license_text, purpose_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tray_app.models.header import Purpose
    from tray_app.models.model import Model
    from tray_app.models.recommend import Recommendation
    from tray_app.phrases import Text, Translate
    from tray_app.ui.presenters.model_facts import ModelFacts

_MOST_CARDS = 3


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A card: the model that it offers, and its texts."""

    id: str
    name: Text
    purpose: str
    facts: str
    note: str
    memory: str
    button: str
    builtin: bool = False
    """Whether it is the built-in model."""
    kind: Purpose | None = None
    """The purpose of a model to download."""


@dataclass(frozen=True, slots=True)
class FirstStepsView:
    """The cards, and what stands above them; no cards: nothing is offered."""

    title: str = ""
    text: str = ""
    steps: tuple[FirstStep, ...] = ()


def first_steps(
    facts: ModelFacts, rate_bytes_per_s: float, tr: Translate, *, installed: bool
) -> FirstStepsView:
    """Models to begin with: with `installed` those on this computer, if there are any; else downloads.

    `rate_bytes_per_s` is the speed of the line, or 0 while it is not known.
    """
    own = _own_models(facts) if installed else ()
    title = tr("Choose the model to start with") if own else tr("Choose your first model")
    if own:
        text = tr("You can load others beside it at any time.")
    elif facts.recommended:
        text = tr("These run well on this computer. You can have others at any time.")
    else:
        text = tr("No model in the catalog suits this computer. Look for another one.")
    return FirstStepsView(title, text, _steps(facts, own, rate_bytes_per_s, tr))


def second_steps(
    facts: ModelFacts, rate_bytes_per_s: float, tr: Translate, *, without: str
) -> FirstStepsView:
    """A model for the other purpose, for somebody who has just chosen one; not the one with the id `without`.

    There are no cards if a model for that purpose is here already.
    """
    purposes: set[Purpose | None] = {model.header.purpose for model in _own_models(facts)}
    purposes |= {each.entry.purpose for each in facts.recommended if each.entry.id == facts.chosen}
    others = (
        each for each in facts.recommended if each.entry.purpose not in purposes and each.entry.id != without
    )
    return FirstStepsView(
        tr("Add a second model"),
        tr("Both can be loaded at the same time, and share one address."),
        tuple(_download_step(each, tr("Do&wnload {size}"), rate_bytes_per_s, tr) for each in others),
    )


def _own_models(facts: ModelFacts) -> tuple[Model, ...]:
    builtin = [entry.id for entry in facts.catalog if entry.builtin]
    return tuple(model for model in facts.installed if model.id not in builtin)


def _steps(
    facts: ModelFacts, own: Sequence[Model], rate_bytes_per_s: float, tr: Translate
) -> tuple[FirstStep, ...]:
    # Each label has a mnemonic of its own.
    steps = [_own_step(model, facts, label, tr) for model, label in zip(own, _starts(tr), strict=False)]
    if not steps:
        downloads = zip(facts.recommended, (tr("Do&wnload {size}"), tr("&Download {size}")), strict=False)
        steps = [_download_step(each, label, rate_bytes_per_s, tr) for each, label in downloads]
    steps += [
        FirstStep(
            entry.id,
            entry.name,
            tr("To check the installation"),
            " · ".join(filter(None, (size_text(entry.size_bytes, tr), license_text(entry.license, tr)))),
            tr.said(entry.note),
            tr("It needs next to no memory."),
            tr("&Try It Now"),
            builtin=True,
        )
        for entry in facts.catalog
        if entry.builtin
    ]
    return tuple(steps[:_MOST_CARDS])


def _starts(tr: Translate) -> tuple[str, ...]:
    return tr("&Use This Model"), tr("U&se This Model"), tr("Use This &Model")


def _own_step(model: Model, facts: ModelFacts, label: str, tr: Translate) -> FirstStep:
    report = facts.reports.get(model.id)
    return FirstStep(
        model.id,
        model.name,
        tr("On this computer"),
        size_text(model.size_bytes, tr),
        "",
        memory_reason(report.verdict, tr) if report else "",
        label,
    )


def _download_step(each: Recommendation, label: str, rate_bytes_per_s: float, tr: Translate) -> FirstStep:
    entry = each.entry
    facts = [license_text(entry.license, tr), languages_text(entry.languages, tr)]
    if entry.sees:
        facts.append(tr("sees pictures"))
    if rate_bytes_per_s > 0:
        took = duration_text(entry.download_bytes / rate_bytes_per_s, tr)
        facts.append(tr("{duration} to download").format(duration=took))
    return FirstStep(
        entry.id,
        entry.name,
        purpose_text(entry.purpose, tr),
        " · ".join(filter(None, facts)),
        tr.said(each.reason),
        memory_reason(each.verdict, tr),
        label.format(size=offer_size(entry, tr)).strip(),
        kind=entry.purpose,
    )
