"""Records the clicks of a first run, with their times: python -m tests.first_run

The app is the real one, with real engines; the models are small, and a hub that answers as Hugging Face does
has them. Nothing is typed but the question to the chat. Prints a table, and saves a picture after each click.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QDeadlineTimer, QEventLoop, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from tests.fakes.hub import FakeHub
from tests.fakes.tiny_models import bert_model_bytes
from tray_app.app import workspace
from tray_app.app.root import App
from tray_app.models.catalog import CatalogEntry, load_catalog
from tray_app.models.header import Purpose
from tray_app.system.host import detect_host
from tray_app.system.paths import HOME_VARIABLE, AppPaths, resources
from tray_app.system.ports import free_port
from tray_app.ui.desktop import Desktop
from tray_app.ui.look import Look
from tray_app.ui.presenters.notices import Page
from tray_app.ui.widgets.chat_composer import Composer
from tray_app.ui.widgets.hit_list import HitList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tray_app.ui.window import Window

PICTURES = Path(__file__).parent / "artifacts"
QUESTION = "What is an embedding?"
_PATIENCE_MS = 60_000
_STEP_MS = 20


@dataclass(frozen=True, slots=True)
class Click:
    """What was pressed, on which page, and when."""

    label: str
    page: Page
    at_s: float
    """Seconds after the window came up."""
    waited_for: str = ""
    """What the person saw before the next click."""
    took_s: float = 0.0
    """How long that took."""


@dataclass(slots=True)
class Recording:
    """What a person did, one after the other."""

    window: Window
    clicks: list[Click] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)

    def click(self, label: str) -> None:
        """Press the button that can be seen and says this, whatever stands behind its first words."""
        button = self._find(label)
        page, at_s = self.window.current(), time.monotonic() - self._began_s
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.clicks.append(Click(_words(button), page, at_s))
        self._photograph()

    def wait(self, what: str, until: Callable[[], object]) -> None:
        """Look at the window until something is there."""
        began_s = time.monotonic()
        wait_for(until, what)
        last = self.clicks.pop()
        took_s = time.monotonic() - began_s
        self.clicks.append(Click(last.label, last.page, last.at_s, what, took_s))
        self._photograph()

    def sees(self, label: str) -> bool:
        """Whether there is such a button that can be pressed."""
        return any(_words(each).startswith(label) for each in self._buttons())

    def table(self) -> str:
        """The clicks, a line for each."""
        lines = ["   at  page        click                                 then"]
        for number, each in enumerate(self.clicks, start=1):
            then = f"{each.waited_for} ({each.took_s:.1f} s)" if each.waited_for else ""
            lines.append(f"{each.at_s:5.1f}  {each.page:<10}  {number}. {each.label:<35}  {then}".rstrip())
        return "\n".join(lines)

    def _find(self, label: str) -> QAbstractButton:
        wait_for(lambda: self.sees(label), label)
        return next(each for each in self._buttons() if _words(each).startswith(label))

    def _buttons(self) -> Iterator[QAbstractButton]:
        for button in self.window.findChildren(QAbstractButton):
            if button.isVisible() and button.isEnabled():
                yield button

    def _photograph(self) -> None:
        QApplication.processEvents()
        PICTURES.mkdir(exist_ok=True)
        self.window.grab().save(str(PICTURES / f"first-run-{len(self.clicks)}.png"))


def wait_for(until: Callable[[], object], what: str) -> None:
    """Run the event loop until something is so. `TimeoutError` if it never is."""
    deadline = QDeadlineTimer(_PATIENCE_MS)
    while not until():
        if deadline.hasExpired():
            raise TimeoutError(f"This did not appear: {what}")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, _STEP_MS)


@contextmanager
def recording(folder: Path) -> Iterator[tuple[App, Recording]]:
    """The app in its first run; its folders are below this one."""
    qt = QApplication.instance()
    assert isinstance(qt, QApplication)
    os.environ[HOME_VARIABLE] = str(folder)
    embeds, chats = bert_model_bytes(), (resources() / "test-model" / "test.gguf").read_bytes()
    with FakeHub() as hub:
        hub.add("owner/Embed-GGUF", {"embed-Q8_0.gguf": embeds})
        hub.add("owner/Chat-GGUF", {"chat-Q4_0.gguf": chats})
        catalog = (
            _entry("embed", "A small model for embeddings", "Embed-GGUF/embed-Q8_0.gguf", embeds),
            _entry("chat", "A small model to chat with", "Chat-GGUF/chat-Q4_0.gguf", chats),
            *(each for each in load_catalog(resources() / "catalog.toml") if each.builtin),
        )
        with mock.patch.object(workspace, "load_all", return_value=(catalog, None)):
            paths, values = AppPaths.below(folder), {"port": free_port(), "hf_endpoint": hub.base_url}
            app = App(paths, detect_host(), values)
        desktop = Desktop(qt, app)
        try:
            desktop.window.open()
            yield app, Recording(desktop.window)
        finally:
            desktop.leave()
            app.close()
            desktop.bridge.close(timeout_s=10)


def embed(run: Recording) -> None:
    """From the first window to a sensible embedding."""
    run.click("Download")
    run.wait("the model is ready", lambda: run.sees("Open Embeddings"))
    run.click("Open Embeddings")
    run.click("Try with an Example")
    found = run.window.page(Page.EMBEDDINGS).findChild(HitList)
    assert found is not None
    run.wait("results", lambda: found.isVisible() and found.model().rowCount() > 0)


def chat(app: App, run: Recording) -> None:
    """From there to an answer."""
    run.window.open(Page.HOME)
    run.click("Download")
    run.wait("the model is ready", lambda: run.sees("Open Chat"))
    run.click("Open Chat")
    composer = run.window.page(Page.CHAT).findChild(Composer)
    assert composer is not None
    wait_for(composer.text.isVisible, "the field for a message")
    QTest.keyClicks(composer.text, QUESTION)
    QTest.keyClick(composer.text, Qt.Key.Key_Return)
    run.wait("an answer", lambda: any(each.messages > 1 for each in app.chats.summaries()))


def _entry(model_id: str, name: str, path: str, content: bytes) -> CatalogEntry:
    purpose = Purpose.EMBEDDING if model_id == "embed" else Purpose.CHAT
    return CatalogEntry(
        id=model_id,
        name=name,
        file_name=path.rpartition("/")[2],
        source=f"hf:owner/{path}",
        size_bytes=len(content),
        license="MIT",
        purpose=purpose,
        languages=("multi",),
        note="For a first run.",
    )


def _words(button: QAbstractButton) -> str:
    return button.text().replace("&", "")


def main() -> int:
    """Record, and print the table."""
    Look(QApplication([]), detect_host().system)
    with tempfile.TemporaryDirectory() as folder, recording(Path(folder)) as (app, run):
        embed(run)
        chat(app, run)
        print(run.table())  # noqa: T201 - what it is for
    return 0


if __name__ == "__main__":
    sys.exit(main())
