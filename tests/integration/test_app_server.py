"""The server as people, clients and settings want it, on the real engine: sleep, wake, network, remote."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests
from keyring.errors import KeyringLocked
from msgspec.structs import replace

from tests.fakes.apps import wait_for_engine
from tests.fakes.errors import coded
from tests.fakes.gateways import get, post
from tests.fakes.keychain import memory_keychain
from tests.fakes.remote_server import KEY, remote_server
from tray_app.app import public_address as public_address_module
from tray_app.app.root import App
from tray_app.app.server import ServerDelays
from tray_app.app.server_status import ServerState, planned_url
from tray_app.app.status import status_document
from tray_app.engine.lifecycle import State
from tray_app.errors import AppError, EngineError, ErrorCode, Fix, ModelError, SettingsError
from tray_app.gateway.upstream import Unavailable
from tray_app.models.found.found_model import FoundModel, OtherApp
from tray_app.models.header import Purpose
from tray_app.settings.keystore import KeyStore
from tray_app.system import drives as drives_module
from tray_app.system.drives import DriveGoneError
from tray_app.system.host import detect_host
from tray_app.system.keychain import KeychainError
from tray_app.system.paths import AppPaths, resources
from tray_app.system.ports import PortInUseError, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.keychain import MemoryKeychain
    from tray_app.app.status import AppStatus

DEADLINE_S = 60.0
MINUTE = 1

MakeApp = Callable[..., App]
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is not an address of ours")


@pytest.fixture(autouse=True)
def keychain() -> Iterator[MemoryKeychain]:
    with memory_keychain() as memory:
        yield memory


@pytest.fixture
def make() -> Iterator[MakeApp]:
    made: list[App] = []

    def make_app(delays: ServerDelays | None = None, **overrides: object) -> App:
        chosen = {"port": free_port(), "model": "test", "threads": 1, **overrides}
        delays = delays or ServerDelays(look_for_drive_s=0.05)
        made.append(App(AppPaths.from_environment(os.environ), detect_host(), chosen, delays=delays))
        return made[-1]

    yield make_app
    for app in made:
        app.close()


def ready(app: App) -> App:
    app.start_server()
    app.wait_until_ready(DEADLINE_S)
    return app


def put_to_sleep(app: App) -> None:
    """What the gateway does when nobody has asked for anything for long."""
    app._pool.put_to_sleep(made_room=False)
    wait_for_engine(app, State.STOPPED)


def embed(app: App) -> requests.Response:
    return post(f"{app.status().server.base_url}/embeddings", {"input": "x"})


def test_a_sleeping_server_says_so_and_a_request_wakes_it(make: MakeApp) -> None:
    app = ready(make(start_on_demand=True))
    put_to_sleep(app)
    status = app.status()
    assert (status.engine.state, status.server.state) == (State.STOPPED, ServerState.ASLEEP)
    assert get(f"{status.server.base_url}/models").json()["data"][0]["id"] == "test"

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: embed(app).status_code, range(4)))

    assert answers == [200] * 4
    assert (app.status().engine.state, app.status().server.state) == (State.READY, ServerState.READY)
    assert app.status().engine.run == 2


def test_without_start_on_demand_a_sleeping_server_waits_for_a_person(make: MakeApp) -> None:
    app = ready(make())
    put_to_sleep(app)
    refused = embed(app)
    assert (refused.status_code, app.status().engine.state) == (503, State.STOPPED)
    assert "sleeps" in refused.json()["error"]["message"]
    assert ready(app).embed(["x"]).dimensions == 64


def test_a_stop_by_hand_wins_over_every_request(make: MakeApp) -> None:
    app = ready(make(start_on_demand=True))
    put_to_sleep(app)
    address = app.status().server.base_url
    app.stop_server()
    with pytest.raises(requests.ConnectionError):
        get(f"{address}/models")
    late = app._server.acquire("", Purpose.CHAT)  # one that came just before
    assert isinstance(late, Unavailable)
    assert not late.held
    assert (app.status().engine.run, app.status().server.state) == (1, ServerState.STOPPED)


def test_the_gateway_puts_an_idle_engine_to_sleep(make: MakeApp) -> None:
    idle_s = 0.5  # less than the engine takes to load
    app = make(ServerDelays(idle_minute_s=idle_s), idle_minutes=MINUTE)
    since_s: dict[State, float] = {}
    slept = threading.Event()

    def listen(status: AppStatus) -> None:
        since_s[status.engine.state] = status.engine.since_s
        if status.server.state is ServerState.ASLEEP and status.engine.state is State.STOPPED:
            slept.set()

    app.changed.connect(listen)
    app.start_server()
    assert slept.wait(DEADLINE_S)
    assert since_s[State.STOPPING] - since_s[State.READY] >= idle_s


def test_an_app_that_starts_on_demand_waits_with_an_open_address(make: MakeApp) -> None:
    app = make(start_on_demand=True)
    app.begin()
    assert (app.status().engine.run, app.status().server.state) == (0, ServerState.ASLEEP)
    assert embed(app).status_code == 200


@pytest.mark.warns("Another PowerInfer Tray writes the log files")
def test_an_app_begins_as_its_settings_say(make: MakeApp) -> None:
    idle, serving = make(), make(start_server_with_app=True)
    idle.begin()
    serving.begin()
    assert not idle.status().server.base_url
    assert serving.wait_until_ready(DEADLINE_S)


def test_settings_that_change_while_it_sleeps_move_it_but_do_not_wake_it(make: MakeApp) -> None:
    app = make(start_on_demand=True)
    app.begin()
    app.apply(replace(app.store.current, port=free_port()))
    assert get(f"{app.status().server.base_url}/models").ok
    assert app.status().engine.run == 0


def test_a_request_that_wakes_a_server_without_a_model_learns_why(make: MakeApp) -> None:
    app = make(start_on_demand=True, model="gone.gguf")
    app.begin()
    refused = embed(app)
    assert (refused.status_code, "gone.gguf" in refused.text) == (503, True)
    assert app.status().server.base_url


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a drive with a model is to be, in a folder that is taken for one with drives."""
    monkeypatch.setattr(drives_module, "_MOUNT_FOLDERS", (tmp_path,))
    unplugged = tmp_path / "elsewhere" / "USB"
    unplugged.mkdir(parents=True)
    shutil.copy(resources() / "test-model" / "test.gguf", unplugged / "mine.gguf")
    return tmp_path / "USB"


