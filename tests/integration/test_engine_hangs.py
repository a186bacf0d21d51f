"""The real llama.cpp when it stands still, computes for long, or is given what never ends."""

from __future__ import annotations

import dataclasses
import errno
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
import requests
from openai import OpenAI

from tests.fakes.chat_templates import (
    DOUBLING,
    ENDLESS,
    MAGIC_WORD,
    PLAIN,
    only_if_asked,
    write_with_template,
)
from tests.fakes.gateways import gateway_to, get, post
from tests.fakes.launches import ShortLauncher, fake_plan, give_no_thread_named, llamacpp_plan
from tests.fakes.logged import logged
from tests.fakes.processes import halt
from tests.fakes.random_models import Shape, write_llama
from tests.fakes.remote_server import KEY, remote_server
from tests.fakes.supervisors import QUICK, SupervisedEngine, quick_supervisor, until_back
from tray_app.engine.launch_plan import RemotePlan
from tray_app.engine.lifecycle import RestartPolicy, State
from tray_app.engine.load_limits import LoadLimits
from tray_app.errors import ErrorCode
from tray_app.models.memory import GIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tray_app.engine.launch_plan import Plan
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.engine.supervisor import Supervisor

TIMEOUT_S = 120
SILENCE_S = 0.2
SETTLED = {State.READY, State.FAILED}
HELLO = [{"role": "user", "content": "Hello"}]
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

pytestmark = pytest.mark.warns("does not answer")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    one = quick_supervisor(tmp_path)
    yield one
    one.close()


def run(supervisor: Supervisor, plan: Plan) -> EngineSnapshot:
    supervisor.ensure(plan)
    return supervisor.wait_for(SETTLED, TIMEOUT_S)


def stream(url: str) -> requests.Response:
    return post(f"{url}/completions", {"prompt": "x", "stream": True})


@posix
@pytest.mark.parametrize(
    "ask",
    [
        lambda url: post(f"{url}/embeddings", {"input": "x"}),
        lambda url: post(f"{url}/chat/completions", {"messages": HELLO}),
        stream,
        lambda url: get(url.replace("/v1", "/props")),
        lambda url: post(url.replace("/v1", "/tokenize"), {"content": "x"}),
    ],
    ids=["embedding", "chat", "stream", "props", "native"],
)
def test_a_llama_cpp_that_stands_still_is_started_again(
    supervisor: Supervisor, ask: Callable[[str], requests.Response]
) -> None:
    before = run(supervisor, llamacpp_plan())
    with gateway_to(SupervisedEngine(supervisor), silence_limit_s=SILENCE_S, native_routes=True) as url:
        halt(before.pid)
        refused = ask(url)
        assert (refused.status_code, refused.headers.get("Retry-After")) == (503, "2"), refused.text
        until_back(supervisor, before, TIMEOUT_S)
        assert ask(url).status_code == 200


@posix
def test_openais_client_gets_its_answer_although_the_engine_stood_still(supervisor: Supervisor) -> None:
    before = run(supervisor, llamacpp_plan())
    with gateway_to(SupervisedEngine(supervisor), silence_limit_s=SILENCE_S) as url:
        halt(before.pid)
        with OpenAI(base_url=url, api_key="none") as client:
            assert client.embeddings.create(model="m", input="x").data
    assert supervisor.snapshot().run == before.run + 1


@posix
def test_one_that_stands_still_for_a_moment_is_kept(supervisor: Supervisor) -> None:
    before = run(supervisor, llamacpp_plan())
    with (
        gateway_to(SupervisedEngine(supervisor), silence_limit_s=SILENCE_S) as url,
        ThreadPoolExecutor(1) as client,
        logged("does not answer") as suspicion,
    ):
        process = halt(before.pid)
        asked = client.submit(post, f"{url}/embeddings", {"input": "x"})
        suspicion.wait()
        process.resume()
        assert asked.result(TIMEOUT_S).status_code == 200
    assert supervisor.snapshot().pid == before.pid


def test_a_long_text_at_full_load_is_no_hang(supervisor: Supervisor, tmp_path: Path) -> None:
    path = write_llama(tmp_path / "random.gguf", Shape(width=256))
    before = run(supervisor, llamacpp_plan(path, ctx_size=2048))
    assert before.state is State.READY, before.failure
    with gateway_to(SupervisedEngine(supervisor), silence_limit_s=SILENCE_S) as url:
        began_s = time.monotonic()
        body = {"prompt": [[5] * 1000] * 4, "max_tokens": 1}
        answer = requests.post(f"{url}/completions", json=body, timeout=TIMEOUT_S)
        took_s = time.monotonic() - began_s
    assert answer.status_code == 200, answer.text
    assert took_s > 4 * SILENCE_S  # it was suspected again and again
    assert supervisor.snapshot().pid == before.pid


