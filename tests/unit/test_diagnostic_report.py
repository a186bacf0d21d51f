from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.fakes.app import make_report, make_sleeping
from tray_app.app.diagnostic_findings import (
    EngineFinding,
    FolderFinding,
    FoundProblem,
    NetworkFinding,
    PortFinding,
    RunningApp,
    SettingsFinding,
)
from tray_app.app.diagnostic_report import document, report
from tray_app.app.redaction import redact
from tray_app.app.status import running_app
from tray_app.engine.devices import Device
from tray_app.engine.lastfailure import NotedFailure
from tray_app.errors import EngineError, ErrorCode

HOME = Path("/home/zoë")
TAKEN = FoundProblem(
    title="Port 8080 is in use by nginx (PID 4)",
    message="Only one can listen.",
    hint="Quit that program.",
    stops=True,
)
DOUBT = FoundProblem(title="It may be too large", message="It needs 9 GiB.", hint="", stops=False)


def test_a_machine_without_a_fault_is_told_in_a_few_lines() -> None:
    assert report(make_report(), HOME).splitlines() == [
        "PowerInfer Tray 1.2 · Qt 6.11",
        "linux x86_64 · 4 cores, 8 threads · 16.0 GiB",
        "Graphics     NVIDIA GeForce · 8.0 GiB",
        "Engines      none",
        "Model        bamboo · /models/bamboo.gguf · fits: 5.0 GiB of 14 that can be used",
        "Port         8080 · free",
        "Settings     /fake/settings.toml",
        "             all defaults",
        "",
        "The server can start.",
    ]


def test_each_problem_is_followed_by_what_to_do() -> None:
    told = report(make_report(TAKEN, DOUBT), HOME).splitlines()
    at = told.index("✗ Port 8080 is in use by nginx (PID 4)")
    assert told[at + 1 :] == [
        "  Only one can listen.",
        "  → Quit that program.",
        "! It may be too large",
        "  It needs 9 GiB.",
        "The server cannot start or cannot be reached: see ✗ above.",
    ]


def test_only_what_stops_the_server_counts() -> None:
    assert make_report(DOUBT).ok
    assert not make_report(DOUBT, TAKEN).ok


def test_everything_that_was_found_has_its_line() -> None:
    broken = FoundProblem.of(
        EngineError(ErrorCode.ENGINE_FOR_OTHER_MACHINE, "server was built for another kind of computer"),
        stops=False,
    )
    engine = EngineFinding("/opt/server", "powerinfer", None, ("x86_64",), ("--port",), True, None)
    told = report(
        make_report(
            cards=(Device("NVIDIA A", 8 << 30, used=False), Device("AMD B", None, used=True)),
            engines=(engine, EngineFinding("/x/server", None, None, (), (), False, broken)),
            port=PortFinding(8080, free=False, ours=False, owners=("nginx (PID 4)",), nearest_free=8081),
            settings=SettingsFinding("/s.toml", {"port": "9000", "threads": "3"}, ("threads",)),
            folders=(FolderFinding("models", "/m", exists=False, writable=False, free_bytes=3 << 30),),
            running=RunningApp(42, "ready", serving=True, base_url="http://127.0.0.1:8080/v1"),
            last_failure=NotedFailure(title="The engine crashed", message="", hint="", at_s=0.0),
            network=(NetworkFinding("https://a.example", 12.4), NetworkFinding("https://b.example", None)),
            choice="PowerInfer is used.",
            advice="Use your card.",
        ),
        HOME,
    )
    for line in (
        "Graphics     NVIDIA A · 8.0 GiB · not used by the engine",
        "             AMD B",
        "Engines      powerinfer · x86_64 · /opt/server · 1 options · chosen",
        "             no engine · /x/server · server was built for another kind of computer",
        "Choice       PowerInfer is used.",
        "Advice       Use your card.",
        "Port         8080 · nginx (PID 4) · 8081 is free",
        "             port=9000, threads=3",
        "             no effect on this engine: threads",
        "Folders      models · /m · not created yet · not writable · 3.2 GB free",
        "App          PID 42 · ready · http://127.0.0.1:8080/v1",
        "Network      https://a.example · answers in 12 ms",
        "             https://b.example · no answer",
        "The server is running.",
    ):
        assert line in told.splitlines()
    assert "Last error   19" in told


@pytest.mark.parametrize(
    ("state", "told"), [("ready", "The server is running."), ("asleep", "The server is asleep.")]
)
def test_the_last_line_says_what_the_server_of_the_running_app_does(state: str, told: str) -> None:
    running = RunningApp(42, state, serving=True, base_url="http://127.0.0.1:8080/v1")
    lines = report(make_report(running=running), HOME).splitlines()
    assert lines[-1] == told
    assert f"App          PID 42 · {state} · http://127.0.0.1:8080/v1" in lines


def test_a_server_that_sleeps_is_not_called_stopped() -> None:
    assert running_app(make_sleeping(), 42).state == "asleep"


def test_the_document_for_programs_is_plain_json_without_the_home_folder() -> None:
    finding = SettingsFinding(str(HOME / "settings.toml"), {"extra_arguments": "--api-key s3cret"}, ())
    found = document(make_report(TAKEN, settings=finding), HOME)
    text = msgspec.json.encode(found).decode()
    assert found["ok"] is False
    assert found["settings"]["file"] == "~/settings.toml"
    assert "s3cret" not in text
    assert "zoë" not in text


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


@pytest.mark.parametrize(
    "line",
    ["print_info: BOS token        = 1 '<s>'", "n_tokens = 512, 12 tokens/s", "key general.name str = test"],
)
def test_what_helps_stays(line: str) -> None:
    assert redact(line, HOME) == line


def test_a_service_without_a_home_keeps_its_paths() -> None:
    assert redact("open /var/a.gguf", Path("/")) == "open /var/a.gguf"


def test_the_home_folder_is_removed_and_the_rest_stays() -> None:
    assert redact("open /home/zoë/.PowerInfer/a.gguf at 12 tokens/s", HOME) == (
        "open ~/.PowerInfer/a.gguf at 12 tokens/s"
    )