def plug_in(drive: Path) -> None:
    (drive.parent / "elsewhere" / "USB").rename(drive)


def test_a_server_that_starts_before_its_drive_is_there_starts_with_it(make: MakeApp, drive: Path) -> None:
    app = make(model="mine.gguf", models_folder=str(drive))
    ready_again = threading.Event()

    def listen(status: AppStatus) -> None:
        if status.engine.state is State.READY:
            ready_again.set()

    app.changed.connect(listen)
    with pytest.raises(DriveGoneError, check=coded(ErrorCode.DRIVE_NOT_CONNECTED), match="USB"):
        app.start_server()
    problem = app.status().problem
    assert problem
    assert (problem.fix, problem.setting) == (Fix.SETTING, "model")
    plug_in(drive)
    assert ready_again.wait(DEADLINE_S)
    assert app.status().problem is None
    assert app.embed(["x"]).dimensions == 64


@pytest.mark.parametrize("reference", ["~nobody-here/x.gguf", "a\0b.gguf"])
def test_what_can_be_no_path_is_no_drive(make: MakeApp, reference: str) -> None:
    with pytest.raises(ModelError):
        make(model=reference).start_server()


def test_a_stop_ends_the_waiting_for_a_drive(make: MakeApp, drive: Path) -> None:
    app = make(model=str(drive / "mine.gguf"))
    with pytest.raises(DriveGoneError):
        app.start_server()
    (waiting,) = (thread for thread in threading.enumerate() if thread.name == "drive-return")
    app.stop_server()
    waiting.join(DEADLINE_S)
    plug_in(drive)
    assert not waiting.is_alive()
    assert app.status().engine.run == 0


def test_another_apps_model_on_a_drive_that_is_gone_is_waited_for(make: MakeApp, drive: Path) -> None:
    app = make(model="mine:1b")
    app.upkeep.adopted.add(FoundModel(OtherApp.OLLAMA, "mine:1b", drive / "mine.gguf", 1), "mine-1b")
    ready = threading.Event()

    def listen(status: AppStatus) -> None:
        if status.engine.state is State.READY:
            ready.set()

    app.changed.connect(listen)
    with pytest.raises(DriveGoneError):
        app.start_server()

    plug_in(drive)

    assert ready.wait(DEADLINE_S)
    assert app.embed(["x"]).dimensions == 64


