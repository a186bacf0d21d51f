"""All that is known of this machine's cards, drivers and engines: `doctor --engines`.

A person runs it once on a machine with a graphics card, and compares it with docs/verification.md. Any
thread; runs the installed engines for their help and their list of cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tray_app.app.diagnostic_findings import FoundProblem
from tray_app.app.diagnostic_report import machine_line, rows
from tray_app.app.diagnostics import versions
from tray_app.app.redaction import redact, redacted
from tray_app.engine.builds.choice import advise
from tray_app.engine.builds.offers import published_builds
from tray_app.engine.builds.wording import build_name, by_hand, cost, dotted
from tray_app.errors import EngineError
from tray_app.phrases import presentable, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tray_app.engine.builds.build import InstalledBuild, PublishedBuild
    from tray_app.engine.finding import EngineFinder
    from tray_app.phrases import Text
    from tray_app.system.graphics import Adapter
    from tray_app.system.host import Host
    from tray_app.system.nvidia import Gpu

_MB, _GIB = 1e6, 1 << 30


@dataclass(frozen=True, slots=True)
class InstalledFinding:
    """An installed build, as it was proven and as it is now."""

    id: str
    name: str
    program: str
    size_bytes: int
    source: str
    sha256: str
    verdicts: Mapping[str, str]
    """By kind of weights, «works» or why it does not."""
    speed: float | None
    proven_devices: tuple[str, ...]
    """The cards that it listed when it was proven."""
    devices: tuple[str, ...]
    """Those that it lists now."""
    set_aside: Mapping[str, str]
    """The models that it does not run any more, with the reasons."""
    problem: FoundProblem | None
    """Why it cannot be used now."""


@dataclass(frozen=True, slots=True)
class OfferFinding:
    """A build that is published for this kind of machine."""

    id: str
    name: str
    cost: str
    against: str | None
    """Why it is not advised; None if it is."""


@dataclass(frozen=True, slots=True)
class EnginesReport:
    """What `doctor --engines` tells."""

    versions: Mapping[str, str]
    host: Host
    built_in: bool
    """Whether a llama.cpp comes with this app on this machine."""
    installed: tuple[InstalledFinding, ...]
    offers: tuple[OfferFinding, ...]
    advice: str
    without_network: str | None

    @property
    def ok(self) -> bool:
        """Whether all that is installed can be used."""
        return not any(each.problem for each in self.installed)


def examine_engines(
    host: Host, finder: EngineFinder, offers: Sequence[PublishedBuild] | None = None
) -> EnginesReport:
    """Look at all engines; `offers` stand in for those that come with the app in tests.

    `EngineError` if the list of them, or the folder of the installed ones, cannot be read.
    """
    offers = published_builds() if offers is None else offers
    installed = finder.builds()
    advice = advise(host, offers, finder.unchanged_builds())
    advised: list[tuple[PublishedBuild, Text | None]] = [(advice.build, None)] if advice.build else []
    return EnginesReport(
        versions=versions(),
        host=host,
        built_in=finder.embedded() is not None,
        installed=tuple(_installed(each, finder) for each in installed),
        offers=tuple(
            OfferFinding(each.id, str(build_name(each)), str(cost(each)), None if why is None else str(why))
            for each, why in (*advised, *advice.others)
        ),
        advice=str(advice.sentence),
        without_network=str(by_hand(advice.build)) if advice.build else None,
    )


def _installed(build: InstalledBuild, finder: EngineFinder) -> InstalledFinding:
    problem, devices = None, build.devices[:0]
    try:
        devices = finder.of_build(build).devices or ()
    except EngineError as exc:
        problem = FoundProblem.of(exc, stops=False)
    return InstalledFinding(
        id=build.id,
        name=str(build_name(build)),
        program=presentable(build.program),
        size_bytes=build.size_bytes,
        source=presentable(build.source),
        sha256=build.sha256,
        verdicts={
            kind: "works" if each.works else presentable(each.reason) or "does not work"
            for kind, each in build.verdicts.items()
        },
        speed=build.speed,
        proven_devices=tuple(presentable(each.name) for each in build.devices),
        devices=tuple(presentable(each.name) for each in devices),
        set_aside={
            each.model_id: presentable(each.reason)
            for each in finder.set_asides()
            if each.build_id == build.id
        },
        problem=problem,
    )


def engines_document(found: EnginesReport, home: Path) -> dict[str, Any]:
    """For `doctor --engines --json`."""
    told: dict[str, Any] = redacted(msgspec.to_builtins(found), home)
    return {"ok": found.ok, **told}


def engines_text(found: EnginesReport, home: Path) -> str:
    """The report as text: each fact in a line of two columns."""
    return visible(redact("\n".join(_lines(found)), home))


def _lines(found: EnginesReport) -> Iterator[str]:
    host = found.host
    yield " · ".join(f"{name} {version}" for name, version in found.versions.items())
    yield machine_line(host)
    yield from rows("Processor", [", ".join(host.extensions) or "no details known"])
    yield from rows("System", [_system(host)])
    yield from rows(
        "NVIDIA", map(_gpu, host.gpus) if host.gpus else ["no card, or its driver is not responding"]
    )
    yield from rows("Adapters", map(_adapter, host.adapters) if host.adapters else ["none"])
    yield from rows("Vulkan", ["its loader is installed" if host.vulkan else "its loader is not installed"])
    yield from rows("Built-in", [_built_in(found)])
    yield from rows("Installed", _of_installed(found.installed) if found.installed else ["none"])
    yield from rows("Available", map(_offer, found.offers) if found.offers else ["none for this computer"])
    yield from rows("Advice", filter(None, [found.advice, found.without_network]))


def _system(host: Host) -> str:
    kind = "a virtual machine" if host.virtual else "probably not a virtual machine"
    return f"{kind} · GNU C library {dotted(host.glibc)}" if host.glibc else kind


def _gpu(gpu: Gpu) -> str:
    parts = [
        gpu.name,
        f"{gpu.memory_bytes / _GIB:.1f} GiB",
        f"driver {'.'.join(map(str, gpu.driver)) or 'unknown'}",
        f"CUDA {dotted(gpu.cuda) if gpu.cuda else 'unknown'}",
        f"compute capability {dotted(gpu.compute) if gpu.compute else 'unknown'}",
    ]
    return " · ".join(parts)


def _adapter(adapter: Adapter) -> str:
    place = {True: "part of the processor", False: "card", None: ""}[adapter.integrated]
    driver = f"driver {adapter.driver}" if adapter.driver else ""
    return " · ".join(filter(None, (adapter.name, adapter.maker, adapter.pci_id, place, driver)))


def _built_in(found: EnginesReport) -> str:
    return (
        f"llama.cpp {found.versions.get('llama.cpp', '')}".strip()
        if found.built_in
        else "none for this computer"
    )


def _of_installed(builds: Iterable[InstalledFinding]) -> Iterator[str]:
    for each in builds:
        yield f"{each.id} · {each.name} · {each.size_bytes / _MB:.0f} MB · {each.program}"
        yield f"  from {each.source}{f' · SHA-256 {each.sha256}' if each.sha256 else ''}"
        yield f"  cards when tested: {', '.join(each.proven_devices) or 'none'}"
        yield f"  cards now: {', '.join(each.devices) or 'none'}"
        for kind, verdict in each.verdicts.items():
            yield f"  {kind}: {verdict}"
        if each.speed is not None:
            yield f"  {each.speed:.2f} times as fast as the built-in engine"
        for model_id, reason in each.set_aside.items():
            yield f"  disabled for {presentable(model_id)}: {reason}"
        if each.problem:
            yield f"  ✗ {each.problem.title}: {each.problem.message}"


def _offer(offer: OfferFinding) -> str:
    return f"{offer.id} · {offer.cost} · {offer.against or 'recommended'}"
