"""A search of Hugging Face, page by page, and the look at one repository of it. GUI thread."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from tray_app.models.hub import Sort
from tray_app.ui.cancellable_job import CancellableJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

    from tray_app.app.discovery import RepositoryReport
    from tray_app.models.hub import SearchPage
    from tray_app.ui.bridge import Bridge


class HubSearch(QObject):
    """One question at a time; a newer one takes the place of an older."""

    changed = Signal()
    """It asks, or asks no more, or knows more than before."""
    arrived = Signal()
    """Something else is to be seen than before."""
    failed = Signal(object)
    """An `AppError`."""

    def __init__(self, bridge: Bridge, page: QWidget) -> None:
        super().__init__(page)
        self._discovery = bridge.app.discovery
        self.words = ""
        self.sort = Sort.DOWNLOADS
        self.results: SearchPage | None = None
        """What was found; None while nothing is searched for."""
        self.report: RepositoryReport | None = None
        """The repository whose files are shown."""
        self._again: Callable[[], None] = self.clear
        """What was tried last."""
        self._job = CancellableJob(bridge, self.changed.emit, self.failed.emit)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._job.busy

    def clear(self) -> None:
        """Search for nothing."""
        self._job.abandon()
        self.words, self.results, self.report = "", None, None
        self.arrived.emit()

    def search(self, words: str) -> None:
        """Look for repositories that have these words in their names."""
        self._job.abandon()
        self.words, self.results, self.report = words, None, None
        self._again = lambda: self.search(words)
        sort = self.sort
        self._job.start(lambda _: self._discovery.search(words, sort=sort), self._show_results)

    def sort_by(self, sort: Sort) -> None:
        """Put another order first, also of what is shown already."""
        if sort is not self.sort:
            self.sort = sort
            if self.words and self.report is None:
                self.search(self.words)

    def more(self) -> None:
        """The next ones."""
        results = self.results
        if results is None or self.busy:
            return
        self._again = self.more
        words, page = self.words, results.next
        self._job.start(
            lambda _: self._discovery.search(words, page=page), lambda more: self._add(results, more)
        )

    def examine(self, repository: str) -> None:
        """Look at the files of a repository."""
        self._job.abandon()
        self._again = lambda: self.examine(repository)
        self._job.start(lambda _: self._discovery.examine(repository), self._show_report)

    def back(self) -> None:
        """From the files to what was found, or to nothing."""
        self._job.abandon()
        self.report = None
        self.arrived.emit()

    def again(self) -> None:
        """Try once more what was tried last."""
        self._again()

    def take_over(self, old: HubSearch) -> None:
        """The same words, and what they led to."""
        self.words, self.sort, self.results, self.report = old.words, old.sort, old.results, old.report
        old._job.abandon()

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
