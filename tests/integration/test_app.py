"""The composition root on a real engine: wishes become what a person expects, and failures lose nothing."""

import itertools
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as replace_host
from pathlib import Path

import psutil
import pytest
import requests
from msgspec.structs import replace

from tests.fakes.apps import wait_for_engine
from tests.fakes.errors import coded
from tests.fakes.file_server import Drop, FileServer, ServedFile, Silence
from tests.fakes.keychain import memory_keychain
from tests.fakes.models import model_bytes, write_model, write_split_model
from tests.fakes.remote_server import KEY, remote_server
from tray_app.app import tuning
from tray_app.app import workspace as workspace_module
from tray_app.app.root import App
from tray_app.app.server import ServerDelays
from tray_app.app.server_status import ServerState
from tray_app.app.start_job import StartCalledOffError
from tray_app.app.status import AppStatus
from tray_app.app.tuning import Tuning, tune
from tray_app.cli.serve import _choose_test_model_if_none
from tray_app.engine.lifecycle import State
from tray_app.errors import (
    AppError,
    DownloadError,
    EngineError,
    ErrorCode,
    GatewayError,
    ModelError,
    SettingsError,
)
from tray_app.gateway.control.client import find_running
from tray_app.models.catalog import CatalogEntry
from tray_app.system import ports
from tray_app.system.autostart import DesktopEntry, Login
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths, resources
from tray_app.system.ports import PortInUseError, PortRefusedError, free_port

DEADLINE_S = 60.0

# Elsewhere, the entry would be one of the person who runs the tests.
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="changes what happens at login")


@pytest.fixture
def app() -> Iterator[App]:
    """An app with the test model chosen, on a port of its own."""
    app = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "test"})
    yield app
    app.close()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def started(app: App) -> App:
    app.start_server()
    app.wait_until_ready(DEADLINE_S)
    return app


def test_a_started_server_embeds_and_says_so(app: App) -> None:
    status = started(app).status()

    assert (status.engine.state, status.server.state, status.problem) == (
        State.READY,
        ServerState.READY,
        None,
    )
    assert app.embed(["hello"]).dimensions == 64


def test_starting_twice_starts_once(app: App) -> None:
    first = started(app).status().engine.pid
    app.start_server()

    assert app.wait_until_ready(DEADLINE_S)
    assert app.status().engine.pid == first


def test_a_stop_frees_the_port_and_a_start_takes_it_again(app: App) -> None:
    port = app.status().settings.port
    started(app)

    app.stop_server()
    with socket.create_server(("127.0.0.1", port)):
        pass
    started(app)

    assert app.embed(["x"]).dimensions == 64


def test_a_temperature_does_not_restart_the_server_and_a_context_size_does(app: App) -> None:
    started(app)
    before = app.status().engine.run

    app.apply(replace(app.store.current, temperature=0.1))
    app.wait_until_ready(DEADLINE_S)
    after_temperature = app.status().engine.run
    app.apply(replace(app.store.current, threads=1))
    app.wait_until_ready(DEADLINE_S)

    assert (after_temperature, app.status().engine.run) == (before, before + 1)


def test_settings_of_a_stopped_server_do_not_start_it(app: App) -> None:
    app.apply(replace(app.store.current, ctx_size=1024))

    assert app.status().engine.state is State.STOPPED
    assert not app.status().server.base_url


def test_a_new_port_moves_the_server_without_a_restart(app: App) -> None:
    started(app)
    before = app.status().engine.pid

    app.apply(replace(app.store.current, port=free_port()))

    assert requests.get(f"{app.status().server.base_url}/models", timeout=DEADLINE_S).ok
    assert app.status().engine.pid == before


def test_a_port_that_is_taken_is_named_and_nothing_is_loaded(app: App, taken_port: int) -> None:
    app.store.override(port=taken_port)

    with pytest.raises(PortInUseError, check=coded(ErrorCode.PORT_IN_USE), match=f"PID {os.getpid()}"):
        app.start_server()

    assert app.status().engine.run == 0
    assert isinstance(app.status().problem, PortInUseError)


def test_the_server_starts_at_a_free_port_when_a_person_wishes_so(app: App, taken_port: int) -> None:
    app.apply(replace(app.store.current, port=taken_port))
    with pytest.raises(PortInUseError):
        app.start_server()

    app.move_to_free_port()

    app.wait_until_ready(DEADLINE_S)
    assert app.status().settings.port != taken_port
    assert app.embed(["x"]).dimensions == 64


