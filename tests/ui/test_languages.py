"""Every window in every language: spoken at once, nothing left in English, nothing cut off."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar

import pytest
from PySide6.QtCore import QCoreApplication, QLocale, QPoint, QRect, QSize, QTranslator
from PySide6.QtGui import QKeySequence, QScreen
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QScrollArea,
    QTabBar,
    QTableView,
    QWidget,
)

from tests.fakes.app import (
    CATALOG,
    make_loaded,
    make_model,
    make_progress,
    make_snapshot,
    make_status,
    with_engines,
)
from tests.fakes.bridges import end_desktop, settle
from tests.fakes.engines_shown import CPU, CUDA, VULKAN, make_installed, make_installed_engine, make_overview
from tests.fakes.models_shown import NAMES, REPOSITORY, WORDS, fill
from tests.ui.conftest import ARTIFACTS
from tests.ui.test_updates import ASKING, telling
from tools.texts import find_texts
from tools.translations import ROOT, Translation, compile_ts, rendered
from tray_app.chats.conversation import Message, Role
from tray_app.engine.builds.build import SetAside
from tray_app.engine.builds.installation import Installation, InstallPhase
from tray_app.engine.lifecycle import State
from tray_app.errors import DownloadError, EngineError, ErrorCode, Fix, SettingsError
from tray_app.models.catalog import load_catalog
from tray_app.models.memory import Fit
from tray_app.phrases import phrase
from tray_app.settings.keys import GATEWAY, HUGGING_FACE
from tray_app.settings.schema import Settings
from tray_app.system.paths import resources
from tray_app.ui import languages as languages_module
from tray_app.ui.desktop import Desktop
from tray_app.ui.dialogs.about import about_box
from tray_app.ui.dialogs.confirm import ask_to_cancel
from tray_app.ui.dialogs.settings import SettingsDialog
from tray_app.ui.dialogs.tune import TuneDialog
from tray_app.ui.languages import number_locale, person_language, spoken
from tray_app.ui.pages.chat import ChatPage
from tray_app.ui.pages.embeddings import EmbeddingsPage
from tray_app.ui.pages.engines import EnginesPage
from tray_app.ui.pages.logs import LogsPage
from tray_app.ui.pages.models import ModelsPage
from tray_app.ui.presenters.builds import EngineAction
from tray_app.ui.presenters.chat_rows import ChatAction
from tray_app.ui.presenters.formatting import size_text
from tray_app.ui.presenters.logs import count_text
from tray_app.ui.presenters.models import ModelAction, RowKind
from tray_app.ui.presenters.notices import Page
from tray_app.ui.presenters.settings import GROUPS
from tray_app.ui.texts import tr
from tray_app.ui.tray import Tray
from tray_app.ui.widgets.row_delegate import RowDelegate
from tray_app.ui.widgets.row_list import RowList
from tray_app.ui.window import USUAL_SIZE, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from PySide6.QtCore import QModelIndex
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.status import AppStatus
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.languages import Languages
    from tray_app.ui.presenters.models import ModelRow

LANGUAGES = ("en", "fr", "ja")
SMALL_SCREEN = (683, 450)
"""Pixels: of a small laptop at 200 %."""
LARGEST = (1024, 700)
"""Pixels of a small laptop's screen, less its panel."""


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, languages: Languages) -> str:
    """Each language, one after the other."""
    languages.use(request.param)
    name: str = request.param
    return name


def busy_status(fix: Fix = Fix.NONE) -> AppStatus:
    """Something of everything."""
    title = phrase("The model file {name} is damaged", name="a.gguf")
    failure = EngineError(
        ErrorCode.ENGINE_ENDED,
        title,
        "The file is empty.",
        fix=fix,
        setting="port",
        evidence=("a line", "error"),
    )
    engine = make_snapshot(State.BACKOFF, failure=failure)
    return make_status(State.BACKOFF, engine=engine, downloads=(make_progress(),), problem=failure)


def several_models() -> AppStatus:
    """One that answers, one that is being loaded, one that has failed."""
    failure = EngineError(ErrorCode.ENGINE_ENDED, "The model file is incomplete", "It ends early.")
    return with_engines(
        make_status(State.READY),
        make_loaded("BGE M3 Q8_0", kept=True, leases=1),
        make_loaded("Qwen3 4B Q4_K_M", State.LOADING, memory_bytes=None),
        make_loaded("Tiny", State.FAILED, failure=failure),
        memory_bytes=4_700_000_000,
    )


