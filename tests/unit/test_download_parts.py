"""The partial file and its journal, the checks on content, the rate, and the words for faults."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import requests

from tests.fakes.errors import coded
from tray_app.download import part as part_module
from tray_app.download.disk_errors import disk_fault
from tray_app.download.faults import OfflineError, TransientError, UnreachableError
from tray_app.download.network_errors import no_answer
from tray_app.download.part import PartFile, find_journals, forget_order, note_order
from tray_app.download.progress import RateMeter
from tray_app.download.refusals import LONGEST_RETRY_AFTER_S, refusal
from tray_app.download.segments import Plan, Span
from tray_app.download.source import DownloadSource, RemoteFile
from tray_app.download.verify import Follower, refuse_foreign
from tray_app.errors import DownloadError, ErrorCode, Fix

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.download.part import Journal

SOURCE = DownloadSource("https://example.org/m.gguf", "m.gguf")
REMOTE = RemoteFile(SOURCE, 10, None, None, "etag")


def keep_going() -> None:
    """Nobody interrupts."""


def receive(part: PartFile, at: int, data: bytes) -> None:
    """What a connection does that gets these bytes."""
    with part.writer() as file:
        file.seek(at)
        file.write(data)
    done = [*part.plan.done, Span(at, at + len(data))]
    part.plan = Plan(part.plan.size_bytes, sorted(done))


def left_behind(folder: Path, data: bytes, at: int = 0) -> PartFile:
    """The part file of an earlier run."""
    part = PartFile(folder / "m.gguf", SOURCE)
    part.start_over(REMOTE)
    receive(part, at, data)
    part.checkpoint()
    part.close()
    return part


def loaded(folder: Path) -> PartFile:
    part = PartFile(folder / "m.gguf", SOURCE)
    part.load()
    return part


def test_a_later_run_goes_on_with_what_is_there(tmp_path: Path) -> None:
    left_behind(tmp_path, b"456", at=6)
    part = loaded(tmp_path)
    assert (part.plan.done, part.remote, part.whole) == ((Span(6, 9),), REMOTE, False)
    receive(part, 0, b"GGUF12")
    receive(part, 9, b"7")
    assert part.whole
    part.publish()
    assert (tmp_path / "m.gguf").read_bytes() == b"GGUF124567"
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_bytes_that_the_journal_does_not_know_are_not_trusted(tmp_path: Path) -> None:
    part = left_behind(tmp_path, b"GGUF12")
    receive(part, 6, b"never")
    assert loaded(tmp_path).plan.received_bytes == 6


def test_the_partial_file_is_only_as_long_as_what_has_arrived(tmp_path: Path) -> None:
    """Windows and exFAT fill up with zeros what a file is lengthened by: minutes for a large model."""
    part = PartFile(tmp_path / "m.gguf", SOURCE)
    part.start_over(replace(REMOTE, size_bytes=1 << 40))
    assert part.path.stat().st_size == 0
    receive(part, 6, b"456")
    assert part.path.stat().st_size == 9
    assert part.occupied_bytes < 1 << 20


@pytest.mark.parametrize(
    ("info", "occupied_bytes"),
    [
        (SimpleNamespace(st_size=5000, st_blocks=8), 4096),
        (SimpleNamespace(st_size=5000), 5000),  # Windows
        (SimpleNamespace(st_size=0, st_blocks=0), 3),  # a file system that allots later
    ],
)
def test_room_that_a_part_has_taken_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, info: SimpleNamespace, occupied_bytes: int
) -> None:
    part = left_behind(tmp_path, b"GGU")
    with monkeypatch.context() as patch:
        patch.setattr(type(part.path), "stat", lambda _path: info)
        assert part.occupied_bytes == occupied_bytes


def test_the_data_is_synced_before_the_journal_speaks_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    store = part_module._store

    def note_and_store(path: Path, journal: Journal) -> None:
        events.append("journal")
        store(path, journal)

    monkeypatch.setattr(part_module, "_sync_data", lambda _fd: events.append("sync"))
    monkeypatch.setattr(part_module, "_store", note_and_store)
    part = PartFile(tmp_path / "m.gguf", SOURCE)
    part.start_over(REMOTE)
    receive(part, 0, b"GGUF12")
    part.checkpoint()
    part.close()
    assert events == ["journal", "sync", "journal"]
    assert loaded(tmp_path).plan.received_bytes == 6


def test_what_arrives_during_a_sync_is_left_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = PartFile(tmp_path / "m.gguf", SOURCE)
    part.start_over(REMOTE)
    receive(part, 0, b"GGUF")
    monkeypatch.setattr(part_module, "_sync_data", lambda _fd: receive(part, 4, b"12"))
    part.checkpoint()
    part.close()
    assert loaded(tmp_path).plan.received_bytes == 4


@pytest.mark.parametrize("journal", [b"", b"{", b'{"received_bytes": 6}', b"\xff", b'{"sha256": "\xff"}'])
def test_a_broken_journal_means_a_fresh_start(tmp_path: Path, journal: bytes) -> None:
    left_behind(tmp_path, b"GGUF12")
    (tmp_path / "m.gguf.part.json").write_bytes(journal)
    assert loaded(tmp_path).plan.done == ()


def test_a_journal_ahead_of_its_data_means_a_fresh_start(tmp_path: Path) -> None:
    os.truncate(left_behind(tmp_path, b"GGUF12").path, 5)
    assert loaded(tmp_path).plan.done == ()


def test_starting_over_leaves_no_journal_that_vouches_for_new_bytes(tmp_path: Path) -> None:
    left_behind(tmp_path, b"GGUF12")
    part = loaded(tmp_path)
    part.start_over(REMOTE)
    receive(part, 0, b"PWRI89")
    assert loaded(tmp_path).plan.done == ()


def test_a_journal_that_knows_of_no_byte_needs_not_be_replaced_before_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replacing it waits for the disk, and somebody for the download."""
    note_order(tmp_path / "m.gguf", SOURCE, None)
    elsewhere = replace(SOURCE, url="https://example.com/m.gguf")
    stored: list[DownloadSource] = []
    store = part_module._store

    def note_and_store(path: Path, journal: Journal) -> None:
        stored.append(journal.source)
        store(path, journal)

    monkeypatch.setattr(part_module, "_store", note_and_store)
    for source in (SOURCE, elsewhere, elsewhere):
        part = PartFile(tmp_path / "m.gguf", source)
        part.load()
        part.start_over(replace(REMOTE, source=source))
        part.close()
    assert stored == [elsewhere, elsewhere]  # the second time, the file may be another one


