from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.app import make_engine, make_host, make_model
from tests.fakes.languages import ENGLISH
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.launch_plan import RemotePlan, plan_launch
from tray_app.errors import ErrorCode, ModelError
from tray_app.settings.schema import Settings
from tray_app.ui.presenters.memory import memory_bars

if TYPE_CHECKING:
    from tray_app.ui.presenters.memory import MemoryBarView

POWERINFER = make_engine(EngineKind.POWERINFER, "--vram-budget", "--n-gpu-layers", "--model")
HOST = make_host()
GIB = 2**30


def bars(
    settings: Settings | None = None, *, size_bytes: int = 4 * GIB, gpu: bool = False, sparse: bool = False
) -> tuple[MemoryBarView, ...]:
    model = make_model(sparse=sparse)
    model = replace(model, size_bytes=size_bytes)
    settings, host = settings or Settings(), make_host(gpu=gpu)
    engine = POWERINFER if sparse else make_engine()
    return memory_bars(plan_launch(settings, model, engine, host), settings, host, ENGLISH)


def test_weights_context_and_overhead_are_told_apart() -> None:
    (bar,) = bars()

    assert [name for name, _ in bar.parts] == ["Weights", "Context", "Overhead"]
    assert bar.parts[0][1] == 4 * GIB
    assert bar.summary.endswith(" GiB of 14.0 GiB that can be used")
    assert bar.warning == ""


def test_a_larger_context_takes_more() -> None:
    small, large = (bars(Settings(ctx_size=size))[0].parts[1][1] for size in (512, 4096))

    assert large == 8 * small


@pytest.mark.parametrize(
    ("size_bytes", "warning"),
    [
        (12 * GIB, "This fits, but leaves little for other programs."),
        (13 * GIB + 800 * 2**20, "This does not fit; a context size of 512 would."),
        (20 * GIB, "This does not fit, whatever the context size; choose a smaller model."),
    ],
)
def test_what_does_not_fit_is_said_and_what_would(size_bytes: int, warning: str) -> None:
    assert bars(Settings(ctx_size=4096, batch_size=512), size_bytes=size_bytes)[0].warning == warning


def test_a_vram_budget_is_compared_with_the_card() -> None:
    _, automatic = bars(gpu=True, sparse=True)
    _, modest = bars(Settings(vram_budget=6), gpu=True, sparse=True)
    _, vain = bars(Settings(vram_budget=12), gpu=True, sparse=True)

    assert automatic.summary == "what is free of 8.0 GiB"
    assert (modest.summary, modest.warning) == ("6.0 GiB of 8.0 GiB that can be used", "")
    assert vain.warning == "The graphics card has less than this budget."


CARD = EngineDevice("NVIDIA GeForce", 8 * GIB, "CUDA0")


def on_card(**settings: float) -> tuple[MemoryBarView, ...]:
    """The bars of llama.cpp with a card of 8 GiB."""
    engine = replace(make_engine(EngineKind.LLAMA_SERVER, "--fit-target"), devices=(CARD,))
    chosen, host = Settings(**settings), make_host(gpu=True)  # type: ignore[arg-type]
    model = replace(make_model(sparse=False), size_bytes=4 * GIB)
    return memory_bars(plan_launch(chosen, model, engine, host), chosen, host, ENGLISH)


def test_llama_cpp_moves_what_fits_to_the_card() -> None:
    main, graphics = on_card()

    assert (main.title, graphics.title) == ("Memory", "Graphics memory")
    assert graphics.parts[0][1] > 4 * GIB
    assert main.parts[0][1] < GIB
    assert main.summary.endswith("of 14.0 GiB that can be used")
    assert graphics.summary.endswith("of 7.0 GiB that can be used")


def test_what_is_beyond_a_vram_budget_stays_in_main_memory() -> None:
    main, graphics = on_card(vram_budget=2)

    assert (graphics.parts, graphics.usable_bytes, graphics.warning) == ((("", 2 * GIB),), 2 * GIB, "")
    assert main.parts[0][1] > 2 * GIB


def test_a_vram_budget_that_is_more_than_the_card_has_is_told() -> None:
    assert on_card(vram_budget=12)[1].warning == "The graphics card has less than this budget."


def test_graphics_memory_is_left_out_where_the_budget_means_nothing() -> None:
    assert len(bars(gpu=True, sparse=False)) == 1
    assert len(bars(gpu=False, sparse=True)) == 1


@pytest.mark.parametrize(
    "plan", [None, ModelError(ErrorCode.MODEL_FILE_MISSING, "gone"), RemotePlan("http://box/v1")]
)
def test_nothing_is_said_where_nothing_is_known(plan: RemotePlan | ModelError | None) -> None:
    assert memory_bars(plan, Settings(), HOST, ENGLISH) == ()