def test_the_engines_vitals_are_known_while_it_runs(app: App) -> None:
    assert app.resource_usage() is None
    usage = started(app).resource_usage()

    assert usage is not None
    assert usage.pids == (app.status().engine.pid,)
    assert usage.memory_bytes > 10_000_000
    assert usage.cpu_s > 0
    assert app.status().pool.main.memory_bytes == pytest.approx(usage.memory_bytes, rel=0.1)


def test_moving_to_a_taken_port_leaves_the_running_server_where_it_was(app: App, taken_port: int) -> None:
    old_url = started(app).status().server.base_url

    with pytest.raises(PortInUseError):
        app.apply(replace(app.store.current, port=taken_port))

    assert requests.get(f"{old_url}/models", timeout=DEADLINE_S).ok


def test_without_a_chosen_model_a_start_says_what_to_do(app: App) -> None:
    app.store.override(model="")

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_CHOSEN)):
        app.start_server()

    assert not app.status().server.base_url


def test_a_model_that_is_gone_leaves_the_running_server_alone(app: App) -> None:
    started(app)

    with pytest.raises(ModelError):
        app.apply(replace(app.store.current, model="gone.gguf"))

    assert app.embed(["still here"]).dimensions == 64


def test_requests_while_the_engine_is_started_again_are_told_to_come_back(app: App) -> None:
    started(app)
    psutil.Process(app.status().engine.pid).kill()
    wait_for_engine(app, State.BACKOFF)

    url = app.status().server.base_url or ""
    health = requests.get(url.replace("/v1", "/health"), timeout=DEADLINE_S)
    models = requests.get(f"{url}/models", timeout=DEADLINE_S).json()["data"]

    assert (health.status_code, health.headers["Retry-After"]) == (503, "2")
    assert models[0]["meta"]["state"] == "loading"


def test_a_remote_server_has_models_of_its_own_and_none_is_loaded_here(app: App) -> None:
    with memory_keychain(), remote_server() as remote:
        app.store.override(engine="remote", remote_url=remote.url)
        app.apply(app.store.current, {"remote": KEY})
        app.start_server()
        app.wait_until_ready(DEADLINE_S)
        with pytest.raises(GatewayError, check=coded(ErrorCode.APP_REFUSED), match="remote server"):
            app.load_model("test")


def test_a_remote_server_starts_although_a_model_of_this_computer_is_kept_loaded(app: App) -> None:
    with memory_keychain(), remote_server() as remote:
        app.store.override(engine="remote", remote_url=remote.url)
        app.apply(app.store.current, {"remote": KEY})
        app.change_own("test", keep_loaded=True)

        app.start_server()

        assert app.wait_until_ready(DEADLINE_S)


def test_a_download_goes_to_the_models_folder_and_is_then_a_model(app: App, tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    write_model(model)
    with FileServer() as server:
        file = server.put("/tiny.gguf", model.read_bytes())
        (number,) = app.download(file.url)
        path = app.downloads.wait(number, DEADLINE_S)

    assert path == app.paths.models / "tiny.gguf"
    assert app.library.find("tiny").path == path


@pytest.mark.parametrize("chosen", [1, 3])
def test_all_files_of_a_split_model_are_downloaded_whichever_is_named(
    app: App, tmp_path: Path, chosen: int
) -> None:
    parts = write_split_model(tmp_path, "big", 3)
    with FileServer() as server:
        urls = [server.put(f"/{part.name}", part.read_bytes()).url for part in parts]
        for number in app.download(urls[chosen - 1]):
            app.downloads.wait(number, DEADLINE_S)

    model = app.library.find("big-00001-of-00003")
    assert (model.size_bytes, model.header.split_count) == (sum(part.stat().st_size for part in parts), 3)


def test_a_prospect_counts_what_is_here_already(app: App) -> None:
    with FileServer() as server:
        url = server.put("/tiny.gguf", model_bytes()).url
        whole = app.models.preview_download(url)
        held = app.paths.models / "tiny.gguf.part"
        held.parent.mkdir(parents=True)
        held.write_bytes(b"x" * 4096)
        rest = app.models.preview_download(url)

    assert whole.needed_bytes == whole.report.model.size_bytes == len(model_bytes())
    assert rest.needed_bytes < whole.needed_bytes
    assert rest.free_bytes > 0


def test_what_a_forgotten_download_has_left_is_discarded(app: App) -> None:
    left = app.paths.models / "old.gguf.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    (partial,) = app.library.partials()

    app.models.discard_partial(partial.final)

    assert list(app.paths.models.iterdir()) == []


def test_a_model_that_is_served_is_removed_after_its_server_was_stopped(app: App) -> None:
    app.paths.models.mkdir(parents=True)
    path = app.paths.models / "mine.gguf"
    shutil.copy(resources() / "test-model" / "test.gguf", path)
    app.apply(replace(app.store.current, model="mine.gguf"))
    started(app)
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_IN_USE)):
        app.models.remove_model("mine.gguf")

    removal = app.remove_model("mine.gguf", for_good=True)

    assert removal.stopped_server
    assert not path.exists()
    assert app.status().engine.pid is None
    assert not app.status().server.base_url


