"""A sparse model is computed by one thread, and whoever looks is told whether PowerInfer computes rightly."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.fakes.launches import FAKE_ENGINE
from tests.fakes.models import write_model
from tests.fakes.program import command_here, running
from tray_app.engine import ineffective_settings
from tray_app.errors import ErrorCode
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.program import RunningProgram

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the engine is a script")

ONE_THREAD = str(ineffective_settings.ONE_THREAD)
WRONG = "PowerInfer gives wrong results"


@pytest.fixture
def port(private_home: Path) -> int:
    """The public port of an app with a sparse model, whose settings ask for several threads."""
    return configure(private_home)


def configure(home: Path, *options: str) -> int:
    engine, port = home / "server", free_port()
    engine.write_text(
        '#!/bin/sh\nexec {} "$@"\n'.format(" ".join(f"'{word}'" for word in (*FAKE_ENGINE, *options)))
    )
    engine.chmod(0o755)
    write_model(home / "models" / "sparse.gguf", sparse=True)
    home.joinpath("settings.toml").write_text(
        f"port = {port}\nmodel = 'sparse'\nengine = '{engine}'\nthreads = 4\nthreads_batch = 4\n"
    )
    return port


@contextmanager
def serving(*arguments: str) -> Iterator[RunningProgram]:
    with running("serve", *arguments) as program:
        program.line_with("Ready")
        yield program
        program.interrupt()


def doctor(code: int) -> tuple[Any, str]:
    """What it says to programs and to people."""
    told, read = command_here("doctor", "--json"), command_here("doctor")
    assert (told.returncode, read.returncode) == (code, code), told.stdout + told.stderr
    return json.loads(told.stdout), read.stdout


def test_ten_answers_to_one_text_are_equal_whatever_number_of_threads_is_set(port: int) -> None:
    with serving():
        answers = {
            requests.post(
                f"http://127.0.0.1:{port}/v1/embeddings", json={"input": "one text"}, timeout=60
            ).text
            for _ in range(10)
        }
    assert len(answers) == 1


def test_doctor_asks_a_powerinfer_that_runs_and_tells_that_its_answers_are_equal(port: int) -> None:
    assert port
    with serving():
        found, read = doctor(code=0)
    assert found["repetition"] == {"asked": 10, "same": True, "lowest_cosine": 1.0}
    assert found["settings"]["ignored"] == ["threads", "threads_batch"]
    assert "Answers      the same text embedded 10 times: always the same answer\n" in read
    assert f"no effect on this engine: threads, threads_batch\n             {ONE_THREAD}\n" in read


def test_doctor_tells_that_answers_differ(private_home: Path) -> None:
    configure(private_home, "--lose-sums")
    with serving():
        found, read = doctor(code=1)
    assert found["repetition"]["same"] is False
    assert 0 < found["repetition"]["lowest_cosine"] < 1
    assert [problem["code"] for problem in found["problems"]] == [ErrorCode.ANSWERS_DIFFER]
    assert read.endswith("The server is running but gives wrong answers: see ✗ above.\n")


def test_doctor_asks_nobody_while_no_powerinfer_runs(port: int) -> None:
    assert port
    assert doctor(code=0)[0]["repetition"] is None
    with serving("--model", "test", "--engine", "llama.cpp"):
        assert doctor(code=0)[0]["repetition"] is None


@pytest.mark.parametrize(
    ("options", "code", "last"), [((), 0, "Everything works."), (("--lose-sums",), 1, WRONG)]
)
def test_selftest_starts_powerinfer_where_there_is_a_model_for_it(
    private_home: Path, options: tuple[str, ...], code: int, last: str
) -> None:
    configure(private_home, *options)

    told, read = command_here("selftest", "--json"), command_here("selftest")

    assert (told.returncode, read.returncode) == (code, code), told.stderr
    report = json.loads(told.stdout)
    assert (report["ok"], report["powerinfer"]["asked"], report["powerinfer"]["same"]) == (
        not code,
        10,
        not code,
    )
    assert "PowerInfer: the same text embedded 10 times" in read.stdout
    assert last in read.stdout


def test_tune_refuses_with_the_reason_and_leaves_a_running_server_alone(port: int) -> None:
    assert port
    with serving():
        before = json.loads(command_here("status", "--json").stdout)["engine"]["pid"]
        refused = command_here("tune")
        after = json.loads(command_here("status", "--json").stdout)["engine"]["pid"]
    assert refused.returncode == 1
    assert ONE_THREAD in refused.stderr
    assert before == after


def test_tune_fetches_no_sparse_model_to_refuse_it_then(private_home: Path) -> None:
    refused = command_here("tune", "--model", "bamboo-7b-q4")
    assert refused.returncode == 1
    assert ONE_THREAD in refused.stderr
    assert not list(private_home.rglob("*.part"))


def test_settings_without_effect_are_marked(port: int) -> None:
    lines = command_here("settings", "show").stdout.splitlines()
    assert f"threads = 4  # no effect: {ONE_THREAD}" in lines
    assert f"threads_batch = 4  # no effect: {ONE_THREAD}" in lines
    assert f"port = {port}" in lines


def test_info_says_why_a_sparse_model_has_one_thread(port: int) -> None:
    assert port
    sparse, dense = (
        json.loads(command_here("models", "info", model, "--json").stdout) for model in ("sparse", "test")
    )
    assert (sparse["one_thread"], dense["one_thread"]) == (ONE_THREAD, None)
    assert f"one thread: {ONE_THREAD}\n" in command_here("models", "info", "sparse").stdout
