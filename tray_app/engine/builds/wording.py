"""Builds in words: their names, the size and source of their downloads, why one runs a model. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tray_app.engine.builds.build import BackEnd, PublishedBuild
from tray_app.engine.engine_kind import EngineKind
from tray_app.phrases import Phrase, joined, phrase, presentable
from tray_app.settings.schema import AUTO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tray_app.engine.builds.build import InstalledBuild
    from tray_app.engine.engine_setting import EngineSetting
    from tray_app.engine.program import Engine
    from tray_app.phrases import Text

_MB = 1e6


def build_name(build: PublishedBuild | InstalledBuild) -> Phrase:
    """What people call a build: “llama.cpp b11194 for NVIDIA (CUDA 13.4)”. Without the release if that is not
    known.
    """
    powerinfer = not isinstance(build, PublishedBuild) and build.kind is EngineKind.POWERINFER
    engine = "PowerInfer" if powerinfer else "llama.cpp"
    cards = _made_for(build.back_end)
    version = build.id.partition(f"{build.release}-{build.back_end}-")[2]
    back_end = f"{build.back_end.label} {version}".strip()
    if not build.release:
        return phrase("{engine} for {cards} ({back_end})", engine=engine, cards=cards, back_end=back_end)
    return phrase(
        "{engine} {release} for {cards} ({back_end})",
        engine=engine,
        release=build.release,
        cards=cards,
        back_end=back_end,
    )


def cost(build: PublishedBuild) -> Phrase:
    """What has to be downloaded, from where, and its license: “152 MB + 424 MB from github.com/ggml-org,
    license: MIT, NVIDIA”.
    """
    return phrase(
        "{sizes} from {place}, license: {terms}",
        sizes=joined(" + ", [phrase("{size:.0f} MB", size=each.size_bytes / _MB) for each in build.files]),
        place=_place(build.address),
        terms=", ".join(dict.fromkeys(each.terms for each in build.files)),
    )


def by_hand(build: PublishedBuild) -> Phrase:
    """How a machine without a network gets a build."""
    names = [each.name for each in build.files]
    if len(names) == 1:
        return phrase(
            "Without an internet connection: download {name} from {address} on another computer, "
            "copy it to this one, and choose it with “From a File…” or run: powerinfer-tray "
            "engines install {name}",
            name=names[0],
            address=build.address,
        )
    return phrase(
        "Without an internet connection: download {names} from {address} on another "
        "computer, copy them to one folder on this one, and choose it with “From a Folder…” "
        "or run: powerinfer-tray engines install FOLDER",
        names=joined(", ", names),
        address=build.address,
    )


def why_it_runs(engine: Engine, setting: EngineSetting) -> Text:
    """Which engine runs a model and why, and why those that would have come first do not."""
    name = build_name(engine.build) if engine.build else _other_name(engine)
    if setting != AUTO:
        reason = phrase("{engine} is used because it is chosen in the setting “Engine”.", engine=name)
    elif engine.kind is EngineKind.POWERINFER:
        reason = phrase(
            "{engine} is used because no other engine on this computer can run this model.", engine=name
        )
    elif engine.build and engine.build.back_end.uses_card:
        reason = phrase(
            "{engine} is used because it is the fastest one that is installed and tested.", engine=name
        )
    elif engine.build and engine.build.speed:
        reason = phrase(
            "{engine} is used because it is {speed:.1f} times as fast as the built-in engine.",
            engine=name,
            speed=engine.build.speed,
        )
    elif engine.build:
        reason = phrase(
            "{engine} is used because there is no built-in engine for this computer.", engine=name
        )
    elif engine.passed_over:
        reason = phrase("{engine} is used.", engine=name)
    else:
        reason = phrase("{engine} is used because no faster engine is installed.", engine=name)
    others = [
        phrase("{build} is not used: {reason}", build=build_name(each.build), reason=_as_phrase(each.reason))
        for each in engine.passed_over
    ]
    return joined(" ", [reason, *others])


def in_words(names: Iterable[str]) -> str:
    """Names of cards, each once, with how many there are: “NVIDIA GeForce RTX 3090 (2), NVIDIA A100”."""
    counted = Counter(names).items()
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counted)


def dotted(version: Iterable[int]) -> str:
    """The first two parts of a version, such as “551.86”."""
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
            return phrase("Apple silicon")
        case BackEnd.CPU:
            return phrase("the processor")


def _other_name(engine: Engine) -> Phrase:
    """The name of an engine that was not installed as a build."""
    match engine.kind:
        case EngineKind.LLAMA_CPP:
            return phrase("The built-in llama.cpp")
        case EngineKind.POWERINFER:
            return phrase("PowerInfer")
        case EngineKind.REMOTE:
            return phrase("A server on another computer")
        case EngineKind.LLAMA_SERVER:
            return _as_phrase(presentable(engine.command[0]))


def _as_phrase(text: Text) -> Phrase:
    """A text that can be translated also as a part of another one."""
    return text if isinstance(text, Phrase) else Phrase(text.replace("{", "{{").replace("}", "}}"), {})


def _place(address: str) -> str:
    """The host and the owner at it: whose files they are."""
    parts = urlsplit(address)
    owner = parts.path.strip("/").partition("/")[0]
    return f"{parts.hostname}/{owner}" if owner else parts.hostname or address
