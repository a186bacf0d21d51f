import os
import time
from pathlib import Path

from tray_app.system import runfolder
from tray_app.system.runfolder import RunFolder

GONE = 2**22 + 1  # above the largest number that Linux gives to a process


def left_behind(parent: Path, pid: int) -> Path:
    folder = parent / f"{pid}-abc"
    folder.mkdir(parents=True)
    (folder / "llama.log").write_text("secret")
    return folder


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    first, second = RunFolder.make(tmp_path / "runs"), RunFolder.make(tmp_path / "runs")
    assert first.path != second.path
    (first.path / "llama.log").write_text("x")
    first.remove()
    assert (first.path.exists(), second.path.exists()) == (False, True)


def test_what_it_has_promised_to_remove_is_removed(tmp_path: Path) -> None:
    run, link, never_made = RunFolder.make(tmp_path / "runs"), tmp_path / "link", tmp_path / "nothing"
    run.remove_too(link, never_made)
    link.write_text("x")
    run.remove()
    assert not link.exists()
    assert not run.path.exists()


def test_a_folder_stays_as_long_as_something_cannot_be_removed(tmp_path: Path) -> None:
    run, stubborn = RunFolder.make(tmp_path / "runs"), tmp_path / "folder"
    stubborn.mkdir()  # cannot be unlinked, like an open file on Windows
    run.remove_too(stubborn)
    run.remove()
    assert run.path.exists()


def test_a_damaged_list_of_promises_keeps_no_folder(tmp_path: Path) -> None:
    run = RunFolder.make(tmp_path / "runs")
    run.remove_too(tmp_path / "nothing")
    for file in run.path.iterdir():
        file.write_bytes(b'["\xff"]')
    run.remove()
    assert not run.path.exists()


def test_what_a_crash_has_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    left, link = left_behind(tmp_path, GONE), tmp_path / "link"
    link.write_text("x")
    RunFolder(left).remove_too(link)
    own = RunFolder.make(tmp_path)

    runfolder.sweep(tmp_path)

    assert not left.exists()
    assert not link.exists()
    assert own.path.exists()


def test_a_process_that_is_younger_than_the_folder_did_not_make_it(tmp_path: Path) -> None:
    reused = left_behind(tmp_path, os.getpid())
    long_ago_s = time.time() - 10 * 365 * 86_400
    os.utime(reused, (long_ago_s, long_ago_s))
    runfolder.sweep(tmp_path)
    assert not reused.exists()


def test_what_is_no_run_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "my-notes").mkdir()
    runfolder.sweep(tmp_path)
    runfolder.sweep(tmp_path / "nowhere")
    assert (tmp_path / "my-notes").exists()
