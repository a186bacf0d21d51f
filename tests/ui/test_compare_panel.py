from __future__ import annotations

import subprocess
import sys
import weakref
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea

from tests.fakes.app import DIMENSIONS, FakeApp, make_status
from tests.fakes.bridges import settle
from tests.ui.conftest import dark_palette
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, GatewayError
from tray_app.ui.pages.compare import ComparePanel
from tray_app.ui.widgets.heat_map import HeatMap, _CellValues, nearest_pair, similarities
from tray_app.ui.window import USUAL_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tray_app.gateway.public_client import Embeddings
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.look import Look

TEXTS = ("The quick brown fox jumps over the lazy dog.", "Der schnelle braune Fuchs", "素早い茶色の狐")


@pytest.fixture
def page(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> ComparePanel:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    made = ComparePanel(bridge)
    qtbot.addWidget(made)
    made.texts.setPlainText("\n".join(TEXTS))
    return made


def embed(qtbot: QtBot, page: ComparePanel) -> None:
    page.embed_button.click()
    qtbot.waitUntil(page.embed_button.isEnabled)


def test_each_line_is_embedded_and_its_numbers_are_shown(
    qtbot: QtBot, page: ComparePanel, fake: FakeApp
) -> None:
    embed(qtbot, page)

    assert fake.calls == [("embed", TEXTS)]
    assert page.results.summary.text() == f"3 texts · {DIMENSIONS} dimensions · 14 tokens · 3.5 ms per text"
    model = page.results.vectors.table.model()
    assert [model.index(row, 1).data() for row in range(3)] == list(TEXTS)
    assert {model.index(row, 2).data() for row in range(3)} == {"1.0000"}


def test_a_screen_reader_says_what_came_back(qtbot: QtBot, page: ComparePanel, said: list[str]) -> None:
    page.show()

    embed(qtbot, page)

    assert said == [page.results.summary.text()]


def test_ctrl_enter_embeds(qtbot: QtBot, page: ComparePanel, fake: FakeApp) -> None:
    page.show()
    page.texts.setFocus()
    with qtbot.waitActive(page):
        page.activateWindow()
    QTest.keyClick(page.texts, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    qtbot.waitUntil(lambda: fake.calls == [("embed", TEXTS)])
    qtbot.waitUntil(page.embed_button.isEnabled)


def test_the_first_vector_is_plotted_then_the_one_that_is_selected(qtbot: QtBot, page: ComparePanel) -> None:
    embed(qtbot, page)
    assert page.results.vectors.plot is not None
    first = page.results.vectors.plot.accessibleDescription()

    page.results.vectors.table.selectRow(2)

    assert first.startswith(f"{DIMENSIONS} values from ")
    assert page.results.vectors.plot.accessibleDescription() != first


def test_the_pointer_reads_a_value_off_the_plot(qtbot: QtBot, page: ComparePanel) -> None:
    page.resize(700, 700)
    page.show()
    embed(qtbot, page)
    page.results.tabs.setCurrentWidget(page.results.vectors)
    assert page.results.vectors.plot is not None
    view = page.results.vectors.plot.getPlotItem().getViewBox()

    page.results.vectors.plot.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(5.2, 0)))
    assert page.results.hover.text().startswith("Dimension 5: ")

    page.results.vectors.plot.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(-20, 0)))
    assert page.results.hover.text() == ""


def test_an_error_is_shown_in_place_and_the_texts_stay(
    qtbot: QtBot, page: ComparePanel, fake: FakeApp
) -> None:
    fake.refuse(
        "embed",
        GatewayError(
            ErrorCode.REQUEST_REFUSED,
            "The server refused the text",
            "It has 600 tokens; 512 fit.",
            "",
        ),
    )

    embed(qtbot, page)

    assert page.card.accessibleName() == "The server refused the text"
    assert page.texts.toPlainText() == "\n".join(TEXTS)


def test_a_stopped_server_can_be_started_from_here(
    qtbot: QtBot, page: ComparePanel, bridge: Bridge, fake: FakeApp
) -> None:
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.STOPPED))
    assert not page.embed_button.isEnabled()
    assert page.server.words.text() == "The server must run first."

    page.server.button.click()

    qtbot.waitUntil(lambda: fake.calls == [("start_server",)])


