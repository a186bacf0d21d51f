"""The embedded engine for real: llama.cpp in its own process, on the model that comes with the app."""

import json
import math
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.launches import llamacpp_plan
from tray_app.engine import llamacpp_child
from tray_app.engine.access import Address
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.snapshot import EngineSnapshot
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import ErrorCode
from tray_app.models.library import builtin_model
from tray_app.system.environment import engine_environment
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for
from tray_app.system.ports import free_port

TEST_MODEL = builtin_model()
SETTLED = {State.READY, State.FAILED}
TIMEOUT_S = 30


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = Supervisor(launcher_for(detect_system(sys.platform)), tmp_path / "state", tmp_path / "logs")
    yield one
    one.close()


def run(supervisor: Supervisor, wanted: LaunchPlan) -> EngineSnapshot:
    supervisor.ensure(wanted)
    return supervisor.wait_for(SETTLED, TIMEOUT_S)


@pytest.fixture
def engine(supervisor: Supervisor) -> Address:
    return address_of(run(supervisor, llamacpp_plan(batch_size=32)))


def address_of(snapshot: EngineSnapshot) -> Address:
    assert snapshot.address, snapshot
    return snapshot.address


def post(engine: Address, path: str, body: dict[str, object], **options: Any) -> requests.Response:
    url, headers = engine.base_url + path, engine.headers
    return requests.post(url, json=body, headers=headers, timeout=TIMEOUT_S, **options)


def get(engine: Address, path: str, **headers: str) -> requests.Response:
    return requests.get(engine.base_url + path, headers=engine.headers | headers, timeout=TIMEOUT_S)


def test_embeddings_are_normalised_and_steady(engine: Address) -> None:
    answers = [post(engine, "/v1/embeddings", {"input": "The quick brown fox"}).json() for _ in range(2)]
    vectors = [answer["data"][0]["embedding"] for answer in answers]
    assert math.isclose(math.hypot(*vectors[0]), 1, abs_tol=1e-3)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-4)
    assert answers[0]["model"] == "test"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it has another OpenMP, or none")
@pytest.mark.parametrize("set_by_person", ["", "5"])
def test_its_threads_wait_for_each_other_as_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_by_person: str
) -> None:
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")  # it prints what it has understood
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    if set_by_person:
        monkeypatch.setenv("GOMP_SPINCOUNT", set_by_person)
    supervisor = Supervisor(launcher_for(detect_system(sys.platform)), tmp_path / "state", tmp_path / "logs")
    try:
        run(supervisor, llamacpp_plan())
        printed = "\n".join(line.text for line in supervisor.lines.since(0))
    finally:
        supervisor.close()
    spins = re.search(r"GOMP_SPINCOUNT = '(\d+)'", printed)
    assert spins
    assert spins[1] == engine_environment()["GOMP_SPINCOUNT"] == (set_by_person or "1000")


def test_a_text_longer_than_a_batch_has_an_embedding(engine: Address) -> None:
    answer = post(engine, "/v1/embeddings", {"input": "hello " * 50}).json()
    assert answer["usage"]["prompt_tokens"] > 32
    assert len(answer["data"][0]["embedding"]) > 0


def test_many_texts_have_as_many_embeddings(engine: Address) -> None:
    answer = post(engine, "/v1/embeddings", {"input": ["a", "b", "c", "d", "e", "f"]}).json()
    assert [one["index"] for one in answer["data"]] == list(range(6))


def test_the_same_server_completes_and_chats(engine: Address) -> None:
    done = post(engine, "/v1/completions", {"prompt": "hello", "max_tokens": 4}).json()
    assert done["usage"]["completion_tokens"] == 4
    messages = [{"role": "user", "content": "hi"}]
    chat = post(engine, "/v1/chat/completions", {"messages": messages, "max_tokens": 4}).json()
    assert chat["choices"][0]["message"]["role"] == "assistant"


def test_a_stream_consists_of_data_alone(engine: Address) -> None:
    body: dict[str, object] = {"prompt": "hello", "max_tokens": 4, "stream": True}
    with post(engine, "/v1/completions", body, stream=True) as answer:
        lines = [line for line in answer.iter_lines(decode_unicode=True) if line]
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line.removeprefix("data: ")) for line in lines[:-1])


def test_no_web_page_may_read_answers_and_there_is_no_page(engine: Address) -> None:
    answer = get(engine, "/health", Origin="http://evil.example")
    assert answer.headers.get("Access-Control-Allow-Origin", "") == ""
    assert get(engine, "/").status_code == 404


def test_a_plain_parameter_of_llama_cpp_can_be_set(supervisor: Supervisor) -> None:
    snapshot = run(
        supervisor, llamacpp_plan(extra_arguments=("--endpoint-metrics", "true", "--n-gpu-layers", "0"))
    )
    assert get(address_of(snapshot), "/metrics").status_code == 200


def test_a_path_with_spaces_and_foreign_letters_works(supervisor: Supervisor, tmp_path: Path) -> None:
    path = tmp_path / "my models" / "モデル ü.gguf"
    path.parent.mkdir()
    shutil.copy(TEST_MODEL, path)
    assert run(supervisor, llamacpp_plan(path)).state is State.READY


