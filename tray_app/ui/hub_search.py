"""A search of Hugging Face, page by page, and the files of one of its repositories. GUI thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal

from tray_app.models.hub import Sort
from tray_app.ui.cancellable_job import CancellableJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from PySide6.QtWidgets import QWidget

    from tray_app.app.discovery import RepositoryReport
    from tray_app.errors import AppError
    from tray_app.models.hub import SearchPage
    from tray_app.ui.bridge import Bridge

Value = TypeVar("Value")


class HubSearch(QObject):
    """One request at a time; a newer one replaces an older one."""

    changed = Signal()
    """A request has begun or ended, or there are more results."""
    arrived = Signal()
    """Other results, another repository, or neither are to be shown."""
    failed = Signal(object)
    """An `AppError`."""

    def __init__(self, bridge: Bridge, page: QWidget) -> None:
        super().__init__(page)
        self._discovery = bridge.app.discovery
        self.words = ""
        self.sort = Sort.DOWNLOADS
        self.results: SearchPage | None = None
        """What was found; None before a search has ended."""
        self.report: RepositoryReport | None = None
        """The repository whose files are shown."""
        self.error: AppError | None = None
        """Why the last request has failed."""
        self._again: Callable[[HubSearch], None] = HubSearch.clear
        """Repeats the last request."""
        self._job = CancellableJob(bridge, self.changed.emit, self._fail)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._job.busy

    def clear(self) -> None:
        """Forget words and results."""
        self._job.abandon()
        self.words, self.results, self.report, self.error = "", None, None, None
        self.arrived.emit()

    def search(self, words: str) -> None:
        """Search for repositories with these words in their names."""
        self._job.abandon()
        self.words, self.results, self.report = words, None, None
        sort = self.sort
        self._begin(
            lambda hub: hub.search(words),
            lambda _: self._discovery.search(words, sort=sort),
            self._show_results,
        )

    def sort_by(self, sort: Sort) -> None:
        """Change the order; what is shown is searched for again."""
        if sort is not self.sort:
            self.sort = sort
            if self.words and self.report is None:
                self.search(self.words)

    def more(self) -> None:
        """Add the next page of results."""
        results = self.results
        if results is None or self.busy:
            return
        words, page = self.words, results.next
        self._begin(
            HubSearch.more,
            lambda _: self._discovery.search(words, page=page),
            lambda more: self._add(results, more),
        )

    def examine(self, repository: str) -> None:
        """Show the files of a repository."""
        self._job.abandon()
        self._begin(
            lambda hub: hub.examine(repository),
            lambda _: self._discovery.examine(repository),
            self._show_report,
        )

    def back(self) -> None:
        """Go back from the files of a repository to the results, if there are any."""
        self._job.abandon()
        self.report = self.error = None
        self.arrived.emit()

    def again(self) -> None:
        """Repeat the last request."""
        self._again(self)

    def take_over(self, old: HubSearch) -> None:
        """Show the same words and results as `old`; a request that is under way there is made here."""
        self.words, self.sort, self.results, self.report = old.words, old.sort, old.results, old.report
        self.error, self._again = old.error, old._again
        if old.busy:
            old._job.abandon()
            self.again()

    def _begin(
        self,
        again: Callable[[HubSearch], None],
        request: Callable[[Event], Value],
        success: Callable[[Value], object],
    ) -> None:
        self._again, self.error = again, None
        self._job.start(request, success)

    def _fail(self, error: AppError) -> None:
        self.error = error
        self.failed.emit(error)

    def _show_results(self, results: SearchPage) -> None:
        self.results, self.report = results, None
        self.arrived.emit()

    def _add(self, before: SearchPage, more: SearchPage) -> None:
        known = {each.repository for each in before.repositories}
        new = tuple(each for each in more.repositories if each.repository not in known)
        self.results = replace(more, repositories=before.repositories + new)
        self.changed.emit()

    def _show_report(self, report: RepositoryReport) -> None:
        self.report = report
        self.arrived.emit()