def test_a_catalogue_model_on_a_drive_that_is_gone_is_not_downloaded_into_its_place(
    make: MakeApp, drive: Path
) -> None:
    app = make(model="bamboo-7b-q4", models_folder=str(drive))
    with pytest.raises(DriveGoneError):
        app.start_server()
    assert app.downloads.snapshot() == ()
    assert not drive.exists()


def test_a_public_port_that_is_taken_between_look_and_use_is_told(
    make: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        app = make(port=other.getsockname()[1])
        monkeypatch.setattr(public_address_module, "port_obstacle", lambda *_: None)
        with pytest.raises(PortInUseError) as refused:
            app.start_server()
    assert refused.value.fix is Fix.FREE_PORT
    assert not app.status().server.base_url


def test_the_network_is_not_served_without_a_key(make: MakeApp) -> None:
    app = make(network="lan")
    with pytest.raises(SettingsError, check=coded(ErrorCode.NETWORK_NEEDS_KEY)) as refused:
        app.start_server()
    assert (refused.value.fix, refused.value.setting) == (Fix.SETTING, "gateway")
    assert not app.status().server.base_url


@linux
def test_settings_and_keys_are_applied_together_and_without_another_start(make: MakeApp) -> None:
    app = ready(make())
    app.apply(replace(app.store.current, network="lan"), {"gateway": "sk-of-this-house-42", "remote": "sk-1"})
    other_address = f"http://127.0.0.2:{app.status().settings.port}/v1/models"
    assert get(other_address).status_code == 401
    assert get(other_address, Authorization="Bearer sk-of-this-house-42").status_code == 200
    assert app.kept_keys().places.keys() == {"gateway", "remote"}
    app.apply(replace(app.store.current, network="local"), {"gateway": None})
    assert embed(app).status_code == 200
    assert app.kept_keys().places.keys() == {"remote"}
    assert app.status().engine.run == 1


@pytest.mark.parametrize("keys", [{"gateway": "a b"}, {"other": None}, {"remote": "sk-1", "gateway": ""}])
def test_where_a_key_cannot_be_kept_nothing_is(make: MakeApp, keys: dict[str, str | None]) -> None:
    app = make()
    with pytest.raises(SettingsError):
        app.apply(replace(app.store.current, ctx_size=1024), keys)
    assert app.store.current.ctx_size == "auto"
    assert not app.kept_keys().places


def test_where_the_keychain_refuses_no_setting_is_saved(
    make: MakeApp, keychain: MemoryKeychain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: str) -> None:
        raise KeyringLocked("it is locked")

    app = make()
    monkeypatch.setattr(keychain, "set_password", locked)
    with pytest.raises(KeychainError, check=coded(ErrorCode.KEYCHAIN_REFUSED), match="it is locked"):
        app.apply(replace(app.store.current, network="lan"), {"gateway": "sk-of-this-house-42"})
    assert app.store.current.network == "local"
    assert not app.store.path.exists()


def test_what_a_key_would_lead_to_is_said_before_it_is_kept(make: MakeApp) -> None:
    app = make(engine="remote", remote_url="http://box:8000/v1")
    app.apply(app.store.current, {"remote": "sk-1"})
    now = app.preview(app.store.current)
    assert app.preview(app.store.current, {"gateway": "x"}) == now
    assert app.preview(app.store.current, {"remote": "sk-1"}) == now
    assert app.preview(app.store.current, {"remote": "sk-2"}) != now
    assert app.preview(app.store.current, {"remote": None}) != now


@linux
def test_in_the_network_the_key_is_asked_for_and_this_app_knows_it(make: MakeApp) -> None:
    app = make(network="lan")
    app.apply(app.store.current, {"gateway": "sk-of-this-house-42"})
    ready(app)
    assert embed(app).status_code == 401
    assert app.embed(["x"]).dimensions == 64
    other_address = f"http://127.0.0.2:{app.status().settings.port}/v1/models"
    assert get(other_address, Authorization="Bearer sk-of-this-house-42").status_code == 200


@linux
def test_a_server_that_is_local_listens_on_no_other_address(make: MakeApp) -> None:
    app = ready(make())
    with (
        pytest.raises(OSError, match=r"."),
        socket.create_connection(("127.0.0.2", app.status().settings.port)),
    ):
        pass


def test_opening_and_shutting_the_network_keeps_the_engine(make: MakeApp) -> None:
    app = make()
    app.apply(app.store.current, {"gateway": "sk-of-this-house-42"})
    before = ready(app).status().engine.pid
    app.apply(replace(app.store.current, network="lan"))
    assert embed(app).status_code == 401
    app.apply(replace(app.store.current, network="local"))
    assert embed(app).status_code == 200
    assert app.status().engine.pid == before


def test_an_address_in_the_network_that_cannot_be_left_keeps_its_key(make: MakeApp) -> None:
    app = make(network="lan")
    app.apply(app.store.current, {"gateway": "sk-of-this-house-42"})
    ready(app)
    before = app.status().server.base_url
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PortInUseError):
        app.apply(replace(app.store.current, network="local", port=other.getsockname()[1]))
    assert get(f"{before}/models").status_code == 401
    assert get(f"{before}/models", Authorization="Bearer sk-of-this-house-42").status_code == 200


