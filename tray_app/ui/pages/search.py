"""The tab Search: a person's own texts, and those nearest to a question. GUI thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from tray_app.errors import AppError
from tray_app.ui.collection_actions import CollectionActions
from tray_app.ui.latest_query import LatestQuery
from tray_app.ui.presenters.search import (
    example_question,
    found_text,
)
from tray_app.ui.search_controller import SearchController
from tray_app.ui.search_operations import Question, answer
from tray_app.ui.style import LARGE, SMALL, TIGHT
from tray_app.ui.text_sources import TextSources
from tray_app.ui.texts import tr
from tray_app.ui.widgets.basic import accept_copy, announce, dropped_paths
from tray_app.ui.widgets.collection_bar import CollectionBar
from tray_app.ui.widgets.job_row import JobRow
from tray_app.ui.widgets.question_field import QuestionField
from tray_app.ui.widgets.search_news import SearchNews
from tray_app.ui.widgets.search_results import SearchResults
from tray_app.ui.widgets.search_start import SearchStart
from tray_app.ui.widgets.server_line import ServerLine

if TYPE_CHECKING:
    from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QShowEvent

    from tray_app.search.collection import AddReport
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.search_operations import Addition, Answer

_SLOW_MS = 300
"""After this time without an answer, the tab says that it is searching."""


class SearchPanel(QWidget):
    """Shows a collection of texts, and answers questions with the nearest of them."""

    navigate = Signal(object)
    """A `Page` to open."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._wants_new = False
        self._asked: Question | None = None
        self._shown: Question | None = None
        self._attempt = 0
        self._had_to_wait = False
        self.controller = SearchController(bridge, self)
        self.sources = TextSources(self)
        self.actions_of_collection = CollectionActions(bridge, self.controller, self)
        self.bar = CollectionBar()
        self.actions_of_collection.fill(self.bar, self.sources)
        self.question = QuestionField()
        self.back_button = QPushButton(tr("&Back"))
        self.server = ServerLine(bridge)
        self.server.navigate.connect(self.navigate)
        self.job = JobRow(tr("Embedded texts"))
        self.news = SearchNews()
        self.results = SearchResults()
        self._slow = QTimer(self, singleShot=True, interval=_SLOW_MS)
        search = bridge.app.search
        self._query: LatestQuery[Question, Answer] = LatestQuery(
            bridge, lambda question: answer(search, question)
        )
        self.setAcceptDrops(True)
        self.zone = SearchStart(self.sources)
        self._lay_out()
        self._connect()
        self._show_state()

    def ask(self) -> None:
        """Search for what is typed, now; a stopped server is started."""
        self._attempt += 1
        if self.controller.reason and self.question.words():
            self.controller.start_server()
        self._ask()

    def take_over(self, old: SearchPanel) -> None:
        """Show the same collection and question, and continue an addition that is under way."""
        self._wants_new = old._wants_new
        self.controller.take_over(old.controller)
        self.question.fill_in(old.question.text())
        if old.controller.is_known:
            self.controller.read()

    def showEvent(self, event: QShowEvent) -> None:
        """Read the collections when they are shown for the first time."""
        super().showEvent(event)
        if not self.controller.is_known:
            self.controller.read()
        self._ask()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders of this computer."""
        if dropped_paths(event.mimeData()):
            self.zone.show_aim(aimed_at=True)
            accept_copy(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Stop to stand out."""
        super().dragLeaveEvent(event)
        self.zone.show_aim(aimed_at=False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Add the texts of files and folders."""
        self.zone.show_aim(aimed_at=False)
        accept_copy(event)
        self.sources.take(dropped_paths(event.mimeData()))

    def _lay_out(self) -> None:
        back = QHBoxLayout()
        back.addWidget(self.back_button)
        back.addStretch()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.zone)
        self._stack.addWidget(self.results)
        self._nothing = QWidget()
        self._stack.addWidget(self._nothing)
        column = QVBoxLayout(self)
        column.setContentsMargins(LARGE, LARGE, LARGE, LARGE)
        column.setSpacing(SMALL)
        column.addLayout(back)
        column.addWidget(self.bar)
        column.addSpacing(TIGHT)
        column.addWidget(self.question)
        for widget in (self.server, self.job, self.news):
            column.addWidget(widget)
        column.addWidget(self._stack, 1)

    def _connect(self) -> None:
        self.zone.example_button.clicked.connect(self._try_example)
        self.sources.picked.connect(self._add)
        self.bar.chosen.connect(self.controller.choose)
        self.actions_of_collection.new_wanted.connect(lambda: self._show_zone(wanted=True))
        self.back_button.clicked.connect(lambda: self._show_zone(wanted=False))
        self.server.failed.connect(self.news.card.show_error)
        self.job.cancelled.connect(self.controller.cancel)
        self.question.textChanged.connect(lambda: self.news.say(""))
        self.question.asked.connect(self.ask)
        self.question.paused.connect(self._show_state)
        self._slow.timeout.connect(lambda: self.news.show_searching(searching=True))
        self.controller.changed.connect(self._show_state)
        self.controller.filled.connect(self._show_report)
        self.controller.failed.connect(self._show_failure)

    def _add(self, wanted: Addition) -> None:
        self.news.clear()
        shown = self.controller.current is not None and not self._wants_new
        self.controller.add(replace(wanted, into=self.controller.current_id) if shown else wanted)

    def _try_example(self) -> None:
        self.question.fill_in(example_question(tr))
        self.sources.take_example()

    def _show_zone(self, *, wanted: bool) -> None:
        """Show where a new collection begins, or go back from there."""
        self._wants_new = wanted
        self._show_state()
        (self.zone.folder_button if wanted else self.question).setFocus()

    def _show_state(self) -> None:
        controller, current = self.controller, self.controller.current
        is_new = current is None or self._wants_new
        if self._had_to_wait and not controller.reason:
            self._attempt += 1  # what could not be answered can be now
        self._had_to_wait = bool(controller.reason)
        self.back_button.setVisible(self._wants_new and current is not None and not controller.busy)
        self.bar.setVisible(not is_new)
        if current is not None:
            self.bar.show_collections(controller.shelf.collections, current)
        for button in (self.bar.add_button, self.bar.more_button):
            button.setVisible(not controller.busy)
        copies = current is not None and current.dimensions > 0
        self.bar.copy_button.setVisible(copies and self._bridge.status.server.base_url is not None)
        self.question.setVisible(not is_new and not controller.is_outdated)
        self._show_job()
        self._show_waiting(is_new=is_new)
        is_outdated = controller.is_outdated and not is_new and not controller.busy
        self.news.show_outdated(current if is_outdated else None, self._embed_again)
        self.news.show_damaged(controller.shelf.damaged)
        is_empty = not controller.is_known or (controller.busy if is_new else controller.is_outdated)
        self._stack.setCurrentWidget(self._nothing if is_empty else self.zone if is_new else self.results)
        self._ask()

    def _show_job(self) -> None:
        if self.controller.busy:
            self.job.show_progress(self.controller.words, self.controller.done, self.controller.total)
        else:
            self.job.hide()

    def _show_waiting(self, *, is_new: bool) -> None:
        controller = self.controller
        wanted = controller.waiting is not None or (self.question.words() and not is_new)
        self.server.show_reason(controller.reason if wanted else "")

    def _embed_again(self) -> None:
        self.news.clear()
        self.controller.rebuild()

    def _show_report(self, report: AddReport) -> None:
        self._wants_new = False
        self.news.show_report(report)

    def _show_failure(self, error: AppError, goes_on: bool) -> None:  # noqa: FBT001 - as the signal has it
        self.news.card.show_error(error)
        if goes_on:
            self.news.card.offer(tr("&Try Again"), self._add_again)

    def _add_again(self) -> None:
        self.news.clear()
        self.controller.add_again()

    def _ask(self) -> None:
        """Ask the typed question about the collection, unless its answer is shown already."""
        current = self.controller.current
        if current is None or self.controller.is_outdated:
            if self._asked is not None:
                self._asked = self._shown = None
                self._attempt += 1  # else the same question would not be asked again
                self.results.clear()
                self._show_searching(searching=False)
            return
        words = self.question.words()
        if words and self.controller.reason:
            if self._shown and self._shown.collection == current:
                return  # what was found before stays
            words = ""
        wanted = Question(current, words, self._attempt)
        if self.isVisible() and wanted != self._asked:
            self._asked = wanted
            self.actions_of_collection.question = words
            self._show_searching(searching=True)
            self._query.ask(wanted, self._hear)

    def _show_searching(self, *, searching: bool) -> None:
        """Say that an answer is awaited, unless it comes at once; or that none is awaited."""
        if searching:
            self._slow.start()
        else:
            self._slow.stop()
            self.news.show_searching(searching=False)

    def _hear(self, question: Question, found: Answer | AppError) -> None:
        if self._asked is None:
            return
        if question != self._asked:
            self._query.ask(self._asked, self._hear)
            return
        self._show_searching(searching=False)
        if isinstance(found, AppError):
            self.news.card.show_error(found)
            return
        if question.words:
            self.news.card.clear()
            announce(self, found_text(found.hits, tr))
        self._shown = question
        self.results.show_answer(found, question.collection)
