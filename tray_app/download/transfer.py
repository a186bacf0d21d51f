"""One download from its source to a verified file: receives, retries, checks, and renames it.

Runs on the downloads thread.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from tray_app.download.adopt import Existing
from tray_app.download.connection_pool import ConnectionPool
from tray_app.download.disk_errors import disk_fault
from tray_app.download.faults import (
    Interrupted,
    NodesDifferError,
    OfflineError,
    OverlongError,
    RangeRefusedError,
    TransientError,
    UnreachableError,
)
from tray_app.download.file_names import last_name
from tray_app.download.part import PartFile, note_name
from tray_app.download.part_lock import sole_writer
from tray_app.download.progress import Phase
from tray_app.download.response_body import Asker
from tray_app.download.segments import FIRST_CLAIM_BYTES, Span
from tray_app.download.size_limits import DiskRoom, UnknownSize
from tray_app.download.verify import (
    HEAD_BYTES,
    Follower,
    ForeignContentError,
    begins_as_model,
    refuse_foreign,
    refuse_wrong_digest,
    set_aside,
)
from tray_app.errors import DownloadError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from tray_app.download.connection_pool import TransferLimits
    from tray_app.download.progress import Observer
    from tray_app.download.response_body import ResponseBody
    from tray_app.download.retry import RetryPolicy
    from tray_app.download.segments import Plan
    from tray_app.download.session import Session
    from tray_app.download.size_limits import Measure
    from tray_app.download.source import DownloadSource, RemoteFile

T = TypeVar("T")

_NODES_ASKED = 6
"""How often a mirror is asked again for the computer with which the download was begun; most have fewer. A
request costs little compared to starting over."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be downloaded, and where to."""

    source: DownloadSource
    folder: Path
    sha256: str | None = None
    """The file's SHA-256 according to the user; with it, any content is accepted, not only models."""
    path: Path = field(init=False, compare=False)
    """The path of the finished file."""

    def __post_init__(self) -> None:
        """Compute the path once: with a thousand downloads, it is used a million times."""
        object.__setattr__(self, "path", self.folder / self.source.file_name)

    def has_place_of(self, other: Order) -> bool:
        """Whether both would become the same file."""
        return self.source.file_name == other.source.file_name and self.folder == other.folder

    def is_like(self, other: Order) -> bool:
        """Whether both are the same order, even if only one of them knows the final name."""
        mine, theirs = ((each.source.url, each.folder, each.sha256) for each in (self, other))
        return mine == theirs


