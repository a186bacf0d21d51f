from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QCoreApplication, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QTextDocument, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QPushButton

from tests.ui.focus import next_by_tab
from tray_app.chats.conversation import Message, Role
from tray_app.ui.presenters.chat_rows import ChatAction, RowKind
from tray_app.ui.widgets.chat_view import ChatView
from tray_app.ui.widgets.code_block import CodeBlock
from tray_app.ui.widgets.markdown import SafeDocument, TextView, plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tray_app.ui.look import Look

PARAGRAPH = "The quick **brown** fox jumps over the lazy dog. " * 12 + "\n\n"


def talk_of(count: int, text: str = PARAGRAPH) -> tuple[Message, ...]:
    pairs = (
        (Message(Role.USER, f"Question {n}", n), Message(Role.ASSISTANT, text, n)) for n in range(count // 2)
    )
    return tuple(each for pair in pairs for each in pair)


@pytest.fixture
def view(qtbot: QtBot, worn: Look) -> ChatView:  # noqa: ARG001 - it looks like the app
    made = ChatView(str, lambda _picture, _hear: None)
    qtbot.addWidget(made)
    made.resize(700, 500)
    made.show()
    return made


def settle(view: ChatView) -> None:
    """Until all rows near the view are built."""
    while view.transcript._later.isActive():
        QCoreApplication.processEvents()


def at_end(view: ChatView) -> bool:
    bar = view.transcript.verticalScrollBar()
    return bar.value() == bar.maximum()


def seen(view: ChatView) -> list[str]:
    """The rows in view, by message and kind."""
    transcript = view.transcript
    top = transcript.verticalScrollBar().value()
    bottom = top + transcript.viewport().height()
    return [
        f"{row.message} {row.kind}"
        for row, place, height in zip(transcript._rows, transcript._tops, transcript._heights, strict=False)
        if place + height > top and place < bottom
    ]


def test_a_long_conversation_is_a_few_widgets(view: ChatView) -> None:
    view.begin(talk_of(2000))
    settle(view)

    assert len(view.transcript._rows) == 4000
    assert len(view.transcript.built()) < 40
    assert at_end(view)
    view.transcript.verticalScrollBar().setValue(0)
    settle(view)
    assert seen(view)[:3] == ["0 question", "0 foot", "1 answer"]
    assert len(view.transcript.built()) < 40


def test_of_a_growing_answer_only_the_last_piece_is_drawn_anew(
    view: ChatView, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    draw = TextView.show_markdown

    def note(text_view: TextView, text: str) -> None:
        drawn.append(len(text))
        draw(text_view, text)

    view.begin(talk_of(20))
    view.show_messages((*talk_of(20), Message(Role.USER, "Go on", 99)), waits=True)
    settle(view)
    monkeypatch.setattr(TextView, "show_markdown", note)
    text = ""
    for step in range(200):
        text += PARAGRAPH[:200] + ("\n\n" if step % 3 == 2 else "")
        drawn.clear()
        view.show_growing(Message(Role.ASSISTANT, text, 100))
        assert len(drawn) <= 2  # one ends, one begins
        assert sum(drawn) < 5000
    settle(view)
    assert at_end(view)


def test_who_reads_further_up_is_left_there(view: ChatView) -> None:
    view.begin(talk_of(100))
    settle(view)
    bar = view.transcript.verticalScrollBar()
    bar.setValue(bar.maximum() - 3000)
    settle(view)
    before = seen(view)
    view.show_growing(Message(Role.ASSISTANT, PARAGRAPH * 20, 100))
    settle(view)

    assert seen(view) == before
    assert not at_end(view)
    assert view.transcript.end_button.isVisible()
    view.transcript.end_button.click()
    settle(view)
    assert at_end(view)
    assert view.transcript.end_button.isHidden()


def test_what_is_in_view_stays_there_when_the_window_gets_another_width(view: ChatView) -> None:
    view.begin(talk_of(200))
    settle(view)
    view.transcript.show_message(101)
    settle(view)
    assert seen(view)[0] in ("100 foot", "101 answer")
    view.resize(420, 500)
    settle(view)

    assert seen(view)[0] in ("100 foot", "101 answer")
    view.transcript.jump_to_end()
    view.resize(700, 500)
    settle(view)
    assert at_end(view)


def test_rows_follow_each_other_without_overlap(view: ChatView) -> None:
    text = "One\n\n```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n" + PARAGRAPH * 4
    view.begin(talk_of(6, text))
    settle(view)
    view.transcript.verticalScrollBar().setValue(0)
    settle(view)
    built = view.transcript.built()
    areas = [built[number].geometry() for number in sorted(built)]

    assert all(above.bottom() < below.top() for above, below in itertools.pairwise(areas))


def test_the_tab_key_goes_from_row_to_row(view: ChatView) -> None:
    view.begin(talk_of(4, "Short."))
    settle(view)
    view.transcript.verticalScrollBar().setValue(0)
    settle(view)
    built = view.transcript.built()
    first = built[0].findChild(TextView)
    assert first is not None
    order: list[int] = []
    current: QWidget | None = first
    for _ in range(200):
        number = next((n for n, row in built.items() if current and row.isAncestorOf(current)), None)
        if number is not None and number not in order:
            order.append(number)
        current = next_by_tab(current) if current else None

    assert order == sorted(built)


def test_the_menu_of_a_message_opens_with_the_keyboard(qtbot: QtBot, view: ChatView) -> None:
    view.begin(talk_of(2, "Short."))
    settle(view)
    answer = next(
        widget
        for number, widget in view.transcript.built().items()
        if view.transcript._rows[number].kind is RowKind.ANSWER
    )
    text = answer.findChild(TextView)
    assert text is not None
    view.activateWindow()
    text.setFocus()
    QTest.keyClick(text, Qt.Key.Key_Menu)
    menus = view.transcript.findChildren(QMenu)
    if not menus:  # no window system that makes the event of the key
        view.transcript._open_menu(1, text, QPoint())
        menus = view.transcript.findChildren(QMenu)
    (menu,) = menus
    assert [each.text() for each in menu.actions()] == ["Copy Message", "Regenerate"]
    with qtbot.waitSignal(view.transcript.action_wanted) as wanted:
        menu.actions()[1].trigger()
    assert wanted.args == [ChatAction.REGENERATE, 1]
    menu.close()


def test_code_is_copied_whole(view: ChatView) -> None:
    code = "\n".join(f"line {number}" for number in range(450))
    view.begin(talk_of(2, f"```python\n{code}\n```"))
    settle(view)
    view.transcript.verticalScrollBar().setValue(0)
    settle(view)
    blocks = [each for each in view.transcript.built().values() if isinstance(each, CodeBlock)]
    blocks[0].copy_button.click()

    assert QGuiApplication.clipboard().text() == code
    assert blocks[0].copy_button.text() == "Copied"
    assert blocks[0].language.text() == "python"


def test_the_wheel_is_left_to_the_conversation(view: ChatView) -> None:
    view.begin(talk_of(40))
    settle(view)
    text = view.transcript.findChild(TextView)
    assert text is not None
    turn = QWheelEvent(
        QPointF(5, 5),
        QPointF(text.mapToGlobal(QPoint(5, 5))),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QCoreApplication.sendEvent(text.viewport(), turn)

    assert not turn.isAccepted()


@pytest.mark.parametrize(
    "markdown",
    [
        "![a](http://127.0.0.1:9/x.png)",
        "![a](file:///etc/passwd)",
        "![a](//server/share/x.png)",
        "![a](data:image/png;base64,iVBORw0KGgo=)",
        "<img src='http://127.0.0.1:9/x.png'>",
        "[![a](http://127.0.0.1:9/x.png)](http://127.0.0.1:9/)",
    ],
)
@pytest.mark.usefixtures("worn")
def test_nothing_that_a_text_names_is_loaded(
    qtbot: QtBot, markdown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    monkeypatch.setattr(QTextDocument, "loadResource", lambda *_: loaded.append(_))
    text = TextView()
    qtbot.addWidget(text)
    text.show_markdown(markdown)
    text.resize(300, text.height_for(300))
    text.show()
    text.grab()

    assert loaded == []
    assert text.document().resource(QTextDocument.ResourceType.ImageResource.value, QUrl("x")) is None
    assert "\N{OBJECT REPLACEMENT CHARACTER}" not in text.toPlainText()
    assert SafeDocument().loadResource(2, "a") is None


@pytest.mark.parametrize(("columns", "rows"), [(1000, 2), (10, 300)])
@pytest.mark.usefixtures("worn")
def test_a_huge_table_is_shown_as_it_is_written(qtbot: QtBot, columns: int, rows: int) -> None:
    text = TextView()
    qtbot.addWidget(text)

    text.show_markdown("|a" * columns + "\n" + "|-" * columns + "\n" + ("|x" * columns + "\n") * rows)
    assert text.document().rootFrame().childFrames() == []
    assert "|x|x" in text.toPlainText()

    text.show_markdown("|a|b\n|-|-\n" + "|x|y\n" * 100)
    assert len(text.document().rootFrame().childFrames()) == 1


@pytest.mark.usefixtures("worn")
def test_of_many_pictures_each_is_replaced_at_once(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arranged anew after each, a text with two hundred pictures takes seconds."""
    asked: list[object] = []
    monkeypatch.setattr(SafeDocument, "loadResource", lambda *each: asked.append(each))
    text = TextView()
    qtbot.addWidget(text)
    text.show_markdown("![a](http://127.0.0.1:9/x.png) and " * 100)

    assert text.toPlainText().count("[Picture: a]") == 100
    assert len(asked) <= 300


def test_html_is_shown_as_it_is_and_links_are_only_told(qtbot: QtBot, view: ChatView) -> None:
    view.begin(talk_of(2, "<b>no</b> [here](https://example.org/)"))
    settle(view)
    text = next(
        found
        for number, widget in view.transcript.built().items()
        if view.transcript._rows[number].kind is RowKind.ANSWER and (found := widget.findChild(TextView))
    )
    assert text.toPlainText() == "<b>no</b> here"
    with qtbot.waitSignal(view.transcript.link_clicked) as told:
        text.anchorClicked.emit(QUrl("https://example.org/"))
    assert told.args == ["https://example.org/"]


def test_a_change_from_light_to_dark_is_followed(view: ChatView, worn: Look) -> None:
    view.begin(talk_of(4, "A `b` c"))
    settle(view)
    before = set(view.transcript.built().values())
    worn.wear(dark=True)
    QCoreApplication.processEvents()
    settle(view)
    after = set(view.transcript.built().values())
    worn.wear(dark=False)

    assert after
    assert not before & after


def test_what_is_read_aloud_has_no_signs_of_markdown() -> None:
    assert plain_text("A **b** `c` [d](http://e) ![f](http://g)") == "A b c d "


def buttons(view: ChatView) -> list[str]:
    return [each.accessibleName() for each in view.findChildren(QPushButton) if each.isVisible()]


def test_only_the_last_answer_can_be_made_anew(view: ChatView) -> None:
    view.begin(talk_of(4, "Short."))
    settle(view)
    assert buttons(view).count("Regenerate") == 1
    view.show_messages((*talk_of(4, "Short."), Message(Role.USER, "More", 9)), waits=True)
    settle(view)
    assert buttons(view).count("Regenerate") == 0


def test_every_part_of_a_row_belongs_to_it(view: ChatView) -> None:
    # One that does not is deleted with the last reference to it, even while Qt goes through all widgets.
    before = QApplication.topLevelWidgets()
    view.begin(talk_of(4, "A\n\n```\nb\n```"))
    settle(view)

    assert [each for each in QApplication.topLevelWidgets() if each not in before] == []


def test_pictures(view: ChatView, photograph: Callable[[QWidget, str], None]) -> None:
    text = (
        "## Title\n\n> quoted\n\n- one\n  - two\n\n```python\nx = 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    view.begin(talk_of(2, text))
    settle(view)
    photograph(view, "chat-rows")
