"""What came of an addition, what was left out, what is wrong with a collection. GUI thread."""

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
    """Nothing of it is to be seen while all is well."""

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
        """One line, until there is another."""
        self.outcome.setText(words)
        self.outcome.setVisible(bool(words))

    def show_searching(self, *, searching: bool) -> None:
        """Say that an answer is awaited, or no more; what came of an addition stays."""
        words = tr("Searching …")
        if self.outcome.text() in ("", words):
            self.say(words if searching else "")

    def show_report(self, report: AddReport) -> None:
        """Say what came of an addition; the reasons are unfolded where nothing was added."""
        self.say(report_text(report, tr))
        self.skipped.show_lines(skipped_title(report.skipped, tr), skipped_rows(report.skipped, tr))
        self.skipped.button.setChecked(not report.added)
        announce(self, self.outcome.text())

    def show_damaged(self, damaged: Sequence[Skipped]) -> None:
        """Name the collections that cannot be read."""
        self.damaged.show_lines(damaged_title(damaged, tr), skipped_rows(damaged, tr))

    def show_outdated(self, collection: Collection | None, embed_again: Callable[[], object]) -> None:
        """Say that the model of a collection has changed; None: that of no collection."""
        if collection is None:
            self.outdated.clear()
        else:
            self.outdated.show_message(tr("The model has changed"), outdated_text(collection, tr))
            self.outdated.offer(tr("&Embed Again"), embed_again)

    def clear(self) -> None:
        """Forget what came of the last addition."""
        self.card.clear()
        self.say("")
        self.skipped.show_lines("", ())