def test_llama_servers_own_arguments_arrive(supervisor: Supervisor) -> None:
    line = (
        "-ngl 0 --flash-attn off --cache-type-k q8_0 --parallel 2 --no-mmap --jinja --ubatch-size 64"
        " --rope-scaling linear --top-k 7 --repeat-penalty 1.5 --seed 42 --metrics --verbosity 4"
    )
    snapshot = run(supervisor, llamacpp_plan(extra_arguments=tuple(line.split())))
    engine = address_of(snapshot)
    props = get(engine, "/props").json()
    defaults = props["default_generation_settings"]["params"]
    assert (defaults["top_k"], defaults["seed"]) == (7, 42)
    assert defaults["repeat_penalty"] == pytest.approx(1.5)
    assert len(get(engine, "/slots").json()) == 2
    assert get(engine, "/metrics").status_code == 200
    log = "\n".join(line.text for line in supervisor.lines.since(0))
    assert re.search(r"n_ubatch += 64\b", log)
    assert re.search(r"flash_attn += disabled", log)
    assert re.search(r"K \(q8_0\)", log)
    assert re.search(r"rope scaling += linear", log)


@pytest.mark.parametrize(
    ("line", "code", "named"),
    [
        ("--flash-atn on", ErrorCode.ENGINE_ARGUMENT_UNKNOWN, "--flash-atn"),
        ("''", ErrorCode.ENGINE_ARGUMENT_UNKNOWN, "''"),
        ("--n-parallel 1000", ErrorCode.ENGINE_VALUE_INVALID, "--n-parallel"),
        ("--ubatch-size", ErrorCode.ENGINE_VALUE_INVALID, "--ubatch-size"),
        ("--device CUDA0", ErrorCode.ENGINE_ARGUMENT_UNAVAILABLE, "--device"),
        ("--mmproj /no/file.gguf", ErrorCode.ENGINE_ARGUMENT_FILE_MISSING, "--mmproj"),
        (f"--lora '{TEST_MODEL}'", ErrorCode.ENGINE_ARGUMENT_FILE_UNUSABLE, str(TEST_MODEL)),
        ("-ctv q4_0 -fa off", ErrorCode.ENGINE_SETTINGS_INCOMPATIBLE, ""),
        ("--grammar nonsense", ErrorCode.ENGINE_VALUE_INVALID, "grammar"),
    ],
)
def test_an_argument_of_no_use_fails_at_once_and_names_the_setting(
    supervisor: Supervisor, line: str, code: ErrorCode, named: str
) -> None:
    snapshot = run(supervisor, llamacpp_plan(extra_arguments=tuple(shlex.split(line))))
    assert snapshot.state is State.FAILED
    assert snapshot.failure
    assert (snapshot.failure.code, snapshot.failure.setting) == (code, "extra_arguments")
    assert named in snapshot.failure.title


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda path: path.write_text("<!DOCTYPE html>"), ErrorCode.NOT_A_MODEL),
        (lambda path: path.write_bytes(TEST_MODEL.read_bytes()[:300_000]), ErrorCode.MODEL_FILE_INCOMPLETE),
        (lambda path: path.unlink(), ErrorCode.MODEL_FILE_MISSING),
    ],
)
def test_a_model_that_is_damaged_after_it_was_chosen_fails_at_once(
    supervisor: Supervisor, tmp_path: Path, damage: Any, code: ErrorCode
) -> None:
    path = tmp_path / "model.gguf"
    shutil.copy(TEST_MODEL, path)
    wanted = llamacpp_plan(path)
    damage(path)
    snapshot = run(supervisor, wanted)
    assert snapshot.failure
    assert snapshot.failure.code is code


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", llamacpp_child.__file__, *arguments]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--x", "1"], "error: unknown argument: --x\n"),
        (["word", "1"], "error: unknown argument: word\n"),
        (["--models.path", "x"], "error: unknown argument: --models.path\n"),
        (["--hostnames", "0.0.0.0"], "error: unknown argument: --hostnames\n"),
        (["--host", "0.0.0.0"], "error: unavailable argument: --host\n"),
        (["--ctx-size"], "error: missing value for argument: --ctx-size\n"),
        (["--ctx-size", "many"], "error: invalid value for argument: --ctx-size\n"),
        (["--pooling", "best"], "error: invalid value for argument: --pooling\n"),
        (["--warmup", "maybe"], "error: unknown argument: maybe\n"),
    ],
)
def test_an_argument_that_cannot_be_used_ends_the_child(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    ended = subprocess.run(command(*arguments), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, message)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_child_ends_when_asked(signal_number: signal.Signals, tmp_path: Path) -> None:
    arguments = command("--model", str(TEST_MODEL), "--port", str(free_port()), "--threads", "1")
    with subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr
            while "serving on" not in child.stderr.readline():  # llama.cpp may have begun that line
                assert child.poll() is None
            child.send_signal(signal_number)
            assert child.wait(TIMEOUT_S) == -signal_number
        finally:
            child.kill()
