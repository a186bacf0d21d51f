"""Takes the pictures in docs/screenshots, light and dark: python -m tests.screenshots

The widgets are the app's own. What they show comes from the app that tests use, so that every run gives the
same pictures, on every machine, in a minute and without a download.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PySide6.QtCore import QDeadlineTimer, QEventLoop
from PySide6.QtGui import QCursor, QFont, QImage
from PySide6.QtWidgets import QApplication

from tests.fakes import notes_shown
from tests.fakes.app import (
    FakeApp,
    FakeCare,
    FakeLibrary,
    make_engine,
    make_loaded,
    make_model,
    make_plan,
    make_progress,
    make_snapshot,
    make_status,
    with_engines,
)
from tests.fakes.engines_shown import (
    CARD,
    CUDA,
    VULKAN,
    make_installed,
    make_installed_engine,
    make_overview,
)
from tests.fakes.languages import ENGLISH
from tests.fakes.models_shown import REPOSITORY, WORDS, fill
from tray_app.app.tuning import EngineMeasurement, EngineOption, ThreadMeasurement, Threads, Tuning
from tray_app.chats.conversation import Message, Role
from tray_app.engine.builds.build import SetAside
from tray_app.engine.builds.choice import Advice
from tray_app.engine.builds.installation import Installation, InstallPhase
from tray_app.engine.builds.wording import build_name
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import LaunchPlan
from tray_app.engine.lifecycle import State
from tray_app.engine.resource_usage import ResourceUsage
from tray_app.gateway.counters import Traffic
from tray_app.gateway.public_client import Embeddings
from tray_app.models.catalog import load_catalog
from tray_app.models.header import Pooling, Purpose
from tray_app.models.memory import MemoryBudget
from tray_app.models.recommend import Machine, recommend
from tray_app.phrases import phrase
from tray_app.settings.schema import Settings
from tray_app.system.host import System
from tray_app.system.paths import resources
from tray_app.ui.bridge import Bridge
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.dialogs.tune import TuneDialog
from tray_app.ui.garbage import import_once
from tray_app.ui.languages import Languages
from tray_app.ui.look import Look
from tray_app.ui.operations import read_facts
from tray_app.ui.pages.chat import ChatPage
from tray_app.ui.pages.embeddings import EmbeddingsPage
from tray_app.ui.pages.engines import EnginesPage
from tray_app.ui.pages.home import HomePage
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.menu import model_choices
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.usage import SPAN_S, UsageSample
from tray_app.ui.tray import Tray
from tray_app.ui.window import USUAL_SIZE, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PySide6.QtWidgets import QWidget

    from tray_app.app.status import AppStatus
    from tray_app.chats.conversation import Conversation
    from tray_app.download.progress import Progress
    from tray_app.engine.pooled_engine import EngineStatus
    from tray_app.models.model import Model
    from tray_app.models.recommend import Recommendation
    from tray_app.settings.keys import KeyChanges

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
MOST_BYTES = 150_000
_PATIENCE_MS = 20_000
_SETTLE_MS = 300
_SINCE_S = time.time() - 7500
"""When the server became ready."""
_MEMORY_BYTES = 4_700_000_000
"""Of the chosen model while it is loaded."""
_WIDTH = 951
"""Pixels of a window that has no table with many columns."""
_TEXTS = {
    "The quick brown fox jumps over the lazy dog.": (1.0, 0.1, 0.2),
    "A fast fox leaps over a sleepy dog.": (0.9, 0.2, 0.1),
    "Bread is baked in an oven.": (0.2, 1.0, 0.1),
    "The baker sells fresh rolls.": (0.1, 0.9, 0.3),
    "Light is faster than sound.": (0.3, 0.1, 1.0),
}
"""How much each is about animals, about bread, about physics."""


_CHAT = ("Qwen3 4B Instruct Q4_K_M", 2_500_000_000, 40_960, "Q4_K_M")
"""A model that llama.cpp runs: its name, size in bytes, context in tokens and quantization."""
_QUESTION = "How do I find the texts that are nearest to a question, in Python?"
_ANSWER = """Ask the server for the **embeddings** of all texts, then compare:

```python
import numpy as np
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none")

def embed(texts):
    data = client.embeddings.create(model="", input=texts).data
    return np.array([each.embedding for each in data])

scores = embed(texts) @ embed([question])[0]
best = scores.argsort()[::-1][:5]
```