def test_blank_lines_are_no_texts(page: ComparePanel) -> None:
    page.texts.setPlainText("\n  \n")

    assert not page.embed_button.isEnabled()
    assert page.waiting.text() == "Type a text first."


def test_the_plot_library_is_not_loaded_before_there_is_something_to_plot() -> None:
    code = (
        "import sys, tray_app.ui.application; sys.exit('pyqtgraph' in sys.modules or 'numpy' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_many_texts_go_in_several_requests_and_come_back_as_one_result(
    qtbot: QtBot, page: ComparePanel, fake: FakeApp
) -> None:
    page.texts.setPlainText("\n".join(f"text {number}" for number in range(20)))

    embed(qtbot, page)

    assert [len(call[1]) for call in fake.calls] == [16, 4]
    assert page.results.vectors.table.rowCount() == 20
    assert page.results.summary.text().startswith("20 texts · ")


def test_cancel_works_at_once_and_sends_no_more(
    qtbot: QtBot, bridge: Bridge, page: ComparePanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked = Event(), Event()

    def embed_slowly(texts: tuple[str, ...]) -> Embeddings:
        asked.set()
        answer.wait(10)
        return FakeApp.embed(fake, texts)

    monkeypatch.setattr(fake, "embed", embed_slowly)
    page.texts.setPlainText("\n".join(f"text {number}" for number in range(40)))
    page.embed_button.click()
    assert asked.wait(10)
    assert not page.embed_button.isEnabled()

    page.cancel_button.click()

    assert page.embed_button.isEnabled()
    assert page.cancel_button.isHidden()
    answer.set()
    settle(qtbot, bridge)
    assert len(fake.calls) == 1
    assert page.results.isHidden()


def test_another_language_keeps_what_is_being_embedded(
    qtbot: QtBot, bridge: Bridge, page: ComparePanel, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Event()

    def embed_slowly(texts: tuple[str, ...]) -> Embeddings:
        answer.wait(10)
        return FakeApp.embed(fake, texts)

    monkeypatch.setattr(fake, "embed", embed_slowly)
    page.embed_button.click()
    new = ComparePanel(bridge)
    qtbot.addWidget(new)

    new.take_over(page)
    assert not new.cancel_button.isHidden()
    page.texts.setPlainText("what is not asked")
    answer.set()
    settle(qtbot, bridge)

    assert new.results.vectors.table.rowCount() == len(TEXTS)
    assert new.embed_button.isEnabled()
    assert page.results.isHidden()


def test_a_file_that_is_dropped_becomes_texts(qtbot: QtBot, page: ComparePanel, tmp_path: Path) -> None:
    path = tmp_path / "texts ü.txt"
    path.write_text("eins\n素早い\n", "utf-8-sig")
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(path))])

    assert page.texts.canInsertFromMimeData(dropped)
    event = QDropEvent(
        QPointF(9, 9),
        Qt.DropAction.CopyAction | Qt.DropAction.MoveAction,
        dropped,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.ShiftModifier,
    )
    event.setDropAction(Qt.DropAction.MoveAction)
    page.texts.dropEvent(event)

    qtbot.waitUntil(lambda: page.texts.toPlainText() == "eins\n素早い\n")
    assert event.dropAction() is Qt.DropAction.CopyAction  # the file stays where it is


