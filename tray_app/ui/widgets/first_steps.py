"""Cards that offer a model each to someone who has chosen none. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.models.fit_text import memory_reason
from tray_app.ui.presenters.formatting import duration_text, size_text
from tray_app.ui.presenters.models import offer_size
from tray_app.ui.presenters.offers import languages_text, license_text, purpose_text
from tray_app.ui.style import MEDIUM, SMALL, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import heading, small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QResizeEvent

    from tray_app.models.header import Purpose
    from tray_app.models.library import Model
    from tray_app.models.recommend import Recommendation
    from tray_app.phrases import Text
    from tray_app.ui.presenters.model_facts import ModelFacts

_NARROWEST_LETTERS = 30
"""A card that is not as wide as so many is better below the others than beside them."""
_MOST_CARDS = 3


@dataclass(frozen=True, slots=True)
class FirstStep:
    """What one card says, and the model that it offers."""

    id: str
    name: Text
    purpose: str
    facts: str
    note: str
    memory: str
    button: str
    builtin: bool = False
    """Whether it is the model that comes with the app."""
    kind: Purpose | None = None
    """What it is downloaded for."""


class FirstSteps(QWidget):
    """The models that are here, or else those that suit this machine and its person, and the built-in one."""

    chosen = Signal(object)
    """A `FirstStep`."""
    discover_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._offered: list[FirstStep] = []
        self._cards = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._cards.setSpacing(SMALL)
        self.discover_button = QPushButton(tr("Discover Other M&odels"))
        set_variant(self.discover_button, Variant.QUIET)
        self.discover_button.clicked.connect(self.discover_wanted)
        below = QHBoxLayout()
        below.addWidget(self.discover_button)
        below.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        self._heading = heading()
        column.addWidget(self._heading)
        self._text = text_label()
        column.addWidget(self._text)
        column.addLayout(self._cards)
        column.addLayout(below)
        column.addStretch()
        self.hide()

    def offer(self, facts: ModelFacts, rate_bytes_per_s: float = 0, *, installed: bool = False) -> None:
        """Make the cards, and make them anew when another engine or setting changes what fits.

        With the speed of the line, once it is known, they say how long a download takes. With `installed`,
        the models that are on this computer come first.
        """
        own = _own_models(facts) if installed else ()
        offered = _steps(facts, own, rate_bytes_per_s)
        if offered == self._offered:
            return
        self._heading.setText(tr("Choose the model to start with") if own else tr("Choose your first model"))
        if own:
            text = tr("You can load others beside it at any time.")
        elif facts.recommended:
            text = tr("These run well on this computer. You can have others at any time.")
        else:
            text = tr("No model in the catalog suits this computer. Look for another one.")
        self._text.setText(text)
        self._show(offered)

    def offer_second(self, facts: ModelFacts, rate_bytes_per_s: float, *, without: str) -> None:
        """To somebody who has just chosen a model: one for the other purpose, but none with the id `without`.

        Nothing is offered if there is one already.
        """
        purposes: set[Purpose | None] = {model.header.purpose for model in _own_models(facts)}
        purposes |= {each.entry.purpose for each in facts.recommended if each.entry.id == facts.chosen}
        others = [
            each
            for each in facts.recommended
            if each.entry.purpose not in purposes and each.entry.id != without
        ]
        offered = [_download_step(each, tr("Do&wnload {size}"), rate_bytes_per_s) for each in others]
        if offered == self._offered:
            return
        self._heading.setText(tr("Add a second model"))
        self._text.setText(tr("Both can be loaded at the same time, and share one address."))
        self._show(offered)

    def _show(self, offered: list[FirstStep]) -> None:
        self._offered = offered
        while item := self._cards.takeAt(0):
            if card := item.widget():
                card.hide()
                card.deleteLater()
        before: QWidget | None = None
        for number, step in enumerate(offered):
            card, button = _card(step, self._choose(step))
            set_variant(button, Variant.PRIMARY if number == 0 else None)
            self._cards.addWidget(card, 1)
            if before:
                self.setTabOrder(before, button)
            before = button
        if before:
            self.setTabOrder(before, self.discover_button)
        self._arrange()

    def show_if(self, *, wanted: bool) -> None:
        """Be there for someone who needs it, as soon as there is something to offer."""
        self.setVisible(wanted and bool(self._offered))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the cards beside each other where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        needed = _NARROWEST_LETTERS * self.fontMetrics().averageCharWidth() * len(self._offered)
        beside = self.width() >= needed
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if direction != self._cards.direction():
            self._cards.setDirection(direction)

    def _choose(self, step: FirstStep) -> Callable[[], None]:
        return lambda: self.chosen.emit(step)


def _own_models(facts: ModelFacts) -> tuple[Model, ...]:
    builtin = [entry.id for entry in facts.catalog if entry.builtin]
    return tuple(model for model in facts.installed if model.id not in builtin)


def _steps(facts: ModelFacts, own: Sequence[Model], rate_bytes_per_s: float) -> list[FirstStep]:
    # Each has a key of its own.
    steps = [_own_step(model, facts, label) for model, label in zip(own, _starts(), strict=False)]
    if not steps:
        downloads = zip(facts.recommended, (tr("Do&wnload {size}"), tr("&Download {size}")), strict=False)
        steps = [_download_step(each, label, rate_bytes_per_s) for each, label in downloads]
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
    return steps[:_MOST_CARDS]


def _starts() -> tuple[str, ...]:
    return tr("&Use This Model"), tr("U&se This Model"), tr("Use This &Model")


def _own_step(model: Model, facts: ModelFacts, label: str) -> FirstStep:
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


def _download_step(each: Recommendation, label: str, rate_bytes_per_s: float) -> FirstStep:
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


def _card(step: FirstStep, act: Callable[[], None]) -> tuple[Card, QPushButton]:
    card = Card()
    button = QPushButton(step.button)
    button.setAccessibleDescription(tr.said(step.name))
    button.clicked.connect(act)
    column = QVBoxLayout(card)
    column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
    column.setSpacing(SMALL)
    column.addWidget(small_label(step.purpose))
    column.addWidget(heading(tr.said(step.name), Type.TITLE))
    for text, kind in ((step.facts, small_label), (step.note, text_label), (step.memory, small_label)):
        if text:
            column.addWidget(kind(text))
    column.addStretch()
    column.addSpacing(SMALL)
    column.addWidget(button)
    return card, button
