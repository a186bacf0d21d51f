"""Terminal commands for the models that are loaded: ps, load, unload, status, and serve with several."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.fakes.commands import FakeCommands, engine_row
from tests.fakes.crowds import eventually
from tests.fakes.launches import FAKE_ENGINE
from tests.fakes.program import DEADLINE_S, command_here, powerinfer_tray, running
from tray_app.app.root import App
from tray_app.cli import main
from tray_app.errors import EngineError, ErrorCode, ModelError
from tray_app.gateway.control.client import find_running
from tray_app.gateway.control.documents import Chosen, ProblemDocument, StatusDocument
from tray_app.gateway.control.routes import Control
from tray_app.models.library import builtin_model
from tray_app.models.memory import GIB, MIB
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX systems")

TABLE = """\
model      state    engine           device   memory  context  active  tokens/s   idle
日本語-q8  ready    llama.cpp 0.2.0  CPU     1.5 GiB     4096       0       3.2  1 min
long-name  loading  PowerInfer       -       ~48 MiB        -       2       0.0      -
Memory: 1.5 GiB of 8.0 GiB
"""
ROWS = (
    engine_row("日本語-q8", chosen=True),
    engine_row(
        "long-name",
        state="loading",
        kind="PowerInfer",
        version=None,
        device="",
        memory_bytes=None,
        expected_bytes=48 * MIB,
        context=0,
        active=2,
        tokens_per_s=0.0,
        idle_s=None,
    ),
)


@contextmanager
def app_with(
    *engines: Any, commands: FakeCommands | None = None, **others: Any
) -> Iterator[tuple[Control, FakeCommands]]:
    """A running app, as commands find it, that has these models loaded."""
    told = StatusDocument(running=True, state="ready", server="ready", model="One", engines=engines, **others)
    known = commands or FakeCommands()
    state = Path(os.environ["POWERINFER_TRAY_HOME"]) / "state"
    control = Control(state, lambda: told, {"start": lambda: None}, print, known)
    assert control.open()
    try:
        yield control, known
    finally:
        known.goes_on.set()
        control.end_jobs(DEADLINE_S)
        control.close()


@pytest.fixture
def model(private_home: Path) -> Path:
    """A model in the models folder, whose name is not of ASCII."""
    file = private_home / "models" / "日本語.gguf"
    file.parent.mkdir()
    shutil.copy(builtin_model(), file)
    return file


def printed(*arguments: str) -> str:
    """What a command prints that must succeed."""
    result = command_here(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(*arguments: str) -> str:
    """What a command complains of that must fail."""
    result = command_here(*arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    return result.stderr


def test_ps_lists_the_models_and_their_memory() -> None:
    with app_with(*ROWS, memory_used_bytes=3 * GIB // 2, memory_budget_bytes=8 * GIB):
        assert powerinfer_tray("ps").stdout == TABLE


def test_ps_as_json_has_every_field_of_every_model() -> None:
    with app_with(*ROWS, memory_used_bytes=7):
        told = json.loads(printed("ps", "--json"))
    assert told == {
        "running": True,
        "engines": json.loads(msgspec.json.encode(ROWS)),
        "memory_used_bytes": 7,
        "memory_budget_bytes": None,
        "graphics_memory_used_bytes": 0,
        "graphics_memory_budget_bytes": 0,
    }


def test_ps_tells_the_memory_of_cards_apart() -> None:
    row = msgspec.structs.replace(ROWS[0], memory_bytes=GIB, graphics_memory_bytes=3 * GIB)
    loading = msgspec.structs.replace(ROWS[0], memory_bytes=GIB, expected_graphics_bytes=2 * GIB)
    numbers: dict[str, Any] = {"graphics_memory_used_bytes": 5 * GIB, "graphics_memory_budget_bytes": 7 * GIB}
    with app_with(row, loading, memory_used_bytes=2 * GIB, memory_budget_bytes=8 * GIB, **numbers):
        told = printed("ps")
    assert "1.0 GiB + 3.0 GiB VRAM" in told
    assert "1.0 GiB + ~2.0 GiB VRAM" in told
    assert "Memory: 2.0 GiB of 8.0 GiB\nGraphics memory: 5.0 GiB of 7.0 GiB" in told


def test_ps_says_what_is_wrong_with_a_model_and_shows_a_strangers_name_as_one_line() -> None:
    error = EngineError(ErrorCode.ENGINE_KILLED, "It ended", "Twice.", "Look at its log.")
    problem = ProblemDocument.of(error, source="engine")
    with app_with(engine_row("a\x1b[31m\nb", state="failed", problem=problem, idle_s=7200.0)):
        heading, row, *rest = printed("ps").splitlines()
    assert heading.startswith("model ")
    assert row.startswith("a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b  failed")
    assert row.endswith("2 h")
    assert rest == [
        "a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b: It ended",
        "Twice.",
        "Look at its log.",
        "Memory: 0 MiB",
    ]


def test_ps_where_nothing_is_loaded_or_runs_says_so() -> None:
    with app_with():
        assert printed("ps") == "No model is loaded.\n"
    assert printed("ps") == "Not running. Start it with: powerinfer-tray serve\n"
    told = json.loads(printed("ps", "--json"))
    assert (told["running"], told["engines"]) == (False, [])


def test_status_names_the_models_if_there_are_several() -> None:
    with app_with(*ROWS):
        assert printed("status") == "ready: One\nready: 日本語-q8, 1.5 GiB\nloading: long-name, ~48 MiB\n"
    with app_with(ROWS[0]):
        assert printed("status") == "ready: One\n"


def test_a_model_is_loaded_and_unloaded_by_the_app(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "elsewhere.gguf"
    shutil.copy(model, other)
    monkeypatch.chdir(tmp_path)
    with app_with() as (_, commands):
        commands.goes_on.set()
        assert printed("load", "日本語") == "Loaded 日本語.\n"
        assert printed("load", "./elsewhere.gguf", "--force") == "Loaded elsewhere.\n"
        assert printed("unload", "日本語.gguf") == "Unloaded 日本語.\n"
        assert printed("unload", "its-drive-is-gone") == "Unloaded its-drive-is-gone.\n"
    assert commands.names == [
        "load 日本語 False",
        "load elsewhere True",
        "unload 日本語",
        "unload its-drive-is-gone",
    ]


def test_a_model_that_the_app_cannot_load_is_said_with_the_reason(model: Path) -> None:
    model.rename(model.with_name("much too large.gguf"))
    with app_with() as (_, commands):
        commands.goes_on.set()
        error = refused("load", "much too large")
    assert "does not fit" in error
    assert "It needs 9 GiB." in error


def test_a_name_that_no_model_has_troubles_no_app() -> None:
    with app_with() as (_, commands):
        assert "There is no model nothing" in refused("load", "nothing")
    assert commands.names == []


@pytest.mark.parametrize("command", ["load", "unload"])
def test_without_an_app_nothing_is_loaded_and_how_to_start_one_is_said(command: str) -> None:
    error = refused(command, "test")
    assert "PowerInfer Tray is not running" in error
    assert "powerinfer-tray serve" in error


@posix
def test_ctrl_c_gives_up_the_wait_for_a_model_and_the_app_goes_on() -> None:
    with app_with() as (control, commands):
        with running("load", "test") as waiting:
            while not commands.names:
                pass
            waiting.process.send_signal(signal.SIGINT)
            assert waiting.process.wait(DEADLINE_S) == 130
            assert f"The running app (PID {os.getpid()}) continues with this" in waiting.rest()
        (job,) = control._jobs._jobs.values()
        assert not job.cancelled.is_set()
        assert not job.has_ended


def loaded() -> dict[str, Any]:
    """The models that `ps` tells of, by their ids."""
    return {row["model"]: row for row in json.loads(printed("ps", "--json"))["engines"]}


def test_a_running_app_has_the_models_that_it_is_told_to(model: Path) -> None:
    options = ("--model", "test", "--model", model.stem, "--model", "test")
    with running("serve", *options, "--port", str(free_port())) as program:
        program.line_with("Loaded 日本語.")
        assert printed("load", "test") == "Loaded test.\n"  # it is being loaded at the same time
        both = loaded()
        lines = printed("ps").splitlines()
        status = printed("status").splitlines()

        assert printed("unload", "日本語") == "Unloaded 日本語.\n"
        assert list(loaded()) == ["test"]
        assert "日本語 is not loaded" in refused("unload", "日本語")
        assert printed("load", "日本語.gguf") == "Loaded 日本語.\n"
        again = loaded()

    assert list(both) == list(again) == ["test", "日本語"]
    assert [(row["chosen"], row["state"]) for row in both.values()] == [(True, "ready"), (False, "ready")]
    assert both["日本語"]["keep_loaded"]
    assert both["test"]["pid"] == again["test"]["pid"]
    assert both["日本語"]["pid"] != again["日本語"]["pid"]
    assert [line.split()[0] for line in lines] == ["model", "test", "日本語", "Memory:"]
    assert [line.split(",")[0] for line in status[1:]] == ["ready: test", "ready: 日本語"]


@posix
def test_an_app_that_ends_while_a_model_is_being_loaded_says_so(model: Path, private_home: Path) -> None:
    program = private_home / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(FAKE_ENGINE)} --like llama-server --hang "$@"\n')
    program.chmod(0o755)
    (private_home / "settings.toml").write_text(
        f"[models.{json.dumps(model.stem, ensure_ascii=False)}]\nengine = {json.dumps(str(program))}\n",
        encoding="utf-8",
    )
    with running("serve", "--model", "test", "--port", str(free_port())) as app:
        app.line_with("Ready")
        with running("load", model.stem) as waiting:
            eventually(lambda: loaded().get(model.stem, {}).get("pid"))
            printed("quit")
            assert waiting.process.wait(DEADLINE_S) == 1
            assert app.process.wait(DEADLINE_S) == 0
            output = waiting.rest()
    assert "stopped before it" in output
    assert "PowerInfer Tray has quit" not in output


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What an app in this process is told to load; it ends itself after the last model, "last"."""
    told: list[tuple[str, bool]] = []

    def load_model(app: App, reference: str, *, force: bool = False, keep: bool = False) -> str:
        assert not force
        told.append((reference, keep))
        if reference == "last":
            client = find_running(app.paths.state)
            assert client
            client.quit()
        return reference

    monkeypatch.setattr(App, "load_model", load_model)
    return told


