"""Which published build suits a machine, and why: in words for people. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tray_app.engine.builds.build import BackEnd
from tray_app.engine.builds.wording import build_name, cost, dotted, in_words
from tray_app.engine.engine_kind import EngineKind
from tray_app.phrases import joined, phrase
from tray_app.system.graphics import Maker
from tray_app.system.host import System

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild
    from tray_app.phrases import Phrase, Text
    from tray_app.system.graphics import Adapter
    from tray_app.system.host import Host
    from tray_app.system.nvidia import Gpu

_RANKS = {BackEnd.CUDA: 0, BackEnd.ROCM: 1, BackEnd.VULKAN: 2, BackEnd.METAL: 2, BackEnd.CPU: 3}
"""The fastest has the lowest number. No computer has both of those with the same one."""
_OLDEST_CARDS = {12: (5, 0), 13: (7, 5)}
"""The lowest compute capability for each major version of CUDA: 13 has dropped Maxwell, Pascal and Volta."""
_OWN_CODE = (((0, 0), (8, 6), (8, 9)), ((12, 8), (12, 0), (12, 0)), ((12, 9), (12, 1), (12, 1)))
"""Version of CUDA, lowest and highest compute capability: built with that version or a later one, engines
contain machine code for these cards (llama.cpp's `ggml-cuda/CMakeLists.txt`). For all others, the driver
compiles it, if it knows the version."""
_METAL = phrase(
    "The built-in engine already uses the Apple silicon graphics (Metal), so there is nothing to install."
)
_NO_GAIN = phrase("It is no faster on this processor than the built-in engine.")
_NOTHING_FASTER = phrase("No available engine is faster on this computer than the built-in one.")
_BEYOND_AVX2 = {"avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "amx_int8": "AMX"}


@dataclass(frozen=True, slots=True)
class Advice:
    """Which build a person should install on a machine, if any."""

    build: PublishedBuild | None
    """None if no available build is better than what is there."""
    sentence: Text
    """What it is for and what has to be downloaded, or why there is none."""
    others: tuple[tuple[PublishedBuild, Text], ...] = ()
    """All other builds for this kind of machine, the best first, with the reasons against them."""
    replaces: InstalledBuild | None = None
    """The older build that `build` is the update of."""


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """Why a build is not for a machine."""

    reason: Phrase
    told: bool = False
    """Whether a person should know of it, because the machine would be faster without it."""


def advise(
    machine: Host, offers: Iterable[PublishedBuild], installed: Sequence[InstalledBuild] = ()
) -> Advice:
    """The best available build for a machine, unless one as good is installed and works."""
    here = [each for each in offers if (each.system, each.machine) == (machine.system, machine.machine)]
    here.sort(key=_order)
    if machine.apple_silicon:
        return Advice(None, _METAL, tuple((each, _METAL) for each in here))
    obstacles = {each.id: _obstacle(each, machine, installed) for each in here}
    best = next((each for each in here if obstacles[each.id] is None), None)
    there = _in_place(installed, best, machine)
    updated = there is not None and best is not None and _is_update(best, there)
    advised = best if updated or not there else None
    others = tuple(
        (each, _reason(each, obstacles[each.id], there or best)) for each in here if each is not advised
    )
    if there and best and updated:
        return Advice(best, _of_update(best, there), others, there)
    if there:
        return Advice(None, _of_installed(there, machine), others)
    return Advice(best, _of_best(best, here, obstacles, machine), others)


def _order(build: PublishedBuild) -> tuple[int, tuple[int, ...]]:
    return _RANKS[build.back_end], tuple(-number for number in _numbers(build.version))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _obstacle(build: PublishedBuild, machine: Host, installed: Sequence[InstalledBuild]) -> _Obstacle | None:
    """Why a build is not for this machine; None if it is."""
    match build.back_end:
        case BackEnd.CUDA:
            found = _against_cuda(build, machine)
        case BackEnd.ROCM:
            found = _against_rocm(machine)
        case BackEnd.VULKAN:
            found = _against_vulkan(machine)
        case _:
            found = None if _gain(machine) else _Obstacle(_NO_GAIN)
    return found or _against_library(build, machine) or _against_failed(build, installed)


def _against_cuda(build: PublishedBuild, machine: Host) -> _Obstacle | None:
    if machine.gpus:
        return next(filter(None, (_against_card(build, gpu) for gpu in machine.gpus)), None)
    card = next((each for each in machine.adapters if each.maker is Maker.NVIDIA), None)
    if card is None:
        return _Obstacle(phrase("It needs an NVIDIA graphics card."))
    return _Obstacle(
        phrase(
            "The NVIDIA driver for your {card} is missing or not responding. Download it from "
            "nvidia.com/drivers.",
            card=card.name,
        ),
        told=True,
    )


def _against_card(build: PublishedBuild, gpu: Gpu) -> _Obstacle | None:
    cuda = _numbers(build.version)
    oldest = _OLDEST_CARDS.get(cuda[0] if cuda else 0, (0, 0))
    if gpu.compute and gpu.compute < oldest:
        why = phrase(
            "Your {card} is too old for CUDA {cuda}. Its compute capability is {compute}, but "
            "{oldest} is required.",
            card=gpu.name,
            cuda=build.version,
            compute=dotted(gpu.compute),
            oldest=dotted(oldest),
        )
    elif gpu.driver and gpu.driver < build.oldest_driver:
        why = phrase(
            "Your {card} has driver {driver}, but CUDA {cuda} needs {oldest} or newer. Download "
            "it from nvidia.com/drivers.",
            card=gpu.name,
            driver=dotted(gpu.driver),
            cuda=build.version,
            oldest=dotted(build.oldest_driver),
        )
    elif gpu.cuda and gpu.cuda < cuda and not _has_own_code(cuda, gpu.compute):
        why = phrase(
            "Your {card} needs a driver for CUDA {cuda} or newer, but yours is for {known}. "
            "Download one from nvidia.com/drivers.",
            card=gpu.name,
            cuda=build.version,
            known=dotted(gpu.cuda),
        )
    else:
        return None
    return _Obstacle(why, told=True)


def _has_own_code(cuda: tuple[int, ...], compute: tuple[int, int] | None) -> bool:
    return compute is None or any(
        since <= cuda and lowest <= compute <= highest for since, lowest, highest in _OWN_CODE
    )


def _against_rocm(machine: Host) -> _Obstacle:
    if any(each.maker is Maker.AMD for each in machine.adapters):
        return _Obstacle(phrase("Vulkan works with more AMD cards and is a much smaller download."))
    return _Obstacle(phrase("It needs an AMD graphics card."))


def _against_vulkan(machine: Host) -> _Obstacle | None:
    names = _vulkan_cards(machine)
    if not names:
        return _Obstacle(phrase("It needs a graphics card."))
    if machine.vulkan:
        return None
    if machine.system is System.WINDOWS:
        why = phrase(
            "Vulkan is missing for your {card}. The latest driver includes it.", card=in_words(names)
        )
    else:
        why = phrase(
            "Vulkan is missing for your {card}. Install the packages libvulkan1 and "
            "mesa-vulkan-drivers, or vulkan-loader on Fedora.",
            card=in_words(names),
        )
    return _Obstacle(why, told=True)


def _against_library(build: PublishedBuild, machine: Host) -> _Obstacle | None:
    if not build.oldest_glibc or machine.glibc >= build.oldest_glibc:
        return None
    if not machine.glibc:
        return _Obstacle(
            phrase("The available engines need the GNU C library, which this Linux does not have."), told=True
        )
    return _Obstacle(
        phrase(
            "{build} needs a newer Linux with GNU C library {needed}. This one has {version}.",
            build=build_name(build),
            needed=dotted(build.oldest_glibc),
            version=dotted(machine.glibc),
        ),
        told=True,
    )


def _against_failed(build: PublishedBuild, installed: Sequence[InstalledBuild]) -> _Obstacle | None:
    for each in installed:
        if each.id == build.id and (why := _failure(each)) is not None:
            reason = phrase(
                "{build} was tested and does not work on this computer: {why}.",
                build=build_name(build),
                why=why.rstrip(". "),
            )
            return _Obstacle(reason, told=True)
    return None


def _failure(build: InstalledBuild) -> str | None:
    """Why a build computes right with nothing at all; None if it does with something."""
    verdicts = build.verdicts.values()
    return None if any(each.works for each in verdicts) else next((each.reason for each in verdicts), None)


def _gain(machine: Host) -> Phrase | None:
    """What a build for the processor can do here that the built-in engine cannot."""
    if machine.machine == "arm64" and machine.system is System.WINDOWS:
        return phrase("There is no built-in engine made for Windows on ARM")
    if machine.machine == "arm64":
        return phrase(
            "The built-in engine works on all ARM processors but does not use everything yours can do"
        )
    if machine.system is System.MACOS:
        return phrase("There is no built-in engine for Intel Macs")
    if machine.extensions and "avx2" not in machine.extensions:
        return phrase("The built-in engine does not run on your processor, which lacks AVX2")
    if more := [name for flag, name in _BEYOND_AVX2.items() if flag in machine.extensions]:
        return phrase(
            "Your processor supports {extensions}, which the built-in engine does not use",
            extensions=" + ".join(more),
        )
    return None


def _vulkan_cards(machine: Host) -> list[str]:
    """The cards that Vulkan would use: those of the processor only if there are no others."""
    integrated = [each.name for each in _usable(machine) if each.integrated]
    others = [each.name for each in _usable(machine) if not each.integrated]
    return [*(each.name for each in machine.gpus), *others] or integrated[:1]


def _usable(machine: Host) -> list[Adapter]:
    """The adapters of makers other than NVIDIA, whose driver tells more of its cards."""
    return [each for each in machine.adapters if each.maker in (Maker.AMD, Maker.INTEL)]


def _in_place(
    installed: Sequence[InstalledBuild], best: PublishedBuild | None, machine: Host
) -> InstalledBuild | None:
    """The installed build that is as good as the best available one."""
    works = [each for each in installed if each.kind is EngineKind.LLAMA_SERVER and _failure(each) is None]
    works = [each for each in works if _has_its_card(each, machine)]
    works.sort(key=lambda each: _numbers(each.release), reverse=True)
    first = min(works, key=lambda each: _RANKS[each.back_end], default=None)
    return None if first and best and _RANKS[best.back_end] < _RANKS[first.back_end] else first


def _has_its_card(build: InstalledBuild, machine: Host) -> bool:
    """Whether the card that a build was tested with is still there, as far as the system tells.

    Vulkan may know a card that is no PCI device, as on ARM boards.
    """
    if build.back_end is BackEnd.CUDA:
        return bool(machine.gpus)
    return not build.back_end.uses_card or bool(build.devices or _vulkan_cards(machine))


def _is_update(best: PublishedBuild, there: InstalledBuild) -> bool:
    """Whether it is a later release of the same build. What a person has given as a file is not updated."""
    same = best.back_end is there.back_end and there.is_published
    return same and () < _numbers(there.release) < _numbers(best.release)


def _reason(
    build: PublishedBuild, obstacle: _Obstacle | None, chosen: PublishedBuild | InstalledBuild | None
) -> Text:
    """Why it is not advised."""
    if obstacle:
        return obstacle.reason
    if chosen and chosen.back_end is build.back_end:
        return phrase("{build} does the same job.", build=build_name(chosen))
    if chosen and build.back_end is BackEnd.CPU:
        return "It does not use a graphics card."
    return phrase("{build} is faster.", build=build_name(chosen)) if chosen else ""


def _of_installed(build: InstalledBuild, machine: Host) -> Text:
    if not build.back_end.uses_card:
        return _of_processor(build)
    listed = [each.name for each in build.devices] or _cards(build.back_end, machine)
    return phrase(
        "{build} is installed and uses your {card}.", build=build_name(build), card=in_words(listed)
    )


def _of_processor(build: InstalledBuild) -> Text:
    if build.speed is None:
        return phrase("{build} is installed and made for your processor.", build=build_name(build))
    return phrase(
        "{build} is installed: {speed:.1f} times as fast as the built-in engine.",
        build=build_name(build),
        speed=build.speed,
    )


def _of_update(build: PublishedBuild, there: InstalledBuild) -> Text:
    return phrase(
        "Update {old} to {build}: {cost}.", old=build_name(there), build=build_name(build), cost=cost(build)
    )


def _of_best(
    best: PublishedBuild | None,
    here: Sequence[PublishedBuild],
    obstacles: Mapping[str, _Obstacle | None],
    machine: Host,
) -> Text:
    """What to do, after what prevents something better."""
    better = here[: here.index(best)] if best else here
    hindrance = _hindrance(
        [each for each in better if not best or each.back_end is not best.back_end], obstacles
    )
    if best is None:
        return _sentences(hindrance or _without_card(machine), _NOTHING_FASTER)
    if best.back_end.uses_card:
        return _sentences(hindrance, _of_card(best, machine, hindered=hindrance is not None))
    gain = phrase("{gain}: {build}, {cost}.", gain=_gain(machine), build=build_name(best), cost=cost(best))
    return _sentences(hindrance or _without_card(machine), gain)


def _hindrance(better: Sequence[PublishedBuild], obstacles: Mapping[str, _Obstacle | None]) -> Phrase | None:
    """What a person should know of the builds that would be better: of the fastest kind, the easiest one."""
    told = [(each, found) for each in better if (found := obstacles[each.id]) and found.told]
    return next(
        (found.reason for each, found in reversed(told) if each.back_end is told[0][0].back_end), None
    )


def _without_card(machine: Host) -> Phrase | None:
    if machine.system is System.MACOS:
        return None
    if machine.virtual:
        return phrase("This is a virtual machine without a graphics card of its own.")
    return phrase("No NVIDIA, AMD or Intel graphics card was found.")


def _of_card(best: PublishedBuild, machine: Host, *, hindered: bool) -> Phrase:
    cards = _cards(best.back_end, machine)
    build, price, card = build_name(best), cost(best), in_words(cards)
    integrated = [each.name for each in _usable(machine) if each.integrated]
    if hindered and machine.gpus:
        return phrase(
            "For now, Vulkan can use your {card}: {build}, {cost}.",
            card=card,
            build=build,
            cost=price,
        )
    if cards == integrated[:1]:
        return phrase(
            "Your {card} is part of the processor and shares its memory, so it can be faster or "
            "slower than the processor alone. To try it: {build}, {cost}.",
            card=card,
            build=build,
            cost=price,
        )
    if integrated:
        return phrase(
            "Use your {card} instead of the processor's {other}: {build}, {cost}.",
            card=card,
            other=in_words(integrated),
            build=build,
            cost=price,
        )
    return phrase("Use your {card}: {build}, {cost}.", card=card, build=build, cost=price)


def _cards(back_end: BackEnd, machine: Host) -> list[str]:
    return [each.name for each in machine.gpus] if back_end is BackEnd.CUDA else _vulkan_cards(machine)


def _sentences(*texts: Phrase | None) -> Phrase:
    return joined(" ", [text for text in texts if text is not None])
