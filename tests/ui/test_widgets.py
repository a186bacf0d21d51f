from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QAccessible, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget
from shiboken6 import isValid

from tray_app.errors import AppError, ErrorCode
from tray_app.ui.style import colors
from tray_app.ui.widgets import basic
from tray_app.ui.widgets.badge import Badge
from tray_app.ui.widgets.basic import bring_into_view
from tray_app.ui.widgets.cards import MessageCard
from tray_app.ui.widgets.file_dialogs import ask_where_to_save
from tray_app.ui.widgets.labels import ElidedLabel, explain, small_label, text_label

if TYPE_CHECKING:
    from PySide6.QtGui import QColor
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tray_app.ui.look import Look

LONG = "The other files of a split model are included. " * 4
READABLE = 4.5
"""The contrast that WCAG 2.2 asks for, level AA."""


def shown(qtbot: QtBot, label: QLabel, width: int) -> QWidget:
    """A window of that width, with nothing but the label in it."""
    window = QWidget()
    qtbot.addWidget(window)
    column = QVBoxLayout(window)
    column.addWidget(label)
    column.addStretch()
    window.resize(width, 600)
    with qtbot.waitExposed(window):
        window.show()
    return window


@pytest.mark.parametrize("width", [150, 300, 900])
def test_a_label_is_as_high_as_its_lines(qtbot: QtBot, width: int) -> None:
    label = text_label(LONG)

    window = shown(qtbot, label, width)

    assert window.isVisible()
    assert label.height() == label.heightForWidth(label.width())


@pytest.mark.usefixtures("look")
def test_a_quiet_label_can_be_read_in_both_looks(qtbot: QtBot, qapp: QApplication) -> None:
    label = small_label("at most 4.70 GB")
    window = shown(qtbot, label, 300)

    text, ground = (
        label.palette().color(label.foregroundRole()),
        window.palette().color(label.backgroundRole()),
    )

    assert (
        READABLE
        < contrast(text, ground)
        < contrast(qapp.palette().color(QPalette.ColorRole.WindowText), ground)
    )


def test_a_quiet_label_follows_the_change_between_light_and_dark(qtbot: QtBot, worn: Look) -> None:
    label = small_label("at most 4.70 GB")
    window = shown(qtbot, label, 300)

    for dark in (True, False):
        worn.wear(dark=dark)

        assert label.palette().color(label.foregroundRole()) == colors(window.palette()).secondary


def test_a_screen_reader_says_a_message_once_and_not_each_percent(qtbot: QtBot, said: list[str]) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    card = MessageCard()
    card.setParent(window)
    card.show_error(AppError(ErrorCode.DISK_FULL, "The disk is full", "It has 0 B left.", "Free some space."))
    assert said == []  # as long as nobody can see it
    card.clear()

    window.show()
    for percent in (0, 1, 2):
        card.show_message("Verifying", f"{percent} %")
    card.show_error(AppError(ErrorCode.DISK_FULL, "The disk is full", "It has 0 B left.", "Free some space."))

    assert said == ["Verifying\n0 %", "The disk is full\nIt has 0 B left.\nFree some space."]


@pytest.mark.parametrize("points", [8, 9, 10, 11, 12, 13])
def test_a_badge_with_the_room_that_it_asks_for_shows_the_whole_word(qtbot: QtBot, points: int) -> None:
    """Letters are as wide as fractions of a pixel."""
    for word in ("Ready", "Fits", "Embedding", "Q4_K_M", "Not used", "Default", "Sparse", "準備完了"):
        badge = Badge()
        qtbot.addWidget(badge)
        badge.setFont(QFont(badge.font().family(), points))
        badge.show_word(word)
        badge.resize(badge.sizeHint())
        badge.show()

        assert badge.toolTip() == "", word  # what is cut short has one


@pytest.mark.parametrize(("form", "ending"), [(None, ".json"), ("Table (*.csv)", ".csv")])
def test_a_file_gets_the_ending_of_its_form_and_the_dialog_goes(
    qtbot: QtBot, tmp_path: Path, form: str | None, ending: str
) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    chosen: list[Path] = []
    ask_where_to_save(window, "Save", ["Texts (*.json)", "Table (*.csv)"], chosen.append)
    (dialog,) = window.findChildren(QFileDialog)
    if form:
        dialog.filterSelected.emit(form)

    dialog.selectFile(str(tmp_path / "results"))
    dialog.accept()

    assert chosen == [tmp_path / f"results{ending}"]
    qtbot.waitUntil(lambda: not window.findChildren(QFileDialog))


def contrast(text: QColor, ground: QColor) -> float:
    """As WCAG defines it, from 1 to 21."""
    share = text.alphaF()
    seen = [share * one + (1 - share) * two for one, two in zip(rgb(text), rgb(ground), strict=True)]
    light, dark = sorted((luminance(seen), luminance(rgb(ground))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def rgb(color: QColor) -> list[float]:
    return [color.redF(), color.greenF(), color.blueF()]


def luminance(parts: list[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_window_that_goes_leaves_the_screen_to_the_others(qapp: QApplication) -> None:
    window = QWidget()
    bring_into_view(window)
    window.show()
    del window
    gc.collect()

    assert all(isValid(screen) for screen in QGuiApplication.screens())
    assert QGuiApplication.primaryScreen().availableGeometry().isValid()
    assert qapp.screenAt(QGuiApplication.primaryScreen().geometry().center()) is not None


@pytest.mark.parametrize("question", ["screen", "nextInFocusChain", "previousInFocusChain"])
def test_no_widget_is_asked_what_pyside_takes_for_its_own_afterwards(question: str) -> None:
    """A screen is deleted with the window that was asked for it, and the next window ends the process.

    What comes after a widget by the Tab key is forgotten with that widget, and so are its children and menus.
    """
    sources = [
        file.read_text(encoding="utf-8") for file in sorted(Path(basic.__file__).parents[1].rglob("*.py"))
    ]

    assert not [text for text in sources if re.search(rf"^[^#]*\w\.{question}\(\)", text, re.MULTILINE)]


WORDS = [f"{sign} {word}" for word in ("実行可能", "Fits", "Ne tient pas", "wifi: ill") for sign in "●○◐▲"]


def test_a_line_that_has_the_room_it_asks_for_is_not_cut_short(qtbot: QtBot, worn: Look) -> None:
    assert worn
    badge, line = Badge(), ElidedLabel()
    cut: list[str] = []
    for widget in (badge, line):
        qtbot.addWidget(widget)
        widget.show()
    for word in WORDS:
        for point_size in (9, 10, 11, 13):
            for widget in (badge, line):
                font = widget.font()
                font.setPointSize(point_size)
                widget.setFont(font)
            badge.show_word(word)
            line.show_text(word)
            badge.resize(badge.sizeHint())
            line.resize(line.sizeHint())
            cut += [badge.toolTip(), line.toolTip()]

    assert not any(cut)


def test_a_screen_reader_reads_an_explanation_and_not_its_html(qtbot: QtBot) -> None:
    label = QLabel("x")
    qtbot.addWidget(label)

    explain(label, "a < b\nc")

    assert label.toolTip() == "<qt>a &lt; b<br>c</qt>"
    tree = QAccessible.queryAccessibleInterface(label)
    assert tree.text(QAccessible.Text.Description) == "a < b\nc"