The vectors have the length 1, so their product is the *cosine similarity*:

| Score | Meaning |
|------:|---------|
| 0.9 | nearly the same |
| 0.5 | about the same topic |
"""


class Teacher(FakeApp):
    """A fake that serves a sparse model with PowerInfer; its vectors show what embeddings are good for."""

    def preview(self, settings: Settings, keys: KeyChanges | None = None) -> LaunchPlan:  # noqa: ARG002
        return _plan(settings)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        vectors = tuple(_vector_of(_TEXTS[text]) for text in texts)
        return Embeddings(vectors, len(vectors[0]), 9 * len(texts), 21.4 * len(texts))


class Newcomer(FakeApp):
    """A fake on which the catalog is judged as on a computer with 16 GiB and llama.cpp alone."""

    def __init__(self, status: AppStatus, *, folder: Path) -> None:
        super().__init__(status, folder=folder)
        self.models = _Judge(self)


class _Judge(FakeCare):
    def recommended(self, languages: Sequence[str]) -> tuple[Recommendation, ...]:
        machine = Machine(plain=MemoryBudget(16 << 30), sparse=None, free_bytes=100 << 30)
        return recommend(self._app.library.catalog, machine, languages)


def _vector_of(topics: tuple[float, ...]) -> tuple[float, ...]:
    """A vector of length 1 in which each topic has a direction of its own, and every text a little noise."""
    raw = [
        sum(share * math.sin(7.3 * (topic + 1) * n) for topic, share in enumerate(topics))
        + 0.4 * math.sin(sum(topics) * 31 * n)
        for n in range(1, 257)
    ]
    length = math.hypot(*raw)
    return tuple(value / length for value in raw)


def main() -> int:
    """Take all of them; 1 if one is too large for a page that many people load."""
    qt = QApplication([])
    FOLDER.mkdir(parents=True, exist_ok=True)
    too_large = 0
    qt.setFont(QFont("Inter", 10))  # as desktops have it, or another one of its kind
    QCursor.setPos(5_000, 5_000)  # over nothing
    Languages().use("en")  # numbers as well, whatever this system's are
    worn = Look(qt, System.LINUX)
    for look in ("light", "dark"):
        worn.wear(dark=look == "dark")
        for name, widget in _widgets(qt):
            path = FOLDER / f"{name}-{look}.png"
            save(widget.grab().toImage(), path)
            print(f"{path.relative_to(FOLDER.parents[1])}: {path.stat().st_size:,} bytes")
            too_large += path.stat().st_size > MOST_BYTES
    return min(1, too_large)


def save(image: QImage, path: Path) -> None:
    """Save a picture in few bytes, without the transparency that a window does not have."""
    opaque = image.convertToFormat(QImage.Format.Format_RGB888)
    if not opaque.save(str(path), quality=0):  # of Qt's scale for PNG: the smallest
        raise OSError(f"{path} could not be written")


def _widgets(qt: QApplication) -> Iterator[tuple[str, QWidget]]:
    """Everything that is photographed, one after the other; each is gone before the next one comes."""
    with tempfile.TemporaryDirectory() as folder:
        fake = Teacher(_ready(), folder=Path(folder))
        fake.search = notes_shown.NotesSearch(fake.note)
        fake.library = FakeLibrary(_installed_models())
        bridge = Bridge(fake)
        window = Window(bridge)
        yield "tray-menu", _tray_menu(fake)
        yield "home", _home(window)
        yield "several", _several(window, fake)
        yield "question", _question(window, fake)
        yield "models", _models(window, fake)
        yield from _ways_to_models(window, fake)
        yield from _engines(window, fake)
        yield "embeddings-search", _embeddings_search(window, fake)
        yield "embeddings-compare", _embeddings_compare(window)
        yield "chat", _chat(window, fake)
        yield from _settings(bridge)
        yield "tune", _tune(window, bridge, fake)
        window.close()
        bridge.close(timeout_s=5)
        qt.processEvents()
    for language in ("en", "fr", "ja"):
        with tempfile.TemporaryDirectory() as folder, _speaking(language):
            yield from _first_start(qt, language, Path(folder))


@contextmanager
def _speaking(language: str) -> Iterator[None]:
    """Speak a language; English again afterwards."""
    languages = Languages()
    languages.use(language)
    yield
    languages.use("en")


def _first_start(qt: QApplication, language: str, folder: Path) -> Iterator[tuple[str, QWidget]]:
    """What someone sees who has no model, on a computer with 16 GiB, without card and PowerInfer."""
    fake = Newcomer(make_status(model_name=None), folder=folder)
    fake.library = FakeLibrary((_test_model(),))
    fake.library.catalog = load_catalog(resources() / "catalog.toml")
    bridge = Bridge(fake)
    window = Window(bridge)
    window.open()
    window.resize(*USUAL_SIZE)
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    _wait_for(page.first_steps.isVisible)
    yield f"first-start-{language}", window
    window.close()
    bridge.close(timeout_s=5)
    qt.processEvents()


def _ways_to_models(window: Window, fake: FakeApp) -> Iterator[tuple[str, QWidget]]:
    """A search and the files of one of its repositories, models of other apps, and the disk's space."""
    fill(fake)
    found = fake.discovery.pages[WORDS]  # without the one whose name only tests the layout
    fake.discovery.pages[WORDS] = replace(found, repositories=found.repositories[:-1])
    page = window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    page.setCurrentWidget(page.discover)
    page.discover.field.setText(WORDS)
    page.discover.search()
    _wait_for(lambda: REPOSITORY in page.discover.rows.rows.keys)
    yield "discover", window
    page.discover.rows.press(REPOSITORY)
    _wait_for(lambda: page.discover.hub.report)
    yield "discover-files", window
    page.setCurrentWidget(page.found)
    _wait_for(lambda: page.found.rows.rows.keys)
    yield "found", window
    page.setCurrentWidget(page.space)
    _wait_for(page.space.unused_button.isVisible)
    page.space.unused_button.click()
    _settle()
    yield "disk-space", window
    page.setCurrentWidget(page.installed)