@pytest.fixture
def window(qtbot: QtBot, bridge: Bridge, fake: FakeApp) -> Window:
    fake.library.models = (make_model(),)
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))
    made = Window(bridge)
    qtbot.addWidget(made)
    return made


def scenes(qtbot: QtBot, bridge: Bridge, fake: FakeApp, window: Window) -> Iterator[tuple[str, QWidget]]:
    """Every window in every state that matters, with a name for its picture."""
    for name, page, status in (
        ("first-run", Page.MODELS, make_status(model_name=None)),
        ("models", Page.MODELS, busy_status()),
        ("logs", Page.LOGS, make_status(State.READY)),
    ):
        fake.show(status)
        window.open(page)
        window.resize(USUAL_SIZE[0], window.height())  # the screen of these tests is smaller
        qtbot.waitUntil(lambda status=status: bridge.status is status)  # type: ignore[misc]
        settle(qtbot, bridge)
        yield name, window
    yield from models(qtbot, bridge, fake, window)
    yield from engines(qtbot, bridge, fake, window)
    window.open(Page.EMBEDDINGS)
    trial = window.page(Page.EMBEDDINGS)
    assert isinstance(trial, EmbeddingsPage)
    trial.compare.texts.setPlainText("one\ntwo")
    trial.compare.embed()
    qtbot.waitUntil(lambda: not trial.compare.results.isHidden())
    settle(qtbot, bridge)
    yield "search-empty", window
    outdated = fake.search.put("Bamboo", "Storks fly south in autumn.", "Owls hunt at night.").id
    fake.search.outdated.add(outdated)
    trial.search.controller.read()
    settle(qtbot, bridge)
    yield "search-outdated", window
    fake.search.outdated.clear()
    trial.search.controller.read()
    trial.search.question.setText("owls")
    settle(qtbot, bridge)
    for number, name in enumerate(("search", "compare", "measure")):
        trial.setCurrentIndex(number)
        if name == "measure":
            trial.measure.measure()
            qtbot.waitUntil(lambda: trial.measure.plot is not None, timeout=15_000)
        yield name, window
    for name, status in (
        ("ready", make_status(State.READY)),
        ("several", several_models()),
        ("new-versions", ASKING),
        ("new-version", telling()),
        *((fix.value, busy_status(fix)) for fix in Fix),
    ):
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(status)
        window.open(Page.HOME)
        yield f"status-{name}", window
    yield from chats(qtbot, bridge, fake, window)
    fake.kept = {HUGGING_FACE.name}
    dialog = SettingsDialog(bridge)
    qtbot.addWidget(dialog)
    dialog.show()
    settle(qtbot, bridge)
    for group in GROUPS:
        dialog.groups.groups[group].fold_button.setChecked(True)
        dialog.groups.open(group)
        yield f"settings-{group}", dialog
    yield from keys(dialog)
    box = about_box()
    qtbot.addWidget(box)
    box.show()
    yield "about", box
    yield from questions(qtbot, bridge, window)


def chats(qtbot: QtBot, bridge: Bridge, fake: FakeApp, window: Window) -> Iterator[tuple[str, QWidget]]:
    """The page Chat: empty, with a conversation, without a model; and its dialogs."""
    fake.seeing = {"bamboo"}
    fake.show(make_status(State.READY))
    window.open(Page.CHAT)
    page = window.page(Page.CHAT)
    assert isinstance(page, ChatPage)
    talk = page.chat.talk
    settle(qtbot, bridge)
    yield "chat-empty", window
    question = Message(Role.USER, "?", 1.0)
    answer = Message(Role.ASSISTANT, "!", 2.0, reasoning="!", tokens=7, tokens_per_s=21.5, stopped=True)
    talk.open(fake.chats.save(replace(fake.chats.new(), messages=(question, answer))).id)
    settle(qtbot, bridge)
    talk.act(ChatAction.EDIT, 0)
    yield "chat", window
    for name, ask in (
        ("options", talk.composer.options_button.click),
        ("link", lambda: talk.view.transcript.follow_link("https://example.org/")),
        ("other-link", lambda: talk.view.transcript.follow_link("file:///a")),
    ):
        ask()
        assert talk.dialog is not None
        yield f"question-chat-{name}", talk.dialog
        talk.dialog.close()
    page.setCurrentWidget(page.completion)
    yield "completion", window
    page.setCurrentWidget(page.chat)


