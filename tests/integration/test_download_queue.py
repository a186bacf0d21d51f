"""The list of downloads: order, pause, resume, cancel, discard, close; what listeners see."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.fakes.downloads import QUICK, Seen, model_bytes, received
from tests.fakes.errors import coded
from tests.fakes.file_server import Drop, FileServer, Silence, Stall, Status
from tray_app.download.connection_pool import TransferLimits
from tray_app.download.progress import Phase, Progress
from tray_app.download.queue import DownloadQueue
from tray_app.download.retry import RetryPolicy
from tray_app.download.session import Session
from tray_app.download.transfer import Transfer
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = model_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LONG_S = 20.0
PATIENT = RetryPolicy(silence_s=60.0)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def queue() -> Iterator[DownloadQueue]:
    running = DownloadQueue(retry=PATIENT, limits=one_connection)
    yield running
    running.close(LONG_S)
    assert "downloads" not in {thread.name for thread in threading.enumerate()}


def one_connection() -> TransferLimits:
    """So that the test knows what has arrived: a second one would take over half of a stalled one's rest."""
    return TransferLimits(connections=1)


def stalled(queue: DownloadQueue, server: FileServer, folder: Path) -> int:
    """A download that hangs in the middle of its file."""
    seen = Seen(queue)
    server.put("/m.gguf", CONTENT).faults.append(Stall(100_000))
    download = queue.add(f"{server.base_url}/m.gguf", folder)
    seen.wait_for(lambda snapshot: snapshot[-1].received_bytes == 100_000)
    return download