def _test_model() -> Model:
    header = replace(make_model().header, sparse=False, architecture="llama", quantization="F16")
    model = make_model("Built-in test model", "test.gguf")
    return replace(model, size_bytes=383_040, header=replace(header, context_length=512))


def _download() -> Progress:
    made = make_progress(name="bge-m3-q8_0.gguf", received_bytes=267_000_000, total_bytes=635_000_000)
    return replace(made, remaining_s=30)


def _ready() -> AppStatus:
    engine = make_snapshot(State.READY, plan=_plan(Settings(model="bamboo")), since_s=_SINCE_S)
    return with_engines(make_status(State.READY, engine=engine), memory_bytes=_MEMORY_BYTES)


def _plan(settings: Settings) -> LaunchPlan:
    return make_plan(settings, make_engine(EngineKind.POWERINFER))


def _tray_menu(fake: FakeApp) -> QWidget:
    status = make_status(State.READY, downloads=(_download(),))
    tray = Tray(status, template=False, over_dbus=False)
    tray.show_models(model_choices(read_facts(fake), status, ENGLISH))
    tray.menu.popup(tray.menu.pos())
    _wait_for(tray.menu.isVisible)
    return tray.menu


def _home(window: Window) -> QWidget:
    window.open(Page.HOME)
    window.resize(_WIDTH, window.height())
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    look = page.usage_look
    _wait_for(lambda: look.samples)
    look.clock.stop()
    look.samples = ()
    for second in range(int(SPAN_S) + 1):
        look.take(_sample(second))
    look.seen.emit(replace(_ready(), traffic=_sample(int(SPAN_S)).traffic))
    _settle()
    return window


def _sample(second: int) -> UsageSample:
    """A server that is asked for much in the middle of two minutes."""
    busy_s = sum(_busyness(earlier) for earlier in range(second))
    memory_bytes = _MEMORY_BYTES - int(400_000_000 * (1 - math.tanh(busy_s / 8)))
    usage = ResourceUsage((4711,), second, 3.6 * busy_s + 0.1 * second, memory_bytes, None)
    return UsageSample(second, usage, Traffic(requests=int(3.4 * busy_s), prompt_tokens=int(190 * busy_s)))


def _busyness(second: int) -> float:
    """The share of a second in which the server computes."""
    wave = 0.72 + 0.2 * math.sin(second / 5) + 0.08 * math.sin(second * 1.7)
    return wave * (1 / (1 + math.exp((30 - second) / 3)) - 0.8 / (1 + math.exp((95 - second) / 3)))