def models(qtbot: QtBot, bridge: Bridge, fake: FakeApp, window: Window) -> Iterator[tuple[str, QWidget]]:
    """The tabs of the page Models besides the first one, and the question of the last."""
    fill(fake)
    window.open(Page.MODELS)
    page = window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    page.setCurrentWidget(page.discover)
    page.discover.others_button.click()
    settle(qtbot, bridge)
    yield "discover-catalogue", window
    page.discover.field.setText(WORDS)
    page.discover.search()
    settle(qtbot, bridge)
    yield "discover-results", window
    page.discover.rows.press(REPOSITORY)
    settle(qtbot, bridge)
    yield "discover-files", window
    for name, panel in (("found", page.found), ("space", page.space)):
        page.setCurrentWidget(panel)
        settle(qtbot, bridge)
        yield name, window
    page.space.unused_button.click()
    yield "space-chosen", window
    page.space.remove_button.click()
    assert page.space.dialog is not None
    yield "question-remove-several", page.space.dialog
    page.space.dialog.close()
    page.setCurrentWidget(page.installed)


def engines(qtbot: QtBot, bridge: Bridge, fake: FakeApp, window: Window) -> Iterator[tuple[str, QWidget]]:
    """The page Engines and its dialogs; on the page Status what it says of them."""
    window.open(Page.ENGINES)
    page = window.page(Page.ENGINES)
    assert isinstance(page, EnginesPage)
    page.others_button.click()
    aside = SetAside(VULKAN.id, "tiny", "It stopped with SIGSEGV.")
    there = (
        make_installed_engine(in_use_by=("Tiny",)),
        make_installed_engine(make_installed(VULKAN), set_aside=(aside,)),
        make_installed_engine(make_installed(CPU, speed=1.9), changed=True),
    )
    for name, overview in (("offer", make_overview()), ("installed", make_overview(*there))):
        fake.engines.show(overview)
        qtbot.waitUntil(lambda overview=overview: page.look.overview is overview)  # type: ignore[misc]
        settle(qtbot, bridge)
        yield f"engines-{name}", window
    halfway = Installation(CUDA.id, InstallPhase.DOWNLOADING, 43, 100, 12_300_000, 27)
    for phase in InstallPhase:
        error = DownloadError(ErrorCode.SOURCE_UNREACHABLE, "The file is empty.")
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(replace(make_status(), installation=replace(halfway, phase=phase, error=error)))
        yield f"engines-{phase}", window
    page.controller.add(Path("/a.gguf"))
    assert page.controller.dialog is not None
    yield "question-add-engine", page.controller.dialog
    page.controller.dialog.close()
    page.controller.do(EngineAction.INSTALL, CUDA.id, fake.engines.shown)
    yield "question-terms", page.controller.dialog
    page.controller.dialog.close()
    fake.engines.show(make_overview())
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status())
    window.open(Page.HOME)
    settle(qtbot, bridge)
    yield "status-offer", window
    fake.engines.show(make_overview(make_installed_engine()))
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY))


def keys(dialog: SettingsDialog) -> Iterator[tuple[str, QWidget]]:
    """The keys in the settings, in what states they can be."""
    dialog.point_at(GATEWAY.name)
    dialog.editors["network"].set_value("lan")
    yield "settings-key-missing", dialog
    dialog.keys[GATEWAY.name].generate_button.click()
    QCoreApplication.processEvents()  # the note has become longer
    yield "settings-key-made", dialog
    dialog.keys[HUGGING_FACE.name].remove_button.click()
    dialog.point_at(HUGGING_FACE.name)
    yield "settings-key-removed", dialog


def questions(qtbot: QtBot, bridge: Bridge, window: Window) -> Iterator[tuple[str, QWidget]]:
    """The dialogs in which models are cared for."""
    models = window.page(Page.MODELS)
    assert isinstance(models, ModelsPage)
    page = models.installed
    row = next(row for row in page.table.rows.items if row.chosen)

    def cancel(row: ModelRow) -> None:
        page.controller.dialog = ask_to_cancel(page, row, bool, bool)

    asked: dict[str, Callable[[], object]] = {
        "download": lambda: page.controller.download("Bamboo", "hf:a/b/bamboo.gguf"),
        "import": lambda: page.controller.import_files([Path("/models/a.gguf")]),
        "quantize": lambda: page.controller.do(ModelAction.QUANTIZE, row),
        "remove": lambda: page.controller.do(ModelAction.REMOVE, row),
        "remove-part": lambda: page.controller.do(ModelAction.REMOVE, replace(row, sort=RowKind.PARTIAL)),
        "cancel": lambda: cancel(row),
    }
    for name, ask in asked.items():
        ask()
        dialog = page.controller.dialog
        assert dialog is not None
        settle(qtbot, bridge)
        QCoreApplication.processEvents()  # a dialog makes room for what it has been told
        yield f"question-{name}", dialog
        dialog.close()
    tuning = TuneDialog(bridge, window)
    tuning.open()
    tuning.measure()
    qtbot.waitUntil(lambda: not tuning.busy, timeout=15_000)
    yield "question-tune", tuning
    tuning.close()


