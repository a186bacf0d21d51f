"""Which settings have no effect on what would run, and that a reason is given for each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.engine import HELP
from tests.fakes.launches import MAC, PC, PC_WITH_NVIDIA
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.finding import recognize
from tray_app.engine.ineffective_settings import ONE_THREAD, ignored_settings, without_effect
from tray_app.engine.program import Engine
from tray_app.settings.model_settings import effective, with_own
from tray_app.settings.schema import Settings

if TYPE_CHECKING:
    from tray_app.phrases import Text
    from tray_app.system.host import Host


POWERINFER = recognize(Path("/opt/server"), HELP["powerinfer"])
POWERINFER_FOR_CUDA = recognize(Path("/opt/server"), f"{HELP['powerinfer']}\n  -ngl N, --n-gpu-layers N\n")
LLAMA_SERVER = recognize(Path("/opt/llama-server"), HELP["llama-server"])
LLAMA_WITH_CARD = replace(
    LLAMA_SERVER,
    flags=LLAMA_SERVER.flags | {"--fit-target"},
    devices=(EngineDevice("AMD Radeon RX 7900", 20 << 30, "Vulkan0"),),
)
CANNOT = "The engine that runs this model does not support a graphics memory limit."
NO_CARD = "The engine that runs this model does not use a graphics card."
LLAMA_CPP = Engine(EngineKind.LLAMA_CPP, ("/usr/bin/python", "child.py"), "1")


def dense(engine: Engine | None, host: Host = PC_WITH_NVIDIA) -> dict[str, Text]:
    return dict(without_effect(engine, host, sparse=False))


def test_settings_that_an_engine_does_not_know_are_told() -> None:
    old = Engine(EngineKind.POWERINFER, ("s",), flags=frozenset({"--model", "--port", "--ctx-size"}))
    assert dense(old).keys() == {
        *("batch_size", "threads", "threads_batch", "pooling", "vram_budget", "workers")
    }


@pytest.mark.parametrize("engine", [LLAMA_SERVER, LLAMA_CPP])
def test_an_engine_of_today_is_told_everything_but_a_budget_that_it_cannot_use(engine: Engine) -> None:
    assert dense(engine).keys() == {"vram_budget", "workers"}


def test_powerinfer_pools_in_one_way_only() -> None:
    assert dense(POWERINFER).keys() == {"vram_budget", "pooling", "workers"}
    chosen = effective(with_own(Settings(), "a", {"pooling": "cls"}), "a")
    assert ignored_settings(chosen, dense(POWERINFER)).keys() == {"pooling"}
    assert ignored_settings(Settings(), dense(POWERINFER)) == {}


def test_a_remote_server_decides_for_itself() -> None:
    remote = dense(Engine(EngineKind.REMOTE, ()))
    assert remote.keys() == {
        *("ctx_size", "batch_size", "threads", "threads_batch", "pooling", "vram_budget", "workers")
    }


@pytest.mark.parametrize("engine", [None, POWERINFER, POWERINFER_FOR_CUDA])
def test_threads_have_no_effect_on_a_sparse_model(engine: Engine | None) -> None:
    reasons = without_effect(engine, PC_WITH_NVIDIA, sparse=True)
    assert (reasons["threads"], reasons["threads_batch"]) == (ONE_THREAD, ONE_THREAD)
    assert {"threads", "threads_batch"}.isdisjoint(dense(engine))


def test_several_processes_are_for_sparse_models_alone() -> None:
    assert "workers" not in without_effect(POWERINFER, PC, sparse=True)
    chosen = effective(with_own(Settings(), "a", {"workers": 2}), "a")
    for engine in (POWERINFER, LLAMA_CPP):
        assert "sparse" in str(ignored_settings(chosen, dense(engine))["workers"])


@pytest.mark.parametrize(
    ("host", "engine", "reason"),
    [
        (
            MAC,
            POWERINFER_FOR_CUDA,
            "Apple silicon shares its memory with the graphics processor, so there is no limit to set.",
        ),
        (
            MAC,
            None,
            "Apple silicon shares its memory with the graphics processor, so there is no limit to set.",
        ),
        (PC, POWERINFER_FOR_CUDA, "This computer has no NVIDIA graphics card that the engine can use."),
        (
            PC_WITH_NVIDIA,
            POWERINFER,
            "The engine that runs this model does not support a graphics memory limit.",
        ),
        (PC_WITH_NVIDIA, POWERINFER_FOR_CUDA, None),
        (PC_WITH_NVIDIA, None, None),
        (PC, LLAMA_WITH_CARD, None),
        (PC, replace(LLAMA_WITH_CARD, flags=LLAMA_SERVER.flags | {"--n-gpu-layers"}), None),
        (PC, replace(LLAMA_WITH_CARD, flags=LLAMA_SERVER.flags), CANNOT),
        (PC_WITH_NVIDIA, replace(LLAMA_WITH_CARD, devices=()), NO_CARD),
        (PC_WITH_NVIDIA, replace(LLAMA_WITH_CARD, devices=None), None),
        (
            PC,
            replace(LLAMA_WITH_CARD, devices=None),
            "This computer has no NVIDIA graphics card that the engine can use.",
        ),
        (
            MAC,
            LLAMA_WITH_CARD,
            "Apple silicon shares its memory with the graphics processor, so there is no limit to set.",
        ),
        (PC_WITH_NVIDIA, LLAMA_CPP, CANNOT),
    ],
)
def test_a_vram_budget_that_has_no_effect_says_why(
    host: Host, engine: Engine | None, reason: str | None
) -> None:
    assert dense(engine, host).get("vram_budget") == reason


def test_only_what_was_changed_is_worth_a_word_and_in_the_order_of_the_settings() -> None:
    reasons = without_effect(POWERINFER, PC, sparse=True)
    assert ignored_settings(Settings(), reasons) == {}
    changed = Settings(vram_budget=4, threads_batch=3, threads=2, ctx_size=512)
    assert list(ignored_settings(changed, reasons)) == ["vram_budget", "threads", "threads_batch"]
