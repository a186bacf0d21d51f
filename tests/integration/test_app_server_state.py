"""What the app says of its server, and whether that is so: address, state, problems, and starts that wait."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.fakes.apps import DEADLINE_S, other_program, ready, real_app, wait_for_state
from tests.fakes.errors import coded
from tests.fakes.file_server import FileServer, Stall
from tests.fakes.gateways import get, post
from tests.fakes.keychain import memory_keychain
from tests.fakes.languages import ENGLISH
from tray_app.app import workspace as workspace_module
from tray_app.app.server_status import ServerState
from tray_app.app.start_job import StartCalledOffError
from tray_app.app.status import ProblemSource, status_document
from tray_app.app.tuning import tune
from tray_app.errors import AppError, EngineError, ErrorCode, GatewayError
from tray_app.gateway.control.client import find_running
from tray_app.models.catalog import CatalogEntry
from tray_app.system.paths import resources
from tray_app.system.ports import PortInUseError, free_port
from tray_app.ui.presenters.menu import Command
from tray_app.ui.presenters.snippets import copied_text
from tray_app.ui.presenters.tray import tray_view

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.file_server import ServedFile
    from tray_app.app.root import App

SOON_S = 10.0
"""Much less than the download takes that the tests hold up, which is for ever."""


def move_in_vain(app: App, port: int) -> None:
    with pytest.raises(PortInUseError):
        app.apply(replace(app.store.current, port=port))


def test_after_a_refused_change_of_the_port_everyone_is_told_the_address_that_is_open() -> None:
    with real_app() as app, other_program() as other:
        address = ready(app).status().server.base_url
        move_in_vain(app, other.server_port)

        status = app.status()
        assert status.server.base_url == status_document(status).base_url == address
        assert address
        assert address in tray_view(status, 0, ENGLISH).headline
        assert copied_text(Command.COPY_URL, status) == address
        assert app.port_owners(other.server_port)
        assert app.port_owners(status.server.port or 0) == ()
        found = app.run_diagnostics()
        assert (found.port.number, found.port.ours) == (status.server.port, True)
        assert found.running
        assert found.running.base_url == address
        assert [problem.source for problem in status.problems] == [ProblemSource.START]


def test_a_key_goes_to_no_address_but_the_one_that_is_open() -> None:
    with memory_keychain(), real_app(network="lan") as app, other_program() as other:
        app.apply(app.store.current, {"gateway": "sk-of-this-house-42"})
        ready(app)
        move_in_vain(app, other.server_port)

        assert app.embed(["x"]).dimensions == 64
        assert "".join(app.complete("Once", 3, threading.Event()))
        with pytest.raises(AppError):
            tune(app, app.store.current, app.host, threading.Event(), lambda *_: None)
        app.stop_server()
        with pytest.raises(GatewayError, check=coded(ErrorCode.SERVER_NOT_RUNNING)):
            app.embed(["x"])

        assert other.sent == []


def test_a_refused_way_out_of_the_network_keeps_the_key_that_the_open_address_asks_for() -> None:
    with memory_keychain(), real_app(network="lan") as app, other_program() as other:
        app.apply(app.store.current, {"gateway": "sk-of-this-house-42"})
        ready(app)
        with pytest.raises(PortInUseError):
            app.apply(replace(app.store.current, network="local", port=other.server_port))

        assert app.embed(["x"]).dimensions == 64
        assert other.sent == []


def test_while_no_address_is_open_none_is_told() -> None:
    with other_program() as other, real_app(port=other.server_port) as app:
        with pytest.raises(PortInUseError):
            app.start_server()

        status = app.status()
        assert status.server.base_url is status_document(status).base_url is None
        assert str(other.server_port) not in copied_text(Command.COPY_CURL, status)
        copy = tray_view(status, 0, ENGLISH).entries[Command.COPY_URL]
        assert not copy.visible


def test_a_broken_settings_file_is_told_until_it_is_mended(private_home: Path) -> None:
    (private_home / "settings.toml").write_text("temperature = 'hot'\n")
    with real_app() as app:
        ready(app)
        problem = app.status().problem
        assert [each.source for each in app.status().problems] == [ProblemSource.SETTINGS_FILE]
        app.restart_server()
        app.stop_server()
        assert app.status().problem is problem

        app.apply(replace(app.store.current, temperature=0.5))
        assert app.status().problems == ()


def test_a_settings_file_that_breaks_while_the_app_runs_is_told(private_home: Path) -> None:
    with real_app() as app:
        ready(app)
        (private_home / "settings.toml").write_text("port =\n")
        with pytest.raises(AppError, check=coded(ErrorCode.SETTINGS_FILE_INVALID)):
            app.reload()

        assert [each.source for each in app.status().problems] == [ProblemSource.SETTINGS_FILE]
        assert app.status().server.state is ServerState.READY


def test_window_and_programs_are_told_the_same_problem_first(private_home: Path) -> None:
    (private_home / "settings.toml").write_text("temperature = 'hot'\n")
    with real_app() as app, other_program() as other:
        ready(app)
        move_in_vain(app, other.server_port)  # which mends the file
        (private_home / "settings.toml").write_text("temperature = 'hot'\n")
        with pytest.raises(AppError):
            app.reload()

        status = app.status()
        told = status_document(status)
        assert [each.source for each in told.problems] == ["start", "settings file"]
        assert status.problem
        assert told.problem
        assert told.problem.title == status.problem.title


@contextmanager
def app_that_waits_for_a_download(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[App, ServedFile]]:
    """An app whose chosen model is downloaded, of which only the first bytes come."""
    content = (resources() / "test-model" / "test.gguf").read_bytes()
    with FileServer() as server:
        served = server.put("/offer.gguf", content)
        served.always = Stall(1000)
        offer = CatalogEntry(
            id="offer",
            name="Offer",
            file_name="offer.gguf",
            source=served.url,
            size_bytes=len(content),
            note="For a test.",
        )
        monkeypatch.setattr(workspace_module, "load_all", lambda *_: ((offer,), None))
        with real_app(model="offer") as app:
            yield app, served


TEST_FILE = str(resources() / "test-model" / "test.gguf")


def test_a_model_that_is_chosen_while_a_start_waits_for_a_download_runs_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, served), ThreadPoolExecutor(2) as people:
        waits = people.submit(app.start_server)
        assert served.asked.wait(SOON_S)
        assert app.status().server.state is ServerState.PREPARING

        people.submit(app.apply, replace(app.store.current, model=TEST_FILE)).result(SOON_S)

        waits.result(SOON_S)  # it follows the newer one
        app.wait_until_ready(DEADLINE_S)
        assert app.embed(["x"]).dimensions == 64
        assert app.downloads.snapshot()[0].phase.active


def test_stop_and_start_do_not_wait_for_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, served), ThreadPoolExecutor(4) as people:
        first = people.submit(app.start_server)
        assert served.asked.wait(SOON_S)
        people.submit(app.stop_server).result(SOON_S)
        with pytest.raises(StartCalledOffError):
            first.result(SOON_S)
        assert app.status().server.state is ServerState.STOPPED
        with socket.create_server(("127.0.0.1", app.store.current.port)):
            pass

        second = people.submit(app.start_server)
        wait_for_state(app, ServerState.PREPARING)
        restarts = threading.Event()
        monkeypatch.setattr(app._pool, "stop_main", restarts.set)  # the last act before it waits
        people.submit(app.restart_server)
        assert restarts.wait(SOON_S)
        people.submit(app.stop_server).result(SOON_S)
        with pytest.raises(StartCalledOffError):
            second.result(SOON_S)
        assert app.downloads.snapshot()[0].phase.active


def test_a_start_goes_on_when_its_download_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, served), ThreadPoolExecutor(3) as people:
        starts = [people.submit(app.start_server) for _ in range(3)]
        assert served.asked.wait(SOON_S)
        app.downloads.pause(1)
        for start in starts:  # a person who stops the download ends the starts that wait for it
            with pytest.raises(AppError, check=coded(ErrorCode.DOWNLOAD_PAUSED)):
                start.result(SOON_S)
        assert app.status().has_problem(ProblemSource.START)
        served.always = None

        assert ready(app).embed(["x"]).dimensions == 64
        assert app.status().problems == ()


def test_the_address_moves_while_a_start_waits_for_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, served), ThreadPoolExecutor(2) as people:
        people.submit(app.start_server)
        assert served.asked.wait(SOON_S)
        port = free_port()
        people.submit(app.apply, replace(app.store.current, port=port))
        moved = threading.Event()
        app.changed.connect(lambda status: moved.set() if status.server.port == port else None)
        assert app.status().server.port == port or moved.wait(SOON_S)
        assert get(f"http://127.0.0.1:{port}/health").status_code == 503
        app.stop_server()


def test_a_terminal_is_heard_while_a_start_waits(monkeypatch: pytest.MonkeyPatch, private_home: Path) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, served), ThreadPoolExecutor(1) as people:
        app.open_control(quit_app=lambda: None)
        running = find_running(app.paths.state)
        assert running
        waits = people.submit(app.start_server)
        assert served.asked.wait(SOON_S)
        assert running.status().server == "preparing"
        app.store.replace(replace(app.store.current, model="offer.gguf"))  # no override of this run any more
        (private_home / "settings.toml").write_text(f"model = '{TEST_FILE}'\n")

        running.reload(SOON_S)

        waits.result(SOON_S)
        app.wait_until_ready(DEADLINE_S)
        running.stop(SOON_S)
        assert running.status().base_url is None


def test_a_request_that_waits_for_a_download_is_answered_by_the_model_chosen_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, served), ThreadPoolExecutor(2) as people:
        waits = people.submit(app.start_server)
        assert served.asked.wait(SOON_S)
        url = f"{app.status().server.base_url}/embeddings"
        asked = people.submit(post, url, {"input": "x"})
        app.apply(replace(app.store.current, model=TEST_FILE))
        assert asked.result(DEADLINE_S).status_code == 200
        waits.result(SOON_S)


def test_many_wishes_at_once_end_with_the_newest_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with app_that_waits_for_a_download(monkeypatch) as (app, _), ThreadPoolExecutor(8) as people:
        wishes = [people.submit(app.start_server)]
        for temperature in range(10):
            changed = replace(app.store.current, model=TEST_FILE, temperature=temperature / 10)
            wishes.append(people.submit(app.apply, changed))
            wishes.append(people.submit(app.restart_server))
        for wish in wishes:
            wish.result(DEADLINE_S)
        app.wait_until_ready(DEADLINE_S)
        assert app.status().server.state is ServerState.READY
        assert app.embed(["x"]).dimensions == 64


def test_a_stop_amid_many_starts_is_a_stop() -> None:
    with real_app() as app, ThreadPoolExecutor(8) as people:
        starts = [people.submit(app.start_server) for _ in range(8)]
        for start in starts:
            start.result(DEADLINE_S)
        starts = [people.submit(app.restart_server) for _ in range(7)]
        app.stop_server()
        for start in starts:
            start.exception(DEADLINE_S)
        app.stop_server()
        with pytest.raises(EngineError):
            app.wait_until_ready(DEADLINE_S)
        wait_for_state(app, ServerState.STOPPED)
        with socket.create_server(("127.0.0.1", app.store.current.port)):
            pass
