from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.app import make_snapshot
from tray_app.engine.lastfailure import FailureKeeper, read
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode

FAILED = make_snapshot(
    State.FAILED, failure=EngineError(ErrorCode.ENGINE_CRASHED, "It crashed", "By chance.", "Try again.")
)


def test_a_failure_is_there_for_whoever_asks_later(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    FailureKeeper(tmp_path).note(FAILED)
    noted = read(tmp_path)
    assert noted
    assert (noted.title, noted.message, noted.hint) == ("It crashed", "By chance.", "Try again.")


def test_a_failure_is_noted_once_and_outlives_the_next_start(tmp_path: Path) -> None:
    keeper = FailureKeeper(tmp_path)
    keeper.note(FAILED)
    first = read(tmp_path)
    keeper.note(replace(FAILED, run=2))
    keeper.note(make_snapshot(State.READY))
    assert read(tmp_path) == first


@pytest.mark.parametrize("content", [b"", b"[]", b'{"title": "\xff", "message": "", "hint": "", "at_s": 0}'])
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    FailureKeeper(tmp_path).note(FAILED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert read(tmp_path) is None
