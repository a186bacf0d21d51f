"""How soon pages open and lists scroll, how late the event loop is under load, and what an idle app costs.

python -m tests.benchmarks.bench_ui

Prints one line for each number with its limit, and exits with 1 if one is beyond it. The first part draws on
whatever platform Qt has (offscreen where there is no display); the second starts the real app on a desktop of
its own, and needs the programs that the tests need.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QDeadlineTimer, QElapsedTimer, QEventLoop, QTimer
from PySide6.QtWidgets import QAbstractItemView, QApplication

from tests.benchmarks.results import Result, reached, shown
from tests.fakes.app import FakeApp, FakeLibrary, make_model, make_progress, make_status
from tests.fakes.desktop import desktop
from tray_app.chats.conversation import Message, Role
from tray_app.engine.lifecycle import State
from tray_app.gateway.public_client import ChatPiece
from tray_app.system.host import System
from tray_app.system.paths import HOME_VARIABLE
from tray_app.system.ports import free_port
from tray_app.ui.bridge import Bridge
from tray_app.ui.garbage import GarbageTimer, freeze_gc
from tray_app.ui.look import Look
from tray_app.ui.pages.chat import ChatPage
from tray_app.ui.presenters.notices import Page
from tray_app.ui.window import USUAL_SIZE, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtWidgets import QScrollArea

    from tests.fakes.desktop import Desktop
    from tray_app.chats.conversation import Conversation

LOAD_S = 8.0
LINES_PER_S = 50_000
IDLE_S = 60.0
IDLE_QUICK_S = 10.0
_OPENING_S = 5.0
"""Time for the window to come to rest."""
_LOG_STEP_S = 0.01
_TICK_MS = 5
_FRAME_MS = 16
_SETTLE_MS = 500
_SCROLL_PIXELS = 120
"""In each frame: as fast as a wheel is turned."""
_SCROLL_TICKS = 400
ROWS = 10_000
FRAMES = 300
FRAME_MS = 1000 / 60
_PATIENCE_MS = 60_000


class Lateness:
    """How much later than due a timer of the event loop fires."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._since = QElapsedTimer()
        self._timer = QTimer(interval=_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._since.start()
        self._timer.start()

    def _tick(self) -> None:
        self.late_ms.append(self._since.nsecsElapsed() / 1e6 - _TICK_MS)
        self._since.start()

    def worst(self) -> float:
        return max(self.late_ms)

    def stop(self) -> None:
        self._timer.stop()


def of_pages() -> Iterator[Result]:
    """How long each page takes to open for the first time, its imports included, until it is drawn."""
    for page in Page:
        with _window(FakeApp(make_status(State.READY), folder=Path(tempfile.gettempdir()))) as window:
            window.open(Page.LOGS if page is Page.HOME else Page.HOME)
            _settle()
            clock = QElapsedTimer()
            clock.start()
            window.open(page)
            window.grab()  # what comes later fills it
            yield Result(f"{page}: opens in", clock.nsecsElapsed() / 1e6, "ms", 150)
            _settle()


def of_scrolling() -> Iterator[Result]:
    """How long one frame takes while somebody scrolls through a long list of lines, and of models."""
    fake = FakeApp(make_status(State.READY), folder=Path(tempfile.gettempdir()))
    for number in range(ROWS):
        fake.engine_lines.add(f"slot update_slots: id 0 | task {number} | prompt processing, n_tokens = 512")
    fake.library = FakeLibrary(
        tuple(make_model(f"Model {number} Q4_K_M", f"m{number}.gguf") for number in range(ROWS))
    )
    with _window(fake) as window:
        for page, title in ((Page.LOGS, "lines of the log"), (Page.MODELS, "models")):
            window.open(page)
            view = _long_list(window)
            frames_ms = sorted(_frames(view))
            p95 = frames_ms[len(frames_ms) * 95 // 100]
            yield Result(f"{ROWS:,} {title}: a frame of scrolling, p95", p95, "ms", FRAME_MS)


def _frames(view: QAbstractItemView) -> Iterator[float]:
    """Milliseconds for each of the frames from top to bottom."""
    bar = view.verticalScrollBar()
    clock = QElapsedTimer()
    for frame in range(FRAMES):
        clock.start()
        bar.setValue(bar.maximum() * frame // FRAMES)
        view.viewport().repaint()
        yield clock.nsecsElapsed() / 1e6
        QApplication.processEvents()


def _long_list(window: Window) -> QAbstractItemView:
    """The list of the page on top, once it has all rows."""
    page = window.page(window.current())
    deadline = QDeadlineTimer(_PATIENCE_MS)
    while not deadline.hasExpired():
        QApplication.processEvents()
        for view in page.findChildren(QAbstractItemView):
            if view.isVisible() and view.model() and view.model().rowCount() >= ROWS:
                return view
    raise TimeoutError(f"{window.current()} has no list with {ROWS} rows")


@contextmanager
def _window(fake: FakeApp) -> Iterator[Window]:
    qt = QApplication.instance() or QApplication([])
    assert isinstance(qt, QApplication)
    Look(qt, System.LINUX)
    bridge = Bridge(fake)
    window = Window(bridge)
    window.resize(*USUAL_SIZE)
    yield window
    window.close()
    bridge.close(timeout_s=5)


def _settle() -> None:
    """Let everything be drawn that comes a moment later."""
    deadline = QDeadlineTimer(500)
    while not deadline.hasExpired():
        QApplication.processEvents()


def under_load(page: Page) -> Iterator[Result]:
    """The window with a page open, while a download reports and the engine prints as fast as both may."""
    qt = QApplication.instance() or QApplication([])
    fake = FakeApp(make_status(State.READY), folder=Path(tempfile.gettempdir()))
    bridge = Bridge(fake)
    window = Window(bridge)
    window.open(page)
    qt.processEvents()
    freeze_gc()  # as the app does
    GarbageTimer(window)
    over = threading.Event()
    load = [threading.Thread(target=work, args=(fake, over)) for work in (_print_lines, _report_progress)]
    lateness = Lateness()
    for thread in load:
        thread.start()
    QTimer.singleShot(int(LOAD_S * 1000), qt.quit)
    qt.exec()
    lateness.stop()
    over.set()
    for thread in load:
        thread.join()
    yield Result(f"{page}: event loop late under load, worst", lateness.worst(), "ms", 50)
    rate = fake.engine_lines.count / LOAD_S
    yield Result(f"{page}: lines of the engine meanwhile", rate, "lines/s")
    window.close()
    bridge.close(timeout_s=5)


class Writer(FakeApp):
    """A model that writes so many tokens, at a steady rate: text, lists and code in turn."""

    tokens = 0
    tokens_per_s = 0.0

    def stream_chat(self, conversation: Conversation, cancelled: threading.Event) -> Iterator[ChatPiece]:
        del conversation
        began_s = time.monotonic()
        for number in range(self.tokens):
            time.sleep(max(0.0, began_s + number / self.tokens_per_s - time.monotonic()))
            if cancelled.is_set():
                return
            yield ChatPiece(_token(number))


def _token(number: int) -> str:
    if number % 400 == 399:
        return "\n\n```python\nfor fox in foxes:\n    print(fox)\n```\n\n"
    if number % 100 == 99:
        return "\n\n1. a fox\n2. a **dog**\n\n"
    return ("the ", "quick ", "**brown** ", "fox ", "`jumps` ", "over ")[number % 6]


def of_a_chat(tokens: int, tokens_per_s: float, messages: int) -> Iterator[Result]:
    """A conversation of so many messages is opened, scrolled through, and gets an answer."""
    _ = QApplication.instance() or QApplication([])
    fake = Writer(make_status(State.READY), folder=Path(tempfile.gettempdir()))
    fake.tokens, fake.tokens_per_s = tokens, tokens_per_s
    text = "".join(map(_token, range(150)))
    turns = (
        (Message(Role.USER, f"Question {n}", n), Message(Role.ASSISTANT, text, n))
        for n in range(messages // 2)
    )
    there = fake.chats.save(replace(fake.chats.new(), messages=tuple(chain.from_iterable(turns))))
    bridge = Bridge(fake)
    window = Window(bridge)
    window.open(Page.CHAT)
    page = window.page(Page.CHAT)
    assert isinstance(page, ChatPage)
    talk = page.chat.talk
    _run(lambda: talk.look.known)
    freeze_gc()
    GarbageTimer(window)
    what = f"chat of {messages} messages: event loop late"
    lateness = Lateness()
    talk.open(there.id)
    _run(lambda: bool(talk.view.transcript.built()))
    yield Result(f"{what} while it is opened, worst", lateness.worst(), "ms", 50)
    lateness = Lateness()
    scroll = QTimer(interval=_FRAME_MS)
    scroll.timeout.connect(lambda: _scroll_up(talk.view.transcript, _SCROLL_PIXELS))
    scroll.start()
    _run(lambda: len(lateness.late_ms) > _SCROLL_TICKS)
    scroll.stop()
    yield Result(f"{what} while it is scrolled, worst", lateness.worst(), "ms", 50)
    lateness = Lateness()
    talk.view.transcript.jump_to_end()
    talk.composer.text.setPlainText("Go on")
    talk.send()
    _run(lambda: not talk.answers)
    what = f"{what} while {tokens:,} tokens come at {tokens_per_s:,.0f}/s"
    yield Result(f"{what}, worst", lateness.worst(), "ms", 50)
    lateness.stop()
    whole = sum(len(_token(number)) for number in range(tokens))
    assert talk.isVisible()
    assert len(talk.conversation.messages[-1].text) == whole
    window.close()
    bridge.close(timeout_s=5)


def _run(until: Callable[[], bool]) -> None:
    """Let the event loop run until something is so, and then a little longer. It must come to be so soon."""
    loop = QEventLoop()  # of the application's own, the end would close the window
    look = QTimer(interval=_TICK_MS * 10)
    end = QTimer(singleShot=True, interval=_SETTLE_MS)
    end.timeout.connect(loop.quit)
    look.timeout.connect(lambda: end.start() if until() and not end.isActive() else None)
    look.start()
    loop.exec()
    look.stop()


def _scroll_up(area: QScrollArea, pixels: int) -> None:
    bar = area.verticalScrollBar()
    bar.setValue(bar.value() - pixels)


def _print_lines(fake: FakeApp, over: threading.Event) -> None:
    began_s = time.monotonic()
    printed = 0
    while not over.wait(_LOG_STEP_S):
        due = int((time.monotonic() - began_s) * LINES_PER_S)
        for number in range(printed, due):
            fake.engine_lines.add(
                f"slot update_slots: id 0 | task {number} | prompt processing, n_tokens = 512"
            )
        printed = max(printed, due)


def _report_progress(fake: FakeApp, over: threading.Event) -> None:
    received = 0
    while not over.wait(0.1):  # as often as the queue reports
        received += 12_300_000
        fake.show(make_status(State.READY, downloads=(make_progress(received_bytes=received),)))


def of_the_real_app(idle_s: float) -> Iterator[Result]:
    """The app on a desktop with the built-in model served, first without a window, then open on Home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "settings.toml").write_text(
            f'port = {free_port()}\nmodel = "test"\nstart_server_with_app = true\n'
        )
        os.environ[HOME_VARIABLE] = str(home)
        with desktop(Path(folder)) as made:
            yield from _idle(made, idle_s)


def _idle(made: Desktop, idle_s: float) -> Iterator[Result]:
    with made.tray_host() as host:
        began_s = time.monotonic()
        with made.start(sys.executable, "-m", "tray_app", "--background") as app:
            host.wait_for_item()
            yield Result("icon in the panel after the start", time.monotonic() - began_s, "s", 0.5)
            host.wait_until(lambda panel: panel.tooltip().startswith("Ready"))
            process = psutil.Process(app.pid)
            yield Result("idle with the server ready", _share(process, idle_s), "% of core", 0.03)
            yield Result("resident with the server ready", process.memory_info().rss / 1e6, "MB", 100)
            host.click("Open Window")
            made.run("xdotool", "search", "--sync", "--onlyvisible", "--name", "^PowerInfer Tray")
            time.sleep(_OPENING_S)
            share = _share(process, idle_s)
            yield Result("idle with the window open on Home", share, "% of core", 0.2)
            yield Result("resident with the window open on Home", process.memory_info().rss / 1e6, "MB", 125)
            host.click("Quit")
            app.wait()


def _share(process: psutil.Process, seconds: float) -> float:
    """What a process takes of a core in these seconds, in percent."""
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return abs(100 * (after.user + after.system - before.user - before.system) / seconds)


def results(*, full: bool) -> Iterator[Result]:
    """Pages and lists, lateness under load, then start, idle cost and memory of the real app."""
    yield from of_pages()
    yield from of_scrolling()
    yield from under_load(Page.LOGS)
    yield from under_load(Page.HOME)
    yield from of_a_chat(tokens=2000, tokens_per_s=200, messages=500)
    yield from of_a_chat(tokens=20_000, tokens_per_s=2000, messages=2)
    yield from of_the_real_app(IDLE_S if full else IDLE_QUICK_S)


def main() -> int:
    return 0 if reached(shown(results(full=True))) else 1


if __name__ == "__main__":
    sys.exit(main())
