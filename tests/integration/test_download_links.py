"""Folders that others write to: nothing is written through what they have put in the place of our files."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import QUICK, fetch, interrupt, model_bytes, received
from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer
from tray_app.download.faults import TransientError
from tray_app.download.queue import DownloadQueue
from tray_app.errors import DownloadError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")

CONTENT = model_bytes()
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SECRET = b"mine" * 200_000


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as running:
        yield running


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim.txt"
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _dangling(path: Path, victim: Path) -> None:
    path.symlink_to(victim.with_name("nothing"))


def _hard(path: Path, victim: Path) -> None:
    os.link(victim, path)


def _pipe(path: Path, _victim: Path) -> None:
    os.mkfifo(path)


def _device(path: Path, _victim: Path) -> None:
    path.symlink_to("/dev/null")


def _folder(path: Path, _victim: Path) -> None:
    path.mkdir()


def _loop(path: Path, _victim: Path) -> None:
    path.symlink_to(path.name)


KINDS = [_link, _dangling, _hard, _pipe, _device, _folder, _loop]


@pytest.mark.parametrize("ending", [".part", ".part.json"])
@pytest.mark.parametrize("put", KINDS)
def test_what_leads_elsewhere_is_not_written_to(
    server: FileServer, folder: Path, victim: Path, put: Callable[[Path, Path], None], ending: str
) -> None:
    served = server.put("/m.gguf", CONTENT)
    trap = folder / f"m.gguf{ending}"
    put(trap, victim)

    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_FILE_NOT_OURS)) as caught:
        fetch(served.url, folder)

    assert str(trap) in caught.value.message
    assert not isinstance(caught.value, TransientError)
    assert victim.read_bytes() == SECRET
    assert not victim.with_name("nothing").exists()
    assert not (folder / "m.gguf").exists()
    shutil.rmtree(trap) if put is _folder else trap.unlink()
    assert fetch(served.url, folder) == DIGEST


@pytest.mark.parametrize("put", [_link, _hard])
@pytest.mark.parametrize("connections", [1, 4])
def test_a_begun_download_is_not_continued_through_a_link(
    server: FileServer, folder: Path, victim: Path, put: Callable[[Path, Path], None], connections: int
) -> None:
    served = server.put("/m.gguf", CONTENT)
    interrupt(served, folder, after_bytes=100_000)
    part = folder / "m.gguf.part"
    part.rename(part.with_name("moved"))
    put(part, victim)

    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_FILE_NOT_OURS)):
        fetch(served.url, folder, connections=connections)

    assert victim.read_bytes() == SECRET
    part.unlink()
    part.with_name("moved").rename(part)
    assert received(folder)
    assert fetch(served.url, folder) == DIGEST


@pytest.mark.parametrize("put", [_link, _hard])
def test_the_beginning_of_a_file_that_has_another_name_is_not_completed(
    server: FileServer, folder: Path, tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    """As an import by link leaves it: what would follow would be written into the original."""
    served = server.put("/m.gguf", CONTENT)
    original = tmp_path / "original.gguf"
    original.write_bytes(CONTENT[:100_000])
    put(folder / "m.gguf", original)

    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_FILE_NOT_OURS)):
        fetch(served.url, folder, sha256=DIGEST)

    assert original.read_bytes() == CONTENT[:100_000]
    assert (folder / "m.gguf").read_bytes() == CONTENT[:100_000]


def test_a_finished_model_and_a_models_folder_may_be_links(
    server: FileServer, folder: Path, tmp_path: Path
) -> None:
    served = server.put("/m.gguf", CONTENT)
    (tmp_path / "way").symlink_to(folder)
    assert fetch(served.url, tmp_path / "way") == DIGEST
    (folder / "m.gguf").rename(tmp_path / "elsewhere.gguf")
    (folder / "m.gguf").symlink_to(tmp_path / "elsewhere.gguf")
    assert fetch(served.url, folder, sha256=DIGEST) == DIGEST
    assert (folder / "m.gguf").is_symlink()


@pytest.mark.parametrize("put", [_link, _hard, _dangling])
def test_a_damaged_file_does_not_overwrite_through_a_link(
    server: FileServer, folder: Path, victim: Path, put: Callable[[Path, Path], None]
) -> None:
    served = server.put("/m.gguf", CONTENT)
    put(folder / "m.gguf.damaged", victim)
    with pytest.raises(DownloadError, check=coded(ErrorCode.CHECKSUM_DIFFERS)):
        fetch(served.url, folder, sha256="0" * 64, retry=QUICK)
    assert victim.read_bytes() == SECRET
    assert (folder / "m.gguf.damaged").read_bytes() == CONTENT
    assert not victim.with_name("nothing").exists()


@pytest.mark.parametrize("put", KINDS)
def test_discarding_removes_the_link_and_not_what_it_leads_to(
    server: FileServer, folder: Path, victim: Path, put: Callable[[Path, Path], None]
) -> None:
    served = server.put("/m.gguf", CONTENT)
    put(folder / "m.gguf.part", victim)
    queue = DownloadQueue()
    try:
        number = queue.add(served.url, folder)
        with pytest.raises(DownloadError):
            queue.wait(number, 20)
        if put is _folder:
            with pytest.raises(DownloadError):
                queue.discard(number)
        else:
            queue.discard(number)
            assert list(folder.iterdir()) == []
    finally:
        queue.close(5)
    assert victim.read_bytes() == SECRET
