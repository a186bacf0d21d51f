"""The private address of a running app, and the clients that the terminal uses."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from tests.fakes.commands import FakeCommands
from tests.fakes.crowds import eventually
from tests.fakes.errors import coded
from tests.fakes.gateways import behind, gateway_to, get, post
from tests.fakes.powerinfer_server import DIMENSIONS, powerinfer_server
from tests.fakes.relay import relay
from tray_app.errors import (
    AppError,
    DownloadError,
    EngineError,
    ErrorCode,
    ErrorDocument,
    Fix,
    GatewayError,
    ModelError,
)
from tray_app.gateway.control.client import ControlClient, find_running
from tray_app.gateway.control.commands import (
    AllowingEngine,
    Arriving,
    Cancellation,
    Changing,
    Downloading,
    EngineAllowed,
    EngineArriving,
    EngineRemoved,
    Examining,
    InstallingEngine,
    ListingEngines,
    Loaded,
    Loading,
    Measuring,
    ProvingEngine,
    Removed,
    Removing,
    RemovingEngine,
    TextsToEmbed,
    Unloaded,
    Unloading,
)
from tray_app.gateway.control.controlfile import FILE_NAME, ControlFile, ControlPlace, read_control_file
from tray_app.gateway.control.documents import StatusDocument
from tray_app.gateway.control.jobs import CommandJobs, Following
from tray_app.gateway.control.routes import Control
from tray_app.gateway.listener import GRACE_S
from tray_app.gateway.loopback import SlowAnswerError
from tray_app.gateway.public_client import complete, request_embeddings
from tray_app.gateway.upstream import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.gateway.control.jobs import News


READY = StatusDocument(running=True, state="ready", base_url="http://127.0.0.1:8080/v1", serving=True)


class Calls(FakeCommands):
    """What the app was told to do, and by which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    def stop(self) -> None:
        self.names.append("stop")
        self.threads.add(threading.current_thread().name)

    def start(self) -> None:
        raise EngineError(
            ErrorCode.MODEL_FILE_MISSING,
            "The engine cannot start",
            "The model is missing.",
            "Choose another.",
            fix=Fix.VERIFY_MODEL,
            setting="model",
            evidence=("the last line",),
        )

    def restart(self) -> None:
        self.names.append("restart")

    def show(self, source: str) -> None:
        if source == "a fault":
            raise RuntimeError("a fault of the app")
        self.names.append(f"show {source}")

    def quit(self) -> None:
        self.names.append("quit")


def file_of(folder: Path) -> ControlFile:
    """What the running app tells those who can read its file."""
    file = read_control_file(folder)
    assert file
    return file


