"""What a person reads about the engine that suits a machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.launches import MAC, PC
from tray_app.engine.builds.build import (
    BackEnd,
    InstalledBuild,
    Verdict,
    WeightKind,
)
from tray_app.engine.builds.choice import advise
from tray_app.engine.builds.offers import published_builds
from tray_app.engine.builds.wording import by_hand
from tray_app.engine.devices import EngineDevice
from tray_app.engine.engine_kind import EngineKind
from tray_app.phrases import Translate
from tray_app.system.graphics import Adapter, Maker
from tray_app.system.host import System
from tray_app.system.nvidia import Gpu

if TYPE_CHECKING:
    from tray_app.engine.builds.build import PublishedBuild
    from tray_app.system.host import Host

ADDRESS = "https://github.com/ggml-org/llama.cpp/releases/download/b11194"
OFFERS = published_builds()


def offer(system: System, build_id: str) -> PublishedBuild:
    return next(
        each for each in OFFERS if (each.system, each.machine, each.id) == (system, "x86_64", build_id)
    )


WINDOWS = replace(PC, system=System.WINDOWS, vulkan=True, extensions=("avx", "avx2"))
LINUX = replace(PC, vulkan=True, extensions=("avx", "avx2"), glibc=(2, 41))
RTX = Gpu("NVIDIA GeForce RTX 4070", 12 << 30, (581, 29), (13, 0), (8, 9))
GTX = Gpu("NVIDIA GeForce GTX 1080", 8 << 30, (581, 29), (13, 0), (6, 1))
TURING = Gpu("NVIDIA GeForce RTX 2060", 6 << 30, (580, 95, 5), (13, 0), (7, 5))
RADEON = Adapter("AMD Radeon RX 7900 XTX", Maker.AMD, "1002:744c", integrated=False)
XE = Adapter("Intel Iris Xe Graphics", Maker.INTEL, "8086:46a6", integrated=True)
NOUVEAU = Adapter("NVIDIA GeForce RTX 4070", Maker.NVIDIA, "10de:2786", integrated=False, driver="nouveau")
NVIDIA_BY_WINDOWS = replace(NOUVEAU, driver="32.0.15.8129")
KEPLER = Gpu("NVIDIA GeForce GTX 780", 3 << 30, (474, 30), (11, 4), (3, 5))
APU = Adapter("AMD Radeon 780M Graphics", Maker.AMD, "1002:15bf", integrated=True)
ARC = Adapter("Intel Arc A770 Graphics", Maker.INTEL, "8086:56a0", integrated=False)
ADRENO = Adapter("Qualcomm Adreno X1-85 GPU", Maker.OTHER)
AVX_512 = ("avx", "avx2", "avx512f", "avx512_vnni")
QXL = Adapter("QXL paravirtual graphic card", Maker.OTHER, "1b36:0100")


WINDOWS_CUDA_13 = (
    "llama.cpp b11194 for NVIDIA (CUDA 13.4), 152 MB + 424 MB from github.com/ggml-org, license: MIT, NVIDIA."
)
WINDOWS_CUDA_12 = (
    "llama.cpp b11194 for NVIDIA (CUDA 12.4), 262 MB + 391 MB from github.com/ggml-org, license: MIT, NVIDIA."
)
LINUX_CUDA_12 = (
    "llama.cpp b11194 for NVIDIA (CUDA 12.8), 170 MB + 594 MB from github.com/ggml-org, license: MIT, NVIDIA."
)
WINDOWS_VULKAN = "llama.cpp b11194 for graphics cards (Vulkan), 32 MB from github.com/ggml-org, license: MIT."
LINUX_VULKAN = "llama.cpp b11194 for graphics cards (Vulkan), 31 MB from github.com/ggml-org, license: MIT."
NO_CARD = "No NVIDIA, AMD or Intel graphics card was found."
NOTHING = "No available engine is faster on this computer than the built-in one."
IN_PROCESSOR = (
    "Your Intel Iris Xe Graphics is part of the processor and shares its memory, so it can be faster or "
    "slower "
    "than the processor alone. To try it:"
)
NO_DRIVER = (
    "The NVIDIA driver for your NVIDIA GeForce RTX 4070 is missing or not responding. "
    "Download it from nvidia.com/drivers."
)


def with_driver(gpu: Gpu, driver: tuple[int, ...], cuda: tuple[int, int]) -> Gpu:
    return replace(gpu, driver=driver, cuda=cuda)


@pytest.mark.parametrize(
    ("machine", "build", "sentence"),
    [
        pytest.param(
            replace(WINDOWS, gpus=(RTX,)),
            "b11194-cuda-13.4",
            f"Use your NVIDIA GeForce RTX 4070: {WINDOWS_CUDA_13}",
            id="NVIDIA with a good driver",
        ),
        pytest.param(
            replace(LINUX, gpus=(RTX, RTX)),
            "b11194-cuda-13.4",
            (
                "Use your NVIDIA GeForce RTX 4070 (2): llama.cpp b11194 for NVIDIA (CUDA 13.4), 151 "
                "MB + 440 MB from github.com/ggml-org, license: MIT, NVIDIA."
            ),
            id="two that are alike",
        ),
        pytest.param(
            replace(WINDOWS, gpus=(with_driver(RTX, (516, 94), (11, 7)),)),
            "b11194-vulkan",
            "Your NVIDIA GeForce RTX 4070 has driver 516.94, but CUDA 12.4 needs 525 or newer. Download it "
            "from nvidia.com/drivers. For now, Vulkan can use your NVIDIA GeForce RTX 4070: "
            f"{WINDOWS_VULKAN}",
            id="NVIDIA with an old driver",
        ),
        pytest.param(
            replace(WINDOWS, gpus=(with_driver(RTX, (551, 86), (12, 4)),)),
            "b11194-cuda-12.4",
            f"Use your NVIDIA GeForce RTX 4070: {WINDOWS_CUDA_12}",
            id="NVIDIA with a driver for CUDA 12",
        ),
        pytest.param(
            replace(WINDOWS, gpus=(GTX,)),
            "b11194-cuda-12.4",
            f"Use your NVIDIA GeForce GTX 1080: {WINDOWS_CUDA_12}",
            id="a card that CUDA 13 has dropped",
        ),
        pytest.param(
            replace(WINDOWS, gpus=(with_driver(GTX, (528, 49), (12, 0)),)),
            "b11194-vulkan",
            "Your NVIDIA GeForce GTX 1080 needs a driver for CUDA 12.4 or newer, but yours is for 12.0. "
            "Download one from nvidia.com/drivers. For now, Vulkan can use your NVIDIA GeForce GTX 1080: "
            f"{WINDOWS_VULKAN}",
            id="a driver that cannot translate for an old card",
        ),
        pytest.param(
            replace(WINDOWS, gpus=(KEPLER,)),
            "b11194-vulkan",
            "Your NVIDIA GeForce GTX 780 is too old for CUDA 12.4. Its compute capability is 3.5, but 5.0 is "
            f"required. For now, Vulkan can use your NVIDIA GeForce GTX 780: {WINDOWS_VULKAN}",
            id="a card that CUDA 12 has dropped",
        ),
        pytest.param(
            replace(LINUX, gpus=(TURING,)),
            "b11194-cuda-12.8",
            f"Use your NVIDIA GeForce RTX 2060: {LINUX_CUDA_12}",
            id="a driver that cannot translate CUDA 13.4 for a card without code of its own",
        ),
        pytest.param(
            replace(LINUX, gpus=(RTX, GTX)),
            "b11194-cuda-12.8",
            f"Use your NVIDIA GeForce RTX 4070, NVIDIA GeForce GTX 1080: {LINUX_CUDA_12}",
            id="a new and an old card: what both can do",
        ),
        pytest.param(
            replace(LINUX, gpus=(RTX,), virtual=True),
            "b11194-cuda-13.4",
            (
                "Use your NVIDIA GeForce RTX 4070: llama.cpp b11194 for NVIDIA (CUDA 13.4), 151 MB + "
                "440 MB from github.com/ggml-org, license: MIT, NVIDIA."
            ),
            id="a virtual machine that has got a card, such as WSL2",
        ),
        pytest.param(
            replace(LINUX, gpus=(RTX,), glibc=(2, 36)),
            "b11194-vulkan",
            "llama.cpp b11194 for NVIDIA (CUDA 12.8) needs a newer Linux with GNU C library 2.39. This one "
            f"has 2.36. For now, Vulkan can use your NVIDIA GeForce RTX 4070: {LINUX_VULKAN}",
            id="a Linux that is too old for CUDA",
        ),
        pytest.param(
            replace(LINUX, adapters=(NOUVEAU,)),
            None,
            f"{NO_DRIVER} {NOTHING}",
            id="NVIDIA without its driver",
        ),
        pytest.param(
            replace(LINUX, adapters=(XE, NOUVEAU)),
            "b11194-vulkan",
            f"{NO_DRIVER} {IN_PROCESSOR} {LINUX_VULKAN}",
            id="NVIDIA without its driver, beside Intel",
        ),
        pytest.param(
            replace(WINDOWS, adapters=(RADEON,)),
            "b11194-vulkan",
            f"Use your AMD Radeon RX 7900 XTX: {WINDOWS_VULKAN}",
            id="AMD",
        ),
        pytest.param(
            replace(LINUX, adapters=(APU, RADEON)),
            "b11194-vulkan",
            "Use your AMD Radeon RX 7900 XTX instead of the processor's AMD Radeon 780M Graphics: "
            f"{LINUX_VULKAN}",
            id="AMD with a card beside its processor's graphics",
        ),
        pytest.param(
            replace(LINUX, adapters=(RADEON,), vulkan=False),
            None,
            "Vulkan is missing for your AMD Radeon RX 7900 XTX. Install the packages libvulkan1 and "
            f"mesa-vulkan-drivers, or vulkan-loader on Fedora. {NOTHING}",
            id="AMD without Vulkan on Linux",
        ),
        pytest.param(
            replace(WINDOWS, adapters=(RADEON,), vulkan=False, extensions=AVX_512),
            "b11194-cpu",
            (
                "Vulkan is missing for your AMD Radeon RX 7900 XTX. The latest driver includes it. "
                "Your processor supports AVX-512, which the built-in engine does not use: llama.cpp "
                "b11194 for the processor (CPU), 19 MB from github.com/ggml-org, license: MIT."
            ),
            id="AMD without Vulkan on Windows",
        ),
        pytest.param(
            replace(WINDOWS, adapters=(XE, NVIDIA_BY_WINDOWS), gpus=(RTX,)),
            "b11194-cuda-13.4",
            "Use your NVIDIA GeForce RTX 4070 instead of the processor's Intel Iris Xe Graphics: "
            f"{WINDOWS_CUDA_13}",
            id="Intel in the processor and a card of NVIDIA",
        ),
        pytest.param(
            replace(WINDOWS, adapters=(XE,)),
            "b11194-vulkan",
            f"{IN_PROCESSOR} {WINDOWS_VULKAN}",
            id="Intel alone",
        ),
        pytest.param(
            replace(WINDOWS, adapters=(ARC, XE)),
            "b11194-vulkan",
            "Use your Intel Arc A770 Graphics instead of the processor's Intel Iris Xe Graphics: "
            f"{WINDOWS_VULKAN}",
            id="a card of Intel",
        ),
        pytest.param(WINDOWS, None, f"{NO_CARD} {NOTHING}", id="no card"),
        pytest.param(
            replace(LINUX, extensions=AVX_512),
            "b11194-cpu",
            f"{NO_CARD} Your processor supports AVX-512, which the built-in engine does not use: llama.cpp "
            "b11194 for the processor (CPU), 17 MB from github.com/ggml-org, license: MIT.",
            id="no card, and a processor with more than AVX2",
        ),
        pytest.param(
            replace(WINDOWS, extensions=("avx",)),
            "b11194-cpu",
            f"{NO_CARD} The built-in engine does not run on your processor, which lacks AVX2: llama.cpp "
            "b11194 for "
            "the processor (CPU), 19 MB from github.com/ggml-org, license: MIT.",
            id="no card, and a processor without AVX2",
        ),
        pytest.param(
            replace(LINUX, virtual=True, adapters=(QXL,)),
            None,
            f"This is a virtual machine without a graphics card of its own. {NOTHING}",
            id="virtual machine",
        ),
        pytest.param(
            replace(LINUX, gpus=(RTX,), glibc=()),
            None,
            f"The available engines need the GNU C library, which this Linux does not have. {NOTHING}",
            id="Alpine",
        ),
        pytest.param(
            replace(WINDOWS, machine="arm64", extensions=(), adapters=(ADRENO,)),
            "b11194-cpu",
            f"{NO_CARD} There is no built-in engine made for Windows on ARM: llama.cpp b11194 for the "
            "processor (CPU), 12 MB from github.com/ggml-org, license: MIT.",
            id="Windows on ARM",
        ),
        pytest.param(
            replace(LINUX, machine="arm64", extensions=()),
            "b11194-cpu",
            f"{NO_CARD} The built-in engine works on all ARM processors but does not use everything "
            "yours can do: llama.cpp b11194 for the processor (CPU), 14 MB from github.com/ggml-org, "
            "license: MIT.",
            id="Linux on ARM",
        ),
        pytest.param(
            MAC,
            None,
            "The built-in engine already uses the Apple silicon graphics (Metal), so there is "
            "nothing to install.",
            id="Apple silicon",
        ),
        pytest.param(
            replace(MAC, machine="x86_64"),
            "b11194-cpu",
            (
                "There is no built-in engine for Intel Macs: llama.cpp b11194 for the processor "
                "(CPU), 11 MB from github.com/ggml-org, license: MIT."
            ),
            id="a Mac with a processor of Intel",
        ),
    ],
)
def test_each_machine_gets_the_build_that_suits_it_in_words(
    machine: Host, build: str | None, sentence: str
) -> None:
    advice = advise(machine, OFFERS)

    assert str(advice.sentence) == sentence
    assert (advice.build.id if advice.build else None) == build
    here = {each.id for each in OFFERS if (each.system, each.machine) == (machine.system, machine.machine)}
    assert here == {each.id for each, _ in advice.others} | ({build} if build else set())


class Foreign(Translate):
    """Says x for each letter of every text that it is given to translate."""

    def _lookup(self, text: str) -> str:
        return re.sub(r"[A-Za-z](?![^{]*\})", "x", text)


@pytest.mark.parametrize(
    "machine",
    [
        replace(LINUX, virtual=True),
        replace(LINUX, glibc=()),
        replace(LINUX, extensions=AVX_512),
        replace(WINDOWS, adapters=(XE,)),
        replace(WINDOWS, gpus=(KEPLER,)),
        MAC,
    ],
)
def test_all_words_can_be_translated(machine: Host) -> None:
    advice, foreign = advise(machine, OFFERS), Foreign()
    names = "llama.cpp b11194 CUDA CPU Vulkan MB github.com ggml-org MIT AVX-512 NVIDIA GeForce GTX"
    for text in (advice.sentence, *(why for _, why in advice.others)):
        words = re.findall(r"[A-Za-z][\w.-]*", foreign.said(text))
        assert {word.strip(".") for word in words if word.strip("x-.")} <= {*names.split(), *XE.name.split()}


def reasons(machine: Host, *installed: InstalledBuild) -> dict[str, str]:
    return {each.id: str(why) for each, why in advise(machine, OFFERS, installed).others}


def test_all_others_are_named_with_the_reasons_against_them() -> None:
    assert reasons(replace(WINDOWS, gpus=(RTX,), extensions=AVX_512)) == {
        "b11194-cuda-12.4": "llama.cpp b11194 for NVIDIA (CUDA 13.4) does the same job.",
        "b11194-rocm-10.0": "It needs an AMD graphics card.",
        "b11194-vulkan": "llama.cpp b11194 for NVIDIA (CUDA 13.4) is faster.",
        "b11194-cpu": "It does not use a graphics card.",
    }
    assert reasons(replace(WINDOWS, adapters=(RADEON,))) == {
        "b11194-cuda-13.4": "It needs an NVIDIA graphics card.",
        "b11194-cuda-12.4": "It needs an NVIDIA graphics card.",
        "b11194-rocm-10.0": "Vulkan works with more AMD cards and is a much smaller download.",
        "b11194-cpu": "It is no faster on this processor than the built-in engine.",
    }
    assert reasons(replace(LINUX, gpus=(GTX,)))["b11194-cuda-13.4"] == (
        "Your NVIDIA GeForce GTX 1080 is too old for CUDA 13.4. Its compute capability is "
        "6.1, but 7.5 is required."
    )
    assert reasons(replace(LINUX, gpus=(TURING,)))["b11194-cuda-13.4"] == (
        "Your NVIDIA GeForce RTX 2060 needs a driver for CUDA 13.4 or newer, but yours is "
        "for 13.0. Download one from nvidia.com/drivers."
    )
    assert reasons(LINUX)["b11194-vulkan"] == "It needs a graphics card."


@pytest.mark.parametrize(
    ("cuda", "compute", "known", "build"),
    [
        ((13, 0), (8, 6), "RTX 30", "b11194-cuda-13.4"),
        ((13, 0), (12, 0), "RTX 50", "b11194-cuda-13.4"),
        ((13, 0), (12, 1), "GB10", "b11194-cuda-13.4"),
        ((13, 0), (8, 0), "A100", "b11194-cuda-12.8"),
        ((13, 0), (9, 0), "H100", "b11194-cuda-12.8"),
        ((13, 0), (10, 0), "B200", "b11194-cuda-12.8"),
        ((13, 4), (9, 0), "H100", "b11194-cuda-13.4"),
        ((13, 0), None, "a card that does not tell", "b11194-cuda-13.4"),
    ],
)
def test_a_card_without_machine_code_of_its_own_needs_a_driver_that_knows_this_cuda(
    cuda: tuple[int, int], compute: tuple[int, int] | None, known: str, build: str
) -> None:
    advice = advise(replace(LINUX, gpus=(Gpu(known, 24 << 30, (580, 95), cuda, compute),)), OFFERS)

    assert advice.build
    assert advice.build.id == build


def installed(
    build_id: str, *devices: str, works: bool = True, source: str = f"{ADDRESS}/x.zip"
) -> InstalledBuild:
    release, back_end = build_id.split("-")[:2]
    return InstalledBuild(
        id=build_id,
        kind=EngineKind.LLAMA_SERVER,
        back_end=BackEnd(back_end),
        release=release,
        program=Path("/engines") / build_id / "llama-server",
        size_bytes=1,
        source=source,
        sha256="",
        devices=tuple(EngineDevice(name, None) for name in devices),
        verdicts={WeightKind.F16: Verdict(works, "" if works else "it crashed (SIGSEGV)")},
    )


def test_what_is_installed_and_works_is_not_offered_again() -> None:
    machine = replace(WINDOWS, gpus=(RTX,))
    advice = advise(machine, OFFERS, [installed("b11194-cuda-13.4", "NVIDIA GeForce RTX 4070")])

    assert advice.build is None
    assert str(advice.sentence) == (
        "llama.cpp b11194 for NVIDIA (CUDA 13.4) is installed and uses your NVIDIA GeForce RTX 4070."
    )
    assert (
        str(dict(advice.others)[offer(System.WINDOWS, "b11194-cuda-12.4")])
        == "llama.cpp b11194 for NVIDIA (CUDA 13.4) does the same job."
    )


def test_a_later_release_is_an_update_but_not_of_what_a_person_has_brought() -> None:
    machine = replace(WINDOWS, gpus=(RTX,))
    old = installed("b11000-cuda-13.4", "NVIDIA GeForce RTX 4070")
    advice = advise(machine, OFFERS, [old])

    assert advice.replaces is old
    assert advice.build
    assert advice.build.id == "b11194-cuda-13.4"
    assert str(advice.sentence) == (
        f"Update llama.cpp b11000 for NVIDIA (CUDA 13.4) to {WINDOWS_CUDA_13.replace('), ', '): ')}"
    )
    assert advise(machine, OFFERS, [replace(old, source="/home/me/llama.zip")]).build is None
    assert advise(machine, OFFERS, [replace(old, release="b12000")]).build is None
    assert advise(machine, OFFERS, [replace(old, release="my own")]).build is None


def test_a_better_build_is_offered_beside_a_lesser_one() -> None:
    vulkan, cpu = installed("b11194-vulkan", "NVIDIA GeForce RTX 4070"), installed("b11194-cpu")
    advice = advise(replace(WINDOWS, gpus=(RTX,)), OFFERS, [cpu, vulkan])

    assert advice.build
    assert advice.build.id == "b11194-cuda-13.4"
    assert advice.replaces is None


def test_what_does_not_work_here_makes_room_for_the_next_best() -> None:
    machine = replace(WINDOWS, gpus=(RTX,))
    new = installed("b11194-cuda-13.4", works=False)
    old = installed("b11194-cuda-12.4", works=False)

    assert (
        str(advise(machine, OFFERS, [new]).sentence) == f"Use your NVIDIA GeForce RTX 4070: {WINDOWS_CUDA_12}"
    )
    assert str(advise(machine, OFFERS, [new, old]).sentence) == (
        "llama.cpp b11194 for NVIDIA (CUDA 12.4) was tested and does not work on this computer: it "
        f"crashed (SIGSEGV). For now, Vulkan can use your NVIDIA GeForce RTX 4070: {WINDOWS_VULKAN}"
    )


def test_a_build_for_a_card_counts_only_while_the_card_is_there() -> None:
    assert str(advise(WINDOWS, OFFERS, [installed("b11194-cuda-13.4")]).sentence) == f"{NO_CARD} {NOTHING}"


def test_vulkan_may_use_a_card_that_the_system_does_not_list() -> None:
    advice = advise(WINDOWS, OFFERS, [installed("b11194-vulkan", "Mali-G610")])

    assert str(advice.sentence) == (
        "llama.cpp b11194 for graphics cards (Vulkan) is installed and uses your Mali-G610."
    )


def test_an_installed_build_for_the_processor_is_told() -> None:
    machine, build = replace(LINUX, extensions=AVX_512), installed("b11194-cpu")
    advice = advise(machine, OFFERS, [build])

    assert advice.build is None
    assert str(advise(machine, OFFERS, [replace(build, speed=1.87)]).sentence) == (
        "llama.cpp b11194 for the processor (CPU) is installed: 1.9 times as fast as the built-in engine."
    )
    assert str(advice.sentence) == (
        "llama.cpp b11194 for the processor (CPU) is installed and made for your processor."
    )


def test_a_machine_without_a_network_is_told_what_to_bring() -> None:
    one, two = offer(System.WINDOWS, "b11194-cpu"), offer(System.WINDOWS, "b11194-cuda-12.4")

    assert str(by_hand(one)) == (
        f"Without an internet connection: download llama-b11194-bin-win-cpu-x64.zip from {ADDRESS} on "
        "another computer, copy it to this one, and choose it with “From a File…” or run: "
        "powerinfer-tray engines install llama-b11194-bin-win-cpu-x64.zip"
    )
    assert str(by_hand(two)) == (
        "Without an internet connection: download llama-b11194-bin-win-cuda-12.4-x64.zip, "
        f"cudart-llama-bin-win-cuda-12.4-x64.zip from {ADDRESS} on another computer, copy them to one folder "
        "on this one, and choose it with “From a Folder…” or run: powerinfer-tray engines install FOLDER"
    )
