"""How builds are spoken of: their names, what they cost, where they come from. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.builds.build import BackEnd, PublishedBuild
from tray_app.engine.kinds import EngineKind
from tray_app.phrases import joined, phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.phrases import Phrase

_MB = 1e6


def build_name(build: PublishedBuild | InstalledBuild) -> Phrase:
    """What people call a build: «llama.cpp b11194 for NVIDIA (CUDA 13.4)»."""
    engine, version = "llama.cpp", ""
    if isinstance(build, PublishedBuild):
        version = build.version
    elif build.kind is EngineKind.POWERINFER:
        engine = "PowerInfer"
    return phrase(
        "{engine} {release} for {cards} ({back_end})",
        engine=engine,
        release=build.release,
        cards=_made_for(build.back_end),
        back_end=f"{build.back_end.label} {version}".strip(),
    )


def cost(build: PublishedBuild) -> Phrase:
    """What has to be downloaded, from where and on whose terms: «152 MB + 424 MB from github.com/ggml-org;
    terms: MIT, NVIDIA».
    """
    return phrase(
        "{sizes} from {place}; terms: {terms}",
        sizes=joined(" + ", [phrase("{size:.0f} MB", size=each.size_bytes / _MB) for each in build.files]),
        place=_place(build.address),
        terms=", ".join(dict.fromkeys(each.terms for each in build.files)),
    )


def by_hand(build: PublishedBuild) -> Phrase:
    """How a machine without a network gets a build."""
    names = [each.name for each in build.files]
    if len(names) == 1:
        return phrase(
            "Without a network: fetch {name} from {address} on another computer, bring it here, and choose "
            "it with «From a file…» or type: powerinfer-tray engines install {name}",
            name=names[0],
            address=build.address,
        )
    return phrase(
        "Without a network: fetch {names} from {address} on another computer, bring them here in one folder, "
        "and choose that with «From a file…» or type: powerinfer-tray engines install FOLDER",
        names=joined(", ", names),
        address=build.address,
    )


def in_words(names: Iterable[str]) -> str:
    """Cards by their names, those that are alike once: «NVIDIA GeForce RTX 3090 (2), NVIDIA A100»."""
    counted = Counter(names).items()
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counted)


def dotted(version: Iterable[int]) -> str:
    """A version in its two first parts, such as «551.86»."""
    return ".".join(str(number) for number in (*version,)[:2])


def _made_for(back_end: BackEnd) -> Phrase:
    match back_end:
        case BackEnd.CUDA:
            return phrase("NVIDIA")
        case BackEnd.ROCM:
            return phrase("AMD")
        case BackEnd.VULKAN:
            return phrase("graphics cards")
        case BackEnd.METAL:
            return phrase("Apple Silicon")
        case BackEnd.CPU:
            return phrase("the processor")


def _place(address: str) -> str:
    """The host and the owner at it: whose files they are."""
    parts = urlsplit(address)
    owner = parts.path.strip("/").partition("/")[0]
    return f"{parts.hostname}/{owner}" if owner else parts.hostname or address
