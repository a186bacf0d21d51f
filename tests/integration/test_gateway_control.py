"""The private address of a running app, and the clients that the terminal uses."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fakes.gateways import behind, gateway_to, get, post
from tests.fakes.powerinfer_server import DIMENSIONS, powerinfer_server
from tray_app.errors import EngineError, GatewayError, ModelError
from tray_app.gateway.client import SlowAnswerError, complete, embed, find_running
from tray_app.gateway.control import (
    FILE_NAME,
    Control,
    ControlFile,
    Removed,
    Removing,
    StatusDocument,
)
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


READY = StatusDocument(running=True, state="ready", base_url="http://127.0.0.1:8080/v1", serving=True)


class Calls:
    """What the app was told to do, and by which thread."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.threads: set[str] = set()

    def stop(self) -> None:
        self.names.append("stop")
        self.threads.add(threading.current_thread().name)

    def start(self) -> None:
        raise EngineError("The engine cannot start", "The model is missing.", "Choose another.")

    def restart(self) -> None:
        self.names.append("restart")

    def show(self, source: str) -> None:
        self.names.append(f"show {source}")

    def remove(self, wish: Removing) -> Removed:
        if wish.path.name == "thesis":
            raise ModelError("thesis is not a model", "It is a folder.")
        self.names.append(f"remove {wish.trash} {wish.anywhere}")
        return Removed((wish.path,), (), wish.trash, stopped_server=True)

    def quit(self) -> None:
        self.names.append("quit")


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def control(tmp_path: Path, calls: Calls) -> Iterator[Control]:
    actions = {
        "start": calls.start,
        "stop": calls.stop,
        "restart": calls.restart,
        "quit": calls.quit,
    }
    control = Control(tmp_path, lambda: READY, actions, calls.show, calls.remove)
    control.open()
    yield control
    control.close()


def test_nobody_is_found_where_no_app_runs(tmp_path: Path) -> None:
    assert find_running(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"port":9,"token":"x","pid":1}', b'{"port":"9"}', b'{"token":"\xff"}']
)
def test_the_file_of_a_dead_app_finds_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert find_running(tmp_path) is None


@pytest.mark.usefixtures("control")
def test_a_running_app_is_found_and_obeys(tmp_path: Path, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client
    assert client.status() == READY
    client.stop()
    client.restart()
    client.show()
    client.show("hf:owner/repo/tiny.gguf")
    client.quit()
    assert calls.names == ["stop", "restart", "show ", "show hf:owner/repo/tiny.gguf", "quit"]
    assert "control" not in calls.threads


@pytest.mark.usefixtures("control")
def test_an_action_that_fails_says_why(tmp_path: Path) -> None:
    client = find_running(tmp_path)
    assert client
    with pytest.raises(GatewayError) as refused:
        client.start()
    error = refused.value
    assert (error.title, error.message) == ("The engine cannot start", "The model is missing.")
    assert error.hint == "Choose another."


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Bearer é", "Basic eDp5"])
def test_without_the_token_nothing_is_told_or_done(tmp_path: Path, calls: Calls, authorization: str) -> None:
    url = f"http://127.0.0.1:{json.loads((tmp_path / FILE_NAME).read_text())['port']}"
    headers = {"Authorization": authorization.encode().decode("latin-1")}
    assert get(f"{url}/status", **headers).status_code == 401
    assert post(f"{url}/stop", {}, **headers).status_code == 401
    assert get(f"{url}/nothing", **headers).status_code == 401
    assert calls.names == []


@pytest.mark.usefixtures("control")
def test_another_program_behind_the_port_is_not_taken_for_the_app(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "token": "of an app that died"}))
    assert find_running(tmp_path) is None


