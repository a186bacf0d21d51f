"""Builds of engines are proven with real runs: what is right is the app's own llama.cpp behind a script."""

from __future__ import annotations

import errno
import json
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.errors import coded
from tests.fakes.fake_llama_server import VERSION, Mode, llama_server
from tests.fakes.launches import ShortLauncher
from tests.fakes.processes import all_ended, processes_with
from tray_app.engine.builds import proof
from tray_app.engine.builds.build import BackEnd, WeightKind
from tray_app.engine.builds.proof import Prover, back_end_of, cosine
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.engine.run import HealthCheckTimeouts
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.host import detect_host

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.builds.proof import Proof

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes scripts with a first line")
HOST = detect_host()


def program(folder: Path, mode: Mode) -> Path:
    path = folder / "llama-server"
    path.write_text(llama_server(mode))
    path.chmod(0o755)
    return path


def proven(
    path: Path,
    back_end: BackEnd | None = None,
    *,
    prover: Prover | None = None,
    cancelled: threading.Event | None = None,
    told: list[WeightKind] | None = None,
) -> Proof:
    tell = (told if told is not None else []).append
    return (prover or Prover.on(HOST)).prove(path, back_end, cancelled or threading.Event(), tell)


def test_a_build_that_computes_right_is_proven_with_each_kind_of_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "_TIMED_ROUNDS", 1)
    told: list[WeightKind] = []

    found = proven(program(tmp_path, Mode.RIGHT), told=told)

    assert told == list(WeightKind)
    assert {kind: verdict.works for kind, verdict in found.verdicts.items()} == dict.fromkeys(
        WeightKind, True
    )
    assert (found.kind, found.back_end, found.devices) == (EngineKind.LLAMA_SERVER, BackEnd.CPU, ())
    assert f"version: {found.version}\n" in VERSION
    assert found.speed  # how much depends on what else the machine does


@pytest.mark.usefixtures("compared_with_none")
def test_a_build_that_crashes_with_one_kind_of_weights_is_usable_with_the_others(tmp_path: Path) -> None:
    found = proven(program(tmp_path, Mode.CRASH_ON_Q4_K))

    broken = [kind for kind, verdict in found.verdicts.items() if not verdict.works]
    assert broken == [WeightKind.Q4_K]
    assert "crashed" in found.verdicts[WeightKind.Q4_K].reason
    assert "damaged" not in found.verdicts[WeightKind.Q4_K].reason


def test_a_build_for_cards_is_proven_on_its_card_and_not_compared_with_the_processor(tmp_path: Path) -> None:
    found = proven(program(tmp_path, Mode.CUDA))

    assert found.back_end is BackEnd.CUDA
    assert found.devices == (EngineDevice("NVIDIA GeForce RTX 4070", 12282 << 20, "CUDA0"),)
    assert all(verdict.works for verdict in found.verdicts.values())
    assert found.speed is None


def test_powerinfer_is_proven_by_the_vectors_that_it_makes_and_the_card_that_it_names(tmp_path: Path) -> None:
    found = proven(program(tmp_path, Mode.POWERINFER))

    assert (found.kind, found.back_end, found.version) == (EngineKind.POWERINFER, BackEnd.CUDA, "")
    assert [each.name for each in found.devices] == ["NVIDIA GeForce RTX 4070"]
    assert all(verdict.works for verdict in found.verdicts.values())
    assert found.speed is None


@pytest.mark.parametrize(
    ("mode", "back_end", "code", "named"),
    [
        (Mode.NO_DEVICE, BackEnd.CUDA, ErrorCode.ENGINE_WITHOUT_CARD, "NVIDIA driver"),
        (Mode.NO_DEVICE, BackEnd.VULKAN, ErrorCode.ENGINE_WITHOUT_CARD, "Vulkan"),
        (Mode.CUDA_ON_PROCESSOR, BackEnd.CUDA, ErrorCode.ENGINE_PROOF_FAILED, "on the processor"),
        (Mode.CRASH_AT_LOAD, None, ErrorCode.ENGINE_PROOF_FAILED, "crashed"),
        (Mode.WRONG_VECTORS, None, ErrorCode.ENGINE_PROOF_FAILED, "wrong vectors"),
        (Mode.MISSING_RUNTIME, BackEnd.CUDA, ErrorCode.ENGINE_LIBRARY_MISSING, "libcudart.so.13"),
        (Mode.OLD_GLIBC, None, ErrorCode.ENGINE_NEEDS_NEWER_SYSTEM, "GLIBC_2.38"),
        (Mode.OTHER_PROGRAM, None, ErrorCode.NOT_AN_ENGINE, "llama-server"),
    ],
)
def test_what_cannot_be_used_at_all_is_refused_with_its_reason(
    tmp_path: Path, mode: Mode, back_end: BackEnd | None, code: ErrorCode, named: str
) -> None:
    with pytest.raises(EngineError, check=coded(code)) as refused:
        proven(program(tmp_path, mode), back_end)

    assert named in str(refused.value)
    assert refused.value.hint