def test_a_model_whose_engine_does_not_end_in_time_is_kept(private_home: Path) -> None:
    path = private_home / "models" / "mine.gguf"
    path.parent.mkdir()
    shutil.copy(resources() / "test-model" / "test.gguf", path)
    settings = {"model": "mine", "port": free_port()}
    paths = AppPaths.from_environment(os.environ)
    app = App(paths, detect_host(), settings, delays=ServerDelays(stop_s=0))
    try:
        started(app)
        with pytest.raises(EngineError, match="did not stop in time"):
            app.remove_model("mine", for_good=True)
        assert path.exists()
    finally:
        app.close()


@pytest.mark.parametrize("state", ["asleep", "standing by", "loading"])
def test_a_model_that_the_next_request_would_load_counts_as_served(app: App, state: str) -> None:
    app.paths.models.mkdir(parents=True)
    path = app.paths.models / "mine.gguf"
    shutil.copy(resources() / "test-model" / "test.gguf", path)
    app.apply(replace(app.store.current, model="mine"))
    if state == "standing by":
        app._server.stand_by()
    elif state == "loading":
        app.start_server()
    else:
        started(app)
        app._pool.put_to_sleep(made_room=False)
        wait_for_engine(app, State.STOPPED)
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_IN_USE)):
        app.models.remove_model("mine")

    assert app.remove_model("mine", for_good=True).stopped_server
    assert not path.exists()
    assert app.status().server.base_url is None


def test_a_server_goes_on_when_what_shall_go_is_refused_or_another(app: App, tmp_path: Path) -> None:
    app.paths.models.mkdir(parents=True)
    model = resources() / "test-model" / "test.gguf"
    for name in ("mine.gguf", "other.gguf"):
        shutil.copy(model, app.paths.models / name)
    app.apply(replace(app.store.current, model="mine"))
    started(app)

    assert not app.remove_model("other", for_good=True).stopped_server
    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_NOT_IN_FOLDER)):
        app.remove_model(str(shutil.copy(model, tmp_path / "elsewhere.gguf")))

    assert app.status().server.base_url


def test_a_change_of_the_models_folder_is_announced(app: App) -> None:
    app.begin()
    before = app.status().folder_changes
    announced = threading.Event()
    app.changed.connect(lambda status: announced.set() if status.folder_changes > before else None)

    write_model(app.paths.models / "new.gguf")

    assert announced.wait(DEADLINE_S)
    assert "new" in [model.id for model in app.library.contents().models]


def test_the_built_in_model_needs_no_download(app: App) -> None:
    with pytest.raises(DownloadError, check=coded(ErrorCode.MODEL_BUILT_IN)):
        app.download("test")


def test_what_another_program_has_written_is_taken_up_and_a_broken_file_changes_nothing(app: App) -> None:
    server = started(app).status()
    file = app.store.path
    file.write_text("temperature = 1.5\nmetrics = true\n")
    app.reload()
    assert (app.store.current.temperature, app.store.current.metrics) == (1.5, True)
    assert server.server.port
    metrics = f"http://127.0.0.1:{server.server.port}/metrics"
    assert requests.get(metrics, timeout=20).status_code == 200

    file.write_text("temperature = 'hot'\n")
    with pytest.raises(SettingsError, check=coded(ErrorCode.SETTINGS_FILE_INVALID), match="line 1"):
        app.reload()

    assert app.store.current.temperature == 1.5
    assert app.status().engine.pid == server.engine.pid


def test_a_broken_settings_file_is_the_first_problem_shown(private_home: Path) -> None:
    (private_home / "settings.toml").write_text("port = 'x'")
    app = App.on_this_machine()
    try:
        assert isinstance(app.status().problem, SettingsError)
    finally:
        app.close()