def test_the_systems_language_decides_until_another_one_is_chosen() -> None:
    assert spoken("auto", ["fr-CH", "en-GB"]) == "fr"
    assert spoken("auto", ["de-DE", "ja-JP", "en-US"]) == "ja"
    assert spoken("auto", ["de-DE"]) == "en"
    assert spoken("ja", ["fr-FR"]) == "ja"


def test_numbers_follow_the_system_where_it_fits_the_language() -> None:
    swiss = QLocale("fr_CH")

    assert number_locale("auto", "fr", swiss) == swiss
    assert number_locale("fr", "fr", swiss) == swiss
    assert number_locale("ja", "ja", swiss) == QLocale("ja")
    assert number_locale("auto", "en", QLocale.c()) == QLocale("en")


@pytest.mark.parametrize(
    ("name", "size", "none", "one", "many"),
    [
        ("en", "4.68 GB", "0 lines", "1 line", "12,000 lines"),
        ("fr", "4,68\N{NO-BREAK SPACE}Go", "0 ligne", "1 ligne", "12\N{NARROW NO-BREAK SPACE}000 lignes"),
        ("ja", "4.68 GB", "0 行", "1 行", "12,000 行"),
    ],
)
def test_numbers_and_their_words_are_those_of_the_language(
    languages: Languages, name: str, size: str, none: str, one: str, many: str
) -> None:
    languages.use(name)

    assert size_text(4_680_000_000, tr) == size
    assert [count_text(count, count, tr) for count in (0, 1, 12_000)] == [none, one, many]


def test_the_numbers_of_an_axis_are_those_of_the_language(languages: Languages) -> None:
    from tray_app.ui.widgets.axes import NumberAxis

    languages.use("fr")
    axis = NumberAxis("left")

    assert axis.tickStrings([-0.5, 0.0, 0.5], 1, 0.5) == ["-0,5", "0,0", "0,5"]
    assert axis.tickStrings([0, 20_000], 1, 20_000) == ["0", "20\N{NARROW NO-BREAK SPACE}000"]


def test_an_error_is_said_with_its_values_and_their_words(languages: Languages) -> None:
    languages.use("fr")
    error = SettingsError(
        ErrorCode.MODEL_FORMAT_UNSUPPORTED,
        phrase("{name} is too new for this app", name="x.gguf"),
        "a foreign reason",
    )

    assert tr.said(error.texts[0]) == "x.gguf est trop récent pour cette application"
    assert tr.said(error.texts[1]) == "a foreign reason"
    assert str(error) == "x.gguf is too new for this app\na foreign reason"


def test_qts_own_buttons_speak_too(qtbot: QtBot, bridge: Bridge, languages: Languages) -> None:
    languages.use("fr")
    dialog = SettingsDialog(bridge)
    qtbot.addWidget(dialog)

    assert "Annuler" in {button.text().replace("&", "") for button in dialog.buttons.buttons()}


@pytest.fixture
def desktop(qapp: QApplication, fake: FakeApp, languages: Languages) -> Iterator[Desktop]:
    made = Desktop(qapp, fake)
    made.tray = Tray(made.bridge.status, template=False, over_dbus=False)
    yield made
    end_desktop(made)
    made._languages.use("en")
    languages.use("en")


def speak(qtbot: QtBot, desktop: Desktop, fake: FakeApp, name: str) -> None:
    before = desktop.window
    fake.show(make_status(State.READY, settings=Settings(model="bamboo", language=name)))  # type: ignore[arg-type]
    qtbot.waitUntil(lambda: desktop.window is not before)


