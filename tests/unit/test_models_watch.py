"""Watching the models folder: what counts as a change, and that it is told soon and once."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.fakes.models import write_model
from tray_app.models.model_files import FRESH_S
from tray_app.models.watch import INTERVAL_S, FolderWatch, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE_S = 10.0
LATER_S = 1000.0
TAKES_S = 0.01
"""So long a slow disk takes for a look."""


class Watched:
    """A folder and what its watch has told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = threading.Semaphore(0)

    def after(self, change: Callable[[], object]) -> None:
        """Change something; fails unless that is told."""
        change()
        assert self.told.acquire(timeout=DEADLINE_S)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    folder = tmp_path / "models"
    folder.mkdir()
    made = Watched(folder)
    watch = FolderWatch(lambda: made.folder, made.told.release, interval_s=0.02, clock=lambda: 0.0)
    watch.start()
    watch.start()
    yield made
    watch.close(DEADLINE_S)


def test_what_is_put_in_changed_or_taken_out_is_told(watched: Watched) -> None:
    path = watched.folder / "a.gguf"

    watched.after(lambda: path.write_bytes(b"half"))
    watched.after(lambda: write_model(path))
    watched.after(path.unlink)


def test_a_folder_that_vanishes_comes_back_or_is_another_one_is_told(
    watched: Watched, tmp_path: Path
) -> None:
    watched.after(lambda: shutil.rmtree(watched.folder))
    watched.after(watched.folder.mkdir)
    watched.after(lambda: setattr(watched, "folder", tmp_path))


@pytest.mark.warns("could not be announced")
def test_a_listener_that_fails_does_not_make_it_blind(tmp_path: Path) -> None:
    told = threading.Semaphore(0)

    def fail() -> None:
        told.release()
        raise RuntimeError

    watch = FolderWatch(lambda: tmp_path, fail, interval_s=0.02)
    watch.start()
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
        assert told.acquire(timeout=DEADLINE_S)
    watch.close(DEADLINE_S)


def test_other_files_and_the_growth_of_downloads_are_no_change(tmp_path: Path) -> None:
    part = tmp_path / "a.gguf.part"
    part.touch()
    before = picture(tmp_path, LATER_S)

    part.write_bytes(b"more")
    (tmp_path / "a.gguf.part.json").touch()
    (tmp_path / "readme.txt").touch()

    assert picture(tmp_path, LATER_S) == before
    part.unlink()
    assert picture(tmp_path, LATER_S) != before


def test_a_file_that_was_just_written_is_another_one_when_it_has_come_to_rest(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a.gguf")
    now_s = path.stat().st_mtime

    assert picture(tmp_path, now_s) == picture(tmp_path, now_s + FRESH_S / 2)
    assert picture(tmp_path, now_s) != picture(tmp_path, now_s + 2 * FRESH_S)


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").symlink_to(tmp_path / "nothing.gguf")

    assert picture(tmp_path, LATER_S) == frozenset({("a.gguf", -1, 0, False)})


def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    assert picture(tmp_path, LATER_S) == frozenset()
    assert picture(tmp_path / "nowhere", LATER_S) is None


def test_what_happens_in_a_sub_folder_is_told(watched: Watched) -> None:
    path = watched.folder / "owner" / "repo" / "a.gguf"

    path.parent.mkdir(parents=True)
    watched.after(lambda: write_model(path))
    watched.after(lambda: path.parent.rename(path.parent.with_name("other")))
    watched.after(lambda: shutil.rmtree(watched.folder / "owner"))


def test_a_look_that_takes_long_comes_more_rarely(tmp_path: Path) -> None:
    ends: list[float] = []
    looked = threading.Semaphore(0)

    def slow() -> Path:
        time.sleep(TAKES_S)
        ends.append(time.monotonic())
        looked.release()
        return tmp_path

    watch = FolderWatch(slow, lambda: None, interval_s=0.001)
    watch.start()
    for _ in range(3):
        assert looked.acquire(timeout=DEADLINE_S)
    watch.close(DEADLINE_S)

    assert ends[2] - ends[1] >= 50 * TAKES_S


def test_looking_costs_next_to_nothing(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.gguf").touch()
    began_s = time.thread_time()
    for _ in range(20):
        picture(tmp_path, LATER_S)

    assert (time.thread_time() - began_s) / 20 < INTERVAL_S / 100