def test_a_dropped_file_that_is_no_text_is_refused_and_the_texts_stay(
    qtbot: QtBot, page: ComparePanel, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\xff\xfe")
    dropped = QMimeData()
    dropped.setUrls([QUrl.fromLocalFile(str(path))])

    page.texts.insertFromMimeData(dropped)

    qtbot.waitUntil(lambda: "model.gguf" in page.card.accessibleName())
    assert page.texts.toPlainText() == "\n".join(TEXTS)


def test_two_or_more_texts_are_compared_and_one_is_not(qtbot: QtBot, page: ComparePanel) -> None:
    embed(qtbot, page)
    results = page.results
    assert [results.tabs.tabText(tab) for tab in range(2)] == ["Si&milarity", "Vect&or"]
    assert results.comparison is not None
    assert results.comparison.heat_map.accessibleDescription().startswith("The nearest of 3 texts are ")
    assert results.comparison.map.accessibleDescription() == "3 texts"

    page.texts.setPlainText("alone")
    embed(qtbot, page)
    assert not results.tabs.isTabVisible(0)
    assert results.vectors.isVisibleTo(results.tabs)


def test_the_pointer_reads_a_similarity_off_the_heat_map(qtbot: QtBot, page: ComparePanel) -> None:
    page.resize(700, 800)
    page.show()
    embed(qtbot, page)
    assert page.results.comparison is not None
    heat_map = page.results.comparison.heat_map
    view = heat_map._plot.getViewBox()

    heat_map.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(1.5, 1.5)))
    assert page.results.hover.text() == "Text 2 and text 2: 1.0000"

    heat_map.scene().sigMouseMoved.emit(view.mapViewToScene(QPointF(-0.2, 1.5)))
    assert page.results.hover.text() == ""


def test_similarity_is_the_cosine_and_a_text_is_not_its_own_neighbour() -> None:
    values = similarities([(1.0, 0.0), (3.0, 0.0), (0.0, -2.0), (-1.0, 0.0), (0.0, 0.0)])

    assert values[0].tolist() == [1.0, 1.0, 0.0, -1.0, 0.0]
    assert values[4].tolist() == [0.0] * 5
    assert nearest_pair(values) == (0, 1)


@pytest.mark.parametrize(("count", "dimensions"), [(2, 16), (200, 8192)])
def test_few_and_many_texts_of_few_and_many_dimensions_are_compared(
    qtbot: QtBot, count: int, dimensions: int
) -> None:
    heat_map = HeatMap()
    qtbot.addWidget(heat_map)
    vectors = np.random.default_rng(1).normal(size=(count, dimensions))

    heat_map.show_similarities(similarities(vectors.tolist()))
    heat_map.grab()

    assert heat_map._values.shape == (count, count)


def test_a_cell_carries_its_value_where_it_can_be_read(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, int]] = []
    monkeypatch.setattr(_CellValues, "_write", lambda _self, _painter, _where, *cell: written.append(cell))
    heat_map = HeatMap()
    qtbot.addWidget(heat_map)
    heat_map.resize(700, 400)
    heat_map.show()

    heat_map.show_similarities(np.eye(3))
    heat_map.grab()
    assert set(written) == {(row, column) for row in range(3) for column in range(3)}

    written.clear()
    heat_map.show_similarities(np.eye(200))
    heat_map.grab()
    assert written == []

    heat_map._plot.setRange(xRange=(10, 15), yRange=(50, 54), padding=0)  # as by zooming
    heat_map.grab()
    assert (50, 10) in written
    assert len(written) < 60


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("tab", [0, 1])
def test_a_plot_is_saved_as_a_picture(
    qtbot: QtBot, page: ComparePanel, tmp_path: Path, suffix: str, tab: int
) -> None:
    page.resize(700, 800)
    page.show()
    embed(qtbot, page)
    page.results.tabs.setCurrentIndex(tab)
    path = tmp_path / f"plot{suffix}"

    page.results.save_picture(path)

    qtbot.waitUntil(path.exists)
    picture = QImage(str(path))  # Qt reads both
    assert picture.width() > 300
    colors = {
        picture.pixel(x, y) for x in range(0, picture.width(), 5) for y in range(0, picture.height(), 5)
    }
    assert len(colors) > 3


def test_a_picture_that_cannot_be_saved_is_explained(
    qtbot: QtBot, page: ComparePanel, tmp_path: Path
) -> None:
    embed(qtbot, page)
    (tmp_path / "file").touch()

    page.results.save_picture(tmp_path / "file" / "plot.png")

    qtbot.waitUntil(lambda: page.card.accessibleName() == "plot.png could not be saved")