def test_another_language_is_spoken_at_once_and_what_was_typed_stays(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    fake.show(make_status(State.READY))
    desktop.window.open(Page.EMBEDDINGS)
    page = desktop.window.page(Page.EMBEDDINGS)
    assert isinstance(page, EmbeddingsPage)
    page.compare.texts.setPlainText("one\ntwo")
    qtbot.waitUntil(page.compare.embed_button.isEnabled)
    page.compare.embed()
    qtbot.waitUntil(lambda: not page.compare.results.isHidden())
    desktop.open_settings()
    assert desktop.dialog is not None
    desktop.dialog.editors["ctx_size"].set_value(1024)
    desktop.dialog.groups.open("answers")

    speak(qtbot, desktop, fake, "fr")

    anew = desktop.window.page(Page.EMBEDDINGS)
    assert isinstance(anew, EmbeddingsPage)
    assert desktop.window.isVisible()
    assert desktop.window.current() is Page.EMBEDDINGS
    assert anew.compare.texts.toPlainText() == "one\ntwo"
    assert anew.compare.results.summary.text().startswith("2 textes")
    assert desktop.dialog.windowTitle() == "Paramètres"
    assert desktop.dialog.form.draft() == {"ctx_size": 1024}
    assert desktop.dialog.groups.current == "answers"
    assert desktop.tray is not None
    assert "Quitter" in {action.text().replace("&", "") for action in desktop.tray.menu.actions()}


def test_a_dialog_in_which_a_language_is_applied_goes_on_in_it(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    fake.show(make_status(State.READY))
    desktop.open_settings()
    old = desktop.dialog
    assert old is not None
    old.editors["language"].set_value("ja")

    old.apply()

    qtbot.waitUntil(lambda: desktop.dialog is not old)
    assert desktop.dialog is not None
    assert desktop.dialog.isVisible()
    assert desktop.dialog.windowTitle() == "設定"
    assert desktop.dialog.editors["language"].value() == "ja"
    assert desktop.dialog.form.draft() == {}


def test_a_question_is_answered_before_its_window_speaks_another_language(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp
) -> None:
    fake.show(make_status(State.READY))
    before = desktop.window
    before.open(Page.MODELS)
    page = before.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    page.installed.controller.import_files([Path("/models/a.gguf")])
    question = page.installed.controller.dialog
    assert question is not None

    fake.show(make_status(State.READY, settings=Settings(model="bamboo", language="fr")))
    qtbot.waitUntil(lambda: tr("&Quit") == "&Quitter")
    assert desktop.window is before
    question.reject()

    qtbot.waitUntil(lambda: desktop.window is not before)
    assert desktop.window.current() is Page.MODELS


def test_work_on_a_model_goes_on_in_the_new_language(qtbot: QtBot, desktop: Desktop, fake: FakeApp) -> None:
    fake.library.models = (make_model(),)
    fake.show(make_status(State.READY))
    desktop.window.open(Page.MODELS)
    old = desktop.window.page(Page.MODELS)
    assert isinstance(old, ModelsPage)
    rows = old.installed.table.rows
    qtbot.waitUntil(lambda: any(row.path for row in rows.items))
    row = next(row for row in rows.items if row.path)
    old.installed.controller.do(ModelAction.VERIFY, row)

    speak(qtbot, desktop, fake, "fr")
    page = desktop.window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    panel = page.installed
    assert row.id in panel.controller.jobs.current
    fake.models.go_on.set()

    qtbot.waitUntil(lambda: row.id not in panel.controller.jobs.current)
    assert not panel.card.isHidden()
    assert panel.card.accessibleName() == "Bamboo 7B Q4_0 est en ordre"


@pytest.mark.warns("There is no powerinfer_tray_fr")
def test_a_language_whose_files_are_missing_is_english(
    languages: Languages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(languages_module, "resources", lambda: tmp_path)

    languages.use("fr")

    assert tr("&Quit") == "&Quit"
    assert "powerinfer_tray_fr.qm" in caplog.text


def test_an_operation_that_began_in_the_old_language_may_end_in_the_new_one(
    qtbot: QtBot, desktop: Desktop, fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = Event()
    monkeypatch.setattr(fake, "stop_server", released.wait)
    fake.show(make_status(State.READY))
    desktop.window.open(Page.HOME)
    old = desktop.window
    gone: list[bool] = []
    old.destroyed.connect(lambda: gone.append(True))

    old.page(Page.HOME).stop()  # type: ignore[attr-defined]
    speak(qtbot, desktop, fake, "ja")
    assert not gone
    released.set()

    qtbot.waitUntil(lambda: gone == [True])


@pytest.fixture
def pseudo(tmp_path: Path, qapp: QApplication) -> Iterator[None]:
    """A language in which every text that is collected stands in brackets."""
    found = find_texts(ROOT)
    known = {
        text: Translation((f"⟦{text}⟧",) * (2 if message.counted else 1))
        for text, message in found.messages.items()
    }
    path = tmp_path / "pseudo.ts"
    path.write_text(rendered("fr", found, known), "utf-8")
    compile_ts(path, path.with_suffix(".qm"))
    translator = QTranslator()
    assert translator.load(str(path.with_suffix(".qm")))
    qapp.installTranslator(translator)
    yield
    qapp.removeTranslator(translator)


DATA = {
    *(entry.name for entry in CATALOG if entry.source),
    "a line\nerror",
    "one",
    "Q4_0",
    "F16",
    "Bamboo",
    "BGE M3 Q8_0",
    "Qwen3 4B Q4_K_M",
    "a.gguf",
    "two",
    "The quick brown fox jumps over the lazy dog.",
    "The quick brown fox jumps",
    "A small dense model.",
    "Made for PowerInfer, which is installed on this computer.",
    "English",
    "Français",
    "日本語",
}
"""What is the same in every language."""
QTS_OWN = {"OK", "Cancel", "Apply", "Scroll Left", "Scroll Right"}
"""Translated by Qt itself."""
FOREIGN = ("http://", "https://", "/", "curl ", "Python ", "llama.cpp")


def is_ours(text: str) -> bool:
    return (
        "⟦" in text
        or text in DATA | QTS_OWN | NAMES
        or text.startswith(FOREIGN)
        or not any(letter.isalpha() for letter in text)
    )


def texts_of(widget: QWidget) -> Iterator[tuple[QWidget, str]]:
    """All that a person may see or hear of a widget and all below it."""
    for one in (widget, *widget.findChildren(QWidget)):
        if one.objectName().startswith("qt_"):
            continue
        yield one, one.toolTip()
        yield one, one.accessibleName()
        if isinstance(one, QLabel | QAbstractButton):
            yield one, one.text()
        if isinstance(one, QLineEdit):
            yield one, one.placeholderText()
        if isinstance(one, QComboBox):
            yield from ((one, one.itemText(number)) for number in range(one.count()))
        if isinstance(one, QTabBar):
            yield from ((one, one.tabText(number)) for number in range(one.count()))
        if isinstance(one, QTableView):
            yield from ((one, str(index.data() or "")) for index in cells(one))
        if isinstance(one, QHeaderView) and one.isVisible():
            model, orientation = one.model(), one.orientation()
            yield from ((one, str(model.headerData(n, orientation) or "")) for n in range(one.count()))


def test_every_text_passes_through_the_translator(
    qtbot: QtBot,
    pseudo: None,  # noqa: ARG001 - spoken by the fixture
    bridge: Bridge,
    fake: FakeApp,
    window: Window,
) -> None:
    missed = {
        (name, type(one).__name__, text)
        for name, scene in scenes(qtbot, bridge, fake, window)
        for one, text in texts_of(scene)
        if not is_ours(text)
    }

    assert "\n".join(map(str, sorted(missed))) == ""


def cells(table: QTableView) -> Iterator[QModelIndex]:
    model = table.model()
    yield from (model.index(r, c) for r in range(model.rowCount()) for c in range(model.columnCount()))


def cut_off(widget: QWidget) -> Iterator[str]:
    """What has less room than it needs."""
    for label in visible(widget, QLabel):
        needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
        if label.height() < needed or (not label.wordWrap() and label.width() < label.sizeHint().width()):
            yield f"label {label.text()!r}: {label.size()} of {label.sizeHint()}, {needed}"
    for button in visible(widget, QAbstractButton):
        if button.text() and button.width() < button.minimumSizeHint().width():
            yield f"button {button.text()!r}: {button.width()} of {button.minimumSizeHint().width()}"
    for box in visible(widget, QComboBox):
        if not box.isEditable() and box.width() < box.sizeHint().width():
            yield f"list {box.currentText()!r}: {box.width()} of {box.sizeHint().width()}"
    yield from cut_off_parts(widget)


def staying_cut_off(qtbot: QtBot, widget: QWidget) -> list[str]:
    """As `cut_off`, but for what is measured just now, and is laid out a moment later."""
    QCoreApplication.processEvents()
    with suppress(qtbot.TimeoutError):
        qtbot.waitUntil(lambda: not [*cut_off(widget)], timeout=1000)
    return [*cut_off(widget)]


def cut_off_parts(widget: QWidget) -> Iterator[str]:
    """Parts of widgets that have less room than they need."""
    for line in visible(widget, QLineEdit):
        room = line.contentsRect().width() - 8
        is_words = not line.text() and not line.placeholderText().startswith("/")
        if is_words and line.fontMetrics().horizontalAdvance(line.placeholderText()) > room:
            yield f"field {line.placeholderText()!r}"
    for bar in visible(widget, QTabBar):
        if sum(bar.tabRect(number).width() for number in range(bar.count())) > bar.width():
            yield f"tabs {[bar.tabText(number) for number in range(bar.count())]}: {bar.width()}"
    for area in visible(widget, QScrollArea):
        if area.horizontalScrollBar().maximum() > 0:
            yield f"what is scrolled in {area.size()}"
    yield from cut_off_cells(widget)


def cut_off_rows(widget: QWidget) -> Iterator[str]:
    """Facts and buttons of lists that end with «…» although the window is as wide as usual; titles may."""
    for rows in visible(widget, RowList):
        delegate = rows.itemDelegate()
        assert isinstance(delegate, RowDelegate)
        for number in range(len(rows.rows)):
            row = rows.rows.at(number)
            room = delegate._room(rows.visualRect(rows.rows.index(number)), row).words.width()
            facts = " · ".join(" ".join(filter(None, (piece.sign, piece.text))) for piece in row.pieces)
            if delegate._fonts.of_caption.horizontalAdvance(facts) > room:
                yield f"facts {facts!r}: {room}"


def cut_off_cells(widget: QWidget) -> Iterator[str]:
    """Cells and headings of tables that have less room than they need."""
    for table in visible(widget, QTableView):
        if table.horizontalScrollBar().maximum() > 0:
            yield f"columns of {table.accessibleName()!r}: {table.horizontalScrollBar().maximum()} too wide"
        for index in cells(table):
            if table.sizeHintForIndex(index).width() > table.columnWidth(index.column()):
                yield f"cell {index.data()!r}: {table.columnWidth(index.column())}"
    for header in visible(widget, QHeaderView):
        for section in range(header.count()):
            if header.sectionSize(section) < header.sectionSizeHint(section):
                yield f"heading {header.model().headerData(section, header.orientation())!r}"


Kind = TypeVar("Kind", bound=QWidget)


def visible(widget: QWidget, kind: type[Kind]) -> list[Kind]:
    return [one for one in widget.findChildren(kind) if one.isVisible() and not is_empty(one)]


def is_empty(one: QWidget) -> bool:
    return isinstance(one, QLabel) and not one.text()


def mnemonics(widget: QWidget) -> Iterator[tuple[str, str]]:
    """Each letter that Alt reaches something with now, and what."""
    found = [one.text() for one in visible(widget, QAbstractButton)]
    found += [one.text() for one in visible(widget, QLabel) if one.buddy()]
    for bar in visible(widget, QTabBar):
        found += [bar.tabText(number) for number in range(bar.count())]
    for text in found:
        if not (keys := QKeySequence.mnemonic(text)).isEmpty():
            yield keys.toString(), text


def clashes(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    keys = [key for key, _ in found]
    return sorted(pair for pair in found if keys.count(pair[0]) > 1)


def test_no_text_is_cut_off_and_no_mnemonic_means_two_things(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, language: str, window: Window
) -> None:
    folder = ARTIFACTS / "languages"
    folder.mkdir(parents=True, exist_ok=True)
    wrong: list[str] = []
    for name, scene in scenes(qtbot, bridge, fake, window):
        wrong += [f"{name}: {one}" for one in staying_cut_off(qtbot, scene)]
        assert scene.grab().save(str(folder / f"{name}-{language}.png"))
        wrong += [f"{name}: mnemonic {one}" for one in clashes([*mnemonics(scene)])]
        least = scene.minimumSizeHint()
        if least.width() > LARGEST[0] or least.height() > LARGEST[1]:
            wrong.append(f"{name}: needs {least}")

    assert "\n".join(wrong) == ""


def test_what_most_people_use_fits_on_a_small_screen_with_large_letters(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    language: str,  # noqa: ARG001 - spoken by the fixture
    window: Window,
) -> None:
    fake.library.catalog = load_catalog(resources() / "catalog.toml")
    window.open(Page.HOME)
    wrong: list[str] = []
    for models in ((), tuple(make_model(f"Model {n}", f"{n}.gguf") for n in range(20))):
        fake.library.models = models
        changes = fake.status().folder_changes + 1
        status = make_status(State.READY) if models else make_status(model_name=None)
        with qtbot.waitSignal(bridge.status_changed):
            fake.show(replace(status, folder_changes=changes))
        for page in (Page.HOME, Page.MODELS, Page.CHAT, Page.ENGINES):
            window.resize(*USUAL_SIZE)
            window.open(page)
            settle(qtbot, bridge)
            window.resize(*SMALL_SCREEN)
            settle(qtbot, bridge)
            if (size := window.size().toTuple()) != SMALL_SCREEN:
                wrong.append(f"{page} with {len(models)} models: {size}")
            wrong += [
                f"{page} with {len(models)} models: sideways by {area.horizontalScrollBar().maximum()}"
                for area in visible(window.page(page), QScrollArea)
                if area.horizontalScrollBar().maximum() > 0
            ]

    assert "\n".join(wrong) == ""


def test_a_page_that_needs_more_than_the_screen_leaves_the_window_no_wider_for_the_next_one(
    qtbot: QtBot,
    bridge: Bridge,
    language: str,  # noqa: ARG001 - spoken by the fixture
    window: Window,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(QScreen, "availableGeometry", lambda _: QRect(QPoint(), QSize(*SMALL_SCREEN)))
    window.open(Page.LOGS)
    settle(qtbot, bridge)
    logs = window.page(Page.LOGS)
    assert isinstance(logs, LogsPage)
    logs.copy_button.setMinimumWidth(SMALL_SCREEN[0])
    settle(qtbot, bridge)
    assert window.width() > SMALL_SCREEN[0]

    window.open(Page.CHAT)
    settle(qtbot, bridge)

    assert window.width() <= SMALL_SCREEN[0]


def test_the_usual_window_shows_every_fact_of_a_long_list(
    qtbot: QtBot,
    bridge: Bridge,
    fake: FakeApp,
    language: str,  # noqa: ARG001 - spoken by the fixture
    window: Window,
) -> None:
    fake.fit = Fit.TOO_LARGE  # the longest word
    fake.library.models += tuple(make_model(f"Model {n}", f"{n}.gguf") for n in range(60))
    fake.library.catalog = load_catalog(resources() / "catalog.toml")
    window.open(Page.MODELS)
    window.resize(*USUAL_SIZE)
    page = window.page(Page.MODELS)
    assert isinstance(page, ModelsPage)
    qtbot.waitUntil(lambda: page.installed.table.verticalScrollBar().maximum() > 0)
    settle(qtbot, bridge)

    assert [*cut_off_rows(window)] == []
    assert page.installed.table.horizontalScrollBar().maximum() == 0


def test_no_mnemonic_of_a_menu_means_two_things(
    qapp: QApplication,  # noqa: ARG001 - Qt must run
    language: str,  # noqa: ARG001 - spoken by the fixture
) -> None:
    status = replace(busy_status(), updates=telling().updates)
    tray = Tray(status, template=False, over_dbus=False)
    for menu in (tray.menu, *tray.menu.findChildren(QMenu)):
        texts = [action.text() for action in menu.actions() if action.isVisible()]
        keys = [(QKeySequence.mnemonic(text).toString(), text) for text in texts]

        assert clashes([pair for pair in keys if pair[0]]) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda parent: QLabel("a long text that has no room", parent).setFixedWidth(10),
        lambda parent: QLineEdit(parent, placeholderText="a long text that has no room").setFixedWidth(60),
    ],
)
def test_the_look_for_what_is_cut_off_finds_it(qtbot: QtBot, make: Callable[[QWidget], object]) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    make(parent)
    parent.show()

    assert [*cut_off(parent)]


def test_the_look_for_clashing_mnemonics_finds_them() -> None:
    assert clashes([("Alt+S", "&Save"), ("Alt+S", "&Stop"), ("Alt+Q", "&Quit")])


@pytest.mark.parametrize(
    ("wanted", "system", "expected"),
    [
        ("auto", "de_AT", "de"),  # the app does not speak it, but models do
        ("auto", "ja_JP", "ja"),
        ("auto", "C", "en"),
        ("fr", "de_AT", "fr"),
    ],
)
def test_models_are_recommended_for_the_persons_own_language(
    monkeypatch: pytest.MonkeyPatch, wanted: str, system: str, expected: str
) -> None:
    class OfSystem(QLocale):
        @staticmethod
        def system() -> QLocale:
            return QLocale(system)

    monkeypatch.setattr(languages_module, "QLocale", OfSystem)

    assert person_language(wanted) == expected
