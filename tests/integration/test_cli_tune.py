"""`powerinfer-tray tune`: what it prints, what it keeps, and that a running server is there afterwards."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.apps import ready, real_app
from tests.fakes.builds import make_build
from tests.fakes.fake_llama_server import Mode, llama_server
from tests.fakes.file_server import FileServer, Stall
from tests.fakes.models import model_bytes
from tests.fakes.program import DEADLINE_S, command_here, running
from tray_app.app import tuning
from tray_app.engine.builds.build import BackEnd
from tray_app.engine.builds.store import EngineStore

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are inherited on POSIX systems")

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")


def test_tune_measures_and_applies_only_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_LONG_ENOUGH_S", 0.1)  # how fast it is is not looked at
    result = command_here("tune", "--model", "test", "--apply", "--json")

    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["complete"]
    assert {told["present"]["threads"], told["best"]["threads"]} <= {s["threads"] for s in told["samples"]}
    assert all(sample["embeddings_per_s"] > 0 for sample in told["samples"])
    assert told["applied"] is not told["keep"]
    expected = "auto" if told["keep"] else told["best"]["threads"]
    assert json.loads(command_here("settings", "show", "--json").stdout)["threads"] == expected


def test_the_server_of_a_running_app_rests_and_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_LONG_ENOUGH_S", 0.1)  # how fast it is is not looked at
    with real_app() as app:
        before = ready(app).status().engine
        app.open_control(quit_app=lambda: None)

        result = command_here("tune", "--model", "test")

        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("threads  embeddings/s  tokens/s\n")
        assert app.wait_until_ready(DEADLINE_S) == before.plan
        assert app.status().engine.pid != before.pid


@posix
def test_installed_engines_are_compared_and_one_that_crashes_is_told(
    private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "_LONG_ENOUGH_S", 0.1)  # what is measured is not looked at
    store = EngineStore(private_home / "engines")
    for back_end, mode in ((BackEnd.CUDA, Mode.CUDA), (BackEnd.CPU, Mode.CRASH_AT_LOAD)):
        with store.new_folder() as new:
            program = new / "llama-server"
            program.write_text(llama_server(mode))
            program.chmod(0o755)
            store.add(new, make_build(back_end, program=program))

    result = command_here("tune", "--model", "test", "--apply", "--json")

    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    by_name = {each["engine"]: each for each in told["engines"]}
    assert list(by_name) == ["llama.cpp", "llama.cpp-cpu", "llama.cpp-cuda"]
    assert by_name["llama.cpp-cpu"]["failure"] == "The engine crashed"
    assert by_name["llama.cpp"]["times_built_in"] == 1
    assert by_name["llama.cpp-cuda"]["times_built_in"] > 0
    assert by_name["llama.cpp-cuda"]["tokens_per_s"] > 0
    # What auto takes, as it is for a card. It is the built-in engine, so which one is faster is chance.
    assert told["present"]["engine"] == "llama.cpp-cuda"
    shown = json.loads(command_here("models", "info", "test", "--json").stdout)
    changed = told["best"]["engine"] != "llama.cpp-cuda"
    assert shown["settings"].get("engine") == (told["best"]["engine"] if changed else None)


def test_without_a_model_it_says_what_to_do() -> None:
    result = command_here("tune")

    assert result.returncode == 1
    assert "No model is chosen" in result.stderr


@pytest.mark.parametrize("ignoring", ["", pytest.param("INT", marks=posix)])
def test_ctrl_c_ends_the_download_of_a_model_that_is_not_here(private_home: Path, ignoring: str) -> None:
    with FileServer() as server:
        served = server.put("/mine.gguf", model_bytes())
        served.always = Stall(after_bytes=1000)
        (private_home / "models.toml").write_text(f'[[models]]\nid = "mine"\nsource = "{served.url}"\n')
        with running("tune", "--model", "mine", ignoring=ignoring) as program:
            assert served.asked.wait(DEADLINE_S)

            assert program.interrupt() == 130  # as shells count an end by Ctrl-C