def test_plots_follow_a_change_between_light_and_dark(qtbot: QtBot, worn: Look, page: ComparePanel) -> None:
    page.show()
    embed(qtbot, page)
    assert page.results.comparison is not None
    plots = (page.results.vectors.plot, page.results.comparison.heat_map, page.results.comparison.map)

    worn.wear(dark=True)

    base = dark_palette().color(QPalette.ColorRole.Base)
    qtbot.waitUntil(lambda: all(plot.backgroundBrush().color() == base for plot in plots if plot))
    worn.wear(dark=False)


def test_a_closed_window_gives_its_plots_back_and_an_opened_one_draws_them_again(
    qtbot: QtBot, page: ComparePanel
) -> None:
    page.show()
    embed(qtbot, page)
    plot, comparison = weakref.ref(page.results.vectors.plot), weakref.ref(page.results.comparison)

    page.hide()

    qtbot.waitUntil(lambda: plot() is None and comparison() is None)
    page.show()
    assert page.results.vectors.plot is not None
    assert [page.results.tabs.tabText(tab) for tab in range(2)] == ["Si&milarity", "Vect&or"]


@pytest.mark.parametrize(
    ("entry", "begins"),
    [(0, '{\n "model": "bamboo"'), (1, "curl "), (2, "from openai"), (3, "var $client")],
)
def test_results_and_requests_are_copied(qtbot: QtBot, page: ComparePanel, entry: int, begins: str) -> None:
    embed(qtbot, page)

    page.results.copy_button.menu().actions()[entry].trigger()

    copied = QGuiApplication.clipboard().text()
    assert copied.startswith(begins)
    assert all(text in copied for text in TEXTS)


def test_results_are_saved_and_a_failure_is_explained_in_place(
    qtbot: QtBot, page: ComparePanel, tmp_path: Path
) -> None:
    embed(qtbot, page)

    page.results.save(tmp_path / "out.npy")
    qtbot.waitUntil((tmp_path / "out.npy").exists)
    assert np.load(tmp_path / "out.npy").shape == (3, DIMENSIONS)

    page.results.save(tmp_path / "out.xlsx")
    qtbot.waitUntil(lambda: page.card.accessibleName() == "Results cannot be saved as .xlsx")


def test_results_do_not_make_the_window_taller_than_a_small_screen(qtbot: QtBot, page: ComparePanel) -> None:
    page.resize(760, 420)
    page.show()

    embed(qtbot, page)

    qtbot.waitUntil(lambda: page.results.isVisible() and page.results.comparison is not None)
    assert page.height() == 420


def test_results_are_in_view_in_the_usual_window_and_can_be_scrolled_to_in_a_small_one(
    qtbot: QtBot, page: ComparePanel
) -> None:
    page.resize(USUAL_SIZE[0] - 200, USUAL_SIZE[1] - 50)  # beside the pages, below the tabs
    page.show()
    embed(qtbot, page)
    area = page.findChild(QScrollArea)
    assert area is not None
    qtbot.waitUntil(lambda: page.results.tabs.height() > 200)

    assert area.verticalScrollBar().maximum() == 0

    page.resize(760, 420)
    qtbot.waitUntil(lambda: area.verticalScrollBar().maximum() > 0)
    assert page.results.tabs.height() > 200


def test_five_texts_are_in_view_and_none_is_cut_in_half(qtbot: QtBot, page: ComparePanel) -> None:
    page.texts.setPlainText("\n".join("12345"))
    page.texts.setMaximumHeight(page.texts.minimumHeight())
    with qtbot.waitExposed(page):
        page.show()

    assert page.texts.verticalScrollBar().maximum() == 0


def test_pictures_of_the_page(
    qtbot: QtBot, page: ComparePanel, photograph: Callable[[QWidget, str], None]
) -> None:
    page.resize(760, 800)
    page.show()
    embed(qtbot, page)
    plot, comparison = page.results.vectors.plot, page.results.comparison
    assert plot is not None
    assert comparison is not None
    qtbot.waitUntil(lambda: comparison.height() > 200)  # laid out
    photograph(page, "compare")

    page.results.tabs.setCurrentWidget(page.results.vectors)
    qtbot.waitUntil(lambda: plot.height() > 100)
    plot.scene().sigMouseMoved.emit(plot.getPlotItem().getViewBox().mapViewToScene(QPointF(12, 0)))
    photograph(page, "compare-vector")
