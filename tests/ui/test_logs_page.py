from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from tray_app.ui.pages.logs import LogsPage
from tray_app.ui.presenters.logs import LogFilter, LogRow, LogSource, Severity
from tray_app.ui.widgets.log_table import LogTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtCore import QUrl
    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> LogsPage:
    fake.app_lines.add("Listening on port 8080", logging.INFO)
    fake.engine_lines.add("llama_model_load: error loading model")
    fake.engine_lines.add("n_ctx = 2048")
    made = LogsPage(bridge)
    qtbot.addWidget(made)
    made.resize(800, 500)
    made.show()
    return made


def shown(page: LogsPage) -> list[str]:
    return [row.text for row in page.rows.shown]


def test_what_was_said_before_someone_looked_is_there(page: LogsPage) -> None:
    assert shown(page) == ["Listening on port 8080", "llama_model_load: error loading model", "n_ctx = 2048"]
    assert page.count.text() == "3 lines"
    model = page.table.model()
    assert [model.index(1, column).data() for column in range(1, 4)] == [
        "Engine",
        "Error",
        "llama_model_load: error loading model",
    ]


def test_new_lines_appear_by_themselves_while_someone_looks(
    qtbot: QtBot, page: LogsPage, fake: FakeApp
) -> None:
    fake.engine_lines.add("ready")
    qtbot.waitUntil(lambda: shown(page)[-1] == "ready")

    page.hide()
    assert not page.clock.isActive()


def test_lines_are_filtered_by_words_level_and_origin(qtbot: QtBot, page: LogsPage, fake: FakeApp) -> None:
    page.search.setText("LOAD")
    qtbot.waitUntil(lambda: shown(page) == ["llama_model_load: error loading model"])
    assert page.count.text() == "1 of 3 lines"

    page.search.clear()
    page.level.setCurrentIndex(2)
    assert shown(page) == ["llama_model_load: error loading model"]

    page.level.setCurrentIndex(0)
    page.source.setCurrentIndex(1)
    assert shown(page) == ["Listening on port 8080"]

    fake.engine_lines.add("hidden")
    page.take()
    assert shown(page) == ["Listening on port 8080"]


def test_the_newest_line_is_followed_until_someone_scrolls_up(page: LogsPage, fake: FakeApp) -> None:
    bar = page.table.verticalScrollBar()
    for number in range(500):
        fake.engine_lines.add(str(number))
    page.take()
    assert bar.value() == bar.maximum() > 0

    bar.setValue(10)
    assert not page.follow.isChecked()
    fake.engine_lines.add("more")
    page.take()
    assert bar.value() == 10

    page.follow.click()
    assert bar.value() == bar.maximum()


def test_what_someone_reads_stays_where_it_is_while_old_lines_go(page: LogsPage, fake: FakeApp) -> None:
    page.rows._capacity = 500
    for number in range(500):
        fake.engine_lines.add(str(number))
    page.take()
    bar = page.table.verticalScrollBar()
    bar.setValue(100)
    reading = page.rows.shown[100]

    for number in range(30):
        fake.engine_lines.add(f"new {number}")
    page.take()

    assert page.rows.known_count == 500
    assert page.rows.shown[bar.value()] == reading


def test_the_selected_lines_are_copied_or_all(page: LogsPage) -> None:
    page.copy_button.click()
    assert len(QGuiApplication.clipboard().text().splitlines()) == 3

    page.table.selectRow(1)
    page.table.setFocus()
    QTest.keyClick(page.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)

    assert QGuiApplication.clipboard().text().endswith(" engine llama_model_load: error loading model")
    assert len(QGuiApplication.clipboard().text().splitlines()) == 1


def test_the_folder_of_the_logs_opens(page: LogsPage, tmp_path: Path, outside: list[QUrl]) -> None:
    page.folder_button.click()

    assert [url.toLocalFile() for url in outside] == [str(tmp_path / "logs")]


def test_diagnostics_go_to_the_clipboard_and_it_is_said(qtbot: QtBot, page: LogsPage) -> None:
    page.diagnostics_button.click()

    qtbot.waitUntil(page.card.isVisible)
    report = QGuiApplication.clipboard().text()
    assert report.startswith("PowerInfer Tray ")
    assert "n_ctx = 2048" in report


def test_a_long_log_is_taken_in_pieces_and_none_is_left_out(page: LogsPage, fake: FakeApp) -> None:
    for number in range(10_000):
        fake.engine_lines.add(str(number))

    page.take()
    first = page.rows.known_count
    for _ in range(8):
        page.take()

    assert first < 10_000
    assert shown(page)[3:] == [str(number) for number in range(10_000)]


def test_the_ring_forgets_the_oldest_lines_also_of_what_is_filtered() -> None:
    table = LogTable(capacity=3)
    table.set_filter(LogFilter(least=Severity.ERROR))

    def row(number: int, severity: Severity) -> LogRow:
        return LogRow(number, LogSource.APP, severity, str(number))

    assert table.append([row(1, Severity.ERROR), row(2, Severity.NORMAL)]) == 0
    assert table.append([row(3, Severity.ERROR), row(4, Severity.ERROR)]) == 1

    assert [one.text for one in table.shown] == ["3", "4"]
    assert table.known_count == 3


def test_pictures_of_the_page(
    qtbot: QtBot, page: LogsPage, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    for number in range(40):
        fake.engine_lines.add(f"slot update: id {number} | prompt processing, n_tokens = {number * 7}")
    fake.app_lines.add("The engine was restarted", logging.WARNING)
    page.take()
    qtbot.waitUntil(lambda: page.count.width() >= page.count.sizeHint().width())  # laid out
    photograph(page, "logs")