def replayed(port: int, request: bytes) -> int:
    """The status with which a request is answered that is sent as it was recorded."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return int(connection.recv(4096).split()[1])


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


SPOILT: list[Callable[[Path], object]] = [
    lambda path: path.mkdir(),
    lambda path: path.write_bytes(b"[" * 100_000),
    lambda path: path.write_text('{"port":9,"token":"é日","pid":1}', encoding="utf-8"),
    lambda path: path.write_bytes(b'{"port":9,"token":"\\ud800","pid":1}'),
    lambda path: path.write_bytes(b'{"port":99999,"token":"x","pid":1}'),
    lambda path: path.write_bytes(b'{"port":80,"token":"x","pid":99999999999999999999}'),
    *([_pipe, _endless, _huge] if sys.platform != "win32" else []),
]
"""What may be in the place of the app's file."""


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
    control = Control(tmp_path, lambda: READY, actions, calls.show, calls)
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
def test_an_action_that_fails_raises_here_what_it_raised_there(tmp_path: Path, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client
    with pytest.raises(EngineError) as there:
        calls.start()
    with pytest.raises(EngineError) as here:
        client.start()
    assert ErrorDocument.of(here.value) == ErrorDocument.of(there.value)
    assert here.value.fix is Fix.VERIFY_MODEL


@pytest.mark.usefixtures("control")
@pytest.mark.warns("A command failed")
def test_a_fault_of_the_app_is_told_as_such_and_not_as_an_answer_of_another_program(tmp_path: Path) -> None:
    client = find_running(tmp_path)
    assert client
    with pytest.raises(AppError, match="a fault of the app", check=coded(ErrorCode.INTERNAL_ERROR)):
        client.show("a fault")
    client.show("a model")


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize(
    "authorization",
    ["", "HMAC-SHA256", "HMAC-SHA256 00 00 00", "HMAC-SHA256 x y z", "HMAC-SHA256 é", "Bearer {token}"],
)
def test_without_a_proof_nothing_is_told_or_done(tmp_path: Path, calls: Calls, authorization: str) -> None:
    file = file_of(tmp_path)
    url = f"http://127.0.0.1:{file.port}"
    headers = {"Authorization": authorization.format(token=file.token).encode().decode("latin-1")}
    assert get(f"{url}/status", **headers).status_code == 401
    assert post(f"{url}/stop", {}, **headers).status_code == 401
    assert get(f"{url}/nothing", **headers).status_code == 401
    assert calls.names == []


@pytest.mark.usefixtures("control")
def test_what_is_no_challenge_is_refused(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{file_of(tmp_path).port}/challenge"
    assert post(url, {"nonce": 7}).status_code == 400
    assert post(url, {"nonce": "A" * 2**17}).status_code == 413


@pytest.mark.usefixtures("control")
def test_the_secret_is_not_among_what_is_sent(tmp_path: Path) -> None:
    file = file_of(tmp_path)
    with relay(file.port) as between:
        client = ControlClient(ControlFile(between.port, file.token, file.pid))
        assert client.status() == READY
        client.show("hf:owner/repo/tiny.gguf")
    wire = b"".join((*between.from_clients, *between.from_server))
    assert b"tiny.gguf" in wire
    for spelt in (file.token.encode(), b64encode(file.token.encode()), file.token.encode().hex().encode()):
        assert spelt not in wire


@pytest.mark.usefixtures("control")
def test_a_request_that_somebody_recorded_is_of_no_use(tmp_path: Path, calls: Calls) -> None:
    file = file_of(tmp_path)
    with relay(file.port) as between:
        ControlClient(ControlFile(between.port, file.token, file.pid)).quit()
    said = between.from_clients[0]
    recorded = said[said.index(b"POST /quit") :]
    other = recorded.replace(b"/quit", b"/stop")  # a proof is for one wish

    assert [replayed(file.port, wish) for wish in (recorded, recorded, other)] == [401, 401, 401]
    assert calls.names == ["quit"]


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize(
    ("told", "forged"), [(b"8080", b"6666"), (b" 200 ", b" 204 "), (b"Authentication-Info", b"Nothing")]
)
def test_an_answer_that_was_changed_on_its_way_is_not_believed(
    tmp_path: Path, told: bytes, forged: bytes
) -> None:
    file = file_of(tmp_path)

    def change(said: bytes) -> bytes:
        return said.replace(told, forged) if b"base_url" in said else said

    with relay(file.port, change) as between:
        client = ControlClient(ControlFile(between.port, file.token, file.pid))
        with pytest.raises(GatewayError, check=coded(ErrorCode.APP_NOT_RECOGNIZED)):
            client.status()


@pytest.mark.usefixtures("control")
def test_who_has_the_port_but_not_the_secret_is_told_nothing(tmp_path: Path, calls: Calls) -> None:
    file = file_of(tmp_path)
    with relay(file.port) as between:
        client = ControlClient(ControlFile(between.port, "another secret", file.pid))
        with pytest.raises(GatewayError, check=coded(ErrorCode.APP_NOT_RECOGNIZED)):
            client.show("/home/somebody/thesis.gguf")
    assert b"thesis" not in between.from_clients[0]
    assert calls.names == []


def test_a_stale_file_is_removed_and_its_port_not_even_asked(tmp_path: Path) -> None:
    with relay() as impostor:
        stale = ControlFile(impostor.port, "secret", os.getpid())
        (tmp_path / FILE_NAME).write_bytes(msgspec.json.encode(stale))
        assert find_running(tmp_path) is None
        assert impostor.from_clients == []
    assert not (tmp_path / FILE_NAME).exists()


def test_where_a_program_only_holds_the_lock_this_is_said(tmp_path: Path) -> None:
    holder = ControlPlace(tmp_path)
    assert holder.acquire()
    with relay() as impostor:
        for file in (None, ControlFile(impostor.port, "secret", os.getpid()), ControlFile(9, "é日", 1)):
            if file:
                (tmp_path / FILE_NAME).write_bytes(msgspec.json.encode(file))
            with pytest.raises(
                GatewayError, check=coded(ErrorCode.APP_UNREACHABLE), match=r"control\.lock"
            ) as said:
                find_running(tmp_path, patience_s=0.2)
            assert "delete this file" in said.value.hint
    holder.release()
    assert find_running(tmp_path) is None


def test_an_app_that_comes_up_is_waited_for(tmp_path: Path, calls: Calls) -> None:
    holder = ControlPlace(tmp_path)
    assert holder.acquire()
    control = Control(tmp_path, lambda: READY, {}, calls.show, calls)
    assert not control.open()
    with ThreadPoolExecutor(1) as people:
        finding = people.submit(find_running, tmp_path)
        holder.release()
        while not control.open():  # while somebody only looks
            pass
        try:
            finding.result(10)
            assert find_running(tmp_path)
        finally:
            control.close()


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_is_no_file_of_ours_is_no_running_app_and_hinders_none(
    tmp_path: Path, calls: Calls, spoil: Callable[[Path], object]
) -> None:
    spoil(tmp_path / FILE_NAME)
    began_s = time.monotonic()
    assert find_running(tmp_path) is None
    assert time.monotonic() - began_s < 5
    spoil(tmp_path / FILE_NAME)
    control = Control(tmp_path, lambda: READY, {}, calls.show, calls)
    assert control.open()
    assert find_running(tmp_path)
    control.close()


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_file_that_was_spoilt_while_the_app_runs_is_said_and_does_not_disturb_its_end(
    tmp_path: Path, control: Control, spoil: Callable[[Path], object]
) -> None:
    (tmp_path / FILE_NAME).unlink()
    spoil(tmp_path / FILE_NAME)
    with pytest.raises(GatewayError, check=coded(ErrorCode.APP_UNREACHABLE)):
        find_running(tmp_path, patience_s=0.2)
    control.close()
    assert find_running(tmp_path) is None


def test_a_folder_where_the_file_should_be_is_told(tmp_path: Path, calls: Calls) -> None:
    (tmp_path / FILE_NAME / "something").mkdir(parents=True)
    control = Control(tmp_path, lambda: READY, {}, calls.show, calls)
    with pytest.raises(AppError, match=r"control\.json: It is a folder"):
        control.open()
    assert find_running(tmp_path) is None


def test_an_app_that_is_slow_is_there(tmp_path: Path, calls: Calls) -> None:
    go_on = threading.Event()

    def slow_status() -> StatusDocument:
        go_on.wait(3)
        return READY

    control = Control(tmp_path, slow_status, {}, calls.show, calls)
    control.open()
    try:
        with pytest.raises(
            SlowAnswerError, check=coded(ErrorCode.APP_NOT_RESPONDING), match=f"PID {os.getpid()}"
        ):
            find_running(tmp_path, patience_s=0.2)
        client = find_running(tmp_path)  # after three seconds
        assert client
        go_on.set()
        assert client.status() == READY
    finally:
        go_on.set()
        control.close()


def test_a_silent_program_behind_the_port_of_a_dead_app_is_no_app() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = ControlClient(ControlFile(silent.getsockname()[1], "token", os.getpid()))
        with pytest.raises(GatewayError, check=coded(ErrorCode.APP_NOT_RECOGNIZED)):
            client.status(timeout_s=0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes; the folder is the user's own")
@pytest.mark.usefixtures("control")
def test_only_this_user_can_read_the_token(tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME, "control.lock"]


def test_the_file_is_gone_with_the_app(tmp_path: Path, control: Control) -> None:
    client = find_running(tmp_path)
    assert client
    control.close()
    assert not (tmp_path / FILE_NAME).exists()
    with pytest.raises(GatewayError, check=coded(ErrorCode.APP_ENDED)):
        client.status()


def test_embed_gives_vectors_numbers_and_time() -> None:
    with powerinfer_server() as server, gateway_to(behind(server)) as url:
        answer = request_embeddings(url, ["one two", "three"])
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
        request_embeddings(url, ["x"])


def test_embed_says_that_nobody_answers() -> None:
    with pytest.raises(GatewayError, check=coded(ErrorCode.SERVER_UNREACHABLE)):
        request_embeddings("http://127.0.0.1:9/v1", ["x"])


@pytest.mark.usefixtures("control")
def test_what_cannot_be_shown_is_refused(tmp_path: Path, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client
    with pytest.raises(GatewayError):
        client.show(cast("str", 7))
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

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_IS_FOLDER)):
        client.remove(Removing(tmp_path / "thesis", trash=False, anywhere=True))


@pytest.mark.usefixtures("control")
def test_commands_reach_the_app_with_all_that_they_say(tmp_path: Path, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client

    embeddings = client.embed(TextsToEmbed(("a", "日本語")))
    found = client.run_diagnostics(Examining(network=True))
    changed = client.change(Changing("port", "8081"))
    client.change(Changing("ctx_size", None, "モデル"))
    calls.goes_on.set()
    loaded = client.load(Loading("モデル", force=True))
    unloaded = client.unload(Unloading("モデル"))

    assert embeddings.vectors == ((0.5, 0.25), (0.5, 0.25))
    assert (found.ok, found.report, bytes(found.document)) == (True, "All is well.", b'{"ok":true}')
    assert changed.value == "8081"
    assert (loaded, unloaded) == (Loaded("モデル", "ready"), Unloaded("モデル"))
    assert calls.names == [
        "embed a 日本語",
        "examine True",
        "change port 8081",
        "change ctx_size None of モデル",
        "load モデル True",
        "unload モデル",
    ]


@pytest.mark.usefixtures("control")
def test_commands_about_engines_reach_the_app_with_all_that_they_say(tmp_path: Path, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client
    told: list[msgspec.Struct] = []
    calls.goes_on.set()
    file = tmp_path / "Zoë's b1.zip"

    listed = client.list_engines(ListingEngines())
    wish = InstallingEngine("b2-cuda", file, accepts_terms=True)
    installed = client.install_engine(wish, told.append, Cancellation())
    proven = client.prove_engine(ProvingEngine("b1-cpu"), told.append, Cancellation())
    removed = client.remove_engine(RemovingEngine("b1-cpu"))
    allowed = client.allow_engine(AllowingEngine("b1-cpu", "モデル"))

    assert listed == FakeCommands().list_engines(ListingEngines())
    assert (installed.id, installed.program) == ("b2-cuda", Path("/engines/a b/llama-server"))
    assert (proven.id, proven.fails_with, proven.set_aside) == (
        "b1-cpu",
        {"Q4_K": "It crashed"},
        {"bge": "out of memory"},
    )
    assert (removed, allowed) == (EngineRemoved("b1-cpu", 7), EngineAllowed("b1-cpu", ("モデル",)))
    assert calls.names == [
        "engines",
        f"install b2-cuda {file} True",
        "prove b1-cpu",
        "remove engine b1-cpu",
        "allow b1-cpu モデル",
    ]
    assert {type(each) for each in told} <= {EngineArriving}


@pytest.mark.usefixtures("control")
def test_an_installation_is_paused_from_afar(tmp_path: Path) -> None:
    client = find_running(tmp_path)
    assert client
    cancelled = Cancellation()

    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
        client.install_engine(InstallingEngine("b2"), lambda _: cancelled.set(), cancelled)


@pytest.mark.usefixtures("control")
def test_long_work_tells_how_far_it_is_and_what_it_has_come_to(tmp_path: Path, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client
    told: list[msgspec.Struct] = []

    def show(progress: msgspec.Struct) -> None:
        told.append(progress)
        calls.goes_on.set()

    (file,) = client.download(Downloading("hf:o/r"), show, Cancellation()).files
    tuned = client.tune(Measuring(apply=True), told.append, Cancellation())

    assert [each.files[0].received_bytes for each in told if isinstance(each, Arriving)] == [50]
    assert (file.path, file.received_bytes, file.phase) == (Path("/models/a b.gguf"), 100, "done")
    assert (tuned.complete, tuned.best.prompt, tuned.applied) == (True, 4, True)


@pytest.mark.usefixtures("control")
def test_long_work_is_cancelled_from_afar(tmp_path: Path) -> None:
    client = find_running(tmp_path)
    assert client
    cancelled = Cancellation()

    with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
        client.download(Downloading("hf:o/r"), lambda _: cancelled.set(), cancelled)


def test_many_may_follow_long_work_and_the_app_is_still_heard(
    tmp_path: Path, control: Control, calls: Calls
) -> None:
    client = find_running(tmp_path)
    assert client
    follow = partial(client.download, Downloading("hf:o/r"), lambda _: None, Cancellation())
    with ThreadPoolExecutor(MANY) as people:
        following = [people.submit(follow) for _ in range(MANY)]
        assert client.status(timeout_s=5) == READY
        eventually(lambda: len(calls.names) == MANY)
        control.end_jobs(10)
        for each in following:
            with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
                each.result(10)


MANY = 16
"""More than a small machine has threads for what blocks, and fewer than there may be connections."""


@pytest.mark.usefixtures("control")
def test_work_that_nobody_has_begun_is_not_followed(tmp_path: Path) -> None:
    client = find_running(tmp_path)
    assert client
    with pytest.raises(GatewayError, match="no job number 7"):
        client._follow(Following(7), print, Cancellation(), progress=Arriving, result=Arriving)


def test_an_app_that_ends_waits_for_a_terminal_that_is_between_two_requests(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tray_app.gateway.control.jobs._GONE_S", LONG_S)
    client = find_running(tmp_path)
    assert client
    is_between, may_ask = threading.Event(), threading.Event()

    def dawdle(_: msgspec.Struct) -> None:
        is_between.set()
        may_ask.wait()

    def end() -> None:
        control.end_jobs(60)
        control.close()

    with ThreadPoolExecutor(2) as people:
        work = people.submit(client.download, Downloading("hf:o/r"), dawdle, Cancellation())
        assert is_between.wait(60)
        ending = people.submit(end)
        wait([ending], timeout=HEAD_START_S)  # one that waited for nobody would be done long before
        may_ask.set()
        with pytest.raises(DownloadError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
            work.result(60)
        ending.result(60)


HEAD_START_S = 0.5


def test_an_app_that_ends_gives_the_answers_that_are_under_way(tmp_path: Path, calls: Calls) -> None:
    """Also those that take longer than a listener waits that closes, which is up to twice `GRACE_S`."""
    is_asked, may_answer = threading.Event(), threading.Event()

    def start() -> None:
        is_asked.set()
        may_answer.wait()
        calls.start()

    control = Control(tmp_path, lambda: READY, {"start": start}, calls.show, calls)
    assert control.open()
    client = find_running(tmp_path)
    assert client
    with ThreadPoolExecutor(2) as people:
        work = people.submit(client.start)
        assert is_asked.wait(60)
        ending = people.submit(control.close, 60.0)
        wait([ending], timeout=2 * GRACE_S + HEAD_START_S)
        may_answer.set()
        with pytest.raises(EngineError, check=coded(ErrorCode.MODEL_FILE_MISSING)):
            work.result(60)
        ending.result(60)


def test_of_a_terminal_that_hangs_up_while_it_follows_the_app_knows(
    tmp_path: Path, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tray_app.gateway.control.routes._FOLLOW_S", LONG_S)
    jobs, follows, left = control._jobs, threading.Semaphore(0), threading.Event()
    follow = jobs.follow

    def note(number: int, seen: int, patience_s: float) -> News:
        follows.release()
        return follow(number, seen, patience_s)

    monkeypatch.setattr(jobs, "follow", note)
    monkeypatch.setattr(jobs, "leave", lambda _: left.set())
    file = file_of(tmp_path)
    with relay(file.port) as between, ThreadPoolExecutor(1) as people:
        client = ControlClient(ControlFile(between.port, file.token, file.pid))
        work = people.submit(client.download, Downloading("hf:o/r"), lambda _: None, Cancellation())
        assert follows.acquire(timeout=60)  # it is told at once
        assert follows.acquire(timeout=60)  # it waits for more
        between.close()
        with pytest.raises(GatewayError, check=coded(ErrorCode.APP_ENDED)):
            work.result(60)
    assert left.wait(60)
    control.end_jobs(LONG_S)


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_terminal_that_is_gone_does_not_delay_the_end(
    monkeypatch: pytest.MonkeyPatch, *, hangs_up: bool
) -> None:
    monkeypatch.setattr("tray_app.gateway.control.jobs._GONE_S", LONG_S if hangs_up else 0.0)
    jobs = CommandJobs()
    number = jobs.begin(lambda _, cancelled: cancelled.wait())
    if hangs_up:
        jobs.leave(number)
    jobs.close(LONG_S)  # or this test takes too long


LONG_S = 1e6


def test_an_app_that_is_gone_is_said_to_be_gone(tmp_path: Path, control: Control, calls: Calls) -> None:
    client = find_running(tmp_path)
    assert client
    with ThreadPoolExecutor(1) as people:
        work = people.submit(client.download, Downloading("hf:o/r"), lambda _: None, Cancellation())
        while not calls.names:
            client.status()
        control.close()
        with pytest.raises(GatewayError, match="PowerInfer Tray has quit"):
            work.result(30)
    calls.goes_on.set()
    control.end_jobs(10)