def test_a_damaged_file_is_neither_used_nor_continued(tmp_path: Path) -> None:
    part = left_behind(tmp_path, b"GGUF12")
    assert part.set_aside().read_bytes()[:6] == b"GGUF12"
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf.damaged"]


def test_the_digest_follows_whatever_the_order_of_arrival(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "m.gguf", SOURCE)
    part.start_over(REMOTE)
    claims = [part.plan.claim_run()]
    follower = Follower(part.path, part.plan)
    with part.writer() as file:
        file.write(b"GGUF123456")
    for claim in filter(None, claims):
        part.plan.advance(claim, 4)
        part.plan.advance(claim, 6)
        part.plan.release(claim)
    assert follower.hexdigest(keep_going) == hashlib.sha256(b"GGUF123456").hexdigest()
    follower.close()


def test_a_follower_ends_when_told_and_says_when_the_file_is_gone(tmp_path: Path) -> None:
    waiting = Follower(left_behind(tmp_path, b"GGUF12").path, Plan(10))
    waiting.close()
    lost = Follower(tmp_path / "nowhere", Plan(0))
    with pytest.raises(FileNotFoundError):
        lost.hexdigest(keep_going)


def test_an_order_is_noted_once_and_forgotten_only_while_nothing_has_arrived(tmp_path: Path) -> None:
    final = tmp_path / "m.gguf"
    note_order(final, SOURCE, "ab" * 32)
    note_order(final, SOURCE, None)
    ((path, journal),) = find_journals(tmp_path)
    assert (path, journal.source, journal.sha256) == (final, SOURCE, "ab" * 32)
    forget_order(final)
    assert list(tmp_path.iterdir()) == []
    left_behind(tmp_path, b"GGUF12")
    forget_order(final)
    assert loaded(tmp_path).plan.received_bytes == 6


@pytest.mark.parametrize("head", [b"GGUF\3\0\0\0", b"PWRI\3\0\0\0"])
def test_both_kinds_of_models_pass(head: bytes) -> None:
    refuse_foreign(head, any_content=False)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"\n <!DOCTYPE html><html>", ErrorCode.SOURCE_SENDS_WEB_PAGE),
        (b"<HTML>", ErrorCode.SOURCE_SENDS_WEB_PAGE),
        (b"version https://git-lfs.github.com/spec/v1\noid", ErrorCode.SOURCE_SENDS_POINTER),
    ],
)
@pytest.mark.parametrize("any_content", [False, True])
def test_stand_ins_never_pass(head: bytes, code: ErrorCode, *, any_content: bool) -> None:
    with pytest.raises(DownloadError, check=coded(code)):
        refuse_foreign(head, any_content=any_content)


