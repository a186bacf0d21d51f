"""Walks the accessibility tree of every window as a screen reader does, and the order of the Tab key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QLineEdit, QWidget

from tests.fakes.app import make_loaded, make_progress, make_snapshot, make_status, with_engines
from tests.ui.focus import next_by_tab
from tray_app.engine.lifecycle import State
from tray_app.errors import EngineError, ErrorCode
from tray_app.ui.dialogs.about import about_box
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.pages.embeddings import EmbeddingsPage
from tray_app.ui.pages.home import HomePage
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.settings import GROUPS
from tray_app.ui.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtGui import QAccessibleInterface
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.ui.bridge import Bridge

Role = QAccessible.Role
CONTROLS = {
    Role.Button,
    Role.ButtonMenu,
    Role.CheckBox,
    Role.ComboBox,
    Role.EditableText,
    Role.Graphic,
    Role.Link,
    Role.List,
    Role.ListItem,
    Role.PageTab,
    Role.ProgressBar,
    Role.RadioButton,
    Role.Slider,
    Role.SpinBox,
    Role.Table,
    Role.Tree,
}
"""What a person works with, and so must be told by name."""


@pytest.fixture
def window(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> Window:
    with qtbot.waitSignal(bridge.status_changed):
        failure = EngineError(
            ErrorCode.MODEL_FILE_DAMAGED, "The model is damaged", "It ends too early.", "Download it again."
        )
        engine = make_snapshot(State.READY, failure=failure)
        fake.show(make_status(State.READY, engine=engine, downloads=(make_progress(),), problem=failure))
    made = Window(bridge)
    qtbot.addWidget(made)
    return made


def below(found: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    """An element and all below it that can be seen."""
    if found.state().invisible:
        return
    yield found
    for number in range(found.childCount()):
        if (child := found.child(number)) and child.isValid():
            yield from below(child)


def test_a_row_says_what_enter_does(qtbot: QtBot, window: Window) -> None:
    window.open(Page.MODELS)
    page = window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    table = page.installed.table
    qtbot.waitUntil(lambda: len(table.rows) > 1)
    tree = QAccessible.queryAccessibleInterface(table)

    said = [tree.child(row).text(QAccessible.Text.Description) for row in range(tree.childCount())]

    assert said == [row.action for row in map(table.rows.at, range(len(table.rows)))]
    assert "Unload" in said
    assert "Pause" in said


def nameless(widget: QWidget) -> list[str]:
    """Controls that a screen reader could only call by their kind."""
    tree = QAccessible.queryAccessibleInterface(widget)
    return [
        f"{one.role().name} {type(one.object()).__name__} {one.object().objectName() if one.object() else ''}"
        for one in below(tree)
        if one.role() in CONTROLS and not one.text(QAccessible.Text.Name).strip() and not is_inner(one)
    ]


def is_inner(one: QAccessibleInterface) -> bool:
    """A part of a control that speaks for it: the line of a spin box, the buttons of a scroll bar."""
    parent = one.parent()
    return bool(
        parent and parent.isValid() and parent.role() in (Role.SpinBox, Role.ComboBox, Role.ScrollBar)
    )


def tab_order(widget: QWidget) -> set[QWidget]:
    """Whatever the Tab key comes by."""
    found: set[QWidget] = set()
    current = next_by_tab(widget)
    while current not in found:
        found.add(current)
        current = next_by_tab(current)
    return {one for one in found if one.focusPolicy() & Qt.FocusPolicy.TabFocus}


def unreachable(widget: QWidget) -> list[str]:
    """Buttons and fields that can be clicked but not come by with the keyboard."""
    order = tab_order(widget)
    kinds = (QAbstractButton, QLineEdit)
    return [
        f"{type(one).__name__} {one.accessibleName() or getattr(one, 'text', str)()}"
        for kind in kinds
        for one in widget.findChildren(kind)
        if one.isVisible()
        and one.isEnabled()
        and one not in order
        and one.focusProxy() not in order
        and not is_part(one)
    ]


def is_part(one: QWidget) -> bool:
    """Belongs to a control that has the keyboard itself: the line of a spin box, the arrows of a tab bar, the
    cross that empties a line."""
    parent = one.parentWidget()
    return parent is not None and (
        parent.focusProxy() is one
        or type(parent).__name__
        in {"QDoubleSpinBox", "QSpinBox", "QComboBox", "QTabBar", "QTableWidget", "QTableView"}
        or isinstance(parent, QLineEdit)
        or one.objectName().startswith("qt_")
    )


@pytest.mark.parametrize("page", Page)
def test_every_control_of_a_page_has_a_name_and_can_be_reached(
    qtbot: QtBot, window: Window, page: Page
) -> None:
    window.open(page)
    shown = window.page(page)
    tabs = range(shown.count()) if isinstance(shown, EmbeddingsPage) else range(1)
    for tab in tabs:
        if isinstance(shown, EmbeddingsPage):
            shown.setCurrentIndex(tab)
            if shown.currentWidget() is shown.search:
                shown.search.zone.example_button.click()
                qtbot.waitUntil(lambda: bool(shown.search.results.list.hits.rows))
            if shown.currentWidget() is shown.compare:
                shown.compare.texts.setPlainText("one\ntwo")
                shown.compare.embed()
                qtbot.waitUntil(lambda: not shown.compare.results.isHidden())
        assert nameless(window) == []
        assert unreachable(window) == []


def test_every_control_of_several_models_has_a_name_and_its_place_in_the_order(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, window: Window
) -> None:
    window.open(Page.HOME)
    failure = EngineError(ErrorCode.NOT_ENOUGH_MEMORY, "There is not enough memory")
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(
            with_engines(
                make_status(State.READY),
                make_loaded("日本語モデル"),
                make_loaded("Tiny", State.FAILED, failure=failure),
            )
        )

    assert nameless(window) == []
    assert unreachable(window) == []
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    assert by_tab(page.server.switch, page.engines.rows["tiny"].more_button) == [
        "Server",
        "Copy the address or an example",
        "Open C&hat",
        "Unload Bamboo 7B Q4_0",
        "More for Bamboo 7B Q4_0",
        "Unload 日本語モデル",
        "More for 日本語モデル",
        "Load Tiny",
        "Dismiss: Tiny",
    ]


def by_tab(first: QWidget, last: QWidget) -> list[str]:
    """The buttons that can be seen from one to another, as the Tab key comes by."""
    found: list[str] = []
    current: QWidget | None = first
    while current is not None:
        if isinstance(current, QAbstractButton) and current.isVisible():
            found.append(current.accessibleName() or current.text())
        current = next_by_tab(current) if current is not last else None
    return found


def test_every_control_of_the_settings_has_a_name_and_can_be_reached(qtbot: QtBot, bridge: Bridge) -> None:
    dialog = SettingsDialog(bridge)
    qtbot.addWidget(dialog)
    dialog.show()
    for group in GROUPS:
        dialog.groups.groups[group].fold_button.setChecked(True)
        dialog.groups.open(group)
        assert nameless(dialog) == []
        assert unreachable(dialog) == []


def test_every_control_of_the_box_about_has_a_name(qtbot: QtBot) -> None:
    box = about_box()
    qtbot.addWidget(box)
    box.show()

    assert nameless(box) == []
    assert unreachable(box) == []


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (QLineEdit, "EditableText QLineEdit "),
        (lambda parent: unfocusable(QLineEdit(parent)), "QLineEdit "),
    ],
)
def test_the_walk_finds_what_is_nameless_or_out_of_reach(
    qtbot: QtBot, make: Callable[[QWidget], QWidget], fault: str
) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    make(parent)
    parent.show()

    assert fault in nameless(parent) + unreachable(parent)


def unfocusable(widget: QWidget) -> QWidget:
    widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return widget