def _several(window: Window, fake: FakeApp) -> QWidget:
    """An embedding model that is asked, the chosen one, and one that is being loaded."""
    chat = make_loaded(_CHAT[0], State.LOADING, since_s=time.time() - 3, expected_bytes=3 << 30)
    embeds = make_loaded("BGE M3 Q8_0", kept=True, leases=1, memory_bytes=680 << 20, since_s=_SINCE_S)
    status = with_engines(
        _ready(),
        replace(embeds, told=replace(_plan_of(embeds), purpose=Purpose.EMBEDDING)),
        replace(chat, memory_bytes=None),
    )
    status = replace(status, traffic=Traffic(requests=1096))
    asked = {"bge-m3-q8_0": Traffic(requests=96, requests_per_s=3.4, tokens_per_s=812.6)}
    status = replace(status, traffic_of=asked)
    fake.show(status)
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    page.usage_look.seen.emit(status)  # whose own clock stands still for the picture
    _wait_for(lambda: len(page.engines.rows) == len(status.pool.engines))
    return window


def _plan_of(each: EngineStatus) -> LaunchPlan:
    assert isinstance(each.told, LaunchPlan)
    return each.told


def _question(window: Window, fake: FakeApp) -> QWidget:
    """An editor that has been refused."""
    fake.show(replace(_ready(), refused_origins=("app://obsidian.md",)))
    page = window.page(Page.HOME)
    assert isinstance(page, HomePage)
    page.usage_look.seen.emit(fake.status())
    _wait_for(page.origin.allow_button.isEnabled)
    return window


def _models(window: Window, fake: FakeApp) -> QWidget:
    fake.show(make_status(State.READY, downloads=(_download(),)))
    window.open(Page.MODELS)
    window.resize(USUAL_SIZE[0], window.height())
    page = window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    _wait_for(lambda: len(page.installed.table.rows) > 0)
    return window


def _installed_models() -> tuple[Model, ...]:
    """Of each kind one, besides the one that comes with the app."""
    embedding = _of_kind("Nomic Embed Text v1.5 Q8_0", 146_000_000, 2048, "Q8_0", pooling=Pooling.MEAN)
    return make_model(), embedding, _of_kind(*_CHAT), _test_model()


def _of_kind(name: str, size_bytes: int, context: int, quantization: str, **header: Any) -> Model:
    made = make_model(name, f"{name.lower().replace(' ', '-')}.gguf", sparse=False)
    changes = {"context_length": context, "quantization": quantization, **header}
    return replace(made, size_bytes=size_bytes, header=replace(made.header, **changes))


def _engines(window: Window, fake: FakeApp) -> Iterator[tuple[str, QWidget]]:
    """An engine is offered, is on its way, and is there beside one that has failed."""
    window.open(Page.ENGINES)
    window.resize(_WIDTH, window.height())
    page = window.page(Page.ENGINES)
    assert isinstance(page, EnginesPage)
    fake.engines.show(make_overview())
    _wait_for(page.offer.isVisible)
    yield "engines-offer", window
    downloading = Installation(
        CUDA.id, InstallPhase.DOWNLOADING, 247_400_000, CUDA.size_bytes, 12_300_000, remaining_s=27
    )
    fake.show(replace(_ready(), installation=downloading))
    _wait_for(page.installation.isVisible)
    yield "engines-installing", window
    chat = _of_kind(*_CHAT)
    fake.show(with_engines(_ready(), make_loaded(chat.name)))
    aside = SetAside(VULKAN.id, chat.id, "It stopped with SIGSEGV while it loaded the model.")
    fake.engines.show(
        make_overview(
            make_installed_engine(in_use_by=(chat.name,)),
            make_installed_engine(make_installed(VULKAN, size_bytes=97_000_000), set_aside=(aside,)),
            advice=Advice(
                None, phrase("{build} is installed and uses your {card}.", build=build_name(CUDA), card=CARD)
            ),
        )
    )
    _wait_for(lambda: VULKAN.id in page.installed.rows)
    yield "engines-installed", window


def _embeddings_search(window: Window, fake: FakeApp) -> QWidget:
    """A person's notes, with a question that one of them answers."""
    notes_shown.fill(fake.search, ("Contracts", "Thesis"))
    window.open(Page.EMBEDDINGS)
    window.resize(*USUAL_SIZE)
    page = window.page(Page.EMBEDDINGS)
    assert isinstance(page, EmbeddingsPage)
    search = page.search
    _wait_for(search.question.isVisible)
    notes = next(each for each in search.controller.shelf.collections if each.name == "Notes")
    search.controller.choose(notes.id)
    search.question.fill_in(notes_shown.QUESTION)
    search.ask()
    _wait_for(lambda: search.results.list.hits.rows and search.results.map)
    _settle()
    return window


