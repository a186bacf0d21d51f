"""The tray app as a process on a real desktop: menu read and clicked by label, windows, signals."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fakes.desktop import photograph
from tests.ui.conftest import ARTIFACTS
from tray_app.system.paths import HOME_VARIABLE
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.fakes.desktop import Desktop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="starts an X server")

_END_TIMEOUT_S = 10.0
_TELL_MODULES = "import sys; from tray_app.__main__ import main; main(); print(*sys.modules, sep='\\n')"
_OF_A_WINDOW = {
    *(f"tray_app.ui.{part}" for part in ("window", "pages", "widgets", "dialogs")),
    *(f"tray_app.app.{part}" for part in ("model_manager", "search_manager", "discovery", "tuning")),
    *("tray_app.chats", "tray_app.search", "numpy", "pyqtgraph", "PySide6.QtSvg"),
}
_OF_DOWNLOADS = {"requests", "urllib3", "charset_normalizer"}
_OF_AN_INSTALLATION = {"tray_app.engine.builds.installing", "tray_app.engine.builds.proof", "tarfile"}
_OF_CHANGED_SETTINGS = {"tomlkit"}


class TrayProcess:
    """The running app: what to show, what was wished."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def show(self, name: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()

    def wait_for(self, line: str) -> None:
        """Until this wish has reached the app; the timeout of the test is the limit."""
        assert self.process.stdout is not None
        for told in self.process.stdout:
            if told.strip() == line:
                return
        raise AssertionError(f"The app ended without {line!r}")

    def ends_with(self) -> int:
        return self.process.wait(_END_TIMEOUT_S)