@pytest.mark.parametrize("template", [ENDLESS, DOUBLING], ids=["endless", "doubling"])
def test_a_request_that_never_ends_ends_with_its_engine_and_others_are_served(
    supervisor: Supervisor, tmp_path: Path, template: str
) -> None:
    path = write_with_template(tmp_path / "hostile.gguf", only_if_asked(template))
    failures: list[str] = []
    supervisor.changed.connect(
        lambda now: failures.append(now.failure.title) if now.state is State.BACKOFF and now.failure else None
    )
    before = run(supervisor, llamacpp_plan(path))
    with gateway_to(SupervisedEngine(supervisor), silence_limit_s=SILENCE_S) as url:
        assert post(f"{url}/chat/completions", {"messages": HELLO, "max_tokens": 2}).status_code == 200
        wild = [{"role": "user", "content": MAGIC_WORD}]
        refused = post(f"{url}/chat/completions", {"messages": wild})
        assert refused.status_code == 503
        until_back(supervisor, before, TIMEOUT_S)
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
    assert supervisor.snapshot().run == before.run + 1
    assert failures == ["A request makes the engine use too many resources"]


@pytest.mark.parametrize(
    ("template", "load_limits", "reason"),
    [
        (ENDLESS, LoadLimits(memory_bytes=4 * GIB, silent_cpu_s=2), "without reading or printing anything"),
        (DOUBLING, LoadLimits(memory_bytes=GIB // 4, silent_cpu_s=900), "GiB of memory while loading"),
    ],
    ids=["endless", "doubling"],
)
def test_a_model_whose_template_never_ends_is_given_up_at_once(
    supervisor: Supervisor, tmp_path: Path, template: str, load_limits: LoadLimits, reason: str
) -> None:
    plan = llamacpp_plan(write_with_template(tmp_path / "hostile.gguf", template + PLAIN))
    snapshot = run(supervisor, dataclasses.replace(plan, load_limits=load_limits))
    assert (snapshot.state, snapshot.run, snapshot.gave_up) == (State.FAILED, 1, False)
    assert snapshot.failure
    assert snapshot.failure.code is ErrorCode.MODEL_EXCEEDS_LIMITS
    assert reason in snapshot.failure.message


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"])
def test_what_the_system_is_short_of_is_waited_for(tmp_path: Path, name: str) -> None:
    launcher = ShortLauncher(OSError(getattr(errno, name), "short of it"), 1, 2)
    supervisor = quick_supervisor(tmp_path, launcher=launcher)
    try:
        snapshot = run(supervisor, fake_plan())
        assert (snapshot.state, snapshot.run) == (State.READY, 3)
    finally:
        supervisor.close()


def test_a_system_that_gives_no_threads_is_waited_for(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_no_thread_named("engine-main-1-probe", monkeypatch)
    snapshot = run(supervisor, fake_plan())
    assert (snapshot.state, snapshot.run) == (State.READY, 2)


def test_so_it_is_for_a_remote_server(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    give_no_thread_named("engine-main-1-remote", monkeypatch)
    with remote_server() as server:
        snapshot = run(supervisor, RemotePlan(server.url, key=KEY))
        assert (snapshot.state, snapshot.run) == (State.READY, 2)


def test_an_engine_that_no_thread_can_look_at_is_kept(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = run(supervisor, fake_plan())
    give_no_thread_named("engine-main-1-check", monkeypatch)
    supervisor.check(snapshot.run_id)
    assert supervisor.wait_for(SETTLED, TIMEOUT_S) == snapshot


def test_a_drive_is_waited_for_without_a_thread(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_no_thread_named("engine-main-1-return", monkeypatch)
    drive = tmp_path / "USB"
    drive.mkdir()
    (drive / "model.gguf").touch()
    first = run(supervisor, fake_plan(path=drive / "model.gguf"))
    drive.rename(tmp_path / "unplugged")
    psutil.Process(first.pid).kill()
    supervisor.wait_for({State.WAITING}, TIMEOUT_S)
    (tmp_path / "unplugged").rename(drive)
    assert supervisor.wait_for({State.READY, State.FAILED}, TIMEOUT_S).state is State.READY


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux refuses it")
def test_a_program_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    plan = fake_plan()
    program = tmp_path / "server"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(plan.engine.command)} "$@"\n')
    program.chmod(0o700)
    plan = dataclasses.replace(plan, argv=(str(program), *plan.argv[len(plan.engine.command) :]))
    supervisor = quick_supervisor(tmp_path, RestartPolicy(restart_delays_s=(0.5,) * 20))
    try:
        with program.open("r+"):
            supervisor.ensure(plan)
            busy = supervisor.wait_for({State.BACKOFF, State.FAILED}, TIMEOUT_S)
        assert busy.state is State.BACKOFF
        assert busy.failure
        assert busy.failure.code is ErrorCode.SYSTEM_RESOURCES_EXHAUSTED
        assert supervisor.wait_for(SETTLED, TIMEOUT_S).state is State.READY
    finally:
        supervisor.close()


def test_an_engine_given_up_for_a_cause_that_stays_says_so(supervisor: Supervisor) -> None:
    stays = run(supervisor, fake_plan("--say", "error: unknown argument: --temp", "--fail"))
    assert (stays.state, stays.gave_up) == (State.FAILED, False)
    crashes = run(supervisor, fake_plan("--fail", "--exit-code", "3"))
    assert (crashes.state, crashes.gave_up, crashes.restarts) == (
        State.FAILED,
        True,
        len(QUICK.restart_delays_s),
    )
