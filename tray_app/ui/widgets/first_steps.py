"""Cards that offer a model each to someone who has chosen none. GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from tray_app.models.fit_text import memory_reason
from tray_app.ui.presenters.offers import entry_facts, purpose_text
from tray_app.ui.style import MEDIUM, SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import Card, heading, small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QResizeEvent

    from tray_app.models.catalog import CatalogEntry
    from tray_app.ui.presenters.models import ModelFacts

_NARROWEST_LETTERS = 30
"""A card that is not as wide as so many is better below the others than beside them."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What one card says."""

    entry: CatalogEntry
    purpose: str
    facts: str
    note: str
    memory: str
    button: str


class FirstSteps(QScrollArea):
    """The models that suit this machine and its person, and the one that comes with the app."""

    chosen = Signal(object)
    """A `CatalogEntry`."""
    discover_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._offered: list[_Step] = []
        content = QWidget()
        content.setAutoFillBackground(False)
        self._cards = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._cards.setSpacing(SMALL)
        self.discover_button = QPushButton(tr("Discover &Other Models"))
        self.discover_button.clicked.connect(self.discover_wanted)
        below = QHBoxLayout()
        below.addWidget(self.discover_button)
        below.addStretch()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        column.addWidget(heading(tr("Choose a model to begin with")))
        self._text = text_label()
        column.addWidget(self._text)
        column.addLayout(self._cards)
        column.addLayout(below)
        column.addStretch()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidget(content)
        self.viewport().setAutoFillBackground(False)
        self.hide()

    def offer(self, facts: ModelFacts) -> None:
        """Make the cards, and make them anew when another engine or setting changes what fits."""
        offered = _steps(facts)
        if offered == self._offered:
            return
        self._offered = offered
        if facts.recommended:
            text = tr("These run well on this computer. You can have others at any time.")
        else:
            text = tr("No model of the catalogue suits this computer. Others may: look for one.")
        self._text.setText(text)
        while item := self._cards.takeAt(0):
            if card := item.widget():
                card.hide()
                card.deleteLater()
        before: QWidget | None = None
        for number, step in enumerate(offered):
            card, button = _card(step, self._choose(step.entry))
            card.show_urgent(urgent=number == 0)
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
        beside = self.viewport().width() >= needed
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if direction != self._cards.direction():
            self._cards.setDirection(direction)

    def _choose(self, entry: CatalogEntry) -> Callable[[], None]:
        return lambda: self.chosen.emit(entry)


def _steps(facts: ModelFacts) -> list[_Step]:
    labels = tr("Do&wnload and start"), tr("Download and &start")  # each has a key of its own
    steps = [
        _Step(
            each.entry,
            purpose_text(each.entry.purpose, tr),
            " · ".join(entry_facts(each.entry, tr)),
            tr.said(each.reason),
            memory_reason(each.verdict, tr),
            label,
        )
        for each, label in zip(facts.recommended, labels, strict=False)
    ]
    steps += [
        _Step(
            entry,
            tr("To check the installation"),
            " · ".join(entry_facts(entry, tr)),
            tr.said(entry.note),
            tr("It needs next to no memory."),
            tr("&Try it now"),
        )
        for entry in facts.catalog
        if entry.builtin
    ]
    return steps


def _card(step: _Step, act: Callable[[], None]) -> tuple[Card, QPushButton]:
    card = Card()
    button = QPushButton(step.button)
    button.setAccessibleDescription(tr.said(step.entry.name))
    button.clicked.connect(act)
    column = QVBoxLayout(card)
    column.setContentsMargins(MEDIUM, MEDIUM, MEDIUM, MEDIUM)
    column.setSpacing(SMALL)
    column.addWidget(small_label(step.purpose))
    column.addWidget(text_label(tr.said(step.entry.name), bold=True))
    column.addWidget(small_label(step.facts))
    column.addWidget(text_label(step.note))
    column.addWidget(text_label(step.memory))
    column.addStretch()
    column.addWidget(button)
    return card, button
