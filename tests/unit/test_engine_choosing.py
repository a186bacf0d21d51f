"""Which engine runs a model: what the person says, what the file needs, and what is installed and proven."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.builds import PROVEN, FakeBuilds, make_build
from tests.fakes.errors import coded
from tests.fakes.launches import PC
from tray_app.engine.builds.build import BackEnd, SetAside, Verdict, WeightKind
from tray_app.engine.choosing import ModelNeeds, choose_engine
from tray_app.engine.diagnosis import ShortageError
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.engine_setting import engine_setting
from tray_app.engine.finding import EngineFinder
from tray_app.engine.program import Engine, WhyPassedOver
from tray_app.errors import EngineError, ErrorCode
from tray_app.models.header import ModelHeader
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from tray_app.engine.builds.build import InstalledBuild

EMBEDDED = Engine(EngineKind.LLAMA_CPP, ("python",))
POWERINFER = Engine(EngineKind.POWERINFER, ("/opt/server",))
OWN_LLAMA = Engine(EngineKind.LLAMA_SERVER, ("/opt/llama-server",))
PLAIN = ModelNeeds(False, WeightKind.F16, "some")
SPARSE = ModelNeeds(True, WeightKind.Q4_0, "thin")

CPU, CUDA, VULKAN, ROCM = map(make_build, (BackEnd.CPU, BackEnd.CUDA, BackEnd.VULKAN, BackEnd.ROCM))
FAST_CPU = replace(CPU, speed=1.9)
SPARSE_CUDA = make_build(BackEnd.CUDA, EngineKind.POWERINFER, id="own")
GONE = EngineError(ErrorCode.ENGINE_NOT_FOUND, "There is no engine at that path")


@dataclass
class FakeFinder:
    has_llama: Engine | None = EMBEDDED
    has_powerinfer: Engine | None = POWERINFER
    has_llama_server: Engine | None = OWN_LLAMA
    at_path: Engine = OWN_LLAMA
    store: FakeBuilds = field(default_factory=FakeBuilds)
    unusable: dict[str, EngineError] = field(default_factory=dict)

    def embedded(self) -> Engine | None:
        return self.has_llama

    def powerinfer(self) -> Engine | None:
        return self.has_powerinfer

    def llama_server(self) -> Engine | None:
        return self.has_llama_server

    def probe(self, path: Path) -> Engine:
        assert path == Path("/opt/own")
        return self.at_path

    def builds(self) -> tuple[InstalledBuild, ...]:
        return self.store.installed()

    def set_asides(self) -> tuple[SetAside, ...]:
        return self.store.set_asides()

    def of_build(self, build: InstalledBuild) -> Engine:
        if build.id in self.unusable:
            raise self.unusable[build.id]
        return Engine(build.kind, (str(build.program),), build=build)


def with_builds(*builds: InstalledBuild, aside: tuple[SetAside, ...] = ()) -> FakeFinder:
    return FakeFinder(store=FakeBuilds(builds, list(aside)))


def failed(build: InstalledBuild, model_id: str = PLAIN.model_id) -> SetAside:
    return SetAside(build.id, model_id, "It crashed twice.")


@pytest.mark.parametrize(
    ("setting", "sparse", "chosen"),
    [
        ("auto", False, EMBEDDED),
        ("auto", True, POWERINFER),
        ("llama.cpp", False, EMBEDDED),
        ("powerinfer", True, POWERINFER),
        ("powerinfer", False, POWERINFER),
        ("llama-server", False, OWN_LLAMA),
        ("/opt/own", False, OWN_LLAMA),
    ],
)
def test_the_setting_and_the_file_decide(setting: str, *, sparse: bool, chosen: Engine) -> None:
    assert choose_engine(engine_setting(setting), SPARSE if sparse else PLAIN, FakeFinder()) is chosen


def test_the_llama_server_on_the_path_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="llama-server was not found"):
        choose_engine(EngineKind.LLAMA_SERVER, PLAIN, EngineFinder(PC))


def test_a_server_on_another_machine_runs_no_model_of_this_one() -> None:
    with pytest.raises(EngineError, match="a server on another computer"):
        choose_engine(EngineKind.REMOTE, PLAIN, FakeFinder())


@pytest.mark.parametrize("setting", ["auto", "powerinfer"])
def test_without_powerinfer_a_sparse_model_is_refused_with_a_remedy(setting: str) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.POWERINFER_NOT_FOUND)) as caught:
        choose_engine(engine_setting(setting), SPARSE, FakeFinder(has_powerinfer=None))
    assert "“Engine”" in caught.value.hint


@pytest.mark.parametrize("setting", ["llama.cpp", "/opt/own", "llama.cpp-cuda"])
def test_a_sparse_model_is_not_given_to_another_engine(setting: str) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.MODEL_NEEDS_POWERINFER)):
        choose_engine(engine_setting(setting), SPARSE, with_builds(CUDA))


def test_without_the_embedded_engine_powerinfer_runs_plain_models_too() -> None:
    assert choose_engine(AUTO, PLAIN, FakeFinder(has_llama=None)) is POWERINFER


def test_without_any_engine_a_person_is_told_to_bring_one() -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.LLAMA_CPP_NOT_FOUND), match="llama-server"):
        choose_engine(AUTO, PLAIN, FakeFinder(has_llama=None, has_powerinfer=None))


# Installed builds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builds", "best"),
    [
        ((CPU, VULKAN, ROCM, CUDA), CUDA),
        ((CPU, VULKAN, ROCM), ROCM),
        ((FAST_CPU, VULKAN), VULKAN),
        ((FAST_CPU,), FAST_CPU),
        ((replace(CUDA, id="newest"), CUDA), replace(CUDA, id="newest")),
        ((SPARSE_CUDA, VULKAN), VULKAN),
    ],
)
def test_auto_takes_the_best_installed_build(
    builds: tuple[InstalledBuild, ...], best: InstalledBuild
) -> None:
    engine = choose_engine(AUTO, PLAIN, with_builds(*builds))
    assert engine.build == best
    assert engine.replaceable


@pytest.mark.parametrize("speed", [None, 0.9, 1.05])
def test_a_build_without_a_card_must_be_faster_than_the_built_in_engine(speed: float | None) -> None:
    engine = choose_engine(AUTO, PLAIN, with_builds(replace(CPU, speed=speed)))
    assert engine == EMBEDDED
    assert [each.why for each in engine.passed_over] == [WhyPassedOver.NOT_FASTER]
    assert not engine.replaceable


def test_where_there_is_no_built_in_engine_a_build_need_not_be_faster() -> None:
    finder = replace(with_builds(CPU), has_llama=None)
    assert choose_engine(AUTO, PLAIN, finder).build == CPU


def test_a_build_is_used_only_for_weights_that_it_was_proven_with() -> None:
    broken = replace(CUDA, verdicts=PROVEN | {WeightKind.Q4_0: Verdict(works=False, reason="SIGSEGV")})
    unknown = replace(VULKAN, verdicts={WeightKind.F16: Verdict(works=True)})
    finder = with_builds(broken, unknown)
    assert choose_engine(AUTO, PLAIN, finder).build == broken
    engine = choose_engine(AUTO, replace(PLAIN, weights=WeightKind.Q4_0), finder)
    assert engine == EMBEDDED
    assert [(each.build, each.why) for each in engine.passed_over] == [
        (broken, WhyPassedOver.NOT_PROVEN),
        (unknown, WhyPassedOver.NOT_PROVEN),
    ]
    assert [str(each.reason) for each in engine.passed_over] == [
        "It does not work with Q4_0 quantization: SIGSEGV",
        "It was not tested with Q4_0 quantization.",
    ]


def test_a_build_that_failed_with_a_model_is_not_used_for_it_and_for_others_it_is() -> None:
    finder = with_builds(CUDA, aside=(failed(CUDA),))
    engine = choose_engine(AUTO, PLAIN, finder)
    assert engine == EMBEDDED
    assert [(each.why, each.reason) for each in engine.passed_over] == [
        (WhyPassedOver.SET_ASIDE, "It crashed twice.")
    ]
    assert choose_engine(AUTO, replace(PLAIN, model_id="other"), finder).build == CUDA


def test_after_a_card_has_failed_the_processor_computes() -> None:
    """The same card would be tried with another build, and requests wait meanwhile."""
    engine = choose_engine(AUTO, PLAIN, with_builds(CUDA, VULKAN, FAST_CPU, aside=(failed(CUDA),)))
    assert engine.build == FAST_CPU
    assert [each.why for each in engine.passed_over] == 2 * [WhyPassedOver.SET_ASIDE]


def test_after_a_build_without_a_card_has_failed_the_card_may_still_compute() -> None:
    engine = choose_engine(AUTO, PLAIN, with_builds(VULKAN, FAST_CPU, aside=(failed(FAST_CPU),)))
    assert engine.build == VULKAN


def test_a_build_that_cannot_be_used_now_is_passed_over_with_the_reason() -> None:
    finder = replace(with_builds(CUDA), unusable={CUDA.id: GONE})
    engine = choose_engine(AUTO, PLAIN, finder)
    assert engine == EMBEDDED
    assert [(each.why, each.reason) for each in engine.passed_over] == [(WhyPassedOver.UNUSABLE, GONE.title)]


def test_what_the_system_lacks_for_a_moment_is_no_reason_to_pass_a_build_over() -> None:
    finder = replace(with_builds(CUDA), unusable={CUDA.id: ShortageError(OSError(12, "no memory"))})
    with pytest.raises(ShortageError):
        choose_engine(AUTO, PLAIN, finder)


def test_where_the_installed_engines_cannot_be_read_the_built_in_one_runs() -> None:
    locked = EngineError(ErrorCode.ENGINE_NOT_STORED, "The engines folder could not be read")
    finder = FakeFinder(store=FakeBuilds((CUDA,), unreadable=locked))
    assert choose_engine(AUTO, PLAIN, finder) is EMBEDDED
    with pytest.raises(EngineError) as refused:
        choose_engine(engine_setting("llama.cpp-cuda"), PLAIN, finder)
    assert refused.value is locked


@pytest.mark.parametrize("setting", ["auto", "powerinfer"])
def test_a_sparse_model_takes_an_installed_powerinfer(setting: str) -> None:
    assert choose_engine(engine_setting(setting), SPARSE, with_builds(CUDA, SPARSE_CUDA)).build == SPARSE_CUDA


def test_a_named_build_is_taken_whatever_is_known_of_it() -> None:
    bad = replace(VULKAN, verdicts={})
    engine = choose_engine(
        engine_setting("llama.cpp-vulkan"), PLAIN, with_builds(CUDA, bad, aside=(failed(bad),))
    )
    assert engine.build == bad
    assert engine.name == "llama.cpp-vulkan"
    assert not engine.replaceable


@pytest.mark.parametrize("setting", ["llama.cpp-rocm", "powerinfer-cuda"])
def test_a_named_build_that_is_not_installed_is_an_error_with_the_command(setting: str) -> None:
    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_NOT_INSTALLED)) as caught:
        choose_engine(engine_setting(setting), PLAIN, with_builds(CUDA))
    assert setting in caught.value.title
    assert "powerinfer-tray engines install" in caught.value.hint


def test_the_weights_of_a_model_are_those_whose_proof_counts() -> None:
    needs = ModelNeeds.of(ModelHeader(sparse=False, quantization="Q4_K_M"), "some")
    assert needs == ModelNeeds(False, WeightKind.Q4_K, "some")
