"""What tests of downloads share: a model-like content, short patience, and one transfer run to its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.fakes.file_server import Stall
from tray_app.download.connection_pool import TransferLimits
from tray_app.download.faults import Interrupted
from tray_app.download.part import read_journal
from tray_app.download.retry import RetryPolicy
from tray_app.download.session import Session
from tray_app.download.source import parse_source
from tray_app.download.transfer import Order, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.file_server import ServedFile
    from tray_app.download.progress import Phase, Progress
    from tray_app.download.queue import DownloadQueue
    from tray_app.download.segments import Span
    from tray_app.download.source import DownloadSource
    from tray_app.errors import DownloadError

QUICK = RetryPolicy(waits_s=(0.0, 0.0, 0.0), unreachable_waits_s=(0.0,), offline_wait_s=0.01)
"""Tries again at once."""
IMPATIENT = replace(QUICK, silence_s=0.3, stall_window_s=0.3)
"""And takes a third of a second for a stall."""


def model_bytes(size_bytes: int = 300_000, seed: int = 1) -> bytes:
    """Content that passes for a model, differs with the seed and has no period that a block could hide."""
    pattern = bytes((index * index * seed + index) % 251 for index in range(1009))
    return (b"GGUF" + pattern * (size_bytes // len(pattern) + 1))[:size_bytes]


@dataclass(slots=True)
class Recorder:
    """An observer that remembers."""

    names: list[str] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    received: list[tuple[int, int | None]] = field(default_factory=list)
    troubles: list[DownloadError] = field(default_factory=list)
    resumed: bool = False
    at_bytes: Callable[[int], None] = lambda _received: None
    at_trouble: Callable[[DownloadError], None] = lambda _error: None

    def on_name(self, source: DownloadSource) -> None:
        self.names.append(source.file_name)

    def on_phase(self, phase: Phase) -> None:
        self.phases.append(phase)

    def on_bytes(self, received_bytes: int, total_bytes: int | None) -> None:
        self.received.append((received_bytes, total_bytes))
        self.at_bytes(received_bytes)

    def on_trouble(self, error: DownloadError) -> None:
        self.troubles.append(error)
        self.at_trouble(error)

    def on_start(self, offset_bytes: int) -> None:
        self.resumed = offset_bytes > 0


class Seen:
    """Every snapshot that a queue sent, and a way to wait for one."""

    def __init__(self, queue: DownloadQueue) -> None:
        self.snapshots: list[tuple[Progress, ...]] = []
        self._news = threading.Condition()
        queue.changed.connect(self._on_change)

    def _on_change(self, snapshot: tuple[Progress, ...]) -> None:
        with self._news:
            self.snapshots.append(snapshot)
            self._news.notify_all()

    def wait_for(self, condition: Callable[[tuple[Progress, ...]], bool]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: any(map(condition, self.snapshots)), 20)

    def phases(self, download: int) -> list[Phase]:
        """Each phase once per stay."""
        phases = [item.phase for snapshot in self.snapshots for item in snapshot if item.id == download]
        return [phase for index, phase in enumerate(phases) if index == 0 or phase is not phases[index - 1]]


def fetch(  # noqa: PLR0913 - each test names the one or two it is about
    url: str,
    folder: Path,
    *,
    sha256: str | None = None,
    observer: Recorder | None = None,
    stop: threading.Event | None = None,
    session: Session | None = None,
    retry: RetryPolicy = QUICK,
    clock: Callable[[], float] = time.monotonic,
    connections: int = 1,
    bytes_per_s: float | None = None,
) -> str | None:
    """Run one transfer on this thread; its SHA-256."""
    with session or Session() as used:
        return Transfer(
            Order(parse_source(url), folder, sha256),
            used,
            observer or Recorder(),
            stop or threading.Event(),
            retry=retry,
            clock=clock,
            limits=lambda: TransferLimits(connections, bytes_per_s),
        ).run()


def interrupt(
    served: ServedFile, folder: Path, *, after_bytes: int, url: str | None = None, sha256: str | None = None
) -> None:
    """An earlier run of the app that was ended when so much had arrived; `url`: if it leads there."""
    stop, session = threading.Event(), Session()

    def end_there(received: int) -> None:
        if received >= after_bytes:
            stop.set()
            session.abort()

    served.faults.appendleft(Stall(after_bytes))
    try:
        fetch(
            url or served.url,
            folder,
            observer=Recorder(at_bytes=end_there),
            stop=stop,
            session=session,
            sha256=sha256,
        )
    except Interrupted:
        return
    raise AssertionError("The download ended before it could be interrupted")


def received(folder: Path, name: str = "m.gguf") -> tuple[Span, ...]:
    """What the journal says is there."""
    journal = read_journal(folder / f"{name}.part.json")
    return journal.done if journal else ()