def serve(*models: str) -> int:
    options = [word for name in models for word in ("--model", name)]
    return main.run(["serve", "--port", str(free_port()), *options])


def test_serve_loads_each_further_model_once_and_keeps_it(
    model: Path, loads: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(model, model.with_name("last.gguf"))
    assert serve("test", "日本語", "test", "日本語.gguf", "test", "last") == 0
    assert loads == [("日本語", True), ("last", True)]
    assert "Loaded 日本語." in capsys.readouterr().out


@pytest.mark.parametrize("models", [("test", "nothing"), ("nothing", "test")])
def test_serve_with_a_name_that_no_model_has_starts_nothing(
    models: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[App] = []
    monkeypatch.setattr(App, "start_server", started.append)
    assert serve(*models) == 1
    assert "There is no model nothing" in capsys.readouterr().err
    assert started == []


def test_serve_goes_on_and_says_why_if_a_further_model_cannot_be_loaded(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(model, model.with_name("last.gguf"))

    def load_model(app: App, reference: str, **_: object) -> str:
        if reference == "last":
            client = find_running(app.paths.state)
            assert client
            client.quit()
            return reference
        raise ModelError(ErrorCode.MODEL_TOO_LARGE, "It does not fit", "It needs 9 GiB.")

    monkeypatch.setattr(App, "load_model", load_model)
    assert serve("test", model.stem, "last") == 0
    printed = capsys.readouterr().out
    assert f"{model.stem} is not loaded. It does not fit" in printed
    assert "It needs 9 GiB." in printed


def test_serve_beside_an_app_has_it_load_the_further_models(model: Path) -> None:
    with app_with(chosen=Chosen("test", 8080, "auto")) as (_, commands):
        commands.goes_on.set()
        output = printed("serve", "--model", "test", "--model", model.stem)
        assert "There is no model nothing" in refused("serve", "--model", "test", "--model", "nothing")
    assert "PowerInfer Tray is already running" in output
    assert commands.names == ["load 日本語 False"]


def test_what_has_become_of_a_model_is_told_also_as_the_app_ends() -> None:
    with app_with() as (control, commands), running("load", "test") as waiting:
        while not commands.names:
            pass
        ending = threading.Thread(target=control.end_jobs, args=(DEADLINE_S,))
        ending.start()
        commands.goes_on.set()
        assert waiting.process.wait(DEADLINE_S) == 0
        ending.join()
        assert "Loaded test." in waiting.rest()