@pytest.mark.parametrize("key", ["", " x", "a b", "é", "a\nb"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(make: MakeApp, key: str) -> None:
    app = make()
    with pytest.raises(SettingsError) as refused:
        app.apply(app.store.current, {"gateway": key})
    assert not key.strip() or key not in str(refused.value)


def test_keys_are_kept_and_forgotten(make: MakeApp) -> None:
    app = make()
    app.apply(app.store.current, {"remote": "sk-1"})
    kept = KeyStore(app.paths.keys, {})
    assert kept.get("remote") == "sk-1"
    app.apply(app.store.current, {"remote": None})
    assert kept.get("remote") is None
    with pytest.raises(SettingsError, check=coded(ErrorCode.KEY_UNKNOWN), match="'other'"):
        app.apply(app.store.current, {"other": "x"})


def test_a_mirror_has_a_token_of_its_own(make: MakeApp) -> None:
    app = make(hf_endpoint="https://mirror.example:8443")
    app.apply(app.store.current, {"mirror.example": "hf_1"})
    tokens = [app._internet.token(f"https://mirror.example{port}/a") for port in (":8443", "", ":8444")]
    assert tokens == ["hf_1", None, None]


def test_a_remote_server_is_served_without_a_process_of_ours(make: MakeApp) -> None:
    with remote_server() as remote:
        app = make(engine="remote", remote_url=remote.url + "/", model="")
        app.apply(app.store.current, {"remote": KEY})
        status = ready(app).status()
        assert (status.engine.pid, status.model_name) == (None, remote.url + "/")
        assert app.embed(["x"]).vectors == ((0.6, 0.8),)
        assert status_document(app.status()).engine.kind == "remote"
        assert KEY not in repr(app.status())
        assert app.status().traffic.prompt_tokens == 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "box:8000",
        "ftp://box/v1",
        "http://",
        "http://box:x/v1",
        "http://[::1",
        "http://my..box/v1",
        "http://box/my server/v1",
        "http://box/é/v1",
    ],
)
def test_a_remote_server_needs_an_address(make: MakeApp, url: str) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.REMOTE_ADDRESS_INVALID)):
        make(engine="remote", remote_url=url).start_server()


def test_a_remote_server_is_not_this_app_itself(make: MakeApp) -> None:
    app = make(engine="remote")
    app.store.override(remote_url=planned_url(app.store.current))
    with pytest.raises(AppError, check=coded(ErrorCode.REMOTE_IS_THIS_APP)):
        app.start_server()


def test_requests_and_tokens_are_counted(make: MakeApp) -> None:
    app = ready(make())
    embed(app)
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "stream": True}
    post(f"{app.status().server.base_url}/chat/completions", body)
    post(f"{app.status().server.base_url}/embeddings", {"input": 5})
    traffic = app.status().traffic
    assert (traffic.requests, traffic.errors, traffic.active) == (3, 1, 0)
    assert traffic.prompt_tokens > 0
    assert 4 <= traffic.completion_tokens <= 7  # no usage was asked for, so events were counted
    assert traffic.latency_p50_ms
    assert status_document(app.status()).traffic.requests == 3
