"""The window with the real app and real engines: a model is loaded beside the chosen one, and unloaded."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tray_app.app.root import App
from tray_app.models.library import builtin_model
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port
from tray_app.ui.bridge import Bridge
from tray_app.ui.operations import load_model, load_or_unload
from tray_app.ui.pages.home import HomePage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

OTHER = "日本語 モデル"
DEADLINE_S = 60
DEADLINE_MS = 1000 * DEADLINE_S


@pytest.fixture
def app(private_home: Path) -> Iterator[App]:
    """An app with the test model chosen, and a second model in its folder."""
    (private_home / "models").mkdir()
    shutil.copy(builtin_model(), private_home / "models" / f"{OTHER}.gguf")
    made = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "test"})
    yield made
    made.close()


def test_a_model_is_loaded_beside_the_chosen_one_and_unloaded_on_the_page(
    qtbot: QtBot, qapp: object, app: App
) -> None:
    assert qapp
    bridge = Bridge(app)
    page = HomePage(bridge)
    qtbot.addWidget(page)
    page.show()
    other = app.library.find(OTHER).id

    load_model(app, app.library.find("test").id)  # the server is stopped: this starts it
    app.wait_until_ready(DEADLINE_S)
    load_or_unload(app, other)

    qtbot.waitUntil(lambda: page.server.headline.text() == "Ready: 2 models loaded", timeout=DEADLINE_MS)
    row = page.engines.rows[other]
    qtbot.waitUntil(lambda: "MiB · idle" in row.accessibleDescription(), timeout=DEADLINE_MS)
    assert page.memory_bars[0].accessibleDescription().startswith("Memory of all models: ")

    row.keep.trigger()
    qtbot.waitUntil(lambda: app.store.current.models.get(other) == {"keep_loaded": True}, timeout=DEADLINE_MS)
    qtbot.waitUntil(lambda: bridge.status.pool.others[0].kept, timeout=DEADLINE_MS)
    row.unload_button.click()

    qtbot.waitUntil(lambda: other not in page.engines.rows, timeout=DEADLINE_MS)
    assert page.server.headline.text().startswith("Ready — ")
    bridge.close(timeout_s=DEADLINE_S)


def test_the_chosen_model_can_sleep_while_another_one_answers(app: App) -> None:
    other = app.library.find(OTHER).id
    load_model(app, app.library.find("test").id)
    app.wait_until_ready(DEADLINE_S)
    load_model(app, other)

    load_or_unload(app, app.library.find("test").id)
    assert [each.model_id for each in app.status().pool.engines] == [other]
    load_or_unload(app, app.library.find("test").id)
    app.wait_until_ready(DEADLINE_S)
    assert len(app.status().pool.engines) == 2

    load_or_unload(app, other)
    assert len(app.status().pool.engines) == 1