@contextmanager
def tray_app(
    made: Desktop, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[TrayProcess]:
    variables = [f"{name}={value}" for name, value in (environ or {}).items()]
    command = ["env", *variables, sys.executable, "-m", "tests.fakes.tray_process", *arguments]
    with made.start(*command) as process:
        yield TrayProcess(process)


def windows(made: Desktop, title: str) -> None:
    """Until a window with this title is on the screen."""
    made.run("xdotool", "search", "--sync", "--onlyvisible", "--name", title)


def give_keyboard(made: Desktop, title: str) -> None:
    """Until a window with this title has the keyboard. Asked for again, as nothing happens before the window
    manager has taken charge of the window.
    """
    found, tick = ("xdotool", "search", "--onlyvisible", "--name", title), threading.Event()
    while made.run("xdotool", "getwindowfocus").strip() not in made.run(*found).split():
        made.run(*found, "windowactivate")
        tick.wait(0.05)


def test_a_person_reads_and_clicks_the_tray_menu(real_desktop: Desktop) -> None:
    with real_desktop.tray_host() as host, tray_app(real_desktop) as app:
        host.wait_for_item()
        assert list(host.menu()) == [
            "Stopped — Bamboo 7B Q4_0",
            "Open Chat",
            "Open Embeddings",
            "Open Window",
            "Start Server",
            "Models",
            "Settings…",
            "Launch at Login",
            "About",
            "Quit",
        ]
        assert host.tooltip() == "Stopped — Bamboo 7B Q4_0"
        stopped = host.icons()

        host.click("Start Server")
        app.wait_for("start_server")
        app.show("loading")
        host.wait_until(lambda panel: next(iter(panel.menu())).startswith("Loading Bamboo 7B Q4_0 … "))
        app.show("ready")
        ready = "Ready — Bamboo 7B Q4_0 · http://127.0.0.1:8080/v1"
        host.wait_until(lambda panel: panel.tooltip() == ready)
        assert host.icons() != stopped
        assert list(host.menu())[1] == "Copy http://127.0.0.1:8080/v1"

        host.click("Stop Server")
        app.wait_for("stop_server")
        host.open_menu()
        app.wait_for("refresh_login")
        host.click("Launch at Login")
        app.wait_for("apply {'launch_at_login': True}")
        host.wait_until(lambda panel: panel.menu()["Launch at Login"].checked)

        host.click("Quit")
        app.wait_for("close 4.5")
        assert app.ends_with() == 0


def test_an_app_that_cannot_start_says_why_in_a_window(real_desktop: Desktop, tmp_path: Path) -> None:
    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    home = f"{HOME_VARIABLE}={in_the_way / 'home'}"
    with real_desktop.start("env", home, sys.executable, "-m", "tray_app") as app:
        windows(real_desktop, "PowerInfer Tray")
        photograph(real_desktop, ARTIFACTS / "desktop-cannot-start.png")
        real_desktop.run("xdotool", "key", "Return")

        assert app.wait(_END_TIMEOUT_S) == 1


def test_what_nobody_has_asked_for_is_not_in_memory(real_desktop: Desktop, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    settings = f'port = {free_port()}\nmodel = "test"\nstart_server_with_app = true\n'
    (home / "settings.toml").write_text(settings, encoding="utf-8")
    program = ["env", f"{HOME_VARIABLE}={home}", sys.executable, "-c", _TELL_MODULES, "--background"]
    with real_desktop.tray_host() as host, real_desktop.start(*program) as app:
        host.wait_for_item()
        host.wait_until(lambda panel: panel.tooltip().startswith("Ready"))
        host.click("Quit")
        assert app.stdout is not None
        loaded = set(app.stdout.read().splitlines())

    assert {"aiohttp", "tray_app.ui.tray"} <= loaded
    assert loaded & (_OF_A_WINDOW | _OF_DOWNLOADS | _OF_AN_INSTALLATION | _OF_CHANGED_SETTINGS) == set()


def test_a_model_is_chosen_and_started_in_the_menu_of_the_panel(real_desktop: Desktop) -> None:
    with real_desktop.tray_host() as host, tray_app(real_desktop) as app:
        host.wait_for_item()
        host.wait_until(lambda panel: len(panel.menu()["Models"].below) == 3)
        models = host.menu()["Models"].below
        assert [(e.label, e.checked) for e in models.values()] == [
            ("Bamboo 7B Q4_0 — chosen", False),
            ("Built-in test model", False),
            ("More Models…", False),
        ]

        host.click("Models", "Built-in test model")
        app.wait_for("apply {'model': 'test'}")
        app.wait_for("start_server")
        host.click("Models", "More Models…")
        windows(real_desktop, "^PowerInfer Tray")


def test_a_download_is_paused_and_resumed_from_the_menu(real_desktop: Desktop) -> None:
    with real_desktop.tray_host() as host, tray_app(real_desktop) as app:
        host.wait_for_item()
        app.show("ready and downloading")
        line = "Downloading tiny.gguf — 43 % · 12.3 MB/s · 3 min left"
        host.wait_until(lambda panel: line in panel.menu())

        host.click("Pause Download")
        app.wait_for("pause 1")
        app.show("paused")
        host.wait_until(lambda panel: "Resume Download" in panel.menu())
        host.click("Resume Download")
        app.wait_for("resume 1")


def test_the_end_of_a_download_is_told_by_a_notice_that_leads_to_its_page(real_desktop: Desktop) -> None:
    with real_desktop.tray_host() as host, tray_app(real_desktop) as app:
        host.wait_for_item()
        app.show("downloading")
        app.show("downloaded")

        notice = host.wait_for_notice()
        assert (notice.title, notice.text) == ("Download finished", "tiny.gguf")
        host.click_notice()
        windows(real_desktop, "^PowerInfer Tray")


def test_windows_open_from_the_menu_and_by_a_click_on_the_icon(real_desktop: Desktop) -> None:
    with real_desktop.tray_host() as host, tray_app(real_desktop, "--background") as app:
        host.wait_for_item()
        host.click("Settings…")
        windows(real_desktop, "^Settings")
        host.activate()
        windows(real_desktop, "^PowerInfer Tray")
        host.click("Open Embeddings")
        app.show("ready")
        host.wait_until(lambda panel: "Stop Server" in panel.menu())
        photograph(real_desktop, ARTIFACTS / "desktop-windows.png")

        host.click("Quit")
        assert app.ends_with() == 0


def test_the_old_kind_of_panel_shows_the_icon_and_its_menu(real_desktop: Desktop) -> None:
    with real_desktop.trayer(), tray_app(real_desktop) as app:
        icon = real_desktop.run(
            "xdotool", "search", "--sync", "--onlyvisible", "--class", "powerinfer-tray"
        ).split()[0]
        app.show("ready and downloading")
        real_desktop.run("xdotool", "mousemove", "--sync", "--window", icon, "10", "10")
        real_desktop.run("xdotool", "click", "3")
        windows(real_desktop, "^Tray menu")
        photograph(real_desktop, ARTIFACTS / "desktop-tray-menu.png")

        real_desktop.run("xdotool", "key", "Up", "Return")
        app.wait_for("close 4.5")
        assert app.ends_with() == 0


def test_without_a_tray_the_window_opens_and_says_so(real_desktop: Desktop) -> None:
    with tray_app(real_desktop) as app:
        windows(real_desktop, "^PowerInfer Tray")
        photograph(real_desktop, ARTIFACTS / "desktop-without-tray.png")

        give_keyboard(real_desktop, "^PowerInfer Tray")
        real_desktop.run("xdotool", "key", "alt+F4")

        app.wait_for("close 4.5")
        assert app.ends_with() == 0


def test_a_panel_that_is_started_anew_gets_the_icon_again(real_desktop: Desktop) -> None:
    with tray_app(real_desktop, "--background") as app:
        with real_desktop.tray_host() as host:
            host.wait_for_item()
        with real_desktop.tray_host() as host:
            host.wait_for_item()
            app.show("ready")
            host.wait_until(lambda panel: panel.tooltip().startswith("Ready"))
            host.click("Quit")
            assert app.ends_with() == 0


def test_everything_is_on_the_screen_at_twice_the_scale(real_desktop: Desktop) -> None:
    with (
        real_desktop.tray_host() as host,
        tray_app(real_desktop, "--background", environ={"QT_SCALE_FACTOR": "2"}) as app,
    ):
        host.wait_for_item()
        app.show("ready")
        for entry, title in (("Settings…", "^Settings"), ("Open Window", "^PowerInfer Tray")):
            host.click(entry)
            windows(real_desktop, title)
            photograph(real_desktop, ARTIFACTS / f"desktop-scale-2-{title[1:4].lower()}.png")
            size = real_desktop.run("xdotool", "search", "--name", title, "getwindowgeometry", "--shell")
            geometry = dict(line.split("=") for line in size.split())
            assert (int(geometry["WIDTH"]) <= 1280, int(geometry["HEIGHT"]) <= 900) == (True, True)
        host.click("Quit")
        assert app.ends_with() == 0


def test_a_tray_that_appears_later_is_used(real_desktop: Desktop) -> None:
    with tray_app(real_desktop) as app:
        windows(real_desktop, "^PowerInfer Tray")
        with real_desktop.tray_host() as host:
            host.wait_for_item()
            host.click("Quit")
            assert app.ends_with() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_app_as_quit_does(real_desktop: Desktop, number: signal.Signals) -> None:
    with real_desktop.tray_host() as host, tray_app(real_desktop) as app:
        host.wait_for_item()
        app.process.send_signal(number)

        app.wait_for("close 4.5")
        assert app.ends_with() == 0