def test_a_build_that_hangs_is_ended(tmp_path: Path) -> None:
    path = program(tmp_path, Mode.HANG)
    quick = HealthCheckTimeouts(look_every_s=0.05, quiet_limit_s=0.2)

    with pytest.raises(EngineError, match="not responding"):
        proven(path, prover=replace(Prover.on(HOST), timeouts=quick))


def test_a_build_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="not responding"):
        proven(program(tmp_path, Mode.HANG), prover=replace(Prover.on(HOST), longest_s=0.1))


def test_a_proof_that_is_called_off_leaves_no_process(tmp_path: Path) -> None:
    cancelled, begun = threading.Event(), threading.Event()
    path = program(tmp_path, Mode.HANG)
    ends: list[EngineError] = []

    def prove() -> None:
        try:
            Prover.on(HOST).prove(path, None, cancelled, lambda _: begun.set())
        except EngineError as exc:
            ends.append(exc)

    thread = threading.Thread(target=prove)
    thread.start()
    assert begun.wait(30)
    cancelled.set()
    thread.join(30)

    assert [each.code for each in ends] == [ErrorCode.CALLED_OFF]
    assert all_ended(processes_with(str(tmp_path)))


@pytest.mark.usefixtures("compared_with_none")
def test_a_system_that_is_short_of_memory_says_nothing_of_a_build(tmp_path: Path) -> None:
    short = replace(Prover.on(HOST), launcher=ShortLauncher(OSError(errno.ENOMEM, "no memory"), 2))
    with pytest.raises(EngineError, check=coded(ErrorCode.SYSTEM_RESOURCES_EXHAUSTED)):
        proven(program(tmp_path, Mode.RIGHT), prover=short)


def test_what_the_app_expects_is_what_its_own_engine_computes() -> None:
    folder = proof._folder()
    vectors = json.loads((folder / "vectors.json").read_bytes())["vectors"]

    assert set(vectors) == set(WeightKind)
    for of_kind in vectors.values():
        assert set(of_kind) == {"mean", "last"}
        for one, other in (of_kind["mean"], of_kind["last"]):
            assert cosine(one, one) == pytest.approx(1)
            assert cosine(one, other) < 0.9


@pytest.mark.parametrize(
    ("one", "other"), [([1.0], [1.0, 0.0]), ([0.0, 0.0], [1.0, 0.0]), ([float("nan"), 1.0], [1.0, 1.0])]
)
def test_vectors_that_are_none_are_like_no_other(one: list[float], other: list[float]) -> None:
    assert not cosine(one, other) >= proof.LEAST_COSINE


@pytest.mark.parametrize(
    ("library", "back_end"),
    [
        ("libggml-cuda.so", BackEnd.CUDA),
        ("ggml-vulkan.dll", BackEnd.VULKAN),
        ("libggml-hip.so.0", BackEnd.ROCM),
        ("libggml-metal.dylib", BackEnd.METAL),
        ("libggml-cpu-haswell.so", BackEnd.CPU),
    ],
)
def test_the_libraries_beside_a_program_tell_what_it_computes_with_if_it_lists_no_card(
    tmp_path: Path, library: str, back_end: BackEnd
) -> None:
    (tmp_path / library).touch()
    assert back_end_of(tmp_path / "llama-server", ()) is back_end
    listed = EngineDevice("AMD Radeon", 8 << 30, "Vulkan0")
    assert back_end_of(tmp_path / "llama-server", [listed]) is BackEnd.VULKAN