def test_an_app_that_is_slow_is_there(tmp_path: Path, calls: Calls) -> None:
    go_on = threading.Event()

    def slow_status() -> StatusDocument:
        go_on.wait(3)
        return READY

    control = Control(tmp_path, slow_status, {}, calls.show, calls.remove)
    control.open()
    try:
        with pytest.raises(SlowAnswerError, match=f"runs \\(PID {os.getpid()}\\), but does not answer"):
            find_running(tmp_path, patience_s=0.2)
        client = find_running(tmp_path)  # after three seconds
        assert client
        go_on.set()
        assert client.status() == READY
    finally:
        go_on.set()
        control.close()


def test_a_silent_program_behind_the_port_of_a_dead_app_is_no_app(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = ControlFile(silent.getsockname()[1], "token", ended.pid)
        (tmp_path / FILE_NAME).write_bytes(msgspec.json.encode(file))
        assert find_running(tmp_path, patience_s=0.2) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes; the folder is the user's own")
@pytest.mark.usefixtures("control")
def test_only_this_user_can_read_the_token(tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_the_file_is_gone_with_the_app(tmp_path: Path, control: Control) -> None:
    client = find_running(tmp_path)
    assert client
    control.close()
    assert not (tmp_path / FILE_NAME).exists()
    with pytest.raises(GatewayError, match="did not answer"):
        client.status()


def test_embed_gives_vectors_numbers_and_time() -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        answer = embed(url, ["one two", "three"])
    assert (len(answer.vectors), answer.dimensions, answer.tokens) == (2, DIMENSIONS, 3 + 2)
    assert answer.elapsed_ms > 0


def test_complete_gives_the_answer_in_pieces_as_they_come() -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        pieces = list(complete(url, "one two", 8, threading.Event()))
    assert len(pieces) > 1
    assert "".join(pieces).strip()


def test_complete_ends_when_it_is_cancelled() -> None:
    cancelled = threading.Event()
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        pieces = complete(url, "one two", 8, cancelled)
        first = next(pieces)
        cancelled.set()
        assert list(pieces) == []
    assert first


def test_complete_passes_on_why_it_was_refused() -> None:
    with (
        gateway_to(Unavailable("The model is being loaded.")) as url,
        pytest.raises(GatewayError, match="being loaded"),
    ):
        list(complete(url, "x", 8, threading.Event()))


def test_embed_passes_on_why_it_was_refused() -> None:
    with (
        gateway_to(Unavailable("The model is being loaded.")) as url,
        pytest.raises(GatewayError, match="being loaded"),
    ):
        embed(url, ["x"])


def test_embed_says_that_nobody_answers() -> None:
    with pytest.raises(GatewayError, match="did not answer"):
        embed("http://127.0.0.1:9/v1", ["x"])


def test_what_cannot_be_shown_is_refused(tmp_path: Path, control: Control, calls: Calls) -> None:
    assert control
    file = json.loads((tmp_path / FILE_NAME).read_text())

    answer = post(
        f"http://127.0.0.1:{file['port']}/show", {"source": 7}, Authorization=f"Bearer {file['token']}"
    )

    assert answer.status_code == 400
    assert calls.names == []


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize(
    "name", [b"/m/a.gguf", "/m/日本語 100%.gguf".encode(), *((b"/m/\xff.gguf",) if os.name != "nt" else ())]
)
def test_a_model_to_remove_travels_whatever_its_name(tmp_path: Path, calls: Calls, name: bytes) -> None:
    client = find_running(tmp_path)
    assert client
    path = Path(os.fsdecode(name))

    removed = client.remove(Removing(path, trash=True, anywhere=False))

    assert removed == Removed((path,), (), trashed=True, stopped_server=True)
    assert calls.names == ["remove True False"]


@pytest.mark.usefixtures("control")
def test_what_the_app_will_not_remove_is_told_as_it_says_it(tmp_path: Path) -> None:
    client = find_running(tmp_path)
    assert client

    with pytest.raises(GatewayError, match="thesis is not a model"):
        client.remove(Removing(tmp_path / "thesis", trash=False, anywhere=True))
