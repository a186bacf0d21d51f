"""`powerinfer-tray doctor`: one look that tells why a server would not start."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import shutil
import socket
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.app import make_snapshot, make_status
from tests.fakes.file_server import FileServer
from tests.fakes.launches import FAKE_ENGINE
from tests.fakes.models import write_truncated_model
from tests.fakes.program import command_here, running
from tests.fakes.programs import elf, pe
from tray_app.app.diagnostic_findings import FoundProblem, RunningApp
from tray_app.app.diagnostics import run_diagnostics
from tray_app.app.status import running_app
from tray_app.app.workspace import Workspace
from tray_app.download.session import Session
from tray_app.engine.lastfailure import FailureKeeper
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, Fix
from tray_app.system.paths import HOME_VARIABLE
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def settings(home: Path, text: str) -> None:
    home.joinpath("settings.toml").write_text(text, encoding="utf-8")


def codes(found: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in found["problems"]]


def doctor(*arguments: str, code: int) -> dict[str, Any]:
    result = command_here("doctor", "--json", *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["ok"] is (code == 0)
    return found


@pytest.fixture(autouse=True)
def free(private_home: Path) -> int:
    """A public port that nobody has, so that no other program decides a test."""
    port = free_port()
    settings(private_home, f"port = {port}\nmodel = 'test'\n")
    return port


def test_a_machine_that_can_serve_says_so_and_nothing_is_made(private_home: Path) -> None:
    found = doctor(code=0)

    assert found["model"]["name"] == "test"
    assert [engine["kind"] for engine in found["engines"] if engine["chosen"]] == ["llama.cpp"]
    assert found["choice"].startswith("The built-in llama.cpp is used")
    assert found["advice"]
    assert [folder["purpose"] for folder in found["folders"]] == ["models", "state", "logs", "settings"]
    assert found["network"] == []
    assert [path.name for path in private_home.iterdir()] == ["settings.toml"]


def test_a_default_that_no_model_has_is_told_with_its_setting(private_home: Path, free: int) -> None:
    settings(
        private_home, f"port = {free}\nmodel = 'test'\ndefault_chat = 'test'\ndefault_embedding = 'bge'\n"
    )

    [problem] = doctor(code=0)["problems"]

    assert (problem["code"], problem["setting"]) == ("model_not_found", "default_embedding")
    assert problem["title"] == "The setting default_embedding: There is no model bge"


def test_people_read_lines_and_the_verdict_last() -> None:
    result = command_here("doctor")

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("PowerInfer Tray ")
    assert result.stdout.endswith("The server can start.\n")


def test_a_port_that_is_taken_is_told_with_a_free_one(private_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings(private_home, f"port = {port}\nmodel = 'test'\n")
        found = doctor(code=1)

    assert codes(found) == [ErrorCode.PORT_IN_USE]
    assert str(port) in found["problems"][0]["title"]
    assert found["port"]["owners"][0].endswith(f"(PID {os.getpid()})")
    assert found["port"]["nearest_free"] not in (None, port)


def test_a_settings_file_with_a_fault_is_told(private_home: Path) -> None:
    settings(private_home, "port = 'many'\n")
    found = doctor(code=1)
    assert codes(found)[0] == ErrorCode.SETTINGS_FILE_INVALID
    assert "line 1" in found["problems"][0]["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="the mode of a file")
def test_an_engine_for_another_machine_is_told(private_home: Path, free: int) -> None:
    program = private_home / "server"
    foreign = pe(0xAA64) if sys.platform == "linux" else elf(183)
    program.write_bytes(foreign)
    program.chmod(0o755)
    settings(private_home, f"port = {free}\nmodel = 'test'\nengine = '{program}'\n")

    found = doctor(code=1)

    assert codes(found) == [ErrorCode.ENGINE_FOR_OTHER_MACHINE]
    (named,) = [engine for engine in found["engines"] if engine["program"] == str(program)]
    assert named["problem"]["code"] == ErrorCode.ENGINE_FOR_OTHER_MACHINE


@pytest.mark.skipif(sys.platform == "win32", reason="makes a shell script")
def test_the_llama_server_on_the_path_can_be_chosen_by_its_name(
    private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    settings(private_home, f"port = {free}\nmodel = 'test'\nengine = 'llama-server'\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ErrorCode.LLAMA_SERVER_NOT_FOUND in codes(doctor(code=1))

    program = tmp_path / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(FAKE_ENGINE)} --like llama-server "$@"\n')
    program.chmod(0o755)
    found = doctor(code=0)
    assert [engine["program"] for engine in found["engines"] if engine["chosen"]] == [str(program)]


def test_a_damaged_model_is_told(private_home: Path, free: int) -> None:
    (private_home / "models").mkdir()
    write_truncated_model(private_home / "models" / "half.gguf")
    settings(private_home, f"port = {free}\nmodel = 'half'\n")

    assert doctor(code=1)["problems"][0]["stops"]


def test_a_key_that_can_be_guessed_is_told_and_stops_nothing(
    private_home: Path, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(private_home, f"port = {free}\nmodel = 'test'\nnetwork = 'lan'\n")
    monkeypatch.setenv("POWERINFER_TRAY_KEY_GATEWAY", "hunter2")
    found = doctor(code=0)
    assert ErrorCode.KEY_GUESSABLE in codes(found)
    assert "hunter2" not in json.dumps(found)
    monkeypatch.setenv("POWERINFER_TRAY_KEY_GATEWAY", "sk-of-this-house")
    assert ErrorCode.KEY_GUESSABLE not in codes(doctor(code=0))


def test_a_network_without_a_key_is_told(private_home: Path, free: int) -> None:
    settings(private_home, f"port = {free}\nmodel = 'test'\nnetwork = 'lan'\n")
    assert doctor(code=1)["ok"] is False


def test_the_running_apps_own_port_is_no_problem(free: int) -> None:
    with running("serve", "--model", "test", "--port", str(free)) as program:
        program.line_with("Ready")
        found = doctor(code=0)
    assert found["port"] == {"number": free, "free": False, "ours": True, "owners": [], "nearest_free": None}
    assert found["running"]["state"] == "ready"


@pytest.mark.parametrize(("state", "stops"), [(State.FAILED, True), (State.READY, False)])
def test_only_a_failure_that_stays_is_one_of_now(state: State, *, stops: bool) -> None:
    failure = EngineError(
        ErrorCode.ENGINE_CRASHED,
        "It crashed",
        "It accessed invalid memory.",
        "Verify it.",
        fix=Fix.VERIFY_MODEL,
        evidence=("died",),
    )
    status = make_status(state, engine=make_snapshot(state, failure=failure))
    found = run_diagnostics(Workspace.of_environment(os.environ).diagnostic_inputs(running_app(status, 1)))
    assert [problem.error().evidence for problem in found.problems] == ([failure.evidence] if stops else [])
    assert found.ok is not stops


@pytest.mark.parametrize("state", [State.READY, State.LOADING, State.STOPPED])
def test_a_powerinfer_that_does_not_answer_is_told_and_one_that_is_not_ready_not_asked(state: State) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    running_app = RunningApp(1, state, serving=True, base_url=nobody, engine="powerinfer")
    inputs = Workspace.of_environment(os.environ).diagnostic_inputs(running_app)
    found = run_diagnostics(inputs)
    told = [ErrorCode.SERVER_UNREACHABLE] if state is State.READY else []
    assert (found.repetition, [each.code for each in found.problems], found.ok) == (None, told, True)


def test_an_engine_that_is_not_installed_is_told_also_while_no_model_is_chosen(
    private_home: Path, free: int
) -> None:
    settings(private_home, f"port = {free}\nengine = 'llama.cpp-cuda'\n")

    problems = doctor(code=1)["problems"]

    assert [each["code"] for each in problems] == ["engine_not_installed", "model_not_chosen"]


def test_a_mirror_of_engines_is_where_advice_says_that_they_come_from(private_home: Path, free: int) -> None:
    settings(
        private_home, f"port = {free}\nmodel = 'test'\nengines_address = 'https://mirror.example/llama.cpp'\n"
    )

    found = doctor("--engines", code=0)

    assert found["offers"]
    assert "github.com" not in json.dumps(found)


def test_a_remote_server_needs_no_model(private_home: Path, free: int) -> None:
    settings(private_home, f"port = {free}\nengine = 'remote'\nremote_url = 'http://box:8000/v1'\n")
    found = doctor(code=0)
    assert (found["model"], found["problems"]) == (None, [])


def test_a_chosen_model_that_is_not_here_must_fit_on_the_disk(
    private_home: Path, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(private_home, f"port = {free}\nmodel = 'bge-small-en'\n")
    here = run_diagnostics(Workspace.of_environment(os.environ).diagnostic_inputs())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000, total=2_000_000))
    full = run_diagnostics(Workspace.of_environment(os.environ).diagnostic_inputs())

    assert (here.ok, full.ok) == (True, False)
    assert full.problems[0].code is ErrorCode.NOT_ENOUGH_SPACE
    assert "0.00 GB free" in full.problems[0].message


def test_a_model_that_is_too_large_is_told_and_stops_nothing(private_home: Path, free: int) -> None:
    settings(private_home, f"port = {free}\nmodel = 'test'\n")
    here = Workspace.of_environment(os.environ).diagnostic_inputs()
    small = replace(here, host=replace(here.host, memory_bytes=1 << 20))
    found = run_diagnostics(small)

    assert [each.code for each in found.problems] == [ErrorCode.MODEL_TOO_LARGE]
    assert found.ok


def test_a_folder_that_cannot_be_written_is_told(private_home: Path) -> None:
    in_the_way = private_home / "state"
    in_the_way.write_text("no folder")
    environ = os.environ | {HOME_VARIABLE: str(in_the_way / "home")}
    found = run_diagnostics(Workspace.of_environment(environ).diagnostic_inputs())
    (told,) = [each for each in found.problems if each.code is ErrorCode.FOLDER_NOT_WRITABLE]
    assert all(f"{name}: {in_the_way}" in told.message for name in ("models", "state", "logs", "settings"))
    assert told.stops


def test_a_models_folder_on_a_drive_that_is_gone_is_told(private_home: Path, free: int) -> None:
    settings(private_home, f"port = {free}\nmodel = 'test'\nmodels_folder = '{private_home / 'gone'}'\n")
    assert ErrorCode.MODELS_FOLDER_MISSING in codes(doctor(code=0))


def test_the_last_failure_outlives_the_app(private_home: Path) -> None:
    failure = EngineError(ErrorCode.ENGINE_CRASHED, "The engine crashed", "It accessed invalid memory.")
    FailureKeeper(private_home / "state").note(make_snapshot(State.FAILED, failure=failure))
    found = doctor(code=0)
    assert found["last_failure"]["code"] == ErrorCode.ENGINE_CRASHED


def test_what_the_running_app_has_met_and_what_is_found_here_too_is_told_once(
    private_home: Path, free: int
) -> None:
    settings(private_home, f"port = {free}\nmodel = 'gone.gguf'\n")
    inputs = Workspace.of_environment(os.environ).diagnostic_inputs()
    (here,) = run_diagnostics(inputs).problems
    met = FoundProblem.of(EngineError(here.code, "In other words", "And for another reason."), stops=True)
    failed = RunningApp(1, "failed", serving=False, base_url=None, problem=met)

    assert run_diagnostics(replace(inputs, running=failed)).problems == (here,)


@contextmanager
def hugging_face(private_home: Path, free: int) -> Iterator[None]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        settings(private_home, f"port = {free}\nmodel = 'test'\nhf_endpoint = '{address}'\n")
        yield
        server.shutdown()
        thread.join()


def test_the_network_is_asked_on_request(private_home: Path, free: int) -> None:
    with hugging_face(private_home, free):
        (answer,) = doctor("--network", code=0)["network"]
    assert answer["ms"] > 0


def test_a_network_without_an_answer_stops_no_server(private_home: Path, free: int) -> None:
    nobody = free_port()
    settings(private_home, f"port = {free}\nmodel = 'test'\nhf_endpoint = 'http://127.0.0.1:{nobody}'\n")
    found = doctor("--network", code=0)
    assert found["network"][0]["ms"] is None
    (told,) = [each for each in found["problems"] if each["code"] == ErrorCode.SOURCE_UNREACHABLE]
    assert f"127.0.0.1:{nobody}" in told["title"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"tag_name": "v9.1.0"}', ""),
        (b"<html>Welcome</html>", "The answer is not what GitHub sends about the latest release."),
        (b'{"tag_name": "nightly"}', "It is a draft or a pre-release, or its tag is not a version number."),
        (None, "404"),
    ],
)
def test_a_mirror_that_tells_of_no_release_is_named(
    private_home: Path, free: int, content: bytes | None, reason: str
) -> None:
    with FileServer() as server:
        server.put("/", b"here")
        if content is not None:
            server.put("/latest", content)
        address = f"{server.base_url}/latest"
        told = f"hf_endpoint = '{server.base_url}'\nupdates_address = '{address}'\ncheck_for_updates = true\n"
        settings(private_home, f"port = {free}\nmodel = 'test'\n{told}")
        found = doctor("--network", code=0)

    assert [(each["address"], each["ms"] is None) for each in found["network"]][1:] == [
        (address, bool(reason))
    ]
    messages = [f"{each['title']} {each['message']}" for each in found["problems"]]
    assert any(reason in message for message in messages) is bool(reason)


def test_a_look_without_network_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(Session, "get_hops", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert run_diagnostics(Workspace.of_environment(os.environ).diagnostic_inputs()).ok
