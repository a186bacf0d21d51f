from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.app import make_snapshot
from tests.fakes.launches import fake_plan
from tray_app.engine import lastfailure
from tray_app.engine.lastfailure import FailureKeeper, read
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, ErrorDocument
from tray_app.system.engine_id import EngineId

FAILED = make_snapshot(
    State.FAILED, failure=EngineError(ErrorCode.ENGINE_CRASHED, "It crashed", "By chance.", "Try again.")
)


def test_a_failure_is_there_for_whoever_asks_later(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    FailureKeeper(tmp_path).note(FAILED)
    (noted,) = read(tmp_path).values()
    assert FAILED.failure
    assert ErrorDocument.of(noted.error()) == ErrorDocument.of(FAILED.failure)


def test_a_failure_is_noted_once_and_outlives_the_next_start(tmp_path: Path) -> None:
    keeper = FailureKeeper(tmp_path)
    keeper.note(FAILED)
    first = read(tmp_path)
    keeper.note(replace(FAILED, run=2))
    keeper.note(make_snapshot(State.READY))
    assert read(tmp_path) == first


def test_each_model_has_its_own_last_failure_whichever_engine_ran_it(tmp_path: Path) -> None:
    keeper = FailureKeeper(tmp_path)
    plan = fake_plan()
    for number, engine in enumerate(("first", "second", "first")):
        model = replace(plan.model, id=f"model-{number % 2}")
        failure = EngineError(ErrorCode.ENGINE_CRASHED, f"It crashed: {number}", "By chance.")
        keeper.note(
            replace(FAILED, engine=EngineId(engine), plan=replace(plan, model=model), failure=failure)
        )
        keeper.note(make_snapshot(State.READY))
    assert {model: noted.title for model, noted in read(tmp_path).items()} == {
        "model-1": "It crashed: 1",
        "model-0": "It crashed: 2",
    }


def test_the_file_has_the_newest_failures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lastfailure, "_MOST_MODELS", 2)
    keeper, plan = FailureKeeper(tmp_path), fake_plan()
    for name in "abcd":
        model = replace(plan.model, id=name)
        failure = EngineError(ErrorCode.ENGINE_CRASHED, "It crashed", "By chance.")
        keeper.note(replace(FAILED, plan=replace(plan, model=model), failure=failure))
    assert list(read(tmp_path)) == ["c", "d"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"title": "\xff", "message": "", "hint": "", "at_s": 0}'])
def test_a_damaged_note_is_none(tmp_path: Path, content: bytes) -> None:
    FailureKeeper(tmp_path).note(FAILED)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert read(tmp_path) == {}
