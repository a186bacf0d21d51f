"""With the real app and engine: a folder is dropped, a question asked, the nearest passage comes first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest

pytest.importorskip("xllamacpp", reason="there is no wheel of xllamacpp for this platform")

from tests.fakes.bridges import settle
from tray_app.app.root import App
from tray_app.system.host import detect_host
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port
from tray_app.ui.bridge import Bridge
from tray_app.ui.pages.search import SearchPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tray_app.ui.look import Look

DEADLINE_MS = 60_000
NOTES = {
    "bread.md": "# Bread\n\nBread rises because yeast turns sugar into gas.",
    "travel.txt": "A passport has to be valid for six more months.\n\nThe ferry leaves at noon.",
    "animals.txt": "Cats sleep for most of the day.",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "Notes"
    made.mkdir()
    for name, text in NOTES.items():
        (made / name).write_text(text, encoding="utf-8")
    (made / "scan.pdf").write_bytes(b"%PDF-1.4 nothing more")
    return made


@pytest.fixture
def panel(qtbot: QtBot, worn: Look) -> Iterator[SearchPanel]:  # noqa: ARG001 - it shall look like the app
    app = App(AppPaths.from_environment(os.environ), detect_host(), {"port": free_port(), "model": "test"})
    bridge = Bridge(app)
    made = SearchPanel(bridge)
    qtbot.addWidget(made)
    made.resize(900, 620)
    made.show()
    settle(qtbot, bridge)
    yield made
    bridge.close(timeout_s=20)
    app.close()


def drop(panel: SearchPanel, path: Path) -> None:
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(path))])
    panel.dropEvent(
        QDropEvent(
            QPointF(9, 9),
            Qt.DropAction.CopyAction,
            files,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )


def test_a_dropped_folder_answers_a_question_with_its_nearest_passage(
    qtbot: QtBot, panel: SearchPanel, folder: Path, photograph: Callable[[QWidget, str], None]
) -> None:
    def rows() -> list[str]:
        return [row.text for row in panel.results.list.hits.rows]

    drop(panel, folder)  # the server is stopped: it is started for this
    qtbot.waitUntil(lambda: panel.news.outcome.text() != "", timeout=DEADLINE_MS)
    qtbot.waitUntil(panel.question.isVisible, timeout=DEADLINE_MS)
    assert panel.bar.names.currentText() == "Notes"
    assert panel.news.skipped.button.text() == "1 item was skipped"
    photograph(panel, "search-story-1-added")

    QTest.keyClicks(panel.question, "A passport has to be valid for six more months.")
    QTest.keyClick(panel.question, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(rows()), timeout=DEADLINE_MS)

    assert "passport" in rows()[0]
    first = panel.results.list.hits.rows[0]
    assert first.path == folder / "travel.txt"
    assert panel.results.map is not None
    assert panel.results.map._map.question is not None
    photograph(panel, "search-story-2-answer")
