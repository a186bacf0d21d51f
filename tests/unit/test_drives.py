"""Drives and folders that are gone; a drive that was taken off its folder is a mount of the test's own."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tray_app.system.drives import PathWatcher, device_of, is_drive, missing_place

UMOUNT = shutil.which("umount") or "umount"
LOOK_EVERY_S = 0.01
TIMEOUT_S = 5


def test_a_file_that_is_there_misses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.touch()
    assert missing_place(file, device_of(file)) is None


def test_a_file_that_was_deleted_misses_no_place(tmp_path: Path) -> None:
    assert missing_place(tmp_path / "model.gguf", device_of(tmp_path)) is None
    assert missing_place(tmp_path / "model.gguf") is None


def test_the_missing_place_is_the_outermost_folder_that_is_gone(tmp_path: Path) -> None:
    assert missing_place(tmp_path / "USB" / "models" / "model.gguf") == tmp_path / "USB"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "USB"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("drives can be mounted by root alone")
    yield folder
    subprocess.run([UMOUNT, "-l", folder], check=False, capture_output=True)


def test_a_drive_that_leaves_an_empty_folder_is_missed(mount: Path) -> None:
    file = mount / "model.gguf"
    file.touch()
    device = device_of(file)
    subprocess.run([UMOUNT, mount], check=True)
    assert missing_place(file, device) == mount
    assert missing_place(file) is None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")
@pytest.mark.parametrize(
    ("place", "drive"),
    [
        ("/media/zoe/USB", True),
        ("/run/media/zoe/USB", True),
        ("/run/media/zoe", True),
        ("/Volumes/My Drive", True),
        ("/mnt/usb", True),
        ("/", True),
        ("/home/zoe/models", False),
        ("/media/zoe/USB/models", False),
        ("/Volumes/My Drive/models", False),
    ],
)
def test_drives_are_told_from_folders_by_where_systems_put_them(place: str, *, drive: bool) -> None:
    assert is_drive(Path(place)) is drive


def test_a_return_is_told_once(tmp_path: Path) -> None:
    back = threading.Event()
    PathWatcher("return", tmp_path / "model.gguf", back.set, LOOK_EVERY_S)
    assert not back.wait(5 * LOOK_EVERY_S)
    (tmp_path / "model.gguf").touch()
    assert back.wait(TIMEOUT_S)


def test_a_return_that_is_called_off_is_not_told(tmp_path: Path) -> None:
    back = threading.Event()
    PathWatcher("return", tmp_path / "model.gguf", back.set, LOOK_EVERY_S).cancel()
    (tmp_path / "model.gguf").touch()
    assert not back.wait(5 * LOOK_EVERY_S)