def test_other_content_passes_only_when_a_person_vouched_for_it() -> None:
    refuse_foreign(b"\x7fELF", any_content=True)
    with pytest.raises(DownloadError, check=coded(ErrorCode.NOT_A_MODEL)):
        refuse_foreign(b"\x7fELF", any_content=False)


def test_the_rate_is_that_of_the_last_five_seconds() -> None:
    meter = RateMeter()
    for second in range(11):
        meter.sample(100 * second if second <= 5 else 500 + 1000 * (second - 5), float(second))
    assert meter.bytes_per_s == 1000.0


def test_samples_count_at_most_ten_times_a_second() -> None:
    meter = RateMeter()
    counted = [meter.sample(step, step / 1024) for step in range(1024)]
    assert 9 <= sum(counted) <= 10
    assert meter.bytes_per_s == pytest.approx(1024)


def test_one_sample_makes_no_rate() -> None:
    meter = RateMeter()
    meter.sample(1000, 0.0)
    assert meter.bytes_per_s == 0.0


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    assert isinstance(refusal(status, "example.org", {}), TransientError)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, ErrorCode.SIGN_IN_REQUIRED),
        (403, ErrorCode.SIGN_IN_REQUIRED),
        (404, ErrorCode.SOURCE_FILE_NOT_FOUND),
        (410, ErrorCode.SOURCE_FILE_NOT_FOUND),
        (400, ErrorCode.SOURCE_REFUSED),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(status: int, code: ErrorCode) -> None:
    error = refusal(status, "example.org", {})
    assert not isinstance(error, TransientError)
    assert error.code is code
    assert "example.org" in error.message
    assert error.hint


def test_a_request_that_cannot_be_made_is_no_connection_problem() -> None:
    assert not isinstance(no_answer(requests.exceptions.InvalidURL("bad"), "x"), UnreachableError)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path: Path, code: int) -> None:
    assert disk_fault(OSError(code, "no"), tmp_path / "m.gguf").code is ErrorCode.DISK_FULL


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    error = disk_fault(PermissionError(errno.EACCES, "Permission denied"), tmp_path / "m.gguf")
    assert error.code is ErrorCode.FOLDER_NOT_WRITABLE
    assert str(tmp_path) in error.message


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("7", 7.0), ("999999", LONGEST_RETRY_AFTER_S), ("soon", 0.0), ("", 0.0), ("-5", 0.0)],
)
def test_how_long_a_server_asks_to_wait(header: str, wait_s: float) -> None:
    error = refusal(429, "example.org", {"Retry-After": header})
    assert isinstance(error, TransientError)
    assert error.retry_after_s == wait_s


def test_a_server_may_ask_to_wait_until_a_time() -> None:
    then = datetime.now(UTC) + timedelta(seconds=60)
    error = refusal(503, "example.org", {"Retry-After": format_datetime(then, usegmt=True)})
    assert isinstance(error, TransientError)
    assert 50 < error.retry_after_s <= 60


def test_a_gated_file_says_how_to_get_it() -> None:
    error = refusal(403, "huggingface.co", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Ask for access"})
    assert error.code is ErrorCode.TERMS_NOT_ACCEPTED
    assert "Ask for access" in error.message
    assert "settings under “Downloads”" in error.hint
    assert "powerinfer-tray key set huggingface.co" in error.hint
    assert (error.fix, error.setting) == (Fix.SETTING, "huggingface.co")


def test_a_gated_file_of_a_mirror_wants_the_mirrors_own_token() -> None:
    error = refusal(403, "mirror.example:8443", {"X-Error-Code": "GatedRepo"})
    assert error.hint.endswith("powerinfer-tray key set mirror.example")
    assert error.fix is Fix.NONE


@pytest.mark.parametrize(
    ("cause", "offline"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), True),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), True),
        (OSError(errno.EHOSTUNREACH, "No route to host"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), False),
    ],
)
def test_being_offline_is_told_from_a_server_that_is_down(cause: OSError, *, offline: bool) -> None:
    error = no_answer(requests.ConnectionError(cause), "example.org")
    assert isinstance(error, UnreachableError)
    assert isinstance(error, OfflineError) is offline


def test_a_file_that_is_too_large_for_the_disk_is_not_called_a_full_disk(tmp_path: Path) -> None:
    error = disk_fault(OSError(errno.EFBIG, "File too large"), tmp_path / "m.gguf")
    assert error.code is ErrorCode.FILE_TOO_LARGE_FOR_DISK
    assert "FAT32" in error.message
    assert "exFAT" in error.hint
