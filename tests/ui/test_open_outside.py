"""Pages, files and folders that other programs open."""

from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from tray_app.ui.open_outside import open_page, open_path

FILE = Path("/home/zoe/Mes œuvres/<b>notes</b>.md")


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    return window


def test_what_the_system_opens_needs_no_words(window: QWidget, outside: list[QUrl]) -> None:
    open_page(window, "https://example.org/a?b=é")
    open_path(window, FILE)
    assert outside == [QUrl("https://example.org/a?b=é"), QUrl.fromLocalFile(str(FILE))]
    assert not window.findChildren(QMessageBox)


@pytest.mark.parametrize(
    ("what", "shown"),
    [("https://exämple.org/a b", "https://xn--exmple-cua.org/a%20b"), (FILE, str(FILE))],
    ids=["page", "file"],
)
def test_what_no_program_opens_is_shown_and_can_be_copied(
    window: QWidget, monkeypatch: pytest.MonkeyPatch, what: str | Path, shown: str
) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda _: False)
    if isinstance(what, Path):
        open_path(window, what)
    else:
        open_page(window, what)
    box = window.findChild(QMessageBox)
    assert box
    assert shown in box.informativeText()
    buttons = {button.text(): button for button in box.findChildren(QPushButton)}
    buttons["Copy &Path" if what is FILE else "Copy &Link"].click()
    assert QGuiApplication.clipboard().text() == shown
