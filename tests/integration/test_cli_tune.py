"""`powerinfer-tray tune`: what it prints, what it keeps, and that a running server is there afterwards."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.file_server import FileServer, Stall
from tests.fakes.models import model_bytes
from tests.fakes.program import DEADLINE_S, command_here, powerinfer_tray, running
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are inherited on POSIX systems")

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")


def test_tune_measures_and_applies_only_what_is_faster() -> None:
    result = powerinfer_tray("tune", "--model", "test", "--apply", "--json", timeout_s=110)

    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["complete"]
    assert {told["present"]["threads"], told["best"]["threads"]} <= {s["threads"] for s in told["samples"]}
    assert all(sample["embeddings_per_s"] > 0 for sample in told["samples"])
    assert told["applied"] is not told["keep"]
    expected = "auto" if told["keep"] else told["best"]["threads"]
    assert json.loads(command_here("settings", "show", "--json").stdout)["threads"] == expected


def test_the_server_of_a_running_app_rests_and_is_there_again() -> None:
    port = str(free_port())
    with running("serve", "--model", "test", "--port", port) as program:
        program.line_with("Ready")

        result = powerinfer_tray("tune", "--model", "test", timeout_s=110)

        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("threads  embeddings/s  tokens/s\n")
        program.line_with("Ready")
        assert "dimensions" in powerinfer_tray("embed", "hello").stdout


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
