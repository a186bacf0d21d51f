"""Tests that measure have the machine for themselves."""

import sys
import threading
from pathlib import Path

import pytest

from tests.turns import turn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no lock can be shared there")
SOON_S, DEADLINE_S = 0.1, 10


class Guest:
    """A test on another process: here a thread, for locks of files tell openings apart, not processes."""

    def __init__(self, folder: Path, *, alone: bool) -> None:
        self.runs, self._over = threading.Event(), threading.Event()
        self._files = (folder / "door", folder / "room")
        self._thread = threading.Thread(target=self._take_part, kwargs={"alone": alone})
        self._thread.start()

    def _take_part(self, *, alone: bool) -> None:
        door, room = self._files
        with turn(alone=alone, door=door, room=room):
            self.runs.set()
            self._over.wait(DEADLINE_S)

    def end(self) -> None:
        self._over.set()
        self._thread.join(DEADLINE_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("door", "room"):
        (tmp_path / name).touch()
    return tmp_path


def test_tests_run_side_by_side(folder: Path) -> None:
    guests = [Guest(folder, alone=False) for _ in range(3)]

    assert all(guest.runs.wait(DEADLINE_S) for guest in guests)
    for guest in guests:
        guest.end()


def test_who_is_alone_waits_for_all_others_and_newer_ones_wait_for_it(folder: Path) -> None:
    first = Guest(folder, alone=False)
    assert first.runs.wait(DEADLINE_S)
    lone = Guest(folder, alone=True)
    assert not lone.runs.wait(SOON_S)
    newer = Guest(folder, alone=False)
    assert not newer.runs.wait(SOON_S), "it has overtaken the one that waits to be alone"

    first.end()
    assert lone.runs.wait(DEADLINE_S)
    assert not newer.runs.wait(SOON_S)

    lone.end()
    assert newer.runs.wait(DEADLINE_S)
    newer.end()
