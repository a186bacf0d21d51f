"""`powerinfer-tray doctor --engines`: what a person with a graphics card is asked to send."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fakes.builds import FakeBuilds, make_build
from tests.fakes.errors import coded
from tests.fakes.fake_llama_server import Mode, llama_server
from tests.fakes.launches import PC
from tests.fakes.program import command_here
from tray_app.app.engines_report import engines_document, engines_text, examine_engines
from tray_app.engine.builds.build import BackEnd, SetAside, Verdict, WeightKind
from tray_app.engine.builds.store import EngineStore
from tray_app.engine.devices import EngineDevice
from tray_app.engine.finding import EngineFinder
from tray_app.errors import EngineError, ErrorCode
from tray_app.system.graphics import Adapter, Maker
from tray_app.system.nvidia import Gpu
from tray_app.system.paths import AppPaths
from tray_app.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tray_app.engine.builds.build import InstalledBuild

CARD = "NVIDIA GeForce RTX 4070"
MACHINE = replace(
    PC,
    gpus=(Gpu(CARD, 12 << 30, (580, 95, 5), (13, 0), (8, 9)),),
    adapters=(
        Adapter("Intel UHD Graphics 770", Maker.INTEL, "8086:4680", integrated=True, driver="i915"),
        Adapter(CARD, Maker.NVIDIA, "10de:2786", integrated=False, driver="nvidia"),
        Adapter("AMD Phoenix1", Maker.AMD, "1002:15bf"),
    ),
    vulkan=True,
    extensions=("avx", "avx2", "avx_vnni"),
    glibc=(2, 41),
)
needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the engine is a script")


def cuda(folder: Path, mode: Mode = Mode.CUDA) -> InstalledBuild:
    program = folder / "llama-server"
    program.write_text(llama_server(mode))
    program.chmod(0o755)
    return make_build(
        BackEnd.CUDA,
        id="b11194-cuda-13.4",
        program=program,
        size_bytes=1_234_000_000,
        devices=(EngineDevice(CARD, 12 << 30),),
        verdicts={
            WeightKind.F16: Verdict(works=True),
            WeightKind.Q4_K: Verdict(works=False, reason="it crashed (SIGSEGV)"),
        },
    )


@needs_scripts
def test_everything_is_told_in_lines_that_a_person_can_send(tmp_path: Path) -> None:
    build = cuda(tmp_path)
    builds = FakeBuilds((build,), [SetAside(build.id, "bamboo", "it crashed twice")])
    found = examine_engines(MACHINE, EngineFinder(MACHINE, builds))
    told = engines_text(found, tmp_path).splitlines()

    assert found.ok
    assert told[1:16] == [
        "linux x86_64 · 6 cores, 12 threads · 16.0 GiB",
        "Processor    avx, avx2, avx_vnni",
        "System       probably not a virtual machine · GNU C library 2.41",
        f"NVIDIA       {CARD} · 12.0 GiB · driver 580.95.5 · CUDA 13.0 · compute capability 8.9",
        "Adapters     Intel UHD Graphics 770 · Intel · 8086:4680 · part of the processor · driver i915",
        f"             {CARD} · NVIDIA · 10de:2786 · card · driver nvidia",
        "             AMD Phoenix1 · AMD · 1002:15bf",
        "Vulkan       its loader is installed",
        f"Built-in     llama.cpp {found.versions['llama.cpp']}",
        "Installed    b11194-cuda-13.4 · llama.cpp b11194 for NVIDIA (CUDA 13.4) · 1234 MB · ~/llama-server",
        f"               from https://example.org/build.zip · SHA-256 {'0' * 64}",
        f"               cards when tested: {CARD}",
        f"               cards now: {CARD}",
        "               F16: works",
        "               Q4_K: it crashed (SIGSEGV)",
    ]
    assert told[16] == "               disabled for bamboo: it crashed twice"
    assert told[17].startswith("Available    b11194-cuda-13.4 · 151 MB + 440 MB from github.com/ggml-org")
    assert told[-1] == (
        f"Advice       llama.cpp b11194 for NVIDIA (CUDA 13.4) is installed and uses your {CARD}."
    )


@needs_scripts
def test_the_document_has_all_facts_and_not_the_home_folder(tmp_path: Path) -> None:
    build = cuda(tmp_path)
    found = examine_engines(MACHINE, EngineFinder(MACHINE, FakeBuilds((build,))))
    text = json.dumps(document := engines_document(found, tmp_path))

    assert str(tmp_path) not in text
    assert document["ok"] is True
    assert document["host"]["gpus"] == [
        {"name": CARD, "memory_bytes": 12 << 30, "driver": [580, 95, 5], "cuda": [13, 0], "compute": [8, 9]}
    ]
    (installed,) = document["installed"]
    assert installed["program"] == "~/llama-server"
    assert installed["verdicts"] == {"F16": "works", "Q4_K": "it crashed (SIGSEGV)"}
    assert installed["devices"] == installed["proven_devices"] == [CARD]
    assert {each["id"] for each in document["offers"]} == {
        "b11194-cuda-13.4",
        "b11194-cuda-12.8",
        "b11194-rocm-10.0",
        "b11194-vulkan",
        "b11194-cpu",
    }


@needs_scripts
@pytest.mark.parametrize(
    ("mode", "problem"),
    [(Mode.NO_DEVICE, "did not find a graphics card"), (Mode.MISSING_RUNTIME, "libcudart.so.13")],
)
def test_a_build_that_cannot_be_used_now_is_told_with_the_reason(
    mode: Mode, problem: str, tmp_path: Path
) -> None:
    found = examine_engines(MACHINE, EngineFinder(MACHINE, FakeBuilds((cuda(tmp_path, mode),))))

    assert not found.ok
    (line,) = (each for each in engines_text(found, tmp_path).splitlines() if "✗" in each)
    assert problem in line


def test_a_build_whose_files_have_changed_is_told(tmp_path: Path) -> None:
    build = make_build(BackEnd.CUDA)
    changed = EngineError(ErrorCode.ENGINE_CHANGED, "The files of the engine have changed", "One is gone.")
    builds = FakeBuilds((build,), changed_ones={build.id: changed})
    found = examine_engines(MACHINE, EngineFinder(MACHINE, builds))

    assert not found.ok
    assert "  ✗ The files of the engine have changed: One is gone." in engines_text(found, tmp_path)


def test_a_machine_with_nothing_is_told_too(tmp_path: Path) -> None:
    found = examine_engines(replace(PC, virtual=True), EngineFinder(PC, FakeBuilds()), [])

    assert engines_text(found, tmp_path).splitlines()[2:] == [
        "Processor    no details known",
        "System       a virtual machine",
        "NVIDIA       no card, or its driver is not responding",
        "Adapters     none",
        "Vulkan       its loader is not installed",
        f"Built-in     llama.cpp {found.versions['llama.cpp']}",
        "Installed    none",
        "Available    none for this computer",
        (
            "Advice       This is a virtual machine without a graphics card of its own. No "
            "available engine is faster on this computer than the built-in one."
        ),
    ]


def test_a_list_of_engines_that_cannot_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tray_app.engine.builds.offers.resources", lambda: tmp_path)

    with pytest.raises(EngineError, check=coded(ErrorCode.ENGINE_LIST_UNREADABLE)):
        examine_engines(PC, EngineFinder(PC))


@pytest.mark.usefixtures("private_home")
def test_the_command_tells_what_is_here_as_text_and_as_json() -> None:
    as_text, as_json = (command_here("doctor", "--engines", *more) for more in ((), ("--json",)))

    assert (as_text.returncode, as_json.returncode) == (0, 0), as_text.stderr + as_json.stderr
    found = json.loads(as_json.stdout)
    assert found["ok"] is True
    assert found["advice"] in as_text.stdout
    assert found["built_in"] is True
    assert command_here("doctor", "--engines", "--network").returncode == 2


@needs_scripts
def test_the_doctor_tells_which_installed_engine_runs_the_model_and_which_one_cannot(
    private_home: Path,
) -> None:
    private_home.joinpath("settings.toml").write_text(f"port = {free_port()}\nmodel = 'test'\n")
    build = install(private_home)
    found = json.loads(command_here("doctor", "--json").stdout)

    name = "llama.cpp b11194 for NVIDIA (CUDA 13.4)"
    assert [each["kind"] for each in found["engines"] if each["chosen"]] == ["llama.cpp-cuda"]
    assert found["choice"] == f"{name} is used because it is the fastest one that is installed and tested."

    build.program.write_text("another program")
    found = json.loads(command_here("doctor", "--json").stdout)

    (changed,) = (each for each in found["engines"] if each["kind"] == "llama.cpp-cuda")
    assert changed["problem"]["code"] == ErrorCode.ENGINE_CHANGED
    assert [each["kind"] for each in found["engines"] if each["chosen"]] == ["llama.cpp"]
    assert found["choice"].startswith(f"The built-in llama.cpp is used. {name} is not used: ")


def install(home: Path) -> InstalledBuild:
    """A build in the person's own folder, as an installation leaves it there."""
    store = EngineStore(AppPaths.below(home).engines)
    with store.new_folder() as staging:
        return store.add(staging, cuda(staging))