class Transfer:
    """Carries out one order, once. Setting `stop` and aborting the session ends `run` with `Interrupted`."""

    def __init__(  # noqa: PLR0913 - what one download consists of
        self,
        order: Order,
        session: Session,
        observer: Observer,
        stop: threading.Event,
        *,
        retry: RetryPolicy,
        clock: Callable[[], float],
        limits: Callable[[], TransferLimits],
        measure: Measure = lambda _path, _bytes: None,
    ) -> None:
        """`measure`: see `size_limits.Measure`."""
        self._order = order
        self._session = session
        self._observer = observer
        self._stop = stop
        self._retry = retry
        self._clock = clock
        self._limits = limits
        self._measure = measure
        self._room = DiskRoom(order.folder)
        self._timeout_s = (retry.connect_s, retry.silence_s)
        self._asker = Asker(session, order.source, self._timeout_s)
        self._follower: Follower | None = None
        self._recognised: Plan | None = None
        self._in_one_piece = False  # True once parts have turned out to come from different files
        self._answered = False
        self._answer_s = 0.0
        self._failures = 0
        self._most_bytes = 0
        self.validator: str | None = None
        """The server's ETag or date for the file, after `run`."""

    def run(self) -> str | None:
        """Download the file to its path; its SHA-256, or None if it existed already and has no known digest.

        `DownloadError` if that is not possible, `Interrupted` if it was stopped.
        """
        try:
            self._order.folder.mkdir(parents=True, exist_ok=True)
            self._settle_name()
            with sole_writer(self._order.path):
                return self._run()
        except OSError as exc:
            raise disk_fault(exc, self._order.path) from exc
        finally:
            self._stop_following()

    def _settle_name(self) -> None:
        """Ask the server for the file's name, unless it is final."""
        order = self._order
        if order.source.settled:
            return
        self._observer.on_phase(Phase.CONNECTING)
        told, head = self._persistently(self._introduce)
        refuse_foreign(head, any_content=order.sha256 is not None)
        name = last_name(order.source.url, told, is_model=begins_as_model(head))
        source = replace(order.source, file_name=name, settled=True)
        self._order = replace(order, source=source)
        note_name(order.path, self._order.path, source)
        self._asker = Asker(self._session, source, self._timeout_s)
        self._observer.on_name(source)

    def _introduce(self) -> tuple[str | None, bytes]:
        """The server's name for the file, and its first bytes."""
        try:
            answer = self._ask(Span(0, HEAD_BYTES))
        except RangeRefusedError:  # the file is empty
            return None, b""
        with answer.response:
            answer.refuse_unusable(self._order.sha256)
            return answer.remote.name, answer.read_exactly(HEAD_BYTES)

    def _run(self) -> str | None:
        path, sha256 = self._order.path, self._order.sha256
        with closing(PartFile(path, self._order.source, sha256)) as part:
            if not path.exists():
                part.load()
                return self._complete(part)
            existing = Existing(path, self._observer, self._keep_going)
            if sha256 and existing.has_digest(sha256):
                return sha256
            self._observer.on_phase(Phase.CONNECTING)
            offer = self._persistently(lambda: existing.compare(self._ask))
            if existing.is_complete(offer, sha256):
                return offer.remote.sha256
            existing.adopt(part, offer, sha256)
            return self._complete(part)

    def _complete(self, part: PartFile) -> str:
        self._observer.on_phase(Phase.CONNECTING)
        self._observer.on_start(part.plan.received_bytes)
        self._note_progress(part)
        try:
            # A complete part from the same source needs no server.
            if not (part.whole and part.remote and part.remote.source == self._order.source):
                self._persistently(lambda: self._attempt(part))
            self._observer.on_phase(Phase.VERIFYING)
            self._refuse_foreign(part)
        except ForeignContentError:
            self._discard(part)
            raise
        sha256 = self._verify(part)
        part.publish()
        self.validator = part.remote.validator if part.remote else None
        return sha256

    def _persistently(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, which is repeated after faults that may be temporary."""
        while True:
            try:
                return attempt()
            except DownloadError as error:
                self._keep_going()  # an aborted connection can look like any fault
                wait_s = self._next_wait_s(error)
                if wait_s is None:
                    raise
                self._observer.on_trouble(error)
                self._stop.wait(wait_s)
                self._keep_going()

    def _next_wait_s(self, error: DownloadError) -> float | None:
        if not isinstance(error, TransientError):
            return None
        if isinstance(error, OfflineError) and self._answered:
            return self._retry.offline_wait_s
        never_there = isinstance(error, UnreachableError) and not self._answered
        waits_s = self._retry.unreachable_waits_s if never_there else self._retry.waits_s
        self._failures += 1
        if self._failures > len(waits_s):
            return None
        return max(waits_s[self._failures - 1], error.retry_after_s)

    def _attempt(self, part: PartFile) -> None:
        """Receive the missing bytes. `TransientError` if that ended early."""
        self._observer.on_phase(Phase.CONNECTING)
        answer = self._connect(part)
        with answer.response:
            answer.refuse_unusable(self._order.sha256)
            same = part.remote is not None and answer.continues(part.remote, part.plan.first_missing)
            self._require_space(answer.remote, part.occupied_bytes)
            if not (same and answer.is_piece):
                self._stop_following()  # Windows cannot replace a file that is open
                part.start_over(answer.remote)
            self._observer.on_start(part.plan.received_bytes)
            self._observer.on_phase(Phase.DOWNLOADING)
            self._receive(part, answer)

    def _connect(self, part: PartFile) -> ResponseBody:
        """An answer that begins at the first missing byte, or else one from the start of the file.

        Each computer of a mirror may give the file another ETag; then the next request, on another
        connection, may reach the computer with which the download was begun. Parts from two of them are never
        combined.
        """
        remote = part.remote
        if not (remote and remote.can_be_recognised and part.plan.done and not part.whole):
            return self._ask_from_start()
        start = part.plan.first_missing
        end = remote.size_bytes if self._in_one_piece else None
        for _ in range(_NODES_ASKED):
            try:
                answer = self._ask(Span(start, end or start + FIRST_CLAIM_BYTES))
            except RangeRefusedError:
                break
            if answer.continues(remote, start) or not answer.is_piece:
                return answer
            answer.response.close()
            if answer.remote.is_same_as(remote) or not answer.remote.may_be(remote):
                break  # it sends another part, or certainly has another file
        return self._ask_from_start()

    def _ask_from_start(self) -> ResponseBody:
        """The first part, or the whole file if parts of it cannot be recognized as belonging together."""
        if self._in_one_piece:
            return self._ask(None)
        try:
            answer = self._ask(Span(0, FIRST_CLAIM_BYTES))
        except RangeRefusedError:  # as for an empty file
            return self._ask(None)
        whole = answer.span is not None and answer.span[1] == answer.remote.size_bytes
        if not answer.is_piece or whole or (answer.span and answer.remote.can_be_recognised):
            return answer
        answer.response.close()
        return self._ask(None)

    def _ask(self, span: Span | None) -> ResponseBody:
        asked_at_s = self._clock()
        answer = self._asker.ask(span)
        self._answer_s = self._clock() - asked_at_s
        self._answered = True
        return answer

    def _receive(self, part: PartFile, answer: ResponseBody) -> None:
        self._follow(part)
        unknown = UnknownSize(part.path, self._measure) if self._has_no_size(part) else None
        pool = ConnectionPool(
            part,
            self._room,
            self._order.sha256,
            self._asker,
            self._session,
            self._stop,
            limits=self._limits,
            retry=self._retry,
            clock=self._clock,
            answer_s=self._answer_s,
            on_tick=lambda: self._on_tick(part, unknown),
        )
        try:
            pool.run(answer, splittable=answer.is_piece and not self._in_one_piece)
        except OverlongError:
            self._discard(part)
            raise
        except (DownloadError, Interrupted, OSError) as exc:
            self._in_one_piece = self._in_one_piece or isinstance(exc, NodesDifferError)
            self._note_progress(part)
            with suppress(OSError):  # the last journal stays valid
                part.checkpoint()
            raise

    def _follow(self, part: PartFile) -> Follower:
        if self._follower is None or self._follower.plan is not part.plan:
            self._stop_following()
            self._follower = Follower(part.path, part.plan)
        return self._follower

    def _stop_following(self) -> None:
        if self._follower:
            self._follower.close()
            self._follower = None

    def _discard(self, part: PartFile) -> None:
        self._stop_following()  # Windows cannot delete a file that is open
        part.discard()

    def _has_no_size(self, part: PartFile) -> bool:
        """Whether the size of the file has to be limited: the server does not give it, and neither is there a
        digest from the user.
        """
        return part.plan.size_bytes is None and self._order.sha256 is None

    def _on_tick(self, part: PartFile, unknown: UnknownSize | None) -> None:
        self._note_progress(part)
        self._keep_going()
        self._refuse_foreign(part)
        if unknown and self._recognised is part.plan:
            unknown.check(part.plan.received_bytes)
        if not part.plan.complete:
            self._room.look()

    def _note_progress(self, part: PartFile) -> None:
        received = part.plan.received_bytes
        if received > self._most_bytes:
            self._most_bytes = received
            self._failures = 0
        self._observer.on_bytes(received, part.plan.size_bytes)

    def _require_space(self, remote: RemoteFile, occupied_bytes: int) -> None:
        """The space that the part occupies counts as free: it is kept, or freed before the file starts
        over.
        """
        if remote.size_bytes is not None:
            self._room.require(max(0, remote.size_bytes - occupied_bytes))

    def _verify(self, part: PartFile) -> str:
        follower = self._follow(part)
        part.sync()  # usually takes as long as the follower still needs
        if not follower.has_ended:
            part.checkpoint()
        actual = follower.hexdigest(self._keep_going)
        expected = self._order.sha256 or (part.remote.sha256 if part.remote else None)
        if expected is not None:
            try:
                refuse_wrong_digest(expected, actual)
            except DownloadError as error:
                raise set_aside(error, part.set_aside().name) from error
        return actual

    def _refuse_foreign(self, part: PartFile) -> None:
        if self._recognised is not part.plan and (head := part.head()) is not None:
            refuse_foreign(head, any_content=self._order.sha256 is not None)
            self._recognised = part.plan

    def _keep_going(self) -> None:
        if self._stop.is_set():
            raise Interrupted