def test_a_download_is_seen_from_start_to_end(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    seen = Seen(queue)
    served = server.put("/m.gguf", CONTENT)
    served.etag = '"one"'
    download = queue.add(served.url, tmp_path)
    assert queue.wait(download, LONG_S) == tmp_path / "m.gguf"
    (done,) = queue.snapshot()
    assert done == Progress(
        id=download,
        name="m.gguf",
        phase=Phase.DONE,
        received_bytes=len(CONTENT),
        total_bytes=len(CONTENT),
        rate_bytes_per_s=0.0,
        remaining_s=None,
        path=tmp_path / "m.gguf",
        resumed=False,
        sha256=DIGEST,
        error=None,
        source=served.url,
        validator='"one"',
    )
    seen.wait_for(lambda snapshot: snapshot == (done,))
    assert seen.phases(download)[-4:] == [Phase.CONNECTING, Phase.DOWNLOADING, Phase.VERIFYING, Phase.DONE]


def test_one_is_active_and_the_others_wait_in_order(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    first = stalled(queue, server, tmp_path)
    others = [queue.add(server.put(f"/{name}.gguf", CONTENT).url, tmp_path) for name in "bc"]
    assert [item.phase for item in queue.snapshot()] == [Phase.DOWNLOADING, Phase.WAITING, Phase.WAITING]
    queue.pause(first)
    assert [queue.wait(other, LONG_S).name for other in others] == ["b.gguf", "c.gguf"]


def test_a_paused_download_goes_on_where_it_was(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    download = stalled(queue, server, tmp_path)
    queue.pause(download)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
        queue.wait(download, LONG_S)
    queue.resume(download)
    queue.wait(download, LONG_S)
    (done,) = queue.snapshot()
    assert done.resumed
    assert done.sha256 == DIGEST
    assert server.files["/m.gguf"].requests[1].offset == 100_000


def test_resuming_while_it_is_still_stopping_goes_on(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    download = stalled(queue, server, tmp_path)
    queue.pause(download)
    queue.resume(download)
    assert queue.wait(download, LONG_S).read_bytes() == CONTENT


def test_a_download_that_waits_for_an_answer_is_paused_at_once(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Silence())
    seen = Seen(queue)
    download = queue.add(served.url, tmp_path)
    seen.wait_for(lambda snapshot: snapshot[0].phase is Phase.CONNECTING)
    queue.pause(download)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
        queue.wait(download, LONG_S)


def test_a_download_that_waits_for_its_next_attempt_is_paused_at_once(
    server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = Status(503)
    queue = DownloadQueue(retry=RetryPolicy(waits_s=(3600.0,)))
    seen = Seen(queue)
    download = queue.add(served.url, tmp_path)
    seen.wait_for(lambda snapshot: snapshot[0].phase is Phase.CONNECTING)
    queue.close(LONG_S)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
        queue.wait(download, 0)


def test_cancelling_keeps_and_discarding_deletes_what_has_arrived(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    download = stalled(queue, server, tmp_path)
    queue.cancel(download)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_CANCELLED)):
        queue.wait(download, LONG_S)
    assert received(tmp_path) == ((0, 100_000),)
    queue.discard(download)
    assert list(tmp_path.iterdir()) == []
    assert queue.snapshot()[0].received_bytes == 0


def test_discarding_an_active_download_deletes_what_has_arrived(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    download = stalled(queue, server, tmp_path)
    queue.discard(download)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_CANCELLED)):
        queue.wait(download, LONG_S)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_file_is_not_discarded(queue: DownloadQueue, server: FileServer, tmp_path: Path) -> None:
    download = queue.add(server.put("/m.gguf", CONTENT).url, tmp_path)
    path = queue.wait(download, LONG_S)
    for operation in (queue.pause, queue.cancel, queue.discard, queue.resume):
        operation(download)
    assert queue.wait(download, 0) == path
    assert path.read_bytes() == CONTENT


def test_a_failed_download_says_why_and_can_be_tried_again(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Status(404))
    download = queue.add(served.url, tmp_path)
    with pytest.raises(DownloadError, check=coded(ErrorCode.SOURCE_FILE_NOT_FOUND)) as caught:
        queue.wait(download, LONG_S)
    assert queue.snapshot()[0].error is caught.value
    queue.resume(download)
    assert queue.wait(download, LONG_S).exists()
    assert queue.snapshot()[0].error is None


def test_the_same_file_is_queued_once(queue: DownloadQueue, server: FileServer, tmp_path: Path) -> None:
    download = stalled(queue, server, tmp_path)
    assert queue.add(f"{server.base_url}/m.gguf", tmp_path) == download
    queue.pause(download)
    with pytest.raises(DownloadError):
        queue.wait(download, LONG_S)
    assert queue.add(f"{server.base_url}/m.gguf", tmp_path) == download
    assert queue.wait(download, LONG_S).exists()


def test_what_is_no_source_is_refused_before_it_is_queued(queue: DownloadQueue, tmp_path: Path) -> None:
    with pytest.raises(DownloadError):
        queue.add("m.gguf", tmp_path)
    with pytest.raises(DownloadError):
        queue.add("https://example.org/m.gguf", tmp_path, sha256="short")
    assert queue.snapshot() == ()


def test_waiting_ends_when_the_time_is_over(queue: DownloadQueue, server: FileServer, tmp_path: Path) -> None:
    download = stalled(queue, server, tmp_path)
    with pytest.raises(TimeoutError):
        queue.wait(download, 0.01)


def test_closing_pauses_everything_and_a_later_run_goes_on(server: FileServer, tmp_path: Path) -> None:
    before = DownloadQueue(retry=PATIENT, limits=one_connection)
    download = stalled(before, server, tmp_path)
    waiting = before.add(server.put("/b.gguf", CONTENT).url, tmp_path)
    before.close(LONG_S)
    assert [item.phase for item in before.snapshot()] == [Phase.PAUSED, Phase.PAUSED]
    for number in (download, waiting):
        with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
            before.wait(number, 0)
    after = DownloadQueue(retry=QUICK)
    download = after.add(f"{server.base_url}/m.gguf", tmp_path)
    assert after.wait(download, LONG_S).read_bytes() == CONTENT
    assert after.snapshot()[0].resumed
    after.close(LONG_S)


def test_a_closed_queue_starts_nothing_more(server: FileServer, tmp_path: Path) -> None:
    queue = DownloadQueue()
    queue.close(LONG_S)
    download = queue.add(server.put("/m.gguf", CONTENT).url, tmp_path)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
        queue.wait(download, 1)


def test_bytes_are_told_at_most_ten_times_a_second(server: FileServer, tmp_path: Path) -> None:
    ticks = iter(range(1_000_000))
    queue = DownloadQueue(clock=lambda: next(ticks) / 1000, retry=QUICK)
    seen = Seen(queue)
    queue.wait(queue.add(server.put("/m.gguf", model_bytes(8_000_000)).url, tmp_path), LONG_S)
    queue.close(LONG_S)
    times_told = len([snapshot for snapshot in seen.snapshots if snapshot[0].phase is Phase.DOWNLOADING])
    assert 1 < times_told <= 2 + next(ticks) / 100


@pytest.mark.warns("A listener of the download queue failed")
def test_a_listener_that_fails_does_not_stop_the_download(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    def fail(_snapshot: object) -> None:
        raise ValueError("a bug in a listener")

    queue.changed.connect(fail)
    download = queue.add(server.put("/m.gguf", CONTENT).url, tmp_path)
    assert queue.wait(download, LONG_S).exists()


@pytest.mark.warns("Download of a.gguf")
def test_a_bug_in_one_download_does_not_stop_the_next(
    queue: DownloadQueue, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_transfer: Transfer) -> str:
        raise ValueError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(Transfer, "run", fail)
        with pytest.raises(DownloadError, check=coded(ErrorCode.INTERNAL_ERROR)):
            queue.wait(queue.add(server.put("/a.gguf", CONTENT).url, tmp_path), LONG_S)
    assert queue.wait(queue.add(server.put("/b.gguf", CONTENT).url, tmp_path), LONG_S).exists()


def test_a_later_run_lists_what_was_left_with_its_size_and_in_order(
    server: FileServer, tmp_path: Path
) -> None:
    before = DownloadQueue(retry=PATIENT, limits=one_connection)
    stalled(before, server, tmp_path)
    before.add(server.put("/a.gguf", CONTENT).url, tmp_path, sha256=DIGEST)
    before.close(LONG_S)
    after = DownloadQueue(retry=QUICK)
    after.restore(tmp_path)
    listed = [(item.name, item.phase, item.received_bytes, item.total_bytes) for item in after.snapshot()]
    assert listed == [
        ("m.gguf", Phase.PAUSED, 100_000, len(CONTENT)),
        ("a.gguf", Phase.PAUSED, 0, None),
    ]
    for item in after.snapshot():
        after.resume(item.id)
        assert after.wait(item.id, LONG_S).read_bytes() == CONTENT
    assert after.add(f"{server.base_url}/m.gguf", tmp_path) == 3  # what is done is done
    after.close(LONG_S)
    assert {path.name for path in tmp_path.iterdir()} == {"m.gguf", "a.gguf"}


def test_adding_what_was_left_takes_up_its_place_in_the_list(server: FileServer, tmp_path: Path) -> None:
    before = DownloadQueue(retry=PATIENT, limits=one_connection)
    stalled(before, server, tmp_path)
    before.close(LONG_S)
    after = DownloadQueue(retry=QUICK)
    after.restore(tmp_path)
    download = after.add(f"{server.base_url}/m.gguf", tmp_path)
    assert after.wait(download, LONG_S).exists()
    after.close(LONG_S)
    assert [item.resumed for item in after.snapshot()] == [True]


def test_what_another_program_downloads_is_not_discarded(server: FileServer, tmp_path: Path) -> None:
    other = DownloadQueue(retry=PATIENT, limits=one_connection)
    stalled(other, server, tmp_path)
    mine = DownloadQueue(retry=QUICK)
    mine.restore(tmp_path)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_ALREADY_RUNNING)):
        mine.discard(1)
    assert (tmp_path / "m.gguf.part").exists()
    mine.close(LONG_S)
    other.close(LONG_S)


def test_what_another_program_has_just_begun_is_not_taken_from_it(server: FileServer, tmp_path: Path) -> None:
    other = DownloadQueue(retry=PATIENT, limits=one_connection)
    seen = Seen(other)
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Stall(0))
    other.add(served.url, tmp_path)
    seen.wait_for(lambda snapshot: snapshot[0].phase is Phase.DOWNLOADING)
    mine = DownloadQueue(retry=QUICK)
    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_ALREADY_RUNNING)):
        mine.wait(mine.add(served.url, tmp_path), LONG_S)
    mine.close(LONG_S)
    assert {"m.gguf.part", "m.gguf.part.json"} <= {path.name for path in tmp_path.iterdir()}
    other.close(LONG_S)


