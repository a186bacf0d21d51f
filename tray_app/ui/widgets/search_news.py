"""News of a collection: the outcome of an addition, what was skipped, what is wrong. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from tray_app.ui.presenters.search import (
    damaged_title,
    outdated_text,
    report_text,
    skipped_rows,
    skipped_title,
)
from tray_app.ui.style import SMALL
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import announce
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.folded_list import FoldedList
from tray_app.ui.widgets.labels import text_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tray_app.search.collection import AddReport, Collection, Skipped


class SearchNews(QWidget):
    """Everything in it is hidden while there is no news."""

    def __init__(self) -> None:
        super().__init__()
        self.card, self.outdated = MessageCard(), MessageCard()
        self.outcome = text_label()
        self.skipped, self.damaged = FoldedList(), FoldedList()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SMALL)
        for widget in (self.card, self.outdated, self.outcome, self.skipped, self.damaged):
            column.addWidget(widget)
        self.say("")

    def say(self, words: str) -> None:
        """Show one line; an empty one hides it."""
        self.outcome.setText(words)
        self.outcome.setVisible(bool(words))

    def show_searching(self, *, searching: bool) -> None:
        """Show whether an answer is awaited; the outcome of an addition stays."""
        words = tr("Searching …")
        if self.outcome.text() in ("", words):
            self.say(words if searching else "")

    def show_report(self, report: AddReport) -> None:
        """Show the outcome of an addition; what was skipped is unfolded if nothing was added."""
        self.say(report_text(report, tr))
        self.skipped.show_lines(skipped_title(report.skipped, tr), skipped_rows(report.skipped, tr))
        self.skipped.button.setChecked(not report.added)
        announce(self, self.outcome.text())

    def show_damaged(self, damaged: Sequence[Skipped]) -> None:
        """List the collections that cannot be read."""
        self.damaged.show_lines(damaged_title(damaged, tr), skipped_rows(damaged, tr))

    def show_outdated(self, collection: Collection | None, embed_again: Callable[[], object]) -> None:
        """Say that the model of this collection has changed; None hides that."""
        if collection is None:
            self.outdated.clear()
        else:
            self.outdated.show_message(tr("The model has changed"), outdated_text(collection, tr))
            self.outdated.offer(tr("&Embed Again"), embed_again)

    def clear(self) -> None:
        """Hide the outcome of the last addition."""
        self.card.clear()
        self.say("")
        self.skipped.show_lines("", ())
