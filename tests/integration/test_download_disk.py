"""Where a download is written: full disks, places that are no folder, and names of every kind."""

from __future__ import annotations

import errno
import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.fakes.downloads import Recorder, fetch, model_bytes
from tests.fakes.file_server import FileServer
from tray_app.download.part import PartFile
from tray_app.download.progress import Phase
from tray_app.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    with pytest.raises(DownloadError, match="Not enough space"):
        fetch(served.url, tmp_path, observer=observer)
    assert Phase.DOWNLOADING not in observer.phases
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_keeps_what_has_arrived(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = server.put("/m.gguf", CONTENT)
    write = PartFile.write

    def write_until_full(part: PartFile, data: bytes) -> None:
        if part.received_bytes + len(data) > 200_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(part, data)

    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "write", write_until_full)
        with pytest.raises(DownloadError, match="disk is full"):
            fetch(served.url, tmp_path)
    assert fetch(served.url, tmp_path) == DIGEST
    assert served.requests[1].offset > 0


def test_a_place_that_is_no_folder_is_named(server: FileServer, tmp_path: Path) -> None:
    served = server.put("/m.gguf", CONTENT)
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="folder cannot be written"):
        fetch(served.url, tmp_path / "file")


@pytest.mark.parametrize("folder", ["with spaces", "日本語のモデル", "x" * 200])
def test_any_folder_will_do(server: FileServer, tmp_path: Path, folder: str) -> None:
    served = server.put("/m%20%E6%A8%A1.gguf", CONTENT)
    fetch(served.url, tmp_path / folder)
    assert (tmp_path / folder / "m 模.gguf").read_bytes() == CONTENT
