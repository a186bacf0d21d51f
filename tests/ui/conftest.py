"""What tests of the user interface share: a fake app behind a bridge, both looks, a place for pictures."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Logic needs no display; tests of the real desktop start one, and the app on it as a process of its own.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Tests read English, whatever the machine speaks.
os.environ["LC_ALL"] = "C.UTF-8"

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QAccessible, QDesktopServices
from PySide6.QtWidgets import QApplication

from tests.fakes.app import FakeApp
from tests.fakes.desktop import desktop, missing_programs
from tray_app.system.host import System
from tray_app.ui.bridge import Bridge
from tray_app.ui.languages import Languages
from tray_app.ui.look import Look
from tray_app.ui.pages.home import HomePage
from tray_app.ui.style import own_palette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtCore import QUrl
    from PySide6.QtGui import QPalette
    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.desktop import Desktop

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
SAID = QAccessible.Event.Announcement


@pytest.fixture(autouse=True, scope="module")
def what_other_files_left() -> None:
    """It stays, and nothing looks through it after each of these tests: that took longer than they do."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def collected_between_tests() -> Iterator[None]:
    """What a test leaves goes when it is over: Qt crashes if a window goes while it walks through them, or on
    another thread than its own. The app's windows would else be drawn anew, by the hundred, with each change
    between light and dark.
    """
    gc.disable()
    before = QApplication.topLevelWidgets()
    yield
    for window in QApplication.topLevelWidgets():
        if type(window).__module__.startswith("tray_app.") and window not in before:
            window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    gc.enable()


@pytest.fixture
def fake(tmp_path: Path) -> FakeApp:
    return FakeApp(folder=tmp_path)


@pytest.fixture
def bridge(worn: Look, fake: FakeApp) -> Iterator[Bridge]:  # noqa: ARG001 - Qt must run, and look like the app
    made = Bridge(fake)
    yield made
    made.close(timeout_s=5)


@pytest.fixture
def home_page(qtbot: QtBot, bridge: Bridge) -> HomePage:
    """The page Home by itself, shown."""
    made = HomePage(bridge)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture(scope="session")
def worn(qapp: QApplication) -> Look:
    """The app's own look, as on Linux."""
    return Look(qapp, System.LINUX)


@pytest.fixture(params=["light", "dark"])
def look(request: pytest.FixtureRequest, worn: Look) -> Iterator[str]:
    """Light and dark, one after the other."""
    name: str = request.param
    worn.wear(dark=name == "dark")
    yield name
    worn.wear(dark=False)


@pytest.fixture
def languages(qapp: QApplication) -> Iterator[Languages]:  # noqa: ARG001 - Qt must run
    """Makes Qt speak; English again when the test is over."""
    made = Languages()
    yield made
    made.use("en")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a screen reader that is running is asked to say."""
    words: list[str] = []
    monkeypatch.setattr(QAccessible, "isActive", lambda: True)
    monkeypatch.setattr(
        QAccessible,
        "updateAccessibility",
        lambda event: words.append(event.message()) if event.type() is SAID else None,
    )
    return words


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> list[QUrl]:
    """What the system was asked to open. It does."""
    opened: list[QUrl] = []

    def open_outside(url: QUrl) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_outside)
    return opened


@pytest.fixture
def photograph(look: str) -> Callable[[QWidget, str], None]:
    """Saves a picture of a widget in the look that the test has, for people to look at."""

    def save(widget: QWidget, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        QCoreApplication.processEvents()  # layouts catch up
        assert widget.grab().save(str(ARTIFACTS / f"{name}-{look}.png"))

    return save


@pytest.fixture
def real_desktop(tmp_path: Path) -> Iterator[Desktop]:
    """An X server, a window manager and a session bus of the test's own."""
    if missing := missing_programs():
        pytest.fail(f"Not installed: {', '.join(missing)}. python3 dev.py test installs what is missing.")
    with desktop(tmp_path) as made:
        yield made


def dark_palette() -> QPalette:
    """What the app wears on a dark desktop."""
    return own_palette(dark=True)
