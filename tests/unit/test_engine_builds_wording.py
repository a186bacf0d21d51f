"""Why an engine runs a model, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.builds import make_build
from tray_app.engine.builds.build import BackEnd
from tray_app.engine.builds.wording import build_name, in_words, why_it_runs
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import engine_setting
from tray_app.engine.program import Engine, PassedOver, WhyPassedOver
from tray_app.phrases import Translate

CUDA = make_build(BackEnd.CUDA, id="b11194-cuda-13.4")
CPU = make_build(BackEnd.CPU, speed=1.87)
BUILT_IN = Engine(EngineKind.LLAMA_CPP, ("python",))
POWERINFER = Engine(EngineKind.POWERINFER, ("/opt/server",))
NOT_PROVEN = PassedOver(CUDA, WhyPassedOver.NOT_PROVEN, "It was not tested with Q4_K quantization.")
SET_ASIDE = PassedOver(CUDA, WhyPassedOver.SET_ASIDE, "it crashed: {0}")


def installed(build: object) -> Engine:
    return Engine(EngineKind.LLAMA_SERVER, ("/opt/llama-server",), build=build)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engine", "setting", "words"),
    [
        (
            BUILT_IN,
            "auto",
            "The built-in llama.cpp is used because no faster engine is installed.",
        ),
        (
            replace(BUILT_IN, passed_over=(NOT_PROVEN,)),
            "auto",
            (
                "The built-in llama.cpp is used. llama.cpp b11194 for NVIDIA (CUDA 13.4) is not used: "
                "It was not tested with Q4_K quantization."
            ),
        ),
        (
            replace(BUILT_IN, passed_over=(SET_ASIDE,)),
            "auto",
            (
                "The built-in llama.cpp is used. llama.cpp b11194 for NVIDIA (CUDA 13.4) is not used: "
                "it crashed: {0}"
            ),
        ),
        (
            installed(CUDA),
            "auto",
            (
                "llama.cpp b11194 for NVIDIA (CUDA 13.4) is used because it is the fastest one that "
                "is installed and tested."
            ),
        ),
        (
            installed(CPU),
            "auto",
            (
                "llama.cpp b11194 for the processor (CPU) is used because it is 1.9 times as fast as "
                "the built-in engine."
            ),
        ),
        (
            installed(replace(CPU, speed=None)),
            "auto",
            (
                "llama.cpp b11194 for the processor (CPU) is used because there is no built-in "
                "engine for this computer."
            ),
        ),
        (
            POWERINFER,
            "auto",
            ("PowerInfer is used because no other engine on this computer can run this model."),
        ),
        (POWERINFER, "powerinfer", "PowerInfer is used because it is chosen in the setting “Engine”."),
        (
            BUILT_IN,
            "llama.cpp",
            "The built-in llama.cpp is used because it is chosen in the setting “Engine”.",
        ),
        (
            installed(CUDA),
            "llama.cpp-cuda",
            ("llama.cpp b11194 for NVIDIA (CUDA 13.4) is used because it is chosen in the setting “Engine”."),
        ),
        (
            Engine(EngineKind.LLAMA_SERVER, ("/opt/llama-server",)),
            "/opt/llama-server",
            "/opt/llama-server is used because it is chosen in the setting “Engine”.",
        ),
        (
            Engine(EngineKind.REMOTE, ("",)),
            "remote",
            "A server on another computer is used because it is chosen in the setting “Engine”.",
        ),
    ],
)
def test_it_is_told_which_engine_runs_a_model_and_why(engine: Engine, setting: str, words: str) -> None:
    told = why_it_runs(engine, engine_setting(setting))

    assert str(told) == Translate().said(told) == words


def test_builds_have_names() -> None:
    named = [build_name(make_build(back_end, release="b1", id="own")) for back_end in BackEnd]

    assert sorted(map(str, named)) == [
        "llama.cpp b1 for AMD (ROCm)",
        "llama.cpp b1 for Apple silicon (Metal)",
        "llama.cpp b1 for NVIDIA (CUDA)",
        "llama.cpp b1 for graphics cards (Vulkan)",
        "llama.cpp b1 for the processor (CPU)",
    ]
    powerinfer = make_build(BackEnd.CUDA, EngineKind.POWERINFER, release="d3ebd7c", id="own")
    assert str(build_name(powerinfer)) == "PowerInfer d3ebd7c for NVIDIA (CUDA)"
    assert str(build_name(replace(powerinfer, release=""))) == "PowerInfer for NVIDIA (CUDA)"


def test_cards_that_are_alike_are_counted() -> None:
    assert in_words(["A100", "RTX 4070", "A100"]) == "A100 (2), RTX 4070"
