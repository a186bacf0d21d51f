"""A person's whole story on a real desktop, with the real app, a real engine and a real download."""

from __future__ import annotations

import json
import socket
import sys
import time
import tomllib
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from tests.fakes.desktop import photograph
from tests.fakes.file_server import FileServer
from tests.fakes.person import Person
from tests.fakes.program import command_here, gone, powerinfer_tray
from tests.ui.conftest import ARTIFACTS
from tray_app.gateway.control.client import find_running
from tray_app.system.paths import resources
from tray_app.system.ports import free_port, port_owners

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.desktop import Desktop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="starts an X server")

APP = (sys.executable, "-m", "tray_app")
DEADLINE_S = 60.0
ENOUGH_REQUESTS = 2
"""For the texts of the example, and for its question."""
TO_WHAT_WAS_FOUND = ("Tab",) * 6
"""The way from the search field of the settings to the only row that it shows."""


@pytest.fixture
def port(private_home: Path) -> int:
    """A free port, in the person's settings already, because 8080 may be taken where tests run."""
    port = free_port()
    (private_home / "settings.toml").write_text(f"port = {port}\n")
    return port


def choose(model: str) -> None:
    assert command_here("settings", "set", "model", model).returncode == 0


@pytest.fixture
def person(real_desktop: Desktop) -> Person:
    return Person(real_desktop)


def read_settings(home: Path) -> dict[str, object]:
    return tomllib.loads((home / "settings.toml").read_text())


def requests_answered() -> int:
    count: int = json.loads(command_here("status", "--json").stdout)["traffic"]["requests"]
    return count


def test_a_persons_first_day(real_desktop: Desktop, person: Person, port: int, private_home: Path) -> None:
    with real_desktop.tray_host() as host, real_desktop.start(*APP) as app:
        host.wait_for_item()
        assert host.tooltip() == "No model yet — choose one"
        person.turn_to("^PowerInfer Tray")
        photograph(real_desktop, ARTIFACTS / "story-1-first-run.png")

        person.press("alt+t")  # Try it now
        host.wait_until(lambda panel: panel.tooltip().startswith(("Loading", "Ready")))
        photograph(real_desktop, ARTIFACTS / "story-2-loading.png")
        host.wait_until(lambda panel: panel.tooltip().startswith("Ready"))
        engines = psutil.Process(app.pid).children(recursive=True)
        photograph(real_desktop, ARTIFACTS / "story-3-ready.png")

        person.press("alt+e")  # Try with an Example: its texts, and then a question
        while requests_answered() < ENOUGH_REQUESTS:
            assert app.poll() is None
        photograph(real_desktop, ARTIFACTS / "story-4-search.png")

        host.click("Settings…")
        person.turn_to("^Settings")
        person.press("ctrl+f")
        person.write("context size")
        person.press(*TO_WHAT_WAS_FOUND, "ctrl+a")
        person.write("512")
        photograph(real_desktop, ARTIFACTS / "story-5-settings.png")
        person.press("Return")  # OK
        while read_settings(private_home).get("ctx_size") != 512:  # 2048 is there before, see `VERSION`
            assert app.poll() is None

        host.click("Restart Server")
        assert gone(engines)
        host.wait_until(lambda panel: panel.tooltip().startswith("Ready"))
        photograph(real_desktop, ARTIFACTS / "story-6-restarted.png")
        host.click("Stop Server")
        host.wait_until(lambda panel: panel.tooltip() == "Stopped — Built-in test model")
        host.click("Open Window")
        person.turn_to("^PowerInfer Tray")
        photograph(real_desktop, ARTIFACTS / "story-7-stopped.png")

        processes = psutil.Process(app.pid).children(recursive=True)
        host.click("Quit")
        assert app.wait(DEADLINE_S) == 0
        assert gone(processes)
    assert port_owners(port) == ()


@pytest.mark.alone
def test_the_end_of_the_session_takes_no_more_than_five_seconds(real_desktop: Desktop, port: int) -> None:
    choose("test")
    with real_desktop.tray_host() as host, real_desktop.start(*APP) as app:
        host.wait_for_item()
        host.click("Start Server")
        host.wait_until(lambda panel: str(port) in panel.tooltip())
        engines = psutil.Process(app.pid).children(recursive=True)
        began_s = time.monotonic()

        app.terminate()  # as the session's manager does

        assert app.wait(DEADLINE_S) == 0
        assert time.monotonic() - began_s <= 5
        assert gone(engines)


