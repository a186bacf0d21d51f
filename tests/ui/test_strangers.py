"""Walks every widget of the app with markup in every text of strangers: none is taken for rich text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PySide6.QtGui import QAction, QTextDocument
from PySide6.QtWidgets import QAbstractItemView, QLabel, QMessageBox, QTextEdit, QWidget

from tests.fakes.app import make_engine, make_model, make_plan, make_progress, make_snapshot, make_status
from tests.fakes.bridges import settle
from tests.fakes.models_shown import make_disk_use, make_space
from tests.fakes.strangers import CORPUS, harm_in
from tray_app.app.discovery import OfferedModel, RepositoryReport
from tray_app.download.address import Repository
from tray_app.download.progress import Phase
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode, ModelError
from tray_app.models.found.found_model import FoundModel, OtherApp
from tray_app.models.hub import HubFile, HubFiles, HubModel, HubQuantization, SearchPage
from tray_app.models.model import Unusable
from tray_app.models.model_files import Partial
from tray_app.phrases import phrase
from tray_app.settings.schema import Settings
from tray_app.ui import application as application_module
from tray_app.ui.application import show_failure
from tray_app.ui.dialogs.download import DownloadDialog
from tray_app.ui.dialogs.import_files import ImportDialog
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.menu import ModelChoice
from tray_app.ui.presenters.notices import Notice, Page
from tray_app.ui.tray import Tray
from tray_app.ui.widgets.labels import plain_tooltip
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtCore import QAbstractItemModel
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
    from tray_app.ui.bridge import Bridge

MARKUP = "<img src='x.png'><b>&lt;b"


def might_be_rich(text: str) -> bool:
    """Whether Qt may take a text for rich text: more often than its own function, which Python cannot ask."""
    return re.search(r"<[^>]*>|&lt;", text) is not None


def pictures_in(html: str) -> int:
    """How many pictures a text would make Qt open, if it is taken for rich text."""
    if not might_be_rich(html):
        return 0
    document = QTextDocument()
    document.setHtml(html)
    return document.toRawText().count("\ufffc")


def is_rich(label: QLabel) -> bool:
    automatic = label.textFormat() is Qt.TextFormat.AutoText and might_be_rich(label.text())
    return automatic or label.textFormat() in (Qt.TextFormat.RichText, Qt.TextFormat.MarkdownText)


def faults_of(top: QWidget) -> list[str]:
    """What of a window Qt would take for markup."""
    widgets = [top, *top.findChildren(QWidget)]
    found = [f"label {label.text()!r}" for label in widgets if isinstance(label, QLabel) and is_rich(label)]
    found += [f"editor {one}" for one in widgets if isinstance(one, QTextEdit) and one.acceptRichText()]
    tips = [one.toolTip() for one in widgets] + list(map(tip_of, top.findChildren(QAction)))
    for view in widgets:
        if isinstance(view, QAbstractItemView) and view.model():
            tips += [data for data in told_by(view.model()) if isinstance(data, str)]
    return found + [f"tooltip {tip!r}" for tip in tips if pictures_in(tip)]


def tip_of(action: QAction) -> str:
    """The tooltip that was given to an entry; without one, Qt names its text and shows nothing."""
    tip = action.toolTip()
    return "" if tip.replace("&", "") == action.text().replace("&", "") else tip


def told_by(model: QAbstractItemModel) -> Iterator[Any]:
    """What a table says in tooltips."""
    for row in range(model.rowCount(QModelIndex())):
        for column in range(model.columnCount() if isinstance(model, QAbstractTableModel) else 1):
            for role in (
                Qt.ItemDataRole.ToolTipRole,
                Qt.ItemDataRole.WhatsThisRole,
                Qt.ItemDataRole.StatusTipRole,
            ):
                yield model.index(row, column).data(role)


def hostile(text: str) -> AppStatus:
    """A status in which all that strangers say is `text`."""
    failure = EngineError(ErrorCode.ENGINE_ENDED, text, phrase("{a}", a=text), text, evidence=(text,))
    engine = replace(make_engine(EngineKind.LLAMA_SERVER), version=text)
    plan = make_plan(engine=engine)
    return make_status(
        State.READY,
        model_name=text,
        engine=make_snapshot(State.READY, failure=failure, plan=plan),
        downloads=(make_progress(Phase.FAILED, name=text, error=failure), make_progress(number=2, name=text)),
        problem=failure,
        settings=Settings(model="a"),
    )


def fill(fake: FakeApp, text: str) -> None:
    model = make_model(text, "a.gguf")
    path = Path("/models") / text.replace("/", "_").replace("\0", "")[:80]
    fake.library.models = (
        replace(model, path=path, header=replace(model.header, name=text, architecture=text)),
    )
    fake.library.unusable = (
        Unusable("b", text, path, 7, ModelError(ErrorCode.INTERNAL_ERROR, text, text), arriving=False),
    )
    fake.library.partials = (Partial(path, path, 7),)
    fake.obstacle = EngineError(ErrorCode.ENGINE_ENDED, text, text, text)
    for lines in (fake.app_lines, fake.engine_lines):
        lines.add(text)


@pytest.fixture
def window(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> Window:
    fill(fake, MARKUP)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(hostile(MARKUP))
    made = Window(bridge)
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("page", Page)
def test_no_page_takes_a_strangers_text_for_markup(qtbot: QtBot, window: Window, page: Page) -> None:
    window.open(page)
    window.show_error(EngineError(ErrorCode.ENGINE_ENDED, MARKUP, MARKUP, MARKUP, evidence=(MARKUP,)))
    window.open(page)
    if page is Page.MODELS:
        table = window.findChildren(QAbstractItemView)
        qtbot.waitUntil(lambda: any(MARKUP in str(list(said(view))) for view in table))
    assert faults_of(window) == []


def test_no_tab_of_the_models_takes_a_strangers_text_for_markup(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, window: Window
) -> None:
    fake.discovery.pages["x"] = SearchPage((HubModel(MARKUP, license=MARKUP, languages=(MARKUP,)),))
    files = (HubFile(f"{MARKUP}.gguf", 7),)
    repository = Repository("https://example.org", MARKUP)
    problem = ModelError(ErrorCode.INTERNAL_ERROR, MARKUP, MARKUP, MARKUP)
    model = OfferedModel((HubQuantization(files),), (), None, problem)
    fake.discovery.reports[MARKUP] = RepositoryReport(HubFiles(repository, (), files), (model,))
    fake.upkeep.there = (FoundModel(OtherApp.JAN, MARKUP, Path(MARKUP), 7),)
    fake.upkeep.use = make_disk_use((make_space(MARKUP, 7, unused=True),), ())
    window.open(Page.MODELS)
    page = window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    page.setCurrentWidget(page.discover)
    page.discover.field.setText("x")
    page.discover.search()
    qtbot.waitUntil(lambda: MARKUP in page.discover.rows.rows.keys)
    assert faults_of(window) == []
    page.discover.rows.press(MARKUP)
    qtbot.waitUntil(lambda: page.discover.hub.report is not None)
    assert MARKUP in page.discover.text.text()
    assert faults_of(window) == []
    page.setCurrentWidget(page.found)
    qtbot.waitUntil(lambda: bool(page.found.rows.rows.keys))
    page.setCurrentWidget(page.space)
    qtbot.waitUntil(page.space.unused_button.isVisible)
    page.space.unused_button.click()
    page.space.remove_button.click()
    assert faults_of(window) == []
    assert page.space.dialog is not None
    assert faults_of(page.space.dialog) == []
    page.space.dialog.close()
    settle(qtbot, bridge)


def said(view: QAbstractItemView) -> Iterator[str]:
    model = view.model()
    for row in range(model.rowCount(QModelIndex())):
        yield str(model.index(row, 0).data())


def test_no_dialog_takes_a_strangers_text_for_markup(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> None:
    fill(fake, MARKUP)
    fake.show(hostile(MARKUP))
    parent = QWidget()
    qtbot.addWidget(parent)
    settings = SettingsDialog(bridge)
    qtbot.addWidget(settings)
    download = DownloadDialog(bridge, MARKUP, MARKUP, parent)
    qtbot.waitUntil(lambda: not download.waiting.isVisibleTo(download))
    for dialog in (settings, download, ImportDialog([Path(MARKUP)], Path(MARKUP), parent)):
        dialog.show()
        assert faults_of(dialog) == []


def test_a_failure_of_the_start_is_plain_text(monkeypatch: pytest.MonkeyPatch, qapp: QApplication) -> None:
    shown: list[list[str]] = []
    monkeypatch.setattr(application_module, "QApplication", lambda _: qapp)
    monkeypatch.setattr(QMessageBox, "exec", lambda box: shown.append(faults_of(box)))
    show_failure(EngineError(ErrorCode.ENGINE_ENDED, MARKUP, MARKUP, MARKUP))
    assert shown == [[]]


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("over_dbus", [False, True])
def test_the_tray_hands_no_markup_to_the_panel(monkeypatch: pytest.MonkeyPatch, *, over_dbus: bool) -> None:
    tray = Tray(hostile(MARKUP), template=False, over_dbus=over_dbus)
    tray.show_models([ModelChoice(MARKUP, "x", loaded=True)])
    told: list[str] = []
    monkeypatch.setattr(tray.icon, "showMessage", lambda title, text, _: told.extend((title, text)))
    tray.notify(Notice(MARKUP, MARKUP, Page.MODELS))
    assert [tip for tip in map(tip_of, tray.menu.actions()) if pictures_in(tip)] == []
    if over_dbus:  # the notification and the tooltip of a panel on Linux take markup
        assert "<" not in "".join((tray.icon.toolTip(), *told))
    assert told[0].endswith("&lt;b")


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in CORPUS.items()])
def test_a_tooltip_shows_markup_as_it_is_written(text: str, qapp: QApplication) -> None:
    assert qapp
    document = QTextDocument()
    document.setHtml(plain_tooltip(text))
    assert document.toRawText().count("\ufffc") == 0
    if not harm_in(text) and text.strip():
        assert "".join(document.toPlainText().split()) == "".join(text.split())


def test_the_walk_finds_what_takes_markup(qtbot: QtBot) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    QLabel(MARKUP, parent)
    parent.setToolTip(MARKUP)
    assert len(faults_of(parent)) == 2