@pytest.mark.parametrize("fault", [Status(404), Status(401)], ids=str)
def test_what_failed_before_anything_arrived_leaves_nothing(
    queue: DownloadQueue, server: FileServer, tmp_path: Path, fault: Status
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = fault
    with pytest.raises(DownloadError):
        queue.wait(queue.add(served.url, tmp_path), LONG_S)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_an_empty_list(tmp_path: Path) -> None:
    queue = DownloadQueue()
    queue.restore(tmp_path / "missing drive")
    assert queue.snapshot() == ()


def test_a_folder_that_cannot_be_read_is_an_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: object) -> None:
        raise OSError(errno.EIO, "Input/output error")  # as on a drive that was pulled out

    monkeypatch.setattr(os, "scandir", fail)
    queue = DownloadQueue()
    queue.restore(tmp_path)
    assert queue.snapshot() == ()


def test_the_machine_is_kept_awake_while_one_runs(server: FileServer, tmp_path: Path) -> None:
    events: list[str] = []

    @contextmanager
    def keep_awake() -> Iterator[None]:
        events.append("awake")
        yield
        events.append("may sleep")

    queue = DownloadQueue(retry=QUICK, keep_awake=keep_awake)
    queue.wait(queue.add(server.put("/m.gguf", CONTENT).url, tmp_path), LONG_S)
    queue.close(LONG_S)
    assert events == ["awake", "may sleep"]