def test_start_ask_stop_and_quit_from_the_tray(
    real_desktop: Desktop, person: Person, port: int, tmp_path: Path
) -> None:
    choose("test")
    base_url = f"http://127.0.0.1:{port}/v1"
    with real_desktop.tray_host() as host, real_desktop.start(*APP) as app:
        host.wait_for_item()
        host.wait_until(lambda panel: panel.tooltip() == "Stopped — Built-in test model")

        host.click("Start Server")
        host.wait_until(lambda panel: panel.tooltip() == f"Ready — Built-in test model · {base_url}")
        engines = psutil.Process(app.pid).children(recursive=True)
        answer = requests.post(f"{base_url}/embeddings", json={"input": "hello"}, timeout=DEADLINE_S)
        assert len(answer.json()["data"][0]["embedding"]) == 64
        assert command_here("status").stdout.startswith("ready")
        person.embed_and_save_the_plot(host, tmp_path / "plot.svg")

        host.click("Stop Server")
        host.wait_until(lambda panel: panel.tooltip() == "Stopped — Built-in test model")
        assert gone(engines)
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{base_url}/models", timeout=DEADLINE_S)

        host.click("Quit")
        assert app.wait(DEADLINE_S) == 0


def test_a_downloaded_model_is_served_by_its_file_name(
    real_desktop: Desktop, port: int, private_home: Path
) -> None:
    with FileServer() as server:
        model = server.put("/tiny.gguf", (resources() / "test-model" / "test.gguf").read_bytes())
        assert powerinfer_tray("download", model.url).returncode == 0
    choose("tiny.gguf")
    with real_desktop.tray_host() as host, real_desktop.start(*APP) as app:
        host.wait_for_item()
        host.click("Start Server")
        host.wait_until(lambda panel: panel.tooltip().endswith(f"http://127.0.0.1:{port}/v1"))
        host.click("Quit")
        assert app.wait(DEADLINE_S) == 0
    assert (private_home / "models" / "tiny.gguf").is_file()


def test_a_second_start_shows_the_window_of_the_first_and_ends(
    real_desktop: Desktop, port: int, private_home: Path
) -> None:
    choose("test")
    assert port
    with real_desktop.tray_host() as host, real_desktop.start(*APP, "--background") as app:
        host.wait_for_item()
        while find_running(private_home / "state") is None:  # it opens in the background
            assert app.poll() is None

        real_desktop.run(*APP, "--background")
        real_desktop.run(*APP)

        real_desktop.run("xdotool", "search", "--sync", "--onlyvisible", "--name", "^PowerInfer Tray")
        real_desktop.run(*APP, "hf:owner/repo/tiny.gguf")  # is shown there too, and ends
        assert app.poll() is None
        host.click("Quit")
        assert app.wait(DEADLINE_S) == 0


def test_a_port_that_is_taken_is_told_in_the_menu_and_the_window(
    real_desktop: Desktop, person: Person, port: int
) -> None:
    choose("test")
    with (
        socket.create_server(("127.0.0.1", port)),
        real_desktop.tray_host() as host,
        real_desktop.start(*APP) as app,
    ):
        host.wait_for_item()
        host.click("Start Server")
        host.wait_until(lambda panel: f"Port {port} is in use by" in panel.tooltip())
        photograph(real_desktop, ARTIFACTS / "story-port-taken.png")

        person.turn_to("^PowerInfer Tray")
        person.press("alt+f")  # Choose a Free Port
        host.wait_until(lambda panel: panel.tooltip().startswith("Ready"))
        assert str(port) not in host.tooltip()
        host.click("Quit")
        assert app.wait(DEADLINE_S) == 0


def test_kill_9_of_the_tray_app_takes_the_engine_with_it(real_desktop: Desktop, port: int) -> None:
    choose("test")
    with real_desktop.tray_host() as host, real_desktop.start(*APP) as app:
        host.wait_for_item()
        host.click("Start Server")
        host.wait_until(lambda panel: str(port) in panel.tooltip())
        engines = psutil.Process(app.pid).children(recursive=True)
        assert engines
        app.kill()

        assert gone(engines)


def test_a_broken_settings_file_is_shown_and_the_app_starts_all_the_same(
    real_desktop: Desktop, private_home: Path
) -> None:
    (private_home / "settings.toml").write_text("model = 'test'\nctx_size = 'big'\n")
    with real_desktop.tray_host() as host, real_desktop.start(*APP) as app:
        host.wait_for_item()
        host.wait_until(lambda panel: "settings file has an error" in panel.tooltip())
        host.click("Quit")
        assert app.wait(DEADLINE_S) == 0
    assert (private_home / "settings.toml").read_text() == "model = 'test'\nctx_size = 'big'\n"
