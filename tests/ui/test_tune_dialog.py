from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fakes.app import make_model, make_plan, make_snapshot, make_status
from tests.fakes.bridges import settle
from tests.ui.test_accessibility import nameless, unreachable
from tray_app.app.tuning import EngineMeasurement, EngineOption, ThreadMeasurement, Threads, Tuning
from tray_app.engine.lifecycle import State
from tray_app.errors import ErrorCode, GatewayError, SettingsError
from tray_app.ui.dialogs import tune
from tray_app.ui.pages.measure import MeasurePanel
from tray_app.ui.tuning_operations import measure_speed

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from tests.fakes.app import FakeApp
    from tray_app.app.root import App
    from tray_app.settings.schema import Settings
    from tray_app.ui.bridge import Bridge
    from tray_app.ui.dialogs.tune import TuneDialog

SAMPLES = (
    ThreadMeasurement(2, 11.0, 5.5),
    ThreadMeasurement(4, 20.0, 7.9),
    ThreadMeasurement(6, 26.5, 7.1),
    ThreadMeasurement(8, 23.0, 6.0),
)


class Bench:
    """Measures nothing: tells its samples one by one, as the test lets it."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.error: GatewayError | None = None
        self.samples: tuple[ThreadMeasurement, ...] = SAMPLES
        self.engines: tuple[EngineMeasurement, ...] = ()
        self.measuring: EngineOption | None = None

    def measure(
        self,
        _app: App,
        cancelled: threading.Event,
        _closing: threading.Event,
        tell: Callable[[Tuning, int], None],
    ) -> Tuning:
        if self.error:
            raise self.error
        done: tuple[ThreadMeasurement, ...] = ()
        while len(done) < len(self.samples) and not cancelled.is_set():
            if self.steps.acquire(timeout=0.02):
                done = self.samples[: len(done) + 1]
                found = replace(self._found(done, complete=False), measuring=self.measuring)
                tell(found, len(self.samples))
        return self._found(done, complete=not cancelled.is_set())

    def _found(self, done: tuple[ThreadMeasurement, ...], *, complete: bool) -> Tuning:
        return Tuning(Threads(4, 4), done, complete, "llama.cpp", self.engines)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()
    monkeypatch.setattr(tune, "measure_speed", made.measure)
    return made


@pytest.fixture
def dialog(qtbot: QtBot, bridge: Bridge, fake: FakeApp, bench: Bench) -> TuneDialog:  # noqa: ARG001
    return opened(qtbot, bridge, fake, dense=True)


def opened(qtbot: QtBot, bridge: Bridge, fake: FakeApp, *, dense: bool) -> TuneDialog:
    plan = replace(make_plan(), model=make_model(sparse=not dense))
    with qtbot.waitSignal(bridge.status_changed):
        fake.show(make_status(State.READY, engine=make_snapshot(State.READY, plan=plan)))
    panel = MeasurePanel(bridge)
    qtbot.addWidget(panel)
    panel.tune_button.click()
    assert panel.dialog is not None
    panel.dialog.panel = panel  # type: ignore[attr-defined]  # lives as long as its dialog
    return panel.dialog


def test_without_a_server_there_is_nothing_to_measure(qtbot: QtBot, bridge: Bridge) -> None:
    panel = MeasurePanel(bridge)
    qtbot.addWidget(panel)

    assert panel.tune_button.isHidden()


def test_the_curves_grow_and_the_best_is_offered_and_set(
    qtbot: QtBot,
    dialog: TuneDialog,
    bench: Bench,
    fake: FakeApp,
    photograph: Callable[[QWidget, str], None],
) -> None:
    dialog.measure()
    bench.steps.release()
    qtbot.waitUntil(lambda: (dialog.progress.value(), dialog.progress.maximum()) == (1, 4))
    bench.steps.release(3)
    qtbot.waitUntil(lambda: not dialog.busy)

    assert dialog.outcome.text() == "Fastest with 4 threads, and 6 for prompts."
    assert dialog._plot is not None
    assert dialog._plot.accessibleDescription() == (
        "Embeddings/s: 2: 11.0, 4: 20.0, 6: 26.5, 8: 23.0\nTokens/s: 2: 5.5, 4: 7.9, 6: 7.1, 8: 6.0"
    )
    photograph(dialog, "tune")
    dialog.apply_button.click()

    qtbot.waitUntil(lambda: fake.calls == [("apply", {"threads": 4, "threads_batch": 6})])


def test_engines_are_compared_in_words_and_the_fastest_is_the_models_own(
    qtbot: QtBot, dialog: TuneDialog, bench: Bench, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    bench.engines = (
        EngineMeasurement(EngineOption("llama.cpp", "2026.10"), 100.0, 40.0),
        EngineMeasurement(EngineOption("llama.cpp-cpu", "b11194"), 190.0, 40.0),
        EngineMeasurement(EngineOption("llama.cpp-vulkan", "b11194"), failure="The engine crashed"),
    )
    bench.samples = SAMPLES[:2]
    bench.steps.release(2)
    dialog.measure()
    qtbot.waitUntil(lambda: not dialog.busy)

    assert dialog.engines.text() == (
        "llama.cpp 2026.10: 100.0 embeddings/s · 40.0 tokens/s\n"
        "llama.cpp-cpu b11194: 190.0 embeddings/s · 40.0 tokens/s"
        " · 1.38 times as fast as the built-in engine\n"
        "llama.cpp-vulkan b11194: not measured. The engine crashed"
    )
    assert dialog.outcome.text() == "Fastest on llama.cpp-cpu with 4 threads."
    photograph(dialog, "tune-engines")
    dialog.apply_button.click()

    model_id = fake.chosen_id()
    qtbot.waitUntil(lambda: fake.calls == [("apply", {"models": {model_id: {"engine": "llama.cpp-cpu"}}})])


def test_an_engine_that_crashes_says_so_while_it_is_started_again(
    qtbot: QtBot, dialog: TuneDialog, bench: Bench, fake: FakeApp
) -> None:
    bench.engines = (EngineMeasurement(EngineOption("llama.cpp", "2026.10"), 100.0, 40.0),)
    bench.measuring = EngineOption("llama.cpp-vulkan", "b11194")
    dialog.measure()
    bench.steps.release()
    qtbot.waitUntil(lambda: dialog.engines.text().endswith("llama.cpp-vulkan b11194: measuring…"))

    fake.show(make_status(State.BACKOFF))

    crashed = "llama.cpp-vulkan b11194: it has crashed; trying again…"
    qtbot.waitUntil(lambda: dialog.engines.text().splitlines()[-1] == crashed)
    dialog.reject()
    qtbot.waitUntil(lambda: not dialog.busy)
    assert len(dialog.engines.text().splitlines()) == 1


def test_what_the_catalog_knows_of_a_model_holds_for_its_measurement(
    fake: FakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = msgspec.structs.replace(fake.library.catalog[1], pooling="cls")
    plan = replace(make_plan(), model=replace(make_model(), entry=entry))
    fake.show(make_status(State.READY, engine=make_snapshot(State.READY, plan=plan)))
    measured_with: list[Settings] = []
    monkeypatch.setattr(
        "tray_app.ui.tuning_operations.tune", lambda _app, settings, *_: measured_with.append(settings)
    )

    measure_speed(fake, threading.Event(), threading.Event(), lambda *_: None)

    assert [settings.pooling for settings in measured_with] == ["cls"]


def test_a_dialog_that_is_closed_before_its_advice_is_taken_is_not_asked_again(
    qtbot: QtBot,
    dialog: TuneDialog,
    bench: Bench,
    bridge: Bridge,
    fake: FakeApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(fake, "apply", lambda _: go_on.wait(10))
    bench.steps.release(4)
    dialog.measure()
    qtbot.waitUntil(lambda: not dialog.busy)

    dialog.apply_button.click()
    assert not dialog.apply_button.isEnabled()
    gone: list[bool] = []
    dialog.destroyed.connect(lambda: gone.append(True))
    dialog.reject()
    qtbot.waitUntil(lambda: gone == [True])
    go_on.set()

    # What it would be told ends in an exception of Qt, which fails a test.
    settle(qtbot, bridge)


def test_advice_that_cannot_be_taken_is_told_and_can_be_taken_again(
    qtbot: QtBot, dialog: TuneDialog, bench: Bench, fake: FakeApp
) -> None:
    fake.refuse("apply", SettingsError(ErrorCode.SETTINGS_NOT_SAVED, "The settings could not be saved"))
    bench.steps.release(4)
    dialog.measure()
    qtbot.waitUntil(lambda: not dialog.busy)

    dialog.apply_button.click()

    qtbot.waitUntil(lambda: dialog.card.accessibleName() == "The settings could not be saved")
    assert dialog.apply_button.isEnabled()


def test_what_is_best_already_is_kept(qtbot: QtBot, dialog: TuneDialog, bench: Bench) -> None:
    bench.samples = SAMPLES[:2]
    bench.steps.release(2)
    dialog.measure()
    qtbot.waitUntil(lambda: not dialog.busy)

    assert dialog.outcome.text().startswith("Keep the current settings")
    assert dialog.apply_button.isHidden()


def test_escape_stops_first_and_closes_then(qtbot: QtBot, dialog: TuneDialog) -> None:
    dialog.measure()
    dialog.reject()
    qtbot.waitUntil(lambda: not dialog.busy)

    assert dialog.outcome.text().startswith("Stopped early")
    assert dialog.isVisible()
    with qtbot.waitSignal(dialog.rejected):
        dialog.reject()


def test_a_failure_is_told(qtbot: QtBot, dialog: TuneDialog, bench: Bench) -> None:
    bench.error = GatewayError(ErrorCode.SERVER_UNREACHABLE, "The server did not answer", "It is gone.")
    dialog.measure()
    qtbot.waitUntil(lambda: not dialog.busy)

    assert dialog.card.accessibleName() == "The server did not answer"


def test_a_sparse_model_is_refused_with_the_reason(
    qtbot: QtBot, bridge: Bridge, fake: FakeApp, photograph: Callable[[QWidget, str], None]
) -> None:
    dialog = opened(qtbot, bridge, fake, dense=False)

    assert dialog.start_button.isHidden()
    assert dialog.apply_button.isHidden()
    assert dialog.card.accessibleName() == "A sparse model always uses one thread"
    photograph(dialog, "tune-sparse")


def test_everything_has_a_name_and_can_be_reached(qtbot: QtBot, dialog: TuneDialog, bench: Bench) -> None:
    bench.steps.release(4)
    dialog.measure()
    qtbot.waitUntil(lambda: not dialog.busy)

    assert nameless(dialog) == []
    assert unreachable(dialog) == []
