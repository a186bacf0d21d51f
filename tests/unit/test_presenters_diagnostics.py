from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.app import make_host, make_plan, make_snapshot, make_status
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError
from tray_app.settings.schema import Settings
from tray_app.ui.presenters.diagnostics import Situation, diagnostics, redact
from tray_app.ui.presenters.logs import LogRow, Severity, Source

HOME = Path("/home/zoë")
VERSIONS = {"PowerInfer Tray": "1.2", "Qt": "6.11"}


def report(settings: Settings, *texts: str) -> str:
    rows = [LogRow(0.0, Source.ENGINE, Severity.NORMAL, text) for text in texts]
    failure = EngineError("The model is damaged", "It ends too early.")
    engine = make_snapshot(State.FAILED, plan=make_plan(settings), failure=failure, restarts=2)
    status = make_status(State.FAILED, engine=engine, settings=settings)
    return diagnostics(Situation(VERSIONS, make_host(gpu=True), status, rows, HOME))


def test_a_report_tells_versions_machine_plan_problem_settings_and_lines() -> None:
    told = report(Settings(model="bamboo", port=9000), "llama: loading").splitlines()

    assert told[0] == "PowerInfer Tray 1.2 · Qt 6.11"
    assert told[1] == "linux x86_64 · 4 cores, 8 threads · 16.0 GiB"
    assert "NVIDIA GeForce · 8.0 GiB" in told
    assert "State: failed · not serving · 2 restarts" in told
    assert any(line.startswith("Plan: /opt/llama.cpp/server --model") for line in told)
    assert "Problem: The model is damaged · It ends too early." in told
    assert "Settings: port=9000, model=bamboo" in told
    assert told[-1].endswith(" engine llama: loading")


@pytest.mark.parametrize(
    "line",
    [
        "GET /x Authorization: Bearer s3cret-word",
        "token hf_s3cretAbCdEf is used",
        "--api-key s3cret --ctx-size 5",
        "HF_TOKEN=s3cret",
        '{"api_key": "s3cret"}',
        "fetching https://zoe:s3cret@example.org/model.gguf",
        "proxy password: s3cret",
    ],
)
def test_what_opens_a_door_is_removed(line: str) -> None:
    assert "s3cret" in line
    assert "s3cret" not in redact(line, HOME)
    assert "s3cret" not in report(Settings(extra_arguments=("--api-key", "s3cret")), line)


@pytest.mark.parametrize(
    "line",
    ["print_info: BOS token        = 1 '<s>'", "n_tokens = 512, 12 tokens/s", "key general.name str = test"],
)
def test_what_helps_stays(line: str) -> None:
    assert redact(line, HOME) == line


def test_the_home_folder_is_removed_and_the_rest_stays() -> None:
    assert redact("open /home/zoë/.PowerInfer/a.gguf at 12 tokens/s", HOME) == (
        "open ~/.PowerInfer/a.gguf at 12 tokens/s"
    )
