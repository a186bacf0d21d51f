"""Where a download is written: full disks, places that are no folder, and names of every kind."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.fakes.downloads import QUICK, Recorder, fetch, model_bytes, received
from tests.fakes.errors import coded
from tests.fakes.file_server import Drop, FileServer, SparseContent, Stall
from tests.fakes.models import header_bytes
from tests.fakes.models import model_bytes as whole_model
from tray_app.download import part, transfer, worker
from tray_app.download.progress import Phase
from tray_app.download.queue import DownloadQueue
from tray_app.download.segments import Plan, Span
from tray_app.download.source import RemoteFile, parse_source
from tray_app.download.verify import Follower
from tray_app.errors import DownloadError, ErrorCode
from tray_app.models.gguf import implied_size
from tray_app.system.disk import disk_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path

CONTENT = model_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


def test_too_little_space_is_noticed_before_anything_is_received(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.put("/m.gguf", CONTENT)
    usage = shutil.disk_usage(tmp_path)._replace(free=len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    observer = Recorder()
    with pytest.raises(DownloadError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        fetch(served.url, tmp_path, observer=observer)
    assert Phase.DOWNLOADING not in observer.phases
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_keeps_what_has_arrived(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.put("/m.gguf", CONTENT)
    left = [100_000]

    def write_until_full(file: FileIO, data: bytes) -> None:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "_write", write_until_full)
        with pytest.raises(DownloadError, check=coded(ErrorCode.DISK_FULL)):
            fetch(served.url, tmp_path)
    ((start, end),) = received(tmp_path)
    assert start == 0 < end <= 100_000
    assert fetch(served.url, tmp_path) == DIGEST
    assert served.requests[1].offset == end


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, made with the options that the test gives."""
    mount, folder = shutil.which("mount"), tmp_path / "disk"
    folder.mkdir()
    command = [mount or "", "-t", "tmpfs", "-o", request.param, "none", str(folder)]
    if sys.platform != "linux" or not mount or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root on Linux may mount a disk")
    yield folder
    subprocess.run([shutil.which("umount") or "", "--lazy", folder], check=True)


