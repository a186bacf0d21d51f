"""The partial file and its journal, the checks on content, the rate, and the words for faults."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

import pytest
import requests

from tray_app.download import part as part_module
from tray_app.download.faults import TransientError, UnreachableError, disk_fault, no_answer, refusal
from tray_app.download.part import PartFile
from tray_app.download.progress import RateMeter
from tray_app.download.source import RemoteFile, Source
from tray_app.download.verify import refuse_foreign
from tray_app.errors import DownloadError

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.org/m.gguf"
REMOTE = RemoteFile(Source(URL, "m.gguf"), 10, None, None, "etag")


def keep_going() -> None:
    """Nobody interrupts."""


def left_behind(folder: Path, data: bytes) -> PartFile:
    """The part file of an earlier run."""
    part = PartFile(folder / "m.gguf")
    part.start_over(REMOTE)
    part.write(data)
    part.close()
    return part


def loaded(folder: Path, url: str = URL) -> PartFile:
    part = PartFile(folder / "m.gguf")
    part.load(url, keep_going)
    return part


def test_a_later_run_goes_on_with_bytes_and_digest(tmp_path: Path) -> None:
    left_behind(tmp_path, b"GGUF12")
    part = loaded(tmp_path)
    assert (part.received_bytes, part.remote, part.whole) == (6, REMOTE, False)
    part.write(b"3456")
    assert part.whole
    part.publish()
    assert (tmp_path / "m.gguf").read_bytes() == b"GGUF123456"
    assert part.hexdigest() == hashlib.sha256(b"GGUF123456").hexdigest()
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf"]


def test_bytes_beyond_the_journal_are_not_trusted(tmp_path: Path) -> None:
    part = left_behind(tmp_path, b"GGUF12")
    with part.path.open("ab") as file:
        file.write(b"never synced")
    part = loaded(tmp_path)
    part.write(b"3456")
    part.publish()
    assert (tmp_path / "m.gguf").read_bytes() == b"GGUF123456"


def test_the_data_is_synced_before_the_journal_speaks_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journalled: list[int] = []
    monkeypatch.setattr(
        part_module, "_sync_data", lambda _fd: journalled.append(loaded(tmp_path).received_bytes)
    )
    part = PartFile(tmp_path / "m.gguf")
    part.start_over(REMOTE)
    part.write(b"GGUF12")
    part.checkpoint()
    part.close()
    assert journalled == [0, 6]  # what the journal knew when the data was being synced


@pytest.mark.parametrize("journal", [b"", b"{", b'{"received_bytes": 6}', b"\xff"])
def test_a_broken_journal_means_a_fresh_start(tmp_path: Path, journal: bytes) -> None:
    left_behind(tmp_path, b"GGUF12")
    (tmp_path / "m.gguf.part.json").write_bytes(journal)
    assert loaded(tmp_path).received_bytes == 0


def test_a_journal_ahead_of_its_data_means_a_fresh_start(tmp_path: Path) -> None:
    os.truncate(left_behind(tmp_path, b"GGUF12").path, 5)
    assert loaded(tmp_path).received_bytes == 0


def test_the_part_of_another_address_is_not_continued(tmp_path: Path) -> None:
    left_behind(tmp_path, b"GGUF12")
    assert loaded(tmp_path, "https://example.org/other/m.gguf").received_bytes == 0


def test_starting_over_leaves_no_journal_that_vouches_for_new_bytes(tmp_path: Path) -> None:
    left_behind(tmp_path, b"GGUF12")
    part = loaded(tmp_path)
    part.start_over(REMOTE)
    part.write(b"PWRI89")
    at_power_cut = loaded(tmp_path)
    part.close()
    assert at_power_cut.received_bytes == 0


def test_a_damaged_file_is_neither_used_nor_continued(tmp_path: Path) -> None:
    part = left_behind(tmp_path, b"GGUF12")
    assert part.set_aside().read_bytes() == b"GGUF12"
    assert [path.name for path in tmp_path.iterdir()] == ["m.gguf.damaged"]


@pytest.mark.parametrize("head", [b"GGUF\3\0\0\0", b"PWRI\3\0\0\0"])
def test_both_kinds_of_models_pass(head: bytes) -> None:
    refuse_foreign(head, any_content=False)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\n <!DOCTYPE html><html>", "web page"),
        (b"<HTML>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer"),
    ],
)
@pytest.mark.parametrize("any_content", [False, True])
def test_stand_ins_never_pass(head: bytes, words: str, *, any_content: bool) -> None:
    with pytest.raises(DownloadError, match=words):
        refuse_foreign(head, any_content=any_content)


def test_other_content_passes_only_when_a_person_vouched_for_it() -> None:
    refuse_foreign(b"\x7fELF", any_content=True)
    with pytest.raises(DownloadError, match="not a model"):
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
    assert isinstance(refusal(status, "example.org"), TransientError)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "does not let us"),
        (403, "does not let us"),
        (404, "not there"),
        (410, "not there"),
        (400, "refused"),
    ],
)
def test_a_refusal_is_final_and_says_what_to_do(status: int, title: str) -> None:
    error = refusal(status, "example.org")
    assert not isinstance(error, TransientError)
    assert title in error.title
    assert "example.org" in error.message
    assert error.hint


def test_a_request_that_cannot_be_made_is_no_connection_problem() -> None:
    assert not isinstance(no_answer(requests.exceptions.InvalidURL("bad"), "x"), UnreachableError)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named(tmp_path: Path, code: int) -> None:
    assert disk_fault(OSError(code, "no"), tmp_path / "m.gguf").title == "The disk is full"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    error = disk_fault(PermissionError(errno.EACCES, "Permission denied"), tmp_path / "m.gguf")
    assert error.title == "The folder cannot be written"
    assert str(tmp_path) in error.message