@on_linux
def test_launch_at_login_is_done_and_undone(app: App) -> None:
    app.apply(replace(app.store.current, launch_at_login=True))
    login = app.status().login
    app.apply(replace(app.store.current, launch_at_login=False))

    assert (login, app.status().login) == (Login.ON, Login.OFF)


@on_linux
def test_launch_at_login_is_off_once_a_person_has_removed_it_from_the_system(app: App) -> None:
    app.apply(replace(app.store.current, launch_at_login=True))
    app.autostart.disable()
    seen: list[bool] = []
    app.changed.connect(lambda status: seen.append(status.settings.launch_at_login))

    app.refresh_login()

    assert seen == [False]


@on_linux
def test_an_entry_of_another_copy_is_repaired_by_switching_on(app: App, private_home: Path) -> None:
    DesktopEntry(private_home / "config" / "autostart", ("/old/place/powerinfer-tray",)).enable()
    app.refresh_login()
    before = app.status()
    app.apply(replace(app.store.current, launch_at_login=True))

    assert (before.login, before.settings.launch_at_login) == (Login.ELSEWHERE, False)
    assert app.status().login is Login.ON


@pytest.mark.warns("does not tell what it does at login")
@on_linux
def test_a_refused_launch_at_login_is_said_and_stays_off(app: App, private_home: Path) -> None:
    (private_home / "config").write_text("a file where the folder should be")

    with pytest.raises(SettingsError, check=coded(ErrorCode.LAUNCH_AT_LOGIN_FAILED)):
        app.apply(replace(app.store.current, launch_at_login=True))

    assert app.status().settings.launch_at_login is False


def test_an_app_in_a_terminal_has_no_window_to_show(app: App) -> None:
    app.open_control(quit_app=lambda: None)
    client = find_running(app.paths.state)
    assert client

    with pytest.raises(GatewayError, check=coded(ErrorCode.NO_WINDOW)):
        client.show()


def test_the_terminal_chooses_the_test_model_only_where_a_model_is_needed(app: App) -> None:
    app.store.override(model="", engine="remote")
    _choose_test_model_if_none(app)
    for_remote = app.store.current.model
    app.store.override(engine="auto")
    _choose_test_model_if_none(app)

    assert (for_remote, app.store.current.model) == ("", "test")


def test_every_change_is_announced(app: App) -> None:
    seen: list[State] = []
    ready = threading.Event()

    def listen(status: AppStatus) -> None:
        seen.append(status.engine.state)
        if status.engine.state is State.READY:
            ready.set()

    app.changed.connect(listen)
    app.start_server()

    assert ready.wait(DEADLINE_S)
    assert State.LOADING in seen


def test_closing_twice_is_closing_once(app: App) -> None:
    started(app)

    app.close()
    app.close()

    assert app.status().engine.state is State.STOPPED


def test_a_gguf_that_is_chosen_by_its_path_is_served(app: App, tmp_path: Path) -> None:
    copy = tmp_path / "模型 é.gguf"
    copy.write_bytes((resources() / "test-model" / "test.gguf").read_bytes())
    app.store.override(model=str(copy))

    assert started(app).status().model_name == "模型 é"


def test_errors_of_a_start_are_app_errors_with_a_hint(app: App, tmp_path: Path) -> None:
    app.store.override(engine=str(tmp_path))

    with pytest.raises(AppError) as caught:
        app.start_server()

    assert caught.value.hint


@pytest.fixture(params=["offer.gguf"])
def app_with_offer(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[App, ServedFile]]:
    """An app whose catalogue offers a model that must be downloaded, and which is chosen."""
    content = (resources() / "test-model" / "test.gguf").read_bytes()
    with FileServer() as server:
        served = server.put("/offer.gguf", content)
        offer = CatalogEntry(
            id="offer",
            name="Offer",
            file_name=request.param,
            source=served.url,
            size_bytes=len(content),
            note="For a test.",
        )
        monkeypatch.setattr(workspace_module, "load_all", lambda *_: ((offer,), None))
        overrides = {"port": free_port(), "model": "offer"}
        app = App(AppPaths.from_environment(os.environ), detect_host(), overrides)
        yield app, served
        app.close()


def test_a_start_downloads_the_chosen_model_first(app_with_offer: tuple[App, ServedFile]) -> None:
    app, _ = app_with_offer

    assert started(app).embed(["hello"]).dimensions == 64
    assert (app.paths.models / "offer.gguf").is_file()


