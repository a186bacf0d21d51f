"""An engine's private port: who has not the key of its run gets nothing, and nobody stands in for it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from tests.fakes.gateways import gateway_to, get, post
from tests.fakes.launches import fake_plan, llamacpp_plan
from tests.fakes.supervisors import SupervisedEngine, quick_supervisor
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.lifecycle import State
from tray_app.engine.supervisor import Supervisor
from tray_app.errors import ErrorCode
from tray_app.system.host import detect_system
from tray_app.system.launcher import launcher_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tray_app.engine.access import Address
    from tray_app.engine.launch_plan import LaunchPlan
    from tray_app.engine.snapshot import EngineSnapshot
    from tray_app.system.child import Child, Launch, Launcher

TIMEOUT_S = 60
SETTLED = {State.READY, State.FAILED}
OWN_ADDRESSES = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has 127.0.0.1 alone")

MakeSupervisor = Callable[..., Supervisor]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeSupervisor]:
    made: list[Supervisor] = []

    def make_supervisor(launcher: Launcher | None = None) -> Supervisor:
        made.append(quick_supervisor(tmp_path, launcher=launcher))
        return made[-1]

    yield make_supervisor
    for one in made:
        one.close()


def run(supervisor: Supervisor, plan: LaunchPlan) -> EngineSnapshot:
    supervisor.ensure(plan)
    snapshot = supervisor.wait_for(SETTLED, TIMEOUT_S)
    assert snapshot.state is State.READY, snapshot
    return snapshot


def ask(address: Address, method: str, path: str, **headers: str) -> int:
    url = address.base_url + path
    return requests.request(method, url, data="{}", headers=headers, timeout=TIMEOUT_S).status_code


def test_without_the_key_the_built_in_engine_says_only_that_it_is_there(make: MakeSupervisor) -> None:
    snapshot = run(make(), llamacpp_plan())
    assert snapshot.address
    reads = ("/props", "/slots", "/metrics", "/lora-adapters", "/models", "/v1/models")
    works = ("/completion", "/v1/embeddings", "/tokenize", "/v1/chat/completions", "/slots/0?action=erase")
    page = {"Origin": "https://evil.example", "Host": "evil.example", "Content-Type": "text/plain"}
    for headers in ({}, page, {"Authorization": "Bearer wrong-run"}):
        assert {ask(snapshot.address, "GET", path, **headers) for path in reads} == {401}
        assert {ask(snapshot.address, "POST", path, **headers) for path in works} == {401}
        assert ask(snapshot.address, "GET", "/health", **headers) == 200
    assert ask(snapshot.address, "GET", "/props", **snapshot.address.headers) == 200


@pytest.mark.parametrize("plan", [llamacpp_plan, lambda: fake_plan(kind=EngineKind.LLAMA_SERVER)])
def test_the_key_is_another_one_for_each_run_and_stands_nowhere(
    make: MakeSupervisor, tmp_path: Path, plan: Callable[[], LaunchPlan]
) -> None:
    supervisor = make()
    keys = []
    for _ in range(2):
        snapshot = run(supervisor, plan())
        assert snapshot.address
        keys.append(snapshot.address.key)
        command = psutil.Process(snapshot.pid).cmdline()
        written = [path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()]
        secret = snapshot.address.key.removesuffix("-run")
        for text in (
            *command,
            *written,
            *(line.text for line in supervisor.lines.since(0)),
            repr(snapshot),
            snapshot.plan and snapshot.plan.argv,
        ):
            assert secret not in str(text)
            assert secret[-4:] not in str(text)  # llama.cpp prints the last letters of its key
        supervisor.stop()
        supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert len(keys[0]) > 32
    assert keys[0] != keys[1]


@pytest.mark.parametrize("plan", [llamacpp_plan, lambda: fake_plan(kind=EngineKind.LLAMA_SERVER)])
def test_the_gateway_has_the_key(make: MakeSupervisor, plan: Callable[[], LaunchPlan]) -> None:
    supervisor = make()
    run(supervisor, plan())
    with gateway_to(SupervisedEngine(supervisor)) as url:
        assert post(f"{url}/embeddings", {"input": "x"}).status_code == 200
        assert get(url.replace("/v1", "/props")).status_code == 200


def test_native_routes_and_what_the_gateway_asks_for_itself_have_the_key(make: MakeSupervisor) -> None:
    supervisor = make()
    run(supervisor, llamacpp_plan(ctx_size=64))
    long = {"input": "word " * 200, "truncate": True}
    with gateway_to(SupervisedEngine(supervisor), native_routes=True) as url:
        root = url.removesuffix("/v1")
        assert post(f"{root}/tokenize", {"content": "x"}).status_code == 200
        assert get(f"{root}/slots").status_code == 200
        assert post(f"{url}/embeddings", long).status_code == 200  # cut with the engine's own tokens
        broken = post(f"{url}/chat/completions", {"messages": [{"role": "user", "content": [{"type": "x"}]}]})
        assert broken.status_code == 400


@OWN_ADDRESSES
def test_powerinfer_which_knows_no_key_is_not_where_web_pages_look(make: MakeSupervisor) -> None:
    snapshot = run(make(), fake_plan())
    assert snapshot.address
    assert snapshot.address.host.startswith("127.")
    assert snapshot.address.host != "127.0.0.1"
    assert snapshot.address.key == ""
    assert ask(snapshot.address, "GET", "/props") == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{snapshot.address.port}/props", timeout=TIMEOUT_S)


def test_an_engine_has_no_keys_of_others(make: MakeSupervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "LLAMA_ARG_CTX_SIZE", "LLAMA_API_KEY"):
        monkeypatch.setenv(name, "64-of-others")
    snapshot = run(make(), llamacpp_plan())
    variables = psutil.Process(snapshot.pid).environ()
    assert "64-of-others" not in variables.values()
    assert {name for name in variables if "KEY" in name} == {"LLAMA_API_KEY"}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's killer")
def test_when_memory_runs_out_linux_ends_the_engine_and_not_the_app(make: MakeSupervisor) -> None:
    snapshot = run(make(), fake_plan())
    with open(f"/proc/{snapshot.pid}/oom_score_adj", encoding="utf-8") as score:  # noqa: PTH123
        assert int(score.read()) == 1000
    with open(f"/proc/{os.getpid()}/oom_score_adj", encoding="utf-8") as score:  # noqa: PTH123
        assert int(score.read()) < 1000


class ImpostorLauncher:
    """Starts programs as usual, but lets somebody else take the port of the first before it can, who gives
    this answer.
    """

    def __init__(self, status: int, body: bytes) -> None:
        self._status, self._body = status, body
        self._launcher = launcher_for(detect_system(sys.platform))
        self._servers: list[ThreadingHTTPServer] = []
        self.heard: list[str | None] = []

    def launch(self, launch: Launch) -> Child:
        if not self._servers:
            words = list(launch.argv)
            address = (words[words.index("--host") + 1], int(words[words.index("--port") + 1]))
            self._servers.append(ThreadingHTTPServer(address, self._handler()))
            threading.Thread(target=self._servers[0].serve_forever, args=(0.01,), daemon=True).start()
        return self._launcher.launch(launch)

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        heard, status, body = self.heard, self._status, self._body

        class Impostor(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(self.headers["Authorization"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Impostor


@contextmanager
def impostor(status: int, body: bytes) -> Iterator[ImpostorLauncher]:
    launcher = ImpostorLauncher(status, body)
    try:
        yield launcher
    finally:
        launcher.close()


@pytest.mark.parametrize("kind", [EngineKind.POWERINFER, EngineKind.LLAMA_SERVER])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"embedding": [1.0], "data": [{"embedding": [1.0]}]}'),
        (200, b"<html>"),
        (501, b""),
        (404, b"{}"),
    ],
    ids=["vector", "page", "no POST", "no such route"],
)
def test_who_takes_the_port_is_not_taken_for_the_engine(
    make: MakeSupervisor, kind: EngineKind, status: int, body: bytes
) -> None:
    with impostor(status, body) as launcher:
        supervisor = make(launcher)
        seen: list[EngineSnapshot] = []
        supervisor.changed.connect(seen.append)
        supervisor.ensure(fake_plan("--load-delay", "60", kind=kind))
        first = supervisor.wait_for({State.BACKOFF}, TIMEOUT_S)
        supervisor.stop()
        supervisor.wait_for({State.STOPPED}, TIMEOUT_S)
    assert first.failure
    assert first.failure.code is ErrorCode.ENGINE_PORT_TAKEN
    assert State.READY not in {each.state for each in seen}
    assert launcher.heard  # it was asked, and has learned at most the key of a run that is over