def test_hf_sources_come_from_the_mirror_that_is_set(server: FileServer, tmp_path: Path) -> None:
    queue = DownloadQueue(retry=QUICK, endpoint=lambda: f"{server.base_url}/")
    server.put_like_hugging_face("/o/r/resolve/main/m.gguf", CONTENT)
    assert queue.wait(queue.add("hf:o/r/m.gguf", tmp_path), LONG_S).read_bytes() == CONTENT
    queue.close(LONG_S)


def test_offline_it_waits_and_goes_on_by_itself(server: FileServer, tmp_path: Path) -> None:
    """The network goes away in the middle, for longer than there are attempts, and comes back."""
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Drop(100_000))
    refusals = iter(range(10))

    class Flaky(Session):
        def get(self, *args: Any, **kwargs: Any) -> Any:
            if served.requests and next(refusals, None) is not None:
                raise requests.ConnectionError(OSError(errno.ENETUNREACH, "Network is unreachable"))
            return super().get(*args, **kwargs)

    queue = DownloadQueue(Flaky, retry=QUICK, limits=one_connection)
    seen = Seen(queue)
    download = queue.add(served.url, tmp_path)
    assert queue.wait(download, LONG_S).read_bytes() == CONTENT
    queue.close(LONG_S)
    waiting = [item for snapshot in seen.snapshots for item in snapshot if item.error]
    assert {item.phase for item in waiting} == {Phase.CONNECTING}
    assert any("unreachable" in item.error.message for item in waiting if item.error)
    assert queue.snapshot()[0].error is None
    assert len(served.requests) == 2


def test_limits_of_one_download_are_made_of_those_for_all_and_end_with_it(
    queue: DownloadQueue, server: FileServer, tmp_path: Path
) -> None:
    asked: list[TransferLimits] = []

    def slower(usual: TransferLimits) -> TransferLimits:
        asked.append(usual)
        return TransferLimits(usual.connections, 50e6)

    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Stall(1000))
    seen = Seen(queue)
    download = queue.add(served.url, tmp_path, limits=slower)
    seen.wait_for(lambda snapshot: snapshot[-1].received_bytes == 1000)
    queue.pause(download)
    with pytest.raises(DownloadError):
        queue.wait(download, LONG_S)
    before = len(asked)
    queue.resume(download)  # as a person does in the window, who has asked for no limit
    queue.wait(download, LONG_S)

    assert asked[0] == one_connection()
    assert len(asked) == before