def test_a_stop_during_that_download_frees_the_port_and_starts_nothing(
    app_with_offer: tuple[App, ServedFile],
) -> None:
    app, served = app_with_offer
    served.faults.append(Drop(1000))  # the download goes on after a moment, which is when the stop comes
    some_arrived = threading.Event()
    app.downloads.changed.connect(
        lambda downloads: some_arrived.set() if downloads[-1].received_bytes else None
    )
    with ThreadPoolExecutor(1) as people:
        starting = people.submit(app.start_server)
        assert some_arrived.wait(DEADLINE_S)

        app.stop_server()
        with socket.create_server(("127.0.0.1", app.status().settings.port)):
            pass
        with pytest.raises(StartCalledOffError):
            starting.result(DEADLINE_S)

    app.downloads.wait(1, DEADLINE_S)
    assert app.status().engine.run == 0


def test_the_app_ends_at_once_although_a_terminals_start_waits_for_a_download(
    app_with_offer: tuple[App, ServedFile],
) -> None:
    app, served = app_with_offer
    served.always = Silence()
    app.open_control(quit_app=lambda: None)
    running = find_running(app.paths.state)
    assert running

    def start() -> None:
        with pytest.raises(AppError):  # it was called off, or the app has gone before it could say so
            running.start()

    asking = threading.Thread(target=start)
    asking.start()
    assert served.asked.wait(20)
    began_s = time.monotonic()
    app.close(timeout_s=20)
    took_s = time.monotonic() - began_s
    asking.join()

    assert took_s < 10, "a call of the control address was waited for that the end of the download ends"


@pytest.mark.parametrize("app_with_offer", ["offer.powerinfer.gguf"], indirect=True)
def test_a_model_that_no_engine_here_can_run_is_not_downloaded(
    app_with_offer: tuple[App, ServedFile],
) -> None:
    app, served = app_with_offer
    app.store.override(engine="llama.cpp")

    with pytest.raises(EngineError, check=coded(ErrorCode.MODEL_NEEDS_POWERINFER)):
        app.start_server()

    assert served.requests == []


def test_a_model_is_not_removed_while_it_is_served(app: App, private_home: Path) -> None:
    path = private_home / "models" / "mine.gguf"
    path.parent.mkdir()
    path.write_bytes((resources() / "test-model" / "test.gguf").read_bytes())
    app.store.override(model="mine")
    started(app)

    with pytest.raises(ModelError, check=coded(ErrorCode.MODEL_IN_USE)):
        app.models.remove_model("mine", for_good=True)
    app.stop_server()
    wait_for_engine(app, State.STOPPED)

    assert app.models.remove_model("mine", for_good=True).paths == (path,)


def test_a_wrong_list_of_own_models_leaves_the_app_of_use(private_home: Path) -> None:
    (private_home / "models.toml").write_text("models = 1")
    app = App(AppPaths.from_environment(os.environ), detect_host())

    assert app.status().problem is app.catalog_problem
    assert "models.toml" in str(app.catalog_problem)
    assert app.library.find("test")
    app.close()


def threads_in_use(app: App) -> list[str]:
    plan = app.wait_until_ready(DEADLINE_S)
    return [word for flag, word in itertools.pairwise(plan.argv) if flag in ("--threads", "--threads-batch")]


def test_the_number_of_threads_is_tried_on_the_running_server_and_then_as_before(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "_LONG_ENOUGH_S", 0.1)  # how fast it is is not looked at
    before = threads_in_use(started(app))
    seen: list[list[str]] = []
    cancelled = threading.Event()

    def note(found: Tuning, _total: int) -> None:
        seen.append(threads_in_use(app))
        if len(found.samples) == 2:
            cancelled.set()

    result = tune(
        app, app.store.current, replace_host(app.host, physical_cores=2, logical_cores=3), cancelled, note
    )

    assert seen == [["1", "1"], ["2", "2"]]
    assert all(sample.embeddings_per_s > 0 for sample in result.samples)
    assert threads_in_use(app) == before
    assert app.store.current.threads == "auto"


def test_a_server_that_is_stopped_by_hand_is_not_started_again_by_a_trial(app: App) -> None:
    with pytest.raises(EngineError):
        tune(app, app.store.current, app.host, threading.Event(), lambda *_: None)

    assert not app.status().server.base_url


def test_a_port_that_nobody_has_and_the_system_keeps_is_told(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(ports, "_refusal", lambda *_: denied)
    monkeypatch.setattr(ports, "nearest_free_port", lambda _: 1024)
    with pytest.raises(PortRefusedError, check=coded(ErrorCode.PORT_REFUSED), match="80"):
        app.port_owners(80)
