from __future__ import annotations

from pathlib import Path

from tests.fakes.app import make_loaded, make_plan, make_report, make_snapshot, make_status, with_engines
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode
from tray_app.settings.schema import Settings
from tray_app.ui.presenters.diagnostics import Situation, diagnostics
from tray_app.ui.presenters.logs import LogRow, LogSource, Severity

HOME = Path("/home/zoë")


def diagnosed(settings: Settings, *texts: str) -> str:
    rows = [LogRow(0.0, LogSource.ENGINE, Severity.NORMAL, text) for text in texts]
    failure = EngineError(ErrorCode.MODEL_FILE_DAMAGED, "The model is damaged", "It ends too early.")
    engine = make_snapshot(State.FAILED, plan=make_plan(Settings()), failure=failure, restarts=2)
    status = make_status(State.FAILED, engine=engine, settings=settings)
    return diagnostics(Situation(make_report(), status, rows, HOME))


def test_a_report_is_the_doctors_with_plan_failure_and_lines() -> None:
    told = diagnosed(Settings(model="bamboo", port=9000), "llama: loading").splitlines()

    assert told[0] == "PowerInfer Tray 1.2 · Qt 6.11"
    assert told[1] == "linux x86_64 · 4 cores, 8 threads · 16.0 GiB"
    assert "State: failed · http://127.0.0.1:9000/v1 · 2 restarts" in told
    assert any(line.startswith("Plan: /opt/llama.cpp/server --model") for line in told)
    assert "Problem: The model is damaged · It ends too early." in told
    assert told[-1].endswith(" engine llama: loading")


def test_what_opens_a_door_is_removed_wherever_it_stands() -> None:
    told = diagnosed(
        Settings(extra_arguments=("--api-key", "s3cret")),
        "Authorization: Bearer s3cret",
        str(HOME / "a.gguf"),
    )
    assert "s3cret" not in told
    assert "~/a.gguf" in told


def test_a_report_tells_of_the_other_models_too() -> None:
    status = with_engines(make_status(State.READY), make_loaded("Tiny", State.LOADING))

    told = diagnostics(Situation(make_report(), status, (), HOME)).splitlines()

    assert [line for line in told if line.startswith("Also")] == [
        next(line for line in told if line.startswith("Also loading: /opt/llama.cpp/server --model"))
    ]
