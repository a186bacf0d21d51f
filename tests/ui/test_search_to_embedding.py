"""With the real app, a hub that answers as the real one, and a real engine: nothing is typed but a word."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tests.fakes.hub import FakeHub
from tray_app.app.root import App
from tray_app.engine.lifecycle import State
from tray_app.models.found.found_model import OtherApp
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths, resources
from tray_app.system.ports import free_port
from tray_app.ui.bridge import Bridge
from tray_app.ui.pages.models import ModelsPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

DEADLINE_MS = 60_000
CONTENT = (resources() / "test-model" / "test.gguf").read_bytes()


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as made:
        made.add("owner/Tiny-GGUF", {"Tiny-F16.gguf": CONTENT, "Tiny-Q8_0.gguf": CONTENT}, downloads=12)
        yield made


@pytest.fixture
def app(hub: FakeHub) -> Iterator[App]:
    made = App(
        AppPaths.from_environment(os.environ),
        detect_host(),
        {"port": free_port(), "hf_endpoint": hub.base_url},
    )
    yield made
    made.close()


@pytest.fixture
def models(qtbot: QtBot, qapp: QApplication, app: App) -> Iterator[ModelsPage]:  # noqa: ARG001
    bridge = Bridge(app)
    page = ModelsPage(bridge)
    qtbot.addWidget(page)
    page.resize(900, 600)
    page.show()
    yield page
    bridge.close(timeout_s=20)


def wait(qtbot: QtBot, until: Callable[[], bool]) -> None:
    qtbot.waitUntil(until, timeout=DEADLINE_MS)


def test_a_model_that_was_searched_for_answers(qtbot: QtBot, app: App, models: ModelsPage) -> None:
    panel = models.discover
    models.setCurrentWidget(panel)
    QTest.keyClicks(panel.field, "tiny")
    QTest.keyClick(panel.field, Qt.Key.Key_Return)
    wait(qtbot, lambda: "owner/Tiny-GGUF" in panel.rows.rows.keys)

    panel.rows.press("owner/Tiny-GGUF")
    wait(qtbot, lambda: panel.best.row is not None)
    assert panel.best.row
    assert panel.best.row.verdict
    assert (panel.best.row.title, panel.best.row.verdict.text) == ("Q8_0", "Fits")

    panel.best.button.click()
    wait(qtbot, lambda: panel.best.button.text() == "Load")
    assert (app.models_folder / "Tiny-Q8_0.gguf").read_bytes() == CONTENT

    panel.best.button.click()
    wait(qtbot, lambda: app.status().engine.state is State.READY)
    assert app.client.embed(["A fox jumps over a dog."]).dimensions == 64


def test_a_model_of_another_app_is_listed_from_where_it_is(
    qtbot: QtBot, app: App, models: ModelsPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    theirs = tmp_path / ".lmstudio" / "models" / "owner" / "Tiny-GGUF" / "Tiny-Q8_0.gguf"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(CONTENT)
    models.setCurrentWidget(models.found)
    wait(qtbot, lambda: str(theirs) in models.found.rows.rows.keys)
    assert models.found.rows.rows.item(str(theirs)).chips == (str(OtherApp.LM_STUDIO),)

    models.found.rows.press(str(theirs))
    wait(qtbot, lambda: models.found.found == ())
    (adopted,) = (model for model in app.library.contents().models if model.app)
    assert adopted.path == theirs
    assert not any(app.models_folder.glob("*.gguf"))