def _embeddings_compare(window: Window) -> QWidget:
    page = window.page(Page.EMBEDDINGS)
    assert isinstance(page, EmbeddingsPage)
    page.setCurrentWidget(page.compare)
    page.compare.texts.setPlainText("\n".join(_TEXTS))
    page.compare.embed()
    _wait_for(lambda: page.compare.results.comparison is not None)
    _settle()
    return window


def _chat(window: Window, fake: FakeApp) -> QWidget:
    """A conversation with text, code and a table, and some others beside it."""
    fake.show(_ready())
    for title in ("Three dinners with rice", "E-mail: the meeting moves to Thursday", "What is a vector?"):
        fake.chats.save(_conversation(fake, Message(Role.USER, title, time.time())))
    talk = _conversation(
        fake,
        Message(Role.USER, _QUESTION, time.time()),
        Message(Role.ASSISTANT, _ANSWER, time.time(), model_id="bamboo", tokens=187, tokens_per_s=42.1),
    )
    kept = fake.chats.save(talk)
    window.open(Page.CHAT)
    window.resize(*USUAL_SIZE)
    page = window.page(Page.CHAT)
    assert isinstance(page, ChatPage)
    page.chat.sidebar.refresh()
    page.chat.talk.open(kept.id)
    _wait_for(lambda: page.chat.talk.conversation.id == kept.id and page.chat.talk.look.known)
    page.chat.talk.view.transcript.show_message(0)
    _settle()
    return window


def _conversation(fake: FakeApp, *messages: Message) -> Conversation:
    return replace(fake.chats.new(), messages=messages)


def _settings(bridge: Bridge) -> Iterator[tuple[str, QWidget]]:
    """A group of settings with changes, and what a search finds in several groups."""
    dialog = SettingsDialog(bridge)
    dialog.show()
    dialog.groups.open("models")
    dialog.editors["ctx_size"].set_value(8192)
    _wait_for(lambda: dialog.command.value() != "" and dialog.consequence.text() != "")
    yield "settings", dialog
    dialog.groups.search.setText("gpu")
    _settle()
    yield "settings-search", dialog
    dialog.close()


def _tune(window: Window, bridge: Bridge, fake: FakeApp) -> QWidget:
    """A comparison of three engines and five numbers of threads."""
    import_once("tray_app.ui.widgets.curve")
    plan = replace(make_plan(Settings(model="bamboo")), model=make_model(sparse=False))
    fake.show(make_status(State.READY, engine=make_snapshot(State.READY, plan=plan)))
    _wait_for(lambda: bridge.status.engine.plan == plan)
    engines = (
        EngineMeasurement(EngineOption("llama.cpp", "2026.10"), 96.4, 18.2),
        EngineMeasurement(EngineOption("llama.cpp-cuda", "b11194"), 1450.0, 141.0),
        EngineMeasurement(EngineOption("llama.cpp-vulkan", "b11194"), failure=phrase("The engine crashed")),
    )
    speeds = ((2, 1310.0, 138.0), (4, 1442.0, 141.0), (6, 1450.0, 139.0), (8, 1433.0, 131.0))
    samples = tuple(ThreadMeasurement(*each) for each in speeds)
    tuning = Tuning(Threads(4, 4), samples, True, "llama.cpp", engines)
    dialog = TuneDialog(bridge, window)
    dialog._show_measured(tuning, len(engines) + len(samples))
    dialog._show(tuning)
    dialog.show()
    _settle()
    return dialog


def _wait_for(condition: Callable[[], object]) -> None:
    """Run the event loop until something is there, and until it is drawn."""
    deadline = QDeadlineTimer(_PATIENCE_MS)
    while not condition():
        if deadline.hasExpired():
            raise TimeoutError("What was to be photographed did not appear")
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, _SETTLE_MS)
    _settle()


def _settle() -> None:
    """Let layouts and painting catch up."""
    settled = QDeadlineTimer(_SETTLE_MS)
    while not settled.hasExpired():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, _SETTLE_MS)


if __name__ == "__main__":
    sys.exit(main())
