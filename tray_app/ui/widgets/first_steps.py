"""Cards that offer models to somebody who has chosen none. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from tray_app.ui.presenters.first_steps import FirstStepsView, first_steps, second_steps
from tray_app.ui.style import MEDIUM, SMALL, Type, Variant, set_variant
from tray_app.ui.texts import tr
from tray_app.ui.widgets.cards import Card
from tray_app.ui.widgets.labels import heading, small_label, text_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QResizeEvent

    from tray_app.ui.presenters.first_steps import FirstStep
    from tray_app.ui.presenters.model_facts import ModelFacts

_NARROWEST_LETTERS = 30
"""With less width than this for each card, or than a card needs, they stand below each other."""


class FirstSteps(QWidget):
    """Shows a `FirstStepsView`; hidden while it has no cards."""

    chosen = Signal(object)
    """A `FirstStep`."""
    discover_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._view = FirstStepsView()
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
        """Show the cards of `first_steps`, again if they have changed."""
        self._show(first_steps(facts, rate_bytes_per_s, tr, installed=installed))

    def offer_second(self, facts: ModelFacts, rate_bytes_per_s: float, *, without: str) -> None:
        """Show the cards of `second_steps`, again if they have changed."""
        self._show(second_steps(facts, rate_bytes_per_s, tr, without=without))

    def _show(self, view: FirstStepsView) -> None:
        if view == self._view:
            return
        self._view = view
        self._heading.setText(view.title)
        self._text.setText(view.text)
        while item := self._cards.takeAt(0):
            if card := item.widget():
                card.hide()
                card.deleteLater()
        before: QWidget | None = None
        for number, step in enumerate(view.steps):
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
        """Be visible if that is wanted and there are cards."""
        self.setVisible(wanted and bool(self._view.steps))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the cards beside each other if there is room."""
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        """As narrow as the widest card: the cards can always stand below each other."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), max(self._card_widths(), default=0)), hint.height())

    def _card_widths(self) -> list[int]:
        """The fewest pixels that each card needs."""
        cards = (self._cards.itemAt(number) for number in range(self._cards.count()))
        return [card.minimumSize().width() for card in cards if card]

    def _arrange(self) -> None:
        widths = self._card_widths()
        letters = _NARROWEST_LETTERS * self.fontMetrics().averageCharWidth() * len(widths)
        beside = self.width() >= max(letters, sum(widths) + SMALL * len(widths))
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if direction != self._cards.direction():
            self._cards.setDirection(direction)

    def _choose(self, step: FirstStep) -> Callable[[], None]:
        return lambda: self.chosen.emit(step)


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
