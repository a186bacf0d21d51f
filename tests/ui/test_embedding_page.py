from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from tests.fakes.app import DIMENSIONS, make_status
from tray_app.engine.lifecycle import State
from tray_app.errors import GatewayError
from tray_app.ui.pages.embedding import EmbeddingPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge

TEXTS = ("The quick brown fox jumps over the lazy dog.", "Der schnelle braune Fuchs", "素早い茶色の狐")


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> EmbeddingPage:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    made = EmbeddingPage(bridge)
    qtbot.addWidget(made)
    made.texts.setPlainText("\n".join(TEXTS))
    return made


def embed(qtbot: QtBot, page: EmbeddingPage) -> None:
    page.embed_button.click()
    qtbot.waitUntil(page.embed_button.isEnabled)


def test_each_line_is_embedded_and_its_numbers_are_shown(
    qtbot: QtBot, page: EmbeddingPage, fake: FakeApp
) -> None:
    embed(qtbot, page)

    assert fake.calls == [("embed", TEXTS)]
    assert page.summary.text() == f"3 texts · {DIMENSIONS} dimensions · 14 tokens · 3.5 ms per text"
    model = page.table.model()
    assert [model.index(row, 0).data() for row in range(3)] == list(TEXTS)
    assert {model.index(row, 1).data() for row in range(3)} == {"1.0000"}


def test_ctrl_enter_embeds(qtbot: QtBot, page: EmbeddingPage, fake: FakeApp) -> None:
    page.show()
    page.texts.setFocus()
    with qtbot.waitActive(page):
        page.activateWindow()
    QTest.keyClick(page.texts, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    qtbot.waitUntil(lambda: fake.calls == [("embed", TEXTS)])
    qtbot.waitUntil(page.embed_button.isEnabled)


def test_the_first_vector_is_plotted_then_the_one_that_is_selected(qtbot: QtBot, page: EmbeddingPage) -> None:
    embed(qtbot, page)
    assert page.plot is not None
    first = page.plot.accessibleDescription()

    page.table.selectRow(2)

    assert first.startswith(f"{DIMENSIONS} values from ")
    assert page.plot.accessibleDescription() != first


def test_the_pointer_reads_a_value_off_the_plot(qtbot: QtBot, page: EmbeddingPage) -> None:
    page.resize(700, 700)
    page.show()
    embed(qtbot, page)
    assert page.plot is not None
    view = page.plot.getPlotItem().getViewBox()

    page.plot.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(5.2, 0)))
    assert page.hover.text().startswith("Dimension 5: ")

    page.plot.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(-20, 0)))
    assert page.hover.text() == ""


def test_an_error_is_shown_in_place_and_the_texts_stay(
    qtbot: QtBot, page: EmbeddingPage, fake: FakeApp
) -> None:
    fake.refuse("embed", GatewayError("The server refused the text", "It has 600 tokens; 512 fit.", ""))

    embed(qtbot, page)

    assert page.card.accessibleName() == "The server refused the text"
    assert page.texts.toPlainText() == "\n".join(TEXTS)


def test_a_stopped_server_can_be_started_from_here(
    qtbot: QtBot, page: EmbeddingPage, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.STOPPED))
    assert not page.embed_button.isEnabled()
    assert page.waiting.text() == "The server must run first."

    page.start_button.click()

    qtbot.waitUntil(lambda: fake.calls == [("start_server",)])


def test_blank_lines_are_no_texts(page: EmbeddingPage) -> None:
    page.texts.setPlainText("\n  \n")

    assert not page.embed_button.isEnabled()
    assert page.waiting.text() == "Type a text first."


def test_the_plot_library_is_not_loaded_before_there_is_something_to_plot() -> None:
    code = (
        "import sys, tray_app.ui.application; sys.exit('pyqtgraph' in sys.modules or 'numpy' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_pictures_of_the_page(
    qtbot: QtBot, page: EmbeddingPage, photograph: Callable[[QWidget, str], None]
) -> None:
    page.resize(700, 700)
    page.show()
    embed(qtbot, page)
    assert page.plot is not None
    plot = page.plot
    qtbot.waitUntil(lambda: plot.y() > page.table.y() > 0)  # laid out
    plot.scene().sigMouseMoved.emit(plot.getPlotItem().getViewBox().mapViewToScene(QPointF(12, 0)))
    photograph(page, "embedding")
