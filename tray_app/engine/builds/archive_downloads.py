"""The archives of published builds: downloaded one build at a time, and kept until they are installed.

Public methods may be called from any thread; progress is told on that of the downloads.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tray_app.download.part import JOURNAL_ENDING
from tray_app.errors import DownloadError, ErrorCode
from tray_app.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.download.progress import Progress
    from tray_app.download.queue import DownloadQueue
    from tray_app.engine.builds.build import PublishedBuild


class ArchiveDownloads:
    """Downloads the archives of builds into `folder`, which has a folder for each build."""

    def __init__(
        self, folder: Path, new_queue: Callable[[], DownloadQueue], tell: Callable[..., object]
    ) -> None:
        """`new_queue` is called when something is first downloaded. `tell` gets how far the downloads are, as
        keywords with the names that `Installation` has for it.
        """
        self._folder = folder
        self._new_queue = new_queue
        self._tell = tell
        self._lock = threading.Lock()  # guards the next two
        self._queue: DownloadQueue | None = None
        self._expected_bytes: dict[int, int] = {}
        """By the number of each download that is under way, the size that its file must have."""
        self._wrong_size: DownloadError | None = None
        """Set before the download that it is about is canceled."""

    def fetch(self, build: PublishedBuild, stops: Callable[[], bool]) -> list[Path]:
        """Download the archives of a build, or go on with it; returns when they are all there and right.

        `stops` says whether they are not wanted for now; whoever changes that calls `pause` or `cancel` next.
        `DownloadError`, `DOWNLOAD_PAUSED` and `DOWNLOAD_CANCELLED` among them; then nothing writes any more.
        """
        queue = self._queue_now()
        self._wrong_size = None
        numbers: list[int] = []
        try:
            for each in build.files:
                number = queue.add(f"{build.address}/{each.name}", self._of(build), sha256=each.sha256)
                numbers.append(number)
                with self._lock:
                    self._expected_bytes[number] = each.size_bytes
                if stops():
                    queue.pause(number)
            return [queue.wait(number) for number in numbers]
        except DownloadError as exc:
            if self._wrong_size:
                raise self._wrong_size from exc
            raise
        finally:
            with self._lock:
                self._expected_bytes = {}
            for number in numbers:
                queue.pause(number)
                with suppress(DownloadError):
                    queue.wait(number)

    def pause(self) -> None:
        """Stop what is being downloaded."""
        self._stop(lambda queue, number: queue.pause(number))

    def cancel(self) -> None:
        """Stop what is being downloaded for good. What has arrived is kept until `delete`."""
        self._stop(lambda queue, number: queue.cancel(number))

    def close(self, timeout_s: float) -> None:
        """End the threads; each may take so long."""
        with self._lock:
            queue = self._queue
        if queue:
            queue.close(timeout_s)

    def has_some_of(self, build: PublishedBuild) -> bool:
        """Whether the download of a build was begun and not deleted."""
        return self._of(build).is_dir()

    def received_bytes(self, build: PublishedBuild) -> int:
        """What has arrived of a build."""
        files = (path for path in self._of(build).rglob("*") if not path.name.endswith(JOURNAL_ENDING))
        return sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())

    def delete(self, build: PublishedBuild) -> None:
        """Delete what has arrived of a build."""
        shutil.rmtree(self._of(build), ignore_errors=True)

    def delete_others(self, build: PublishedBuild | None = None) -> None:
        """Delete what has arrived of all builds but this one. Only while nothing else writes there."""
        for path in self._folder.glob("*"):
            if build is None or path != self._of(build):
                shutil.rmtree(path, ignore_errors=True)

    def _of(self, build: PublishedBuild) -> Path:
        return self._folder / build.id

    def _queue_now(self) -> DownloadQueue:
        with self._lock:
            if self._queue is None:
                self._queue = self._new_queue()
                self._queue.changed.connect(self._on_progress)
            return self._queue

    def _stop(self, how: Callable[[DownloadQueue, int], None]) -> None:
        with self._lock:
            queue, numbers = self._queue, tuple(self._expected_bytes)
        for number in numbers:
            if queue:
                how(queue, number)

    def _on_progress(self, items: tuple[Progress, ...]) -> None:
        with self._lock:
            queue, expected = self._queue, dict(self._expected_bytes)
        own = [each for each in items if each.id in expected]
        if not own:
            return
        for each in own:
            size_bytes = each.total_bytes if each.total_bytes is not None else each.received_bytes
            known = each.total_bytes is not None or each.received_bytes > expected[each.id]
            if known and size_bytes != expected[each.id] and self._wrong_size is None:
                self._wrong_size = _wrong_size(each.name, size_bytes, expected[each.id])
                if queue:
                    queue.cancel(each.id)
                return
        received_bytes = sum(each.received_bytes for each in own)
        rate = sum(each.rate_bytes_per_s for each in own)
        missing_bytes = max(0, sum(expected.values()) - received_bytes)
        self._tell(
            received_bytes=received_bytes,
            rate_bytes_per_s=rate,
            remaining_s=missing_bytes / rate if rate else None,
            error=next((each.error for each in own if each.error and each.phase.active), None),
        )


def _wrong_size(name: str, size_bytes: int, expected_bytes: int) -> DownloadError:
    return DownloadError(
        ErrorCode.CHECKSUM_DIFFERS,
        "The file is damaged or is not the expected one",
        phrase(
            "{name} has {size:,} bytes on the server but should have {expected:,}.",
            name=name,
            size=size_bytes,
            expected=expected_bytes,
        ),
        "Download it again. If that does not help, the server has a different file.",
    )