@pytest.mark.parametrize("disk", ["size=2m"], indirect=True)
def test_a_disk_that_is_really_full_ends_in_its_error_and_goes_on_when_there_is_room(
    server: FileServer, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = model_bytes(1_500_000)
    served = server.put("/m.gguf", content)
    hog = disk / "hog"
    hog.write_bytes(bytes(1_000_000))
    with pytest.raises(DownloadError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        fetch(served.url, disk)
    usage = shutil.disk_usage(disk)._replace(free=2 * len(content))
    with monkeypatch.context() as patch:  # it fills up only after it was asked
        patch.setattr(shutil, "disk_usage", lambda _path: usage)
        with pytest.raises(DownloadError, check=coded(ErrorCode.DISK_FULL)):
            fetch(served.url, disk, connections=4)
    assert not (disk / "m.gguf").exists()
    hog.unlink()
    assert fetch(served.url, disk) == hashlib.sha256(content).hexdigest()
    assert served.requests[-1].offset > 0


def test_a_lost_write_is_never_vouched_for(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system reports a write that it could not complete once, at the next sync; the one after succeeds."""
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Drop(100_000))
    faults = iter([OSError(errno.EIO, "Input/output error")])

    def sync(_descriptor: int) -> None:
        if fault := next(faults, None):
            raise fault

    monkeypatch.setattr(part, "_sync_data", sync)
    with pytest.raises(DownloadError):
        fetch(served.url, tmp_path, retry=replace(QUICK, waits_s=()))
    assert received(tmp_path) == ()


def test_a_folder_that_vanishes_is_named_and_not_made_again(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.faults.append(Stall(100_000))
    folder = tmp_path / "drive"
    observer = Recorder(at_bytes=lambda received: shutil.rmtree(folder) if received else None)
    with pytest.raises(DownloadError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)) as caught:
        fetch(served.url, folder, observer=observer)
    assert str(folder) in caught.value.message
    assert not folder.exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="may write everywhere")
def test_a_folder_that_is_read_only_is_named(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    tmp_path.chmod(0o500)
    with pytest.raises(DownloadError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        fetch(served.url, tmp_path)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("disk", ["ro"], indirect=True)
def test_a_disk_that_is_read_only_is_named(server: FileServer, disk: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    with pytest.raises(DownloadError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        fetch(served.url, disk)


class Unhurried(Follower):
    """Reads nothing: four gibibytes of zeros would take ten seconds."""

    def _follow(self, _file: FileIO) -> None:
        pass


def test_more_than_four_gibibytes_arrive_at_their_places(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of it is there already, as a hole: only a megabyte on each side of 4 GiB travels."""
    size = (4 << 30) + (3 << 20)
    tail = model_bytes(2 << 20, seed=3)
    served = server.put("/big.gguf", SparseContent(size, head=CONTENT, tail=tail))
    served.etag = '"big"'
    source = parse_source(served.url)
    earlier = part.PartFile(tmp_path / "big.gguf", source)
    earlier.start_over(RemoteFile(source, size, None, None, '"big"'))
    hole = Span(len(CONTENT), size - len(tail) - (1 << 20))
    os.truncate(earlier.path, hole.end)
    earlier.plan = Plan(size, [hole])
    earlier.checkpoint()
    earlier.close()
    monkeypatch.setattr(transfer, "Follower", Unhurried)
    observer = Recorder()
    fetch(served.url, tmp_path, connections=4, observer=observer)
    assert observer.resumed
    path = tmp_path / "big.gguf"
    assert path.stat().st_size == size
    with path.open("rb") as file:
        assert file.read(len(CONTENT) + 10) == CONTENT + bytes(10)
        file.seek(size - len(tail) - 10)
        assert file.read() == bytes(10) + tail


class Behind(Follower):
    """Has much left to read when the last byte has come."""

    has_ended = False

    def hexdigest(self, _keep_going: Callable[[], None]) -> str:
        self._wake.set()
        self._thread.join()
        self.noted = received(self._path.parent)
        type(self).last = self
        return self._sha256.hexdigest()

    noted: tuple[Span, ...] = ()
    last: ClassVar[Behind]


def test_what_has_come_is_noted_before_a_check_that_takes_long(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "Follower", Behind)
    fetch(server.put("/m.gguf", CONTENT).url, tmp_path)
    assert Behind.last.noted == ((0, len(CONTENT)),)


def test_positioned_writes_that_windows_lacks_are_not_used(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pwrite", "pread", "posix_fallocate", "fdatasync"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(part, "_sync_data", os.fsync)
    served = server.put("/m.gguf", CONTENT)
    assert fetch(served.url, tmp_path, connections=4) == DIGEST


def test_a_place_that_is_no_folder_is_named(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, check=coded(ErrorCode.FOLDER_NOT_WRITABLE)):
        fetch(served.url, tmp_path / "file")


@pytest.mark.parametrize("folder", ["with spaces", "日本語のモデル", "x" * 200])
def test_any_folder_will_do(server: FileServer, tmp_path: Path, folder: str) -> None:
    served = server.put("/m%20%E6%A8%A1.gguf", CONTENT)
    fetch(served.url, tmp_path / folder)
    assert (tmp_path / folder / "m 模.gguf").read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.usefixtures("private_home")
def test_a_file_too_large_for_its_disk_keeps_what_has_arrived(server: FileServer, tmp_path: Path) -> None:
    """A limit on the size of files stands in for FAT32: the system reports both alike."""
    served = server.put("/m.gguf", CONTENT)
    command = shlex.join([sys.executable, "-m", "tray_app", "download", served.url, "--to", str(tmp_path)])
    limited = ["bash", "-c", f"ulimit -f 200; exec {command}"]  # in units of 1024 bytes
    result = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "This disk cannot store such large files" in result.stderr
    ((start, end),) = received(tmp_path)
    assert start == 0 < end <= 200 * 1024
    assert fetch(served.url, tmp_path) == DIGEST
    assert served.requests[-1].offset == end


def _reserve(disk: Path) -> int:
    return disk_space(disk).reserve_bytes


@pytest.mark.parametrize("disk", ["size=60m"], indirect=True)
@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_the_reserve_of_a_disk_stays_free_while_a_download_runs(
    server: FileServer, disk: Path, monkeypatch: pytest.MonkeyPatch, *, connections: int, sized: bool
) -> None:
    """Another program takes what there was room for when it began; all goes on when that is gone."""
    monkeypatch.setattr(worker, "BUFFER_BYTES", 16 << 10)
    others_bytes = (connections - 1) * worker.BUFFER_BYTES  # each may be about to write so much
    content = model_bytes(40 << 20)
    served = server.put("/m.gguf", content)
    served.length = sized
    served.ranges = sized
    hog = disk / "hog"

    def take_room(received_bytes: int) -> None:
        if received_bytes and not hog.exists():
            hog.write_bytes(bytes(30 << 20))

    # So slowly that the observer is told early, also where the processor has much to do.
    observer = Recorder(at_bytes=take_room)
    with pytest.raises(DownloadError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)) as caught:
        fetch(served.url, disk, observer=observer, connections=connections, bytes_per_s=20 << 20)

    assert "kept for other programs" in caught.value.message
    assert _reserve(disk) == int(0.02 * shutil.disk_usage(disk).total)
    unforeseen_bytes = others_bytes + (64 << 10)  # the journal, and the disk's own
    assert shutil.disk_usage(disk).free >= _reserve(disk) - unforeseen_bytes
    assert (disk / "m.gguf.part").stat().st_size > 1 << 20
    hog.unlink()
    assert fetch(served.url, disk, connections=connections) == hashlib.sha256(content).hexdigest()
    assert not sized or served.requests[-1].offset > 0


@pytest.mark.parametrize("disk", ["size=60m"], indirect=True)
def test_a_body_without_an_end_leaves_the_reserve_alone(server: FileServer, disk: Path) -> None:
    """A person's digest allows any content, so nothing else bounds it."""
    served = server.put("/m.gguf", SparseContent(1 << 40, head=b"GGUF", tail=b""))
    served.etag, served.length, served.ranges = "", False, False
    free = []

    def note(_received_bytes: int) -> None:
        free.append(shutil.disk_usage(disk).free)

    with pytest.raises(DownloadError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        fetch(served.url, disk, sha256="0" * 64, observer=Recorder(at_bytes=note))

    assert min(*free, shutil.disk_usage(disk).free) >= _reserve(disk) - (64 << 10)


def test_others_that_take_of_the_reserve_stop_a_download_that_stands_still(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.put("/m.gguf", CONTENT)
    served.always = Stall(100_000)
    usage = shutil.disk_usage(tmp_path)
    left = [usage]
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: left[-1])
    observer = Recorder(at_bytes=lambda got: left.append(usage._replace(free=1)) if got >= 100_000 else None)
    with pytest.raises(DownloadError, check=coded(ErrorCode.NOT_ENOUGH_SPACE)):
        fetch(served.url, tmp_path, observer=observer)
    assert received(tmp_path) == (Span(0, 100_000),)


def _endless(head: bytes) -> SparseContent:
    return SparseContent(1 << 40, head=head, tail=b"")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_endless(whole_model()), "more data than the model should have"),
        (_endless(b"GGUF"), "m.gguf is for another kind of computer"),
        (_endless(b"GGUF\3\0\0\0" + bytes(8) + b"\1" + bytes(7) + b"\1" + bytes(7) + b"k\4"), "architecture"),
        (_endless(header_bytes({"general.architecture": "x", "k": [""] * 7})[:-60] + b"\xff\xff\xff"), ""),
    ],
    ids=["model", "zeros", "no architecture", "endless header"],
)
def test_a_model_of_unknown_size_brings_no_more_than_its_header_says(
    server: FileServer, tmp_path: Path, content: SparseContent, why: str
) -> None:
    served = server.put("/m.gguf", content)
    served.etag, served.length, served.ranges = "", False, False
    most = [0]
    queue = DownloadQueue(measure=implied_size)
    queue.changed.connect(lambda all_: most.append(max(each.received_bytes for each in all_)))
    try:
        number = queue.add(served.url, tmp_path)
        with pytest.raises(DownloadError) as caught:
            queue.wait(number, 60)
    finally:
        queue.close(5)
    assert why in str(caught.value)
    assert max(most) < 2 << 30
    assert [path for path in tmp_path.iterdir() if path.stat().st_size > 10_000] == []


@pytest.mark.parametrize("behind", [0, 1 << 20])
def test_a_model_of_unknown_size_arrives(server: FileServer, tmp_path: Path, behind: int) -> None:
    content = whole_model() + bytes(behind)
    served = server.put("/m.gguf", content)
    served.length = served.ranges = False
    queue = DownloadQueue(measure=implied_size)
    try:
        assert queue.wait(queue.add(served.url, tmp_path), 20).read_bytes() == content
    finally:
        queue.close(5)
